"""Queues, by the SQS API reference: visibility, redrive, long polls on a manual and on a fast clock, errors."""

from __future__ import annotations

import json
import threading
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from reconciler.local.inprocess import Laptop
from reconciler.local.server import Server
from tests.local.control_plane.stage import refused


@pytest.fixture
def sqs(laptop: Laptop) -> Any:
    return laptop.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="jobs")["QueueUrl"])


def received(sqs: Any, url: str, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, **params).get("Messages", [])
    return rows


def counts(sqs: Any, url: str) -> tuple[str, str, str]:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    return tuple(found[name] for name in names)  # type: ignore[return-value]  # three


def test_a_received_message_is_hidden_until_its_visibility_timeout(laptop: Laptop, sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=60)
    assert counts(sqs, url) == ("1", "0", "1")
    (first,) = received(sqs, url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert first["Body"] == "a"
    assert first["MessageAttributes"]["k"]["StringValue"] == "v"
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert received(sqs, url) == []
    assert counts(sqs, url) == ("0", "1", "1")
    laptop.advance(30)
    (again,) = received(sqs, url, AttributeNames=["ApproximateReceiveCount"])
    assert again["Attributes"] == {"ApproximateReceiveCount": "2"}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])  # not the newest handle
    assert counts(sqs, url) == ("0", "1", "1")
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(sqs, url) == ("1", "0", "1")
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=5)
    (third,) = received(sqs, url)
    assert sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "1", "ReceiptHandle": third["ReceiptHandle"]}, {"Id": "2", "ReceiptHandle": "nonsense"}],
    )["Failed"][0] == {
        "Id": "2",
        "SenderFault": True,
        "Code": "ReceiptHandleIsInvalid",
        "Message": 'The input receipt handle "nonsense" is not a valid receipt handle.',
    }
    sqs.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])  # deleting it again is no error
    assert counts(sqs, url) == ("0", "0", "1")


def test_what_is_received_too_often_goes_to_the_dead_letter_queue(laptop: Laptop, sqs: Any, url: str) -> None:
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "5"})
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert len(received(sqs, url)) == 1
        laptop.advance(5)
    assert received(sqs, url) == []
    (message,) = received(sqs, dead, MessageSystemAttributeNames=["All"])
    assert message["Body"] == "poison"
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(":jobs")


def test_a_long_poll_on_a_manual_clock_lets_time_pass(laptop: Laptop, sqs: Any, url: str) -> None:
    began = laptop.clock.monotonic()
    assert received(sqs, url, WaitTimeSeconds=20) == []
    assert laptop.clock.monotonic() - began == pytest.approx(20, abs=0.01)
    sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=7)
    assert [one["Body"] for one in received(sqs, url, WaitTimeSeconds=20)] == ["a"]
    assert laptop.clock.monotonic() - began == pytest.approx(27, abs=0.01)


def test_a_long_poll_blocks_no_other_call(server: Server) -> None:
    """A poll of twenty seconds on a clock a hundred times as fast ends with the message that another client sends."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-west-2"}
    sqs = boto3.client("sqs", endpoint_url=server.url, **keys)
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    found: list[Any] = []
    poll = threading.Thread(target=lambda: found.append(received(sqs, url, WaitTimeSeconds=20)))
    began = server.laptop.clock.monotonic()
    poll.start()
    sqs.send_message(QueueUrl=url, MessageBody="a")
    poll.join(timeout=10)
    assert [one["Body"] for one in found[0]] == ["a"]
    assert server.laptop.clock.monotonic() - began < 20


def test_queues_are_created_once_and_their_names_rest_after_deletion(laptop: Laptop, sqs: Any, url: str) -> None:
    assert url == "https://sqs.us-west-2.amazonaws.com/123456789012/jobs"
    assert sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "30"})["QueueUrl"] == url
    with refused("QueueAlreadyExists"):
        sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "31"})
    sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["b"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "1"}
    tagged = laptop.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["sqs:queue"])
    assert [one["ResourceARN"] for one in tagged["ResourceTagMappingList"]] == [
        "arn:aws:sqs:us-west-2:123456789012:jobs"
    ]
    assert sqs.list_queues(QueueNamePrefix="jo")["QueueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url)[0] == "0"
    with refused("AWS.SimpleQueueService.PurgeQueueInProgress"):
        sqs.purge_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    with refused("AWS.SimpleQueueService.QueueDeletedRecently"):
        sqs.create_queue(QueueName="jobs")
    laptop.advance(60)
    sqs.create_queue(QueueName="jobs")


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"Policy": "{"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": '{"maxReceiveCount": 1}'}, "InvalidAttributeValue"),
        (
            {"RedrivePolicy": '{"maxReceiveCount": 1, "deadLetterTargetArn": "arn:aws:sqs:us-west-2:1:none"}'},
            "InvalidParameterValue",
        ),
        (
            {"RedrivePolicy": '{"maxReceiveCount": "\u00b2", "deadLetterTargetArn": "arn:aws:sqs:us-west-2:1:none"}'},
            "InvalidAttributeValue",
        ),
        ({"Policy": '{"Statement": "everything"}'}, "InvalidAttributeValue"),
        ({"Policy": '{"Statement": [null]}'}, "InvalidAttributeValue"),
        ({"Policy": '{"Statement": {"Effect": "Allow", "Resource": 5}}'}, "InvalidAttributeValue"),
        ({"Policy": '{"Statement": {"Effect": "Allow", "Condition": {"ArnEquals": 5}}}'}, "InvalidAttributeValue"),
        (
            {"Policy": '{"Statement": {"Effect": "Allow", "Condition": {"ArnEquals": {"aws:SourceArn": null}}}}'},
            "InvalidAttributeValue",
        ),
        ({"Colour": "blue"}, "InvalidAttributeName"),
        ({"FifoQueue": "true"}, "AWS.SimpleQueueService.UnsupportedOperation"),
    ],
)
def test_bad_attributes_are_refused(sqs: Any, attributes: dict[str, str], code: str) -> None:
    with refused(code):
        sqs.create_queue(QueueName="jobs", Attributes=attributes)


@pytest.mark.parametrize("params", [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": -1}])
def test_a_receive_out_of_range_is_refused(sqs: Any, url: str, params: dict[str, int]) -> None:
    with refused("InvalidParameterValue"):
        received(sqs, url, **params)


def test_a_batch_is_of_one_to_ten_distinct_entries(sqs: Any, url: str) -> None:
    entries = [{"Id": str(number), "MessageBody": "a"} for number in range(11)]
    with refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest"):
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    with refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct"):
        sqs.send_message_batch(QueueUrl=url, Entries=[entries[0], entries[0]])
    with pytest.raises(ClientError):
        sqs.send_message_batch(QueueUrl=url, Entries=[])
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries[:10])["Successful"]) == 10
    assert len(received(sqs, url, MaxNumberOfMessages=10)) == 10


@pytest.mark.parametrize("one", [{"DataType": "String"}, {"DataType": "Binary", "StringValue": "a"}])
def test_a_message_attribute_without_its_value_is_refused(sqs: Any, url: str, one: dict[str, str]) -> None:
    """And nothing is left in the queue that a receive would fail on."""
    with refused("InvalidParameterValue"):
        sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes={"kind": one})
    assert received(sqs, url, MessageAttributeNames=["All"]) == []


def test_a_receipt_handle_of_any_text_is_refused(sqs: Any, url: str) -> None:
    for text in ("a", "\u00e9", ""):
        with refused("ReceiptHandleIsInvalid"):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=text)
