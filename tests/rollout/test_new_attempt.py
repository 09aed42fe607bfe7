"""A release that failed by what the specs judged it by is tried again once they judge it by something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.rollout import actions, new_attempt, pre_deployment
from reconciler.rollout.engine import Phase, engines
from reconciler.rollout.pre_deployment import Found, PreDeployment
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, StoredState
from tests.rollout.facts import BLUE, CAREFUL, NOW, kinds, seen, step, written

THEN, NOW_BY = "r00000", "r11111"


def stopped(by: Actor = Actor.ENGINE, outcome: Outcome = Outcome.FAILED, judges: str = THEN) -> StoredState:
    """What is stored of a release that was quarantined, and of another one that has ended since."""
    ended = RolloutResult("b", outcome, "testing", NOW, by, "GET / returned 500")
    (write,) = actions.stored(StoredState(), {"quarantine": ("b",), "ended": ended}, judges)
    return replace(write.after, ended=RolloutResult("a", Outcome.PROMOTED, "baking", NOW, Actor.TIMER))


def looked(marks: StoredState, **fields: Any) -> ObservedService:
    return seen(BLUE, marks=marks, **({"judges": NOW_BY} | fields))


def test_another_digest_lifts_the_quarantine() -> None:
    """And nothing else is done in that step."""
    facts = looked(stopped())
    found = new_attempt.step(facts, step(facts), NOW)
    assert kinds(found) == ["WriteState"]
    assert not written(found).quarantined("b")
    assert written(found).verdicts == ()
    begun = replace(facts, marks=written(found))
    assert step(begun).phase is not Phase.FAILED


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(looked(stopped(), judges=THEN), id="the same digest"),
        pytest.param(looked(stopped(Actor.PERSON, Outcome.ABORTED)), id="a person aborted it"),
        pytest.param(looked(stopped(Actor.PERSON, Outcome.ROLLED_BACK)), id="a person rolled it back"),
        pytest.param(looked(stopped(Actor.ENGINE, Outcome.ABORTED)), id="it was rejected"),
        pytest.param(looked(StoredState(quarantine=("b",))), id="stored by an earlier release of the controller"),
        pytest.param(looked(stopped(judges="t00000")), id="its pre-deployment task failed"),
        pytest.param(looked(replace(stopped(), suspended=Pause("ana"))), id="suspended"),
        pytest.param(looked(stopped(), waits="the role is not in place"), id="not in place yet"),
        pytest.param(looked(stopped(), wanted="c"), id="another release is wanted"),
        pytest.param(looked(StoredState()), id="nothing failed"),
    ],
)
def test_anything_else_stays_as_it_is(facts: ObservedService) -> None:
    """Until `retry`, or a new version."""
    ordinary = step(facts)
    assert new_attempt.step(facts, ordinary, NOW) == ordinary


def test_there_is_one_attempt_for_each_digest() -> None:
    """What fails once more is judged by the new digest."""
    facts = looked(stopped())
    lifted = written(new_attempt.step(facts, step(facts), NOW))
    again = RolloutResult("b", Outcome.FAILED, "testing", NOW, Actor.ENGINE, "GET / returned 500")
    (write,) = actions.stored(lifted, {"quarantine": ("b",), "ended": again}, NOW_BY)
    facts = looked(write.after)
    ordinary = step(facts)
    assert ordinary.phase is Phase.FAILED
    assert new_attempt.step(facts, ordinary, NOW) == ordinary


@pytest.mark.parametrize("engine", sorted(engines()))
def test_a_fix_that_is_committed_during_the_attempt_leads_to_another_one(engine: str) -> None:
    """What counts is what was declared when the attempt began; the digests of what follows are those of its end."""
    policy = replace(CAREFUL, engine=engine)
    marks = StoredState(live=Version("a", "web:1"))
    blue = replace(BLUE, state="COMPLETED", task_definition="web:1")
    begun = engines()[engine].decide(policy, seen(blue, marks=marks, definition="web:2", judges=f"{THEN}.1.2"), NOW)
    due = written(begun).deadline
    assert due is not None
    assert due.judges == THEN

    (later,) = actions.stored(written(begun), {"deadline": replace(due, at=NOW, judges="")}, f"{NOW_BY}.3.4")
    ended = RolloutResult("b", Outcome.FAILED, "testing", NOW, Actor.ENGINE, "GET / returned 500")
    (write,) = actions.stored(later.after, {"quarantine": ("b",), "ended": ended, "deadline": None}, f"{NOW_BY}.3.4")
    assert [one.judges for one in write.after.verdicts] == [f"{THEN}.3.4"]
    assert new_attempt.corrected(looked(later.after, judges=NOW_BY))
    assert new_attempt.corrected(looked(write.after, judges=NOW_BY))
    assert not new_attempt.corrected(looked(write.after, judges=THEN))


@pytest.mark.parametrize("stage", [DeadlineKind.UP, DeadlineKind.RETIRE])
def test_another_attempt_has_a_digest_of_its_own(stage: DeadlineKind) -> None:
    """The release is another one, or tasks of its last attempt are only stopping."""
    before = StoredState(Deadline("a" if stage is DeadlineKind.UP else "b", stage, NOW, judges=THEN))
    (write,) = actions.stored(before, {"deadline": Deadline("b", DeadlineKind.UP, NOW)}, NOW_BY)
    assert write.after.deadline == Deadline("b", DeadlineKind.UP, NOW, judges=NOW_BY)


@pytest.mark.parametrize(("judges", "lifted"), [("t00000", False), ("t11111", True)])
def test_a_pre_deployment_task_that_runs_elsewhere_now_is_run_again(judges: str, lifted: bool) -> None:
    """Its network or a role was wrong, and its task definition is the same; it may have been corrected meanwhile."""
    task = PreDeployment("migrate", revision=7, judges="t00000")
    began = seen(BLUE, judges=NOW_BY)
    run = written(pre_deployment.step(task, began, step(began), None, NOW, starts=True)).task_run
    assert run is not None
    task, running = replace(task, judges=judges), looked(StoredState(task_run=replace(run, id="1f")))
    assert pre_deployment.corrected(task, running) is lifted
    gone = Found("1f", ended=True, failure="exit code 1")
    marks = written(pre_deployment.step(task, running, step(running), gone, NOW, starts=True))
    assert [one.judges.partition(".")[0] for one in marks.verdicts] == ["t00000"]
    facts = looked(marks)
    found = pre_deployment.step(task, facts, step(facts), None, NOW, starts=False)
    assert (kinds(found) == ["WriteState"] and not written(found).quarantined("b")) is lifted
