"""What the data plane must be told when the API has changed something: which listeners, which groups, which targets."""

from __future__ import annotations

from typing import Any

from reconciler.local.elb import sign_in
from reconciler.local.elb.certificates import shown_by
from reconciler.local.elb.state import Listener, Rule, TargetGroup
from reconciler.local.ports import (
    Condition,
    FixedResponse,
    Forward,
    ListenerRoutes,
    Redirect,
    Route,
    Target,
    TargetGroupSettings,
    WeightedGroup,
)
from reconciler.local.world import World

CONDITION_MEMBERS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}


def publish(world: World) -> None:
    """Give the balancer its whole table anew, and the health checker what is in use."""
    table = [_listener(world, item) for item in world.elb.listeners.values() if item.protocol != "UDP"]
    active = {arn for arn, balancer in world.elb.load_balancers.items() if balancer.state == "active"}
    world.listeners[world.region] = tuple(item for item in table if item.load_balancer_arn in active)
    world.balancing.configure(tuple(item for listeners in world.listeners.values() for item in listeners))
    users = world.elb.users()
    for group in world.elb.target_groups.values():
        _watch(world, group, in_use=group.arn in users)


def watch(world: World, group: TargetGroup) -> None:
    _watch(world, group, in_use=bool(world.elb.load_balancers_of(group.arn)))


def _watch(world: World, group: TargetGroup, *, in_use: bool) -> None:
    settings, attributes = group.settings, group.attributes
    sticky = attributes.get("stickiness.enabled") == "true"
    kind = attributes.get("stickiness.type", "lb_cookie")
    world.probe.watch(
        TargetGroupSettings(
            arn=group.arn,
            name=group.name,
            protocol=settings["Protocol"],
            port=settings["Port"],
            in_use=in_use,
            health_check_enabled=settings["HealthCheckEnabled"],
            health_check_protocol=settings["HealthCheckProtocol"],
            health_check_port=settings["HealthCheckPort"],
            health_check_path=settings.get("HealthCheckPath", "/"),
            interval=float(settings["HealthCheckIntervalSeconds"]),
            timeout=float(settings["HealthCheckTimeoutSeconds"]),
            healthy_threshold=settings["HealthyThresholdCount"],
            unhealthy_threshold=settings["UnhealthyThresholdCount"],
            matcher=next(iter(settings.get("Matcher", {}).values()), "200"),
            deregistration_delay=float(attributes.get("deregistration_delay.timeout_seconds", "300")),
            slow_start=float(attributes.get("slow_start.duration_seconds", "0")),
            algorithm=attributes.get("load_balancing.algorithm.type", "round_robin"),
            stickiness=float(attributes.get(f"stickiness.{kind}.duration_seconds", "86400")) if sticky else 0.0,
            cookie=attributes.get("stickiness.app_cookie.cookie_name", "") if kind == "app_cookie" else "",
        )
    )


def register(world: World, group: TargetGroup, targets: list[Target]) -> None:
    for target in targets:
        group.targets[(target.id, target.port)] = target
    world.probe.set_targets(group.arn, tuple(group.targets.values()))


def deregister(world: World, group: TargetGroup, keys: list[tuple[str, int]]) -> None:
    for key in keys:
        group.targets.pop(key, None)
    world.probe.set_targets(group.arn, tuple(group.targets.values()))


def _listener(world: World, listener: Listener) -> ListenerRoutes:
    balancer = world.elb.load_balancers[listener.load_balancer]
    return ListenerRoutes(
        listener_arn=listener.arn,
        load_balancer=balancer.name,
        load_balancer_arn=balancer.arn,
        dns_name=balancer.dns_name,
        port=listener.port,
        protocol=listener.protocol,
        routes=tuple(_route(rule, world.region) for rule in world.elb.rules_of(listener.arn)),
        idle_timeout=float(balancer.attributes.get("idle_timeout.timeout_seconds", "60")),
        certificates=shown_by(world, listener),
        oldest_tls="TLSv1.3" if "TLS13-1-3" in listener.ssl_policy else "TLSv1.2",
    )


def _route(rule: Rule, region: str) -> Route:
    return Route(
        rule.arn,
        rule.priority,
        tuple(_condition(item) for item in rule.conditions),
        _action(rule.actions[-1]),
        sign_in.of(rule.actions, region),
    )


def _condition(condition: dict[str, Any]) -> Condition:
    config = condition[CONDITION_MEMBERS[condition["Field"]]]
    if regexes := config.get("RegexValues"):
        return Condition(condition["Field"], tuple(regexes), config.get("HttpHeaderName", ""), regex=True)
    values = config["Values"]
    if condition["Field"] == "query-string":
        values = [f"{item['Key']}={item['Value']}" if item.get("Key") else item["Value"] for item in values]
    return Condition(condition["Field"], tuple(values), config.get("HttpHeaderName", ""))


def _action(action: dict[str, Any]) -> Forward | FixedResponse | Redirect:
    match action["Type"]:
        case "fixed-response":
            config = action["FixedResponseConfig"]
            kind = config.get("ContentType", "text/plain")
            return FixedResponse(int(config["StatusCode"]), kind, config.get("MessageBody", ""))
        case "redirect":
            config = action["RedirectConfig"]
            return Redirect(
                int(config["StatusCode"].removeprefix("HTTP_")),
                config["Protocol"],
                config["Host"],
                config["Port"],
                config["Path"],
                config["Query"],
            )
        case _:
            config = action["ForwardConfig"]
            sticky = config.get("TargetGroupStickinessConfig", {})
            groups = tuple(WeightedGroup(item["TargetGroupArn"], item["Weight"]) for item in config["TargetGroups"])
            return Forward(groups, float(sticky.get("DurationSeconds", 0)) if sticky.get("Enabled") else 0.0)
