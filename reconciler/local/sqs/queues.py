"""Operations on queues. A name is free again a minute after its queue was deleted (`QueueDeletedRecently`).

The URL of a queue is the one that it would have on AWS, wherever the emulator listens; SDKs do not connect to it.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.sqs import attributes
from reconciler.local.sqs.state import Params, Queue
from reconciler.local.world import World

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
NAME_KEPT: Final = 60.0
"""Seconds after a deletion in which no queue of the name can be created, and after a purge in which none may follow."""
MOST_TAGS: Final = 50
PAGE_SIZE: Final = 1000


def now(world: World) -> float:
    return world.now.timestamp()


def find(world: World, params: Params) -> Queue:
    """The queue of a request's QueueUrl; only the last part of it counts, as on AWS."""
    found = world.sqs.queues.get(str(params.get("QueueUrl", "")).rpartition("/")[2])
    if found is None:
        raise missing()
    oldest = now(world) - found.number("MessageRetentionPeriod")
    for message in list(found.messages.values()):
        if message.sent_at >= oldest:
            break
        del found.messages[message.id]
    return found


def missing() -> Refusal:
    return Refusal("QueueDoesNotExist", "The specified queue does not exist.")


def create_queue(world: World, params: Params) -> Params:
    name = params["QueueName"]
    if name.endswith(".fifo"):
        raise Refusal("UnsupportedOperation", "The local AWS emulator has no FIFO queues.")
    if not NAME.fullmatch(name):
        text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise Refusal("InvalidParameterValue", text)
    given = attributes.checked(world, params.get("Attributes") or {})
    if found := world.sqs.queues.get(name):
        if any(found.attributes.get(key, "") != value for key, value in given.items()):
            raise Refusal("QueueNameExists", "A queue already exists with the same name and a different value.")
        return {"QueueUrl": found.url}
    if now(world) - world.sqs.deleted_at.get(name, 0.0) < NAME_KEPT:
        text = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
        raise Refusal("QueueDeletedRecently", text)
    queue = Queue(
        name=name,
        arn=world.arn("sqs", name),
        url=f"https://sqs.{world.region}.amazonaws.com/{world.account}/{name}",
        created_at=now(world),
        modified_at=now(world),
        attributes={**attributes.DEFAULTS, **given},
        tags=dict(params.get("tags") or {}),
    )
    world.sqs.queues[name] = queue
    return {"QueueUrl": queue.url}


def get_queue_url(world: World, params: Params) -> Params:
    found = world.sqs.queues.get(params["QueueName"])
    if found is None or params.get("QueueOwnerAWSAccountId", world.account) != world.account:
        raise missing()
    return {"QueueUrl": found.url}


def list_queues(world: World, params: Params) -> Params:
    prefix, size = params.get("QueueNamePrefix", ""), params.get("MaxResults")
    urls = [queue.url for name, queue in sorted(world.sqs.queues.items()) if name.startswith(prefix)]
    wrong = Refusal("InvalidParameterValue", "Invalid or expired next token.")
    rows, following = page(urls, params.get("NextToken"), size or PAGE_SIZE, str, wrong)
    return {"QueueUrls": rows or None, "NextToken": following if size else None}


def delete_queue(world: World, params: Params) -> Params:
    queue = find(world, params)
    del world.sqs.queues[queue.name]
    world.sqs.deleted_at[queue.name] = now(world)
    for event in tuple(queue.waiting):
        event.set()
    return {}


def purge_queue(world: World, params: Params) -> Params:
    queue = find(world, params)
    if queue.purged_at is not None and now(world) - queue.purged_at < NAME_KEPT:
        text = f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
        raise Refusal("PurgeQueueInProgress", text)
    queue.purged_at = now(world)
    queue.messages.clear()
    return {}


def get_queue_attributes(world: World, params: Params) -> Params:
    found = attributes.shown(find(world, params), now(world))
    asked = params.get("AttributeNames") or []
    known = attributes.DEFAULTS.keys() | attributes.NUMBERS.keys() | attributes.DOCUMENTS | attributes.TEXTS
    for name in asked:
        if name != "All" and name not in known | attributes.READ_ONLY | attributes.OF_FIFO:
            raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")
    chosen = found if "All" in asked else {name: found[name] for name in asked if name in found}
    return {"Attributes": chosen or None}


def set_queue_attributes(world: World, params: Params) -> Params:
    queue = find(world, params)
    queue.attributes |= attributes.checked(world, params["Attributes"])
    queue.modified_at = now(world)
    return {}


def list_dead_letter_source_queues(world: World, params: Params) -> Params:
    queue = find(world, params)
    urls = [one.url for one in world.sqs.queues.values() if attributes.dead_letters(world, one)[0] is queue]
    return {"queueUrls": urls}


def list_queue_tags(world: World, params: Params) -> Params:
    return {"Tags": dict(find(world, params).tags) or None}


def tag_queue(world: World, params: Params) -> Params:
    queue = find(world, params)
    tags = queue.tags | params["Tags"]
    if len(tags) > MOST_TAGS:
        raise Refusal("InvalidParameterValue", f"Too many tags added for queue {queue.name}.")
    queue.tags = tags
    return {}


def untag_queue(world: World, params: Params) -> Params:
    queue = find(world, params)
    for key in params["TagKeys"]:
        queue.tags.pop(key, None)
    return {}
