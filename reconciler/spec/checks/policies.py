"""Checks of IAM roles: least privilege and AWS's limits."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Document, Role
from reconciler.spec.documents.role import Policy, Statement
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs

MOST_MANAGED = 10
LARGEST_INLINE = 10_240
TASKS = "ecs-tasks.amazonaws.com"
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


def check(specs: Specs) -> Iterator[Diagnostic]:
    for role in specs.roles:
        yield from _limits(specs, role)
        if not role.allow_wildcards:
            for index, policy in enumerate(role.policies):
                yield from _policy(specs, role, index, policy)
    for workload in specs.workloads:
        for field in ("role_statements", "execution_role_statements"):
            for number, statement in enumerate(getattr(workload.task, field)):
                if statement.effect == "Allow":
                    yield from _statement(specs, workload, ("task", field, number), statement)
    yield from _trust(specs)


def _policy(specs: Specs, role: Role, index: int, policy: Policy) -> Iterator[Diagnostic]:
    if policy.arn is not None and policy.arn.rsplit("/", 1)[-1] in _SWEEPING:
        message = f"{policy.arn.rsplit('/', 1)[-1]} grants administrator access"
        yield Diagnostic("E7008", message, specs.where(role, "policies", index), hint=_MEANT)
    for number, statement in enumerate(policy.statements):
        if statement.effect == "Allow":
            yield from _statement(specs, role, ("policies", index, "statements", number), statement)


_MEANT = "list the actions that are needed, or set allow_wildcards: true in a Role if all of them are"


def _statement(
    specs: Specs, document: Document, base: tuple[str | int, ...], statement: Statement
) -> Iterator[Diagnostic]:
    for index, action in enumerate(statement.actions):
        service, _, rest = action.partition(":")
        if "*" in service or rest.strip("*?") == "":
            message = f"the action {shown(action)} allows {'everything' if '*' in service else f'all of {service}'}"
            yield Diagnostic("E7004", message, specs.where(document, *base, "actions", index), hint=_MEANT)
    for index, resource in enumerate(statement.resources):
        bound = [action for action in statement.actions if action.lower() not in WITHOUT_RESOURCE]
        if resource == "*" and bound and not any("*" in action.partition(":")[0] for action in bound):
            message = f"the resource '*' allows {shown(bound[0])} on every resource of its type"
            yield Diagnostic("E7005", message, specs.where(document, *base, "resources", index), hint=_MEANT)


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
    """The trust policy of a role for tasks must allow ecs-tasks.amazonaws.com to assume it."""
    for workload in specs.workloads:
        for field in ("role", "execution_role"):
            role = specs.get(Role, getattr(workload.task, field))
            if role is not None and TASKS not in role.assumed_by:
                message = f"{field}: {shown(role.name)} cannot be assumed by {TASKS}"
                note = Note("its trusted services", specs.where(role, "assumed_by"))
                yield Diagnostic("E7006", message, specs.where(workload, "task", field), notes=(note,))
