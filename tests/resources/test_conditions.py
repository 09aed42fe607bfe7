"""Which requests a listener rule takes, compared with another one: a table."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.resources._conditions import NONE_YET, covers, overlap, takes_none, widened
from reconciler.resources.listener_rule import ListenerRule, ListenerRuleSpec
from tests.resources.test_retaining import desired


def rule(*paths: str, hosts: tuple[str, ...] = (), **fields: Any) -> ListenerRuleSpec:
    return ListenerRuleSpec(listener="l", priority=1, paths=paths, hosts=hosts, **fields)


BY_HAND: dict[str, Any] = {"methods": ("GET",), "headers": {"X-Canary": ("yes",)}}
"""Conditions that no specs state and that an adopted rule keeps."""


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (rule("/a/*"), rule("/a/*"), True),
        (rule("/a/*"), rule("/b/*"), False),
        (rule("/a/*"), rule("/a/b"), True),
        (rule("/a/*"), rule("/a/b/*"), True),
        (rule("/a"), rule("/a/*"), False),
        (rule("/a"), rule("/b"), False),
        (rule("*.png"), rule("/a/*"), True),
        (rule("/[a]"), rule("/a"), False),
        (rule("/a?"), rule("/ab"), True),
        (rule(), rule("/a"), True),
        (rule("/a", hosts=("one.example",)), rule("/a", hosts=("two.example",)), False),
        (rule("/a", hosts=("*.example",)), rule("/a", hosts=("two.example",)), True),
    ],
)
def test_two_rules_may_take_the_same_request(one: ListenerRuleSpec, other: ListenerRuleSpec, both: bool) -> None:
    """Where two patterns cannot be compared, they may."""
    assert (overlap(one, other), overlap(other, one)) == (both, both)


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        (rule(), rule("/a"), True),
        (rule("/a"), rule(), False),
        (rule("/a", "/b"), rule("/b"), True),
        (rule("/a"), rule("/a", "/b"), False),
        (rule("/a"), rule("/a", hosts=("one.example",)), True),
        (rule("/a", hosts=("one.example",)), rule("/a"), False),
    ],
)
def test_a_rule_takes_all_that_another_does(wide: ListenerRuleSpec, narrow: ListenerRuleSpec, does: bool) -> None:
    """By the values that are written there."""
    assert covers(wide, narrow) is does


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (rule("/a"), rule("/b"), {"paths": ("/a", "/b")}),
        (rule("/a"), rule("/a", "/b"), {}),
        (rule("/a"), rule(), {}),
        (rule(), rule("/a"), None),
        (rule("/a", hosts=("one.example",)), rule("/b", hosts=("two.example",)), None),
        (rule("/a", hosts=("a.b",)), rule("/a", hosts=("c.d",)), {"hosts": ("a.b", "c.d")}),
        (rule("/1", "/2", "/3"), rule("/4", "/5", "/6"), None),
        (rule("/1*", "/2*", "/3*"), rule("/4**", "/5*"), None),
        (rule("/1", "/2", **BY_HAND), rule("/3", "/4", **BY_HAND), None),
        (rule("/1", **BY_HAND), rule("/2", **BY_HAND), {"paths": ("/1", "/2")}),
    ],
)
def test_a_rule_takes_the_requests_of_two_where_one_rule_can(
    old: ListenerRuleSpec, new: ListenerRuleSpec, wanted: dict[str, tuple[str, ...]] | None
) -> None:
    """ELB allows five values of all conditions, and five wildcards in them; paths and hosts have to fit both."""
    assert widened(old, new) == wanted


def test_a_rule_that_waits_takes_nothing() -> None:
    """No request has its host, and that is all that it asks for."""
    new = desired("listener-rule", rule("/a/*", **BY_HAND))
    waiting = ListenerRule().waiting(new).spec
    assert takes_none(waiting)
    assert not takes_none(new.spec)
    assert not any(overlap(waiting, rule(hosts=(host,))) for host in ("www.example.com", "*.example.com"))
    assert {name: getattr(waiting, name) for name in NONE_YET} == NONE_YET
