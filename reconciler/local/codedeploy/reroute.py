"""A rollback whose original task set still lives: traffic returns to it, and the replacement task set is deleted."""

from __future__ import annotations

from reconciler.local.codedeploy import preflight, traffic
from reconciler.local.codedeploy.ends import fail, succeed
from reconciler.local.codedeploy.state import Release
from reconciler.local.ecs.task_sets import begin_draining, make_primary
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

REROUTING = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")


def begin(world: World, item: Release) -> None:
    """Traffic at once; the replacement task set goes at the end."""
    item.step, item.since = "reroute", world.now
    service = world.ecs.services.get(item.service)
    blue = service.deployment(item.blue) if service else None
    problem = preflight.gone(world, item)
    if problem or service is None or blue is None:
        fail(world, item, *(problem or ("INVALID_ECS_SERVICE", "The original task set is gone.")))
        return
    for event in item.events:
        rerouting = event.name in REROUTING
        event.status, event.started_at = ("InProgress", world.now) if rerouting else ("Skipped", None)
    try:
        traffic.shift_production(world, item, item.blue_group, 100.0)
        traffic.shift_test(world, item, item.blue_group)
    except Refusal as refusal:
        fail(world, item, refusal.code, refusal.message)
        return
    item.shifted = 0.0
    make_primary(world, service, blue)
    world.after(world.timings.deployment_stage, lambda: _finish(world, item))


def _finish(world: World, item: Release) -> None:
    if item.over or item.stopping:
        return
    if problem := preflight.gone(world, item):
        fail(world, item, *problem)
        return
    service = world.ecs.services[item.service]
    if green := service.deployment(item.green):
        begin_draining(world, service, green)
    for event in item.events:
        if event.status == "InProgress":
            event.status, event.ended_at = "Succeeded", world.now
    succeed(world, item)
