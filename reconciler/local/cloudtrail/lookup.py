"""LookupEvents: the event history of a region, the newest first (CloudTrail API reference).

Two calls a second in each account and region are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import orjson

from reconciler.local.cloudtrail import identity, record
from reconciler.local.cloudtrail.state import Params
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import Operation, World

CALLS_A_SECOND: Final = 2
PAGE_SIZE: Final = 50
MATCHES: Final[Mapping[str, Callable[[Params, str], bool]]] = {
    "EventId": lambda event, value: event["EventId"] == value,
    "EventName": lambda event, value: event["EventName"] == value,
    "ReadOnly": lambda event, value: event["ReadOnly"] == value,
    "Username": lambda event, value: event["Username"] == value,
    "EventSource": lambda event, value: event["EventSource"] == value,
    "AccessKeyId": lambda event, value: event.get("AccessKeyId") == value,
    "ResourceType": lambda event, value: any(one["ResourceType"] == value for one in event["Resources"]),
    "ResourceName": lambda event, value: any(one["ResourceName"] == value for one in event["Resources"]),
}


def lookup_events(world: World, params: Params) -> Params:
    _throttle(world)
    start, end = params.get("StartTime"), params.get("EndTime")
    if start and end and start > end:
        raise Refusal("InvalidTimeRangeException", "The start time must be before the end time.")
    if "EventCategory" in params:
        return {"Events": []}  # insights: there are none
    size = params.get("MaxResults", PAGE_SIZE)
    if not 1 <= size <= PAGE_SIZE:
        raise Refusal("InvalidMaxResultsException", f"MaxResults must be between 1 and {PAGE_SIZE}.")
    asked = params.get("LookupAttributes") or []
    if len(asked) > 1 or any(one["AttributeKey"] not in MATCHES for one in asked):
        raise Refusal("InvalidLookupAttributesException", "Specify one lookup attribute, of the documented ones.")
    found = []
    for kept in world.history.newest_first(world.region):
        if kept.visible_at > world.now or (start and kept.at < start) or (end and kept.at > end):
            continue
        event = _shown(record.detail(world.history, kept, world.account))
        event["EventTime"] = kept.at
        if all(MATCHES[one["AttributeKey"]](event, one["AttributeValue"]) for one in asked):
            found.append((f"{-kept.number + 10**12:013d}", event))
    wrong = Refusal("InvalidNextTokenException", "The token is not valid.")
    rows, following = page(found, params.get("NextToken"), size, lambda row: row[0], wrong)
    return {"Events": [event for _, event in rows], "NextToken": following}


def _throttle(world: World) -> None:
    recent = [at for at in world.history.lookups.get(world.region, ()) if at > world.now - timedelta(seconds=1)]
    if len(recent) >= CALLS_A_SECOND:
        raise Refusal("ThrottlingException", "Rate exceeded")
    world.history.lookups[world.region] = [*recent, world.now]


def _shown(detail: Params) -> Params:
    return {
        "EventId": detail["eventID"],
        "EventName": detail["eventName"],
        "ReadOnly": "true" if detail["readOnly"] else "false",
        "AccessKeyId": detail["userIdentity"].get("accessKeyId"),
        "EventSource": detail["eventSource"],
        "Username": identity.name(detail["userIdentity"]) or None,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in record.resources(detail)],
        "CloudTrailEvent": orjson.dumps(detail).decode(),
    }


OPERATIONS: Final[Mapping[str, Operation]] = {"LookupEvents": lookup_events}
