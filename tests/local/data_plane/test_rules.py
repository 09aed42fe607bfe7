"""Which rule a request falls under."""

from __future__ import annotations

import pytest

from reconciler.local.balancer.rules import Asked, predicate
from reconciler.local.ports import Condition

ASKED = Asked(
    method="GET",
    path="/Api/v1/users",
    query="tag=Blue&flag&x=a%20b",
    host="shop.example.com",
    headers=[("user-agent", "Mozilla/5.0"), ("x-tier", "gold"), ("x-tier", "silver")],
    source="127.0.0.1",
)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition("path-pattern", ("/Api/*",)), True),
        (Condition("path-pattern", ("/api/*",)), False),  # paths compare with case
        (Condition("path-pattern", ("/Api/v?/users",)), True),
        (Condition("path-pattern", ("/Api",)), False),
        (Condition("path-pattern", ("/other", "*/users")), True),
        (Condition("path-pattern", ("/Api/[v]1/users",)), False),  # only * and ? are special
        (Condition("host-header", ("*.EXAMPLE.com",)), True),
        (Condition("host-header", ("example.com",)), False),
        (Condition("http-header", ("*mozilla*",), "User-Agent"), True),
        (Condition("http-header", ("silver",), "X-Tier"), True),  # any of the values of a header
        (Condition("http-header", ("*",), "X-Absent"), False),
        (Condition("http-request-method", ("GET", "HEAD")), True),
        (Condition("http-request-method", ("get",)), False),
        (Condition("query-string", ("TAG=blue",)), True),
        (Condition("query-string", ("other=blue",)), False),
        (Condition("query-string", ("blue",)), True),
        (Condition("query-string", ("flag",)), True),
        (Condition("query-string", ("x=a b",)), True),
        (Condition("query-string", (r"tag=bl\*",)), False),
        (Condition("source-ip", ("10.0.0.0/8", "127.0.0.0/8")), True),
        (Condition("source-ip", ("10.0.0.0/8", "::/0")), False),
    ],
)
def test_a_condition_holds_as_elb_documents_it(condition: Condition, holds: bool) -> None:
    """Any value will do; case counts in paths and methods only."""
    question = predicate([condition])
    assert question is not None
    assert question(ASKED) is holds


def test_all_conditions_of_a_rule_must_hold() -> None:
    """One that does not hold is enough for the rule not to."""
    good, bad = Condition("path-pattern", ("/Api/*",)), Condition("host-header", ("other.com",))
    both = predicate([good, bad])
    assert both is not None
    assert not both(ASKED)


def test_the_default_rule_asks_nothing() -> None:
    """Without conditions there is no question."""
    assert predicate([]) is None
