"""The steps from one engine to another: their order, and when one is taken. For every two engines there are."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from reconciler.rollout.actions import SetPrimary, WriteState
from reconciler.rollout.change_facts import ChangeFacts
from reconciler.rollout.engine import Controller, Engine, Phase, RolloutHealth, RolloutStep, engines
from reconciler.rollout.engine_change import (
    Goal,
    Step,
    TakeStep,
    lasts,
    misrouted,
    outlook,
    possible,
    remaining,
    step,
    style,
    taken,
)
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, Request, RequestVerb
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import EngineChange, StoredState
from reconciler.rollout.strategy import Strategy
from reconciler.rollout.windows import Window

NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
PAIRS = list(itertools.permutations(engines(), 2))
IN_PLACE = [(a, b) for a, b in PAIRS if possible(engines()[a].controller, engines()[b].controller)]
LIVE = Version("r1", "web:1")
MARKS = StoredState(live=LIVE)
IDLE = RolloutStep(Phase.IDLE, release="r1")


def goal(was: str, engine: str, lack: str = "") -> Goal:
    controller, shifted = style(engines()[engine])
    return Goal(was, engine, controller, shifted, timedelta(minutes=4), lack)


def facts(engine: Engine, live: int = 0) -> ChangeFacts:
    """A service at rest that this engine runs; the listeners name the group that serves, and no other."""
    controller, shifted = style(engine)
    bare = () if shifted else (("production", (100, 0)), ("test", (100, 0)))
    by_ecs = controller == Controller.ECS
    return ChangeFacts(controller, shifted, paired=shifted, guarded=by_ecs, attached=(live,), live=live, bare=bare)


def seen(found: ChangeFacts, marks: StoredState = MARKS) -> ObservedService:
    only = TaskSet("ecs-svc/1", "r1", 0, NOW, primary=True, task_definition="web:1")
    return ObservedService("", 2, (only,), marks=marks, change=found)


@pytest.mark.parametrize(("was", "engine"), IN_PLACE)
@pytest.mark.parametrize("live", [0, 1])
def test_the_steps_lead_to_the_engine_and_nowhere_else(was: str, engine: str, live: int) -> None:
    """Wherever the process dies, what is left is what was left: each step is known by what it leaves behind."""
    wanted, found = goal(was, engine), facts(engines()[was], live)
    todo = remaining(wanted, found)
    assert todo
    while todo:
        found = taken(todo[0], wanted, found)
        assert remaining(wanted, found) == todo[1:]
        todo = todo[1:]
    assert (found.controller, found.shifted) == style(engines()[engine])
    assert found.shifted == found.paired


@pytest.mark.parametrize(("was", "engine"), IN_PLACE)
def test_what_aws_asks_for_comes_before(was: str, engine: str) -> None:
    """Only ECS's controller has a pair, a strategy, alarms and a circuit breaker. Both listeners name a pair, and ECS
    shifts traffic once it has one.
    """
    wanted, found = goal(was, engine), facts(engines()[was])
    for one in remaining(wanted, found):
        match one:
            case Step.CONTROLLER if wanted.controller != Controller.ECS:
                by_ecs = found.controller == Controller.ECS
                assert (found.shifted, found.paired, by_ecs and found.guarded) == (False, False, False)
            case Step.PAIR:
                assert found.controller == Controller.ECS
                assert (found.bare, found.shifted) == ((), False)
            case Step.SHIFT:
                assert found.paired
            case Step.ATTACH:
                assert not found.shifted
        found = taken(one, wanted, found)


@pytest.mark.parametrize("live", [0, 1])
def test_tasks_that_are_between_two_groups_settle_where_production_goes(live: int) -> None:
    """A rolling service on its way to another target group, taken over: a task set is in one group only."""
    between = replace(facts(engines()[ROLLING]), attached=(0, 1), live=live)
    there = goal(ROLLING, "task_sets")
    (step_now, *_) = decided(between, there).decisions
    assert step_now == TakeStep(Step.ATTACH, there)
    settled = taken(Step.ATTACH, there, between)
    assert (settled.attached, Step.ATTACH in remaining(there, settled)) == ((live,), False)
    assert Step.ATTACH not in remaining(THERE, between)


@pytest.mark.parametrize(("was", "engine"), [one for one in IN_PLACE if one[::-1] in IN_PLACE])
def test_there_and_back_there_is_nothing_left(was: str, engine: str) -> None:
    found = facts(engines()[was])
    for wanted in (goal(was, engine), goal(engine, was)):
        for one in remaining(wanted, found):
            found = taken(one, wanted, found)
    assert (found.controller, found.shifted, found.paired) == (*style(engines()[was]), style(engines()[was])[1])


def test_nothing_becomes_codedeploys() -> None:
    """AWS lists no way there. Every other two engines have one."""
    assert {one[1] for one in set(PAIRS) - set(IN_PLACE)} == {
        name for name, one in engines().items() if one.controller is Controller.CODE_DEPLOY
    }


def decided(found: ChangeFacts, wanted: Goal, ordinary: RolloutStep = IDLE, **marks: object) -> RolloutStep:
    begun = EngineChange(wanted.was, wanted.engine, NOW)
    stored = replace(MARKS, **{"engine_change": begun, **marks})  # type: ignore[arg-type]
    return step(wanted, Strategy(), ordinary, seen(found, stored), NOW)


ROLLING, SHIFTED = "rolling", "ecs_native"
THERE = goal(ROLLING, SHIFTED)


@pytest.mark.parametrize("before", [None, EngineChange("task_sets", ROLLING, NOW - timedelta(days=9))])
def test_a_change_is_stored_when_it_begins(before: EngineChange | None) -> None:
    """AWS shows only the engine that a service has now; the steps on the way are not changes of their own."""
    (write,) = decided(facts(engines()[ROLLING]), THERE, engine_change=before).decisions
    assert isinstance(write, WriteState)
    assert write.after.engine_change == EngineChange(ROLLING, SHIFTED, NOW)
    on_its_way = replace(THERE, was="task_sets")
    (next_one,) = decided(facts(engines()[ROLLING]), on_its_way, engine_change=write.after.engine_change).decisions
    assert isinstance(next_one, TakeStep)


def test_a_step_is_one_write() -> None:
    found = decided(facts(engines()[ROLLING]), THERE)
    assert (found.phase, found.decisions) == (Phase.CHANGING_ENGINE, (TakeStep(Step.NAME_PRODUCTION, THERE),))
    assert found.wake_at == NOW


@pytest.mark.parametrize(
    "ordinary",
    [
        replace(IDLE, decisions=(SetPrimary("ecs-svc/1"),)),
        *(replace(IDLE, phase=one) for one in (Phase.SCALING_UP, Phase.BAKING, Phase.ROLLING_BACK, Phase.BLOCKED)),
    ],
)
def test_what_is_under_way_goes_on_first(ordinary: RolloutStep) -> None:
    assert decided(facts(engines()[ROLLING]), THERE, ordinary) is ordinary


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.ROLLED_BACK])
def test_a_version_that_failed_and_is_gone_is_no_obstacle(phase: Phase) -> None:
    assert decided(facts(engines()[ROLLING]), THERE, replace(IDLE, phase=phase)).decisions


def test_people_come_first() -> None:
    """A service that is suspended stays as it is, and a request is answered by the engine that runs the service."""
    found, request = facts(engines()[ROLLING]), Request(RequestVerb.ROLLBACK, "r1", "i1", NOW, "ana")
    assert decided(found, THERE, suspended=Pause("ana")) is IDLE
    assert decided(found, THERE, request=request) is IDLE


@pytest.mark.parametrize(
    "found",
    [
        replace(facts(engines()[ROLLING]), busy="its deployment is IN_PROGRESS"),
        replace(facts(engines()[ROLLING]), live=None),
        replace(facts(engines()[ROLLING]), attached=(1,)),
        replace(facts(engines()[ROLLING]), attached=(0, None)),
    ],
)
def test_nothing_is_changed_in_the_middle_of_something_or_of_what_is_not_understood(found: ChangeFacts) -> None:
    waiting = decided(found, THERE)
    assert (waiting.phase, waiting.decisions) == (Phase.CHANGING_ENGINE, ())
    assert waiting.wake_at is not None
    assert waiting.wake_at > NOW


def test_it_waits_for_what_the_new_engine_needs() -> None:
    waiting = decided(facts(engines()[ROLLING]), goal(ROLLING, SHIFTED, "role/web-ecs does not exist yet"))
    assert waiting.decisions == ()
    assert "role/web-ecs" in waiting.because


def test_it_waits_for_a_window() -> None:
    closed = Strategy(windows=(Window(time(1), time(2)),))
    waiting = step(THERE, closed, IDLE, seen(facts(engines()[ROLLING])), NOW)
    assert waiting.decisions == ()


def test_the_version_that_runs_is_stored_before_anything_is_changed() -> None:
    """The next engine may know it by its revision only; what an earlier engine has stored may be of another version."""
    (write,) = decided(facts(engines()[ROLLING]), THERE, live=Version("r0", "web:7")).decisions
    assert isinstance(write, WriteState)
    assert write.after.live == LIVE


def test_releases_are_stored_under_the_names_that_the_new_engine_has_for_them() -> None:
    renaming = replace(THERE, names=(("r1", "x1"),))
    (write,) = decided(facts(engines()[ROLLING]), renaming, quarantine=("r1",)).decisions
    assert isinstance(write, WriteState)
    assert (write.after.live, write.after.quarantine) == (Version("x1", "web:1"), ("x1",))


def test_a_step_shows_once_it_is_not_left_any_more() -> None:
    before = seen(facts(engines()[ROLLING]))
    for one in remaining(THERE, before.change or ChangeFacts("")):
        action = TakeStep(one, THERE)
        assert not action.visible(before)
        before = action.after(before, NOW)
        assert action.visible(before)


def test_a_plan_says_which_way_it_goes_and_for_how_long() -> None:
    found = facts(engines()[ROLLING])
    assert lasts(THERE, remaining(THERE, found)) == timedelta(minutes=4, seconds=45)
    assert outlook(THERE, found).startswith("in place: rolling → ecs_native in 4 steps, ≈ 5 min")


def test_releases_have_their_present_names_in_the_stored_state() -> None:
    """The id of a release depends on the engine; what was stored under another one is still about the same release."""
    old = StoredState(live=Version("a", "web:1"), previous=Version("b", "web:0"), quarantine=("c", "a"))
    assert old.named({"a": "x", "c": "x"}) == StoredState(
        live=Version("x", "web:1"), previous=Version("b", "web:0"), quarantine=("x",)
    )


def test_a_service_without_a_load_balancer_needs_no_pair() -> None:
    """Requests come in by Service Connect: only the strategy changes, there and back."""
    rolling = replace(facts(engines()["rolling"]), attached=(), live=None, bare=(), routed=False)
    there = goal("rolling", "ecs_native")
    assert remaining(there, rolling) == (Step.SHIFT,)
    shifted = replace(rolling, shifted=True, guarded=True)
    assert remaining(goal("ecs_native", "rolling"), shifted) == (Step.STOP_SHIFTING,)


def test_a_load_balancer_comes_with_a_rolling_deployment() -> None:
    """ECS takes no target groups without a pair, and a service without any may leave ECS's strategy at any time."""
    attached = replace(facts(engines()["rolling"]), routed=False)
    step = decided(attached, goal("rolling", "ecs_native"))
    assert (step.decisions, step.health) == ((), RolloutHealth.SUSPENDED)
    alone = replace(facts(engines()["ecs_native"]), paired=False, attached=(), live=None)
    assert misrouted(alone) == ""
