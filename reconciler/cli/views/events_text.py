"""What happened to a service, as lines and as documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.cli.terminal import Look
from reconciler.diagnosis.observations import plain
from reconciler.queries.events import EventGroup, ServiceEvent, Source

COLORS = {Source.ECS: "dim", Source.SCALING: "yellow", Source.ROLLOUT: "cyan"}
SOURCE_WIDTH = max(len(source) for source in Source) + 2


def events_text(folds: Iterable[EventGroup], look: Look) -> str:
    """A line for each fold, as they come."""
    return "\n".join(fold_line(fold, look) for fold in folds)


def fold_line(fold: EventGroup, look: Look) -> str:
    times = ""
    if fold.count > 1 and fold.since is not None:
        mark = "×" if look.unicode else "x"
        times = look.paint(f"  ({mark}{fold.count} since {fold.since:%m-%d %H:%M:%S})", "dim")
    return event_line(fold.newest, look) + times


def event_line(one: ServiceEvent, look: Look) -> str:
    """`01-05 09:00:12  rollout  release …`; times are UTC."""
    source = look.paint(str(one.source).ljust(SOURCE_WIDTH), COLORS[one.source])
    return f"{one.at:%m-%d %H:%M:%S}  {source}{plain(one.text)}"


def event_document(one: ServiceEvent) -> dict[str, Any]:
    text, source = plain(one.text, 4000), str(one.source)
    return {"at": one.at.isoformat(), "source": source, "text": text, "id": one.id, "details": dict(one.details)}
