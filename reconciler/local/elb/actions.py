"""Actions and conditions of listeners and rules: checked, and in the form in which AWS keeps and shows them.

A forward to one group is shown both ways, `TargetGroupArn` and `ForwardConfig`; a weighted one only as `ForwardConfig`
(API reference, "Action").
"""

from __future__ import annotations

import copy
import re

from reconciler.local.elb import sign_in
from reconciler.local.elb.checks import invalid, target_group
from reconciler.local.elb.routes import CONDITION_MEMBERS
from reconciler.local.elb.state import NETWORK_PROTOCOLS, Params, Rule, groups_of
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

GROUPS_PER_ACTION = 5
VALUES_PER_RULE = 5
HIGHEST_WEIGHT = 999
FINAL = ("forward", "fixed-response", "redirect")
REDIRECT_DEFAULTS = {
    "Protocol": "#{protocol}",
    "Port": "#{port}",
    "Host": "#{host}",
    "Path": "/#{path}",
    "Query": "#{query}",
}


def canonical_actions(
    world: World, actions: list[Params], load_balancer_arn: str, protocol: str, before: Rule | None = None
) -> tuple[list[Params], str]:
    """The actions as AWS shows them, and the client secret of a sign-in; a `Refusal` when it would not take them.

    `before` is the rule that has them now, whose client secret may stay.
    """
    actions = sorted(actions, key=lambda action: int(action.get("Order", 0)))
    finals = [action for action in actions if action["Type"] in FINAL]
    if len(finals) != 1 or actions[-1]["Type"] not in FINAL:
        raise Refusal(
            "InvalidLoadBalancerAction", "A rule must end with one forward, redirect or fixed-response action"
        )
    *others, last = actions
    if len(others) > 1:
        raise Refusal("TooManyActions", "A rule can have one action before the one that answers")
    if world.elb.load_balancers[load_balancer_arn].type == "network" and last["Type"] != "forward":
        raise Refusal("InvalidLoadBalancerAction", "A listener of a network load balancer must forward")
    answer = _canonical(world, last, load_balancer_arn)
    if not others:
        return [answer], ""
    shown, secret = sign_in.canonical(others[0], protocol, before)
    return [{**shown, "Order": 1}, {**answer, "Order": 2}], secret


def _canonical(world: World, action: Params, load_balancer_arn: str) -> Params:
    match action["Type"]:
        case "forward":
            return _forward(world, action, load_balancer_arn)
        case "redirect":
            config = {**REDIRECT_DEFAULTS, **action.get("RedirectConfig", {})}
            if all(config[name] == default for name, default in REDIRECT_DEFAULTS.items() if name != "Query"):
                raise Refusal("InvalidLoadBalancerAction", "The redirect would lead to where it came from")
            return {"Type": "redirect", "RedirectConfig": config}
        case _:
            if "FixedResponseConfig" not in action:
                raise invalid("A fixed-response action needs a FixedResponseConfig")
            return {"Type": "fixed-response", "FixedResponseConfig": dict(action["FixedResponseConfig"])}


def _forward(world: World, action: Params, load_balancer_arn: str) -> Params:
    config = copy.deepcopy(action.get("ForwardConfig") or {})
    groups = config.get("TargetGroups") or []
    single = action.get("TargetGroupArn")
    if single and groups and [item["TargetGroupArn"] for item in groups] != [single]:
        raise invalid("TargetGroupArn and ForwardConfig must name the same single target group")
    if single and not groups:
        groups = [{"TargetGroupArn": single}]
    if not groups:
        raise invalid("A target group must be specified for a forward action")
    if len(groups) > GROUPS_PER_ACTION:
        raise invalid(f"A forward action can have at most {GROUPS_PER_ACTION} target groups")
    arns = [item["TargetGroupArn"] for item in groups]
    if len(set(arns)) < len(arns):
        raise invalid("A target group can be named only once in a forward action")
    for item in groups:
        item.setdefault("Weight", 1)
        if not 0 <= item["Weight"] <= HIGHEST_WEIGHT:
            raise invalid(f"Weight '{item['Weight']}' must be between 0 and {HIGHEST_WEIGHT}")
        _check_group(world, item["TargetGroupArn"], load_balancer_arn)
    shown: Params = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": _stickiness(config)},
    }
    if len(groups) == 1:
        shown["TargetGroupArn"] = arns[0]
    return shown


def _stickiness(config: Params) -> Params:
    wanted = config.get("TargetGroupStickinessConfig") or {}
    if not wanted.get("Enabled"):
        return {"Enabled": False}
    if not 1 <= wanted.get("DurationSeconds", 0) <= 604800:
        raise invalid("Target group stickiness duration must be between 1 and 604800 seconds")
    return {"Enabled": True, "DurationSeconds": wanted["DurationSeconds"]}


def _check_group(world: World, arn: str, load_balancer_arn: str) -> None:
    group = target_group(world, arn)
    balancer = world.elb.load_balancers[load_balancer_arn]
    others = [other for other in world.elb.load_balancers_of(arn) if other != load_balancer_arn]
    if others:
        raise Refusal(
            "TargetGroupAssociationLimit",
            f"The following target groups cannot be associated with more than one load balancer: {arn}",
        )
    if (group.settings["Protocol"] in NETWORK_PROTOCOLS) is not (balancer.type == "network"):
        raise Refusal(
            "InvalidConfigurationRequest",
            f"Target group '{group.name}' has protocol {group.settings['Protocol']}, which load balancers of type "
            f"{balancer.type} do not support",
        )
    if group.settings["VpcId"] != balancer.vpc_id:
        raise Refusal(
            "InvalidConfigurationRequest",
            f"The target group '{group.name}' and the load balancer '{balancer.name}' are in different VPCs",
        )


def canonical_conditions(conditions: list[Params]) -> list[Params]:
    """Both the old `Values` and the newer config; ordered by field, values sorted, hosts in lower case."""
    if not conditions:
        raise invalid("A condition must be specified")
    shown = []
    for condition in conditions:
        field = condition.get("Field") or _field_of(condition)
        if field not in CONDITION_MEMBERS:
            raise invalid(f"Condition field '{field}' must be one of '[{', '.join(CONDITION_MEMBERS)}]'")
        member = CONDITION_MEMBERS[field]
        config = copy.deepcopy(condition.get(member) or {"Values": condition.get("Values", [])})
        if condition.get("RegexValues"):
            raise invalid(f"Regular expressions must be specified in {member}")
        if config.get("RegexValues"):
            _check_regexes(field, config)
        elif not config.get("Values"):
            raise invalid("A condition value must be specified")
        if field == "http-header" and not config.get("HttpHeaderName"):
            raise invalid("A header name must be specified for an http-header condition")
        values = "RegexValues" if config.get("RegexValues") else "Values"
        if field == "host-header" and values == "Values":
            config["Values"] = [value.lower() for value in config["Values"]]
        if field != "query-string":
            config[values] = sorted(config[values])
        entry: Params = {"Field": field, member: config}
        if field in ("host-header", "path-pattern") and values == "Values":
            entry["Values"] = list(config["Values"])
        shown.append(entry)
    configs = [item[CONDITION_MEMBERS[item["Field"]]] for item in shown]
    count = sum(len(config.get("RegexValues") or config["Values"]) for config in configs)
    if count > VALUES_PER_RULE:
        raise invalid(f"Rules can have at most {VALUES_PER_RULE} condition values")
    once = [item["Field"] for item in shown if item["Field"] in ("host-header", "path-pattern", "source-ip")]
    if len(set(once)) < len(once):
        raise invalid("A rule can have one host-header, one path-pattern and one source-ip condition at most")
    return sorted(shown, key=lambda item: str(item["Field"]))


def _check_regexes(field: str, config: Params) -> None:
    if field not in ("host-header", "path-pattern", "http-header") or config.get("Values"):
        raise invalid(f"A {field} condition cannot have these regular expressions")
    for text in config["RegexValues"]:
        try:
            re.compile(text)
        except re.error:
            raise invalid(f"The regular expression '{text}' is not valid") from None


def _field_of(condition: Params) -> str:
    return next((field for field, member in CONDITION_MEMBERS.items() if member in condition), "")


def check_unique_groups(world: World, load_balancer_arn: str, actions: list[Params]) -> None:
    """Quotas page: 100 target groups per application load balancer."""
    used = set(groups_of(actions))
    for listener in world.elb.listeners_of(load_balancer_arn):
        for rule in world.elb.rules_of(listener.arn):
            used |= set(groups_of(rule.actions))
    if len(used) > 100:
        raise Refusal(
            "TooManyUniqueTargetGroupsPerLoadBalancer", "The load balancer has reached its limit of target groups"
        )
