"""Reference of the specs: a page for all kinds, and the table of what a change of each field means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import yaml

from reconciler.spec import effects, reference
from reconciler.spec.documents import KINDS, Block
from reconciler.spec.documents.base import Document
from reconciler.spec.effects import MEANINGS
from reconciler.spec.reference import Field

TABLE = Path(effects.__file__).with_name(effects.STORED)

ABOUT = """\
# Specs

Every field of every document.
`reconciler explain Service.task.cpu` prints the same for one field, and `reconciler explain Service` for a kind.
Members of AWS's APIs under `aws` have [a page of their own](members.md).

A field without a default may be left out unless it is *required*; its description says what applies then.
What a change means is found by compiling the examples with another value: the resource types say what AWS cannot \
change and what starts new tasks.

| a change | means |
| --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    lines = [ABOUT + "\n".join(f"| {effect} | {text} |" for effect, text in MEANINGS.items())]
    lines.append("| with others | no other value is valid without a change of other fields |\n")
    common = [one for one in reference.fields_of(KINDS["Service"], ("Service",)) if _common(one)]
    lines += ["## Every document\n", *_table(common)]
    seen = set[type[Block]]()
    for kind, document in KINDS.items():
        lines += [f"\n## {kind}\n", f"{_about(document)}\n"]
        lines += _sections(document, (kind,), seen)
    return "\n".join(lines) + "\n"


def _common(field: Field) -> bool:
    return effects.owner(field) is Document or field.name in ("moved_from",)


def _about(block: type[Block]) -> str:
    return " ".join((block.__doc__ or "").split())


def _sections(block: type[Block], at: tuple[str, ...], seen: set[type[Block]]) -> Iterator[str]:
    seen.add(block)
    own = [one for one in reference.fields_of(block, at) if not _common(one)]
    yield from _table(own)
    names = {one.name for one in own if not one.inner}
    if (found := effects.example_of(at, names)) is not None:
        yield f"\n```yaml\n{yaml.safe_dump(found, sort_keys=False, width=100).rstrip()}\n```"
    for field in own:
        for steps, inner in field.inner:
            path = ".".join(reference.plain(field.path))
            if inner in seen:
                yield f"\n`{path}`: {_about(inner)} Its fields are those of `{inner.__name__}` above.\n"
                continue
            yield f"\n### {path}\n\n{_about(inner)} (`{inner.__name__}`)\n"
            yield from _sections(inner, (*field.path, *steps), seen)


def _table(fields: list[Field]) -> Iterator[str]:
    yield "| field | type | default | a change | |\n| --- | --- | --- | --- | --- |"
    for field in fields:
        kind = ", ".join(part for part in (field.form, field.limits) if part)
        default = "*required*" if field.required else f"`{field.default}`" if field.default else ""
        cells = (f"`{field.name}`", kind, default, meaning(field), field.description)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def meaning(field: Field) -> str:
    if field.name == "kind":
        return ""
    if field.inner:
        return "that of its fields"
    if field.name == "aws":
        return "see [members](members.md)"
    return ", ".join(effects.effects(field)) or "with others"


def compute(*, anew: bool = False) -> None:
    """Add what the table of changes lacks, or all `anew`, which takes minutes."""
    known = {} if anew or not TABLE.is_file() else orjson.loads(TABLE.read_bytes())
    table = {}
    for field in (field for kind in KINDS for field in reference.fields(kind)):
        if effects.classified(field):
            name = ".".join(field.path)
            table[name] = known[name] if name in known else list(map(str, effects.computed(field)))
    TABLE.write_bytes(orjson.dumps(table, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


__all__ = ["compute", "page"]

if __name__ == "__main__":
    compute(anew="all" in sys.argv)
