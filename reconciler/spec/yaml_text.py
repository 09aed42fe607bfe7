"""Text of documents as a person writes it: short things on one line, comments where they explain a line, and quotes
only where YAML needs them.

    block = Block()
    block.put("name", "web", beside="the service's name in AWS")
    block.note("Everything else stays as it is in AWS.")
    text([block])

Values and comments hold what AWS answers, so nothing in them may end a comment or a scalar.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.printable import cleaned
from reconciler.spec import placeholders, scalar

WIDTH: Final = 110
COLUMN: Final = 34
"""Where a comment beside a line begins, unless the line is longer."""
FEW: Final = 3
"""Items of a mapping that are still written on one line."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.*-][A-Za-z0-9_/.*@+=:%$ -]*", re.ASCII)
_NOT_PLAIN: Final = re.compile(r": |:$| #|^[-?] |^-+$|^---|^\.\.\.|^\*| $|<<|^=$")
_OLD_TRUTHS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 does not read as text; quotes keep people from wondering."""


@dataclass(slots=True)
class Block:
    """A mapping that is written line by line, in the order in which it is filled."""

    entries: list[tuple[str, Any, str, str]] = field(default_factory=list)
    """Key, value, comment beside it, comment above it; without a key only the comment."""

    def put(self, key: str, value: Any, *, beside: str = "", above: str = "") -> None:
        """A field; nothing if `value` is None."""
        if value is not None:
            self.entries.append((key, value, beside, above))

    def note(self, comment: str, *, literal: Iterable[str] = ()) -> None:
        """A comment of its own, followed by `literal` lines that are not wrapped."""
        self.entries.append(("", tuple(literal), "", comment))

    def __contains__(self, key: object) -> bool:
        return any(entry[0] == key for entry in self.entries)

    def __bool__(self) -> bool:
        return bool(self.entries)


def text(documents: Sequence[Block], comment: str = "") -> str:
    """The text of a file."""
    head = [*_comment(comment, 0)]
    bodies = ["\n".join(_block(document, 0)) for document in documents]
    return "\n".join([*head, "\n---\n".join(bodies)]) + "\n"


def lines_of(fields: Mapping[str, Any]) -> list[str]:
    """The lines of a document with these fields."""
    return list(_block(_as_block(fields), 0))


def _block(block: Block, indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value, beside, above in block.entries:
        yield from _comment(above, indent)
        if not key:
            yield from (f"{pad}# {_one_line(line)}".rstrip() for line in value)
            continue
        yield from _field(f"{pad}{word(key)}:", value, beside, indent)


def _field(head: str, value: Any, beside: str, indent: int) -> Iterator[str]:
    inline = _inline(value, WIDTH - len(head) - 1)
    if inline is not None:
        yield _with(f"{head} {inline}", beside)
        return
    yield _with(head, beside)
    if isinstance(value, Mapping):
        value = _as_block(value)
    if isinstance(value, Block):
        yield from _block(value, indent + 2)
        return
    for item in value:
        short = _inline(item, WIDTH - indent - 4)
        if short is not None:
            yield f"{' ' * indent}  - {short}"
            continue
        if isinstance(item, Mapping):
            item = _as_block(item)
        lines = list(_block(item, indent + 4))
        yield f"{' ' * indent}  - {lines[0].strip()}"
        yield from lines[1:]


def _as_block(value: Mapping[str, Any]) -> Block:
    return Block([(str(key), item, "", "") for key, item in value.items()])


def _with(line: str, beside: str) -> str:
    """`line` with a comment beside it, or above it where it would be too long."""
    if not beside:
        return line
    comment = f"# {_one_line(beside)}"
    return f"{line.ljust(COLUMN)}  {comment}"


def _comment(comment: str, indent: int) -> Iterator[str]:
    if comment:
        pad = " " * indent + "# "
        for line in comment.split("\n"):
            yield from textwrap.wrap(
                _one_line(line), WIDTH, initial_indent=pad, subsequent_indent=pad, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip


def _one_line(comment: str) -> str:
    return " ".join(cleaned(comment).splitlines())


def _inline(value: Any, room: int) -> str | None:
    """`value` on one line; None where it is a block, or takes more than `room`."""
    match value:
        case Block():
            return None
        case Mapping():
            parts = [(word(key), _inline(item, room)) for key, item in value.items()]
            if len(parts) > FEW and room < WIDTH // 2:
                return None
            shown = None if any(item is None for _, item in parts) else ", ".join(f"{k}: {i}" for k, i in parts)
            found = None if shown is None else f"{{{shown}}}"
        case list() | tuple():
            items = [_inline(item, room) for item in value]
            known = [item for item in items if item is not None]
            found = f"[{', '.join(known)}]" if len(known) == len(items) else None
        case _:
            return word(value)
    return found if found is not None and len(found) <= room else None


def word(value: Any) -> str:
    """A scalar. Text that YAML would read as something else is quoted, and what would be a placeholder is escaped."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    written = placeholders.escaped(str(value))
    read = scalar.resolve(written) if written else None
    plain = isinstance(read, str) and not isinstance(read, scalar.Written)
    if plain and _PLAIN.fullmatch(written) and not _NOT_PLAIN.search(written) and written.lower() not in _OLD_TRUTHS:
        return written
    return json.dumps(written, ensure_ascii=not written.isprintable())
