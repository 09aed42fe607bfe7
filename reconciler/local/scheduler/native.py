"""Service deployments that shift traffic: BLUE_GREEN, LINEAR and CANARY, as ECS itself runs them.

ECS developer guide, "Amazon ECS blue/green deployments: lifecycle stages".

    (RECONCILE_SERVICE) ► PRE_SCALE_UP ► SCALE_UP ► POST_SCALE_UP ► TEST_TRAFFIC_SHIFT ► POST_TEST_TRAFFIC_SHIFT
      ► { PRE_PRODUCTION_TRAFFIC_SHIFT ► PRODUCTION_TRAFFIC_SHIFT } per step ► POST_PRODUCTION_TRAFFIC_SHIFT
      ► BAKE_TIME ► CLEAN_UP ► SUCCESSFUL
                any of them ─► traffic back ► CLEAN_UP ► ROLLBACK_SUCCESSFUL

A stage is entered, its hooks run, and it is left when its work and all its hooks are done. Every deployment brings its
tasks up behind the target group of the pair that production does not use.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.local.ecs.state import Deployment, Launch, Params, Rollout, Service
from reconciler.local.scheduler import alarms, events, fleet, hooks, traffic
from reconciler.local.scheduler.rollouts import finish, restore, revision_arn, settled, source_of
from reconciler.local.world import World

UP = ("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT")
SHIFT = ("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
DOWN = ("POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP")


def shifts_traffic(service: Service) -> bool:
    strategy = service.configuration["strategy"]
    return (
        service.controller == "ECS" and strategy != "ROLLING" and bool(service.launch and service.launch.load_balancers)
    )


def resolved(world: World, service: Service, launch: Launch) -> Launch:
    """The launch with the target groups that it will really use: those of each pair that production does not.

    The first deployment of a service goes where production points already.
    """
    blue = serving(world, service.deployments)
    used = {entry["targetGroupArn"] for entry in blue.launch.load_balancers} if blue else set()
    entries = []
    for entry in launch.load_balancers:
        mine, other = traffic.pair(entry)
        swap = mine in used if blue else traffic.live_group(world, entry) == other
        entries.append(traffic.swapped(entry) if swap else entry)
    return replace(launch, load_balancers=tuple(entries))


def serving(world: World, candidates: list[Deployment]) -> Deployment | None:
    """The deployment to which production goes; while it is split, the one that was the whole service before."""
    alive = [one for one in candidates if one.wanted()]
    for one in alive:
        entries = [entry for entry in one.launch.load_balancers if entry.get("advancedConfiguration")]
        if entries and all(traffic.live_group(world, entry) == entry["targetGroupArn"] for entry in entries):
            return one
    return max(alive, key=lambda one: (one.completed, one.updated_at), default=None)


def weights(configuration: Params) -> list[float]:
    """Green's share of production after each step, in percent."""
    match configuration["strategy"]:
        case "CANARY":
            return [configuration["canaryConfiguration"]["canaryPercent"], 100.0]
        case "LINEAR":
            size = configuration["linearConfiguration"]["stepPercent"]
            steps = [round(size * index, 1) for index in range(1, int(100 / size) + 1)]
            return steps if steps[-1] == 100 else [*steps, 100.0]
        case _:
            return [100.0]


def step_bake(configuration: Params) -> float:
    """Minutes between two steps."""
    match configuration["strategy"]:
        case "CANARY":
            return float(configuration["canaryConfiguration"]["canaryBakeTimeInMinutes"])
        case "LINEAR":
            return float(configuration["linearConfiguration"]["stepBakeTimeInMinutes"])
        case _:
            return 0.0


def step(world: World, service: Service) -> None:
    rollout, primary = service.rollout, service.primary
    if primary is None:
        return
    if rollout is None:
        fleet.keep(world, service, primary, service.desired_count)
        _drain_others(world, service, primary)
        settled(world, service, fleet.all_healthy(world, primary, service.desired_count))
        return
    settled(world, service, False)
    if rollout.status == "ROLLBACK_REQUESTED":
        roll_back(world, service, rollout, rollout.status_reason)
    if rollout.status == "ROLLBACK_IN_PROGRESS":
        _go_back(world, service, rollout)
    elif rollout.status == "IN_PROGRESS":
        _advance(world, service, rollout)
    elif rollout.status == "PENDING" and (blue := _blue(world, service, rollout)):
        fleet.keep(world, service, blue, service.desired_count)


def _advance(world: World, service: Service, rollout: Rollout) -> None:
    """As far as it goes at this moment."""
    while rollout.status == "IN_PROGRESS":
        if ringing := alarms.ringing(world, service, rollout):
            names = ", ".join(ringing)
            roll_back(world, service, rollout, f"Service deployment rolled back because of alarms: {names}.")
            return
        if not rollout.stage:
            _enter(world, service, rollout, _first_stage(service, rollout))
            continue
        verdict = hooks.verdict(world, rollout)
        if verdict == "ROLLBACK":
            roll_back(world, service, rollout, hooks.why(rollout))
            return
        problem = _work(world, service, rollout)
        if problem:
            roll_back(world, service, rollout, problem)
            return
        if rollout.status != "IN_PROGRESS" or verdict == "WAIT" or not _done(world, service, rollout):
            return
        _enter(world, service, rollout, _next_stage(rollout))


def _first_stage(service: Service, rollout: Rollout) -> str:
    if not rollout.sources:
        return "SCALE_UP"
    live = [one for one in service.deployments if one.number in rollout.sources and one.wanted()]
    return "RECONCILE_SERVICE" if len(live) > 1 else "PRE_SCALE_UP"


def _next_stage(rollout: Rollout) -> str:
    if not rollout.sources:
        return "CLEAN_UP"
    if rollout.stage == "RECONCILE_SERVICE":
        return UP[0]
    if rollout.stage == "PRODUCTION_TRAFFIC_SHIFT" and rollout.step < len(weights(rollout.configuration)):
        return SHIFT[0]
    order = (*UP, *SHIFT, *DOWN)
    return order[order.index(rollout.stage) + 1]


def _enter(world: World, service: Service, rollout: Rollout, stage: str) -> None:
    rollout.stage, rollout.since, rollout.updated_at = stage, world.now, world.now
    hooks.enter(world, service, rollout)
    if stage == "PRODUCTION_TRAFFIC_SHIFT":
        rollout.step += 1
    for seconds in (world.timings.deployment_stage, _stage_seconds(world, rollout)):
        world.touch_after(seconds, service)


def _stage_seconds(world: World, rollout: Rollout) -> float:
    """How long the stage lasts at least; for SCALE_UP how long it may last at most."""
    last_step = rollout.step >= len(weights(rollout.configuration))
    match rollout.stage:
        case "PRODUCTION_TRAFFIC_SHIFT" if not last_step:
            return max(world.timings.deployment_stage, 60 * step_bake(rollout.configuration))
        case "BAKE_TIME":
            return float(60 * rollout.configuration["bakeTimeInMinutes"])
        case "SCALE_UP":
            return world.timings.green_within
        case "CLEAN_UP":
            return 0.0
        case _:
            return world.timings.deployment_stage


def _work(world: World, service: Service, rollout: Rollout) -> str:
    """Do what the stage is for; a reason when it cannot be done."""
    green = service.deployment(rollout.target)
    assert green is not None
    blue = _blue(world, service, rollout)
    if rollout.stage != "CLEAN_UP" and blue:
        fleet.keep(world, service, blue, service.desired_count)
    if rollout.stage == "RECONCILE_SERVICE" and blue:
        traffic.shift_production(world, blue, 100.0)
    if rollout.stage == "RECONCILE_SERVICE" or not rollout.sources:
        for other in service.deployments:
            if other not in (blue, green):
                fleet.keep(world, service, other, 0)
        _forget_gone(service, (blue, green))
    scaled = rollout.stage not in ("RECONCILE_SERVICE", "PRE_SCALE_UP")
    fleet.keep(world, service, green, service.desired_count if scaled else 0)
    match rollout.stage:
        case "PRE_SCALE_UP":
            return traffic.problem(world, green, blue)
        case "SCALE_UP":
            assert rollout.since is not None
            if world.now >= rollout.since + timedelta(seconds=world.timings.green_within):
                return "Service deployment rolled back because the new tasks did not become healthy in time."
        case "TEST_TRAFFIC_SHIFT":
            traffic.shift_test(world, green)
            rollout.test_weight = 100.0
        case "PRODUCTION_TRAFFIC_SHIFT":
            share = weights(rollout.configuration)[rollout.step - 1]
            traffic.shift_production(world, green, share)
            rollout.production_weight = share
        case "CLEAN_UP":
            rollout.production_weight = 100.0
            _drain_others(world, service, green)
    return ""


def _done(world: World, service: Service, rollout: Rollout) -> bool:
    assert rollout.since is not None
    green = service.deployment(rollout.target)
    assert green is not None
    match rollout.stage:
        case "SCALE_UP":
            return fleet.all_healthy(world, green, service.desired_count)
        case "RECONCILE_SERVICE":
            return len(service.deployments) <= 2
        case "CLEAN_UP":
            if len(service.deployments) == 1:
                finish(world, service, rollout)
            return False
        case _:
            return world.now >= rollout.since + timedelta(seconds=_stage_seconds(world, rollout))


def _blue(world: World, service: Service, rollout: Rollout) -> Deployment | None:
    """The deployment that served production when this one began."""
    if rollout.blue:
        return service.deployment(rollout.blue)
    found = serving(world, [one for one in service.deployments if one.number in rollout.sources])
    rollout.blue = found.number if found else ""
    return found


def _drain_others(world: World, service: Service, kept: Deployment) -> None:
    for other in service.deployments:
        if other is not kept:
            fleet.keep(world, service, other, 0)
    _forget_gone(service, (kept,))


def _forget_gone(service: Service, kept: tuple[Deployment | None, ...]) -> None:
    service.deployments = [one for one in service.deployments if one in kept or not one.empty() or one.wanted()]


# ---- back -----------------------------------------------------------------------------------------------------------


def roll_back(world: World, service: Service, rollout: Rollout, reason: str) -> None:
    """Traffic first, tasks afterwards. Without a blue there is nothing to go back to."""
    green = service.deployment(rollout.target)
    assert green is not None
    hooks.abandon(rollout)
    green.rollout_state, green.rollout_reason, green.updated_at = "FAILED", reason, world.now
    rollout.status_reason, rollout.updated_at = reason, world.now
    blue = _blue(world, service, rollout) or source_of(service, rollout)
    if blue is None or not rollout.sources:
        fleet.keep(world, service, green, 0)
        rollout.status, rollout.finished_at, rollout.stopped_at = "STOPPED", world.now, world.now
        return
    traffic.shift_production(world, blue, 100.0)
    traffic.shift_test(world, blue)
    rollout.production_weight = rollout.test_weight = 0.0
    restore(world, service, blue)
    blue.rollout_reason = f"ECS deployment: rolling back to deploymentId {blue.id}."
    rollout.status, rollout.stage, rollout.since = "ROLLBACK_IN_PROGRESS", "CLEAN_UP", world.now
    rollout.rollback = {
        "reason": reason,
        "startedAt": world.now,
        "serviceRevisionArn": revision_arn(world, service, blue.number),
    }
    events.add(world, service, f"rolling back to deployment {blue.id}.")
    world.touch(service)


def _go_back(world: World, service: Service, rollout: Rollout) -> None:
    blue = service.primary
    assert blue is not None
    fleet.keep(world, service, blue, service.desired_count)
    _drain_others(world, service, blue)
    if len(service.deployments) == 1 and fleet.all_healthy(world, blue, service.desired_count):
        finish(world, service, rollout)
