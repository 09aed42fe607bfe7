"""Compilation of a Role, and the roles generated for workloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ownership
from reconciler.model.members import with_fields
from reconciler.model.resource import Address, Desired, Keep, Path
from reconciler.resources.role import RoleSpec
from reconciler.spec import members
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.documents import Role
from reconciler.spec.documents.base import NamedInAws
from reconciler.spec.documents.role import Statement

VERSION = "2012-10-17"
_MANAGED: dict[Path, Keep] = {("managed",): Keep.VALUE}


def compile_role(context: Context, role: Role) -> Iterator[Desired[Any]]:
    inline = {policy.name: document(map(written, policy.statements)) for policy in role.policies if policy.name}
    _, fields = with_fields(members.api_of(role), members.said(role))
    yield context.desired(
        role,
        Address("role", role.name),
        RoleSpec(
            name=role.name_in_aws,
            trust=trust(role.assumed_by),
            path=role.path or context.stack.roles.path,
            permissions_boundary=role.permissions_boundary or context.stack.roles.permissions_boundary,
            policies=inline,
            managed=tuple(policy.arn for policy in role.policies if policy.arn),
            **fields,
        ),
        tags=in_region(context),
        kept=unstated(role, policies="policies") | ({} if "policies" in role.model_fields_set else _MANAGED),
    )


def in_region(context: Context) -> dict[str, str]:
    """The tags of what belongs to IAM. IAM is in no region, and stacks of one name in two regions are two stacks."""
    return {ownership.REGION: context.stack.region}


def trust(principals: Iterable[str], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Who may assume a role: AWS services by their host names, accounts and roles by ARN."""
    names = tuple(principals)
    services = [name for name in names if name.endswith((".amazonaws.com", ".amazonaws.com.cn"))]
    others = [name for name in names if name not in services]
    principal: dict[str, Any] = {}
    if services:
        principal["Service"] = services
    if others:
        principal["AWS"] = others
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return document([statement | ({"Condition": condition} if condition else {})])


def document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": [dict(statement) for statement in statements]}


def allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def generated(
    context: Context,
    owner: Any,
    named: Callable[[str], str],
    principal: str,
    source: str | None,
    statements: Mapping[str, Iterable[Mapping[str, Any]]],
    managed: tuple[str, ...] = (),
    of: NamedInAws | None = None,
) -> Desired[Any]:
    """A role that `owner` needs, named after it or after the part `of` it.

    `statements` are by the name of the inline policy, of which an empty one is left out; `managed` are policies by
    their ARNs.

    `source` is the ARN, or a pattern, of what the service assumes the role for. Another account's is refused: the
    service cannot be made to use the role for it (IAM User Guide, "The confused deputy problem"). None where AWS
    documents a trust policy without conditions.
    """
    condition = None
    if source is not None:
        condition = {"StringEquals": {"aws:SourceAccount": context.account}, "ArnLike": {"aws:SourceArn": source}}
    policies = {policy: document(rows) for policy, rows in statements.items()}
    after = owner if of is None else of
    want = context.desired(
        owner,
        Address("role", named(after.name)),
        RoleSpec(
            name=after.role_in_aws(named),
            trust=trust([principal], condition),
            path=context.stack.roles.path,
            permissions_boundary=context.stack.roles.permissions_boundary,
            policies={policy: said for policy, said in policies.items() if said["Statement"]},
            managed=managed,
        ),
        tags=in_region(context),
        kept={("trust",): Keep.VALUE, ("path",): Keep.VALUE, ("policies",): Keep.ITEMS, ("managed",): Keep.ITEMS},
    )
    return replace(want, if_needed=want.adopt)


def written(statement: Statement) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Effect": statement.effect,
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
    }
    if statement.condition:
        made["Condition"] = {
            operator: {key: list(values) for key, values in pairs.items()}
            for operator, pairs in statement.condition.items()
        }
    return made
