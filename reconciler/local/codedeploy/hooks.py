"""Lifecycle hooks: a function is told the ids, and reports with PutLifecycleEventHookExecutionStatus within an hour.

CodeDeploy user guide, "AppSpec 'hooks' section for an Amazon ECS deployment". The AWS emulator has no Lambda. What
reports is whatever stands in for a function (`World.invoke`), or whoever reads `waiting`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import orjson

from reconciler.local.codedeploy.state import LifecycleEvent, Params, Release
from reconciler.local.world import World

WITHIN = 3600.0
FAILED = "The deployment failed because one or more of the lifecycle event validation functions failed."
LATE = (
    "The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one "
    "hour after a deployment hook is invoked."
)

Fail = Callable[[World, Release, str, str], None]
"""Ends the deployment with an error's code and message."""


def begin(world: World, item: Release, event: LifecycleEvent, fail: Fail) -> None:
    """Invoke the event's function, if it has one. The id is an opaque text, of an hour's use."""
    if not event.hook:
        return
    secret = {"encryptedData": world.ids.hexadecimal(64), "ivParameterSpec": world.ids.hexadecimal(16)}
    event.execution_id = base64.b64encode(orjson.dumps(secret)).decode()
    world.after(WITHIN, lambda: _late(world, item, event, fail))
    report = str(world.invoke(event.hook, payload(item, event))).title()
    if report in ("Succeeded", "Failed"):
        answered(world, item, event, succeeded=report == "Succeeded", fail=fail)


def payload(item: Release, event: LifecycleEvent) -> Params:
    """What the function receives."""
    return {"DeploymentId": item.id, "LifecycleEventHookExecutionId": event.execution_id}


def waits(event: LifecycleEvent | None) -> bool:
    return event is not None and bool(event.hook) and event.status == "InProgress"


def waiting(world: World) -> Iterator[Params]:
    """The functions whose reports deployments wait for, with what they have received."""
    for item in world.codedeploy.releases.values():
        for event in item.events:
            if not item.over and waits(event):
                yield {
                    "region": world.region,
                    "function": event.hook,
                    "event": event.name,
                    "payload": payload(item, event),
                }


def answered(world: World, item: Release, event: LifecycleEvent, *, succeeded: bool, fail: Fail) -> None:
    if succeeded:
        event.status, event.ended_at = "Succeeded", world.now
    else:
        _failed(world, item, event, fail, ("HOOK_EXECUTION_FAILURE", "ScriptFailed", FAILED))


def _late(world: World, item: Release, event: LifecycleEvent, fail: Fail) -> None:
    if not item.over and event.status == "InProgress":
        _failed(world, item, event, fail, ("TIMEOUT", "ScriptTimedOut", LATE))


def _failed(world: World, item: Release, event: LifecycleEvent, fail: Fail, why: tuple[str, str, str]) -> None:
    code, diagnosis, message = why
    event.status, event.ended_at = "Failed", world.now
    event.diagnostics = {"errorCode": diagnosis, "message": message}
    fail(world, item, code, message)
