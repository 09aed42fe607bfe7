"""A person's word: heeded or refused at once, answered so that the caller can prove it, and never heeded twice."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from reconciler.rollout.actions import Mark, Point
from reconciler.rollout.engine import Health, Phase, Waiting
from reconciler.rollout.engines.task_sets import TaskSets
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Handled, Verb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import Seen
from reconciler.rollout.stored_state import Actor, Marks, Outcome, Stage, Stop
from reconciler.rollout.strategy import Policy
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

LIVE = replace(GREEN, primary=True)
WAS_BLUE = replace(BLUE, primary=False)
GATE = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(Stage.GATE)), looks=1)
UP = seen(BLUE, ill(GREEN), marks=marked(due(Stage.UP)), looks=-1)
TESTING = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(Stage.TEST)), looks=1)
SHARED = seen(BLUE, GREEN, production=(90, 10), marks=marked(due(Stage.AT, weight=10)), looks=GOOD_LOOKS)
VERIFY = seen(BLUE, GREEN, production=(0, 100), marks=marked(due(Stage.VERIFY)), looks=1)
WARM = seen(WAS_BLUE, LIVE, production=(0, 100), marks=marked(due(Stage.WARM)), looks=1)
REST = seen(replace(BLUE, release="b"))
KNOWN = replace(REST, marks=marked(previous=Version("old", "web:7")))
BLOCKED = seen(BLUE, GREEN, production=(63, 37), looks=1)
FAILED = seen(BLUE, marks=marked(quarantine=("b",)))
FIRST = seen(replace(GREEN, slot=0, healthy=()), marks=marked(due(Stage.UP)), looks=-1)
FROZEN = replace(CAREFUL, windows=(Window(time(0), time(0, 1), days=("sun",)),))
PAUSED = replace(GATE, marks=replace(GATE.marks, pause=Stop("bob")))


def saying(facts: Seen, verb: Verb, release: str = "b", **fields: Any) -> Seen:
    return replace(facts, marks=replace(facts.marks, intent=said(verb, release, **fields)))


def answer(facts: Seen, verb: Verb, release: str = "b", policy: Policy = CAREFUL, **fields: Any) -> Handled:
    handled = written(step(saying(facts, verb, release, **fields), policy)).handled
    assert handled is not None
    return handled


HEEDED = [
    (GATE, Verb.PROMOTE, CAREFUL),
    (SHARED, Verb.PROMOTE, CANARY),
    (WARM, Verb.FINISH, CAREFUL),
    (UP, Verb.ROLLBACK, CAREFUL),
    (TESTING, Verb.ROLLBACK, CAREFUL),
    (GATE, Verb.ROLLBACK, CAREFUL),
    (GATE, Verb.ROLLBACK, FROZEN),
    (PAUSED, Verb.ROLLBACK, CAREFUL),
    (SHARED, Verb.ROLLBACK, CANARY),
    (VERIFY, Verb.ROLLBACK, CAREFUL),
    (VERIFY, Verb.ROLLBACK, FROZEN),
    (WARM, Verb.ROLLBACK, CAREFUL),
    (KNOWN, Verb.ROLLBACK, CAREFUL),
    (BLOCKED, Verb.ROLLBACK, CAREFUL),
    (FIRST, Verb.ROLLBACK, CAREFUL),
    (GATE, Verb.ABORT, CAREFUL),
    (SHARED, Verb.ABORT, CANARY),
    (GATE, Verb.HOLD, CAREFUL),
    (SHARED, Verb.HOLD, CANARY),
    (WARM, Verb.HOLD, CAREFUL),
    (UP, Verb.EXTEND, CAREFUL),
    (GATE, Verb.EXTEND, CAREFUL),
    (SHARED, Verb.EXTEND, CANARY),
    (WARM, Verb.EXTEND, CAREFUL),
    (FAILED, Verb.RETRY, CAREFUL),
    (GATE, Verb.PAUSE, CAREFUL),
    (REST, Verb.PAUSE, CAREFUL),
    (PAUSED, Verb.RESUME, CAREFUL),
]

ILL = {"looks": -1, "sets": (BLUE, ill(GREEN))}
ENDLESS = marked(replace(due(Stage.GATE), at=None))
REFUSED = [
    (UP, Verb.PROMOTE, CAREFUL, Code.NOT_READY, "0 of 2"),
    (TESTING, Verb.PROMOTE, CAREFUL, Code.NOT_TESTED, ""),
    (replace(GATE, **ILL), Verb.PROMOTE, CAREFUL, Code.UNHEALTHY, "0 of 2"),
    (GATE, Verb.PROMOTE, FROZEN, Code.OUTSIDE_WINDOW, "Sun 11 Jan 00:00 UTC"),
    (replace(SHARED, alarms=("errors",)), Verb.PROMOTE, CANARY, Code.ALARM, "errors"),
    (replace(GATE, marks=marked(due(Stage.TO, weight=100))), Verb.PROMOTE, CAREFUL, Code.ALREADY_SHIFTING, ""),
    (replace(SHARED, marks=marked(due(Stage.TO, weight=50))), Verb.PROMOTE, CANARY, Code.ALREADY_SHIFTING, ""),
    (VERIFY, Verb.PROMOTE, CAREFUL, Code.ALREADY_PROMOTED, ""),
    (WARM, Verb.PROMOTE, CAREFUL, Code.ALREADY_PROMOTED, "finish"),
    (VERIFY, Verb.FINISH, CAREFUL, Code.STILL_VERIFYING, ""),
    (GATE, Verb.FINISH, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (SHARED, Verb.FINISH, CANARY, Code.NO_PREVIOUS_VERSION, ""),
    (REST, Verb.FINISH, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (replace(WARM, **ILL), Verb.FINISH, CAREFUL, Code.UNHEALTHY, "0 of 2"),
    (REST, Verb.PROMOTE, CAREFUL, Code.NO_ROLLOUT, ""),
    (FIRST, Verb.PROMOTE, CAREFUL, Code.FIRST_DEPLOYMENT, ""),
    (BLOCKED, Verb.PROMOTE, CAREFUL, Code.TRAFFIC_CHANGED, ""),
    (PAUSED, Verb.PROMOTE, CAREFUL, Code.PAUSED, "bob"),
    (replace(VERIFY, sets=(ill(BLUE), GREEN)), Verb.ROLLBACK, CAREFUL, Code.UNHEALTHY, "blue"),
    (REST, Verb.ROLLBACK, CAREFUL, Code.NO_PREVIOUS_VERSION, ""),
    (replace(BLOCKED, production=None), Verb.ROLLBACK, CAREFUL, Code.UNMANAGED_TARGETS, ""),
    (VERIFY, Verb.ABORT, CAREFUL, Code.ALREADY_PROMOTED, "rollback"),
    (REST, Verb.ABORT, CAREFUL, Code.NO_ROLLOUT, ""),
    (REST, Verb.HOLD, CAREFUL, Code.NO_ROLLOUT, ""),
    (REST, Verb.EXTEND, CAREFUL, Code.NO_DEADLINE, ""),
    (replace(GATE, marks=ENDLESS), Verb.EXTEND, CAREFUL, Code.NO_DEADLINE, ""),
    (GATE, Verb.RETRY, CAREFUL, Code.NOT_QUARANTINED, ""),
    (replace(FAILED, sets=(BLUE, GREEN)), Verb.RETRY, CAREFUL, Code.CLEANING_UP, ""),
    (GATE, Verb.RESUME, CAREFUL, Code.NOT_PAUSED, ""),
]


@pytest.mark.parametrize(("facts", "verb", "policy"), HEEDED)
def test_a_word_that_fits_is_heeded_and_answered(facts: Seen, verb: Verb, policy: Policy) -> None:
    """In one step, with the id by which the caller can prove it."""
    assert answer(facts, verb, "b", policy, seconds=600) == Handled("1")


@pytest.mark.parametrize(("facts", "verb", "policy", "code", "named"), REFUSED)
def test_a_word_that_does_not_fit_is_refused_with_the_reason(
    facts: Seen, verb: Verb, policy: Policy, code: Code, named: str
) -> None:
    """Not queued for a better moment, and nothing else is done in that step. The reason names what it is about."""
    found = step(saying(facts, verb, seconds=600), policy)
    assert kinds(found) == ["Mark"]
    handled = written(found).handled
    assert handled is not None
    assert handled.refusal is not None
    assert handled.refusal.code is code
    assert handled.refusal.why
    assert named in handled.refusal.why


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.PAUSE, Verb.RESUME)])
def test_a_word_about_another_release_is_refused(verb: Verb) -> None:
    """Whoever said it looked at something that is not there any more."""
    refusal = answer(GATE, verb, "x", seconds=600).refusal
    assert refusal is not None
    assert refusal.code is Code.OTHER_RELEASE
    assert "b" in refusal.why.split()


def test_a_word_is_heeded_once() -> None:
    """What was answered is taken away, and nothing follows from it any more."""
    told = saying(GATE, Verb.EXTEND, seconds=600)
    once = step(told)
    after = replace(told, marks=written(once))
    assert not step(after).decisions
    again = replace(REST, marks=replace(marked(), intent=said(Verb.PAUSE), handled=Handled("1")))
    assert written(step(again)).intent is None


def test_a_word_of_yesterday_is_refused() -> None:
    """Nobody was there to hear it, and things are not what they were."""
    late = answer(GATE, Verb.PROMOTE, at=NOW - 2 * HOUR).refusal
    assert late is not None
    assert late.code is Code.EXPIRED


def test_promote_opens_the_gate() -> None:
    """And lifts a hold: it is the same person's word, or a later one's."""
    held = replace(GATE, marks=replace(GATE.marks, hold=Stop("bob", "b")))
    after = written(step(saying(held, Verb.PROMOTE)))
    assert after.deadline == due(Stage.TO, CAREFUL.healthy_within, weight=100)
    assert after.hold is None


def test_promote_goes_on_to_the_next_share() -> None:
    """The rest of the pause is skipped, the look at its health is not."""
    after = written(step(saying(SHARED, Verb.PROMOTE), CANARY))
    assert after.deadline == due(Stage.TO, CANARY.healthy_within, weight=50)


def test_finish_while_blue_is_warm_lets_it_go() -> None:
    """Except for the time that requests to it may take; it is counted as fast."""
    after = written(step(saying(WARM, Verb.FINISH)))
    assert after.deadline == due(Stage.WARM, CAREFUL.drain)
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.FAST_PROMOTED, Actor.PERSON)
    over = replace(WARM, marks=replace(after, deadline=due(Stage.WARM, -MINUTE), intent=None))
    assert written(step(over)).ended == after.ended


@pytest.mark.parametrize(("facts", "policy"), [(SHARED, CANARY), (VERIFY, CAREFUL), (WARM, CAREFUL)])
def test_rollback_is_two_calls_traffic_first(facts: Seen, policy: Policy) -> None:
    """No task is started; the answer, the quarantine and the reason travel in the second."""
    found = step(saying(facts, Verb.ROLLBACK, why="it looks wrong"), policy)
    assert found.decisions[0] == Point("production", (100, 0), facts.production)
    assert kinds(found) == ["Point", "Mark"]
    after = written(found)
    assert (after.quarantine, after.handled) == (("b",), Handled("1"))
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.ROLLED_BACK, Actor.PERSON)
    assert all(part in after.ended.why for part in ("ana", "rollback", "it looks wrong"))
    assert after.hold == facts.marks.hold, "taking a tag away would be a third call"


def test_rollback_before_the_switch_is_an_end_without_a_move() -> None:
    """Production has not moved, and does not."""
    after = written(step(saying(GATE, Verb.ROLLBACK)))
    assert after.quarantine == ("b",)
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.ABORTED, Actor.PERSON)


def test_rollback_when_blue_is_gone_is_a_rollout_of_what_was() -> None:
    """The last version that was well, without tests and gate."""
    after = written(step(saying(KNOWN, Verb.ROLLBACK)))
    assert (after.back, after.quarantine) == (Version("old", "web:7"), ("b",))
    following = step(replace(KNOWN, marks=replace(after, intent=None)), FROZEN)
    assert following.release == "old"
    assert kinds(following) == ["Mark", "Create"]


def test_rollback_never_goes_back_to_a_version_in_quarantine() -> None:
    """It was taken back for a reason."""
    bad = replace(KNOWN, marks=replace(KNOWN.marks, quarantine=("old",)))
    refusal = answer(bad, Verb.ROLLBACK).refusal
    assert refusal is not None
    assert refusal.code is Code.NO_PREVIOUS_VERSION


def test_rollback_clears_up_shares_that_nobody_gave() -> None:
    """All of production to the side that was there first."""
    found = step(saying(BLOCKED, Verb.ROLLBACK))
    assert found.decisions[0] == Point("production", (100, 0), (63, 37))
    assert written(found).quarantine == ("b",)
    nowhere = step(saying(replace(BLOCKED, production=(0, 0)), Verb.ROLLBACK, "a"))
    assert nowhere.decisions[0] == Point("production", (100, 0), (0, 0))


def test_a_hold_keeps_the_clock_from_moving_it() -> None:
    """And says who holds it; going back is as free as ever."""
    held = replace(GATE, marks=replace(marked(due(Stage.GATE, -MINUTE)), hold=Stop("bob", "b")))
    found = step(held)
    assert (found.waits_for, found.health) == (Waiting.PERSON, Health.SUSPENDED)
    assert "bob" in found.because.split()
    assert answer(held, Verb.ROLLBACK).accepted
    assert written(step(saying(held, Verb.RESUME, "-"))).hold is None


@pytest.mark.parametrize(
    ("facts", "stage", "verb"), [(GATE, Stage.GATE, Verb.PROMOTE), (WARM, Stage.WARM, Verb.FINISH)]
)
def test_a_hold_names_the_words_that_lift_it(facts: Seen, stage: Stage, verb: Verb) -> None:
    """Each of them does."""
    held = replace(facts, marks=replace(marked(due(stage, -MINUTE)), hold=Stop("bob", "b")))
    assert {"bob", verb, "resume", "rollback"} <= set(re.findall(r"\w+", step(held).because))
    assert written(step(saying(held, verb))).hold is None
    assert written(step(saying(held, Verb.RESUME, "-"))).hold is None


def test_a_hold_of_another_release_holds_nothing() -> None:
    """It was about what was rolled out then."""
    held = replace(GATE, marks=replace(marked(due(Stage.GATE, -MINUTE)), hold=Stop("bob", "x")))
    assert kinds(step(held)) == ["Mark"]


def test_extend_gives_more_time() -> None:
    """On top of what is left, or from now if nothing is; for two weeks at most."""
    assert written(step(saying(GATE, Verb.EXTEND, seconds=600))).deadline == due(Stage.GATE, HOUR + 10 * MINUTE)
    over = replace(GATE, marks=marked(due(Stage.GATE, -HOUR)))
    assert written(step(saying(over, Verb.EXTEND, seconds=600))).deadline == due(Stage.GATE, 10 * MINUTE)
    longer = answer(GATE, Verb.EXTEND, seconds=int(timedelta(days=15).total_seconds())).refusal
    assert longer is not None
    assert longer.code is Code.TOO_LONG


def test_retry_lifts_the_quarantine_and_nothing_else() -> None:
    """The next look starts it anew, as another attempt."""
    many = replace(FAILED, marks=marked(due(Stage.UP), quarantine=("x", "b")))
    after = written(step(saying(many, Verb.RETRY)))
    assert after.quarantine == ("x",)
    assert after.deadline is None
    assert kinds(step(replace(FAILED, marks=Marks()))) == ["Mark", "Create"]


def test_a_paused_service_is_left_alone() -> None:
    """No start, no switch, no end, no automatic way back; only a person's word."""
    for facts in (GATE, replace(VERIFY, alarms=("errors",)), seen(BLUE)):
        found = step(replace(facts, marks=replace(facts.marks, pause=Stop("bob"))))
        assert not found.decisions
        assert (found.health, found.waits_for) == (Health.SUSPENDED, Waiting.PERSON)
        assert "bob" in found.because.split()
    assert written(step(saying(PAUSED, Verb.RESUME, "-"))).pause is None


def test_what_could_be_said_is_what_would_be_heeded() -> None:
    """The verbs that are offered are asked of the same judge."""
    engine = TaskSets()
    assert Verb.PROMOTE in engine.verbs(CAREFUL, GATE, NOW)
    assert Verb.PROMOTE not in engine.verbs(CAREFUL, UP, NOW)
    assert engine.verbs(CAREFUL, REST, NOW) == (Verb.PAUSE,)
    assert engine.verbs(CAREFUL, FAILED, NOW) == (Verb.RETRY, Verb.PAUSE)
    for facts, verb, policy in HEEDED:
        assert verb in engine.verbs(policy, facts, NOW)


def test_an_answer_writes_nothing_but_itself() -> None:
    """Fields that people may be writing meanwhile are left out."""
    (mark,) = step(saying(GATE, Verb.HOLD)).decisions
    assert isinstance(mark, Mark)
    assert set(mark.fields) == {"hold", "handled"}


def test_a_word_is_answered_in_the_phase_that_it_is() -> None:
    """Not in the one that comes next."""
    over = replace(GATE, marks=marked(due(Stage.GATE, -MINUTE)))
    assert step(saying(over, Verb.HOLD)).phase is Phase.AWAITING_PROMOTION
    assert step(saying(WARM, Verb.HOLD)).phase is Phase.BLUE_WARM
    assert step(saying(seen(BLUE), Verb.HOLD)).phase is Phase.IDLE


def test_a_side_by_itself_has_nothing_to_go_back_to() -> None:
    """Production shared with nothing is cleared up, not rolled back."""
    alone = seen(side("b", 0), production=(90, 10))
    alone = replace(alone, sets=(replace(alone.sets[0], primary=True),))
    refusal = answer(alone, Verb.ROLLBACK).refusal
    assert refusal is not None
    assert refusal.code is Code.NO_PREVIOUS_VERSION
