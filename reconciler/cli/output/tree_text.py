"""The stack's resources as a tree, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.observations import plain
from reconciler.model.resource import Address, ResourceHealth
from reconciler.queries.tree import Node

SIGNS = {ResourceHealth.READY: "ok", ResourceHealth.PROGRESSING: "wait", ResourceHealth.DEGRADED: "bad"}
COLORS = {ResourceHealth.READY: "green", ResourceHealth.PROGRESSING: "yellow", ResourceHealth.DEGRADED: "red"}
UNICODE = ("├─ ", "│  ", "└─ ", "   ")
ASCII = ("|- ", "|  ", "`- ", "   ")
LONGEST = 60


def tree_text(
    stack: str,
    nodes: Sequence[Node],
    look: Look,
    *,
    absent: Sequence[Address] = (),
    unread: Mapping[str, str] | None = None,
) -> str:
    """A line for each resource; then absent resources, and types that cannot be read. On a terminal that is too narrow
    for it, an id is cut down to its end or left out.
    """
    rows = list(_rows(nodes, "", look))
    width = min(max((len(left) for left, _, _ in rows), default=0), LONGEST) + 2
    lines = [look.paint(stack, "bold")]
    for left, node, sign in rows:
        detail = plain(node.detail)
        because = look.paint(f"  {plain(node.because)}", COLORS[node.health]) if node.because else ""
        taken = max(width, len(left)) + 2 + len(detail) + (2 + len(plain(node.because)) if node.because else 0)
        shown = _fitting(node.id, look.columns, taken + 2)
        identifier = look.paint(f"  {shown}", "dim") if shown else ""
        lines.append(f"{left.ljust(width)}{sign} {detail}{identifier}{because}".rstrip())
    for address in absent:
        lines.append(look.paint(f"{look.sign('dot')} {address} does not exist yet", "yellow"))
    for kind, why in (unread or {}).items():
        lines.append(look.paint(f"{look.sign('warn')} cannot read {kind}: {plain(why)}", "yellow"))
    return "\n".join(lines)


def _fitting(id: str, columns: int | None, taken: int) -> str:
    """As much of an id as there is room for: all of it, its last part, or nothing."""
    if columns is None:
        return id
    last = id.rpartition("/")[2]
    forms = (id, f"…/{last}" if last != id else id)
    return next((form for form in forms if taken + len(form) <= columns), "")


def _rows(nodes: Sequence[Node], before: str, look: Look) -> Iterator[tuple[str, Node, str]]:
    fork, line, end, gap = UNICODE if look.unicode else ASCII
    for place, node in enumerate(nodes):
        last = place == len(nodes) - 1
        sign = look.paint(look.sign(SIGNS[node.health]), COLORS[node.health])
        yield f"{before}{end if last else fork}{node.name}", node, sign
        yield from _rows(node.children, before + (gap if last else line), look)


def tree_document(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "id": node.id or None,
        "detail": node.detail,
        "health": node.health.value,
        "because": node.because or None,
        "children": [tree_document(child) for child in node.children],
    }
