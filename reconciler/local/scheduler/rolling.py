"""Rolling deployments: new tasks up to maximumPercent, old ones down to minimumHealthyPercent, until all are new.

ECS developer guide, "Rolling update" and "Deployment circuit breaker". `moves` decides, the rest does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor

from reconciler.local.ecs.state import Deployment, Rollout, Service
from reconciler.local.scheduler import alarms, events, fleet, health
from reconciler.local.scheduler.rollouts import finish, roll_back, settled
from reconciler.local.world import World

STUCK = (
    "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the "
    "minimumHealthyPercent or maximumPercent value and try again."
)
BREAKER_BOUNDS = (3, 200)


@dataclass(frozen=True, slots=True)
class Counts:
    """A service in the middle of a deployment. Only tasks that are wanted count: what is stopping is on its way out."""

    desired: int
    lower: int
    upper: int
    new: int
    new_healthy: int
    old: int
    old_healthy: int


@dataclass(frozen=True, slots=True)
class Moves:
    start: int = 0
    stop_old_unhealthy: int = 0
    stop_old_healthy: int = 0
    stop_new: int = 0
    stuck: bool = False


def moves(counts: Counts) -> Moves:
    """What may be done now without leaving the two bounds. An unhealthy old task serves nobody and may always go."""
    if counts.new > counts.desired:
        return Moves(stop_new=counts.new - counts.desired)
    sick = counts.old - counts.old_healthy
    may_go = max(0, min(counts.old_healthy, counts.new_healthy + counts.old_healthy - counts.lower))
    room = max(0, counts.upper - counts.new - counts.old + sick)
    wanted = counts.desired - counts.new
    start = min(wanted, room)
    stuck = wanted > 0 and start == 0 and sick == 0 and may_go == 0 and counts.new_healthy == counts.new
    return Moves(start=start, stop_old_unhealthy=sick, stop_old_healthy=may_go, stuck=stuck)


def bounds(service: Service) -> tuple[int, int]:
    """minimumHealthyPercent rounds up, maximumPercent down."""
    low, high = service.configuration["minimumHealthyPercent"], service.configuration["maximumPercent"]
    return ceil(service.desired_count * low / 100), floor(service.desired_count * high / 100)


def threshold(service: Service) -> int:
    """Failures at which the circuit breaks: a share of the desired count, between 3 and 200, or a number."""
    rule = service.configuration["deploymentCircuitBreaker"]["thresholdConfiguration"]
    if rule["type"] == "COUNT":
        return int(rule["value"])
    share = ceil(service.desired_count * rule["value"] / 100)
    low, high = BREAKER_BOUNDS
    return int(max(1, share) if rule["type"] == "UNBOUNDED_PERCENT" else max(low, min(high, share)))


def step(world: World, service: Service) -> None:
    primary = service.primary
    if primary is None:
        return
    _judge(world, service, primary)
    primary = service.primary
    assert primary is not None
    _move(world, service, primary)
    _tidy(service, primary)
    _complete(world, service, primary)


def _judge(world: World, service: Service, primary: Deployment) -> None:
    """The circuit breaker and the alarms, while the deployment is under way."""
    rollout = service.rollout
    if primary.rollout_state != "IN_PROGRESS" or rollout is None or rollout.status == "STOP_REQUESTED":
        return
    breaker = service.configuration["deploymentCircuitBreaker"]
    if breaker["enable"] and primary.breaker >= threshold(service):
        rollout.tripped = True
        events.add(world, service, f"(deployment {primary.id}) deployment failed: tasks failed to start.")
        reason = "ECS deployment circuit breaker: tasks failed to start."
        roll_back(world, service, rollout, reason, back=breaker["rollback"], prefix="ECS deployment circuit breaker")
    elif ringing := alarms.ringing(world, rollout):
        events.add(world, service, f"(deployment {primary.id}) deployment failed: alarm detected.")
        reason = f"ECS deployment {primary.id} failed: alarm detected: {', '.join(ringing)}."
        back = service.configuration["alarms"]["rollback"]
        roll_back(world, service, rollout, reason, back=back, prefix="ECS deployment alarms")


def _move(world: World, service: Service, primary: Deployment) -> None:
    old = [(one, task) for one in service.deployments if one is not primary for task in one.wanted()]
    new = primary.wanted()
    lower, upper = bounds(service)
    sick = [(one, task) for one, task in old if not health.healthy(world, task)]
    well = [(one, task) for one, task in old if health.healthy(world, task)]
    chosen = moves(
        Counts(
            desired=service.desired_count,
            lower=lower,
            upper=upper,
            new=len(new),
            new_healthy=sum(health.healthy(world, task) for task in new),
            old=len(old),
            old_healthy=len(well),
        )
    )
    primary.desired = service.desired_count
    if chosen.stop_new:
        fleet.keep(world, service, primary, service.desired_count)
    failed = primary.rollout_state == "FAILED"
    if not failed:
        leaving = [(one, task) for one, task in well if not fleet.protected(world, task)]
        for one, task in [*sick[: chosen.stop_old_unhealthy], *leaving[: chosen.stop_old_healthy]]:
            fleet.stop(world, service, one, [task], fleet.scaling(primary))
        fleet.start(world, service, primary, chosen.start)
        if chosen.stuck and old:
            events.complain(world, service, primary, STUCK)
    for one in service.deployments:
        if one is not primary:
            one.desired = len(one.wanted())


def _tidy(service: Service, primary: Deployment) -> None:
    """A replaced deployment is shown until its last task is gone."""
    service.deployments = [one for one in service.deployments if one is primary or not one.empty() or one.wanted()]


def _complete(world: World, service: Service, primary: Deployment) -> None:
    done = len(service.deployments) == 1 and fleet.all_healthy(world, primary, service.desired_count)
    rollout = service.rollout
    if done and rollout is not None and primary.rollout_state == "IN_PROGRESS" and not _baking(world, service, rollout):
        finish(world, service, rollout)
    settled(world, service, done and primary.rollout_state == "COMPLETED")


def _baking(world: World, service: Service, rollout: Rollout) -> bool:
    """With alarms and a bake time the deployment is watched a little longer before it counts as done."""
    minutes = service.configuration["bakeTimeInMinutes"] if service.configuration["alarms"]["enable"] else 0
    if not minutes or rollout.rollback:
        return False
    if rollout.stage != "BAKE_TIME":
        rollout.stage, rollout.since = "BAKE_TIME", world.now
        world.touch_after(minutes * 60, service)
    assert rollout.since is not None
    return world.now < rollout.since + timedelta(minutes=minutes)
