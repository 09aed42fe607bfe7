"""Evaluation of IAM policies, by the examples and rules of the IAM User Guide."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.policy_evaluation import Request, is_allowed, is_trusted

OBJECT = "arn:aws:s3:::example_bucket/home/ana"
GET = Request("s3:GetObject", OBJECT)
ACCOUNT = "123456789012"


def policy(*statements: dict[str, Any], **one: Any) -> dict[str, Any]:
    rows = statements or (one,)
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **row} for row in rows]}


ALL = policy(Action="*", Resource="*")


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Action": "s3:GetObject", "Resource": OBJECT}, True),
        ({"Action": ["s3:PutObject", "S3:getobject"], "Resource": "*"}, True),
        ({"Action": "s3:Get*", "Resource": "arn:aws:s3:::example_bucket/*"}, True),
        ({"Action": "s3:GetObjec?", "Resource": "arn:aws:s3:::example_bucket/home/???"}, True),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::example_bucket/home/????"}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::EXAMPLE_BUCKET/home/ana"}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::example_bucket"}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::example_bucket/home/an[a]"}, False),
        ({"Action": "s3:PutObject", "Resource": "*"}, False),
        ({"NotAction": "iam:*", "Resource": "*"}, True),
        ({"NotAction": ["iam:*", "s3:*"], "Resource": "*"}, False),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::example_bucket/*"}, False),
    ],
)
def test_a_statement_is_about_its_actions_and_resources(statement: dict[str, Any], allowed: bool) -> None:
    """With wildcards, of which no others are known than * and ?; the case of an action has no meaning."""
    assert is_allowed(GET, [policy(**statement)]) is allowed


def test_what_nothing_allows_is_denied() -> None:
    """The implicit deny."""
    assert not is_allowed(GET, [])
    assert not is_allowed(GET, [{"Version": "2012-10-17", "Statement": []}])


def test_an_explicit_deny_wins() -> None:
    """In whichever document it stands, and over the boundary as well."""
    deny = policy(Effect="Deny", Action="s3:GetObject", Resource="*")
    assert is_allowed(GET, [ALL])
    assert not is_allowed(GET, [ALL, deny])
    assert not is_allowed(GET, [deny, ALL])
    assert not is_allowed(GET, [ALL], boundary=policy(*ALL["Statement"], *deny["Statement"]))


def test_a_boundary_limits_and_gives_nothing() -> None:
    """Allowed is what the identity's policies and the boundary allow, both of them."""
    reads = policy(Action="s3:Get*", Resource="*")
    assert is_allowed(GET, [ALL], boundary=reads)
    assert not is_allowed(Request("s3:PutObject", OBJECT), [ALL], boundary=reads)
    assert not is_allowed(GET, [], boundary=ALL)


KEY = {"k": ("v1", "v2")}
ARN = {"k": ("arn:aws:ecs:us-west-2:123456789012:task/a/b",)}


@pytest.mark.parametrize(
    ("operator", "wanted", "context", "holds"),
    [
        ("StringEquals", "v1", {"k": ("v1",)}, True),
        ("StringEquals", "V1", {"k": ("v1",)}, False),
        ("StringEquals", "v?", {"k": ("v1",)}, False),
        ("StringEquals", ["a", "v1"], {"K": ("v1",)}, True),
        ("StringEquals", "v1", {}, False),
        ("StringEqualsIfExists", "v1", {}, True),
        ("StringEqualsIfExists", "v1", {"k": ("v2",)}, False),
        ("StringNotEquals", ["a", "v1"], {"k": ("v1",)}, False),
        ("StringNotEquals", ["a", "b"], {"k": ("v1",)}, True),
        ("StringNotEquals", "v1", {}, True),
        ("StringEqualsIgnoreCase", "V1", {"k": ("v1",)}, True),
        ("StringNotEqualsIgnoreCase", "V1", {"k": ("v1",)}, False),
        ("StringLike", "v?", {"k": ("v1",)}, True),
        ("StringNotLike", "v*", {"k": ("v1",)}, False),
        ("ForAllValues:StringEquals", ["v1", "v2", "v3"], KEY, True),
        ("ForAllValues:StringEquals", "v1", KEY, False),
        ("ForAllValues:StringEquals", "v1", {}, True),
        ("ForAnyValue:StringLike", "*2", KEY, True),
        ("ForAnyValue:StringLike", "*3", KEY, False),
        ("ForAnyValue:StringLike", "*", {}, False),
        ("ForAllValues:StringNotEquals", "v1", KEY, False),
        ("ForAnyValue:StringNotEquals", "v1", KEY, True),
        ("ArnLike", "arn:aws:ecs:*:123456789012:*", ARN, True),
        ("ArnEquals", "arn:aws:ecs:us-west-2:123456789012:task/*", ARN, True),
        ("ArnLike", "arn:aws:*:task/a/b", ARN, False),
        ("ArnNotLike", "arn:aws:ecs:*:123456789012:*", ARN, False),
        ("ArnNotEquals", "arn:aws:ecs:*:123456789012:*", {}, True),
        ("Bool", "true", {"k": ("True",)}, True),
        ("Bool", False, {"k": ("true",)}, False),
        ("Null", "true", {}, True),
        ("Null", "true", {"k": ("v1",)}, False),
        ("Null", False, {"k": ("v1",)}, True),
        ("NumericEquals", 10, {"k": ("10.0",)}, True),
        ("NumericNotEquals", 10, {"k": ("10",)}, False),
        ("NumericLessThan", "10", {"k": ("9",)}, True),
        ("NumericLessThanEquals", "10", {"k": ("10",)}, True),
        ("NumericGreaterThan", "10", {"k": ("10",)}, False),
        ("NumericGreaterThanEquals", "10", {"k": ("10",)}, True),
        ("IpAddress", "203.0.113.0/24", {"k": ("203.0.113.7",)}, True),
        ("IpAddress", ["192.0.2.1", "2001:DB8:1234:5678::/64"], {"k": ("2001:db8:1234:5678::1",)}, True),
        ("NotIpAddress", "203.0.113.0/24", {"k": ("203.0.113.7",)}, False),
    ],
)
def test_a_condition_holds_as_its_operator_says(operator: str, wanted: Any, context: Any, holds: bool) -> None:
    """Several values are alternatives, for a negated operator all of them; a key that is missing matches nothing."""
    statement = policy(Action="*", Resource="*", Condition={operator: {"k": wanted}})
    assert is_allowed(Request("s3:GetObject", OBJECT, context), [statement]) is holds


def test_all_conditions_have_to_hold() -> None:
    """Keys and operators are joined by AND."""
    both = policy(Action="*", Resource="*", Condition={"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}})
    context = {"a": ("1",), "b": ("2",), "c": ("true",)}
    assert is_allowed(Request("s3:GetObject", OBJECT, context), [both])
    for key in context:
        assert not is_allowed(Request("s3:GetObject", OBJECT, {**context, key: ("3",)}), [both])


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:Get*", "Resource": "*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}},
        {"Action": "s3:Get*", "Resource": "*", "Condition": {"ForSomeValues:StringLike": {"k": "v"}}},
        {"Action": "s3:PutObject", "Resource": "*", "Condition": {"StringSimilar": {"k": "v"}}},
        {"Action": "s3:Get*", "Resource": "arn:aws:s3:::example_bucket/home/${aws:username}"},
        {"Action": "s3:Get*", "Resource": "*", "Condition": {"StringEquals": {"k": "${aws:username}"}}},
        {"Action": "s3:Get*", "Resource": "*", "Unless": {}},
        {"Action": "s3:Get*", "Resource": "*", "Effect": "Permit"},
        {"Action": "s3:Get*"},
        {"Resource": "*"},
    ],
)
def test_what_is_not_understood_is_an_error(statement: dict[str, Any]) -> None:
    """And never an answer, also where another statement allows the request."""
    with pytest.raises(errors.Undecidable):
        is_allowed(GET, [ALL, policy(**statement)])


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ({"NumericLessThan": {"k": "5"}}, "five"),
        ({"IpAddress": {"k": "10.0.0.0/8"}}, "10.0.0"),
        ({"NumericEquals": {"k": "x"}}, "5"),
    ],
)
def test_values_that_cannot_be_compared_are_an_error(condition: dict[str, Any], value: str) -> None:
    request = Request("s3:GetObject", OBJECT, {"k": [value]})
    with pytest.raises(errors.Undecidable):
        is_allowed(request, [policy(Action="s3:*", Resource="*", Condition=condition)])


def test_a_document_without_the_form_of_a_policy_is_an_error() -> None:
    with pytest.raises(errors.Undecidable):
        is_allowed(GET, [ALL, {"Version": "2012-10-17"}])
    with pytest.raises(errors.Undecidable):
        is_trusted(Request("sts:AssumeRole", principal=TASKS), policy(Action="sts:AssumeRole", Principal="tasks"))


TASKS = ("Service", "ecs-tasks.amazonaws.com")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"


@pytest.mark.parametrize(
    ("principals", "who", "trusted"),
    [
        ({"Principal": {"Service": "ecs-tasks.amazonaws.com"}}, TASKS, True),
        ({"Principal": {"Service": ["ecs.amazonaws.com", "ecs-tasks.amazonaws.com"]}}, TASKS, True),
        ({"Principal": {"Service": "ecs.amazonaws.com"}}, TASKS, False),
        ({"Principal": {"Service": "*.amazonaws.com"}}, TASKS, False),
        ({"Principal": {"AWS": ROLE}}, ("AWS", ROLE), True),
        ({"Principal": {"AWS": ACCOUNT}}, ("AWS", ROLE), True),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, ("AWS", ROLE), True),
        ({"Principal": {"AWS": "arn:aws:iam::210987654321:root"}}, ("AWS", ROLE), False),
        ({"Principal": "*"}, ("AWS", ROLE), True),
        ({"Principal": {"AWS": "*"}}, TASKS, True),
        ({"NotPrincipal": {"AWS": ROLE}}, ("AWS", ROLE), False),
        ({"NotPrincipal": {"AWS": ROLE}}, TASKS, True),
    ],
)
def test_a_role_is_assumed_by_whom_it_trusts(principals: dict[str, Any], who: tuple[str, str], trusted: bool) -> None:
    """A service, a role, or everybody in an account."""
    trust = policy(Action="sts:AssumeRole", **principals)
    assert is_trusted(Request("sts:AssumeRole", principal=who), trust) is trusted
    assert not is_trusted(Request("sts:TagSession", principal=who), trust)


def test_a_trust_policy_is_bound_by_its_conditions() -> None:
    """As that of a role which a service assumes for one account."""
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    trust = policy(Action="sts:AssumeRole", Principal={"Service": TASKS[1]}, Condition=condition)
    for account, trusted in ((ACCOUNT, True), ("210987654321", False)):
        request = Request("sts:AssumeRole", context={"aws:SourceAccount": (account,)}, principal=TASKS)
        assert is_trusted(request, trust) is trusted
    assert not is_trusted(Request("sts:AssumeRole", principal=TASKS), trust)
