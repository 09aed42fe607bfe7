"""The state of a commit's release and of the stack, for each thing that a look may find."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import errors
from reconciler.controller.commit_states import of_end, of_service, of_stack
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, PlanStep, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address
from reconciler.model.resource_type import Depth
from reconciler.notifications.commit_status import CommitState
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult, StoredState, Verdict
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import NotReady
from reconciler.source.base import Revision

NOW = datetime(2026, 1, 5, tzinfo=UTC)
P, S, F, E, X = CommitState
BLUE = TaskSet("ts-1", "old", 0, NOW)
GREEN = TaskSet("ts-2", "new", 1, NOW)


def rollout(name: str = "web") -> Any:
    address, policy = Address("service", name), SimpleNamespace(engine="task_sets")
    return SimpleNamespace(address=address, delivery=SimpleNamespace(policy=policy))


def result(phase: Phase, because: str = "", *, live: int | None = 0, name: str = "web", **seen: Any) -> StepResult:
    """Of a service that wants `new`, while `old` and `new` have tasks."""
    error, settling = seen.pop("error", None), seen.pop("settling", False)
    found = ObservedService("new", 2, (BLUE, GREEN), **seen)
    step = RolloutStep(phase, because=because, live=live)
    return StepResult(rollout(name), NOW, found, step, settling=settling, error=error)


def ended(outcome: Outcome, why: str = "") -> RolloutResult:
    return RolloutResult("new", outcome, "testing", NOW, Actor.ENGINE, why)


def quarantined(outcome: Outcome, why: str) -> StoredState:
    return StoredState(quarantine=("new",), verdicts=(Verdict("new", outcome, NOW, why=why),))


@pytest.mark.parametrize(
    ("found", "state", "text"),
    [
        (result(Phase.SCALING_UP, "1 of 2 tasks running"), P, "scaling up"),
        (result(Phase.SHIFTING, "10 %"), P, "shifting traffic"),
        (result(Phase.AWAITING_PROMOTION, "waiting for promotion, on hold"), P, "waiting for promotion, on hold"),
        (result(Phase.IDLE, live=1), S, "in production"),
        (result(Phase.TEARDOWN, live=1), S, "in production"),
        (result(Phase.TEARDOWN, live=0), P, "replacing the version before"),
        (result(Phase.IDLE, waits="web:v2 is missing"), P, "waiting: web:v2 is missing"),
        (result(Phase.BLOCKED, "the listener was changed"), E, "blocked: the listener was changed"),
        (result(Phase.FAILED, marks=quarantined(Outcome.FAILED, "3 tasks stopped")), F, "failed: 3 tasks stopped"),
        (result(Phase.ROLLED_BACK, marks=quarantined(Outcome.ROLLED_BACK, "5xx")), F, "rolled back: 5xx"),
        (result(Phase.ROLLED_BACK, marks=quarantined(Outcome.ABORTED, "by ana")), F, "aborted: by ana"),
        (result(Phase.ROLLING_BACK, marks=quarantined(Outcome.ROLLED_BACK, "5xx")), P, "rolling back"),
        (result(Phase.BLOCKED, marks=StoredState(unreadable="format 9")), E, "read-only: format 9"),
        (result(Phase.SCALING_UP, error=errors.Denied("no")), E, "no"),
        (result(Phase.SCALING_UP, error=errors.Throttled("slow")), P, "scaling up"),
    ],
)  # fmt: skip
def test_a_release_stands_as_it_was_found(found: StepResult, state: CommitState, text: str) -> None:
    """The phase in the words of `status`, and the reason where it stays the same from look to look."""
    assert of_service(found) == (state, text)


def test_nothing_is_said_of_what_was_not_seen() -> None:
    """A write that does not show yet, a service that cannot be read, and a release that is not known."""
    assert of_service(result(Phase.IDLE, settling=True)) is None
    assert of_service(StepResult(rollout(), NOW, error=errors.Throttled("slow"))) is None
    unknown = StepResult(rollout(), NOW, ObservedService("", 1), RolloutStep(Phase.IDLE))
    assert of_service(unknown) is None


def test_every_outcome_is_a_state() -> None:
    """What a newer version, or the specs, took the place of has not failed."""
    found = {outcome: of_end(ended(outcome, "why"))[0] for outcome in Outcome}
    assert found == {
        Outcome.PROMOTED: S, Outcome.FAST_PROMOTED: S, Outcome.FAILED: F, Outcome.ABORTED: F, Outcome.ROLLED_BACK: F,
        Outcome.SUPERSEDED: X, Outcome.FAST_ROLLED_BACK: X,
    }  # fmt: skip
    assert of_end(ended(Outcome.ROLLED_BACK, "5xx")) == (F, "rolled back: 5xx")


def passed(*actions: Action, refusals: tuple[Refusal, ...] = (), outcomes: tuple[StepOutcome, ...] = ()) -> PassResult:
    plan = Plan("shop", actions, refusals=refusals)
    return PassResult(1, Depth.FULL, Revision("a" * 40, "ana"), ObservedState(), plan, outcomes=outcomes)


def stack(report: PassResult, *results: StepResult, missing: dict[Address, NotReady] | None = None, **more: Any) -> Any:
    by_address = {one.rollout.address: one for one in results}
    return of_stack(report, [one.rollout for one in results], by_address, missing or {}, **more)


def test_a_stack_is_as_far_as_its_services() -> None:
    """The worst counts, and names its services; a stack without services is applied."""
    done, up = result(Phase.IDLE, live=1, name="api"), result(Phase.SCALING_UP, name="web")
    failed = result(Phase.FAILED, marks=quarantined(Outcome.FAILED, "3 tasks stopped"), name="job")
    assert stack(passed()) == (S, "applied")
    assert stack(passed(), done) == (S, "applied, 1 service in production")
    assert stack(passed(), done, up) == (P, "web: scaling up")
    assert stack(passed(), done, up, failed) == (F, "job: failed: 3 tasks stopped")
    absent = {Address("service", "new"): NotReady("its image is missing")}
    assert stack(passed(), done, missing=absent) == (P, "new: not deployed yet: its image is missing")
    assert of_stack(passed(), [up.rollout], {}, {}) is None, "it was not looked at yet"


def test_what_keeps_a_revision_from_being_applied_is_its_state_until_it_is() -> None:
    """After that, the same says nothing of the commit."""
    action = Action(Verb.CREATE, Address("alarm", "errors"), "missing")
    step = StepOutcome(PlanStep(action.address, "make"), action, Result.FAILED, "denied", error=errors.Denied("denied"))
    cases = [
        (passed(action), (P, "applying the changes")),
        (passed(refusals=(Refusal(RefusalCode.GUARD, None, "too many"),)), (E, "blocked: too many")),
        (passed(refusals=(Refusal(RefusalCode.SUSPENDED, None, "ana"),)), (P, "the stack is suspended")),
        (passed(outcomes=(step,)), (E, "alarm/errors: denied")),
    ]
    for report, state in cases:
        assert stack(report) == state
        assert stack(report, applied=True) is None
