"""Compilation of the CodeDeploy side of a service: its deployment group, and the role that CodeDeploy works with.

The waits of a deployment group are the longest that CodeDeploy has, and the strategy's own times are kept by the
rollout: so a hold or an extension has room, and a change of the strategy changes no deployment group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model import codedeploy_names
from reconciler.model.resource import Address, Desired, Keep, Meanwhile, Ref
from reconciler.resources.codedeploy_deployment_group import DeploymentGroup, DeploymentGroupSpec
from reconciler.rollout.engine import engines
from reconciler.rollout.engines.codedeploy.configuration import configuration
from reconciler.rollout.spec import RolloutSpec
from reconciler.spec import domains, members, names, queries
from reconciler.spec.compile import existing, role
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.workload import task_definition
from reconciler.spec.documents import DeploymentStrategy, Service

PRINCIPAL = "codedeploy.amazonaws.com"
READS = (
    "cloudwatch:DescribeAlarms",
    "ecs:DescribeServices",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroups",
)
DEFAULT_ACTION = "elasticloadbalancing:ModifyListener"
"""Of a listener that others own, CodeDeploy changes the stack's rules only."""
WRITES = (
    "ecs:CreateTaskSet",
    "ecs:DeleteTaskSet",
    "ecs:UpdateServicePrimaryTaskSet",
    DEFAULT_ACTION,
    "elasticloadbalancing:ModifyRule",
)
HOOKS = ("lambda:InvokeFunction", "s3:GetObject", "s3:GetObjectVersion", "sns:Publish")
"""What the managed policy AWSCodeDeployRoleForECS allows; without `HOOKS`, which our deployments do not use."""


def compile_deployment_group(context: Context, service: Service, delivery: RolloutSpec) -> Iterator[Desired[Any]]:
    traffic = service.traffic
    if traffic is None:
        return
    strategy = context.specs.get(DeploymentStrategy, service.deployment)
    entries = queries.entries(context.specs, traffic)
    cluster, own = queries.cluster_name(context.specs, service), service.name_in_aws
    application = codedeploy_names.application(cluster, own)
    named = None if strategy is None else strategy.role
    generated = _role(context, service, application) if named is None else None
    if generated is not None:
        yield generated
    secure = domains.secure(context.specs, traffic)
    limits = engines()[delivery.policy.engine].limits
    assert limits.stops_after is not None, "an engine of this controller has limits"
    assert limits.bake is not None, "an engine of this controller has limits"
    spec = DeploymentGroupSpec(
        application=application,
        name=codedeploy_names.deployment_group(cluster, own),
        service=Ref(delivery.service),
        role=Ref(generated.address) if generated is not None else context.role(named or ""),
        config=configuration(delivery.policy),
        target_groups=tuple(Ref(group) for group in delivery.groups),
        production=Ref(existing.listener_address(traffic, secure)),
        test=Ref(existing.listener_address(traffic, entries["test_listener"])) if "test_listener" in entries else None,
        ready_wait=int(limits.stops_after.total_seconds() // 60),
        termination_wait=int(limits.bake.total_seconds() // 60),
        alarms=tuple(sorted(delivery.policy.alarms)),
        aws={} if strategy is None else members.said(strategy),
    )
    before = {"production": Ref(existing.listener_address(traffic, traffic.listener))}
    until = delivery.production
    yield context.desired(
        service,
        Address(DeploymentGroup.kind, service.name),
        spec,
        "deployment",
        meanwhile=None if until is None else Meanwhile(until, spec.model_copy(update=before)),
        kept={("role",): Keep.PRESENT} if generated is not None else {},
    )


def _role(context: Context, service: Service, application: str) -> Desired[Any]:
    """The statements of AWSCodeDeployRoleForECS; it passes the roles of this service's tasks only."""
    spec = task_definition(context, service)
    roles = [one for one in (spec.execution_role, spec.task_role) if one]
    assert service.traffic is not None, "there is traffic to shift"
    writes = [one for one in WRITES if one != DEFAULT_ACTION or not service.traffic.outside]
    statements = [role.allow(READS, ["*"]), role.allow(writes, ["*"])]
    if roles:
        passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        passing = {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": roles, "Condition": passed}
        statements.append(passing)
    source = context.arn("codedeploy", f"deploymentgroup:{application}/*")
    return role.generated(context, service, names.codedeploy_role, PRINCIPAL, source, {"deploy": statements})
