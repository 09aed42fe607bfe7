"""Target groups: created, described, changed in place, deleted."""

from __future__ import annotations

import re

from reconciler.local.elb.checks import check_name, invalid, paged, tags_of, target_group
from reconciler.local.elb.routes import watch
from reconciler.local.elb.state import NETWORK_PROTOCOLS, Params, TargetGroup
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

HEALTH_CHECK = (
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckEnabled",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)
DEFAULTS: Params = {
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckEnabled": True,
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 5,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
    "TargetType": "instance",
    "ProtocolVersion": "HTTP1",
    "IpAddressType": "ipv4",
}
GRPC_DEFAULTS: Params = {"HealthCheckPath": "/AWS.ALB/healthcheck", "Matcher": {"GrpcCode": "12"}}
SETTINGS = (*HEALTH_CHECK, "Protocol", "Port", "VpcId", "TargetType", "ProtocolVersion", "IpAddressType")


def create_target_group(world: World, params: Params) -> Params:
    name = params["Name"]
    if not params.get("ProtocolVersion"):  # Terraform's provider sends an empty one
        params = {key: value for key, value in params.items() if key != "ProtocolVersion"}
    check_name(name, "Target group")
    tags = tags_of(params)
    protocol = params.get("Protocol", "HTTP")
    if params.get("TargetType") in ("lambda", "alb") or protocol not in ("HTTP", "HTTPS", *NETWORK_PROTOCOLS):
        message = "The AWS emulator has target groups of type ip and instance over HTTP, HTTPS, TCP, TLS and UDP only"
        raise Refusal("InvalidConfigurationRequest", message)
    if params.get("ProtocolVersion", "HTTP1") not in world.balancing.protocol_versions:
        raise Refusal("InvalidConfigurationRequest", "The load balancer of the AWS emulator speaks HTTP/1.1 to targets")
    for needed, what in (("Protocol", "A protocol"), ("Port", "A port"), ("VpcId", "A VPC ID")):
        if params.get(needed) is None:
            raise invalid(f"{what} must be specified")
    if not world.network.vpc_exists(params["VpcId"]):
        raise invalid(f"The VPC ID '{params['VpcId']}' is not found")
    settings = _with_defaults({key: params[key] for key in SETTINGS if key in params})
    check_health(settings)
    if existing := next((item for item in world.elb.target_groups.values() if item.name == name), None):
        if existing.settings == settings:
            return {"TargetGroups": shown(world, existing)}
        raise Refusal(
            "DuplicateTargetGroupName",
            f"A target group with the same name '{name}' exists, but with different settings",
        )
    identifier = world.ids.hexadecimal(16)
    made = TargetGroup(
        arn=world.arn("elasticloadbalancing", f"targetgroup/{name}/{identifier}"),
        name=name,
        identifier=identifier,
        settings=settings,
        tags=tags,
    )
    world.elb.target_groups[made.arn] = made
    watch(world, made)
    return {"TargetGroups": shown(world, made)}


def _with_defaults(given: Params) -> Params:
    """A target group of a network load balancer has no protocol version, and is checked by a connection; one of gRPC is
    checked by a call."""
    if given.get("Protocol") not in NETWORK_PROTOCOLS:
        return {**DEFAULTS, **(GRPC_DEFAULTS if given.get("ProtocolVersion") == "GRPC" else {}), **given}
    settings = {**DEFAULTS, "HealthCheckProtocol": "TCP", "HealthCheckTimeoutSeconds": 10, **given}
    if "ProtocolVersion" in given:
        raise invalid("A protocol version is not supported for target groups of this protocol")
    of_requests = ("HealthCheckPath", "Matcher") if settings["HealthCheckProtocol"] == "TCP" else ()
    if unwanted := [key for key in of_requests if key in given]:
        raise invalid(f"{unwanted[0]} is not supported for health checks with protocol TCP")
    return {key: value for key, value in settings.items() if key not in ("ProtocolVersion", *of_requests)}


def check_health(settings: Params) -> None:
    if settings["HealthCheckTimeoutSeconds"] >= settings["HealthCheckIntervalSeconds"]:
        raise invalid("Health check interval must be greater than the timeout.")
    if not settings["HealthCheckEnabled"]:
        raise Refusal("InvalidConfigurationRequest", "Health check enabled must be true for target groups of this type")
    network = settings["Protocol"] in NETWORK_PROTOCOLS
    if settings["HealthCheckProtocol"] not in ("HTTP", "HTTPS", *(["TCP"] if network else [])):
        raise invalid(f"Health check protocol '{settings['HealthCheckProtocol']}' is not supported here")
    if not settings.get("HealthCheckPath", "/").startswith("/"):
        raise invalid(f"Health check path '{settings['HealthCheckPath']}' must begin with a '/' character")
    port = settings["HealthCheckPort"]
    if port != "traffic-port" and not (port.isdigit() and 1 <= int(port) <= 65535):
        raise invalid(f"Health check port '{port}' must be 'traffic-port' or in the range 1-65535")
    grpc = settings.get("ProtocolVersion") == "GRPC"
    key, least, most = ("GrpcCode", 0, 99) if grpc else ("HttpCode", 200, 599 if network else 499)
    matcher = settings.get("Matcher", {key: str(least)})
    written = list(matcher) == [key] and re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", matcher[key])
    if not written or not all(least <= int(code) <= most for code in re.findall(r"\d+", written[0])):
        raise invalid(f"Health check matcher {'gRPC' if grpc else 'HTTP'} code must be within the range {least}-{most}")


def shown(world: World, *groups: TargetGroup) -> list[Params]:
    users = world.elb.users()
    return [
        {
            "TargetGroupArn": group.arn,
            "TargetGroupName": group.name,
            "LoadBalancerArns": users.get(group.arn, []),
            **group.settings,
        }
        for group in groups
    ]


def describe_target_groups(world: World, params: Params) -> Params:
    every = world.elb.target_groups
    complete = True
    if balancer := params.get("LoadBalancerArn"):
        if balancer not in world.elb.load_balancers:
            raise Refusal("LoadBalancerNotFound", "One or more load balancers not found")
        users = world.elb.users()
        chosen = [item for item in every.values() if balancer in users.get(item.arn, ())]
    elif arns := params.get("TargetGroupArns"):
        chosen = [every[arn] for arn in dict.fromkeys(arns) if arn in every]
        complete = len(chosen) == len(set(arns))
    elif names := params.get("Names"):
        chosen = [item for item in every.values() if item.name in names]
        complete = len(chosen) == len(set(names))
    else:
        chosen = list(every.values())
    if not complete:
        raise Refusal("TargetGroupNotFound", "One or more target groups not found")
    return paged(shown(world, *chosen), params, "TargetGroupArn", "TargetGroups")


def modify_target_group(world: World, params: Params) -> Params:
    group = target_group(world, params["TargetGroupArn"])
    given = {key: params[key] for key in HEALTH_CHECK if key in params}
    connects = given.get("HealthCheckProtocol", group.settings["HealthCheckProtocol"]) == "TCP"
    dropped = ("HealthCheckPath", "Matcher") if connects else ()
    settings = _with_defaults({**{key: value for key, value in group.settings.items() if key not in dropped}, **given})
    check_health(settings)
    group.settings = settings
    watch(world, group)
    return {"TargetGroups": shown(world, group)}


def delete_target_group(world: World, params: Params) -> Params:
    """Succeeds for one that is not there."""
    group = world.elb.target_groups.get(params["TargetGroupArn"])
    if group is None:
        return {}
    if world.elb.load_balancers_of(group.arn):
        raise Refusal("ResourceInUse", f"Target group '{group.arn}' is currently in use by a listener or a rule")
    del world.elb.target_groups[group.arn]
    world.probe.forget(group.arn)
    return {}
