"""The listener rules that ECS itself writes during a native deployment: production and test, over pairs of groups.

Which group of a pair is live stands on the production rule and nowhere else: ECS reads it when a deployment begins, and
brings the new tasks up behind the other one. The texts are those of the ECS developer guide, "Troubleshooting Amazon
ECS blue/green deployments".
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs.state import Deployment, Launch, Params
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import groups_of
from reconciler.local.world import World

INVALID = "Service deployment rolled back because of invalid networking configuration"


def pair(entry: Params) -> tuple[str, str]:
    """The entry's own target group, and the other one."""
    return entry["targetGroupArn"], entry["advancedConfiguration"]["alternateTargetGroupArn"]


def swapped(entry: Params) -> Params:
    """The same pair, seen from the other side."""
    mine, other = pair(entry)
    advanced = {**entry["advancedConfiguration"], "alternateTargetGroupArn": mine}
    return {**entry, "targetGroupArn": other, "advancedConfiguration": advanced}


def resolved(world: World, launch: Launch, blue: Deployment | None, *, resent: bool = False) -> Launch:
    """The launch with the target groups that it will really use: of each pair the one that production does not.

    While production is split between both, that is the one without the tasks of `blue`, which it goes back to first.
    Where the pair is sent again with UpdateService (`resent`), its `targetGroupArn` is taken for the live one, so that
    all deployments come to the alternate one (hashicorp/terraform-provider-aws#45678).
    """
    used = {entry["targetGroupArn"] for entry in blue.launch.load_balancers} if blue else set()
    entries = []
    for entry in launch.load_balancers:
        mine, other = pair(entry)
        live = mine if resent else live_group(world, entry) or (other if other in used else mine)
        entries.append(entry if live == other else swapped(entry))
    return replace(launch, load_balancers=tuple(entries))


def serving(world: World, candidates: list[Deployment]) -> Deployment | None:
    """The deployment to which production goes; while it is split, the one that was the whole service before."""
    alive = [one for one in candidates if one.wanted()]
    for one in sorted(alive, key=lambda one: not one.completed):
        entries = [entry for entry in one.launch.load_balancers if entry.get("advancedConfiguration")]
        if entries and all(live_group(world, entry) == entry["targetGroupArn"] for entry in entries):
            return one
    return max(alive, key=lambda one: (one.completed, one.updated_at), default=None)


def live_group(world: World, entry: Params) -> str | None:
    """The one group of the pair to which the production rule sends requests."""
    serving = [arn for arn in _serving(world, entry) if arn in pair(entry)]
    return serving[0] if len(serving) == 1 else None


def _serving(world: World, entry: Params) -> list[str]:
    rule = world.elb.rule_at(entry["advancedConfiguration"]["productionListenerRule"])
    return [arn for arn, weight in groups_of(rule.actions).items() if weight > 0] if rule else []


def problem(world: World, green: Deployment) -> str:
    """What ECS finds out only once it has begun; the deployment is rolled back with this reason."""
    found = (_problem(world, entry) for entry in green.launch.load_balancers)
    return next((reason for reason in found if reason), "")


def _problem(world: World, entry: Params) -> str:
    advanced = entry["advancedConfiguration"]
    arns = [advanced["productionListenerRule"], advanced.get("testListenerRule")]
    rules = [world.elb.rule_at(arn) for arn in arns if arn]
    role = advanced["roleArn"]
    if not _assumed(world, role) or not _allowed(world, role, "DescribeRules", "*"):
        return (
            f"{INVALID}. ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure "
            f"Role '{role}'."
        )
    if missing := [arn for arn in pair(entry) if arn not in world.elb.target_groups]:
        return f"{INVALID}. The target group {missing[0]} does not exist."
    if None in rules:
        return f"{INVALID}. One or more rules not found"
    associated = {arn for rule in rules if rule for arn in groups_of(rule.actions)}
    if free := [arn for arn in pair(entry) if arn not in associated]:
        return (
            f"{INVALID}: Target group {free[0]} is not associated with either productionListenerRule or "
            "testListenerRule."
        )
    serving = _serving(world, entry)
    if unexpected := [arn for arn in serving if arn not in pair(entry)]:
        mine, other = pair(entry)
        return (
            f"{INVALID}. Production listener rule is forwarding traffic to unexpected target group {unexpected[0]}. "
            f"Expected traffic to be forwarded to either targetGroupArn: {mine} or alternateTargetGroupArn: {other}"
        )
    if len(serving) != 1:
        return (
            f"{INVALID}. productionListenerRule {arns[0]} should have exactly one target group serving traffic but "
            f"found {len(serving)} target groups which are serving traffic"
        )
    return ""


def back(green: Launch, blue: Launch) -> Launch:
    """The pairs of a deployment, seen from where the one before it has its tasks: that one may have had no pairs."""
    used = {entry["targetGroupArn"] for entry in blue.load_balancers}
    entries = [entry if entry["targetGroupArn"] in used else swapped(entry) for entry in green.load_balancers]
    return replace(green, load_balancers=tuple(entries))


def shift_production(world: World, towards: Launch, share: float = 100.0) -> str:
    """`share` percent of production goes to the launch's groups, the rest to the other ones of their pairs.

    Returns why it cannot be done, and nothing has moved then.
    """
    return _shift(world, towards, "productionListenerRule", share)


def shift_test(world: World, towards: Launch) -> str:
    return _shift(world, towards, "testListenerRule", 100.0)


def _shift(world: World, towards: Launch, kind: str, share: float) -> str:
    entries = [item for item in towards.load_balancers if item["advancedConfiguration"].get(kind)]
    for entry in entries:
        if reason := _unwritable(world, entry, entry["advancedConfiguration"][kind]):
            return reason
    for entry in entries:
        _write(world, entry["advancedConfiguration"][kind], entry, share)
    publish(world)
    return ""


def _unwritable(world: World, entry: Params, rule_arn: str) -> str:
    rule = world.elb.rule_at(rule_arn)
    if rule is None:
        return "One or more rules not found"
    role = entry["advancedConfiguration"]["roleArn"]
    action, resource = ("ModifyRule", rule_arn) if rule.priority is not None else ("ModifyListener", rule.listener)
    if _allowed(world, role, action, resource):
        return ""
    return (
        f"User: arn:aws:sts::{world.account}:assumed-role/{role.rpartition('/')[2]}/ECSNetworkingWithELB is not "
        f"authorized to perform: elasticloadbalancing:{action} on resource: {resource} because no identity-based "
        f"policy allows the elasticloadbalancing:{action} action"
    )


def _assumed(world: World, role: str) -> bool:
    known = world.rest.role(role) is not None
    return not world.checks.roles or (known and world.rest.role_trusts(role, "ecs.amazonaws.com"))


def _allowed(world: World, role: str, action: str, resource: str) -> bool:
    return not world.checks.roles or world.rest.role_allows(role, f"elasticloadbalancing:{action}", resource)


def _write(world: World, rule_arn: str, entry: Params, share: float) -> None:
    """The group that traffic moves to stands first: the order flips with each shift."""
    rule = world.elb.rule_at(rule_arn)
    assert rule is not None, "it was found a moment ago"
    mine, other = pair(entry)
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


def by_connections(launch: Launch) -> bool:
    """Whether a network load balancer is among those that shift its traffic."""
    advanced = (entry.get("advancedConfiguration") or {} for entry in launch.load_balancers)
    return any(":listener/net/" in (one.get("productionListenerRule") or "") for one in advanced)
