"""The listener of a stack's queue: what becomes of each message, and when the queue is trusted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.session import Identity
from reconciler.clock import ManualClock
from reconciler.controller import event_listener
from reconciler.controller.event_listener import EventListener
from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Call, Observed
from reconciler.model.type_registry import discover
from reconciler.resources.queue import QueueSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.spec.compile.events import QUEUE
from tests.conftest import ACCOUNT, REGION
from tests.harness.aws_events import PERSON, alarm_changed, api_call
from tests.laws.example import wish

URL, ARN = "https://sqs/shop-events", f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events"
OPERATOR = f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/0f3b"
OURS = ownership.tags_for("shop", QUEUE, protect=False, declared={})


class Account:
    """Answers the listener; a test changes `answers`, and puts bodies into `messages`."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.deleted: list[str] = []
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            "DescribeRule": {"State": "ENABLED"},
            "ListTargetsByRule": {"Targets": [{"Id": "controller", "Arn": ARN}]},
            "DescribeTrails": {"trailList": [{"TrailARN": "all", "IsMultiRegionTrail": True}]},
            "GetTrailStatus": {"IsLogging": True},
            "GetEventSelectors": {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]},
            "LookupEvents": {"Events": []},
        }

    def perform(self, call: Call) -> dict[str, Any]:
        self.asked.append(call.operation)
        found = self.answers.get(call.operation)
        if isinstance(found, Exception):
            raise found
        if call.operation == "ReceiveMessage":
            taken, self.messages = self.messages[:10], self.messages[10:]
            return {"Messages": [{"MessageId": body, "ReceiptHandle": body, "Body": body} for body in taken]}
        if call.operation == "DeleteMessageBatch":
            self.deleted += [entry["ReceiptHandle"] for entry in call.params["Entries"]]
            return {}
        assert isinstance(found, dict), call.operation
        return found

    def send(self, *events: dict[str, Any] | str) -> None:
        self.messages += [one if isinstance(one, str) else json.dumps(one) for one in events]


def world(owner: dict[str, str] = OURS) -> ObservedState:
    group = wish("security-group/web", SecurityGroupSpec(vpc="vpc-1", group_name="web", description=""))
    queue = Observed(QUEUE, URL, QueueSpec(name="shop-events"), tags=owner, facts={"arn": ARN})
    return ObservedState(
        {"queue": (queue,), "security-group": (Observed(group.address, "sg-1", group.spec, tags=owner),)}
    )


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def listener(account: Account, woken: threading.Event) -> EventListener:
    aws = AwsClient(account, clock=ManualClock())
    identity = Identity(ACCOUNT, OPERATOR, REGION, "aws")
    found = EventListener(aws, discover(), identity, "shop", mine={"mine"}.__contains__, wake=woken.set)
    found.update(world(), wanted=True)
    found.turn()
    account.asked.clear()
    woken.clear()
    return found


def change(id: str, group: str = "sg-1", **more: Any) -> dict[str, Any]:
    return api_call(id, "ec2", "DeleteSecurityGroup", {"groupId": group}, **more)


def test_what_concerns_the_stack_wakes_the_controller(
    listener: EventListener, account: Account, woken: threading.Event
) -> None:
    """It is handed over with who did it, once, and deleted."""
    account.send(change("1"))
    listener.turn()

    wake = listener.take()
    assert woken.is_set()
    assert wake.named == {"security-group": {"sg-1"}}
    assert [event.caller.arn for event in wake.events if event.caller] == [PERSON]
    assert (len(account.deleted), listener.take().events) == (1, ())


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        (change("1", request="mine"), "own"),
        (change("1", arn=OPERATOR, agent="reconciler/0.1.0 Boto3/1.44"), "own"),
        (change("1", arn=OPERATOR, agent="aws-cli/2.15"), "woke"),
        (change("1", agent="reconciler/0.1.0 Boto3/1.44"), "woke"),
        (change("1", group="sg-2"), "unrelated"),
        (change("1") | {"account": "999999999999"}, "unrelated"),
        (alarm_changed("1", "of-others"), "unrelated"),
    ],
)
def test_what_a_message_is(listener: EventListener, account: Account, sent: dict[str, Any], result: str) -> None:
    """Its own calls wake nobody, else each pass would wake the next; somebody else at its keys does."""
    account.send(sent)
    listener.turn()
    assert dict(listener.counts) == {result: 1}
    assert bool(listener.take().events) is (result == "woke")
    assert len(account.deleted) == 1


def test_a_message_that_comes_again_is_handed_over_once(listener: EventListener, account: Account) -> None:
    """EventBridge and SQS both deliver at least once."""
    account.send(change("1"), change("1"), change("2"))
    listener.turn()
    account.send(change("1"))
    listener.turn()
    assert dict(listener.counts) == {"woke": 2, "duplicate": 2}
    assert [event.id for event in listener.take().events] == ["1", "2"]


def test_what_cannot_be_read_is_left_to_sqs(listener: EventListener, account: Account) -> None:
    """It is counted and not deleted, and keeps nothing else waiting."""
    account.send("poison", "[1]", change("1"))
    listener.turn()
    assert dict(listener.counts) == {"unreadable": 2, "woke": 1}
    assert len(account.deleted) == 1
    assert not listener.distrusted


def test_a_message_that_was_not_deleted_is_a_duplicate(listener: EventListener, account: Account) -> None:
    """A deletion that is refused, as by the fence, loses nothing and repeats nothing."""
    account.answers["DeleteMessageBatch"] = errors.Denied("not allowed")
    account.send(change("1"))
    listener.turn()
    assert "not allowed" in listener.distrusted
    del account.answers["DeleteMessageBatch"]
    account.send(change("1"))
    listener._aws.clock.advance(event_listener.RECHECK_SECONDS)  # type: ignore[attr-defined]
    listener.turn()
    assert dict(listener.counts) == {"woke": 1, "duplicate": 1}
    assert not listener.distrusted


def stopped(account: Account) -> None:
    account.answers["GetTrailStatus"] = {"IsLogging": False}


def elsewhere(account: Account) -> None:
    account.answers["DescribeTrails"] = {"trailList": [{"TrailARN": "all", "HomeRegion": "eu-west-1"}]}


def reads_only(account: Account) -> None:
    account.answers["GetEventSelectors"] = {"EventSelectors": [{"ReadWriteType": "ReadOnly"}]}


def data_only(account: Account) -> None:
    fields = [{"Field": "eventCategory", "Equals": ["Data"]}]
    account.answers["GetEventSelectors"] = {"AdvancedEventSelectors": [{"FieldSelectors": fields}]}


def disabled(account: Account) -> None:
    account.answers["DescribeRule"] = {"State": "DISABLED"}


def without_target(account: Account) -> None:
    account.answers["ListTargetsByRule"] = {"Targets": []}


def without_rule(account: Account) -> None:
    account.answers["DescribeRule"] = errors.Gone("no such rule")


def without_queue(account: Account) -> None:
    account.answers["ReceiveMessage"] = errors.Gone("no such queue")


def denied(account: Account) -> None:
    account.answers["ReceiveMessage"] = errors.Denied("not allowed")


@pytest.mark.parametrize(
    "broken",
    [stopped, elsewhere, reads_only, data_only, disabled, without_target, without_rule, without_queue, denied],
)
def test_a_queue_that_may_miss_changes_is_not_trusted(
    listener: EventListener, account: Account, woken: threading.Event, broken: Callable[[Account], None]
) -> None:
    """It is noticed within ten minutes, and over within two."""
    before = dict(account.answers)
    broken(account)
    listener._aws.clock.advance(event_listener.CHECK_SECONDS)  # type: ignore[attr-defined]
    listener.turn()
    assert listener.distrusted
    assert woken.is_set()
    account.answers = before
    woken.clear()
    listener._aws.clock.advance(event_listener.RECHECK_SECONDS)  # type: ignore[attr-defined]
    assert listener.turn()
    assert (listener.distrusted, woken.is_set()) == ("", True)


def test_the_delivery_is_checked_now_and_then(listener: EventListener, account: Account) -> None:
    """A trail and a rule that were there are asked for again after ten minutes."""
    for _ in range(3):
        listener.turn()
    assert account.asked == ["ReceiveMessage"] * 3


def test_the_queue_of_another_stack_is_not_received(listener: EventListener, account: Account) -> None:
    """Another controller would miss what was taken from it."""
    listener.update(world(ownership.tags_for("other", QUEUE, protect=False, declared={})), wanted=True)
    listener.turn()
    assert (account.asked, listener.distrusted) == ([], event_listener.NOT_YET)


def test_nothing_is_received_after_a_leadership_term(listener: EventListener, account: Account) -> None:
    """Events are for whoever leads."""
    listener.update(ObservedState(), wanted=False)
    listener.turn()
    assert (account.asked, listener.wanted) == ([], False)


def test_it_stops_while_sqs_holds_it(account: Account) -> None:
    """A shutdown waits for no message."""
    held, asked = threading.Event(), threading.Event()
    perform = account.perform

    def holding(call: Call) -> dict[str, Any]:
        if call.operation == "ReceiveMessage":
            asked.set()
            held.wait(10)
        return perform(call)

    account.perform = holding  # type: ignore[method-assign]
    event_listener_closing = EventListener(
        AwsClient(account), discover(), Identity(ACCOUNT, OPERATOR, REGION, "aws"), "shop",
        mine=lambda _: False, wake=lambda: None,
    )  # fmt: skip
    with event_listener_closing as listener:
        listener.update(world(), wanted=True)
        assert asked.wait(10)
        began = threading.active_count()
        held.set()
    assert threading.active_count() <= began


RECORDED = {"recipientAccountId": ACCOUNT, "eventTime": "2026-01-01T00:00:00Z"}


def swept(account: Account, *changes: dict[str, Any], more: str | None = None) -> None:
    """CloudTrail's event history has these calls."""
    shown = [{"CloudTrailEvent": json.dumps(one["detail"] | RECORDED)} for one in changes]
    account.answers["LookupEvents"] = {"Events": shown, "NextToken": more}


def sweep(listener: EventListener, minutes: float = 16) -> None:
    clock = listener._aws.clock
    assert isinstance(clock, ManualClock)
    clock.advance(minutes * 60)
    listener.turn()


def test_a_call_whose_event_was_lost_is_found_in_the_event_history(listener: EventListener, account: Account) -> None:
    """Once, and with who did it; nothing is asked before the next sweep is due."""
    swept(account, change("1"))
    sweep(listener)
    wake = listener.take()
    assert wake.named == {"security-group": {"sg-1"}}
    assert [event.caller.arn for event in wake.events if event.caller] == [PERSON]
    assert (listener.counts["missed"], listener.unswept) == (1, "")
    account.asked.clear()
    sweep(listener, 14)
    assert "LookupEvents" not in account.asked
    sweep(listener, 2)
    assert (account.asked.count("LookupEvents"), listener.take().events) == (2, ())  # here, and where IAM's events are


def test_a_call_is_read_once_whichever_way_it_comes(listener: EventListener, account: Account) -> None:
    """EventBridge gives an event an id of its own; the record has CloudTrail's."""
    account.send(change("1"))
    listener.turn()
    listener.take()
    swept(account, change("1"), change("2"))
    sweep(listener)
    assert [event.request_id for event in listener.take().events] == ["request-of-2"]
    account.send(change("2"))
    listener.turn()
    assert (listener.take().events, listener.counts["duplicate"]) == ((), 1)


@pytest.mark.parametrize("sent", [change("1", request="mine"), change("1", group="sg-2"), change("1", errorCode="No")])
def test_a_sweep_drops_what_concerns_nothing(listener: EventListener, account: Account, sent: dict[str, Any]) -> None:
    swept(account, sent)
    sweep(listener)
    assert (listener.take().events, listener.counts["missed"]) == ((), 0)


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (errors.Denied("no"), "cloudtrail:LookupEvents is not allowed"),
        (errors.AwsError("gone"), "CloudTrail did not answer"),
        ("endless", "more than 60 API calls that write in half an hour"),
    ],
)
def test_a_sweep_that_does_not_see_everything_says_why(
    listener: EventListener, account: Account, answer: Any, because: str
) -> None:
    """Until one does again; the queue is trusted meanwhile."""
    swept(account, change("1"), more="more")
    if isinstance(answer, Exception):
        account.answers["LookupEvents"] = answer
    sweep(listener)
    assert because in listener.unswept
    assert listener.distrusted == ""
    swept(account)
    sweep(listener)
    assert listener.unswept == ""
