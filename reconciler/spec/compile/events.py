"""Compilation of a Stack's `events`: a rule of EventBridge, the queue that it delivers to, and that one's dead letters.

Each stack has its own. A message of a queue is received by one controller only, so a queue that several stacks shared
would have to be read by all of them and emptied by none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.model import aws_event
from reconciler.model.resource import Address, Desired
from reconciler.model.type_registry import discover
from reconciler.resources.event_rule import EventRuleSpec
from reconciler.resources.queue import QueueSpec
from reconciler.spec import names
from reconciler.spec.compile.context import Context
from reconciler.spec.documents import Stack

QUEUE: Final = Address("queue", "events")
DEAD: Final = Address("queue", "events-dead")
RULE: Final = Address("event-rule", "events")

RETENTION_SECONDS: Final = 3600
"""An older event says nothing: a controller that starts reads everything."""
DEAD_SECONDS: Final = 14 * 86_400
"""The longest that SQS keeps a message, for whoever looks into why one could not be read."""
VISIBILITY_SECONDS: Final = 60
RECEIVES: Final = 3


def compile_events(context: Context, stack: Stack) -> Iterator[Desired[Any]]:
    if stack.events is None:
        return
    name = stack.events.queue or names.event_queue(context.specs.stack_id)
    arn, dead, rule = context.arn("sqs", name), names.dead_letters(name), context.arn("events", f"rule/{name}")
    yield context.desired(
        stack, DEAD, QueueSpec(name=dead, retention_seconds=DEAD_SECONDS, encrypted=True), "events"
    )  # fmt: skip
    queue = QueueSpec(
        name=name,
        retention_seconds=RETENTION_SECONDS,
        visibility_seconds=VISIBILITY_SECONDS,
        encrypted=True,
        dead_letter=context.arn("sqs", dead),
        receives=RECEIVES,
        policy=_only_from(rule, arn),
    )
    yield context.desired(stack, QUEUE, queue, "events", after=(DEAD,))
    pattern = aws_event.pattern(discover().values())
    spec = EventRuleSpec(name=name, pattern=pattern, enabled=True, target=arn)
    yield context.desired(stack, RULE, spec, "events", after=(QUEUE,))


def _only_from(rule: str, queue: str) -> dict[str, Any]:
    """Only this rule sends to the queue (Amazon EventBridge user guide, resource-based policies)."""
    statement = {
        "Sid": "EventsOfTheStack",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
