"""Fallback to on-demand capacity: the decision, the step that it becomes, and what is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.model.resource import Address
from reconciler.rollout import fallback, fallback_state, state_tags
from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep
from reconciler.rollout.fallback import SetCount, decided, followed
from reconciler.rollout.fallback_state import Fallback, FallbackPhase, FallbackTerms, MainService
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import StoredState
from tests.rollout.facts import MINUTE, NOW

LACK = "Capacity is unavailable at this time"
TERMS = FallbackTerms(Address("service", "web"), 5 * MINUTE, 30 * MINUTE)
BEFORE = NOW - 60 * MINUTE


def main(running: int, desired: int = 4, *, lack: str = LACK, deleting: bool = False) -> MainService:
    return MainService("web", desired, running, lack, deleting)


def lacking(wait: timedelta) -> Fallback:
    return Fallback(FallbackPhase.LACKING, at=NOW + wait)


def running(since: datetime = BEFORE) -> Fallback:
    return Fallback(FallbackPhase.RUNNING, since)


def returning(wait: timedelta) -> Fallback:
    return Fallback(FallbackPhase.RETURNING, BEFORE, NOW + wait)


TABLE: dict[str, tuple[MainService, int, Fallback | None, int, Fallback | None]] = {
    # situation: the main service, count and state now, count and state after
    "nothing is missing": (main(4, lack=""), 0, None, 0, None),
    "an old report, and nothing is missing": (main(4), 0, None, 0, None),
    "tasks start": (main(1, lack=""), 0, None, 0, None),
    "a lack is seen": (main(1), 0, None, 0, lacking(5 * MINUTE)),
    "it goes on": (main(1), 0, lacking(2 * MINUTE), 0, lacking(2 * MINUTE)),
    "ECS tries a task meanwhile": (main(1, lack=""), 0, lacking(2 * MINUTE), 0, lacking(2 * MINUTE)),
    "its time is over": (main(1), 0, lacking(timedelta()), 3, running(NOW)),
    "its time is over while ECS tries a task": (main(1, lack=""), 0, lacking(-MINUTE), 0, lacking(-MINUTE)),
    "it ends by itself": (main(4), 0, lacking(2 * MINUTE), 0, None),
    "the clock was set back": (main(1), 0, lacking(60 * MINUTE), 0, lacking(5 * MINUTE)),
    "the clock was set forward": (main(1), 0, lacking(-60 * MINUTE), 3, running(NOW)),
    "on demand, and as many are missing": (main(1), 3, running(), 3, running()),
    "more are missing": (main(0), 3, running(), 4, running()),
    "more are missing without a report": (main(0, lack=""), 3, running(), 3, running()),
    "the autoscaler wants more": (main(1, 8), 3, running(), 7, running()),
    "the autoscaler wants fewer": (main(1, 2), 3, running(), 3, returning(30 * MINUTE)),
    "one is back on Spot": (main(2), 3, running(), 3, returning(30 * MINUTE)),
    "all are back on Spot": (main(4, lack=""), 3, running(), 3, returning(30 * MINUTE)),
    "they stay": (main(4, lack=""), 3, returning(MINUTE), 3, returning(MINUTE)),
    "they stayed long enough": (main(4, lack=""), 3, returning(timedelta()), 0, None),
    "one stayed long enough": (main(2), 3, returning(timedelta()), 2, running()),
    "they are lost again": (main(1), 3, returning(MINUTE), 3, running()),
    "they are lost again, and more": (main(0), 3, returning(MINUTE), 4, running()),
    "the clock was set back while they return": (main(4), 3, returning(600 * MINUTE), 3, returning(30 * MINUTE)),
    "no tasks are wanted": (main(0, 0), 3, running(), 0, None),
    "no tasks are wanted before any ran on demand": (main(0, 0), 0, lacking(MINUTE), 0, None),
    "the service is being deleted": (main(0, deleting=True), 3, running(), 0, None),
    "a new version is rolled out beside the old one": (main(6, lack=""), 0, None, 0, None),
    "a new version is rolled out while tasks run on demand": (main(5), 3, running(), 3, returning(30 * MINUTE)),
    "the process ended before it stored that they run": (main(1), 3, lacking(-MINUTE), 3, running(NOW)),
    "the process ended before it stored that they stopped": (main(4), 0, returning(-MINUTE), 0, None),
    "somebody stopped the tasks on demand": (main(1), 0, running(), 0, lacking(5 * MINUTE)),
    "somebody started more on demand": (main(1), 9, running(), 9, returning(30 * MINUTE)),
    "what was stored is lost": (main(1), 3, None, 3, running(NOW)),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_count_follows_what_is_missing(name: str) -> None:
    """Later where tasks start and stop, at once where more are missing already; a decision stands when repeated."""
    facts, count, known, after, stored = TABLE[name]
    assert decided(TERMS, facts, count, known, NOW) == (after, stored)
    assert decided(TERMS, facts, after, stored, NOW) == (after, stored)


@pytest.mark.parametrize("name", TABLE)
def test_the_count_never_falls_below_what_is_missing(name: str) -> None:
    """Whatever time passes: it is lowered to what is missing, or not at all."""
    facts, count, known, *_ = TABLE[name]
    for minutes in range(0, 120, 3):
        now = NOW + minutes * MINUTE
        after, known = decided(TERMS, facts, count, known, now)
        assert after >= min(count, facts.missing)
        count = after


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[4] is not None])
def test_what_is_stored_is_read_again(name: str) -> None:
    """As a tag, with both times."""
    state = StoredState(fallback=TABLE[name][4])
    assert state_tags.of_tags(state_tags.tags_of(state)) == state


@pytest.mark.parametrize("text", ["", "lacking:-:-", "running:-:1767614400", "waiting:-:1", "returning:1:x"])
def test_what_makes_no_sense_is_not_read(text: str) -> None:
    """Then the service is read-only, as for every other tag."""
    assert fallback_state.read(text) is None


REST = RolloutStep(Phase.IDLE, because="up to date", health=RolloutHealth.HEALTHY)


def seen(facts: MainService | None, count: int, known: Fallback | None = None, **fields: Any) -> ObservedService:
    marks = fields.pop("marks", StoredState(fallback=known))
    return ObservedService("b", count, main=facts, marks=marks, **fields)


def test_tasks_start_before_it_is_stored_that_they_run() -> None:
    """A process that ends between the two finds the tasks, and not a time at which they run although they do not."""
    step = fallback.step(TERMS, REST, seen(main(1), 0, lacking(timedelta())), NOW)
    count, write = step.decisions
    assert count == SetCount(3, 0, "web")
    assert isinstance(write, WriteState)
    assert write.after.fallback == running(NOW)
    assert step.wake_at == NOW


def test_at_rest_nothing_is_written_and_the_status_says_what_runs_where() -> None:
    """Also between the times; the step of the rollout is as it was otherwise."""
    assert fallback.step(TERMS, REST, seen(main(4), 0), NOW) == REST
    step = fallback.step(TERMS, REST, seen(main(3), 1, running()), NOW)
    assert step == replace(REST, because="3 of 4 tasks of web on Spot, 1 on demand since Mon 05 Jan 11:00 UTC")
    returns = fallback.step(TERMS, REST, seen(main(4), 1, returning(MINUTE)), NOW)
    assert returns.because.endswith("1 on demand since Mon 05 Jan 11:00 UTC; 1 of them stop at Mon 05 Jan 12:01 UTC")


def test_the_rollout_of_its_own_version_waits_for_the_count() -> None:
    """Missing tasks come first; a rollout that is under way keeps its words."""
    rolling = RolloutStep(Phase.SCALING_UP, (), NOW + MINUTE, "1 of 3 new tasks running")
    assert fallback.step(TERMS, rolling, seen(main(1), 3, running()), NOW) == rolling
    more = fallback.step(TERMS, rolling, seen(main(0), 3, running()), NOW)
    assert more.decisions == (SetCount(4, 3, "web"),)
    assert more.phase is Phase.SCALING_UP


@pytest.mark.parametrize(
    "found",
    [
        seen(None, 3, running()),
        seen(main(4), 3, returning(-MINUTE), deleting=True),
        seen(main(4), 3, marks=StoredState(suspended=Pause("ana"), fallback=returning(-MINUTE))),
    ],
    ids=["the main service is not rolled out", "it is being deleted", "it is suspended"],
)
def test_the_count_stays(found: ObservedService) -> None:
    """Nothing is decided, and nothing written."""
    assert fallback.step(TERMS, REST, found, NOW) == REST


V1, V2 = Version("a", "web:1"), Version("b", "web:2")


def item(revision: str, state: str) -> dict[str, Any]:
    return {"deployments": [{"status": "PRIMARY", "taskDefinition": f"arn:x/{revision}", "rolloutState": state}]}


@pytest.mark.parametrize(
    ("found", "state", "expected"),
    [
        (item("web:1", "COMPLETED"), StoredState(live=V1), V1),
        (item("web:2", "IN_PROGRESS"), StoredState(live=V1), V1),
        (item("web:2", "COMPLETED"), StoredState(live=V1), V2),
        (item("web:1", "COMPLETED"), StoredState(live=V1, quarantine=("b",)), V1),
        (item("web:1", "IN_PROGRESS"), StoredState(live=V2, previous=V1, quarantine=("b",)), V1),
        (item("web:1", "IN_PROGRESS"), StoredState(live=V2, rollback_target=V1, quarantine=("b",)), V1),
        (item("web:2", "IN_PROGRESS"), StoredState(), V2),
        (item("web:7", "COMPLETED"), StoredState(), Version("web:7", "web:7")),
        ({}, StoredState(live=V1), V1),
    ],
    ids=[
        "deployed",
        "a new one is being deployed",
        "it has just been deployed",
        "the new one has failed",
        "it is being undone",
        "a person undoes it",
        "the first deployment",
        "deployed outside",
        "nothing is deployed",
    ],
)
def test_the_version_that_serves_runs_on_demand(found: dict[str, Any], state: StoredState, expected: Version) -> None:
    """Never one that is still to prove itself, apart from the first, or that was given up."""
    assert followed(found, state, V2) == expected


BLUE, GREEN = "blue-arn", "green-arn"


def deployment(name: str, revision: int, *, completed: bool = False, desired: int = 4) -> dict[str, Any]:
    state = "COMPLETED" if completed else "IN_PROGRESS"
    return {
        "id": name,
        "status": "PRIMARY",
        "createdAt": NOW + revision * MINUTE,
        "desiredCount": desired,
        "rolloutState": state,
        "taskDefinition": f"arn:aws:ecs:us-west-2:1:task-definition/web:{revision}",
    }


OLD, NEW = deployment("old", 1, completed=True), deployment("new", 2)
PLACES = {"old": BLUE, "new": GREEN}
GROUPS: dict[str, tuple[list[dict[str, Any]], dict[str, str], str, bool, tuple[str, ...] | None]] = {
    # situation: deployments, where they are, the target group, whether it serves; whose missing tasks run there
    "at rest": ([OLD], {}, BLUE, True, ("old",)),
    "at rest, the other group": ([OLD], {}, GREEN, False, ()),
    "at rest, as a full pass reads it": ([OLD], PLACES, BLUE, True, ("old",)),
    "green is being tested": ([NEW, OLD], PLACES, GREEN, False, ()),
    "green is being tested, blue": ([NEW, OLD], PLACES, BLUE, True, ("old",)),
    "green serves": ([NEW, OLD], PLACES, GREEN, True, ("new",)),
    "green serves, blue is kept": ([NEW, OLD], PLACES, BLUE, False, ("old",)),
    "blue is being removed": ([NEW, OLD | {"desiredCount": 0}], PLACES, BLUE, False, ()),
    "it is not known where green is": ([NEW, OLD], {"old": BLUE}, BLUE, True, None),
    "production was moved to nothing": ([OLD], PLACES, GREEN, True, ()),
    "production was moved away": ([OLD], PLACES, BLUE, False, ("old",)),
}


@pytest.mark.parametrize("name", GROUPS)
def test_each_target_group_has_the_tasks_of_the_version_in_it(name: str) -> None:
    """A new version has none on demand before it serves, and the previous one has them for as long as it is kept."""
    deployments, places, group, serves, expected = GROUPS[name]
    assert fallback.supplied({"deployments": deployments}, places, group, serves=serves) == expected


def test_the_version_is_that_of_the_deployment() -> None:
    """By the revision that it runs, whatever the specs declare."""
    state = StoredState(live=Version("A", "web:1"), started=Version("B", "web:2"))
    item, wanted = {"deployments": [NEW, OLD, deployment("other", 9)]}, Version("C", "web:3")
    found = [fallback.version_of(item, one, state, wanted) for one in ("old", "new", "other")]
    assert found == [Version("A", "web:1"), Version("B", "web:2"), Version("web:9", "web:9")]
