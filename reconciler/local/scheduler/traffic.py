"""The listener rules that ECS itself writes during a native deployment: production and test, over pairs of groups."""

from __future__ import annotations

from reconciler.local.ecs.state import Deployment, Params
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import groups_of
from reconciler.local.world import World


def pair(entry: Params) -> tuple[str, str]:
    """The entry's own target group, and the other one."""
    return entry["targetGroupArn"], entry["advancedConfiguration"]["alternateTargetGroupArn"]


def swapped(entry: Params) -> Params:
    """The same pair, seen from the other side."""
    mine, other = pair(entry)
    advanced = {**entry["advancedConfiguration"], "alternateTargetGroupArn": mine}
    return {**entry, "targetGroupArn": other, "advancedConfiguration": advanced}


def live_group(world: World, entry: Params) -> str | None:
    """The one group of the pair to which the production rule sends requests."""
    rule = world.elb.rules.get(entry["advancedConfiguration"]["productionListenerRule"])
    if rule is None:
        return None
    weighted = [arn for arn, weight in groups_of(rule.actions).items() if weight > 0]
    inside = [arn for arn in weighted if arn in pair(entry)]
    return inside[0] if len(inside) == 1 else None


def problem(world: World, green: Deployment, blue: Deployment | None) -> str:
    """What ECS finds out only once it has begun; the deployment is rolled back with this reason."""
    for entry in green.launch.load_balancers:
        advanced = entry["advancedConfiguration"]
        rule = world.elb.rules.get(advanced["productionListenerRule"])
        if rule is None:
            return f"The production listener rule {advanced['productionListenerRule']} does not exist."
        named = groups_of(rule.actions)
        if foreign := [arn for arn in named if arn not in pair(entry)]:
            return f"The production listener rule forwards to an unexpected target group: {foreign[0]}."
        if sum(weight > 0 for weight in named.values()) != 1:
            return "Exactly one target group of the production listener rule must have a weight above 0."
        if blue and live_group(world, entry) == entry["targetGroupArn"]:
            return "The production listener rule already forwards to the target group of the new service revision."
        role = advanced["roleArn"]
        if world.checks.roles and not (world.rest.role(role) and world.rest.role_trusts(role, "ecs.amazonaws.com")):
            return f"ECS was unable to assume the infrastructure role {role}."
    return ""


def shift_production(world: World, towards: Deployment, share: float) -> None:
    """`share` percent of production goes to the deployment's groups, the rest to the other ones of their pairs."""
    for entry in towards.launch.load_balancers:
        _write(world, entry["advancedConfiguration"]["productionListenerRule"], entry, share)
    publish(world)


def shift_test(world: World, towards: Deployment) -> None:
    for entry in towards.launch.load_balancers:
        if rule := entry["advancedConfiguration"].get("testListenerRule"):
            _write(world, rule, entry, 100.0)
    publish(world)


def _write(world: World, rule_arn: str, entry: Params, share: float) -> None:
    rule = world.elb.rules.get(rule_arn)
    if rule is None:
        return
    mine = entry["targetGroupArn"]
    other = next(group for group in pair(entry) if group != mine)
    scale = 1 if float(share).is_integer() else 9.99  # a weight is a whole number up to 999
    weight = round(share * scale)
    config = rule.actions[-1].get("ForwardConfig", {})
    rule.actions[-1] = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": mine, "Weight": weight},
                {"TargetGroupArn": other, "Weight": round(100 * scale) - weight},
            ],
            "TargetGroupStickinessConfig": config.get("TargetGroupStickinessConfig", {"Enabled": False}),
        },
    }
