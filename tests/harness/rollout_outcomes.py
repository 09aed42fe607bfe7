"""What a rollout on the emulated stack has come to, whatever engine does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from reconciler.controller.until import RolloutSummary
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver.driver import StepResult
from tests.harness.emulated_stack import EmulatedStack

HOUR = timedelta(hours=1)
DAY = 86_400.0


def in_phase(phase: Phase) -> Callable[[StepResult], bool]:
    return lambda result: result.step is not None and result.step.phase is phase and not result.busy


def ended_in(followed: RolloutSummary) -> list[Phase]:
    return [result.step.phase for result in followed.went_wrong if result.step]


def outcome(stage: EmulatedStack) -> tuple[Outcome, Actor, str]:
    ended = state_tags.of_tags(stage.tags()).ended
    assert ended is not None
    return ended.outcome, ended.by, ended.why


def quarantined(stage: EmulatedStack) -> bool:
    assert stage.last.seen is not None
    return state_tags.of_tags(stage.tags()).quarantined(stage.last.seen.wanted)


def answered(stage: EmulatedStack, verb: RequestVerb, seconds: int = 0) -> RequestRefusalCode | str | None:
    """The code of the refusal; None if the request is accepted."""
    stage.say(verb, seconds=seconds)
    stage.follow(lambda result: "reconciler:response" in stage.tags())
    response = state_tags.of_tags(stage.tags()).response
    assert response is not None
    return None if response.refusal is None else response.refusal.code


def sent(stage: EmulatedStack, names: Iterable[str]) -> dict[str, int]:
    """How often each of these calls was made, if it was."""
    return {name: count for name in names if (count := stage.transport.sent[name])}
