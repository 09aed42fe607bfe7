"""A dozen rollouts at once: what they look at first is read together, and each comes to its own end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.stack import IMAGE, OTHER_IMAGE, service_name, write
from reconciler import errors
from reconciler.controller.until import has_begun, has_ended
from reconciler.model.resource import Call
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout_driver import driver
from reconciler.rollout_driver.driver import StepResult, wake_at
from tests.harness.driving import follow
from tests.harness.emulated_stack import SHORT, EmulatedStack, emulated_stack

SERVICES = 12
SOON = timedelta(seconds=15)
TERMS = SHORT | {"promote_after": timedelta(minutes=10)}
TOGETHER = ("DescribeServices", "DescribeListeners", "DescribeRules", "DescribeTargetGroups")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedStack]:
    """All of them serve, and the next version of each is on its way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with emulated_stack(terms=TERMS, folder=write(tmp_path_factory.mktemp("many") / "specs", SERVICES)) as found:
            assert not found.apply(has_ended).went_wrong
            found.change({IMAGE: OTHER_IMAGE})
            found.apply(has_begun)
            yield found


@pytest.mark.slow
def test_what_they_look_at_first_is_read_ten_at_once(stage: EmulatedStack) -> None:
    """Targets and tasks are each service's own; the rest is not asked for one by one."""
    rollouts = stage.rollouts()
    stage.transport.sent.clear()
    results = stage.driver.advance(rollouts)
    assert [result.rollout.address for result in results] == [rollout.address for rollout in rollouts]
    assert {result.step.phase for result in results if result.step is not None} <= {
        Phase.SCALING_UP,
        Phase.AWAITING_PROMOTION,
    }
    sent = stage.transport.sent
    assert {name: sent[name] for name in TOGETHER} == dict.fromkeys(TOGETHER, 2) | {"DescribeListeners": 0}
    assert sent["DescribeTargetHealth"] == 2 * SERVICES
    assert sent["DescribeTasks"] <= SERVICES


def test_one_that_cannot_be_read_costs_the_others_nothing_but_calls(stage: EmulatedStack) -> None:
    """Each asks for itself then, and only the one says why."""
    rollouts = stage.rollouts()
    lost = rollouts[3].subject.service

    def refuse(call: Call) -> None:
        if call.operation == "DescribeServices" and lost in call.params["services"]:
            asked.update(call.params["services"])
            raise errors.Denied("not this one", call=str(call), code="AccessDeniedException")

    asked: Counter[str] = Counter()
    stage.transport.before = refuse
    try:
        results = stage.driver.advance(rollouts)
    finally:
        stage.transport.before = None
    assert [result.rollout.address for result in results if result.error is not None] == [rollouts[3].address]
    assert asked[lost] == 2
    assert all(result.seen is not None for result in results if result.error is None)


def test_who_is_told_to_stop_begins_no_more_of_them(stage: EmulatedStack) -> None:
    """Those whose turn has begun come to its end; at AWS's rates a round of a hundred takes half a minute."""
    rollouts = stage.rollouts()
    stage.transport.before = lambda call: stage.driver.stop.set()
    try:
        followed = follow(stage.driver, rollouts, has_ended)
    finally:
        stage.transport.before = None
        stage.driver.stop.clear()
    assert followed.interrupted
    assert [result.rollout.address for result in followed.results] == [
        rollout.address for rollout in rollouts[: driver.WIDTH]
    ]


@pytest.mark.slow
def test_the_more_of_them_wait_the_less_often_each_is_looked_at(
    stage: EmulatedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than fifteen are looked at four times a minute; more of them take no more of AWS's reads than those."""
    stage.follow(lambda result: result.waits)
    assert stage.phases[-1] == Phase.AWAITING_PROMOTION
    for each, looks in ((1, 4), (5, 1)):
        monkeypatch.setattr(driver, "EACH", timedelta(seconds=each))
        stage.transport.sent.clear()
        stage.follow(has_ended, patience=50.0)
        assert stage.transport.sent["DescribeTargetHealth"] == 2 * SERVICES * looks


def test_a_deadline_is_waited_for_no_longer_because_of_others() -> None:
    """Nor a step that goes on at once; what has no deadline waits for its place alone."""
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    rollout: Any = None

    def wake(until: datetime | None, phase: Phase = Phase.BAKING, waiting: int = 100) -> timedelta | None:
        found = wake_at(StepResult(rollout, at, step=RolloutStep(phase, wake_at=at + SOON, until=until)), waiting)
        return None if found is None else found - at

    assert wake(None) == timedelta(seconds=100)
    assert wake(at + timedelta(hours=1)) == timedelta(seconds=100)
    assert wake(at + timedelta(seconds=40)) == timedelta(seconds=40)
    assert wake(at - timedelta(seconds=40)) == timedelta(seconds=100), "what is past is waited for no more"
    assert wake(None, waiting=3) == SOON
    assert wake(None, Phase.VERIFYING) == SOON, "it is watched there"
    assert wake_at(StepResult(rollout, at, step=RolloutStep(Phase.BAKING)), 100) is None


@pytest.mark.slow
def test_each_comes_to_its_end(stage: EmulatedStack) -> None:
    """Production has the new version everywhere, and nothing else runs."""
    ended = stage.follow(has_ended)
    assert not ended.went_wrong
    assert len(ended.results) == SERVICES
    assert {
        result.seen.sets[0].release == result.seen.wanted for result in ended.results if result.seen is not None
    } == {True}
    assert service_name(SERVICES) in {result.rollout.delivery.name for result in ended.results}
