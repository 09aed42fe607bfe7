"""Service deployments that shift traffic: BLUE_GREEN, LINEAR and CANARY, as ECS itself runs them.

ECS developer guide, "Amazon ECS blue/green service deployments workflow". A stage is entered, its hooks run, and it is
left when its work and all its hooks are done; `strategy` has their order. Every deployment brings its tasks up behind
the target group of the pair that production does not use, and the first one of a service is no exception: observed in a
public account of a real one (the create's tasks were registered with the alternate group, and its PRE_SCALE_UP hook was
called).
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs.state import Deployment, Rollout, Service
from reconciler.local.scheduler import alarms, fleet, hooks, rollback, strategy, traffic
from reconciler.local.scheduler.rollback import drain_others
from reconciler.local.scheduler.rolling import threshold
from reconciler.local.scheduler.rollouts import fail, finish, settled
from reconciler.local.world import World

BREAKER = "Service deployment rolled back because the circuit breaker threshold was exceeded."
ALARMS = "Service deployment rolled back because of one or more active alarms."
TOO_LONG = "Service deployment rolled back because the lifecycle stage {} did not complete in time."
STOPPED = "Service deployment rolled back because a rollback was requested."


def step(world: World, service: Service) -> None:
    rollout, primary = service.rollout, service.primary
    if primary is None:
        return
    if rollout is None or rollout.status == "STOP_REQUESTED":
        _rest(world, service, primary)
        return
    settled(world, service, False)
    match rollout.status:
        case "ROLLBACK_REQUESTED" if rollout.stage != "CLEAN_UP":
            rollback.begin(world, service, rollout, _blue(world, service, rollout), STOPPED)
        case "ROLLBACK_IN_PROGRESS":
            rollback.advance(world, service, rollout)
        case "IN_PROGRESS" | "ROLLBACK_REQUESTED":  # it is too late to stop what is being cleaned up
            _advance(world, service, rollout)
        case _:
            if blue := _blue(world, service, rollout):
                fleet.keep(world, service, blue, service.desired_count)


def _rest(world: World, service: Service, primary: Deployment) -> None:
    """Nothing is deployed. After a failure that was not rolled back, everything stays as it was left."""
    if service.rollouts and service.rollouts[0].status in ("STOP_REQUESTED", "STOPPED", "ROLLBACK_FAILED"):
        settled(world, service, False)
        for one in service.deployments:
            count = len(one.wanted())
            whole = one.completed and count > 0
            fleet.keep(world, service, one, service.desired_count if whole else min(count, service.desired_count))
        return
    fleet.keep(world, service, primary, service.desired_count)
    drain_others(world, service, primary)
    settled(world, service, fleet.all_healthy(world, primary, service.desired_count))


def _advance(world: World, service: Service, rollout: Rollout) -> None:
    """As far as it goes at this moment."""
    while rollout.status in ("IN_PROGRESS", "ROLLBACK_REQUESTED"):
        if _detected(world, service, rollout):
            return
        if not rollout.stage:
            _enter(world, service, rollout, _first_stage(world, service, rollout))
        reason = hooks.failure(world, service, rollout) or _work(world, service, rollout)
        if not reason and rollout.stage == "CLEAN_UP":
            if len(service.deployments) == 1:
                finish(world, service, rollout)
            return
        if not reason and not hooks.waiting(rollout) and _done(world, service, rollout):
            launch, configuration = _green(service, rollout).launch, rollout.configuration
            following = strategy.after(rollout.stage, launch, step=rollout.step, configuration=configuration)
            _enter(world, service, rollout, following)
            continue
        if reason := reason or _overdue(world, service, rollout):
            rollback.begin(world, service, rollout, _blue(world, service, rollout), reason)
        return


def _detected(world: World, service: Service, rollout: Rollout) -> bool:
    """The circuit breaker and the alarms, up to the end of the bake time; each rolls back only if it is to."""
    if rollout.stage == "CLEAN_UP":
        return False
    breaker, watched = (rollout.configuration[name] for name in ("deploymentCircuitBreaker", "alarms"))
    if breaker["enable"] and _green(service, rollout).breaker >= threshold(service):
        rollout.tripped = True
        reason, back = BREAKER, breaker["rollback"]
    elif alarms.ringing(world, rollout):
        reason, back = ALARMS, watched["rollback"]
    else:
        return False
    if back:
        rollback.begin(world, service, rollout, _blue(world, service, rollout), reason)
    else:
        hooks.abandon(world, service, rollout)
        fail(world, service, rollout, reason.replace("rolled back", "failed"))
    return True


def _first_stage(world: World, service: Service, rollout: Rollout) -> str:
    _blue(world, service, rollout)
    live = [one for one in service.deployments if one.number in rollout.sources and one.wanted()]
    return strategy.RECONCILE if len(live) > 1 else strategy.UP[0]


def _enter(world: World, service: Service, rollout: Rollout, stage: str) -> None:
    rollout.stage, rollout.since, rollout.updated_at = stage, world.now, world.now
    if stage == "PRODUCTION_TRAFFIC_SHIFT":
        rollout.step += 1
        rollout.production = _shares(rollout, strategy.weights(rollout.configuration)[rollout.step - 1])
    if stage == "TEST_TRAFFIC_SHIFT":
        rollout.test = _shares(rollout, 100.0)
    hooks.enter(world, service, rollout)
    lasting = _stage_seconds(world, service, rollout)
    for seconds in (world.timings.deployment_stage, lasting, world.timings.green_within):
        world.touch_after(seconds, service)


def _shares(rollout: Rollout, green: float) -> dict[str, float]:
    blue = {rollout.blue: round(100.0 - green, 1)} if rollout.blue else {}
    return {rollout.target: green, **blue}


def _stage_seconds(world: World, service: Service, rollout: Rollout) -> float:
    """How long the stage lasts at least."""
    green = service.deployment(rollout.target)
    slow = green is not None and traffic.by_connections(green.launch)
    least = world.timings.deployment_stage + (world.timings.network_shift if slow else 0)
    match rollout.stage:
        case "TEST_TRAFFIC_SHIFT":
            return least
        case "PRODUCTION_TRAFFIC_SHIFT":
            return max(least, 60 * strategy.step_bake(rollout.configuration, rollout.step))
        case "BAKE_TIME":
            return float(60 * rollout.configuration["bakeTimeInMinutes"])
        case _:
            return world.timings.deployment_stage


def _overdue(world: World, service: Service, rollout: Rollout) -> str:
    """ "The system times out, fails the deployment, and then initiates a rollback after a stage reaches 24 hours".

    What waits for its bake time or for a PAUSE hook is not overdue before these are, and all of it lasts 30 days.
    """
    assert rollout.since is not None
    paused = any(hook.kind == "PAUSE" and hook.status == "AWAITING_ACTION" for hook in rollout.running)
    most = max(world.timings.green_within, _stage_seconds(world, service, rollout) + world.timings.deployment_stage)
    late = not paused and rollout.stage != "CLEAN_UP" and world.now >= rollout.since + timedelta(seconds=most)
    too_long = world.now >= rollout.created_at + timedelta(seconds=strategy.DEPLOYMENT_MOST)
    return TOO_LONG.format(rollout.stage) if late or too_long else ""


def _work(world: World, service: Service, rollout: Rollout) -> str:
    """Do what the stage is for; a reason when it cannot be done."""
    green, blue = _green(service, rollout), _blue(world, service, rollout)
    if rollout.stage == "CLEAN_UP":
        fleet.keep(world, service, green, service.desired_count)
        drain_others(world, service, green)
        return ""
    if blue:
        fleet.keep(world, service, blue, service.desired_count)
    scaled = rollout.stage not in (strategy.RECONCILE, strategy.UP[0])
    fleet.keep(world, service, green, service.desired_count if scaled else 0)
    reason = ""
    match rollout.stage:
        case strategy.RECONCILE:
            if blue:
                reason = traffic.shift_production(world, traffic.back(green.launch, blue.launch))
            if not reason:
                drain_others(world, service, blue, green)
        case "PRE_SCALE_UP":
            return traffic.problem(world, green)
        case "TEST_TRAFFIC_SHIFT":
            reason = traffic.shift_test(world, green.launch)
        case "PRODUCTION_TRAFFIC_SHIFT":
            reason = traffic.shift_production(world, green.launch, rollout.production[rollout.target])
    return hooks.failed(rollout.stage, reason) if reason else ""


def _done(world: World, service: Service, rollout: Rollout) -> bool:
    assert rollout.since is not None
    match rollout.stage:
        case "SCALE_UP":
            return fleet.all_healthy(world, _green(service, rollout), service.desired_count)
        case strategy.RECONCILE:
            return len(service.deployments) <= 2
        case _:
            return world.now >= rollout.since + timedelta(seconds=_stage_seconds(world, service, rollout))


def _green(service: Service, rollout: Rollout) -> Deployment:
    found = service.deployment(rollout.target)
    assert found is not None
    return found


def _blue(world: World, service: Service, rollout: Rollout) -> Deployment | None:
    """The deployment that served production when this one began."""
    if not rollout.blue:
        found = traffic.serving(world, [one for one in service.deployments if one.number in rollout.sources])
        if found is None:
            return None
        rollout.blue, rollout.production = found.number, {found.number: 100.0}
    return service.deployment(rollout.blue)
