"""A person's word: heeded or refused at once, answered so that the caller can prove it, and never heeded twice."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from reconciler.rollout.actions import SetWeights, WriteState
from reconciler.rollout.blue_green import requests
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.engines.task_sets import TaskSets
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, RequestVerb, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome, RolloutResult, StoredState
from reconciler.rollout.strategy import Strategy
from reconciler.rollout.windows import Window
from tests.rollout.facts import (
    BLUE,
    CANARY,
    CAREFUL,
    GOOD_LOOKS,
    GREEN,
    HOUR,
    MINUTE,
    NOW,
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

pytestmark = pytest.mark.promise("S7", "requests, each where it holds and where it does not")

LIVE = replace(GREEN, primary=True)
WAS_BLUE = replace(BLUE, primary=False)
GATE = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1)
UP = seen(BLUE, ill(GREEN), marks=marked(due(DeadlineKind.UP)), looks=-1)
TESTING = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.TEST)), looks=1)
SHARED = seen(BLUE, GREEN, production=(90, 10), marks=marked(due(DeadlineKind.AT, weight=10)), looks=GOOD_LOOKS)
VERIFY = seen(BLUE, GREEN, production=(0, 100), marks=marked(due(DeadlineKind.VERIFY)), looks=1)
WARM = seen(WAS_BLUE, LIVE, production=(0, 100), marks=marked(due(DeadlineKind.WARM)), looks=1)
REST = seen(replace(BLUE, release="b"))
KNOWN = replace(REST, marks=marked(previous=Version("old", "web:7")))
BLOCKED = seen(BLUE, GREEN, production=(63, 37), looks=1)
FAILED = seen(BLUE, marks=marked(quarantine=("b",)))
FIRST = seen(replace(GREEN, slot=0, healthy=()), marks=marked(due(DeadlineKind.UP)), looks=-1)
FROZEN = replace(CAREFUL, windows=(Window(time(0), time(0, 1), days=("sun",)),))
PAUSED = replace(GATE, marks=replace(GATE.marks, suspended=Pause("bob")))


def saying(facts: ObservedService, verb: RequestVerb, release: str = "b", **fields: Any) -> ObservedService:
    return replace(facts, marks=replace(facts.marks, request=said(verb, release, **fields)))


def answer(
    facts: ObservedService, verb: RequestVerb, release: str = "b", policy: Strategy = CAREFUL, **fields: Any
) -> Response:
    response = written(step(saying(facts, verb, release, **fields), policy)).response
    assert response is not None
    return response


HEEDED = [
    (GATE, RequestVerb.PROMOTE, CAREFUL),
    (SHARED, RequestVerb.PROMOTE, CANARY),
    (WARM, RequestVerb.FINISH, CAREFUL),
    (UP, RequestVerb.ROLLBACK, CAREFUL),
    (TESTING, RequestVerb.ROLLBACK, CAREFUL),
    (GATE, RequestVerb.ROLLBACK, CAREFUL),
    (GATE, RequestVerb.ROLLBACK, FROZEN),
    (PAUSED, RequestVerb.ROLLBACK, CAREFUL),
    (SHARED, RequestVerb.ROLLBACK, CANARY),
    (VERIFY, RequestVerb.ROLLBACK, CAREFUL),
    (VERIFY, RequestVerb.ROLLBACK, FROZEN),
    (WARM, RequestVerb.ROLLBACK, CAREFUL),
    (KNOWN, RequestVerb.ROLLBACK, CAREFUL),
    (BLOCKED, RequestVerb.ROLLBACK, CAREFUL),
    (FIRST, RequestVerb.ROLLBACK, CAREFUL),
    (GATE, RequestVerb.ABORT, CAREFUL),
    (SHARED, RequestVerb.ABORT, CANARY),
    (GATE, RequestVerb.HOLD, CAREFUL),
    (SHARED, RequestVerb.HOLD, CANARY),
    (WARM, RequestVerb.HOLD, CAREFUL),
    (UP, RequestVerb.EXTEND, CAREFUL),
    (GATE, RequestVerb.EXTEND, CAREFUL),
    (SHARED, RequestVerb.EXTEND, CANARY),
    (WARM, RequestVerb.EXTEND, CAREFUL),
    (FAILED, RequestVerb.RETRY, CAREFUL),
    (GATE, RequestVerb.SUSPEND, CAREFUL),
    (REST, RequestVerb.SUSPEND, CAREFUL),
    (PAUSED, RequestVerb.RESUME, CAREFUL),
    (REST, RequestVerb.RESTART, CAREFUL),
    (REST, RequestVerb.RESTART, FROZEN),
]

ILL = {"looks": -1, "sets": (BLUE, ill(GREEN))}
ENDLESS = marked(replace(due(DeadlineKind.GATE), at=None))
REFUSED = [
    (FAILED, RequestVerb.RESTART, CAREFUL, Code.OTHER_RELEASE, ""),
    (replace(REST, desired=0), RequestVerb.RESTART, CAREFUL, Code.NO_TASKS, ""),
    (GATE, RequestVerb.RESTART, CAREFUL, Code.ROLLOUT_IN_PROGRESS, ""),
    (WARM, RequestVerb.RESTART, CAREFUL, Code.ROLLOUT_IN_PROGRESS, ""),
    (UP, RequestVerb.PROMOTE, CAREFUL, Code.NOT_READY, "0 of 2"),
    (TESTING, RequestVerb.PROMOTE, CAREFUL, Code.NOT_TESTED, ""),
    (replace(GATE, **ILL), RequestVerb.PROMOTE, CAREFUL, Code.UNHEALTHY, "0 of 2"),
    (GATE, RequestVerb.PROMOTE, FROZEN, Code.OUTSIDE_WINDOW, "Sun 11 Jan 00:00 UTC"),
    (replace(SHARED, alarms=("errors",)), RequestVerb.PROMOTE, CANARY, Code.ALARM, "errors"),
    (
        replace(GATE, marks=marked(due(DeadlineKind.TO, weight=100))),
        RequestVerb.PROMOTE,
        CAREFUL,
        Code.ALREADY_SHIFTING,
        "",
    ),
    (
        replace(SHARED, marks=marked(due(DeadlineKind.TO, weight=50))),
        RequestVerb.PROMOTE,
        CANARY,
        Code.ALREADY_SHIFTING,
        "",
    ),
    (VERIFY, RequestVerb.PROMOTE, CAREFUL, Code.ALREADY_PROMOTED, ""),
    (WARM, RequestVerb.PROMOTE, CAREFUL, Code.ALREADY_PROMOTED, "finish"),
    (VERIFY, RequestVerb.FINISH, CAREFUL, Code.STILL_VERIFYING, ""),
    (GATE, RequestVerb.FINISH, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (SHARED, RequestVerb.FINISH, CANARY, Code.NO_PREVIOUS_VERSION, ""),
    (REST, RequestVerb.FINISH, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (replace(WARM, **ILL), RequestVerb.FINISH, CAREFUL, Code.UNHEALTHY, "0 of 2"),
    (REST, RequestVerb.PROMOTE, CAREFUL, Code.NO_ROLLOUT, ""),
    (FIRST, RequestVerb.PROMOTE, CAREFUL, Code.INITIAL_DEPLOYMENT, ""),
    (BLOCKED, RequestVerb.PROMOTE, CAREFUL, Code.TRAFFIC_CHANGED, ""),
    (PAUSED, RequestVerb.PROMOTE, CAREFUL, Code.SUSPENDED, "bob"),
    (replace(VERIFY, sets=(ill(BLUE), GREEN)), RequestVerb.ROLLBACK, CAREFUL, Code.UNHEALTHY, "blue"),
    (REST, RequestVerb.ROLLBACK, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (replace(BLOCKED, production=None), RequestVerb.ROLLBACK, CAREFUL, Code.UNMANAGED_TARGETS, ""),
    (VERIFY, RequestVerb.ABORT, CAREFUL, Code.ALREADY_PROMOTED, "rollback"),
    (REST, RequestVerb.ABORT, CAREFUL, Code.NO_ROLLOUT, ""),
    (REST, RequestVerb.HOLD, CAREFUL, Code.NO_ROLLOUT, ""),
    (REST, RequestVerb.EXTEND, CAREFUL, Code.NO_DEADLINE, ""),
    (replace(GATE, marks=ENDLESS), RequestVerb.EXTEND, CAREFUL, Code.NO_DEADLINE, ""),
    (GATE, RequestVerb.RETRY, CAREFUL, Code.NOT_QUARANTINED, ""),
    (replace(FAILED, sets=(BLUE, GREEN)), RequestVerb.RETRY, CAREFUL, Code.CLEANING_UP, ""),
    (GATE, RequestVerb.RESUME, CAREFUL, Code.NOT_SUSPENDED, ""),
]


@pytest.mark.parametrize(("facts", "verb", "policy"), HEEDED)
def test_a_word_that_fits_is_heeded_and_answered(facts: ObservedService, verb: RequestVerb, policy: Strategy) -> None:
    """In one step, with the id by which the caller can prove it."""
    assert answer(facts, verb, "b", policy, seconds=600) == Response("1")


@pytest.mark.parametrize(("facts", "verb", "policy", "code", "named"), REFUSED)
def test_a_word_that_does_not_fit_is_refused_with_the_reason(
    facts: ObservedService, verb: RequestVerb, policy: Strategy, code: Code, named: str
) -> None:
    """Not queued for a better moment, and nothing else is done in that step. The reason names what it is about."""
    found = step(saying(facts, verb, seconds=600), policy)
    assert kinds(found) == ["WriteState"]
    response = written(found).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is code
    assert response.refusal.why
    assert named in response.refusal.why


@pytest.mark.parametrize(
    "verb", [verb for verb in RequestVerb if verb not in (RequestVerb.SUSPEND, RequestVerb.RESUME)]
)
def test_a_word_about_another_release_is_refused(verb: RequestVerb) -> None:
    """Whoever said it looked at something that is not there any more."""
    refusal = answer(GATE, verb, "x", seconds=600).refusal
    assert refusal is not None
    assert refusal.code is Code.OTHER_RELEASE
    assert "b" in refusal.why.split()


def test_a_word_is_heeded_once() -> None:
    """What was answered is taken away, and nothing follows from it any more."""
    told = saying(GATE, RequestVerb.EXTEND, seconds=600)
    once = step(told)
    after = replace(told, marks=written(once))
    assert not step(after).decisions
    again = replace(REST, marks=replace(marked(), request=said(RequestVerb.SUSPEND), response=Response("1")))
    assert written(step(again)).request is None


def test_a_word_of_yesterday_is_refused() -> None:
    """Nobody was there to hear it, and things are not what they were."""
    late = answer(GATE, RequestVerb.PROMOTE, at=NOW - 2 * HOUR).refusal
    assert late is not None
    assert late.code is Code.EXPIRED


def test_promote_opens_the_gate() -> None:
    """And lifts a hold: it is the same person's word, or a later one's."""
    held = replace(GATE, marks=replace(GATE.marks, hold=Pause("bob", "b")))
    after = written(step(saying(held, RequestVerb.PROMOTE)))
    assert after.deadline == due(DeadlineKind.TO, CAREFUL.healthy_within, weight=100)
    assert after.hold is None


def test_promote_goes_on_to_the_next_share() -> None:
    """The rest of the pause is skipped, the look at its health is not."""
    after = written(step(saying(SHARED, RequestVerb.PROMOTE), CANARY))
    assert after.deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=50)


def test_finish_while_blue_is_warm_lets_it_go() -> None:
    """Except for the time that requests to it may take; it is counted as fast."""
    after = written(step(saying(WARM, RequestVerb.FINISH)))
    assert after.deadline == due(DeadlineKind.WARM, CAREFUL.drain)
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.FAST_PROMOTED, Actor.PERSON)
    over = replace(WARM, marks=replace(after, deadline=due(DeadlineKind.WARM, -MINUTE), request=None))
    assert written(step(over)).ended == after.ended


@pytest.mark.parametrize(("facts", "policy"), [(SHARED, CANARY), (VERIFY, CAREFUL), (WARM, CAREFUL)])
def test_rollback_is_two_calls_traffic_first(facts: ObservedService, policy: Strategy) -> None:
    """No task is started; the answer, the quarantine and the reason travel in the second."""
    found = step(saying(facts, RequestVerb.ROLLBACK, why="it looks wrong"), policy)
    assert found.decisions[0] == SetWeights("production", (100, 0), facts.production)
    assert kinds(found) == ["SetWeights", "WriteState"]
    after = written(found)
    assert (after.quarantine, after.response) == (("b",), Response("1"))
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.ROLLED_BACK, Actor.PERSON)
    assert all(part in after.ended.why for part in ("ana", "rollback", "it looks wrong"))
    assert after.hold == facts.marks.hold, "taking a tag away would be a third call"


def test_rollback_before_the_switch_is_an_end_without_a_move() -> None:
    """Production has not moved, and does not."""
    after = written(step(saying(GATE, RequestVerb.ROLLBACK)))
    assert after.quarantine == ("b",)
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.ABORTED, Actor.PERSON)


def test_rollback_when_blue_is_gone_is_a_rollout_of_what_was() -> None:
    """The last version that was well, without tests and gate."""
    after = written(step(saying(KNOWN, RequestVerb.ROLLBACK)))
    assert (after.rollback_target, after.quarantine) == (Version("old", "web:7"), ("b",))
    following = step(replace(KNOWN, marks=replace(after, request=None)), FROZEN)
    assert following.release == "old"
    assert kinds(following) == ["WriteState", "CreateTaskSet"]


def test_rollback_never_goes_back_to_a_version_in_quarantine() -> None:
    """It was taken back for a reason."""
    bad = replace(KNOWN, marks=replace(KNOWN.marks, quarantine=("old",)))
    refusal = answer(bad, RequestVerb.ROLLBACK).refusal
    assert refusal is not None
    assert refusal.code is Code.NO_PREVIOUS_VERSION


def test_rollback_clears_up_shares_that_nobody_gave() -> None:
    """All of production to the side that was there first."""
    found = step(saying(BLOCKED, RequestVerb.ROLLBACK))
    assert found.decisions[0] == SetWeights("production", (100, 0), (63, 37))
    assert written(found).quarantine == ("b",)
    nowhere = step(saying(replace(BLOCKED, production=(0, 0)), RequestVerb.ROLLBACK, "a"))
    assert nowhere.decisions[0] == SetWeights("production", (100, 0), (0, 0))


@pytest.mark.parametrize("production", [(63, 37), (0, 0), None])
def test_a_blocked_rollout_offers_a_rollback_only_where_that_helps(production: tuple[int, int] | None) -> None:
    """Where production goes to targets of others, only whoever pointed it there can bring it back."""
    facts = replace(BLOCKED, production=production)
    found = step(facts)
    assert found.phase is Phase.BLOCKED
    offered = RequestVerb.ROLLBACK in requests.verbs(CAREFUL, facts, found, NOW)
    assert ("`reconciler rollback`" in found.because) is offered


@pytest.mark.parametrize("left", [HOUR, -MINUTE])
def test_a_hold_keeps_the_clock_from_moving_it(left: timedelta) -> None:
    """And says who holds it, before its time as well, when nothing is automatic; going back is as free as ever."""
    held = replace(GATE, marks=replace(marked(due(DeadlineKind.GATE, left)), hold=Pause("bob", "b")))
    found = step(held)
    assert (found.waits_for, found.health) == (Waiting.PERSON, RolloutHealth.SUSPENDED)
    assert "bob" in found.because.split()
    assert "automatic" not in found.because
    assert answer(held, RequestVerb.ROLLBACK).accepted
    assert written(step(saying(held, RequestVerb.RESUME, "-"))).hold is None


@pytest.mark.parametrize(
    ("facts", "stage", "verb"),
    [(GATE, DeadlineKind.GATE, RequestVerb.PROMOTE), (WARM, DeadlineKind.WARM, RequestVerb.FINISH)],
)
def test_a_hold_names_the_words_that_lift_it(facts: ObservedService, stage: DeadlineKind, verb: RequestVerb) -> None:
    """Each of them does."""
    held = replace(facts, marks=replace(marked(due(stage, -MINUTE)), hold=Pause("bob", "b")))
    assert {"bob", verb, "resume", "rollback"} <= set(re.findall(r"\w+", step(held).because))
    assert written(step(saying(held, verb))).hold is None
    assert written(step(saying(held, RequestVerb.RESUME, "-"))).hold is None


def test_a_hold_of_another_release_holds_nothing() -> None:
    """It was about what was rolled out then."""
    held = replace(GATE, marks=replace(marked(due(DeadlineKind.GATE, -MINUTE)), hold=Pause("bob", "x")))
    assert kinds(step(held)) == ["WriteState"]


def test_extend_gives_more_time() -> None:
    """On top of what is left, or from now if nothing is; for two weeks at most."""
    assert written(step(saying(GATE, RequestVerb.EXTEND, seconds=600))).deadline == due(
        DeadlineKind.GATE, HOUR + 10 * MINUTE
    )
    over = replace(GATE, marks=marked(due(DeadlineKind.GATE, -HOUR)))
    assert written(step(saying(over, RequestVerb.EXTEND, seconds=600))).deadline == due(DeadlineKind.GATE, 10 * MINUTE)
    longer = answer(GATE, RequestVerb.EXTEND, seconds=int(timedelta(days=15).total_seconds())).refusal
    assert longer is not None
    assert longer.code is Code.TOO_LONG


def test_retry_lifts_the_quarantine_and_nothing_else() -> None:
    """The next look starts it anew, as another attempt."""
    many = replace(FAILED, marks=marked(due(DeadlineKind.UP), quarantine=("x", "b")))
    after = written(step(saying(many, RequestVerb.RETRY)))
    assert after.quarantine == ("x",)
    assert after.deadline is None
    assert kinds(step(replace(FAILED, marks=StoredState()))) == ["WriteState", "CreateTaskSet"]


def test_a_paused_service_is_left_alone() -> None:
    """No start, no switch, no end, no automatic way back; only a person's word."""
    for facts in (GATE, replace(VERIFY, alarms=("errors",)), seen(BLUE)):
        found = step(replace(facts, marks=replace(facts.marks, suspended=Pause("bob"))))
        assert not found.decisions
        assert (found.health, found.waits_for) == (RolloutHealth.SUSPENDED, Waiting.PERSON)
        assert "bob" in found.because.split()
    assert written(step(saying(PAUSED, RequestVerb.RESUME, "-"))).suspended is None


def test_what_could_be_said_is_what_would_be_heeded() -> None:
    """The verbs that are offered are asked of the same judge."""
    engine = TaskSets()
    assert RequestVerb.PROMOTE in engine.allowed_requests(CAREFUL, GATE, NOW)
    assert RequestVerb.PROMOTE not in engine.allowed_requests(CAREFUL, UP, NOW)
    assert engine.allowed_requests(CAREFUL, REST, NOW) == (RequestVerb.SUSPEND, RequestVerb.RESTART)
    assert engine.allowed_requests(CAREFUL, FAILED, NOW) == (RequestVerb.RETRY, RequestVerb.SUSPEND)
    for facts, verb, policy in HEEDED:
        assert verb in engine.allowed_requests(policy, facts, NOW)


def test_a_hold_is_not_offered_where_there_is_one() -> None:
    engine, held = TaskSets(), replace(GATE, marks=replace(GATE.marks, hold=Pause("bob", "b")))
    assert RequestVerb.HOLD in engine.allowed_requests(CAREFUL, GATE, NOW)
    offered = engine.allowed_requests(CAREFUL, held, NOW)
    assert RequestVerb.HOLD not in offered
    assert RequestVerb.RESUME in offered


def test_an_answer_writes_nothing_but_itself() -> None:
    """Fields that people may be writing meanwhile are left out."""
    (mark,) = step(saying(GATE, RequestVerb.HOLD)).decisions
    assert isinstance(mark, WriteState)
    assert set(mark.fields) == {"hold", "response"}


def test_a_word_is_answered_in_the_phase_that_it_is() -> None:
    """Not in the one that comes next."""
    over = replace(GATE, marks=marked(due(DeadlineKind.GATE, -MINUTE)))
    assert step(saying(over, RequestVerb.HOLD)).phase is Phase.AWAITING_PROMOTION
    assert step(saying(WARM, RequestVerb.HOLD)).phase is Phase.BAKING
    assert step(saying(seen(BLUE), RequestVerb.HOLD)).phase is Phase.IDLE


def test_a_side_by_itself_has_nothing_to_go_back_to() -> None:
    """Production shared with nothing is cleared up, not rolled back."""
    alone = seen(side("b", 0), production=(90, 10))
    alone = replace(alone, sets=(replace(alone.sets[0], primary=True),))
    refusal = answer(alone, RequestVerb.ROLLBACK).refusal
    assert refusal is not None
    assert refusal.code is Code.NO_PREVIOUS_VERSION


def test_the_version_whose_tasks_stop_is_named() -> None:
    """After a rollback it is the new one's, after a promotion the one's before."""
    back = seen(BLUE, replace(GREEN, draining=True), marks=marked(quarantine=("b",)))
    assert step(back).because == "tasks of release b are stopping"
    on = seen(replace(LIVE, slot=0), replace(WAS_BLUE, slot=1, draining=True))
    assert step(on).because == "tasks of release a are stopping"


def test_what_is_healthy_is_not_called_unhealthy() -> None:
    """A version that is being confirmed cannot be promoted yet, and is refused for no other reason."""
    confirming = replace(UP, sets=(BLUE, GREEN), looks=1)
    after = written(step(saying(confirming, RequestVerb.PROMOTE)))
    assert after.response is not None
    assert after.response.refusal is not None
    assert after.response.refusal.code is Code.NOT_READY
    assert "not healthy" not in after.response.refusal.why


def test_after_a_rollback_to_an_earlier_release_it_reads_rolled_back() -> None:
    """Also once that release has been rolled out, and where what the specs declare had failed before."""
    failed = marked(
        quarantine=("c",),
        ended=RolloutResult("c", Outcome.FAILED, "testing", NOW - HOUR, Actor.ENGINE, "GET / returned 500"),
    )
    request = said(RequestVerb.ROLLBACK, "b", to="a", revision=1)
    answer = step(seen(side("b", 0, primary=True), wanted="c", marks=replace(failed, request=request)))
    (back,) = [one for one in answer.decisions if isinstance(one, WriteState)]
    promoted = RolloutResult("a", Outcome.PROMOTED, "baking", NOW + HOUR, Actor.TIMER)
    there = replace(back.after, rollback_target=None, ended=promoted, request=None, response=None)
    found = step(seen(side("a", 1, primary=True), wanted="c", marks=there, production=(0, 100), test=(0, 100)))
    assert (found.phase, found.decisions) == (Phase.ROLLED_BACK, ())
