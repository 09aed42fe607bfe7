"""Operations on rules and their targets (EventBridge API reference). Buses, archives and connections are moto's."""

from __future__ import annotations

import re
from typing import Any, Final

from reconciler.local.eventbridge import pattern
from reconciler.local.eventbridge.state import DEFAULT_BUS, Params, Rule
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

MOST_RULES: Final = 300
MOST_TARGETS: Final = 5
MOST_TAGS: Final = 50
PAGE_SIZE: Final = 100
SCHEDULE: Final = re.compile(r"(rate\(\d+ (minutes?|hours?|days?)\)|cron\([^()]+\))")
QUEUE: Final = re.compile(r"arn:aws:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?")
INPUTS: Final = ("Input", "InputPath", "InputTransformer")


def bus_of(world: World, params: Params) -> str:
    """The bus that a request names, by its name or ARN; a custom one must exist."""
    name = str(params.get("EventBusName") or DEFAULT_BUS).rpartition("event-bus/")[2]
    if name != DEFAULT_BUS and name not in world.rest.state("events").event_buses:
        raise Refusal("ResourceNotFoundException", f"Event bus {name} does not exist.")
    return name


def _find(world: World, params: Params, member: str = "Name") -> Rule:
    bus, name = bus_of(world, params), params[member]
    found = world.events.rules.get((bus, name))
    if found is None:
        raise Refusal("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus}.")
    return found


def invalid_pattern(error: pattern.InvalidPattern) -> Refusal:
    return Refusal("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}")


def put_rule(world: World, params: Params) -> Params:
    bus, name = bus_of(world, params), params["Name"]
    text, schedule = params.get("EventPattern") or "", params.get("ScheduleExpression") or ""
    if not text and not schedule:
        raise _invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if schedule and bus != DEFAULT_BUS:
        raise _invalid("ScheduleExpression is supported only on the default event bus.")
    if schedule and not SCHEDULE.fullmatch(schedule):
        raise _invalid("Parameter ScheduleExpression is not valid.")
    try:
        parsed = pattern.parse(text) if text else None
    except pattern.InvalidPattern as error:
        raise invalid_pattern(error) from error
    known = world.events.rules.get((bus, name))
    if known is None and sum(one.bus == bus for one in world.events.rules.values()) >= MOST_RULES:
        raise Refusal("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    where = "" if bus == DEFAULT_BUS else f"{bus}/"
    rule = Rule(
        arn=world.arn("events", f"rule/{where}{name}"),
        name=name,
        bus=bus,
        state=params.get("State", "ENABLED"),
        pattern_text=text,
        pattern=parsed,
        schedule=schedule,
        description=params.get("Description"),
        role_arn=params.get("RoleArn"),
        created_by=world.account,
        targets=known.targets if known else {},
        # of a rule that exists, the tags of the request are ignored (PutRule, "Tags")
        tags=known.tags if known else {tag["Key"]: tag["Value"] for tag in params.get("Tags") or ()},
    )
    world.events.rules[bus, name] = rule
    world.events.changed()
    return {"RuleArn": rule.arn}


def _invalid(text: str) -> Refusal:
    return Refusal("ValidationException", text)


def delete_rule(world: World, params: Params) -> Params:
    """A rule that does not exist is deleted already."""
    bus, name = bus_of(world, params), params["Name"]
    rule = world.events.rules.get((bus, name))
    if rule is not None and rule.targets:
        raise _invalid("Rule can't be deleted since it has targets.")
    world.events.rules.pop((bus, name), None)
    world.events.changed()
    return {}


def enable_rule(world: World, params: Params) -> Params:
    return _set_state(world, params, "ENABLED")


def disable_rule(world: World, params: Params) -> Params:
    return _set_state(world, params, "DISABLED")


def _set_state(world: World, params: Params, state: str) -> Params:
    _find(world, params).state = state
    world.events.changed()
    return {}


def _shown(rule: Rule) -> Params:
    return {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.pattern_text or None,
        "ScheduleExpression": rule.schedule or None,
        "State": rule.state,
        "Description": rule.description,
        "RoleArn": rule.role_arn,
        "EventBusName": rule.bus,
    }


def describe_rule(world: World, params: Params) -> Params:
    rule = _find(world, params)
    return {**_shown(rule), "CreatedBy": rule.created_by}


def list_rules(world: World, params: Params) -> Params:
    bus, prefix = bus_of(world, params), params.get("NamePrefix", "")
    rules = [one for one in world.events.rules.values() if one.bus == bus and one.name.startswith(prefix)]
    rows, following = _page(sorted(rules, key=lambda one: one.name), params, lambda one: one.name)
    return {"Rules": [_shown(one) for one in rows], "NextToken": following}


def list_rule_names_by_target(world: World, params: Params) -> Params:
    bus, arn = bus_of(world, params), params["TargetArn"]
    names = [
        one.name
        for one in world.events.rules.values()
        if one.bus == bus and any(target["Arn"] == arn for target in one.targets.values())
    ]
    rows, following = _page(sorted(names), params, str)
    return {"RuleNames": rows, "NextToken": following}


def _page(items: list[Any], params: Params, key: Any) -> tuple[list[Any], str | None]:
    return page(items, params.get("NextToken"), params.get("Limit", PAGE_SIZE), key, _invalid("Invalid NextToken."))


# ---- targets --------------------------------------------------------------------------------------------------------


def put_targets(world: World, params: Params) -> Params:
    rule = _find(world, params, "Rule")
    targets = params["Targets"]
    for target in targets:
        if sum(name in target for name in INPUTS) > 1:
            raise _invalid(
                f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
            )
        dead = (target.get("DeadLetterConfig") or {}).get("Arn")
        if dead and not QUEUE.fullmatch(dead):
            raise _invalid("Parameter DeadLetterConfig is not valid. Reason: Dead-letter queue must be an SQS queue.")
        if not target["Arn"].startswith("arn:"):
            raise _invalid(f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in correct format.")
    if len({*rule.targets, *(target["Id"] for target in targets)}) > MOST_TARGETS:
        raise Refusal("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    for target in targets:
        rule.targets[target["Id"]] = target
    return {"FailedEntryCount": 0, "FailedEntries": []}


def remove_targets(world: World, params: Params) -> Params:
    rule = _find(world, params, "Rule")
    failed: list[Params] = []
    for target_id in params["Ids"]:
        if rule.targets.pop(target_id, None) is None:
            text = f"Rule {rule.name} does not have a target with the Id {target_id}."
            failed.append({"TargetId": target_id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": text})
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


def list_targets_by_rule(world: World, params: Params) -> Params:
    rule = _find(world, params, "Rule")
    rows, following = _page([rule.targets[key] for key in sorted(rule.targets)], params, lambda one: one["Id"])
    return {"Targets": rows, "NextToken": following}


# ---- tags -----------------------------------------------------------------------------------------------------------


def tags(world: World, arn: str) -> dict[str, str]:
    """The tags of a rule, to read and to change."""
    found = next((rule for rule in world.events.rules.values() if rule.arn == arn), None)
    if found is None:
        name = arn.rpartition("/")[2]
        raise Refusal("ResourceNotFoundException", f"Rule {name} does not exist on EventBus default.")
    return found.tags


def tag_resource(world: World, params: Params) -> Params:
    if ":rule/" not in params["ResourceARN"]:
        return world.rest.ask("events", "TagResource", params)
    found = tags(world, params["ResourceARN"])
    new = found | {tag["Key"]: tag["Value"] for tag in params["Tags"]}
    if len(new) > MOST_TAGS:
        raise _invalid("The number of tags exceeds the limit of 50.")
    found.update(new)
    return {}


def untag_resource(world: World, params: Params) -> Params:
    if ":rule/" not in params["ResourceARN"]:
        return world.rest.ask("events", "UntagResource", params)
    for key in params["TagKeys"]:
        tags(world, params["ResourceARN"]).pop(key, None)
    return {}


def list_tags_for_resource(world: World, params: Params) -> Params:
    if ":rule/" not in params["ResourceARN"]:
        return world.rest.ask("events", "ListTagsForResource", params)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags(world, params["ResourceARN"]).items()]}
