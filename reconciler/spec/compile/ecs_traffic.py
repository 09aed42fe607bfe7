"""Compilation of a service whose traffic ECS shifts: how it is deployed, its pair of target groups, the functions that
ECS calls, and the roles that it works with.

The lifecycle hooks that pause a deployment are the rollout's, which sends them with each deployment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from reconciler.model.resource import Desired, Link, Ref
from reconciler.resources.service import Deployment, FunctionHook, Pair, hook_details, in_order
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from reconciler.spec import members, names
from reconciler.spec.compile import existing, role
from reconciler.spec.compile.context import Context
from reconciler.spec.documents import DeploymentStrategy, LoadBalancer, Service

PRINCIPAL = "ecs.amazonaws.com"
READS = (
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
)
TARGETS = ("elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets")
"""What the managed policy AmazonECSInfrastructureRolePolicyForLoadBalancers allows; here for what the service uses."""


def deployment(policy: Strategy, hooks: tuple[FunctionHook, ...]) -> Deployment:
    """The strategy as ECS carries it out. Blue stays for the time of verification and for the teardown's."""
    strategy = "BLUE_GREEN" if not policy.shares else "CANARY" if len(policy.shares) == 1 else "LINEAR"
    first = policy.shares[0] if policy.shares else None
    return Deployment(
        circuit_breaker=True,
        rollback=True,
        strategy=strategy,
        bake=_minutes(policy.verify_for + policy.teardown_after),
        step_percent=None if first is None else float(first.weight),
        step_bake=None if first is None else _minutes(first.pause),
        alarms=tuple(sorted(policy.alarms)),
        hooks=hooks,
    )


def _minutes(time: timedelta) -> int:
    return -(-time // timedelta(minutes=1))


def pair(service: Service, delivery: RolloutSpec) -> Pair | None:
    if service.traffic is None or delivery.production is None:
        return None
    first, second = delivery.groups
    return Pair(
        target_group=Ref(first),
        alternate=Ref(second),
        container=delivery.container,
        port=delivery.port,
        production=Ref(delivery.production),
        test=None if delivery.test is None else Ref(delivery.test),
    )


def infrastructure_role(context: Context, service: Service) -> tuple[Link, Desired[Any] | None]:
    """The role that the strategy names, or a generated one."""
    strategy = context.specs.get(DeploymentStrategy, service.deployment or "")
    if strategy is not None and strategy.role is not None:
        return context.role(strategy.role), None
    made = _generated(context, service)
    return Ref(made.address), made


def _generated(context: Context, service: Service) -> Desired[Any]:
    traffic = service.traffic
    assert traffic is not None, "a check has made sure that there is traffic to shift"
    of_elb = "elasticloadbalancing"
    groups = [context.arn(of_elb, f"targetgroup/{group.name_in_aws}/*") for group in traffic.target_groups]
    found = context.specs.get(LoadBalancer, traffic.load_balancer)
    balancer = existing.balancer_name(traffic.load_balancer) if found is None else found.name_in_aws
    part = "net" if traffic.of_connections else "app"
    listener, rule = (context.arn(of_elb, f"{kind}/{part}/{balancer}/*") for kind in ("listener", "listener-rule"))
    default_action = [role.allow(["elasticloadbalancing:ModifyListener"], [listener])]
    statements = [
        role.allow(READS, ["*"]),
        role.allow(TARGETS, groups),
        *(() if traffic.outside else default_action),
    ]
    if not traffic.of_connections:
        statements.append(role.allow(["elasticloadbalancing:ModifyRule"], [rule]))
    return role.generated(context, service, names.infrastructure_role, PRINCIPAL, None, {"traffic": statements})


def hooks(context: Context, service: Service) -> tuple[tuple[FunctionHook, ...], Desired[Any] | None]:
    """The hooks of the strategy, and the role that is generated for those that name none."""
    strategy = context.specs.get(DeploymentStrategy, service.deployment or "")
    declared = () if strategy is None else strategy.hooks
    functions = sorted({hook.function for hook in declared if hook.role is None})
    made = _hook_role(context, service, functions)
    found = (
        FunctionHook(
            function=hook.function,
            stages=in_order(stage.upper() for stage in hook.stages),
            role=Ref(made.address) if hook.role is None else context.role(hook.role),
            details=hook_details(members.plain(hook.details)),
            minutes=_minutes(hook.within),
            on_timeout=hook.on_timeout.upper(),
        )
        for hook in declared
    )
    return tuple(sorted(found, key=str)), made if functions else None


def _hook_role(context: Context, service: Service, functions: Sequence[str]) -> Desired[Any]:
    """ECS developer guide, "Permissions required for Lambda functions in Amazon ECS blue/green deployments"."""
    statements = [role.allow(["lambda:InvokeFunction"], functions)]
    return role.generated(context, service, names.hook_role, PRINCIPAL, None, {"functions": statements})
