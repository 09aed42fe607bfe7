"""The beginning and the end of a deployment, whatever its strategy: begun, superseded, finished, rolled back."""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs.state import Deployment, Launch, Rollout, Service
from reconciler.local.scheduler import alarms, events, hooks
from reconciler.local.world import World


def begin(world: World, service: Service, launch: Launch) -> Rollout:
    """A new PRIMARY deployment; one that is still under way is superseded."""
    if under_way := service.rollout:
        _supersede(world, under_way)
    number = world.ids.digits(19)
    made = Deployment(
        number=number,
        launch=launch,
        created_at=world.now,
        updated_at=world.now,
        desired=service.desired_count,
        rollout_reason=f"ECS deployment ecs-svc/{number} in progress.",
        declared=launch.load_balancers,
    )
    sources = [one.number for one in service.deployments if one.wanted()]
    for one in service.deployments:
        one.status, one.updated_at = "ACTIVE", world.now
    service.deployments.insert(0, made)
    service.revisions[number] = made
    service.launch, service.steady = launch, False
    rollout = Rollout(
        arn=world.arn("ecs", f"service-deployment/{service.cluster}/{service.name}/{world.ids.letters(21)}"),
        service=service.key,
        target=number,
        sources=sources,
        configuration=service.configuration,
        created_at=world.now,
        updated_at=world.now,
    )
    service.rollouts.insert(0, rollout)
    _start(world, service, rollout)
    world.touch(service)
    return rollout


def _start(world: World, service: Service, rollout: Rollout) -> None:
    """PENDING for a moment, so that a caller can see it."""

    def go() -> None:
        if rollout.status == "PENDING":
            rollout.status, rollout.started_at, rollout.updated_at = "IN_PROGRESS", world.now, world.now
            alarms.begin(world, service, rollout)
            world.touch(service)

    world.after(world.timings.deployment_stage, go)


def _supersede(world: World, rollout: Rollout) -> None:
    hooks.abandon(rollout)
    rollout.status, rollout.status_reason = "STOPPED", "Service deployment was superseded by a newer one."
    rollout.finished_at = rollout.stopped_at = rollout.updated_at = world.now


def finish(world: World, service: Service, rollout: Rollout) -> None:
    """The deployment that is PRIMARY now is the whole service."""
    primary = service.primary
    assert primary is not None
    primary.rollout_state, primary.completed = "COMPLETED", True
    primary.rollout_reason = f"ECS deployment {primary.id} completed."
    primary.updated_at = world.now
    rollout.status = "ROLLBACK_SUCCESSFUL" if rollout.rollback else "SUCCESSFUL"
    rollout.started_at = rollout.started_at or world.now
    rollout.finished_at = rollout.updated_at = world.now
    rollout.stage = ""
    events.add(world, service, f"(deployment {primary.id}) deployment completed.")


def fail(world: World, service: Service, rollout: Rollout, reason: str) -> None:
    """There is nothing to go back to, or nobody asked for it: the service stays as it is."""
    primary = service.primary
    assert primary is not None
    primary.rollout_state, primary.rollout_reason, primary.updated_at = "FAILED", reason, world.now
    rollout.status = "ROLLBACK_FAILED" if rollout.rollback else "STOPPED"
    rollout.status_reason = reason
    rollout.finished_at = rollout.stopped_at = rollout.updated_at = world.now


def source_of(service: Service, rollout: Rollout) -> Deployment | None:
    """What a rollback returns to: the newest deployment that was once the whole service."""
    done = [one for number, one in service.revisions.items() if one.completed and number != rollout.target]
    return max(done, key=lambda one: one.updated_at, default=None)


def roll_back(
    world: World, service: Service, rollout: Rollout, reason: str, *, back: bool = True, prefix: str = "ECS deployment"
) -> None:
    """The last completed deployment becomes PRIMARY again, under its own number."""
    failed = service.primary
    assert failed is not None
    source = source_of(service, rollout)
    if not back or source is None or rollout.rollback:
        fail(world, service, rollout, reason)
        return
    failed.status, failed.rollout_state, failed.rollout_reason = "ACTIVE", "FAILED", reason
    failed.updated_at = world.now
    restore(world, service, source)
    source.rollout_reason = f"{prefix}: rolling back to deploymentId {source.id}."
    rollout.status, rollout.status_reason = "ROLLBACK_IN_PROGRESS", reason
    rollout.rollback = {
        "reason": reason,
        "startedAt": world.now,
        "serviceRevisionArn": revision_arn(world, service, source.number),
    }
    rollout.updated_at = world.now
    events.add(world, service, f"rolling back to deployment {source.id}.")
    world.touch(service)


def restore(world: World, service: Service, source: Deployment) -> None:
    """`source` is PRIMARY once more, at the head of the list."""
    for one in service.deployments:
        one.status = "ACTIVE"
    service.deployments = [source, *(one for one in service.deployments if one is not source)]
    source.status, source.rollout_state, source.updated_at = "PRIMARY", "IN_PROGRESS", world.now
    source.desired = service.desired_count
    source.breaker, source.failures, source.hold_until = 0, 0, None
    service.launch, service.steady = replace(source.launch, load_balancers=source.declared), False


def settled(world: World, service: Service, steady: bool) -> None:
    """The event that everybody waits for, once each time the service gets there."""
    if steady and not service.steady:
        events.add(world, service, "has reached a steady state.")
    service.steady = steady


def revision_arn(world: World, service: Service, number: str) -> str:
    return world.arn("ecs", f"service-revision/{service.cluster}/{service.name}/{number}")
