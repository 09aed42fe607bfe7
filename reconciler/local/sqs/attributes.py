"""The attributes of a queue: defaults, limits, and the redrive policy (SQS API reference, SetQueueAttributes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from reconciler.local.refusal import Refusal
from reconciler.local.sqs.state import Queue
from reconciler.local.world import World

DEFAULTS: Final[Mapping[str, str]] = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
    "SqsManagedSseEnabled": "true",
}
NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
DOCUMENTS: Final = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy"})
TEXTS: Final = frozenset({"KmsMasterKeyId", "SqsManagedSseEnabled"})
READ_ONLY: Final = frozenset(
    {
        "QueueArn",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
    }
)
OF_FIFO: Final = frozenset({"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})
MOST_RECEIVES: Final = 1000


def checked(world: World, given: Mapping[str, str]) -> dict[str, str]:
    """The attributes as they are stored; an empty document means that there is none."""
    for name, value in given.items():
        if name in OF_FIFO:
            raise Refusal("UnsupportedOperation", "The local AWS emulator has no FIFO queues.")
        if name not in NUMBERS and name not in DOCUMENTS and name not in TEXTS:
            raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in NUMBERS:
            low, high = NUMBERS[name]
            if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
                raise invalid(name)
        if name in DOCUMENTS and value:
            _check_document(world, name, value)
    return dict(given)


def invalid(name: str) -> Refusal:
    return Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def _check_document(world: World, name: str, text: str) -> None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid(name) from error
    if not isinstance(document, dict):
        raise invalid(name)
    if name == "Policy" and not _is_policy(document):
        raise invalid(name)
    if name == "RedrivePolicy":
        _redrive(world, document)


def _is_policy(document: Mapping[str, Any]) -> bool:
    """Whether it has the structure of a policy; what it allows is asked when something is sent."""
    statements = document.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    return bool(listed) and all(isinstance(one, Mapping) and _is_statement(one) for one in listed)


def _is_statement(statement: Mapping[str, Any]) -> bool:
    named = [statement.get(name, []) for name in ("Action", "NotAction", "Resource", "NotResource")]
    texts = [text for one in named for text in (one if isinstance(one, list) else [one])]
    conditions = statement.get("Condition", {})
    tests = conditions.values() if isinstance(conditions, Mapping) else [None]
    effect = statement.get("Effect") in ("Allow", "Deny")
    compared = all(isinstance(one, Mapping) and None not in one.values() for one in tests)
    return effect and compared and all(isinstance(one, str) for one in texts)


def _redrive(world: World, document: Mapping[str, Any]) -> None:
    count = str(document.get("maxReceiveCount", ""))
    target = str(document.get("deadLetterTargetArn", ""))
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_RECEIVES) or not target.startswith("arn:"):
        raise invalid("RedrivePolicy")
    if named(world, target) is None:
        text = f"Value {orjson.dumps(document).decode()} for parameter RedrivePolicy is invalid. Reason: Dead letter "
        raise Refusal("InvalidParameterValue", f"{text}target does not exist.")


def named(world: World, arn: str) -> Queue | None:
    """The queue of an ARN, in the same region."""
    found = world.sqs.queues.get(arn.rpartition(":")[2])
    return found if found is not None and found.arn == arn else None


def dead_letters(world: World, queue: Queue) -> tuple[Queue | None, int]:
    """The queue for what has been received too often, and how often that is; none while it does not exist."""
    text = queue.attributes.get("RedrivePolicy")
    if not text:
        return None, 0
    policy = orjson.loads(text)
    return named(world, policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])


def shown(queue: Queue, now: float) -> dict[str, str]:
    """All attributes, as GetQueueAttributes answers them."""
    messages = queue.messages.values()
    hidden = [one for one in messages if one.visible_at > now]
    delayed = sum(not one.in_flight for one in hidden)
    return {
        **{name: value for name, value in queue.attributes.items() if value},
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(len(messages) - len(hidden)),
        "ApproximateNumberOfMessagesNotVisible": str(len(hidden) - delayed),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
    }
