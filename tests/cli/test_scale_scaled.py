"""`scale` of a service with autoscaling: its limits are held, and the ones of the specs follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.model.ownership import HELD_COUNT
from reconciler.resources._scaling_fields import held_at, in_force
from reconciler.resources.scaling import ScalingSpec, ScheduledAction
from tests.cli.cli_runner import Typed, onstage
from tests.controller.commands import apply
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack

SCALED = {"desired_count: 1": "scaling: {min: 1, max: 4, cpu: 60}"}
TARGET = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def serving(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack(SCALED, SHORT) as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack) -> Iterator[Typed]:
    with onstage(serving) as typed:
        yield typed


def bounds(stage: EmulatedStack) -> tuple[int, int]:
    answer = stage.laptop.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    (target,) = answer["ScalableTargets"]
    return target["MinCapacity"], target["MaxCapacity"]


def held(type_: Typed, count: int, *more: object) -> str:
    ran = type_("scale", SERVICE, count, "--now", *more)
    assert ran.code == Exit.DONE, ran.err
    return ran.out


def test_the_limits_are_held_against_drift_and_end_by_themselves(serving: EmulatedStack, type_: Typed) -> None:
    """At least so many tasks, and as many more as autoscaling wants; also by a controller that has just started."""
    assert ": at least 6 tasks and at most 6 until " in held(type_, 6, "--for", "1h", "--why", "sale")
    assert (bounds(serving), serving.service()["desiredCount"]) == ((6, 6), 6)
    (service,) = json.loads(type_("status", SERVICE, "-o", "json").out)["services"]
    assert (service["held_count"]["count"], service["held_count"]["limits"], service["pending"]) == (6, True, [])
    assert "at least 6 tasks: held at 6 until " in type_("status", SERVICE).out
    plan = json.loads(type_("diff", "-o", "json").out)
    assert any("the specs declare 1 to 4" in str(one) for one in plan["warnings"])

    resource = f"service/{CLUSTER}/{SERVICE}"
    client = serving.laptop.client("application-autoscaling")
    client.register_scalable_target(**TARGET, ResourceId=resource, MinCapacity=1, MaxCapacity=9)
    apply(serving)
    assert bounds(serving) == (6, 6)
    serving.laptop.advance(3580)
    apply(serving)
    assert bounds(serving) == (6, 6)
    serving.laptop.advance(30)
    apply(serving)
    assert (bounds(serving), HELD_COUNT in serving.tags()) == ((1, 4), False)
    assert serving.infrastructure().last.plan.actions == ()


@pytest.mark.slow
def test_fewer_tasks_than_the_maximum_leave_it_and_reset_ends_it(serving: EmulatedStack, type_: Typed) -> None:
    assert ": at least 2 tasks and at most 4 until " in held(type_, 2)
    assert bounds(serving) == (2, 4)
    ran = type_("scale", SERVICE, "--reset", "--now")
    assert (ran.code, ": 1 to 4 tasks, as the specs declare" in ran.out) == (Exit.DONE, True), ran.err
    assert (bounds(serving), HELD_COUNT in serving.tags()) == ((1, 4), False)


def test_limits_that_the_stack_leaves_to_others_are_not_held(serving: EmulatedStack, type_: Typed) -> None:
    rule = f"{{match: scaling/{SERVICE}, mode: ignore, reason: theirs}}"
    serving.texts |= {"region: us-west-2": f"region: us-west-2\ndrift: [{rule}]"}
    ran = type_("scale", SERVICE, 6)
    assert (ran.code, "drift-ignored" in ran.err) == (Exit.BLOCKED, True), ran.err


NIGHT = ScalingSpec(
    resource="service/c/web",
    service="arn",
    min=2,
    max=20,
    actions={
        "reconciler-night": ScheduledAction(schedule="cron(0 20 * * ? *)", time_zone="Europe/Berlin", min=0, max=1),
        "reconciler-night-end": ScheduledAction(schedule="cron(0 7 * * ? *)", time_zone="Europe/Berlin", min=2, max=20),
    },
)


def test_a_period_that_begins_meanwhile_changes_nothing() -> None:
    """What AWS carries out by itself has the held minimum, too."""
    found = held_at(NIGHT, 5)
    assert (found.min, found.max) == (5, 20)
    assert {name: (one.min, one.max) for name, one in (found.actions or {}).items()} == {
        "reconciler-night": (5, 5),
        "reconciler-night-end": (5, 20),
    }


@pytest.mark.parametrize(("hour", "limits"), [(12, (2, 20)), (22, (0, 1)), (3, (0, 1))])
def test_afterwards_the_limits_are_those_of_the_period(hour: int, limits: tuple[int, int]) -> None:
    found = in_force(NIGHT, datetime(2026, 1, 15, hour, tzinfo=UTC) - timedelta(hours=1))
    assert (found.min, found.max) == limits


def test_moments_that_are_not_known_here_are_left_out() -> None:
    action = ScheduledAction(schedule="rate(5 minutes)", min=7, max=7)
    found = in_force(NIGHT.model_copy(update={"actions": {"reconciler-x": action}}), datetime(2026, 1, 15, tzinfo=UTC))
    assert (found.min, found.max) == (2, 20)
