"""Production and test traffic of a CodeDeploy deployment: the rules that forward to the pair of target groups.

CodeDeploy rewrites every such rule of a listener, the default included, and makes a weighted forward to both groups of
it: with ModifyListener and ModifyRule, as CloudTrail shows, already when the deployment group is created.
"""

from __future__ import annotations

from reconciler.local.codedeploy.configs import config
from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import Rule, groups_of
from reconciler.local.refusal import Refusal
from reconciler.local.world import World


def pair(settings: Params) -> Params:
    found: Params = settings["loadBalancerInfo"]["targetGroupPairInfoList"][0]
    return found


def production_listener(settings: Params) -> str:
    return str(pair(settings)["prodTrafficRoute"]["listenerArns"][0])


def test_listener(settings: Params) -> str | None:
    """None: there is none."""
    arns = pair(settings).get("testTrafficRoute", {}).get("listenerArns", [])
    return arns[0] if arns else None


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
            steps = [float(min(100, size * step)) for step in range(1, -(-100 // size) + 1)]
            return steps, float(linear["linearInterval"])
        case _:
            return [100.0], 0.0


def rules(world: World, listener: str, groups: set[str]) -> list[Rule]:
    """Every rule of a listener, the default included, that forwards to one of these target groups."""
    return [rule for rule in world.elb.rules_of(listener) if groups & set(groups_of(rule.actions))]


def associate(world: World, settings: Params, live: str, other: str) -> None:
    """Name the other group, with weight 0, in the production rules that forward to the live one and to nothing else."""
    for rule in rules(world, production_listener(settings), {live}):
        if set(groups_of(rule.actions)) <= {live, other}:
            _write(rule, live, other, 100.0)
    publish(world)


def check(world: World, item: Release) -> None:
    """Raises `Refusal` where the listeners are not as they must be before a deployment.

    In CodeDeploy's words, as its user guide ("Troubleshoot Amazon ECS deployment issues") and users quote them.
    """
    groups = {item.blue_group, item.green_group}
    production, test = production_listener(item.settings), test_listener(item.settings)
    for listener in filter(None, (production, test)):
        found = rules(world, listener, groups)
        if not found:
            raise not_behind(listener)
        for rule in found:
            if set(groups_of(rule.actions)) - groups:
                names = f"{item.blue_group}, {item.green_group}"
                raise invalid(f"Only target group in ECS deployment group ({names}) can be set on listener {listener}")
    for rule in rules(world, production, groups):
        weights = groups_of(rule.actions)
        if item.blue_group not in weights:
            raise not_behind(production if rule.priority is None else rule.arn)
        if weights.get(item.green_group, 0) > 0:
            raise invalid("Green taskset target group cannot have non-zero weight prior to traffic shifting")


def invalid(cause: str) -> Refusal:
    message = f"The ELB could not be updated due to the following error: {cause}"
    return Refusal("ELASTIC_LOAD_BALANCING_INVALID", message)


def not_behind(listener: str) -> Refusal:
    return invalid(f"Primary taskset target group must be behind listener {listener}")


def shift_production(world: World, item: Release, towards: str, share: float) -> None:
    """Raises `Refusal` where no rule of the listener forwards to the pair any more, as `shift_test` does."""
    _shift(world, item, production_listener(item.settings), towards, share)


def shift_test(world: World, item: Release, towards: str) -> None:
    if listener := test_listener(item.settings):
        _shift(world, item, listener, towards, 100.0)


def _shift(world: World, item: Release, listener: str, towards: str, share: float) -> None:
    other = item.blue_group if towards == item.green_group else item.green_group
    found = rules(world, listener, {towards, other})
    if not found:
        raise not_behind(listener)
    for rule in found:
        _write(rule, towards, other, share)
    publish(world)


def _write(rule: Rule, towards: str, other: str, share: float) -> None:
    config = rule.actions[-1].get("ForwardConfig", {})
    rule.actions = [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": towards, "Weight": round(share)},
                    {"TargetGroupArn": other, "Weight": 100 - round(share)},
                ],
                "TargetGroupStickinessConfig": config.get("TargetGroupStickinessConfig", {"Enabled": False}),
            },
        }
    ]
