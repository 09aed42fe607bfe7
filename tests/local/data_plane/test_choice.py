"""Who gets the next request."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.local.balancer.answers import location
from reconciler.local.balancer.choice import Turns, Weights
from reconciler.local.balancer.rules import Asked
from reconciler.local.balancer.table import Endpoint, Group, group
from reconciler.local.ports import HealthState, Redirect, Target, TargetGroupSettings, TargetState, WeightedGroup

A, B, C = Endpoint("127.31.0.50", 80), Endpoint("127.31.0.51", 80), Endpoint("127.31.0.52", 80)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=5))
def test_weights_are_kept_exactly(weights: list[int]) -> None:
    """In as many requests as the weights add up to, each group gets its weight; a weight of 0 gets nothing, ever."""
    turns = Weights([WeightedGroup(str(index), weight) for index, weight in enumerate(weights)])
    total = sum(weights)
    got = Counter(turns.next() for _ in range(total))
    assert got == Counter({str(index): weight for index, weight in enumerate(weights) if weight})
    if not total:
        assert turns.next() is None


def test_targets_take_turns() -> None:
    """Each target gets every third request of a group of three."""
    turns, three = Turns(), Group("g", (A, B, C))
    assert [turns.next(three, lambda _: 0) for _ in range(6)] == [A, B, C, A, B, C]


def test_turns_go_on_when_the_targets_change() -> None:
    """A new table does not begin with the first target again."""
    turns = Turns()
    assert turns.next(Group("g", (A, B)), lambda _: 0) == A
    turns.keep({"g": Group("g")})
    assert turns.next(Group("g", (A, B, C)), lambda _: 0) == B


def test_least_outstanding_requests_is_taken_at_its_word() -> None:
    """The target with the fewest requests gets the next one."""
    busy = {A: 3, B: 1, C: 2}
    assert Turns().next(Group("g", (A, B, C), "least_outstanding_requests"), busy.__getitem__) == B


def states(*named: tuple[Endpoint, HealthState]) -> list[TargetState]:
    return [TargetState(Target(point.host, 80, "", point.host, point.port), state) for point, state in named]


@pytest.mark.parametrize(
    ("targets", "serving"),
    [
        (states((A, "healthy"), (B, "unhealthy"), (C, "initial")), (A,)),
        (states((A, "unhealthy"), (B, "unhealthy"), (C, "draining")), (A, B)),
        (states((A, "initial"), (B, "draining"), (C, "unused")), ()),
        ([], ()),
    ],
)
def test_only_healthy_targets_serve_unless_there_is_none(
    targets: list[TargetState], serving: tuple[Endpoint, ...]
) -> None:
    """An ALB fails open to the unhealthy targets; one that drains or is not known yet gets nothing."""
    assert group(TargetGroupSettings("g", "g"), targets).endpoints == serving


def test_a_target_that_nobody_is_behind_gets_nothing() -> None:
    """An address that no task has is never connected to."""
    nobody = TargetState(Target("10.0.9.9", 80), "unhealthy")
    assert group(TargetGroupSettings("g", "g"), [nobody]).endpoints == ()


@pytest.mark.parametrize(
    ("redirect", "where"),
    [
        (Redirect(301, protocol="HTTPS", port="443"), "https://shop.example.com/a/b?q=1"),
        (Redirect(302), "http://shop.example.com:8080/a/b?q=1"),
        (Redirect(302, host="www.#{host}", path="/new/#{path}", query=""), "http://www.shop.example.com:8080/new/a/b"),
        (
            Redirect(302, port="80", path="/#{port}#{path}", query="#{query}&x=y"),
            "http://shop.example.com/8080a/b?q=1&x=y",
        ),
    ],
)
def test_a_redirect_reuses_what_it_says(redirect: Redirect, where: str) -> None:
    """`#{…}` stand for the request's own; a port that the protocol has anyway is left out."""
    asked = Asked("GET", "/a/b", "q=1", "shop.example.com", [], "127.0.0.1")
    assert location(redirect, asked, protocol="HTTP", port=8080) == where
