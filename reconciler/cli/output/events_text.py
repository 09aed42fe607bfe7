"""Events of a service, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.observations import plain
from reconciler.model import duration
from reconciler.queries.events import EventGroup, ServiceEvent, Source

COLORS = {
    Source.ECS: "dim",
    Source.SCALING: "yellow",
    Source.ROLLOUT: "cyan",
    Source.TASK: "red",
    Source.DRIFT: "yellow",
}
SOURCE_WIDTH = max(len(source) for source in Source) + 2


def events_text(groups: Iterable[EventGroup], look: Look) -> str:
    """A line for each group of equal events."""
    return "\n".join(group_line(group, look) for group in groups)


def group_line(group: EventGroup, look: Look) -> str:
    times = ""
    if group.count > 1 and group.since is not None:
        mark = "×" if look.unicode else "x"
        times = look.paint(f"  ({mark}{group.count} since {group.since:%m-%d %H:%M:%S})", "dim")
    return event_line(group.newest, look) + times


def event_line(event: ServiceEvent, look: Look) -> str:
    """`01-05 09:00:12  rollout  release …`; times are UTC."""
    source = look.paint(str(event.source).ljust(SOURCE_WIDTH), COLORS[event.source])
    return f"{event.at:%m-%d %H:%M:%S}  {source}{plain(event.text)}"


def event_document(event: ServiceEvent) -> dict[str, Any]:
    text, source = plain(event.text, 4000), str(event.source)
    return {"at": event.at.isoformat(), "source": source, "text": text, "id": event.id, "details": dict(event.details)}


def in_the_last(since: timedelta | None) -> str:
    return "" if since is None else f" in the last {duration.format(since)}"
