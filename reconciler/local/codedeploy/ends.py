"""How a CodeDeploy deployment ends: succeeded, failed, stopped; and the second deployment that leads back."""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.codedeploy import traffic
from reconciler.local.codedeploy.checks import settings_of
from reconciler.local.codedeploy.state import LifecycleEvent, Release
from reconciler.local.ecs.task_sets import begin_draining, make_primary
from reconciler.local.world import World

ROLLBACK_STEP = "Rollback"


def current_event(item: Release) -> LifecycleEvent | None:
    return next((event for event in item.events if event.name == item.step), None)


def succeed(world: World, item: Release) -> None:
    service = world.ecs.services[item.service]
    if blue := service.deployment(item.blue):
        begin_draining(world, service, blue)
    close(world, item, "Succeeded")
    owner = world.codedeploy.groups.get((item.application, item.group))
    if owner:
        owner.target_revision = item.revision
        owner.last_successful = owner.last_attempted


def close(world: World, item: Release, status: str) -> None:
    item.status, item.completed_at, item.since = status, world.now, world.now
    owner = world.codedeploy.groups.get((item.application, item.group))
    if owner:
        owner.last_attempted = {
            "deploymentId": item.id,
            "status": status,
            "endTime": world.now,
            "createTime": item.created_at,
        }


def fail(world: World, item: Release, code: str, message: str) -> None:
    item.error = {"code": code, "message": message}
    end(world, item, "Failed", "DEPLOYMENT_FAILURE")


def stop(world: World, item: Release, *, roll_back: bool | None) -> None:
    """StopDeployment, "autoRollbackEnabled": overrules what the deployment group says."""
    end(world, item, "Stopped", "DEPLOYMENT_STOP_ON_REQUEST", roll_back)


def end(world: World, item: Release, status: str, cause: str, roll_back: bool | None = None) -> None:
    if event := current_event(item):
        event.status = "Failed" if status == "Failed" else "Skipped"
        event.ended_at = event.ended_at or world.now
    for event in item.events:
        if event.status == "Pending":
            event.status = "Skipped"
    close(world, item, status)
    rules = item.auto_rollback or settings_of(world, item).get("autoRollbackConfiguration") or {}
    wanted = rules.get("enabled", False) and cause in rules.get("events", [])
    if item.creator == "user" and (wanted if roll_back is None else roll_back) and item.blue:
        _roll_back(world, item)


def _roll_back(world: World, item: Release) -> None:
    """A second deployment: traffic back to blue, which still lives, then green goes."""
    back = replace(
        item,
        id=f"d-{world.ids.letters(9)}",
        creator="codeDeployRollback",
        status="InProgress",
        step=ROLLBACK_STEP,
        created_at=world.now,
        started_at=world.now,
        completed_at=None,
        since=world.now,
        events=[LifecycleEvent(event.name, status="Skipped") for event in item.events],
        error=None,
        termination_wait_since=None,
        ready_since=None,
        rollback={
            "rollbackTriggeringDeploymentId": item.id,
            "rollbackMessage": f"Deployment {item.id} was rolled back.",
        },
        rollback_of=item.id,
    )
    item.rollback = {"rollbackDeploymentId": back.id, "rollbackMessage": f"Rolling back with deployment {back.id}."}
    world.codedeploy.releases[back.id] = back
    service = world.ecs.services[item.service]
    blue, green = service.deployment(item.blue), service.deployment(item.green) if item.green else None
    if item.shifted > 0:
        traffic.shift_production(world, item, item.blue_group, 100.0)
    traffic.shift_test(world, item, item.blue_group)
    if blue is not None:
        make_primary(world, service, blue)
    if green is not None:
        begin_draining(world, service, green)
    world.after(world.timings.deployment_stage, lambda: close(world, back, "Succeeded"))
