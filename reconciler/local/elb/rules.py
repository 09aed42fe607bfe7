"""Rules of a listener. Priorities are unique, and swapped atomically; the default rule belongs to the listener."""

from __future__ import annotations

from reconciler.local.elb.actions import canonical_actions, canonical_conditions, check_unique_groups
from reconciler.local.elb.checks import invalid, listener, paged, rule, tags_of
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import NETWORK_PROTOCOLS, Params, Rule
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

HIGHEST_PRIORITY = 50_000
RULES_PER_LOAD_BALANCER = 100


def create_rule(world: World, params: Params) -> Params:
    owner = listener(world, params["ListenerArn"])
    if owner.protocol in NETWORK_PROTOCOLS:
        raise Refusal("UnsupportedProtocol", f"Rules are not supported for {owner.protocol} listeners")
    tags = tags_of(params)
    priority = params["Priority"]
    _check_priority(priority)
    actions, secret = canonical_actions(world, params["Actions"], owner.load_balancer, owner.protocol)
    conditions = canonical_conditions(params["Conditions"])
    siblings = world.elb.rules_of(owner.arn)
    if any(item.priority == priority for item in siblings):
        raise Refusal("PriorityInUse", f"Priority '{priority}' is currently in use")
    count = sum(
        item.priority is not None
        for one in world.elb.listeners_of(owner.load_balancer)
        for item in world.elb.rules_of(one.arn)
    )
    if count >= RULES_PER_LOAD_BALANCER:
        raise Refusal("TooManyRules", "The maximum number of rules for a load balancer has been reached")
    check_unique_groups(world, owner.load_balancer, actions)
    tail = owner.arn.partition(":listener/")[2]
    made = Rule(
        arn=world.arn("elasticloadbalancing", f"listener-rule/{tail}/{world.ids.hexadecimal(16)}"),
        listener=owner.arn,
        priority=priority,
        actions=actions,
        conditions=conditions,
        tags=tags,
        client_secret=secret,
    )
    world.elb.rules[made.arn] = made
    publish(world)
    return {"Rules": [shown(made)]}


def _check_priority(priority: int) -> None:
    if not 1 <= priority <= HIGHEST_PRIORITY:
        raise invalid(f"Priority '{priority}' must be between 1 and {HIGHEST_PRIORITY}")


def shown(item: Rule) -> Params:
    return {
        "RuleArn": item.arn,
        "Priority": "default" if item.priority is None else str(item.priority),
        "Conditions": item.conditions,
        "Actions": item.actions,
        "IsDefault": item.priority is None,
    }


def describe_rules(world: World, params: Params) -> Params:
    if owner := params.get("ListenerArn"):
        chosen = world.elb.rules_of(listener(world, owner).arn)
    elif arns := params.get("RuleArns"):
        chosen = [rule(world, arn) for arn in arns]
    else:
        raise invalid("Either listener or rules must be specified, but not both")
    rows = [{**shown(item), "at": f"{item.priority if item.priority is not None else 99999:05d}"} for item in chosen]
    answer = paged(rows, params, "at", "Rules")
    for row in answer["Rules"]:
        del row["at"]
    return answer


def modify_rule(world: World, params: Params) -> Params:
    found = rule(world, params["RuleArn"])
    if found.priority is None:
        raise Refusal("OperationNotPermitted", f"Default rule '{found.arn}' cannot be modified")
    owner = listener(world, found.listener)
    if "Actions" in params:
        actions, secret = canonical_actions(world, params["Actions"], owner.load_balancer, owner.protocol, found)
        check_unique_groups(world, owner.load_balancer, actions)
    else:
        actions, secret = found.actions, found.client_secret
    if "Conditions" in params:
        found.conditions = canonical_conditions(params["Conditions"])
    found.actions, found.client_secret = actions, secret
    publish(world)
    return {"Rules": [shown(found)]}


def set_rule_priorities(world: World, params: Params) -> Params:
    wanted = {item["RuleArn"]: item["Priority"] for item in params["RulePriorities"]}
    found = [rule(world, arn) for arn in wanted]
    for item in found:
        if item.priority is None:
            raise Refusal("OperationNotPermitted", f"The priority of the default rule '{item.arn}' cannot be changed")
        _check_priority(wanted[item.arn])
    for owner in {item.listener for item in found}:
        after = [wanted.get(item.arn, item.priority) for item in world.elb.rules_of(owner) if item.priority is not None]
        if len(set(after)) < len(after):
            taken = next(priority for priority in after if after.count(priority) > 1)
            raise Refusal("PriorityInUse", f"Priority '{taken}' is currently in use")
    for item in found:
        item.priority = wanted[item.arn]
    publish(world)
    return {"Rules": [shown(item) for item in found]}


def delete_rule(world: World, params: Params) -> Params:
    found = rule(world, params["RuleArn"])
    if found.priority is None:
        raise Refusal("OperationNotPermitted", f"Default rule '{found.arn}' cannot be deleted")
    del world.elb.rules[found.arn]
    publish(world)
    return {}
