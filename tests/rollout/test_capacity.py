"""A lack of capacity: recognised by what ECS says, for as long as tasks are missing, and no verdict on a version."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.rollout import capacity, taken_back
from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import Phase, RolloutHealth
from reconciler.rollout.observe_task_sets import failed_by_itself
from reconciler.rollout.stored_state import DeadlineKind
from tests.rollout.facts import BLUE, CAREFUL, GREEN, HOUR, MINUTE, NOW, due, marked, seen, step, written

LACK = "Capacity is unavailable at this time"
PLACING = f"was unable to place a task. Reason: {LACK}. Please try again later or in a different availability zone."
SHORT = replace(GREEN, running=0, healthy=(), steady=False)


def event(text: str, *, task_set: str = GREEN.id, age: timedelta = MINUTE) -> dict[str, Any]:
    return {"createdAt": NOW - age, "message": f"(service web, taskSet {task_set}) {text}"}


@pytest.mark.parametrize(
    ("events", "one", "lack"),
    [
        pytest.param([event(PLACING)], SHORT, LACK, id="said of this set"),
        pytest.param([{"createdAt": NOW, "message": f"(service web) {PLACING}"}], SHORT, LACK, id="of the service"),
        pytest.param([event(PLACING, task_set=BLUE.id)], SHORT, "", id="of another set"),
        pytest.param([event("has started 1 tasks: (task 1)."), event(PLACING)], SHORT, LACK, id="some were started"),
        pytest.param([event("has reached a steady state."), event(PLACING)], SHORT, "", id="it is over"),
        pytest.param([event(PLACING, age=7 * HOUR)], replace(SHORT, born=NOW - 9 * HOUR), "", id="repeated by now"),
        pytest.param([event(PLACING, age=3 * HOUR)], SHORT, "", id="before the set was created"),
        pytest.param([event(PLACING)], replace(SHORT, pending=2), "", id="all tasks are placed"),
        pytest.param([event("is unable to consistently start tasks successfully.")], SHORT, "", id="its own fault"),
    ],
)
def test_an_event_counts_while_tasks_are_missing(events: list[dict[str, Any]], one: Any, lack: str) -> None:
    """ECS says it once, and again after six hours; it is over once the set has been steady."""
    assert capacity.with_lack(one, 2, events, NOW).unplaced == lack


@pytest.mark.parametrize(
    "text",
    [
        PLACING,
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.",
        "was unable to place a task. Reason: You've reached the limit on the number of tasks you can run concurrently.",
        "was unable to place a task. Reason: RESOURCE:ENI.",
        "was unable to place a task because no container instance met all of its requirements. The closest matching "
        "container-instance has insufficient CPU units available.",
        "MaxSpotInstanceCountExceeded: Max spot instance count exceeded.",
    ],
)
def test_every_sort_of_lack_is_recognised(text: str) -> None:
    """Fargate, Spot, quotas, and instances that are full."""
    assert capacity.lack_in(text)


@pytest.mark.parametrize(
    "text", ["CannotPullContainerError: not found", "Task failed ELB health checks in (target-group g)", ""]
)
def test_what_a_version_can_help_is_no_lack_of_capacity(text: str) -> None:
    """Images, health checks and exits are its own."""
    assert not capacity.lack_in(text)


def test_a_task_that_found_no_capacity_has_not_failed() -> None:
    """ECS stops it with the same code as one whose image is missing."""
    task = {"lastStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": f"{LACK}."}
    assert not failed_by_itself(task, {})
    assert failed_by_itself({**task, "stoppedReason": "CannotPullContainerError: not found"}, {})


@pytest.mark.parametrize("stage", [DeadlineKind.UP, DeadlineKind.TO])
def test_a_deadline_moves_while_there_is_no_capacity(stage: DeadlineKind) -> None:
    """Nothing fails, the reason is shown, and at least half of the time is left once there is capacity."""
    waiting = replace(SHORT, unplaced=LACK)
    weight = 100 if stage is DeadlineKind.TO else 0
    facts = seen(BLUE, waiting, marks=marked(due(stage, -MINUTE, weight=weight)), looks=-3, missing_since=NOW)
    found = step(facts)
    assert (found.phase, found.health) == (
        Phase.SHIFTING if stage is DeadlineKind.TO else Phase.SCALING_UP,
        RolloutHealth.SUSPENDED,
    )
    assert LACK in found.because
    assert written(found).deadline == due(stage, CAREFUL.healthy_within, weight=weight)
    early = replace(facts, marks=marked(due(stage, CAREFUL.healthy_within, weight=weight)))
    assert not [one for one in step(early).decisions if isinstance(one, WriteState)]


@pytest.mark.parametrize(
    ("seconds", "messages", "lack"),
    [
        ((10,), ("Capacity is unavailable at this time",), "Capacity is unavailable at this time"),
        ((60,), ("Capacity is unavailable at this time",), "Capacity is unavailable at this time"),  # in the last one
        ((61,), ("Capacity is unavailable at this time",), ""),  # of another version
        ((-1,), ("Capacity is unavailable at this time",), ""),
        ((60, 10), ("has reached a steady state", "Capacity is unavailable at this time"),
         "Capacity is unavailable at this time"),  # the version before
        ((50, 10), ("has reached a steady state", "Capacity is unavailable at this time"), ""),
    ],
)  # fmt: skip
def test_what_was_lacking_until_a_version_was_taken_back(
    seconds: tuple[int, ...], messages: tuple[str, ...], lack: str
) -> None:
    """Events come newest first, and a steady state at the very end is that of the version before."""
    several = [
        {"createdAt": NOW + timedelta(seconds=at), "message": text} for at, text in zip(seconds, messages, strict=True)
    ]
    assert taken_back.reported_between(several, NOW, NOW + timedelta(seconds=60)) == lack
