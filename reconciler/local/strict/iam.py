"""IAM: trust policies are checked, AWS's own policies are there, attached ones stay, linked roles have their names."""

from __future__ import annotations

import functools
import json
from typing import Any

from reconciler.local.refusal import Refusal
from reconciler.local.strict.rule import After, Before, Form
from reconciler.local.wire import Response
from reconciler.local.world import World

LINKED_ROLES = {
    "ecs.amazonaws.com": "AWSServiceRoleForECS",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
    "ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
}
OWNED_BY_AWS = ":iam::aws:policy/"


def trust_policy(world: World, form: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """CreateRole and UpdateAssumeRolePolicy, "MalformedPolicyDocument": JSON with statements, each with a principal."""
    document = form.get("AssumeRolePolicyDocument") or form.get("PolicyDocument") or ""
    try:
        policy = json.loads(document)
    except ValueError as error:
        raise _malformed("This policy contains invalid Json") from error
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not statements:
        raise _malformed("Missing required field Statement")
    for statement in statements if isinstance(statements, list) else [statements]:
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise _malformed("Missing required field Principal")
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource")
        if "Action" not in statement and "NotAction" not in statement:
            raise _malformed("Missing required field Action")


def _malformed(message: str) -> Refusal:
    return Refusal("MalformedPolicyDocument", message)


@functools.lru_cache(maxsize=1)
def _policies_of_aws() -> dict[str, Any]:
    """A megabyte of JSON that moto has at hand: read once a process, and only when one of them is asked for."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def policy_of_aws(world: World, form: Form) -> None:
    """IAM user guide, "AWS managed policies": every account has them."""
    arn = str(form.get("PolicyArn", ""))
    if OWNED_BY_AWS not in arn or arn in world.rest.iam.managed_policies:
        return
    from moto.iam.models import AWSManagedPolicy

    name = arn.rpartition("/")[2]
    data = _policies_of_aws().get(name)
    if data is None:
        return
    policy = AWSManagedPolicy.from_data(name, world.account, "us-east-1", data)
    if policy.arn == arn:
        world.rest.iam.managed_policies[arn] = policy


def delete_policy(world: World, form: Form) -> None:
    """DeletePolicy: "you must first detach the policy from all users, groups, and roles"."""
    arn = form.get("PolicyArn", "")
    holders = [*world.rest.iam.roles.values(), *world.rest.iam.users.values(), *world.rest.iam.groups.values()]
    if any(arn in holder.managed_policies for holder in holders):
        raise Refusal("DeleteConflict", "Cannot delete a policy attached to entities.", status=409)


def create_linked_role(world: World, form: Form) -> None:
    """CreateServiceLinkedRole: InvalidInput when the name is taken."""
    name = LINKED_ROLES.get(form.get("AWSServiceName", ""))
    if name and world.rest.role(name):
        raise Refusal(
            "InvalidInput",
            f"Service role name {name} has been taken in this account, please try a different suffix.",
        )


def linked_role_created(world: World, form: Form, response: Response) -> Response | None:
    """moto has the service's name in the wrong spelling."""
    wanted = LINKED_ROLES.get(form.get("AWSServiceName", ""))
    made = next((role for role in world.rest.iam.roles.values() if _is_linked(role, form)), None)
    if not wanted or made is None or made.name == wanted:
        return None
    before = made.name
    made.name = wanted
    return Response(response.status, response.headers, response.body.replace(before.encode(), wanted.encode()))


def _is_linked(role: Any, form: Form) -> bool:
    return bool(role.path == f"/aws-service-role/{form.get('AWSServiceName')}/")


def role_created(world: World, form: Form, response: Response) -> Response | None:  # noqa: ARG001 — see above
    """From now on it propagates; `Timings.iam_propagation` says for how long. moto's clock is the machine's."""
    name = form["RoleName"]
    world.roles_since[name] = world.now
    for role in world.rest.iam.roles.values():
        if role.name == name:
            role.create_date = world.now.replace(tzinfo=None)
    return None


BEFORE: dict[tuple[str, str], Before] = {
    ("iam", "AttachRolePolicy"): policy_of_aws,
    ("iam", "CreateRole"): trust_policy,
    ("iam", "CreateServiceLinkedRole"): create_linked_role,
    ("iam", "DeletePolicy"): delete_policy,
    ("iam", "DetachRolePolicy"): policy_of_aws,
    ("iam", "GetPolicy"): policy_of_aws,
    ("iam", "GetPolicyVersion"): policy_of_aws,
    ("iam", "UpdateAssumeRolePolicy"): trust_policy,
}
AFTER: dict[tuple[str, str], After] = {
    ("iam", "CreateRole"): role_created,
    ("iam", "CreateServiceLinkedRole"): linked_role_created,
}
