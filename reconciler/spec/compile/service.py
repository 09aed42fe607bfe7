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
from reconciler.model.members import laid
from reconciler.model.resource import Address, Desired, Link, Meanwhile, Ref
from reconciler.resources._elb_actions import NOBODY, TO_HTTPS, Action
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.resources.service import Deployment, ServiceSpec, Target
from reconciler.rollout.engine import Controller, TrafficShifter, engines
from reconciler.rollout.spec import RolloutSpec
from reconciler.spec import domains, members, queries
from reconciler.spec.compile import ecs_traffic, existing, fallback, kept, service_members
from reconciler.spec.compile import sign_in as sign_ins
from reconciler.spec.compile.alarm import standard_alarms
from reconciler.spec.compile.cluster import capacity, cluster_link
from reconciler.spec.compile.codedeploy import compile_deployment_group
from reconciler.spec.compile.context import Context, seconds
from reconciler.spec.compile.delivery import compile_delivery, entry, strategy_of
from reconciler.spec.compile.domain import compile_domains
from reconciler.spec.compile.load_balancer import (
    changes_listeners,
    conditions,
    forward,
    shifted,
    stated_fields,
    unstated_conditions,
)
from reconciler.spec.compile.scaling import compile_scaling
from reconciler.spec.compile.service_connect import compile_service_connect
from reconciler.spec.compile.target_group import compile_target_groups, container_port
from reconciler.spec.compile.task_members import keeping
from reconciler.spec.compile.workload import compile_workload, placement
from reconciler.spec.documents import Service
from reconciler.spec.documents.deployment_strategy import Rolling


def compile_service(context: Context, service: Service) -> Iterator[Desired[Any]]:
    delivery = compile_delivery(context.specs, service)
    engine = engines()[delivery.policy.engine]
    ours, by_ecs = delivery.moves_traffic, engine.controller is Controller.ECS
    shifts = engine.shifts_traffic is TrafficShifter.ECS
    yield from compile_workload(context, service)
    yield from compile_target_groups(context, service, ours=ours)
    yield from _rules(context, service, ours=ours)
    yield from compile_domains(context, service)
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
    spec = ServiceSpec(
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
    )
    own, others = kept.of_service(service, strategy), keeping((), stated)
    for at, each in fallback.services(service, address, spec):
        yield context.desired(service, at, each, kept=own, members=others)
    yield from standard_alarms(context, service)
    if scaled is not None:
        yield compile_scaling(context, service, address)
    if engine.controller is Controller.CODE_DEPLOY:
        yield from compile_deployment_group(context, service, delivery)


def _shifted_by_ecs(
    context: Context, service: Service, delivery: RolloutSpec
) -> Generator[Desired[Any], None, dict[str, Any]]:
    """The fields of a service whose traffic ECS shifts, after the roles that are generated for it."""
    role: Link | None = None
    traffic_role: Desired[Any] | None = None
    if service.traffic is not None:  # ECS shifts the requests by Service Connect with no role
        role, traffic_role = ecs_traffic.infrastructure_role(context, service)
    hooks, hook_role = ecs_traffic.hooks(context, service)
    yield from (made for made in (traffic_role, hook_role) if made is not None)
    return {
        "deployment": ecs_traffic.deployment(delivery.policy, hooks),
        "pair": ecs_traffic.pair(service, delivery),
        "infrastructure_role": role,
    }


def _rules(context: Context, service: Service, *, ours: bool) -> Iterator[Desired[Any]]:
    strategy = strategy_of(context.specs, service)
    for path, traffic in service.forwardings:
        yield from existing.compile_balancer(context, service, traffic, path)
        yield from sign_ins.secrets(context, service, traffic.sign_in, (*path, "sign_in"))
        if not traffic.match.given:
            continue
        secure, entries = domains.secure(context.specs, traffic), queries.entries(context.specs, traffic)
        for field, listener in (entries if secure == traffic.listener else {"domain": secure, **entries}).items():
            at = Ref(existing.listener_address(traffic, listener))
            action = shifted(traffic, strategy) if ours else {"action": forward(traffic)}
            sign_in = traffic.sign_in_at(listener)
            users = sign_ins.compile_sign_in(sign_in)
            spec = ListenerRuleSpec(listener=at, sign_in=users, **conditions(traffic.match), **action)
            meanwhile = None
            if listener == traffic.listener != secure:
                plain = ListenerRuleSpec(listener=at, **conditions(traffic.match), action=TO_HTTPS)
                if not changes_listeners(context, service):
                    spec = plain.model_copy(update={"action": Action(fixed_response=NOBODY)})
                meanwhile, spec = Meanwhile(entry(service, traffic, secure), spec), plain
            yield context.desired(
                service,
                entry(service, traffic, listener),
                spec,
                *path,
                "match",
                kept=unstated_conditions(traffic.match) | sign_ins.kept(sign_in),
                tags=stated_fields(traffic.match, sign_in),
                meanwhile=meanwhile,
                requires=existing.of_rule(context, service, traffic, path, field),
            )


def _targets(service: Service) -> tuple[Target, ...]:
    return tuple(
        Target(
            target_group=Ref(Address("target-group", traffic.target_groups[0].name)),
            container=traffic.container,
            port=container_port(service, traffic),
        )
        for _, traffic in service.forwardings
    )


def _deployment(context: Context, service: Service) -> Deployment:
    strategy = strategy_of(context.specs, service)
    rolling = Rolling() if strategy is None else strategy.rolling
    return Deployment(
        min_percent=rolling.min_percent,
        max_percent=rolling.max_percent,
        circuit_breaker=rolling.circuit_breaker,
        rollback=rolling.rollback,
    )
