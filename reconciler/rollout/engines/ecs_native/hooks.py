"""The two PAUSE hooks of a deployment: one until the tests have passed, one until promotion. Both must complete.

They wait at the same lifecycle stage, and ECS shows neither a name nor the stage of a hook. So they differ in what ECS
does when they expire or in when that is:

    hook    expires after                    then
    ──────  ───────────────────────────────  ────────
    tests   the time limit of the tests      ROLLBACK
    gate    `after`, of a timed promotion    CONTINUE
    gate    14 days, of any other            ROLLBACK

Without a load balancer, ECS takes every task that runs for a healthy one. So a deployment waits at the tests' hook
also if there are no tests and nobody is asked: until we have found its tasks healthy.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from reconciler.rollout.blue_green.pre_promotion import TEST_SLACK
from reconciler.rollout.engines.ecs_native.facts import (
    MINUTE,
    PAUSED_FOR,
    TESTED_WITHIN,
    Deployment,
    Hook,
    HookAction,
    PauseHook,
)
from reconciler.rollout.strategy import Promotion, Strategy

FIRST_LOOKS: Final = timedelta(minutes=5)
"""Time for the new version to be found healthy before its tests, also after a restart. Our own time limit of the tests
ends first then, with a reason that says more.
"""

GATE: Final = PauseHook(int(PAUSED_FOR / MINUTE), HookAction.ROLLBACK)
"""The gate that only we open: the longest wait, so that a person has time and a hold has room."""


def declared(policy: Strategy, *, connected: bool = False) -> tuple[PauseHook, ...]:
    """The hooks of the deployments of a strategy.

    A timed promotion is ECS's own timer, unless there are deployment windows, which ECS does not know. `connected`:
    there is no load balancer.
    """
    hooks = []
    if policy.tests:
        time = policy.test_for + TEST_SLACK + FIRST_LOOKS
        hooks.append(PauseHook(_minutes(time), HookAction.ROLLBACK))
    if policy.promotion is Promotion.MANUAL or policy.windows:
        hooks.append(GATE)
    elif policy.promotion is Promotion.TIMED:
        hooks.append(PauseHook(_minutes(policy.promote_after), HookAction.CONTINUE))
    elif connected and not hooks:
        time = min(policy.healthy_within + FIRST_LOOKS, TESTED_WITHIN)
        hooks.append(PauseHook(_minutes(time), HookAction.ROLLBACK))
    return tuple(hooks)


def _minutes(time: timedelta) -> int:
    return max(1, -(-time // MINUTE))


def is_gate(hook: PauseHook) -> bool:
    return hook.then is HookAction.CONTINUE or hook == GATE


def tests(deployment: Deployment) -> Hook | None:
    """The hook that waits for the tests, if it can be continued."""
    return next((one for one in deployment.hooks if one.waits and not _at_gate(deployment, one)), None)


def gate(deployment: Deployment) -> Hook | None:
    """The hook that waits for promotion, if it can be continued."""
    return next((one for one in deployment.hooks if one.waits and _at_gate(deployment, one)), None)


def declared_gate(deployment: Deployment) -> PauseHook | None:
    return next((one for one in deployment.declared if is_gate(one)), None)


def _at_gate(deployment: Deployment, hook: Hook) -> bool:
    """A deployment reaches its hooks after it was created, so that the gate's expiry is the whole wait away from that;
    the tests' hook expires sooner (`TESTED_WITHIN`).
    """
    if hook.then is HookAction.CONTINUE:
        return True
    return GATE in deployment.declared and hook.expires - deployment.born >= PAUSED_FOR
