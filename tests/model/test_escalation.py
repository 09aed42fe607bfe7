"""Privilege escalation: which statements let their holder take on more than they say."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.escalation import escalations

ACCOUNT = "123456789012"


def allow(action: str, *resources: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": [action], "Resource": list(resources), **more}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:PassRole", "*"),
        ("iam:PassRole", "arn:aws:iam::*:role/*"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/*"),
        ("iam:PassRole", f"arn:aws-cn:iam::{ACCOUNT}:role/*"),
        ("iam:PassRole", "arn:aws:iam::${aws:PrincipalAccount}:role/*"),
        ("iam:Pass*", f"arn:aws:iam::{ACCOUNT}:*"),
        ("ecs:ExecuteCommand", f"arn:aws:ecs:us-west-2:{ACCOUNT}:task/*"),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:*"),
    ],
)
def test_any_resource_of_a_type_is_enough(action: str, resource: str) -> None:
    """In whichever account, region and partition: they are the holder's own."""
    assert len(escalations([allow(action, resource)])) == 1


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/batch-*"),
        ("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/*"),
        ("ecs:ExecuteCommand", f"arn:aws:ecs:us-west-2:{ACCOUNT}:task/shop/*"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:user/*"),
    ],
)
def test_resources_that_are_named_are_what_was_given(action: str, resource: str) -> None:
    """So is an action that gives nothing."""
    assert escalations([allow(action, resource)]) == ()


def test_a_denial_counts_where_it_holds_always() -> None:
    """With a condition, the holder may see to it that it does not hold."""
    given = allow("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/*")
    denied = allow("iam:PassRole", "*", effect="Deny")
    assert escalations([given, denied]) == ()
    assert escalations([given, denied | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}]) != ()


def test_a_role_that_writes_its_own_policies_escalates() -> None:
    """Also one that may do so to nobody else."""
    own = f"arn:aws:iam::{ACCOUNT}:role/shop"
    assert escalations([allow("iam:PutRolePolicy", own)], [own]) == ("iam:PutRolePolicy",)
    assert escalations([allow("iam:PutRolePolicy", own)]) == ()
