"""What a dry run shows of rollouts, and what it asks of AWS for that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.controller.until import has_begun
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.engine import Phase
from reconciler.rollout.outlook import Outlook, RolloutPreview
from reconciler.rollout_driver.preview import prospects
from reconciler.rollout_driver.targets import known_of, rollouts_of
from tests.harness.emulated_stack import SHORT, EmulatedStack, emulated_stack


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        yield found


def dry_run(stage: EmulatedStack) -> tuple[RolloutPreview, dict[str, int]]:
    """The service's prospect, and the calls that it took after the account had been read."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    rollouts, missing = rollouts_of(
        stage.desired_state.deliveries, stage.desired_state.desired, world, stage.desired_state.place.stack
    )
    stage.transport.sent.clear()
    (found,) = prospects(stage.driver, rollouts, missing, known_of(rollouts, world))
    return found, dict(stage.transport.sent)


def test_a_service_at_rest_is_not_asked_about_again(stage: EmulatedStack) -> None:
    """What the pass has read says it all: a hundred services at rest cost a dry run nothing more."""
    found, asked = dry_run(stage)
    assert found.outlook is Outlook.REST
    assert asked == {}


def test_of_a_rollout_under_way_only_its_tasks_and_targets_are_read(stage: EmulatedStack) -> None:
    """The service, its rules and its groups were just read; how its tasks fare was not."""
    stage.spec(v1="v2")
    stage.apply(has_begun)
    found, asked = dry_run(stage)
    assert found.outlook is Outlook.UNDER_WAY
    assert found.step is not None
    assert found.step.phase is not Phase.IDLE
    assert set(asked) <= {"DescribeTargetHealth", "ListTasks", "DescribeTasks"}
    assert asked["ListTasks"] == 2


def test_the_first_turn_of_many_is_from_what_was_read(stage: EmulatedStack) -> None:
    """An apply that changed one of a hundred services does not read the other ninety-nine one by one."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    rollouts, _ = rollouts_of(
        stage.desired_state.deliveries, stage.desired_state.desired, world, stage.desired_state.place.stack
    )
    stage.transport.sent.clear()
    (result,) = stage.driver.advance(rollouts, known_of(rollouts, world))
    assert result.at_rest
    assert dict(stage.transport.sent) == {}
