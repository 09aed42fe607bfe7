"""State of a commit from what passes and rollouts have found. Pure.

A text names the phase and what it waits for, and no count that changes at every look: each text that differs is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from reconciler.model.resource import Address
from reconciler.notifications.commit_status import CommitState
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase
from reconciler.rollout.phase_text import phase_text
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import STOPPED, Outcome, RolloutResult
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import NotReady, ServiceRollout

State = tuple[CommitState, str]

PROMOTED: Final = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED})
SPOKEN: Final[Mapping[Outcome, str]] = {
    Outcome.FAILED: "failed",
    Outcome.ABORTED: "aborted",
    Outcome.ROLLED_BACK: "rolled back",
    Outcome.FAST_ROLLED_BACK: "rolled back, because the specs went back",
    Outcome.SUPERSEDED: "superseded by a newer version",
}
REASONED: Final = frozenset({Phase.AWAITING_PROMOTION, Phase.BLOCKED})
"""Phases whose reason is shown, and stays as it is."""

STANDS: Final = frozenset({Phase.IDLE, Phase.TEARDOWN})
"""Phases in which nothing but the removal of older tasks is left."""


def of_end(ended: RolloutResult) -> State:
    """The end of a rollout."""
    if ended.outcome in PROMOTED:
        return CommitState.SUCCESS, "in production"
    text = SPOKEN[ended.outcome]
    state = CommitState.FAILURE if ended.outcome in STOPPED else CommitState.SUPERSEDED
    return state, f"{text}: {ended.why}" if ended.why and state is CommitState.FAILURE else text


def of_service(result: StepResult) -> State | None:
    """How the wanted release stands; None where nothing was seen, or where it is not known which one is wanted."""
    seen, step = result.seen, result.step
    if seen is None or step is None or result.settling or not seen.wanted:
        return None
    if step.ended is not None and step.ended.release == seen.wanted and result.error is None:
        return of_end(step.ended)
    if seen.marks.unreadable:
        return CommitState.ERROR, f"read-only: {seen.marks.unreadable}"
    if result.stuck:
        return CommitState.ERROR, str(result.error)
    if seen.marks.quarantined(seen.wanted):
        return _quarantined(seen, step.phase)
    if step.phase in STANDS and not seen.waits and _in_production(seen, step.live):
        return CommitState.SUCCESS, "in production"
    if seen.waits:
        return CommitState.PENDING, f"waiting: {seen.waits}"
    words = phase_text(step.phase, result.rollout.delivery.policy.engine)
    state = CommitState.ERROR if step.phase is Phase.BLOCKED else CommitState.PENDING
    if step.phase not in REASONED or not step.because:
        return state, "replacing the version before" if step.phase in STANDS else words
    return state, step.because if step.because.startswith(words) else f"{words}: {step.because}"


def _quarantined(seen: ObservedService, phase: Phase) -> State:
    verdict = seen.marks.verdict_of(seen.wanted)
    if phase is Phase.ROLLING_BACK:
        return CommitState.PENDING, "rolling back"
    text = SPOKEN.get(Outcome.FAILED if verdict is None else verdict.outcome, "failed")
    return CommitState.FAILURE, f"{text}: {verdict.why}" if verdict is not None and verdict.why else text


def _in_production(seen: ObservedService, live: int | None) -> bool:
    return any(
        one.release == seen.wanted and (live is None or one.slot == live) and not one.draining for one in seen.sets
    )


def of_stack(
    report: PassResult,
    rollouts: Collection[ServiceRollout],
    results: Mapping[Address, StepResult],
    missing: Mapping[Address, NotReady],
    *,
    applied: bool = False,
) -> State | None:
    """How the revision of a pass stands as a whole; None until every service was looked at after it.

    Once it was `applied`, drift and what is in the way of its correction say nothing of the commit any more.
    """
    changing = _of_changes(report)
    if changing is not None:
        return None if applied else changing
    found: dict[Address, State] = {
        address: (CommitState.PENDING, str(not_ready)) for address, not_ready in missing.items()
    }
    for rollout in rollouts:
        result = results.get(rollout.address)
        state = None if result is None or result.rollout != rollout else of_service(result)
        if state is None:
            return None
        found[rollout.address] = state
    for worst in (CommitState.FAILURE, CommitState.ERROR, CommitState.PENDING):
        texts = [f"{at.name}: {text}" for at, (state, text) in sorted(found.items()) if state is worst]
        if texts:
            return worst, "; ".join(texts)
    services = f", {len(found)} {'service' if len(found) == 1 else 'services'} in production" if found else ""
    return CommitState.SUCCESS, f"applied{services}"


def _of_changes(report: PassResult) -> State | None:
    """None where all of them are made."""
    if report.suspended:
        return CommitState.PENDING, "the stack is suspended"
    if report.refusals:
        return CommitState.ERROR, f"blocked: {'; '.join(one.because for one in report.refusals)}"
    if report.failed:
        first = report.failed[0]
        return CommitState.ERROR, f"{first.step.address}: {first.because}"
    if report.wrote or report.unfinished or any(not action.only_rolls for action in report.plan.actions):
        return CommitState.PENDING, "applying the changes"
    return None
