"""Compilation of a Service: its workload, target groups and listener rules, the ECS service, and its scaling.

Where traffic is shifted between two target groups, the live one and its health check belong to the rollout. If
reconciler shifts it, the ECS deployment controller is EXTERNAL: the service has a name and a count, and the rest
belongs to its task sets (rollout/engines/task_sets.py). If CodeDeploy does, there is a deployment group, too; if ECS
does, a role that it works with (ecs_traffic.py).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from reconciler.model.member_values import merged
from reconciler.model.members import laid, with_fields
from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.resources.service import Deployment, ServiceSpec, Target
from reconciler.resources.target_group import HealthCheck, TargetGroupSpec
from reconciler.rollout.engine import Controller, TrafficShifter, engines
from reconciler.rollout.spec import RolloutSpec
from reconciler.spec import members
from reconciler.spec.compile import ecs_traffic, kept, service_members
from reconciler.spec.compile.alarm import standard_alarms
from reconciler.spec.compile.cluster import capacity, cluster_link
from reconciler.spec.compile.codedeploy import compile_deployment_group
from reconciler.spec.compile.context import Context, link, seconds
from reconciler.spec.compile.delivery import compile_delivery, container_port, entry, strategy_of
from reconciler.spec.compile.load_balancer import conditions, forward, listener_address, unstated_conditions
from reconciler.spec.compile.scaling import compile_scaling
from reconciler.spec.compile.service_connect import compile_service_connect
from reconciler.spec.compile.task_members import keeping
from reconciler.spec.compile.workload import compile_workload, placement
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.deployment_strategy import Rolling


def compile_service(context: Context, service: Service) -> Iterator[Desired[Any]]:
    delivery = compile_delivery(context.specs, service)
    engine = engines()[delivery.policy.engine]
    ours, by_ecs = delivery.moves_traffic, engine.controller is Controller.ECS
    shifts = engine.shifts_traffic is TrafficShifter.ECS
    yield from compile_workload(context, service)
    yield from _target_groups(context, service, ours=ours)
    yield from _rules(context, service, ours=ours)
    address = Address("service", service.name)
    scaled = service.scaling
    strategy = strategy_of(context.specs, service)
    rolling = None if ours or shifts or strategy is None else strategy.rolling
    stated = service_members.of_service(context, service, rolling)
    said = merged(members.said(service), laid(stated))
    volume_role, of_volumes = service_members.volume_role(context, service)
    if of_volumes is not None:
        yield of_volumes
    initial = None if scaled is None else max(scaled.min, min(scaled.max, service.desired_count))
    shifted = {"deployment": None if ours else _deployment(context, service)}
    if shifts:
        shifted = yield from _shifted_by_ecs(context, service, delivery)
    yield context.desired(
        service,
        address,
        ServiceSpec(
            cluster=cluster_link(service.cluster),
            name=service.name_in_aws,
            task_definition=Ref(Address("task-definition", service.name)),
            desired_count=service.desired_count if scaled is None else None,
            initial_count=initial,
            platform_version=None if service.platform_version == "LATEST" else service.platform_version,
            network=placement(context, service),
            load_balancers=None if ours else _targets(service),
            first_load_balancers=_targets(service) if ours and delivery.created_with_tasks and not shifts else None,
            grace_period=seconds(service.grace_period),
            **shifted,
            exec=service.exec,
            service_connect=compile_service_connect(context, service) if by_ecs else None,
            starts_empty=delivery.pre_deployment is not None and delivery.created_with_tasks,
            controller=engine.controller,
            aws=said,
            volume_role=volume_role,
            **capacity(context, service),
        ),
        kept=kept.of_service(service, strategy),
        members=keeping((), stated),
    )
    yield from standard_alarms(context, service)
    if scaled is not None:
        yield compile_scaling(context, service, address)
    if engine.controller is Controller.CODE_DEPLOY:
        yield from compile_deployment_group(context, service, delivery)


def _shifted_by_ecs(
    context: Context, service: Service, delivery: RolloutSpec
) -> Generator[Desired[Any], None, dict[str, Any]]:
    """The fields of a service whose traffic ECS shifts, after the roles that are generated for it."""
    role, traffic_role = ecs_traffic.infrastructure_role(context, service)
    hooks, hook_role = ecs_traffic.hooks(context, service)
    yield from (made for made in (traffic_role, hook_role) if made is not None)
    return {
        "deployment": ecs_traffic.deployment(delivery.policy, hooks),
        "pair": ecs_traffic.pair(service, delivery),
        "infrastructure_role": role,
    }


def _vpc(context: Context, service: Service) -> Link:
    assert service.traffic is not None
    balancer = context.specs.get(LoadBalancer, service.traffic.load_balancer)
    if balancer is not None and balancer.network is not None:
        return link("vpc", balancer.network, literal="vpc-")
    subnets = service.placement.subnets + (balancer.subnets if balancer is not None else ())
    network = context.network_of(subnets)
    assert network is not None, "a load balancer outside every network says `network:`"
    return Ref(Address("vpc", network.name))


def _target_groups(context: Context, service: Service, *, ours: bool) -> Iterator[Desired[Any]]:
    traffic = service.traffic
    if traffic is None:
        return
    aws, fields = with_fields(members.api_of(traffic), members.said(traffic))
    check = traffic.health_check
    declared = HealthCheck(
        path=check.path,
        port=fields.get("health_check.port", "traffic-port"),
        protocol=fields.get("health_check.protocol", "HTTP"),
        interval=seconds(check.interval),
        timeout=seconds(check.timeout),
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
        matcher=fields.get("health_check.matcher", check.matcher),
    )
    for number, group in enumerate(traffic.target_groups):
        yield context.desired(
            service,
            Address("target-group", group.name),
            TargetGroupSpec(
                name=group.name_in_aws,
                port=container_port(service),
                protocol=fields.get("protocol", "HTTP"),
                vpc=_vpc(context, service),
                target_type=fields.get("target_type", "ip"),
                protocol_version=fields.get("protocol_version", "HTTP1"),
                health_check=None if ours else declared,
                initial_health_check=declared if ours else None,
                attributes={
                    "deregistration_delay.timeout_seconds": str(seconds(traffic.deregistration_delay)),
                    **fields.get("attributes", {}),
                },
                aws=aws,
            ),
            "traffic",
            "target_groups",
            number,
            kept=kept.of_target_group(service),
        )


def _rules(context: Context, service: Service, *, ours: bool) -> Iterator[Desired[Any]]:
    traffic = service.traffic
    if traffic is None or not traffic.match.given:
        return
    balancer = context.specs.get(LoadBalancer, traffic.load_balancer)
    declared = balancer.listeners if balancer is not None else {}
    for listener in dict.fromkeys((traffic.listener, traffic.test_listener)):
        if listener not in declared:
            continue
        yield context.desired(
            service,
            entry(service, listener),
            ListenerRuleSpec(
                listener=Ref(listener_address(traffic.load_balancer, listener)),
                **conditions(traffic.match),
                **({"initial_action": forward(service)} if ours else {"action": forward(service)}),
            ),
            "traffic",
            "match",
            kept=unstated_conditions(traffic.match),
        )


def _targets(service: Service) -> tuple[Target, ...]:
    traffic = service.traffic
    if traffic is None:
        return ()
    group = Ref(Address("target-group", traffic.target_groups[0].name))
    return (Target(target_group=group, container=traffic.container, port=container_port(service)),)


def _deployment(context: Context, service: Service) -> Deployment:
    strategy = strategy_of(context.specs, service)
    rolling = Rolling() if strategy is None else strategy.rolling
    return Deployment(
        min_percent=rolling.min_percent,
        max_percent=rolling.max_percent,
        circuit_breaker=rolling.circuit_breaker,
        rollback=rolling.rollback,
    )
