"""Recording of calls, and the events of those that a trail logs."""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.cloudtrail import calls, identity, record, trails
from reconciler.local.eventbridge import bus
from reconciler.local.regions import Regions
from reconciler.local.wire import Call, Response


def note(regions: Regions, call: Call, response: Response) -> None:
    """Keep a call that was answered, and tell EventBridge of it where a trail logs and a rule may ask for it."""
    if not calls.is_management(call):
        return
    history, region, reads = regions.history, calls.region(call), calls.reads(call)
    here = regions.known(call.region)
    if here is None:
        return  # a region that there is not
    if call.service == "cloudtrail" and not reads:
        history.trails = trails.read(here.rest)
    at = regions.timers.now
    kept = history.add(call, response, identity.of(call, history, here.rest, at), region, at, reads=reads)
    source = calls.source(call)
    late = here.faults.for_event("lookup_delay", source, bus.API_CALL, call.operation)
    kept.visible_at = at + timedelta(seconds=here.timings.lookup_delay + (late.after if late else 0.0))
    world = regions.known(region)
    if not history.trails or world is None or not world.events.rules or (reads and not world.events.wants_reads):
        return
    if trails.log(history, call, region, reads=reads):
        told = bus.event(world, source, bus.API_CALL, (), record.detail(history, kept, world.account))
        bus.put(world, told, after=world.timings.api_event_delivery, nulls=True)
