"""Which trails log, read from moto's state whenever one of them has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.local.cloudtrail.calls import GLOBAL, US_EAST
from reconciler.local.cloudtrail.state import History, LoggingTrail
from reconciler.local.rest import Rest
from reconciler.local.wire import Call


def read(rest: Rest) -> tuple[LoggingTrail, ...]:
    return tuple(
        LoggingTrail(
            region=trail.region_name,
            multi_region=bool(trail.is_multi_region),
            global_events=bool(trail.include_global_service_events),
            reads=_chosen(trail, "ReadOnly"),
            writes=_chosen(trail, "WriteOnly"),
        )
        for backend in rest.regions_of("cloudtrail")
        for trail in backend.trails.values()
        if trail.status.is_logging
    )


def _chosen(trail: Any, kind: str) -> bool:
    """Whether the selectors of a trail choose management events of a kind. A trail without selectors logs all."""
    if trail.event_selectors:
        return any(
            one.get("IncludeManagementEvents", True) and one.get("ReadWriteType", "All") in ("All", kind)
            for one in trail.event_selectors
        )
    if trail.advanced_event_selectors:
        return any(_takes(one.get("FieldSelectors", ()), kind) for one in trail.advanced_event_selectors)
    return True


def _takes(fields: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Only the fields `eventCategory` and `readOnly` are looked at."""
    equal = {one["Field"]: one.get("Equals") for one in fields}
    if "Management" not in (equal.get("eventCategory") or ()):
        return False
    wanted = equal.get("readOnly")
    return not wanted or wanted == ["true" if kind == "ReadOnly" else "false"]


def covers(history: History, region: str) -> bool:
    """Whether a trail logs what services themselves report in a region."""
    return any((trail.multi_region or trail.region == region) and trail.writes for trail in history.trails)


def log(history: History, call: Call, region: str, *, reads: bool) -> bool:
    """Whether a trail logs the call. Events of global services need one that covers us-east-1 and asks for them."""
    return any(
        (trail.multi_region or trail.region == region)
        and (trail.global_events or call.service not in GLOBAL or region != US_EAST)
        and (trail.reads if reads else trail.writes)
        for trail in history.trails
    )
