"""Privilege escalation: actions that give whoever has them permissions that nobody gave them.

Each of them does so by itself where it is allowed on a role, a user or a function of the holder's choice; changing a
role's policies does so on the holder's own role as well. Pure.

Sources: Rhino Security Labs, "AWS IAM Privilege Escalation – Methods and Mitigation"; Bishop Fox, "Privilege Escalation
in AWS" (iam-vulnerable); Service Authorization Reference for the types of resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.policy_evaluation import Request, is_allowed

ACCOUNT: Final = "000000000000"

TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    f"arn:aws:iam::{ACCOUNT}:role/any-role": (
        "iam:AttachRolePolicy",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:PassRole",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "sts:AssumeRole",
    ),
    f"arn:aws:iam::{ACCOUNT}:user/any-user": (
        "iam:AddUserToGroup",
        "iam:AttachUserPolicy",
        "iam:CreateAccessKey",
        "iam:CreateLoginProfile",
        "iam:DeleteUserPermissionsBoundary",
        "iam:PutUserPermissionsBoundary",
        "iam:PutUserPolicy",
        "iam:UpdateLoginProfile",
    ),
    f"arn:aws:iam::{ACCOUNT}:group/any-group": ("iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy"),
    f"arn:aws:iam::{ACCOUNT}:policy/any-policy": ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"),
    f"arn:aws:lambda:any-region-1:{ACCOUNT}:function:any-function": (
        "lambda:AddPermission",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
    f"arn:aws:ecs:any-region-1:{ACCOUNT}:task/any-cluster/any-task": ("ecs:ExecuteCommand",),
    f"arn:aws:ec2:any-region-1:{ACCOUNT}:instance/any-instance": (
        "ec2-instance-connect:SendSSHPublicKey",
        "ssm:SendCommand",
        "ssm:StartSession",
    ),
    f"arn:aws:cloudformation:any-region-1:{ACCOUNT}:stack/any-stack/1": (
        "cloudformation:CreateChangeSet",
        "cloudformation:UpdateStack",
    ),
    f"arn:aws:codebuild:any-region-1:{ACCOUNT}:project/any-project": (
        "codebuild:StartBuild",
        "codebuild:UpdateProject",
    ),
}
"""A resource that no specs name → what escalates where it is allowed on it."""

OF_ROLES: Final = tuple(action for target, actions in TARGETS.items() if ":role/" in target for action in actions)

_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_PLACE: Final = re.compile(r"arn:[^:]*:([^:]*):[^:]*:[^:]*:")


def escalations(statements: Iterable[Mapping[str, Any]], own: Iterable[str] = ()) -> tuple[str, ...]:
    """The actions by which the holder of `statements` can escalate, sorted.

    `own` are patterns of the roles that it is itself. Conditions are taken to hold where they allow and not to hold
    where they deny, since which values a request has is up to the holder. What is allowed in one account, region and
    partition is taken to be the holder's.
    """
    document = {"Statement": [one for one in map(_unconditional, statements) if one is not None]}
    wanted = [(action, target) for target, actions in TARGETS.items() for action in actions]
    wanted += [
        (action, role) for role in own for action in OF_ROLES if action not in ("iam:PassRole", "sts:AssumeRole")
    ]
    return tuple(sorted({action for action, target in wanted if is_allowed(Request(action, target), (document,))}))


def covers(pattern: str, resource: str) -> bool:
    """Whether the resource of a statement, which may have wildcards, includes `resource`."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": _VARIABLE.sub("*", pattern)}
    return is_allowed(Request("any:Action", resource), ({"Statement": [statement]},))


def covers_action(pattern: str, action: str) -> bool:
    """Whether the action of a statement, which may have wildcards, includes `action`."""
    statement = {"Effect": "Allow", "Action": _VARIABLE.sub("*", pattern), "Resource": "*"}
    return is_allowed(Request(action), ({"Statement": [statement]},))


def _unconditional(statement: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if statement["Effect"] == "Deny" and "Condition" in statement:
        return None
    found = {
        key: value if key == "Effect" else [_VARIABLE.sub("*", str(one)) for one in value]
        for key, value in statement.items()
        if key != "Condition"
    }
    if statement["Effect"] == "Allow":
        found["Resource"] = [_PLACE.sub(r"arn:*:\1:*:*:", one) for one in found["Resource"]]
    return found
