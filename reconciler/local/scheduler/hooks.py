"""Lifecycle hooks of a service deployment.

PAUSE waits for ContinueServiceDeployment or its timeout. AWS_LAMBDA asks a function: the AWS emulator has no Lambda, so
what answers is a Python function that a test has put in its place; without one the hook fails, as a function that is
not there does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from reconciler.local.ecs.state import Hook, Rollout, Service
from reconciler.local.world import World

Verdict = Literal["GO", "WAIT", "ROLLBACK"]


def enter(world: World, service: Service, rollout: Rollout) -> None:
    """Start the hooks of the stage that has just been entered; each time it is entered they have new ids."""
    for hook in rollout.configuration["lifecycleHooks"]:
        if rollout.stage not in hook["lifecycleStages"]:
            continue
        made = Hook(id=world.ids.uuid(), kind=hook["targetType"], stage=rollout.stage, status="IN_PROGRESS")
        rollout.hooks.append(made)
        if made.kind == "PAUSE":
            minutes = hook["timeoutConfiguration"]["timeoutInMinutes"]
            made.status, made.timeout_action = "AWAITING_ACTION", hook["timeoutConfiguration"]["action"]
            made.expires_at = world.now + timedelta(minutes=minutes)
            world.touch_after(minutes * 60, service)
        else:
            made.target_arn = hook["hookTargetArn"]
            answer = world.lambda_hook
            details = {
                "executionDetails": {
                    "lifecycleStage": rollout.stage,
                    "serviceArn": service.arn,
                    "targetServiceRevisionArn": rollout.target,
                    "hookDetails": hook.get("hookDetails"),
                }
            }
            made.status = answer(made.target_arn, details) if answer else "FAILED"


def current(rollout: Rollout) -> list[Hook]:
    return [hook for hook in rollout.hooks if hook.stage == rollout.stage]


def verdict(world: World, rollout: Rollout) -> Verdict:
    """Any hook that wants back decides; else all must have succeeded."""
    for hook in current(rollout):
        if hook.status == "AWAITING_ACTION" and hook.expires_at and world.now >= hook.expires_at:
            hook.status = "TIMED_OUT"
    states = [(hook.status, hook.timeout_action) for hook in current(rollout)]
    if any(status == "FAILED" or (status == "TIMED_OUT" and action == "ROLLBACK") for status, action in states):
        return "ROLLBACK"
    return "WAIT" if any(status in ("AWAITING_ACTION", "IN_PROGRESS") for status, _ in states) else "GO"


def why(rollout: Rollout) -> str:
    for hook in current(rollout):
        if hook.status == "TIMED_OUT":
            return f"Service deployment rolled back because of lifecycle hook {hook.id} at {hook.stage}: it timed out."
        if hook.status == "FAILED":
            return f"Service deployment rolled back because of lifecycle hook {hook.id} at {hook.stage}: it failed."
    return "Service deployment rolled back because of a lifecycle hook."


def abandon(rollout: Rollout) -> None:
    """Nobody's answer counts any more."""
    for hook in rollout.hooks:
        if hook.status in ("AWAITING_ACTION", "IN_PROGRESS"):
            hook.status = "FAILED"
