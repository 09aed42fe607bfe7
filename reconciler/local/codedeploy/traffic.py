"""Production and test traffic of a CodeDeploy deployment: the rules that forward to the pair of target groups."""

from __future__ import annotations

from reconciler.local.codedeploy.applications import config
from reconciler.local.codedeploy.checks import settings_of
from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import groups_of
from reconciler.local.world import World


def pair(world: World, item: Release) -> Params:
    found: Params = settings_of(world, item)["loadBalancerInfo"]["targetGroupPairInfoList"][0]
    return found


def shares(world: World, item: Release) -> tuple[list[float], float]:
    """Green's share of production after each step in percent, and the minutes between two steps."""
    routing = config(world, item.config)["trafficRoutingConfig"]
    match routing["type"]:
        case "TimeBasedCanary":
            canary = routing["timeBasedCanary"]
            return [float(canary["canaryPercentage"]), 100.0], float(canary["canaryInterval"])
        case "TimeBasedLinear":
            linear = routing["timeBasedLinear"]
            size = linear["linearPercentage"]
            return [float(min(100, size * step)) for step in range(1, -(-100 // size) + 1)], float(
                linear["linearInterval"]
            )
        case _:
            return [100.0], 0.0


def production_rules(world: World, item: Release) -> list[str]:
    """Every rule of the production listener, the default included, that forwards to the pair."""
    arn = pair(world, item)["prodTrafficRoute"]["listenerArns"][0]
    groups = {item.blue_group, item.green_group}
    return [rule.arn for rule in world.elb.rules_of(arn) if groups & set(groups_of(rule.actions))]


def shift_production(world: World, item: Release, towards: str, share: float) -> None:
    for arn in production_rules(world, item):
        _write(world, item, arn, towards, share)
    publish(world)


def shift_test(world: World, item: Release, towards: str) -> None:
    for arn in pair(world, item).get("testTrafficRoute", {}).get("listenerArns", []):
        if listener := world.elb.listeners.get(arn):
            _write(world, item, listener.default_rule, towards, 100.0)
    publish(world)


def _write(world: World, item: Release, rule_arn: str, towards: str, share: float) -> None:
    other = item.blue_group if towards == item.green_group else item.green_group
    world.elb.rules[rule_arn].actions = [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": towards, "Weight": round(share)},
                    {"TargetGroupArn": other, "Weight": 100 - round(share)},
                ],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ]
