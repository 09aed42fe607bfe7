"""Event buses: an event comes in, and goes to the targets of each rule that asks for it.

Services call `tell`, which does nothing while there is no rule. How late an event arrives, and whether at all, is the
matter of `Timings.event_delivery` and of the faults for events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from reconciler.local.eventbridge import pattern
from reconciler.local.eventbridge.rules import bus_of, invalid_pattern
from reconciler.local.eventbridge.state import DEFAULT_BUS, WITH_READS, Params
from reconciler.local.eventbridge.targets import deliver
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

API_CALL: Final = "AWS API Call via CloudTrail"
MANDATORY: Final = ("id", "account", "source", "time", "region", "resources", "detail-type")
MOST_ENTRIES: Final = 10
LARGEST_ENTRY: Final = 1_048_576


def tell(world: World, source: str, kind: str, resources: Iterable[str], detail: Callable[[], Params]) -> None:
    """An event of a service on the default bus. `detail` is asked only where there are rules."""
    if world.events.rules:
        put(world, event(world, source, kind, resources, detail()))


def event(world: World, source: str, kind: str, resources: Iterable[str], detail: Params) -> Params:
    """EventBridge User Guide, "Event structure"; a moment in it is written once it is delivered."""
    return {
        "version": "0",
        "id": world.ids.uuid(),
        "detail-type": kind,
        "source": source,
        "account": world.account,
        "time": world.now,
        "region": world.region,
        "resources": list(resources),
        "detail": detail,
    }


def put(world: World, told: Params, bus: str = DEFAULT_BUS, *, after: float | None = None, nulls: bool = False) -> None:
    """Deliver an event, as late, as often and in such an order as the faults say.

    `nulls`: members that are None are written as null, and not left out.
    """
    if not world.events.rules:
        return
    text = orjson.dumps(plain({**told, "time": moment(told["time"], milliseconds=False)}, nulls=nulls))
    names = told["source"], told["detail-type"], str(told["detail"].get("eventName", ""))
    if world.faults.for_event("event_loss", *names):
        return
    delay = world.timings.event_delivery if after is None else after
    if late := world.faults.for_event("event_delay", *names):
        delay += late.after
    if mixed := world.faults.for_event("event_disorder", *names):
        delay += world.faults.random.uniform(0, mixed.after)
    world.after(delay, lambda: _arrive(world, bus, text))
    if twice := world.faults.for_event("event_duplicate", *names):
        world.after(delay + twice.after, lambda: _arrive(world, bus, text))


def _arrive(world: World, bus: str, text: bytes) -> None:
    arrived = orjson.loads(text)
    reads = arrived["detail-type"] == API_CALL and arrived["detail"].get("readOnly") is True
    for rule in list(world.events.rules.values()):
        if rule.bus != bus or not rule.listens or (reads and rule.state != WITH_READS):
            continue
        assert rule.pattern is not None
        if pattern.matches(rule.pattern, arrived):
            for target in rule.targets.values():
                deliver(world, rule, target, arrived)


def plain(value: Any, *, nulls: bool = False) -> Any:
    """A value as it is in JSON: with moments as AWS writes them."""
    if isinstance(value, Mapping):
        return {name: plain(one, nulls=nulls) for name, one in value.items() if nulls or one is not None}
    if isinstance(value, list | tuple):
        return [plain(one, nulls=nulls) for one in value]
    return moment(value) if isinstance(value, datetime) else value


def moment(at: datetime, *, milliseconds: bool = True) -> str:
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at.microsecond // 1000:03d}Z" if milliseconds else f"{text}Z"


# ---- operations -----------------------------------------------------------------------------------------------------


def put_events(world: World, params: Params) -> Params:
    entries = params["Entries"]
    if len(entries) > MOST_ENTRIES:
        raise Refusal("ValidationException", f"1 validation error detected: more than {MOST_ENTRIES} entries.")
    rows = [_put_entry(world, entry) for entry in entries]
    return {"FailedEntryCount": sum("ErrorCode" in row for row in rows), "Entries": rows}


def _put_entry(world: World, entry: Params) -> Params:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            text = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if entry["Source"].startswith("aws."):
        text = f"Not authorized for the source '{entry['Source']}'."
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": text}
    try:
        detail = orjson.loads(entry["Detail"])
    except orjson.JSONDecodeError:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    bus = bus_of(world, entry)
    told = event(world, entry["Source"], entry["DetailType"], entry.get("Resources") or (), detail)
    told["time"] = entry.get("Time") or world.now
    put(world, told, bus)
    return {"EventId": told["id"]}


def test_event_pattern(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    try:
        parsed = pattern.parse(params["EventPattern"])
    except pattern.InvalidPattern as error:
        raise invalid_pattern(error) from error
    try:
        given = orjson.loads(params["Event"])
    except orjson.JSONDecodeError as error:
        raise Refusal("ValidationException", f"Parameter Event is not valid. Reason: {error}") from error
    if not isinstance(given, dict):
        raise Refusal("ValidationException", "Parameter Event is not valid. Reason: it is not an object.")
    if lacking := [name for name in MANDATORY if name not in given]:
        text = f"Parameter Event is not valid. Reason: it lacks {', '.join(lacking)}."
        raise Refusal("ValidationException", text)
    return {"Result": pattern.matches(parsed, given)}
