"""There is no blue: nothing is tested, approved or kept warm, and when it fails, nothing runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from reconciler.rollout.actions import CreateTaskSet, ScaleTaskSet, SetPrimary, SetWeights, SuspendScaling
from reconciler.rollout.blue_green import health
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.state import Scaling
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome
from reconciler.rollout.windows import Window
from tests.rollout.facts import CAREFUL, GOOD_LOOKS, MINUTE, due, kinds, marked, only, seen, side, step, written

UP = marked(due(DeadlineKind.UP))
FIRST = side("b", 0)
STARTING = replace(FIRST, running=0, steady=False, healthy=())


def test_it_goes_where_production_already_points() -> None:
    """The first set is made in the group that has the weight, at full size."""
    found = step(seen(scaling=Scaling.ACTIVE))
    assert kinds(found) == ["SuspendScaling", "WriteState", "CreateTaskSet"]
    made = found.decisions[-1]
    assert isinstance(made, CreateTaskSet)
    assert (made.release, made.slot, made.scale) == ("b", 0, 100)


def test_it_is_done_as_soon_as_it_is_well() -> None:
    """No test, no gate, no blue."""
    found = step(seen(FIRST, marks=UP, looks=GOOD_LOOKS))
    assert found.decisions[0] == SetPrimary(FIRST.id)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.PROMOTED, Actor.ENGINE)


def test_no_window_keeps_it() -> None:
    """A window protects production, and there is none."""
    never = replace(CAREFUL, windows=(Window(time(0), time(0, 1), days=("sun",)),))
    assert kinds(step(seen(), never)) == ["WriteState", "CreateTaskSet"]


def test_failing_takes_its_tasks_away_and_keeps_the_evidence() -> None:
    """Scaled to zero, not deleted; and not tried again."""
    found = step(seen(replace(STARTING, failed=3), marks=UP, looks=-5))
    assert found.phase is Phase.FAILED
    assert written(found).quarantine == ("b",)
    quarantined = marked(due(DeadlineKind.UP), quarantine=("b",), ended=written(found).ended)
    after = step(seen(replace(STARTING, failed=3), marks=quarantined, looks=-5))
    assert only(after) == ScaleTaskSet(STARTING.id, 0)
    empty = replace(STARTING, scale=0)
    rest = step(seen(empty, marks=marked(quarantine=("b",), ended=written(found).ended)))
    assert rest.at_rest
    assert (rest.health, rest.waits_for) == (RolloutHealth.DEGRADED, Waiting.PERSON)
    ended = written(found).ended
    assert ended is not None
    assert (ended.by, rest.because) == (Actor.ENGINE, ended.why)


def test_it_fails_when_its_time_is_over() -> None:
    """A deadline holds here, too; but not over a look that finds it well."""
    late = marked(due(DeadlineKind.UP, -MINUTE))
    assert step(seen(STARTING, marks=late, looks=-1)).phase is Phase.FAILED
    assert step(seen(FIRST, marks=late, looks=1)).phase is Phase.INITIAL_DEPLOYMENT


def test_tasks_that_serve_are_not_taken_away() -> None:
    """One healthy task of two is better than none."""
    half = replace(FIRST, steady=False, healthy=(("a", 1),))
    found = step(seen(half, marks=marked(quarantine=("b",)), looks=-5))
    assert not found.decisions


def test_another_try_is_another_set() -> None:
    """The evidence stays where it is until the new set is well."""
    evidence = replace(STARTING, scale=0)
    made = step(seen(evidence)).decisions[-1]
    assert isinstance(made, CreateTaskSet)
    young = replace(side("b", 1, age=0), id="second")
    found = step(seen(evidence, young, marks=UP, looks=GOOD_LOOKS))
    assert found.decisions[:2] == (SetWeights("production", (0, 100), (100, 0)), SetPrimary("second"))


def test_a_newer_version_does_not_wait_for_one_that_never_ran() -> None:
    """It comes in the other group; production moves once it is well."""
    made = step(seen(STARTING, wanted="c", marks=UP, looks=-1)).decisions[-1]
    assert isinstance(made, CreateTaskSet)
    assert (made.release, made.slot) == ("c", 1)


def test_what_is_left_when_blue_was_deleted_by_hand_takes_over() -> None:
    """Production without a healthy task is an emergency: no gate, no window."""
    green = side("b", 1)
    found = step(seen(green, marks=marked(due(DeadlineKind.GATE)), looks=GOOD_LOOKS))
    assert found.decisions[:2] == (SetWeights("production", (0, 100), (100, 0)), SetPrimary(green.id))


def test_a_side_in_quarantine_is_better_than_none() -> None:
    """And it stays in quarantine."""
    found = step(seen(side("b", 1), marks=marked(quarantine=("b",)), looks=GOOD_LOOKS))
    assert only(found) == SetWeights("production", (0, 100), (100, 0))
    assert found.health is RolloutHealth.DEGRADED


def test_no_tasks_wanted_no_deployment() -> None:
    """A service that is to have no tasks gets its version with the first."""
    found = step(seen(desired=0))
    assert found.at_rest
    assert found.waits_for is Waiting.SPEC


def test_autoscaling_goes_on_when_it_gave_up() -> None:
    """Whatever became of it, what was borrowed is given back."""
    found = step(seen(replace(STARTING, scale=0), marks=marked(quarantine=("b",)), scaling=Scaling.SUSPENDED))
    assert only(found) == SuspendScaling(suspend=False)


def test_a_listener_that_names_one_target_group_names_both_once_it_is_promoted() -> None:
    """Although its requests go where they are to go already."""
    found = step(seen(FIRST, marks=UP, looks=GOOD_LOOKS, bare=frozenset({"production"})))
    assert found.decisions[0] == SetWeights("production", (100, 0), (100, 0))


@pytest.mark.parametrize(
    ("strangers", "production", "slot"),
    [((2, 0), (100, 0), 1), ((0, 2), (0, 100), 0), ((2, 2), (100, 0), 1), ((2, 2), (30, 70), 0), ((0, 0), (0, 100), 1)],
)
def test_it_begins_beside_the_tasks_of_the_service_that_it_replaces(
    strangers: tuple[int, int], production: tuple[int, int], slot: int
) -> None:
    """Where there are none of them, or where fewer requests go."""
    found = step(seen(strangers=strangers, production=production, inherited=(True, True)))
    made = found.decisions[-1]
    assert isinstance(made, CreateTaskSet)
    assert made.slot == slot


@pytest.mark.parametrize("inherited", [False, True])
def test_tasks_under_a_former_name_may_stay_in_its_target_group(inherited: bool) -> None:
    """They go once it is healthy, so it does not wait for them; those of anybody else have to go first."""
    facts = seen(FIRST, strangers=(2, 0), inherited=(inherited, False))
    assert health.verdict(facts) == (1 if inherited else 0)
