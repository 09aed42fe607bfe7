"""The pre-deployment task: what holds a release back, what lets it go, and what happens to the runs in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.rollout import pre_deployment
from reconciler.rollout.actions import RunTask, UpdateService, WriteState, started_revision
from reconciler.rollout.attempts import TaskRun
from reconciler.rollout.blue_green import machine
from reconciler.rollout.engine import Engine, Phase, RolloutStep, Waiting, engines
from reconciler.rollout.pre_deployment import FORGOTTEN, LOOK_EVERY, RENEWED, UNSEEN, Found, PreDeployment
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Outcome, StoredState
from reconciler.rollout.strategy import Strategy
from tests.rollout.facts import BLUE, CAREFUL, NOW, kinds, marked, said, seen, written

TASK = PreDeployment("migrate", revision=3, tasks=2)
RUN = TaskRun("b", 3, NOW, "id")
ENGINES = [engines()[name] for name in sorted(engines())]
TASK_SETS = engines()["task_sets"]
POLICY = {"rolling": Strategy(engine="rolling")}


def about(engine: Engine, **marks: Any) -> ObservedService:
    """The release `a` serves, and `b` is wanted."""
    state = StoredState(live=Version("a", "web:1"), **marks) if engine.name == "rolling" else marked(**marks)
    blue = replace(BLUE, state="COMPLETED", task_definition="web:1")
    return seen(blue, marks=state, definition="web:2")


def decided(
    facts: ObservedService,
    found: Found | None = None,
    *,
    task: PreDeployment | None = TASK,
    engine: Engine = TASK_SETS,
    now: datetime = NOW,
) -> RolloutStep:
    ordinary = engine.decide(POLICY.get(engine.name, CAREFUL), facts, now)
    return pre_deployment.step(task, facts, ordinary, found, now, starts=engine.starts(ordinary, facts))


each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)


@each_engine
def test_it_runs_before_a_release_starts(engine: Engine) -> None:
    """The intent is stored first; nothing of the engine's own step is done."""
    step = decided(about(engine), engine=engine)

    assert step.phase is Phase.PRE_DEPLOYMENT
    assert kinds(step) == ["WriteState", "RunTask"]
    assert written(step) == replace(about(engine).marks, task_run=TaskRun("b", 3, NOW))


@each_engine
def test_a_cleared_release_starts(engine: Engine) -> None:
    """Once per release, however often the release is started: after a crash, a retry, or in another window."""
    facts = about(engine, cleared=("b",))
    assert decided(facts, engine=engine) == engine.decide(POLICY.get(engine.name, CAREFUL), facts, NOW)


@each_engine
def test_a_rollback_does_not_run_it(engine: Engine) -> None:
    """What goes back was in production before."""
    back = Version("old", "web:7")
    step = decided(about(engine, quarantine=("b",), rollback_target=back), engine=engine)

    assert "RunTask" not in kinds(step)
    assert any(started_revision(one) is not None for one in step.decisions)


@each_engine
def test_a_running_task_holds_the_release_back(engine: Engine) -> None:
    """It is looked at again soon, and never started a second time."""
    for found in (None, Found("id")):
        step = decided(about(engine, task_run=RUN), found, engine=engine)
        assert (step.phase, step.decisions, step.wake_at) == (Phase.PRE_DEPLOYMENT, (), NOW + LOOK_EVERY)


@each_engine
def test_exit_code_0_clears_the_release(engine: Engine) -> None:
    """The outcome is stored before anything is started."""
    step = decided(about(engine, task_run=RUN), Found("id", ended=True), engine=engine)

    assert kinds(step) == ["WriteState"]
    assert (written(step).task_run, written(step).cleared) == (None, ("b",))


@each_engine
def test_any_other_end_quarantines_the_release(engine: Engine) -> None:
    """It is a failed release, and production was not touched."""
    facts = about(engine, task_run=RUN)
    step = decided(facts, Found("id", ended=True, failure="exit code 1"), engine=engine)

    assert step.phase is Phase.FAILED
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.phase) == (Outcome.FAILED, Phase.PRE_DEPLOYMENT)
    after = written(step)
    assert (after.quarantine, after.cleared, after.task_run) == (("b",), (), replace(RUN, failed=True))
    following = decided(replace(facts, marks=after), engine=engine)
    assert (following.phase, following.waits_for) == (Phase.FAILED, Waiting.PERSON)
    assert not {"RunTask", "CreateTaskSet", "UpdateService", "CreateDeployment"} & set(kinds(following))


@each_engine
def test_retry_runs_it_again(engine: Engine) -> None:
    """A new run, with a name of its own."""
    failed = about(engine, task_run=replace(RUN, failed=True), quarantine=("b",), request=said(RequestVerb.RETRY))
    lifted = written(decided(failed, engine=engine))
    later = NOW + timedelta(minutes=1)

    assert lifted.quarantine == ()
    assert written(decided(replace(failed, marks=lifted), engine=engine, now=later)).task_run == TaskRun("b", 3, later)


def test_a_corrected_task_is_tried_without_a_request() -> None:
    """The task failed, and not the release: with another revision of it the release may pass."""
    failed = about(TASK_SETS, task_run=replace(RUN, failed=True), quarantine=("b",))
    lifted = decided(failed, task=replace(TASK, revision=4))

    assert (written(lifted).quarantine, written(lifted).task_run) == ((), None)
    suspended = replace(failed, marks=replace(failed.marks, suspended=Pause("ana")))
    assert not decided(suspended, task=replace(TASK, revision=4)).decisions


def test_two_never_run_at_once() -> None:
    """A newer release waits for the run of the one before, whatever comes of that."""
    facts = about(TASK_SETS, task_run=replace(RUN, release="x"))
    assert decided(facts, Found("id")).decisions == ()
    cleared = written(decided(facts, Found("id", ended=True)))
    assert (cleared.task_run, cleared.cleared) == (None, ("x",))
    failed = decided(facts, Found("id", ended=True, failure="exit code 1"))
    assert (failed.ended, written(failed).quarantine) == (None, ("x",))


def test_after_a_crash_the_same_run_is_asked_for_again() -> None:
    """The intent is there, and no task is known: ECS starts a run only once, however often it is asked."""
    intent = replace(RUN, id="")
    facts = about(TASK_SETS, task_run=intent)

    asked = decided(facts, Found(), now=NOW + FORGOTTEN / 2)
    assert asked.decisions == (RunTask(intent),)
    found = decided(facts, Found("id"))
    assert written(found).task_run == RUN


def test_a_run_that_nobody_can_know_of_any_more_is_lost() -> None:
    """ECS has forgotten every task of that time: it neither counts as done nor is done twice."""
    intent = decided(about(TASK_SETS, task_run=replace(RUN, id="")), Found(), now=NOW + FORGOTTEN)
    forgotten = decided(about(TASK_SETS, task_run=RUN), Found(), now=NOW + UNSEEN)

    for step in (intent, forgotten):
        assert step.ended is not None
        assert written(step).quarantine == ("b",)
    assert decided(about(TASK_SETS, task_run=RUN), Found(), now=NOW + UNSEEN / 2).decisions == (), "not visible yet"


def test_no_capacity_is_no_failure() -> None:
    """What ECS refuses to start waits, and its intent does not grow old."""
    facts = about(TASK_SETS, task_run=replace(RUN, id=""))
    waiting = decided(facts, Found(refused="no capacity"))
    assert waiting.decisions == (RunTask(replace(RUN, id="")),)
    assert waiting.wake_at is not None
    assert waiting.wake_at > NOW + LOOK_EVERY
    later = NOW + RENEWED
    assert written(decided(facts, Found(refused="no capacity"), now=later)).task_run == TaskRun("b", 3, later)


def test_it_waits_for_what_it_lacks() -> None:
    """It is not started from an image that has not been pushed; the next pass knows more."""
    step = decided(about(TASK_SETS), task=replace(TASK, lacks="web:v2 has not been pushed yet"))
    assert (step.decisions, step.wake_at, step.waits_for) == ((), None, Waiting.SPEC)


def test_the_outcome_is_stored_whatever_the_service_does_meanwhile() -> None:
    """Suspended, aborted or reverted: ECS forgets the task within the hour."""
    suspended = about(TASK_SETS, task_run=RUN, suspended=Pause("ana"))
    assert written(decided(suspended, Found("id", ended=True))).cleared == ("b",)
    aborted = about(TASK_SETS, task_run=RUN, quarantine=("b",))
    failed = decided(aborted, Found("id", ended=True, failure="exit code 1"))
    assert failed.ended is None, "a person ended it"
    running = decided(replace(about(TASK_SETS, task_run=RUN), wanted="a"), Found("id"))
    assert running.wake_at == NOW + LOOK_EVERY, "it is not at rest before the task has ended"


def test_a_rolling_service_is_created_without_tasks_and_gets_them_once_its_task_has_succeeded() -> None:
    """Its first deployment completes with nothing, which is no success."""
    rolling = engines()["rolling"]
    empty = replace(BLUE, release="b", task_definition="web:1", running=0, state="COMPLETED")
    facts = seen(empty, desired=0, definition="web:1", marks=StoredState())

    assert kinds(decided(facts, engine=rolling)) == ["WriteState", "RunTask"]
    cleared = replace(facts, marks=StoredState(cleared=("b",)))
    assert decided(cleared, engine=rolling).decisions == (), "the plan raises the count"
    some = replace(cleared, desired=2, sets=(replace(empty, running=2),))
    assert [type(one) for one in decided(some, engine=rolling).decisions] == [WriteState]
    assert UpdateService not in map(type, decided(some, engine=rolling).decisions)


def test_without_a_task_nothing_is_held_back() -> None:
    """A service has no pre-deployment task unless its specs say so."""
    facts = about(TASK_SETS)
    assert decided(facts, task=None) == machine.step(CAREFUL, facts, NOW)
