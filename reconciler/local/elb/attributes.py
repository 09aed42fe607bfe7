"""Attributes of load balancers, target groups and listeners: which there are, their defaults, what they may be.

Elastic Load Balancing API reference, LoadBalancerAttribute, TargetGroupAttribute and ListenerAttribute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.local.elb.checks import invalid, listener, load_balancer, target_group
from reconciler.local.elb.routes import publish, watch
from reconciler.local.elb.state import NETWORK_PROTOCOLS, LoadBalancer, Params, TargetGroup
from reconciler.local.world import World


@dataclass(frozen=True, slots=True)
class Attribute:
    default: str
    allowed: Callable[[str], bool]


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


def _between(low: int, high: int, *others: str) -> Callable[[str], bool]:
    return lambda value: value in others or (bool(re.fullmatch(r"-?\d+", value)) and low <= int(value) <= high)


def _anything(value: str) -> bool:
    return len(value) <= 1024


FLAG = _one_of("true", "false")

LOAD_BALANCER: dict[str, Attribute] = {
    "access_logs.s3.enabled": Attribute("false", FLAG),
    "access_logs.s3.bucket": Attribute("", _anything),
    "access_logs.s3.prefix": Attribute("", _anything),
    "client_keep_alive.seconds": Attribute("3600", _between(60, 604800)),
    "connection_logs.s3.enabled": Attribute("false", FLAG),
    "connection_logs.s3.bucket": Attribute("", _anything),
    "connection_logs.s3.prefix": Attribute("", _anything),
    "deletion_protection.enabled": Attribute("false", FLAG),
    "health_check_logs.s3.enabled": Attribute("false", FLAG),
    "health_check_logs.s3.bucket": Attribute("", _anything),
    "health_check_logs.s3.prefix": Attribute("", _anything),
    "idle_timeout.timeout_seconds": Attribute("60", _between(1, 4000)),
    "ipv6.deny_all_igw_traffic": Attribute("false", FLAG),
    "load_balancing.cross_zone.enabled": Attribute("true", FLAG),
    "routing.http.desync_mitigation_mode": Attribute("defensive", _one_of("monitor", "defensive", "strictest")),
    "routing.http.drop_invalid_header_fields.enabled": Attribute("false", FLAG),
    "routing.http.preserve_host_header.enabled": Attribute("false", FLAG),
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": Attribute("false", FLAG),
    "routing.http.xff_client_port.enabled": Attribute("false", FLAG),
    "routing.http.xff_header_processing.mode": Attribute("append", _one_of("append", "preserve", "remove")),
    "routing.http2.enabled": Attribute("true", FLAG),
    "waf.fail_open.enabled": Attribute("false", FLAG),
    "zonal_shift.config.enabled": Attribute("false", FLAG),
}
TARGET_GROUP: dict[str, Attribute] = {
    "deregistration_delay.timeout_seconds": Attribute("300", _between(0, 3600)),
    "load_balancing.algorithm.anomaly_mitigation": Attribute("off", _one_of("on", "off")),
    "load_balancing.algorithm.type": Attribute(
        "round_robin", _one_of("round_robin", "least_outstanding_requests", "weighted_random")
    ),
    "load_balancing.cross_zone.enabled": Attribute(
        "use_load_balancer_configuration", _one_of("true", "false", "use_load_balancer_configuration")
    ),
    "slow_start.duration_seconds": Attribute("0", _between(30, 900, "0")),
    "stickiness.app_cookie.cookie_name": Attribute("", _anything),
    "stickiness.app_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.enabled": Attribute("false", FLAG),
    "stickiness.lb_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.type": Attribute("lb_cookie", _one_of("lb_cookie", "app_cookie")),
    "target_group_health.dns_failover.minimum_healthy_targets.count": Attribute("1", _between(1, 1000, "off")),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": Attribute("off", _between(1, 100, "off")),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": Attribute("1", _between(1, 1000)),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": Attribute(
        "off", _between(1, 100, "off")
    ),
}
_OF_APPLICATIONS = ("load_balancing.algorithm.", "slow_start.", "stickiness.app_cookie.", "stickiness.lb_cookie.")
NETWORK_TARGET_GROUP: dict[str, Attribute] = {
    **{key: value for key, value in TARGET_GROUP.items() if not key.startswith(_OF_APPLICATIONS)},
    "deregistration_delay.connection_termination.enabled": Attribute("false", FLAG),
    "preserve_client_ip.enabled": Attribute("false", FLAG),
    "proxy_protocol_v2.enabled": Attribute("false", FLAG),
    "stickiness.type": Attribute("source_ip", _one_of("source_ip")),
}
_OF_BOTH = ("access_logs.", "deletion_protection.", "ipv6.", "zonal_shift.")
NETWORK_LOAD_BALANCER: dict[str, Attribute] = {
    **{key: value for key, value in LOAD_BALANCER.items() if key.startswith(_OF_BOTH)},
    "load_balancing.cross_zone.enabled": Attribute("false", FLAG),
}
LISTENER: dict[str, Attribute] = {
    "routing.http.response.server.enabled": Attribute("true", FLAG),
    **{
        f"routing.http.response.{header}.header_value": Attribute("", _anything)
        for header in (
            "strict_transport_security",
            "access_control_allow_origin",
            "access_control_allow_methods",
            "access_control_allow_headers",
            "access_control_allow_credentials",
            "access_control_expose_headers",
            "access_control_max_age",
            "content_security_policy",
            "x_content_type_options",
            "x_frame_options",
        )
    },
}


def shown(table: Mapping[str, Attribute], own: Mapping[str, str]) -> list[Params]:
    return [{"Key": key, "Value": own.get(key, table[key].default)} for key in sorted(table)]


def changed(table: Mapping[str, Attribute], own: dict[str, str], wanted: list[Params], what: str) -> None:
    """All or nothing: an unknown key or a bad value changes nothing."""
    for item in wanted:
        key, value = item["Key"], item.get("Value", "")
        if key not in table:
            raise invalid(f"{what} attribute key '{key}' is not recognized")
        if not table[key].allowed(value):
            raise invalid(f"The value '{value}' of {what.lower()} attribute '{key}' is not valid")
    own.update({item["Key"]: item.get("Value", "") for item in wanted})


def _of_balancer(found: LoadBalancer) -> Mapping[str, Attribute]:
    return NETWORK_LOAD_BALANCER if found.type == "network" else LOAD_BALANCER


def _of_group(found: TargetGroup) -> Mapping[str, Attribute]:
    return NETWORK_TARGET_GROUP if found.settings["Protocol"] in NETWORK_PROTOCOLS else TARGET_GROUP


def describe_load_balancer_attributes(world: World, params: Params) -> Params:
    found = load_balancer(world, params["LoadBalancerArn"])
    return {"Attributes": shown(_of_balancer(found), found.attributes)}


def modify_load_balancer_attributes(world: World, params: Params) -> Params:
    found = load_balancer(world, params["LoadBalancerArn"])
    changed(_of_balancer(found), found.attributes, params["Attributes"], "Load balancer")
    publish(world)
    return {"Attributes": shown(_of_balancer(found), found.attributes)}


def describe_target_group_attributes(world: World, params: Params) -> Params:
    found = target_group(world, params["TargetGroupArn"])
    return {"Attributes": shown(_of_group(found), found.attributes)}


def modify_target_group_attributes(world: World, params: Params) -> Params:
    found = target_group(world, params["TargetGroupArn"])
    changed(_of_group(found), found.attributes, params["Attributes"], "Target group")
    watch(world, found)
    return {"Attributes": shown(_of_group(found), found.attributes)}


def describe_listener_attributes(world: World, params: Params) -> Params:
    return {"Attributes": shown(LISTENER, listener(world, params["ListenerArn"]).attributes)}


def modify_listener_attributes(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    changed(LISTENER, found.attributes, params["Attributes"], "Listener")
    return {"Attributes": shown(LISTENER, found.attributes)}
