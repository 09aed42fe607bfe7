"""No wanted tasks: a rollout rests where it is, and a version that was wanted meanwhile is the one that starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rollout.actions import DeleteTaskSet, SetWeights
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.release import Version
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService, Scaling
from reconciler.rollout.stored_state import DeadlineKind
from tests.rollout.facts import BLUE, CANARY, GREEN, HOUR, due, marked, said, seen, step, written

EMPTY_BLUE, EMPTY_GREEN = (replace(one, running=0, healthy=()) for one in (BLUE, GREEN))


def rests(found: RolloutStep) -> bool:
    return found.at_rest and (found.health, found.waits_for) == (RolloutHealth.SUSPENDED, Waiting.SPEC)


@pytest.mark.parametrize(
    ("where", "phase"),
    [
        (seen(EMPTY_BLUE, EMPTY_GREEN, marks=marked(due(DeadlineKind.UP, -HOUR))), Phase.SCALING_UP),
        (seen(EMPTY_BLUE, EMPTY_GREEN, marks=marked(due(DeadlineKind.GATE, -HOUR))), Phase.SCALING_UP),
        (seen(EMPTY_BLUE, EMPTY_GREEN, marks=marked(due(DeadlineKind.TO, -HOUR, weight=10))), Phase.SCALING_UP),
        (
            seen(EMPTY_BLUE, EMPTY_GREEN, production=(90, 10), marks=marked(due(DeadlineKind.AT, -HOUR, weight=10))),
            Phase.SHIFTING,
        ),
        (
            seen(EMPTY_BLUE, EMPTY_GREEN, production=(0, 100), marks=marked(due(DeadlineKind.VERIFY, -HOUR))),
            Phase.VERIFYING,
        ),
        (
            seen(EMPTY_BLUE, EMPTY_GREEN, production=(0, 100), marks=marked(due(DeadlineKind.WARM, -HOUR))),
            Phase.VERIFYING,
        ),
    ],
)
def test_a_rollout_rests_in_every_phase_and_its_timers_start_again(where: ObservedService, phase: Phase) -> None:
    """The deadline is forgotten once; then nothing is written until tasks are wanted."""
    none = replace(where, desired=0, looks=-3)
    first = step(none, CANARY)
    assert (first.phase, written(first).deadline) == (phase, None)
    resting = step(replace(none, marks=marked()), CANARY)
    assert rests(resting)
    assert resting.phase is phase


def test_a_new_version_replaces_one_without_tasks() -> None:
    """Nobody is served, so production points to the group of the new version, and the previous one is removed."""
    none = seen(EMPTY_BLUE, desired=0)
    first = step(none)
    assert first.decisions[0] == SetWeights("production", (0, 100), (100, 0))
    assert written(first).previous == Version("a", BLUE.task_definition)
    moved = replace(none, production=(0, 100))
    assert step(moved).decisions[0] == DeleteTaskSet(BLUE.id, 0)
    assert rests(step(replace(moved, sets=())))
    wanted = step(replace(moved, sets=(), desired=1))
    assert [type(one).__name__ for one in wanted.decisions][-1] == "CreateTaskSet"


def test_tasks_that_are_still_stopping_are_waited_for() -> None:
    """Production leaves no task that answers."""
    found = step(seen(BLUE, desired=0))
    assert not found.decisions
    assert not found.at_rest


def test_the_previous_version_stays_while_autoscaling_wants_no_tasks() -> None:
    """Its tasks come back by themselves, and the new version has a gate to pass."""
    assert rests(step(seen(EMPTY_BLUE, desired=0, scaling=Scaling.ACTIVE)))


def test_a_rollback_is_heard_while_no_tasks_are_wanted() -> None:
    """Neither side has a healthy task, and none is needed."""

    marks = marked(request=said(RequestVerb.ROLLBACK))
    found = step(seen(EMPTY_BLUE, EMPTY_GREEN, desired=0, production=(0, 100), marks=marks))
    assert found.decisions[0] == SetWeights("production", (100, 0), (0, 100))


def test_the_first_version_waits_too() -> None:
    """A first deployment at zero neither fails nor starts."""
    found = step(seen(replace(EMPTY_GREEN, primary=False), desired=0, production=(0, 100), marks=marked()))
    assert found.phase is Phase.INITIAL_DEPLOYMENT
    assert rests(found)
