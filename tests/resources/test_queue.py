"""Queues of SQS: the law example, and what is no second queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Desired
from reconciler.resources.queue import Queue, QueueSpec
from tests.conftest import ACCOUNT, REGION
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, scope, tagged

DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events-dead"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events",
        }
    ],
}

EXAMPLE = Example(
    wish(
        "queue/events",
        QueueSpec(name="shop-events", retention_seconds=3600, visibility_seconds=60, encrypted=True, policy=POLICY),
    ),
    edits=(
        Edit({"retention_seconds": 7200}, "retention_seconds"),
        Edit({"visibility_seconds": 90}, "visibility_seconds"),
        Edit({"encrypted": False}, "encrypted"),
    ),
    unique=True,
    decoys=(wish("queue/decoy", QueueSpec(name="decoy-events", retention_seconds=3600)),),
)

URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/shop-events"
WANT = wish("queue/events", QueueSpec(name="shop-events", receives=3, dead_letter=DEAD))


def attributes(**more: Any) -> dict[str, Any]:
    return {"Attributes": {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events", **more}}


def test_a_queue_of_somebody_else_is_not_taken_for_a_new_one() -> None:
    """SQS answers with a queue that has the same attributes as if it had made it."""
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))

    with pytest.raises(errors.Exists):
        Talk(CreateQueue={"QueueUrl": URL}, ListQueueTags={"Tags": {}}).hold(Queue().create(new))
    assert Talk(CreateQueue={"QueueUrl": URL}, ListQueueTags={"Tags": tagged(WANT)}).hold(Queue().create(new)) == URL


def test_both_halves_of_a_redrive_policy_are_written_together() -> None:
    """SQS replaces the attribute as a whole; a console writes the number as a text."""
    redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "5"})
    talk = Talk(
        GetQueueUrl={"QueueUrl": URL},
        GetQueueAttributes=attributes(RedrivePolicy=redrive),
        ListQueueTags={"Tags": tagged(WANT)},
    )
    (old,) = talk.hold(Queue().observe(scope(WANT)))
    changes = diff(old, WANT.spec)
    assert [str(change) for change in changes] == ["receives"]

    talk.hold(Queue().update(old, WANT, changes))

    (written,) = talk.params("SetQueueAttributes")
    assert json.loads(written["Attributes"]["RedrivePolicy"]) == {"deadLetterTargetArn": DEAD, "maxReceiveCount": 3}


def test_a_queue_without_encryption_by_sqs_may_have_a_key_of_its_own() -> None:
    """Encryption with a key of the account is encryption, too."""
    talk = Talk(
        GetQueueUrl={"QueueUrl": URL},
        GetQueueAttributes=attributes(SqsManagedSseEnabled="false", KmsMasterKeyId="alias/events"),
        ListQueueTags={"Tags": tagged(WANT)},
    )
    (found,) = talk.hold(Queue().observe(scope(WANT)))
    assert found.spec.encrypted is True
