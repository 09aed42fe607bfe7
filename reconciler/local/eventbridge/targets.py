"""Targets of rules: what they are sent, and what becomes of it where that fails.

Queues are the only targets that receive anything. The queue's policy has to allow EventBridge to send to it, as on AWS
(EventBridge User Guide, "Using resource-based policies"). What cannot be delivered goes to the target's dead-letter
queue, if it has one and the policy of that allows it, and is dropped otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from reconciler.errors import Undecidable
from reconciler.local.eventbridge.state import Params, Rule
from reconciler.local.sqs import messages
from reconciler.local.sqs.attributes import named
from reconciler.local.sqs.state import Queue
from reconciler.local.world import World
from reconciler.model import policy_evaluation

PRINCIPAL: Final = ("Service", "events.amazonaws.com")
VARIABLE: Final = re.compile(r"<([A-Za-z0-9_.-]+)>")
STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
ABSENT: Final = object()


def deliver(world: World, rule: Rule, target: Params, event: Params) -> None:
    arn = target["Arn"]
    if not arn.startswith("arn:aws:sqs:"):
        return
    if failure := _send(world, rule, arn, content(target, event, rule)):
        _to_dead_letters(world, rule, target, event, failure)


def _send(
    world: World, rule: Rule, arn: str, body: str, attributes: Mapping[str, Any] | None = None
) -> tuple[str, str] | None:
    """The code and the text of the error; None once the message is in the queue."""
    queue = named(world, arn)
    if queue is None:
        return "NO_RESOURCE", "The specified queue does not exist."
    if not allows(queue, rule.arn, world.account):
        text = f"Access to the resource {queue.url} is denied."
        return "NO_PERMISSIONS", text
    messages.put(world, queue, body, attributes, queue.number("DelaySeconds"))
    return None


def allows(queue: Queue, rule_arn: str, account: str) -> bool:
    """Whether the queue's policy allows the rule to send to it. A policy that is not understood does not."""
    text = queue.attributes.get("Policy")
    if not text:
        return False
    document = orjson.loads(text)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    of_queue = [one for one in statements if _names(one.get("Resource", "*"), queue.arn)]
    context = {"aws:SourceArn": [rule_arn], "aws:SourceAccount": [account]}
    request = policy_evaluation.Request("sqs:SendMessage", queue.arn, context, PRINCIPAL)
    try:
        return policy_evaluation.is_trusted(request, {**document, "Statement": of_queue})
    except Undecidable:
        return False


def _names(resources: str | list[str], arn: str) -> bool:
    listed = [resources] if isinstance(resources, str) else resources
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*").replace(r"\?", "."), arn) for one in listed)


def _to_dead_letters(world: World, rule: Rule, target: Params, event: Params, failure: tuple[str, str]) -> None:
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not arn:
        return
    code, text = failure
    told = {"RULE_ARN": rule.arn, "TARGET_ARN": target["Arn"], "ERROR_CODE": code, "ERROR_MESSAGE": text}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    _send(world, rule, arn, orjson.dumps(event).decode(), attributes)


# ---- what a target is sent ------------------------------------------------------------------------------------------


def content(target: Params, event: Params, rule: Rule) -> str:
    """The event itself, a constant, a part of the event, or what an input transformer makes of it."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = at_path(event, target["InputPath"])
        return orjson.dumps({} if found is ABSENT else found).decode()
    if transformer := target.get("InputTransformer"):
        paths = transformer.get("InputPathsMap") or {}
        values = {name: at_path(event, path) for name, path in paths.items()}
        values["aws.events.rule-arn"], values["aws.events.rule-name"] = rule.arn, rule.name
        values["aws.events.event.ingestion-time"] = event["time"]
        values["aws.events.event.json"] = values["aws.events.event"] = event
        return _filled(transformer["InputTemplate"], values)
    return orjson.dumps(event).decode()


def at_path(event: Params, path: str) -> Any:
    """What a JSON path such as `$.detail.names[0]` leads to; `ABSENT` where it leads nowhere."""
    found: Any = event
    for step in STEP.finditer(path):
        name, index = step[1] or step[3], step[2]
        if index is not None:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else ABSENT
        else:
            found = found.get(name, ABSENT) if isinstance(found, dict) else ABSENT
    return found


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Within quotes a text is put as it is, elsewhere as JSON; what the event has not is an empty text."""

    def fill(match: re.Match[str]) -> str:
        value = values.get(match[1], ABSENT)
        quoted = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2 == 1
        if value is ABSENT:
            return "" if quoted else '""'
        text = orjson.dumps(value).decode()
        if not quoted:
            return text
        return text[1:-1] if isinstance(value, str) else orjson.dumps(text).decode()[1:-1]

    return VARIABLE.sub(fill, template)
