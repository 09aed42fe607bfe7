"""When a side counts as well: all its tasks, by the load balancer's word, spread as the other side is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rollout.blue_green import health
from reconciler.rollout.state import TaskSet
from reconciler.rollout.strategy import Strategy
from tests.rollout.facts import BLUE, GREEN, NOW, seen, side

WIDE = replace(GREEN, healthy=(("a", 1), ("c", 1)))


@pytest.mark.parametrize(
    ("green", "fields", "sound"),
    [
        (WIDE, {}, True),
        (replace(WIDE, healthy=(("a", 1),)), {}, False),
        (replace(WIDE, running=1), {}, False),
        (replace(WIDE, healthy=None), {}, False),
        (replace(WIDE, healthy=(("a", 2),)), {}, False),
        (replace(WIDE, healthy=(("a", 1), ("b", 1))), {}, True),
        (WIDE, {"strangers": (0, 1)}, False),
        (WIDE, {"strangers": (1, 0)}, True),
        (WIDE, {"desired": 0}, False),
    ],
)
def test_enough_tasks_in_as_many_zones_and_nobody_else(green: object, fields: dict[str, object], sound: bool) -> None:
    """Each condition by itself keeps a side from being sound."""
    assert isinstance(green, type(GREEN))
    assert health.targets_healthy(replace(seen(BLUE, green), **fields), green) is sound


def test_one_task_may_be_in_another_zone_than_blue() -> None:
    """It cannot be in two; and zones help each other."""
    one_blue, one_green = side("a", 0, desired=1, age=9), replace(side("b", 1, desired=1), healthy=(("c", 1),))
    assert health.targets_healthy(seen(one_blue, one_green, desired=1), one_green)


def test_a_side_with_fewer_subnets_may_be_in_fewer_zones() -> None:
    """It can be in no zone that it has no subnet in; with more of them it is held to the same zones."""
    narrow = replace(GREEN, healthy=(("a", 2),))
    blue = replace(BLUE, subnets=frozenset({"subnet-1", "subnet-2"}))
    for subnets, sound in (({"subnet-1"}, True), ({"subnet-1", "subnet-3"}, True), (blue.subnets, False),
                           (blue.subnets | {"subnet-3"}, False)):  # fmt: skip
        green = replace(narrow, subnets=frozenset(subnets))
        assert health.targets_healthy(seen(blue, green), green) is sound


def test_steady_is_for_ecs_to_say() -> None:
    """A sound side that ECS still works on is neither well nor ill."""
    busy = replace(WIDE, steady=False)
    assert health.verdict(seen(BLUE, busy)) == 0
    assert health.verdict(seen(BLUE, WIDE)) == 1
    assert health.verdict(seen(BLUE, replace(WIDE, healthy=()))) == -1
    assert health.verdict(seen()) == 0


def test_a_part_of_the_tasks_is_enough_while_green_is_small() -> None:
    """Half of three is two."""
    half = replace(side("b", 1, desired=2), scale=50)
    assert health.targets_healthy(seen(side("a", 0, desired=3, age=9), half, desired=3), half)


@pytest.mark.parametrize(
    ("blue", "green", "can"),
    [
        ((("a", 2),), (), True),
        ((("a", 1),), (), True),
        ((("a", 1),), (("a", 2),), False),
        ((), (), False),
        ((("a", 1),), (("a", 1),), True),
    ],
)
def test_production_goes_to_the_side_that_is_not_worse_off(
    blue: tuple[tuple[str, int], ...], green: tuple[tuple[str, int], ...], can: bool
) -> None:
    """Whole, or at least as good as what has it; never without a healthy task."""
    one, other = replace(BLUE, healthy=blue), replace(GREEN, healthy=green)
    assert health.can_serve(seen(one, other), one, other) is can


def test_answers_count_only_where_they_were_counted() -> None:
    """No requests, no share; and no limit, no trouble."""
    strict = Strategy(max_5xx=0.5)
    assert not health.trouble(strict, seen(BLUE, GREEN, looks=1), GREEN, NOW)
    assert not health.trouble(strict, seen(BLUE, GREEN, looks=1, errors=0.5), GREEN, NOW)
    assert health.trouble(strict, seen(BLUE, GREEN, looks=1, errors=0.51), GREEN, NOW)
    assert not health.trouble(Strategy(), seen(BLUE, GREEN, looks=1, errors=100.0), GREEN, NOW)


@pytest.mark.parametrize(
    ("green", "fields", "found"),
    [
        pytest.param(WIDE, {"desired": 4}, 0, id="more tasks are wanted"),
        pytest.param(replace(WIDE, running=1, healthy=(("a", 1),)), {}, 0, id="one is replaced"),
        pytest.param(replace(WIDE, healthy=(("a", 1),), failing=1), {}, -1, id="one fails its checks"),
        pytest.param(replace(WIDE, running=1, healthy=(("a", 1),), failed=1), {"failed_before": 0}, -1, id="one exits"),
        pytest.param(
            replace(WIDE, running=1, healthy=(("a", 1),), failed=1), {"failed_before": 1}, 0, id="exited before"
        ),
        pytest.param(replace(WIDE, running=0, healthy=()), {}, -1, id="none is left"),
        pytest.param(replace(WIDE, healthy=(("a", 2),)), {}, 0, id="one zone has no tasks"),
        pytest.param(WIDE, {"strangers": (0, 1)}, 0, id="a target of somebody else"),
        pytest.param(replace(WIDE, healthy=None), {}, 0, id="not read"),
        pytest.param(replace(WIDE, running=0, healthy=()), {"desired": 0}, 0, id="none is wanted"),
        pytest.param(replace(WIDE, failing=1), {}, 1, id="a surplus target fails"),
    ],
)
def test_only_failing_targets_and_failed_tasks_count_against_a_side(
    green: TaskSet, fields: dict[str, object], found: int
) -> None:
    """Tasks that are missing prove nothing, unless none is left."""
    assert health.verdict(replace(seen(BLUE, green), **fields)) == found


def test_missing_tasks_have_as_long_as_a_new_version() -> None:
    """From when they are first missing; from then on the side is in trouble."""
    lacking = seen(BLUE, replace(WIDE, running=1, healthy=(("a", 1),)), looks=0)
    policy = Strategy()
    for since, expected in ((NOW, False), (NOW - policy.healthy_within, True)):
        assert health.overdue(policy, replace(lacking, missing_since=since), NOW) is expected
        assert bool(health.trouble(policy, replace(lacking, missing_since=since), WIDE, NOW)) is expected
