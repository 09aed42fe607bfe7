"""Preconditions of a deployment by CodeDeploy: without them it would fail at once, which says nothing of a version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.rollout.blue_green.context import POLL_EVERY, RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting


def lacking(s: RolloutContext, decided: RolloutStep) -> RolloutStep | None:
    """The step in place of `decided`, which creates a deployment; None if that can begin."""
    if not s.seen.sets and not s.seen.others:
        because = (
            "the primary task set was deleted, and without one CodeDeploy cannot deploy; create a task set of the "
            "service and make it primary, or delete the service, which is then created again"
        )
        return _held(s, decided, because, phase=Phase.BLOCKED, waits_for=Waiting.PERSON, wake_at=None)
    if s.seen.alarms:
        return _alarmed(s, decided)
    if s.seen.has_test and s.seen.test is None and s.live is not None:
        because = (
            "a new version is waiting: the test listener forwards to target groups that are not this service's, so "
            "CodeDeploy would refuse to deploy it; forward it to one of the service's, or change 'test_listener'"
        )
        return _held(s, decided, because, waits_for=Waiting.PERSON)
    return None


def _alarmed(s: RolloutContext, decided: RolloutStep) -> RolloutStep:
    """Its alarms end a deployment at once."""
    names, several = ", ".join(s.seen.alarms), len(s.seen.alarms) > 1
    because = f"a new version is waiting: {names} {'are' if several else 'is'} in alarm, so CodeDeploy would stop it"
    return _held(s, decided, because)


def _held(
    s: RolloutContext, decided: RolloutStep, because: str, *, phase: Phase = Phase.IDLE, **more: Any
) -> RolloutStep:
    wake, state = s.now + POLL_EVERY, RolloutHealth.DEGRADED
    held = replace(decided, phase=phase, decisions=(), wake_at=wake, because=because, health=state, ended=None)
    return replace(held, **more)
