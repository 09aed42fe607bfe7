"""Lifecycle hooks of a service deployment.

ECS developer guide, "Lifecycle hooks for Amazon ECS service deployments", "Pause hooks", "Lambda hooks" and
"Troubleshooting Amazon ECS blue/green deployments".

PAUSE waits for ContinueServiceDeployment or its timeout. AWS_LAMBDA asks a function: the AWS emulator has no Lambda, so
what answers is whatever stands in for it (`World.invoke`). Without that the hook fails, as with a function that does
not exist. All hooks of a stage run at once; any of them can have the deployment rolled back.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs.state import Hook, Params, Rollout, Service
from reconciler.local.scheduler import events
from reconciler.local.world import World

PENDING = ("AWAITING_ACTION", "IN_PROGRESS")
CALL_BACK = 30.0
"""Seconds until a function that answered IN_PROGRESS is asked again."""
KINDS = {"PAUSE": "pause", "AWS_LAMBDA": "lambda"}


def enter(world: World, service: Service, rollout: Rollout) -> None:
    """Start the hooks of the stage that has just been entered; each time it is entered they have new ids."""
    rollout.running = []
    for wanted in rollout.configuration["lifecycleHooks"]:
        if rollout.stage in wanted["lifecycleStages"]:
            _start(world, service, rollout, wanted)


def _start(world: World, service: Service, rollout: Rollout, wanted: Params) -> None:
    kind, timeout = wanted["targetType"], wanted["timeoutConfiguration"]
    seconds = 60 * timeout["timeoutInMinutes"]
    hook = Hook(
        id=f"ecs-{KINDS[kind]}-{world.ids.letters(43)}",
        kind=kind,
        stage=rollout.stage,
        status="AWAITING_ACTION" if kind == "PAUSE" else "IN_PROGRESS",
        expires_at=world.now + timedelta(seconds=seconds),
        timeout_action=timeout["action"],
        target_arn=wanted.get("hookTargetArn", ""),
        role_arn=wanted.get("roleArn", ""),
        execution_id=world.ids.uuid(),
        details=dict(wanted.get("hookDetails") or {}),
    )
    rollout.hooks.append(hook)
    rollout.running.append(hook)
    events.hook_changed(world, service, rollout, hook)
    world.touch_after(seconds, service)
    if kind == "AWS_LAMBDA":
        _invoke(world, service, rollout, hook)


def _invoke(world: World, service: Service, rollout: Rollout, hook: Hook) -> None:
    """Ask the function once; one that is IN_PROGRESS is asked again later, with the details that it has returned."""
    arn = hook.target_arn
    if world.checks.roles and not world.rest.role_trusts(hook.role_arn, "ecs.amazonaws.com"):
        _failed(world, service, rollout, hook, f"ECS was unable to assume role {hook.role_arn}")
        return
    given = world.invoke(arn, _payload(service, rollout, hook))
    if given is None:
        reason = f"ECS was unable to invoke hook target {arn} due to Function not found: {arn}"
        _failed(world, service, rollout, hook, reason)
        return
    answer: Params = {"hookStatus": given} if isinstance(given, str) else given
    match answer.get("hookStatus"):
        case "SUCCEEDED":
            change(world, service, rollout, hook, "SUCCEEDED")
        case "FAILED":
            _failed(world, service, rollout, hook, f"Lifecycle hook target {arn} returned FAILED status.")
        case "IN_PROGRESS":
            hook.details |= answer.get("hookDetails") or {}
            delay = answer.get("callBackDelay") or answer.get("callBackDelaySeconds") or CALL_BACK
            world.after(float(delay), lambda: _again(world, service, rollout, hook))
        case _:
            reason = f"ECS was unable to parse the response from {arn} due to HookStatus must not be null"
            _failed(world, service, rollout, hook, reason)


def _again(world: World, service: Service, rollout: Rollout, hook: Hook) -> None:
    if hook.status == "IN_PROGRESS":
        _invoke(world, service, rollout, hook)


def _payload(service: Service, rollout: Rollout, hook: Hook) -> Params:
    """What the function receives; the weights of the traffic that the stage is about."""

    def weights(share: dict[str, float], *stages: str) -> Params:
        shown = share if hook.stage in stages else {}
        return {service.revision_arn(number): weight for number, weight in shown.items()}

    payload: Params = {
        "executionId": hook.execution_id,
        "lifecycleStage": hook.stage,
        "resourceArn": rollout.arn,
        "executionDetails": {
            "serviceArn": service.arn,
            "targetServiceRevisionArn": service.revision_arn(rollout.target),
            "testTrafficWeights": weights(rollout.test, "TEST_TRAFFIC_SHIFT"),
            "productionTrafficWeights": weights(
                rollout.production, "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"
            ),
        },
    }
    return {**payload, "hookDetails": dict(hook.details)} if hook.details else payload


def change(world: World, service: Service, rollout: Rollout, hook: Hook, status: str) -> None:
    hook.status, rollout.updated_at = status, world.now
    events.hook_changed(world, service, rollout, hook)
    world.touch(service)


def _failed(world: World, service: Service, rollout: Rollout, hook: Hook, reason: str) -> None:
    hook.reason = reason
    change(world, service, rollout, hook, "FAILED")


def waiting(rollout: Rollout) -> bool:
    return any(hook.status in PENDING for hook in rollout.running)


def failure(world: World, service: Service, rollout: Rollout) -> str:
    """Why the hooks of this stage have the deployment rolled back; empty if they do not."""
    for hook in rollout.running:
        if hook.status in PENDING and hook.expires_at and world.now >= hook.expires_at:
            change(world, service, rollout, hook, "TIMED_OUT")
    return next((reason for hook in rollout.running if (reason := _why(hook))), "")


def _why(hook: Hook) -> str:
    timed_out = hook.status == "TIMED_OUT" and hook.timeout_action == "ROLLBACK"
    if timed_out and hook.kind == "PAUSE":
        return f"Service deployment rolled back because {hook.stage} pause hook timed out."
    if timed_out:
        return failed(hook.stage, f"Lifecycle hook target {hook.target_arn} timed out.")
    return failed(hook.stage, hook.reason) if hook.status == "FAILED" else ""


def failed(stage: str, reason: str) -> str:
    return f"Service deployment rolled back because {stage} lifecycle hook(s) failed. {reason}".rstrip()


def abandon(world: World, service: Service, rollout: Rollout) -> None:
    """Nobody's answer counts any more."""
    for hook in rollout.running:
        if hook.status in PENDING:
            change(world, service, rollout, hook, "FAILED")
    rollout.running = []
