"""Drift that the store keeps, with who made it, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.observations import plain
from reconciler.store.drift_journal import DriftEntry

MOST: Final = 10


def drift_text(entries: Sequence[DriftEntry], look: Look, most: int = MOST) -> str:
    """A heading and a line for each, the newest first."""
    lines = ["", look.paint("drift", "bold")]
    lines += [entry_text(entry) for entry in reversed(entries[-most:])]
    if len(entries) > most:
        lines.append(look.paint(f"({len(entries) - most} older ones; -o json has them)", "dim"))
    return "\n".join(lines)


def entry_text(entry: DriftEntry) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M} UTC  {plain(entry.text, 500)}"


def entry_document(entry: DriftEntry) -> dict[str, Any]:
    return {"at": entry.at.isoformat(), **entry.details}
