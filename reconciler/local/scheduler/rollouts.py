"""The beginning and the end of a deployment, whatever its strategy: begun, superseded, finished, rolled back."""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs.state import Deployment, Launch, Rollout, Service
from reconciler.local.scheduler import alarms, events, hooks
from reconciler.local.world import World

NO_CANDIDATE = "No rollback candidate was found to run the rollback."
"""As Terraform's acceptance test of a first deployment expects it (hashicorp/terraform-provider-aws,
TestAccECSService_BlueGreenDeployment_circuitBreakerRollback)."""


def begin(world: World, service: Service, launch: Launch) -> Rollout:
    """A new PRIMARY deployment; one that is still under way is superseded."""
    if under_way := service.rollout:
        _supersede(world, service, under_way)
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
    events.deployment_changed(world, service, made, "IN_PROGRESS", made.rollout_reason)
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


def _supersede(world: World, service: Service, rollout: Rollout) -> None:
    hooks.abandon(world, service, rollout)
    stop(world, rollout, "Service deployment was superseded by a newer one.")


def stop(world: World, rollout: Rollout, reason: str) -> None:
    """STOP_REQUESTED for a moment, then STOPPED: what it has brought stays as it is."""

    def go() -> None:
        rollout.status = "STOPPED"
        rollout.finished_at = rollout.stopped_at = rollout.updated_at = world.now

    rollout.status, rollout.status_reason, rollout.updated_at = "STOP_REQUESTED", reason, world.now
    world.after(world.timings.deployment_stage, go)


def finish(world: World, service: Service, rollout: Rollout) -> None:
    """The deployment that is PRIMARY now is the whole service. The stage that it ended in stays to be seen."""
    primary = service.primary
    assert primary is not None
    primary.rollout_state, primary.completed = "COMPLETED", True
    primary.rollout_reason = f"ECS deployment {primary.id} completed."
    primary.updated_at = world.now
    rollout.status = "ROLLBACK_SUCCESSFUL" if rollout.rollback else "SUCCESSFUL"
    rollout.started_at = rollout.started_at or world.now
    rollout.finished_at = rollout.updated_at = world.now
    events.add(world, service, f"(deployment {primary.id}) deployment completed.")
    events.deployment_changed(world, service, primary, "COMPLETED", primary.rollout_reason)


def fail(world: World, service: Service, rollout: Rollout, reason: str) -> None:
    """It has failed, and nobody asked for a rollback: the service stays as it is."""
    _mark_failed(world, service, rollout, reason)
    stop(world, rollout, reason)


def rollback_failed(world: World, service: Service, rollout: Rollout, reason: str) -> None:
    """There is nothing to go back to, or no way."""
    _mark_failed(world, service, rollout, rollout.status_reason or reason)
    rollout.status, rollout.status_reason = "ROLLBACK_FAILED", reason
    rollout.finished_at = rollout.updated_at = world.now
    events.add(world, service, f"rollback has failed. {reason}")


def _mark_failed(world: World, service: Service, rollout: Rollout, reason: str) -> None:
    target = service.revisions[rollout.target]
    if target.rollout_state != "FAILED":
        target.rollout_state, target.rollout_reason, target.updated_at = "FAILED", reason, world.now
        events.deployment_changed(world, service, target, "FAILED", reason)


def source_of(service: Service, rollout: Rollout) -> Deployment | None:
    """What a rollback returns to: the newest deployment that was once the whole service."""
    done = [one for number, one in service.revisions.items() if one.completed and number != rollout.target]
    return max(done, key=lambda one: one.updated_at, default=None)


def roll_back(
    world: World, service: Service, rollout: Rollout, reason: str, *, back: bool = True, prefix: str = "ECS deployment"
) -> None:
    """The last completed deployment becomes PRIMARY again, under its own number."""
    source = source_of(service, rollout)
    if not back:
        fail(world, service, rollout, reason)
    elif source is None or rollout.rollback:
        rollback_failed(world, service, rollout, reason if source else NO_CANDIDATE)
    else:
        return_to(world, service, rollout, source, reason, prefix=prefix)


def return_to(
    world: World, service: Service, rollout: Rollout, source: Deployment, reason: str, *, prefix: str = "ECS deployment"
) -> None:
    """The rollback begins: `source` is PRIMARY, and what was to be brought has FAILED."""
    _mark_failed(world, service, rollout, reason)
    restore(world, service, source)
    source.rollout_reason = f"{prefix}: rolling back to deploymentId {source.id}."
    rollout.status, rollout.status_reason = "ROLLBACK_IN_PROGRESS", reason
    rollout.rollback = {
        "reason": reason,
        "startedAt": world.now,
        "serviceRevisionArn": service.revision_arn(source.number),
    }
    rollout.updated_at = world.now
    events.add(world, service, f"rolling back to deployment {source.id}.")
    events.deployment_changed(world, service, source, "IN_PROGRESS", source.rollout_reason)
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
        events.service_action(world, service, "SERVICE_STEADY_STATE")
    service.steady = steady
