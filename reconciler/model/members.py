"""Members of an AWS API that the specs say by AWS's own names, under `aws:`.

Which members a type has, how their values look, whether AWS shows them again and whether it can change them is read
from the service's model. A type only says which operations it is made of, which members a word of ours says already,
and which belong to somebody else (`ApiMembers`).

What the specs state is merged over what is compiled. What they do not state is not removed: a live member that no
word of ours stands for is carried over wherever a write would replace it, and only `member: null` removes it.

A member may also be set by an optional field of a document (`ApiMembers.optional`). Then it is the field's as a whole,
and a tag of the resource says so: once the field is removed from the document, the member is removed as well. Without
the tag it is somebody else's, and kept. `Spec.optional` is the same for the fields of resources that are not under
`aws`, such as the attributes of a target group.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler import service_models
from reconciler.model import ownership
from reconciler.model.member_values import Path, Values, aligned, merged, says_something, unsaid
from reconciler.model.resource import NOTHING, Address, Keep
from reconciler.service_models import Shape

FIELD: Final = "aws"
"""The field of documents, and of the specs of resources, that holds them."""


@dataclass(frozen=True, slots=True)
class ApiMembers:
    """The members of one type, as a call that makes one takes them.

    `inside` is the member of the call whose items these are. `described` is the shape in which answers show it.
    `words` are the members that a field of ours says, by path, with that field; one that ends with `?` says it only
    where it is stated. `owned` are those that the specs cannot say, with the reason. `rolls` are
    those whose change starts new tasks. `elsewhere` says where answers show a member that has another place in them.
    `others` are those that no word says, and that AWS shows only where somebody has set them. `more` are members of
    another operation, which is called right after. `fields` are members for which the spec of the resource has a
    field, and those that are `changeable` are changed by an operation of their own. `optional` are those among `words`
    that are kept where the field is not stated and never was, with the value that removes one that is changed in place.
    `counts` says when a change counts where nothing that exists is changed by it.
    """

    service: str
    create: str
    described: str
    update: str = ""
    inside: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, str] = field(default_factory=dict)
    rolls: frozenset[str] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    changeable: frozenset[str] = frozenset()
    optional: Mapping[str, Any] = field(default_factory=dict)
    counts: str = ""

    @property
    def shape(self) -> Shape:
        """What `aws:` may hold, with what is refused."""
        found = service_models.takes(self.service, self.create)
        if self.inside:
            return found.members[self.inside].item
        more = ((name, service_models.takes(self.service, other).members[name]) for name, other in self.more.items())
        return replace(found, more=tuple(more)) if self.more else found

    def observed(self, path: Path) -> bool:
        """Whether AWS shows the member again."""
        shown = service_models.shape(self.service, self.described)
        there = tuple(self.elsewhere.get(path[0], path[0]).split("."))
        return shown.at(*self._inside, *there, *path[1:]) is not None

    def updatable(self, path: Path) -> bool:
        """Whether AWS can change the member."""
        if path[0] in self.changeable:
            return True
        takes = service_models.takes(self.service, self.update) if self.update else None
        return takes is not None and takes.at(*self._inside, *path) is not None

    @property
    def _inside(self) -> Path:
        return (self.inside,) if self.inside else ()

    @property
    def revised(self) -> bool:
        """Whether a change makes a new one, by the same call."""
        return self.create == self.update

    def said_by(self, path: Path) -> str:
        """The field of ours that says the member at `path`, or everything round it; empty if none does."""
        return _nearest(self.words, path)

    def owner(self, path: Path) -> str:
        """Why the specs cannot say the member at `path`; empty if they can."""
        return _nearest(self.owned, path)


def _nearest(table: Mapping[str, str], path: Path) -> str:
    for length in range(len(path), 0, -1):
        if found := table.get(".".join(path[:length]), ""):
            return found
    return ""


# -- of what an optional field sets

CODE: Final = 3
MOST_STATED: Final = 85
"""The members of one resource that fields may set; the tag has room for so many codes."""


def code(path: Path) -> str:
    """A member in the tag, by its path in the spec of the resource."""
    return base64.urlsafe_b64encode(hashlib.sha256(".".join(path).encode()).digest())[:CODE].decode()


def stated_tag(kept: Mapping[Path, Keep]) -> dict[str, str]:
    """The tag of a resource some of whose members are set by fields; none if there are none."""
    codes = sorted({code(path) for path, how in kept.items() if how is Keep.STATED})
    return {ownership.FIELDS: "".join(codes)} if codes else {}


def stated_before(tags: Mapping[str, str]) -> frozenset[str]:
    """The codes of the members that fields set when the resource was written last."""
    text = tags.get(ownership.FIELDS, "")
    return frozenset(text[start : start + CODE] for start in range(0, len(text), CODE))


def laid(stated: Mapping[Path, Any]) -> dict[str, Any]:
    """Members by their paths, as an API takes them."""
    found: dict[str, Any] = {}
    for path, value in stated.items():
        for step in reversed(path[1:]):
            value = {step: value}
        found = merged(found, {path[0]: value})
    return found


# -- of what is changed in place

DIGEST: Final = 12


def removed(shape: Shape) -> Any:
    """What a member of this type is set to where it is to be removed from something that is changed in place; None if
    nothing says so."""
    match shape.kind:
        case "list":
            return []
        case "map":
            return {}
        case "structure":
            switch = next((name for name in ("enabled", "enable", "Enabled") if name in shape.members), None)
            return None if switch is None else {switch: False}
    return None


def resolved(shape: Shape, said: Values) -> dict[str, Any]:
    """`said`, with what removes a member in the place of None."""
    found = {}
    for name, value in said.items():
        inner = shape.members[name]
        if value is None:
            found[name] = removed(inner)
        else:
            found[name] = resolved(inner, value) if inner.kind == "structure" and inner.members else value
    return found


def seen(api: ApiMembers, said: Values, item: Values, tags: Mapping[str, str], at: Address) -> dict[str, Any]:
    """What AWS has of the members in `said`; `item` is its answer."""
    written = written_hashes(tags)
    found: dict[str, Any] = {}
    for name, value in said.items():
        if not api.observed((name,)):
            found |= {name: value} if written.get(name) == keyed_hash(name, value, at) else {}
        elif (there := aligned(item.get(name), value, ordered=False, only_said=True)) is not None:
            found[name] = there
    return found


def digests(api: ApiMembers, said: Values, at: Address, fields: Values = NOTHING) -> dict[str, str]:
    """The tag of a resource at `at` with these members; none if AWS shows all of them. `fields` are those of the spec
    that AWS does not show."""
    shown = api.revised or api.counts
    hidden = {} if shown else {name: value for name, value in said.items() if not api.observed((name,))}
    parts = (f"{name}:{keyed_hash(name, value, at)}" for name, value in sorted({**hidden, **fields}.items()))
    return {ownership.MEMBERS: " ".join(parts)} if hidden or fields else {}


def written_hashes(tags: Mapping[str, str]) -> dict[str, str]:
    """What the tag says has been written, by its name."""
    return dict(part.split(":", 1) for part in tags.get(ownership.MEMBERS, "").split() if ":" in part)


def keyed_hash(name: str, value: Any, at: Address) -> str:
    import hmac

    text = json.dumps([name, value], sort_keys=True)
    return hmac.new(str(at).encode(), text.encode(), "sha256").hexdigest()[:DIGEST]


def changed(api: ApiMembers, said: Values, item: Values, changes: Iterable[Path]) -> dict[str, Any]:
    """The parameters that make `changes`: each member whole, with what `item`, the answer, has beyond it."""
    takes = service_models.takes(api.service, api.create).members
    names = {path[1] for path in changes if path[0] == FIELD}
    return {name: merged(_taken(takes[name], item.get(name)), said[name]) for name in sorted(names)}


def _taken(shape: Shape, value: Any) -> Any:
    """`value` of an answer without the members that a call does not take."""
    if isinstance(value, Mapping) and shape.kind == "structure":
        return {name: _taken(shape.members[name], item) for name, item in value.items() if name in shape.members}
    if isinstance(value, list | tuple) and shape.kind == "list":
        return [_taken(shape.item, item) for item in value]
    return value


LEFT: Final = "left"
"""The fact of a resource that holds what fields have set and do not state any more: by its path in the spec, the value
that removes it."""


def left(api: ApiMembers, said: Values, item: Values, tags: Mapping[str, str]) -> dict[Path, Any]:
    """The members that fields have set, that `item` still has and `said` does not name any more, with the values that
    remove them."""
    before = stated_before(tags)
    found: dict[Path, Any] = {}
    for name, value in api.optional.items() if before else ():
        path = tuple(name.split("."))
        there = _at(item, path)
        if there is None or code((FIELD, *path)) not in before or _at(said, path) is not None:
            continue
        if aligned(there, value, ordered=False, only_said=True) != value:
            found[path] = value
    return found


def unstated(api: ApiMembers, said: Values, item: Values) -> tuple[Path, ...]:
    """Those of `others` that `item`, the answer, has and `said` does not name."""
    found = []
    for name in api.others:
        path = tuple(name.split("."))
        there, mine = _at(item, path), _at(said, path)
        if says_something(there):
            found += [path] if mine is None else [(*path, *rest) for rest in _beyond(there, mine)]
    return tuple(found)


def _beyond(there: Any, mine: Any) -> Iterator[Path]:
    return unsaid(there, mine) if isinstance(there, Mapping) and isinstance(mine, Mapping) else iter(())


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def with_fields(api: ApiMembers, said: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """`said`, without the members for which the resource has fields, and the values of those fields by their paths.

    A list of keys and values is a mapping.
    """
    rest, found = dict(said), dict[str, Any]()
    for member, name in api.fields.items():
        top, _, inner = member.partition(".")
        if top in rest and (not inner or inner in rest[top]):
            value = rest.pop(top) if not inner else rest[top][inner]
            if inner:
                rest[top] = {key: item for key, item in rest[top].items() if key != inner}
                rest = {key: item for key, item in rest.items() if key != top or item}
            keyed = isinstance(value, list) and all(isinstance(item, Mapping) and "Key" in item for item in value)
            found[name] = {item["Key"]: item["Value"] for item in value} if keyed else value
    return rest, found
