"""Reference of the API members that documents take under `aws`, from the services' models."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.members import FIELD, ApiMembers
from reconciler.spec.documents import KINDS, Block
from reconciler.spec.member_schema import described
from reconciler.spec.members import EACH, api_of, places

ABOUT = """\
# API members

A document has fields for what most services need.
Everything else that the API takes is set under `aws`, by AWS's own names.
See [the guide](../guides/aws-members.md).

`validate` checks a member against the service's model in botocore: whether it exists, and its type, choices, length, \
range and pattern.
A newer botocore therefore knows more members, without a newer reconciler.

| a change | means |
| --- | --- |
| in place | AWS changes the resource, and tasks go on |
| new revision | a new revision of the task definition, and with it a new release |
| new tasks | part of the release: the rollout of the service brings it |
| replacement | AWS cannot change it; the plan is refused unless it may be replaced |
| next run | it counts when the task is run the next time, and changes nothing that runs |

AWS does not return members marked with *not returned*.
A keyed hash in the tag `reconciler:members` shows whether one has changed since it was written.
"""


def page() -> str:
    """The page as Markdown."""
    return "\n".join([ABOUT, *(line for block in _blocks() for line in _section(*block))])


def _blocks() -> Iterator[tuple[str, type[Block]]]:
    """Where `aws` may stand, and in which block; each block once."""
    seen = set[type[Block]]()
    for name, kind in KINDS.items():
        for path, block in places(kind):
            if block not in seen:
                seen.add(block)
                yield ".".join((name, *(step for step in path if step != EACH), FIELD)), block


def _section(where: str, block: type[Block]) -> Iterator[str]:
    api = api_of(block)
    leaves = list(api.shape.leaves())
    words = sum(bool(api.said_by(path)) for path in leaves)
    owned = sum(bool(api.owner(path)) for path in leaves)
    yield f"## {where}\n"
    member = f", member `{api.inside}`" if api.inside else ""
    counts = f"the document sets {words} itself, {owned} cannot be set, and `aws` sets {len(leaves) - words - owned}"
    yield f"`{api.create}` of `{api.service}`{member}: of {len(leaves)} fields {counts}.\n"
    yield "| member | set by, or what a change means | |\n| --- | --- | --- |"
    for name in sorted(api.shape.members):
        about = described(api.shape.documentation(name)) if name not in api.more else ""
        yield f"| `{name}` | {_what(api, name)} | {about.replace('|', chr(92) + '|')} |"
    yield ""


def _what(api: ApiMembers, name: str) -> str:
    if word := api.words.get(name, ""):
        told = word.removesuffix("?")
        return told if " " in told else f"`{told}`"
    if owner := api.owned.get(name, ""):
        return f"cannot be set: {owner}"
    parts = sorted({word.removesuffix("?") for path, word in api.words.items() if path.startswith(f"{name}.")})
    beside = f"; parts by {', '.join(part if ' ' in part else f'`{part}`' for part in parts)}" if parts else ""
    return _change(api, name) + beside


def _change(api: ApiMembers, name: str) -> str:
    if api.revised:
        return "new revision"
    if api.counts:
        return api.counts
    hidden = "" if api.observed((name,)) or name in api.more else ", *not returned*"
    if name in api.rolls:
        return f"new tasks{hidden}"
    changes = api.updatable((name,)) or name in api.more
    return f"{'in place' if changes else 'replacement'}{hidden}"


__all__ = ["page"]
