"""Messages: sent, received, hidden and deleted (SQS API reference; developer guide, "Visibility timeout").

A message that is received becomes invisible for the visibility timeout; whoever has its newest receipt handle may
delete it or change that. What was received as often as the redrive policy says is moved instead of received again.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from reconciler.local.refusal import Refusal
from reconciler.local.sqs import attributes
from reconciler.local.sqs.queues import find, now
from reconciler.local.sqs.state import Message, Params, Queue
from reconciler.local.world import World

BATCH: Final = 10
LONGEST_WAIT: Final = 20
LONGEST_HIDDEN: Final = 43_200


def put(world: World, queue: Queue, body: str, sent: Mapping[str, Any] | None = None, delay: float = 0.0) -> Message:
    """A new message in the queue; long polls see it at once. `sent` are its message attributes."""
    message = Message(world.ids.uuid(), body, now(world), now(world) + delay, dict(sent or {}))
    _add(queue, message)
    return message


def _add(queue: Queue, message: Message) -> None:
    queue.messages[message.id] = message
    for event in tuple(queue.waiting):
        event.set()


# ---- sending --------------------------------------------------------------------------------------------------------


def send_message(world: World, params: Params) -> Params:
    return _send(world, find(world, params), params)


def send_message_batch(world: World, params: Params) -> Params:
    queue = find(world, params)
    size = sum(len(one["MessageBody"].encode()) for one in params["Entries"])
    if size > queue.number("MaximumMessageSize"):
        limit = queue.attributes["MaximumMessageSize"]
        text = f"Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes."
        raise Refusal("BatchRequestTooLong", text)
    return _batch(params["Entries"], lambda one: _send(world, queue, one))


def _send(world: World, queue: Queue, params: Params) -> Params:
    body = params["MessageBody"]
    sent = params.get("MessageAttributes") or {}
    if not body:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageBody.")
    if len(body.encode()) > queue.number("MaximumMessageSize"):
        limit = queue.attributes["MaximumMessageSize"]
        text = f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        raise Refusal("InvalidParameterValue", text)
    for name, one in sent.items():
        field = "BinaryValue" if one["DataType"].startswith("Binary") else "StringValue"
        if not one.get(field):
            text = f"The message attribute '{name}' with type '{one['DataType']}' must use field '{field}'."
            raise Refusal("InvalidParameterValue", text)
    delay = params.get("DelaySeconds")
    if delay is not None and not 0 <= delay <= attributes.NUMBERS["DelaySeconds"][1]:
        raise _out_of_range("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900.")
    message = put(world, queue, body, sent, queue.number("DelaySeconds") if delay is None else delay)
    system = params.get("MessageSystemAttributes") or {}
    message.system = {name: one["StringValue"] for name, one in system.items()}
    return {
        "MD5OfMessageBody": digest(body),
        "MD5OfMessageAttributes": digest_of_attributes(sent) if sent else None,
        "MessageId": message.id,
    }


def digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def digest_of_attributes(sent: Mapping[str, Any]) -> str:
    """Developer guide, "Calculating the MD5 message digest for message attributes"."""
    found = hashlib.md5(usedforsecurity=False)
    for name, one in sorted(sent.items()):
        binary = one["DataType"].startswith("Binary")
        value = one["BinaryValue"] if binary else one["StringValue"].encode()
        for part in (name.encode(), one["DataType"].encode()):
            found.update(struct.pack("!I", len(part)) + part)
        found.update((b"\x02" if binary else b"\x01") + struct.pack("!I", len(value)) + value)
    return found.hexdigest()


# ---- receiving ------------------------------------------------------------------------------------------------------


def receive_message(world: World, params: Params) -> Params:
    """What is visible now. The waiting of a long poll is done before, in `long_polling`."""
    queue, at = find(world, params), now(world)
    most = params.get("MaxNumberOfMessages", 1)
    if not 1 <= most <= BATCH:
        raise _out_of_range("MaxNumberOfMessages", most, "Must be between 1 and 10, if provided.")
    wait_seconds(queue, params)
    hidden = params.get("VisibilityTimeout", queue.number("VisibilityTimeout"))
    if not 0 <= hidden <= LONGEST_HIDDEN:
        raise _out_of_range("VisibilityTimeout", hidden, "Must be between 0 and 43200, if provided.")
    _redrive(world, queue, at)
    chosen = [one for one in queue.messages.values() if one.visible_at <= at][:most]
    for message in chosen:
        message.received += 1
        message.receipts += 1
        message.first_received_at = message.first_received_at or at
        message.visible_at = at + hidden
        message.in_flight = hidden > 0
    return {"Messages": [_shown(world, one, params) for one in chosen] or None}


def wait_seconds(queue: Queue, params: Params) -> float:
    """How long a receive waits for a message."""
    seconds = float(params.get("WaitTimeSeconds", queue.number("ReceiveMessageWaitTimeSeconds")))
    if not 0 <= seconds <= LONGEST_WAIT:
        raise _out_of_range("WaitTimeSeconds", int(seconds), "Must be >= 0 and <= 20, if provided.")
    return seconds


def visible_in(queue: Queue, at: float) -> float | None:
    """Seconds until there is a message to receive; None if there is none to come."""
    if not queue.messages:
        return None
    return max(0.0, min(one.visible_at for one in queue.messages.values()) - at)


def _redrive(world: World, queue: Queue, at: float) -> None:
    target, most = attributes.dead_letters(world, queue)
    if target is None:
        return
    for message in [one for one in queue.messages.values() if one.visible_at <= at and one.received >= most]:
        del queue.messages[message.id]
        message.system["DeadLetterQueueSourceArn"] = queue.arn
        message.received, message.first_received_at, message.in_flight = 0, None, False
        _add(target, message)


def _shown(world: World, message: Message, params: Params) -> Params:
    asked = {*params.get("AttributeNames", ()), *params.get("MessageSystemAttributeNames", ())}
    system = {
        **message.system,
        "SenderId": world.account,
        "SentTimestamp": _milliseconds(message.sent_at),
        "ApproximateReceiveCount": str(message.received),
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at or 0.0),
    }
    kept = {name: value for name, value in system.items() if "All" in asked or name in asked}
    sent = {
        name: value
        for name, value in message.attributes.items()
        if _asked(name, params.get("MessageAttributeNames", ()))
    }
    return {
        "MessageId": message.id,
        "ReceiptHandle": _receipt(message),
        "MD5OfBody": digest(message.body),
        "Body": message.body,
        "Attributes": kept or None,
        "MD5OfMessageAttributes": digest_of_attributes(sent) if sent else None,
        "MessageAttributes": sent or None,
    }


def _asked(name: str, patterns: Iterable[str]) -> bool:
    """A name, `All`, or a prefix and `.*`."""
    return any(
        one in ("All", name) or (one.endswith(".*") and name.startswith(one.removesuffix(".*"))) for one in patterns
    )


def _milliseconds(moment: float) -> str:
    return str(int(moment * 1000))


def _receipt(message: Message) -> str:
    return base64.b64encode(f"{message.id}/{message.receipts}".encode()).decode()


# ---- with a receipt handle ------------------------------------------------------------------------------------------


def delete_message(world: World, params: Params) -> Params:
    """An older receipt handle than the newest, or one of a deleted message, is accepted, and has no effect."""
    queue = find(world, params)
    message, newest = _held(queue, params["ReceiptHandle"])
    if message is not None and newest:
        del queue.messages[message.id]
        queue.gone.append(message.id)
    return {}


def delete_message_batch(world: World, params: Params) -> Params:
    url = params["QueueUrl"]
    find(world, params)
    return _batch(params["Entries"], lambda one: delete_message(world, {**one, "QueueUrl": url}))


def change_message_visibility(world: World, params: Params) -> Params:
    queue, at = find(world, params), now(world)
    seconds = params.get("VisibilityTimeout", 0)
    if not 0 <= seconds <= LONGEST_HIDDEN:
        raise _out_of_range("VisibilityTimeout", seconds, "Must be between 0 and 43200, if provided.")
    message, newest = _held(queue, params["ReceiptHandle"])
    if message is None or not newest or message.visible_at <= at:
        raise Refusal("MessageNotInflight", "The specified message isn't in flight.")
    message.visible_at, message.in_flight = at + seconds, seconds > 0
    for event in tuple(queue.waiting):
        event.set()
    return {}


def change_message_visibility_batch(world: World, params: Params) -> Params:
    url = params["QueueUrl"]
    find(world, params)
    return _batch(params["Entries"], lambda one: change_message_visibility(world, {**one, "QueueUrl": url}))


def _held(queue: Queue, receipt: str) -> tuple[Message | None, bool]:
    """The message of a receipt handle, None if it was deleted; and whether the handle is its newest."""
    wrong = Refusal("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not a valid receipt handle.')
    try:
        message_id, _, number = base64.b64decode(receipt, validate=True).decode().partition("/")
    except ValueError as error:  # binascii's and that of what is not ASCII, too
        raise wrong from error
    message = queue.messages.get(message_id)
    if message is None and message_id not in queue.gone:
        raise wrong
    return message, message is not None and number == str(message.receipts)


# ---- batches --------------------------------------------------------------------------------------------------------


def _batch(entries: list[Params], act: Callable[[Params], Params]) -> Params:
    """Each entry for itself: a batch of which some fail is answered with both lists."""
    ids = [one["Id"] for one in entries]
    if not entries:
        raise Refusal("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > BATCH:
        text = f"Maximum number of entries per request are {BATCH}. You have sent {len(entries)}."
        raise Refusal("TooManyEntriesInBatchRequest", text)
    if len(set(ids)) < len(ids):
        text = f"Id {next(one for one in ids if ids.count(one) > 1)} repeated."
        raise Refusal("BatchEntryIdsNotDistinct", text)
    succeeded, failed = [], []
    for entry in entries:
        try:
            succeeded.append({"Id": entry["Id"], **act(entry)})
        except Refusal as refusal:
            row = {"Id": entry["Id"], "SenderFault": True, "Code": refusal.code, "Message": refusal.message}
            failed.append(row)
    return {"Successful": succeeded, "Failed": failed or None}


def _out_of_range(name: str, value: float, reason: str) -> Refusal:
    text = f"Value {value} for parameter {name} is invalid. Reason: {reason}"
    return Refusal("InvalidParameterValue", text)
