"""The text of documents: whatever a value or a comment holds, it is read back as it was."""

from __future__ import annotations

import pytest

from reconciler.spec.node import Mapping, Scalar, Sequence
from reconciler.spec.parse import Budget, parse
from reconciler.spec.yaml_text import Block, text

HOSTILE = (
    "", " ", "~", "null", "true", "no", "Off", "012", "1.10", "1e3", "0x1f", "-", "- a", "? b", "a: b", "a:", "a #b",
    "#b", "a,b", "[a]", "{a: b}", "*x", "&x", "!x", "|", ">", "%x", "@x", "`x`", "'x'", '"x"', "\\", "a\nb", "a\tb",
    "---", "...", "=", "<<", "é", "日本", "👍", "a" * 200, "10:30", "$HOME", "a  b", "a ",
)  # fmt: skip


def read(written: str) -> object:
    roots, faults = parse(written, "file.yaml", Budget())
    assert faults == [], [str(fault) for fault in faults]
    (root,) = roots
    return plain(root)


def plain(node: object) -> object:
    match node:
        case Scalar():
            return node.text
        case Mapping():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
        case Sequence():
            return [plain(item) for item in node.items]
    raise AssertionError(node)


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_a_value_is_read_back_as_it_was(value: str) -> None:
    """On a line of its own, in a list, as a key and a value of a mapping, and in a block in a list."""
    block, inner = Block(), Block()
    inner.put("deep", value)
    block.put("plain", value, beside=value, above=value)
    block.note(value, literal=[value])
    block.put("listed", [value, "x"])
    block.put("mapped", {"key": value})
    block.put("blocks", [inner, {"long": "word " * 30, "value": value}])
    assert read(text([block], value)) == {
        "plain": value,
        "listed": [value, "x"],
        "mapped": {"key": value},
        "blocks": [{"deep": value}, {"long": "word " * 30, "value": value}],
    }
