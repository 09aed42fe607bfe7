"""The way back of a deployment that shifts traffic: traffic first, tasks afterwards.

ECS developer guide, "Lambda hooks", "Lifecycle hooks during rollback": the stages of the traffic shifts come once more,
with their hooks, as far as traffic had been shifted.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs.state import Deployment, Rollout, Service
from reconciler.local.scheduler import events, fleet, hooks, traffic
from reconciler.local.scheduler.rollouts import NO_CANDIDATE, finish, return_to, rollback_failed, source_of
from reconciler.local.scheduler.strategy import RECONCILE, SHIFT, TEST
from reconciler.local.world import World


def begin(world: World, service: Service, rollout: Rollout, blue: Deployment | None, reason: str) -> None:
    """Without anything that was once the whole service there is nothing to go back to; the new tasks are stopped."""
    green = service.deployment(rollout.target)
    assert green is not None
    hooks.abandon(world, service, rollout)
    events.add(world, service, f"(deployment {green.id}) deployment failed: {reason}")
    source = blue or source_of(service, rollout)
    if source is None:
        rollout.status_reason = reason
        rollback_failed(world, service, rollout, NO_CANDIDATE)
        fleet.keep(world, service, green, 0)
        return
    shifted = [(SHIFT[1], rollout.production), (TEST[0], rollout.test)]
    rollout.returning = [stage for stage, share in shifted if share.get(green.number)]
    if rollout.stage == RECONCILE:  # what the deployment before it had shifted
        rollout.returning = [SHIFT[1]]
    rollout.since = None
    return_to(world, service, rollout, source, reason)
    advance(world, service, rollout)


def advance(world: World, service: Service, rollout: Rollout) -> None:
    """As far as it goes at this moment."""
    blue = service.primary
    assert blue is not None
    fleet.keep(world, service, blue, service.desired_count)
    while rollout.status == "ROLLBACK_IN_PROGRESS":
        reason = hooks.failure(world, service, rollout)
        if not reason and not _left(world, rollout):
            return
        if not reason and rollout.returning:
            reason = _enter(world, service, rollout, blue)
        elif not reason:
            _clean_up(world, service, rollout, blue)
            return
        if reason:
            rollback_failed(world, service, rollout, reason)


def _left(world: World, rollout: Rollout) -> bool:
    """Whether nothing keeps it in its stage. It begins in none."""
    if rollout.since is None:
        return True
    lasts = timedelta(seconds=world.timings.deployment_stage)
    return not hooks.waiting(rollout) and world.now >= rollout.since + lasts


def _enter(world: World, service: Service, rollout: Rollout, blue: Deployment) -> str:
    rollout.stage = rollout.returning.pop(0)
    rollout.since = rollout.updated_at = world.now
    towards = traffic.back(service.revisions[rollout.target].launch, blue.launch)
    if rollout.stage == SHIFT[1]:
        reason = traffic.shift_production(world, towards)
        rollout.production = {rollout.target: 0.0, blue.number: 100.0}
    else:
        reason = traffic.shift_test(world, towards)
        rollout.test = {rollout.target: 0.0, blue.number: 100.0}
    if reason:
        return hooks.failed(rollout.stage, reason)
    hooks.enter(world, service, rollout)
    world.touch_after(world.timings.deployment_stage, service)
    return ""


def _clean_up(world: World, service: Service, rollout: Rollout, blue: Deployment) -> None:
    if rollout.stage != "CLEAN_UP":
        rollout.stage, rollout.since, rollout.running = "CLEAN_UP", world.now, []
    drain_others(world, service, blue)
    if len(service.deployments) == 1 and fleet.all_healthy(world, blue, service.desired_count):
        finish(world, service, rollout)


def drain_others(world: World, service: Service, *kept: Deployment | None) -> None:
    """The tasks of all other deployments go; each is forgotten once it has none."""
    for other in service.deployments:
        if other not in kept:
            fleet.keep(world, service, other, 0)
    service.deployments = [one for one in service.deployments if one in kept or not one.empty() or one.wanted()]
