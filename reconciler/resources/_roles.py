"""Reading of IAM roles, in the shape of GetAccountAuthorizationDetails.

That one call answers for the whole account: every role with its policies and tags. Where the stack's roles have a path
of their own, only the roles below it are read, each by itself, so that the operator needs no permission to read the
policies of anybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.model.resource import Call, Calls, ServiceApi
from reconciler.resources import _gone

iam = ServiceApi("iam")

A_PAGE = 1000

Item = Mapping[str, Any]


def of_account() -> Calls[list[Item]]:
    """Every role of the account."""
    answer = yield iam.get_account_authorization_details(Filter=["Role"], MaxItems=A_PAGE)
    return list(answer["RoleDetailList"])


def below(path: str, named: Iterable[str], ours: Callable[[Item], bool]) -> Calls[list[Item]]:
    """The roles below a path, and those named that are elsewhere; the policies of those that are `ours`.

    A role outside the path may be out of sight. That is no risk: IAM has one role of a name in an account, so it is
    not created a second time.
    """
    answer = yield iam.list_roles(PathPrefix=path, MaxItems=A_PAGE)
    names = [item["RoleName"] for item in answer["Roles"]]
    answers = yield from _gone.answers([iam.get_role(RoleName=name) for name in names])
    roles = [answer["Role"] for answer in answers if answer is not None]
    for name in sorted(set(named).difference(names)):
        role = yield from _elsewhere(name)
        roles += [role] if role is not None else []
    return (yield from _with_policies([role for role in roles if ours(role)]))


def _elsewhere(name: str) -> Calls[Item | None]:
    try:
        answer = yield from _gone.answer(iam.get_role(RoleName=name))
    except errors.Denied:
        return None
    return None if answer is None else answer["Role"]


def _with_policies(roles: list[Item]) -> Calls[list[Item]]:
    names = [role["RoleName"] for role in roles]
    written = yield from _gone.answers([iam.list_role_policies(RoleName=name) for name in names])
    attached = yield from _gone.answers([iam.list_attached_role_policies(RoleName=name) for name in names])
    profiles = yield from _gone.answers([iam.list_instance_profiles_for_role(RoleName=name) for name in names])
    several = [
        (name, policy)
        for name, answer in zip(names, written, strict=True)
        for policy in (answer or {}).get("PolicyNames", ())
    ]
    calls: list[Call] = [iam.get_role_policy(RoleName=name, PolicyName=policy) for name, policy in several]
    documents = yield from _gone.answers(calls)
    policies: dict[str, list[Item]] = {name: [] for name in names}
    for (name, _), document in zip(several, documents, strict=True):
        policies[name] += [document] if document is not None else []
    return [
        {
            **role,
            "RolePolicyList": policies[role["RoleName"]],
            "AttachedManagedPolicies": of_role["AttachedPolicies"],
            "InstanceProfileList": in_profiles["InstanceProfiles"],
        }
        for role, of_role, in_profiles in zip(roles, attached, profiles, strict=True)
        if of_role is not None and in_profiles is not None
    ]
