"""A newer version that cannot be started holds back itself, and nothing that is under way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rollout.actions import SetPrimary, SetWeights
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.observe_task_sets import quiet, waits
from reconciler.rollout.release import Version
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.state import UNNAMED, ObservedService, all_on
from reconciler.rollout.stored_state import DeadlineKind, Outcome
from reconciler.rollout.strategy import OnNewRevision, Promotion
from tests.rollout.facts import (
    BLUE,
    CANARY,
    CAREFUL,
    GOOD_LOOKS,
    GREEN,
    HOUR,
    MINUTE,
    due,
    ill,
    kinds,
    marked,
    said,
    seen,
    side,
    step,
    written,
)

REASON = "web:v9 has not been pushed yet"
AGO = -MINUTE
BEFORE = {"test": (0, 100), "looks": GOOD_LOOKS}
AFTER = {"production": (0, 100), "test": (0, 100), "looks": GOOD_LOOKS}
FLIGHT = {
    "scaling_up": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.UP))),
    "awaiting_promotion": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.GATE)), **BEFORE),
    "promoted": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=100)), **BEFORE),
    "verifying": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.VERIFY)), **AFTER),
    "verified": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.VERIFY, AGO)), **AFTER),
    "baking": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.WARM)), **AFTER),
    "baked": seen(BLUE, GREEN, marks=marked(due(DeadlineKind.WARM, AGO)), **AFTER),
    "ill in production": seen(
        BLUE, ill(GREEN), marks=marked(due(DeadlineKind.VERIFY)), production=(0, 100), looks=-GOOD_LOOKS
    ),
    "first": seen(replace(GREEN, slot=0), marks=marked(due(DeadlineKind.UP)), looks=GOOD_LOOKS),
}


def not_ready(facts: ObservedService, wanted: str = "") -> ObservedService:
    return replace(facts, wanted=wanted, waits=REASON)


@pytest.mark.parametrize("wanted", ["", "c"])
@pytest.mark.parametrize("name", FLIGHT)
def test_what_is_under_way_goes_on_as_if_nothing_else_were_wanted(name: str, wanted: str) -> None:
    """The same step in every phase, whether or not the id of the newer release is known."""
    usual, found = step(FLIGHT[name]), step(not_ready(FLIGHT[name], wanted))
    assert (found.phase, found.decisions, found.release) == (usual.phase, usual.decisions, usual.release)


def test_a_canary_goes_on_too() -> None:
    facts = seen(BLUE, GREEN, marks=marked(due(DeadlineKind.AT, AGO, weight=10)), production=(90, 10), looks=GOOD_LOOKS)
    assert step(not_ready(facts), CANARY).decisions == step(facts, CANARY).decisions


@pytest.mark.parametrize("verb", list(RequestVerb))
@pytest.mark.parametrize("name", FLIGHT)
def test_every_request_has_its_usual_answer(name: str, verb: RequestVerb) -> None:
    """Requests concern what is under way."""
    request = said(verb, "-" if verb in (RequestVerb.SUSPEND, RequestVerb.RESUME) else "b")
    asked = replace(FLIGHT[name], marks=replace(FLIGHT[name].marks, request=request))
    usual, found = step(asked), step(not_ready(asked))
    if verb is RequestVerb.RESTART:
        answers = [written(one).response for one in (usual, found)]
        codes = [one.refusal.code for one in answers if one is not None and one.refusal is not None]
        assert codes == [RequestRefusalCode.ROLLOUT_IN_PROGRESS] * 2
        return
    if verb is RequestVerb.RETRY:
        response = written(found).response
        assert response is not None
        assert response.refusal is not None
        assert response.refusal.code is RequestRefusalCode.OTHER_RELEASE
        return
    assert (found.phase, found.decisions) == (usual.phase, usual.decisions)


def test_at_rest_it_says_what_it_waits_for() -> None:
    """Nothing is looked at again before that changes."""
    found = step(not_ready(seen(replace(BLUE, running=2))))
    assert found.at_rest
    assert (found.phase, found.health, found.waits_for) == (Phase.IDLE, RolloutHealth.SUSPENDED, Waiting.DEPENDENCY)
    assert REASON in found.because
    first = step(not_ready(seen()))
    assert (first.phase, first.waits_for, first.at_rest) == (Phase.INITIAL_DEPLOYMENT, Waiting.DEPENDENCY, True)


def test_a_service_that_waits_costs_no_further_reads() -> None:
    """Targets and tasks are read only while something is under way."""
    assert quiet(not_ready(seen(BLUE)))
    assert not quiet(not_ready(FLIGHT["baking"]))


def test_a_version_that_runs_already_does_not_wait() -> None:
    """What it needed was there when it started."""
    assert waits("b", (BLUE, GREEN), REASON) == ""
    assert waits("b", (BLUE, replace(GREEN, draining=True)), REASON) == REASON
    assert waits("c", (BLUE, GREEN), REASON) == REASON


def test_a_rollback_after_teardown_goes_on_without_tests_and_gate() -> None:
    """Its target was in production before."""
    back = marked(due(DeadlineKind.UP, release="a"), quarantine=("b",), rollback_target=Version("a", "web:1"))
    live, returning = replace(GREEN, slot=0, primary=True), side("a", 1, age=0)
    found = step(not_ready(seen(live, returning, marks=back, looks=GOOD_LOOKS)))
    assert found.phase is Phase.SHIFTING
    deadline = written(found).deadline
    assert deadline is not None
    assert (deadline.release, deadline.stage) == ("a", DeadlineKind.TO)


def test_nothing_that_was_left_over_is_brought_to_production() -> None:
    """Neither what was created by hand nor what is on its way out is a rollout under way."""
    stranger = replace(GREEN, release=UNNAMED)
    assert kinds(step(not_ready(seen(BLUE, stranger)))) == ["WriteState"]
    leaving = step(not_ready(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.RETIRE, AGO)))))
    assert "DeleteTaskSet" in kinds(leaving)


# -- withdrawn


def test_a_clock_does_not_promote_what_was_withdrawn() -> None:
    """The gate's time is over, the canary's pause, and blue's: each waits for a person."""
    gone = "its commit was withdrawn"
    gate = replace(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.GATE, AGO)), **BEFORE), withdrawn=gone)
    pause = marked(due(DeadlineKind.AT, AGO, weight=10))
    canary = replace(seen(BLUE, GREEN, marks=pause, production=(90, 10), looks=GOOD_LOOKS), withdrawn=gone)
    for found in (step(gate), step(canary, CANARY), step(replace(FLIGHT["baked"], withdrawn=gone))):
        assert (found.decisions, found.waits_for) == ((), Waiting.PERSON)
        assert gone in found.because


def test_without_a_gate_it_gets_one_when_it_is_withdrawn() -> None:
    """And goes on by itself if the withdrawal is taken back."""
    auto = replace(CAREFUL, promotion=Promotion.AUTO, tests=())
    facts = replace(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.UP)), **BEFORE), withdrawn="withdrawn")
    found = step(facts, auto)
    deadline = written(found).deadline
    assert deadline is not None
    assert (deadline.stage, deadline.at) == (DeadlineKind.GATE, None)
    waiting = replace(facts, marks=marked(deadline))
    assert step(waiting, auto).waits_for is Waiting.PERSON
    assert step(replace(waiting, withdrawn=""), auto).phase is Phase.SHIFTING


def test_a_withdrawn_version_that_is_ill_goes_back() -> None:
    """It is watched like any other."""
    found = step(replace(FLIGHT["ill in production"], withdrawn="withdrawn"))
    assert found.decisions[0] == SetWeights("production", all_on(0), (0, 100))


def test_a_person_may_finish_what_was_withdrawn() -> None:
    """Blue goes once its connections had time to end."""
    asked = replace(FLIGHT["baking"], withdrawn="withdrawn")
    asked = replace(asked, marks=replace(asked.marks, request=said(RequestVerb.FINISH)))
    after = written(step(asked))
    found = step(replace(asked, marks=after), now=asked.marks.deadline.at + HOUR)  # type: ignore[union-attr,operator]
    assert "DeleteTaskSet" in kinds(found)
    assert after.ended is not None
    assert after.ended.outcome is Outcome.FAST_PROMOTED


# -- whoever serves is protected


def test_the_first_version_is_protected_as_soon_as_it_serves() -> None:
    """It becomes primary, and then the newer one has its tests and its gate."""
    first = side("a", 0)
    facts = seen(first, marks=marked(due(DeadlineKind.UP, release="a")), looks=1)
    assert step(facts).decisions == (SetPrimary(first.id),)
    protected = step(replace(facts, sets=(replace(first, primary=True),)))
    assert (protected.phase, kinds(protected)) == (Phase.SCALING_UP, ["WriteState", "CreateTaskSet"])
    dark = step(seen(ill(first), marks=marked(due(DeadlineKind.UP, release="a"))))
    assert dark.phase is Phase.INITIAL_DEPLOYMENT


# -- a fix takes over


@pytest.mark.parametrize("stage", [DeadlineKind.VERIFY, DeadlineKind.WARM])
def test_a_newer_version_takes_over_at_the_first_sign_of_illness(stage: DeadlineKind) -> None:
    """Production goes back to blue at once, and not only after several observations; what was healthy is left alone."""
    failing = seen(BLUE, ill(GREEN), wanted="c", marks=marked(due(stage)), production=(0, 100), looks=-1)
    found = step(failing)
    assert found.decisions[0] == SetWeights("production", all_on(0), (0, 100))
    assert found.ended is not None
    assert (found.ended.release, found.ended.outcome) == ("b", Outcome.SUPERSEDED)
    assert step(replace(failing, wanted="b")).decisions == ()
    assert step(replace(failing, sets=(BLUE, GREEN), looks=1)).decisions == ()
    assert step(replace(failing, waits=REASON)).decisions == ()
    assert step(failing, replace(CAREFUL, on_new_revision=OnNewRevision.QUEUE)).decisions == ()


@pytest.mark.parametrize("stage", [DeadlineKind.UP, DeadlineKind.TEST, DeadlineKind.GATE, DeadlineKind.TO])
def test_before_production_it_takes_over_at_once(stage: DeadlineKind) -> None:
    """Green never had traffic, so that nothing has to be waited for."""
    weight = 100 if stage is DeadlineKind.TO else 0
    failing = seen(BLUE, ill(GREEN), wanted="c", marks=marked(due(stage, weight=weight)), looks=-1)
    assert step(failing).phase is Phase.SUPERSEDED
    if stage is not DeadlineKind.TO:
        assert "DeleteTaskSet" in kinds(step(failing))
