"""Compilation of a service's target groups: what they are, their health check, and their attributes.

An attribute that the document does not state is not compiled, so that it stays as AWS has it; the tag of the fields
that it states (model/members.py) brings back AWS's default where one has been removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.model.members import stated_tag, with_fields
from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources.target_group import (
    ADDRESSES,
    ALGORITHM,
    CROSS_ZONE,
    MITIGATION,
    SLOW_START,
    STICKY,
    HealthCheck,
    TargetGroupSpec,
)
from reconciler.rollout import release
from reconciler.spec import members
from reconciler.spec.compile import existing, kept
from reconciler.spec.compile.context import Context, link, seconds, whole_seconds
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.documents.target_group import Stickiness

STATED: Final[Mapping[str, Path]] = {
    "ip_address_type": ADDRESSES,
    "stickiness": STICKY,
    "slow_start": SLOW_START,
    "algorithm": ALGORITHM,
    "anomaly_mitigation": MITIGATION,
    "cross_zone": CROSS_ZONE,
}
"""What each field of `traffic` is known to have been stated."""


def compile_target_groups(context: Context, service: Service, *, ours: bool) -> Iterator[Desired[Any]]:
    """`ours`: versions take turns in them, so that the health check belongs to the version."""
    for path, traffic in service.forwardings:
        yield from _of(context, service, traffic, path, ours=ours)


def _of(
    context: Context, service: Service, traffic: Forwarding, path: tuple[str | int, ...], *, ours: bool
) -> Iterator[Desired[Any]]:
    aws, fields = with_fields(members.api_of(traffic), members.said(traffic))
    check = health_check(traffic)
    declared = HealthCheck(
        path=check.path or None,
        port=check.port,
        protocol=check.protocol,
        interval=check.interval,
        timeout=check.timeout,
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
        matcher=check.matcher or None,
    )
    stated = [path for field, path in STATED.items() if getattr(traffic, field) is not None]
    for number, group in enumerate(traffic.target_groups):
        yield context.desired(
            service,
            Address("target-group", group.name),
            TargetGroupSpec(
                name=group.name_in_aws,
                port=container_port(service, traffic),
                protocol=traffic.protocol,
                vpc=_vpc(context, service, traffic),
                target_type=fields.get("target_type", "ip"),
                protocol_version=None if traffic.of_connections else traffic.protocol_version,
                health_check=None if ours else declared,
                initial_health_check=declared if ours else None,
                ip_address_type=traffic.ip_address_type,
                attributes=_attributes(traffic),
                aws=aws,
            ),
            *path,
            "target_groups",
            number,
            tags=stated_tag(dict.fromkeys(stated, Keep.STATED)),
            kept=kept.of_target_group(traffic),
            requires=tuple(existing.of_target_group(context, service, traffic, path)),
        )


def health_check(traffic: Forwarding) -> release.HealthCheck:
    check = traffic.health_check
    return release.HealthCheck(
        path=traffic.health_path,
        interval=whole_seconds(check.interval),
        timeout=whole_seconds(check.timeout),
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
        matcher=traffic.matcher,
        port=str(check.port),
        protocol=traffic.health_protocol,
        grpc=traffic.protocol_version == "GRPC",
    )


def container_port(service: Service, traffic: Forwarding) -> int:
    """The port that the load balancer sends to; a check has made sure that there is one."""
    if traffic.port is not None:
        return traffic.port
    return traffic.ports_of(service.task.containers[traffic.container])[0]


def _attributes(traffic: Forwarding) -> dict[str, str]:
    found = {"deregistration_delay.timeout_seconds": str(seconds(traffic.deregistration_delay)), **traffic.attributes}
    if traffic.stickiness is not None:
        found |= _sticky(traffic.stickiness)
    if traffic.slow_start is not None:
        found["slow_start.duration_seconds"] = str(seconds(traffic.slow_start))
    if traffic.algorithm is not None:
        found["load_balancing.algorithm.type"] = traffic.algorithm
    if traffic.anomaly_mitigation is not None:
        found["load_balancing.algorithm.anomaly_mitigation"] = "on" if traffic.anomaly_mitigation else "off"
    if traffic.cross_zone is not None:
        found["load_balancing.cross_zone.enabled"] = "true" if traffic.cross_zone else "false"
    return found


def _sticky(stickiness: Stickiness) -> dict[str, str]:
    kind = "lb_cookie" if stickiness.cookie is None else "app_cookie"
    named = {} if stickiness.cookie is None else {"stickiness.app_cookie.cookie_name": stickiness.cookie}
    return {
        "stickiness.enabled": "true",
        "stickiness.type": kind,
        f"stickiness.{kind}.duration_seconds": str(seconds(stickiness.duration)),
        **named,
    }


def _vpc(context: Context, service: Service, traffic: Forwarding) -> Link:
    if traffic.outside and context.network_of(service.placement.subnets) is None:
        return existing.vpc(traffic)
    balancer = context.specs.get(LoadBalancer, traffic.load_balancer)
    if balancer is not None and balancer.network is not None:
        return link("vpc", balancer.network, literal="vpc-")
    subnets = service.placement.subnets + (balancer.subnets if balancer is not None else ())
    network = context.network_of(subnets)
    assert network is not None, "a load balancer outside every network says `network:`"
    return Ref(Address("vpc", network.name))
