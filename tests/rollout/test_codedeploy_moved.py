"""The engine `codedeploy` and production that people move while a deployment is on its way, or its wait ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler import errors
from reconciler.rollout.actions import SuspendScaling
from reconciler.rollout.engine import Phase, RolloutHealth
from reconciler.rollout.engines.codedeploy.actions import ShiftTraffic, StopDeployment, TerminateOriginal
from reconciler.rollout.engines.codedeploy.facts import Status
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import Scaling, TaskSet
from reconciler.rollout.stored_state import DeadlineKind, Outcome
from tests.resources.talk import Talk
from tests.rollout.answers import SUBJECT, listeners
from tests.rollout.facts import GREEN, HOUR, MINUTE, NOW, due, ill, kinds, marked, side
from tests.rollout.test_codedeploy import BLUE, ENGINE, INSTALLING, KEEPING, READY, both, decided, facts, switched


def test_a_deployment_catches_up_with_production_that_somebody_has_moved() -> None:
    """It is continued before anything is recorded, since it has another wait before it."""
    step = decided(replace(both(READY, DeadlineKind.WARM, -MINUTE), production=(0, 100)))
    assert (step.phase, step.decisions, step.ended) == (Phase.TEARDOWN, (ShiftTraffic("d-b"),), None)


@pytest.mark.parametrize(
    ("production", "phase"), [((100, 0), Phase.ROLLING_BACK), ((50, 50), Phase.BLOCKED), ((0, 100), Phase.VERIFYING)]
)
def test_what_was_shifted_and_taken_back_before_a_look_is_noticed(production: tuple[int, int], phase: Phase) -> None:
    """CodeDeploy has shifted all of it long ago, so the listener was changed since."""
    found = replace(switched(DeadlineKind.TO), production=production)
    due_to = due(DeadlineKind.TO, weight=100)
    found = replace(found, marks=replace(found.marks, deadline=due_to))
    assert decided(found).phase is phase
    just_now = replace(KEEPING, shifted_at=NOW)
    assert decided(replace(found, active=just_now, ours=just_now)).phase in (Phase.SHIFTING, Phase.VERIFYING)


def test_green_goes_by_a_rollback_once_production_was_taken_back() -> None:
    """Only a rollback of CodeDeploy makes blue the primary one again."""
    found = replace(switched(DeadlineKind.RETIRE), production=(100, 0))
    found = replace(found, marks=replace(found.marks, quarantine=("b",)))
    assert decided(found).decisions == (StopDeployment("d-b"),)


def test_a_fix_ends_the_deployment_that_keeps_blue() -> None:
    """Neither version is healthy, and CodeDeploy has one deployment at a time."""
    blue, green = replace(ill(BLUE), primary=False), replace(ill(GREEN), primary=True)
    found = replace(switched(DeadlineKind.VERIFY), sets=(blue, green), wanted="c", looks=-3)
    assert TerminateOriginal("d-b", 0) in decided(found).decisions


def test_nothing_has_ended_well_before_codedeploy_has_agreed_to_it() -> None:
    """Somebody may have stopped the deployment a moment ago: then its end is refused, and not recorded."""
    assert kinds(decided(switched(DeadlineKind.WARM, -MINUTE))) == ["TerminateOriginal", "WriteState"]


@pytest.mark.parametrize("now_at", [(90, 10), (100, 0)])
def test_blue_is_not_removed_once_production_refers_to_it(now_at: tuple[int, int]) -> None:
    """The listener is read again right before."""
    talk = Talk(DescribeListeners=listeners(now_at))
    with pytest.raises(errors.StalePlan):
        talk.hold(ENGINE.apply(TerminateOriginal("d-b", 0), SUBJECT))
    assert talk.operations() == ["DescribeListeners"]


def test_blue_is_removed_once_the_listener_says_so_again() -> None:
    talk = Talk(DescribeListeners=listeners((0, 100)), ContinueDeployment={})
    talk.hold(ENGINE.apply(TerminateOriginal("d-b", 0), SUBJECT))
    assert talk.operations() == ["DescribeListeners", "ContinueDeployment"]


def test_an_attempt_keeps_its_deadline_until_its_tasks_show() -> None:
    """It is known by it: with another one, the end of its deployment would count as that of an earlier attempt."""
    late = due(DeadlineKind.UP, -MINUTE)
    assert decided(facts(active=INSTALLING, marks=marked(late))).decisions == ()


def test_scaling_in_is_given_back_beside_a_first_version_that_failed() -> None:
    """Its tasks stay, since nothing removes them."""
    first: TaskSet = side("b", 0, healthy=(), failing=2, steady=False)
    found = replace(facts(first), marks=replace(marked(), quarantine=("b",)), scaling=Scaling.SUSPENDED)
    assert decided(found).decisions == (SuspendScaling(suspend=False),)


def test_nothing_is_recorded_of_a_service_that_is_suspended() -> None:
    """Not even what is in production."""
    there = side("b", 0, primary=True)
    found = replace(facts(there), marks=marked(suspended=Pause("ana", "-")))
    assert decided(found).decisions == ()


def test_a_deployment_that_somebody_has_ended_well_says_so() -> None:
    done = replace(KEEPING, status=Status.SUCCEEDED)
    step = decided(facts(GREEN, ours=done, marks=marked(due(DeadlineKind.WARM, HOUR)), production=(0, 100)))
    assert step.ended is not None
    assert (step.ended.outcome, step.health) == (Outcome.PROMOTED, RolloutHealth.PROGRESSING)
    assert step.because
