"""Checks of IAM roles: least privilege and AWS's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from reconciler.model.escalation import covers, covers_action, escalations
from reconciler.rollout.engine import Controller, engines
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Document, Role
from reconciler.spec.documents.role import Statement
from reconciler.spec.messages import shown
from reconciler.spec.names import execution_role, task_role
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs

MOST_MANAGED = 10
LARGEST_INLINE = 10_240
TASKS = "ecs-tasks.amazonaws.com"
INSTANCES = "ec2.amazonaws.com"
ECS = "ecs.amazonaws.com"
CODEDEPLOY = "codedeploy.amazonaws.com"
_WITHOUT_RESOURCE = {
    "cloudwatch": ("GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"),
    "ec2": ("DescribeAvailabilityZones", "DescribeNetworkInterfaces", "DescribeRegions", "DescribeSecurityGroups"),
    "ecr": ("GetAuthorizationToken",),
    "ecs": ("DescribeTaskDefinition", "ListClusters", "ListTaskDefinitions"),
    "elasticloadbalancing": ("DescribeListeners", "DescribeLoadBalancers", "DescribeRules", "DescribeTargetGroups"),
    "logs": ("DescribeLogGroups",),
    "s3": ("ListAllMyBuckets",),
    "ssm": ("DescribeParameters",),
    "ssmmessages": ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
    "sts": ("GetCallerIdentity",),
    "tag": ("GetResources",),
    "xray": ("PutSegments", "PutTelemetryRecords", "PutTraceSegments"),
}
WITHOUT_RESOURCE = frozenset(
    f"{service}:{action}".lower() for service, actions in _WITHOUT_RESOURCE.items() for action in actions
)
"""Actions without resource-level permissions: their resource must be '*' (Service Authorization Reference)."""
_SWEEPING = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")


_MEANT = "list the actions that are needed, or set allow_wildcards: true in a Role if all of them are"
_MEANT_ON = "name the resources that are needed, or set allow_wildcards: true in a Role if it is to have this power"

_ANY_NAME = "AnyActionWhatever"
_ANY_ACTIONS = (f"s3:{_ANY_NAME}", f"dynamodb:{_ANY_NAME}")
_ANY_RESOURCES = ("arn:aws:s3:::any-bucket", "arn:aws-cn:dynamodb:any-region-1:000000000000:table/any-table")
"""Only a pattern that matches everything matches all of them."""

_ACCOUNT = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):")

Granted = list[tuple[tuple[str | int, ...], Statement]]
"""The statements of a role, each with its path in the document."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    common = (specs.stack.roles.path if specs.stack is not None else None) or "/"
    for role in specs.roles:
        yield from _limits(specs, role)
        if role.path is not None and not role.path.startswith(common):
            message = f"{shown(role.path)} is not below {shown(common)}, the path of the stack's roles"
            yield Diagnostic("E7011", message, specs.where(role, "path"))
        if not role.allow_wildcards:
            yield from _sweeping(specs, role)
            granted: Granted = [
                (("policies", index, "statements", number), statement)
                for index, policy in enumerate(role.policies)
                for number, statement in enumerate(policy.statements)
            ]
            yield from _statements(specs, role, f"{role.path or common}{role.name_in_aws}", granted)
    for workload in specs.workloads:
        for field, named in (("role_statements", task_role), ("execution_role_statements", execution_role)):
            granted = [
                (("task", field, number), statement) for number, statement in enumerate(getattr(workload.task, field))
            ]
            yield from _statements(specs, workload, f"{common}{workload.role_in_aws(named)}", granted)
    yield from _trust(specs)


def _sweeping(specs: Specs, role: Role) -> Iterator[Diagnostic]:
    for index, policy in enumerate(role.policies):
        if policy.arn is not None and policy.arn.rsplit("/", 1)[-1] in _SWEEPING:
            message = f"{policy.arn.rsplit('/', 1)[-1]} grants administrator access"
            yield Diagnostic("E7008", message, specs.where(role, "policies", index), hint=_MEANT)


def _statements(specs: Specs, document: Document, own: str, granted: Granted) -> Iterator[Diagnostic]:
    found = [
        diagnostic
        for base, statement in granted
        if statement.effect == "Allow"
        for diagnostic in _wildcards(specs, document, base, statement)
    ]
    yield from found or _escalation(specs, document, own, granted)


def _wildcards(
    specs: Specs, document: Document, base: tuple[str | int, ...], statement: Statement
) -> Iterator[Diagnostic]:
    everything = {action for action in statement.actions if all(covers_action(action, one) for one in _ANY_ACTIONS)}
    for index, action in enumerate(statement.actions):
        service = action.partition(":")[0]
        if action in everything or covers_action(action, f"{service}:{_ANY_NAME}"):
            message = (
                f"the action {shown(action)} allows {'everything' if action in everything else f'all of {service}'}"
            )
            yield Diagnostic("E7004", message, specs.where(document, *base, "actions", index), hint=_MEANT)
    bound = [action for action in statement.actions if action.lower() not in WITHOUT_RESOURCE]
    for index, resource in enumerate(statement.resources):
        if bound and not everything and all(covers(resource, one) for one in _ANY_RESOURCES):
            message = f"the resource {shown(resource)} allows {shown(bound[0])} on every resource of its type"
            yield Diagnostic("E7005", message, specs.where(document, *base, "resources", index), hint=_MEANT)


def _escalation(specs: Specs, document: Document, own: str, granted: Granted) -> Iterator[Diagnostic]:
    """What gives a role more than its statements, all of them together. `own` is its path and name."""
    places = {place for _, one in granted for text in one.resources for place in _ACCOUNT.findall(text)}
    roles = [f"arn:{partition}:iam::{account}:role{own}" for partition, account in sorted(places)]
    for action in escalations([_written(one) for _, one in granted], roles):
        for base, statement in granted:
            index = next((number for number, one in enumerate(statement.actions) if covers_action(one, action)), None)
            if statement.effect == "Allow" and index is not None:
                message = f"{action}, as it is allowed here, lets a role take on permissions that it was not given"
                yield Diagnostic("E7010", message, specs.where(document, *base, "actions", index), hint=_MEANT_ON)
                return


def _written(statement: Statement) -> dict[str, Any]:
    made = {"Effect": statement.effect, "Action": statement.actions, "Resource": statement.resources}
    return made | ({"Condition": statement.condition} if statement.condition else {})


def _limits(specs: Specs, role: Role) -> Iterator[Diagnostic]:
    managed = [index for index, policy in enumerate(role.policies) if policy.arn is not None]
    if len(managed) > MOST_MANAGED:
        message = f"{len(managed)} managed policies; AWS allows {MOST_MANAGED}"
        yield Diagnostic("E7007", message, specs.where(role, "policies", managed[MOST_MANAGED]))
    inline = [policy for policy in role.policies if policy.arn is None]
    size = sum(
        len(json.dumps(policy.model_dump(exclude_defaults=True)["statements"]).replace(" ", "")) for policy in inline
    )
    if size > LARGEST_INLINE:
        message = f"the inline policies have {size:,} characters; AWS allows {LARGEST_INLINE:,}"
        yield Diagnostic("E7007", message, specs.where(role, "policies", key=True))
    names: dict[str | None, int] = {}
    for index, policy in enumerate(role.policies):
        key = policy.arn or policy.name
        if names.setdefault(key, index) != index:
            note = Note("the other one", specs.where(role, "policies", names[key]))
            yield Diagnostic(
                "E7007", f"the policy {shown(key)} is listed twice", specs.where(role, "policies", index), notes=(note,)
            )


def _trust(specs: Specs) -> Iterator[Diagnostic]:
    """The trust policy of a role must allow the service to assume it that uses it."""
    for document, path, name, principal in _assumed(specs):
        role = specs.get(Role, name)
        if role is not None and principal not in role.assumed_by:
            field = next(str(part) for part in reversed(path) if isinstance(part, str))
            message = f"{field}: {shown(role.name)} cannot be assumed by {principal}"
            note = Note("its trusted services", specs.where(role, "assumed_by"))
            yield Diagnostic("E7006", message, specs.where(document, *path), notes=(note,))


def _assumed(specs: Specs) -> Iterator[tuple[Document, Path, str | None, str]]:
    """Each use of a role: where it is named, and what assumes it."""
    for workload in specs.workloads:
        for field in ("role", "execution_role"):
            yield workload, ("task", field), getattr(workload.task, field), TASKS
        for name, volume in workload.task.volumes.items():
            if volume.ebs is not None:
                yield workload, ("task", "volumes", name, "ebs", "role"), volume.ebs.role, ECS
    for service in specs.services:
        connected = service.service_connect.services if service.service_connect is not None else ()
        for index, one in enumerate(connected):
            if one.tls is not None:
                yield service, ("service_connect", "services", index, "tls", "role"), one.tls.role, ECS
    for cluster in specs.clusters:
        for index, capacity in enumerate(cluster.ec2_capacity):
            yield cluster, ("ec2_capacity", index, "role"), capacity.role, INSTANCES
    for strategy in specs.strategies:
        controller = engines()[strategy.driver].controller
        yield strategy, ("role",), strategy.role, CODEDEPLOY if controller is Controller.CODE_DEPLOY else ECS
        for index, hook in enumerate(strategy.hooks):
            yield strategy, ("hooks", index, "role"), hook.role, ECS
