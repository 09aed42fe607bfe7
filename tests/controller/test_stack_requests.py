"""What people say of a stack is read from a service's tags, and answered there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller.stack_requests import StackRequests
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Call, Observed
from reconciler.reconcile import request_tags
from reconciler.reconcile.request_tags import RequestTags

ARN = "arn:aws:ecs:us-west-2:123456789012:service/apps/web"
WEB = Address("service", "web")
FORMAT = {"reconciler:stack-format": "1"}


class Ecs:
    """Takes tags, or refuses with `refusal`."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.others: dict[str, dict[str, str]] = {}
        self.refusal: Exception | None = None

    def perform(self, call: Call) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        arn = call.params["resourceArn"]
        tags = self.tags if arn == ARN else self.others[arn]
        if call.operation == "UntagResource":
            for key in call.params["tagKeys"]:
                del tags[key]
        else:
            assert call.operation == "TagResource"
            tags |= {tag["key"]: tag["value"] for tag in call.params["tags"]}
        return {}


def board(ecs: Ecs) -> StackRequests:
    aws = AwsClient(ecs, clock=ManualClock())
    aws.mine.add(ARN)
    return StackRequests(aws)


def world(tags: Mapping[str, str]) -> ObservedState:
    return ObservedState({"service": (Observed(WEB, ARN, None, dict(tags), facts={"arn": ARN}),)})


UNREADABLE = ObservedState(unreadable={"service": errors.Denied("no")})


def test_what_was_said_holds_while_services_cannot_be_read() -> None:
    """A stack that was suspended stays so: nobody has taken it back."""
    found = board(Ecs())
    found.read(world({request_tags.SUSPEND: "ana"}), "shop", {WEB})
    found.read(UNREADABLE, "shop", {WEB})
    assert found.tags == RequestTags(suspended="ana")
    assert found.unread is None
    found.read(world({}), "shop", {WEB})
    assert found.tags == RequestTags()


def test_before_the_first_reading_nothing_is_known() -> None:
    """Not even that nothing was ever in place; and again, after somebody else may have been in charge."""
    found = board(Ecs())
    found.read(UNREADABLE, "shop", {WEB})
    assert found.unread is not None
    found.read(world({request_tags.REVISION: "abc first"}), "shop", {WEB})
    assert (found.unread, found.tags.revision) == (None, "abc")
    found.doubt()
    found.read(UNREADABLE, "shop", {WEB})
    assert found.unread is not None


def test_what_is_in_place_is_written_once_and_a_poke_answered_once() -> None:
    """The second writing does not forget the first."""
    ecs = Ecs()
    found = board(ecs)
    found.read(world({request_tags.REQUEST: "p1"}), "shop", {WEB})
    assert found.in_place("4f1c2abd", "More tasks")
    assert found.answer("4f1c2ab")
    assert not found.in_place("4f1c2abd", "More tasks")
    assert not found.answer("4f1c2ab")
    assert ecs.tags == FORMAT | {request_tags.REVISION: "4f1c2abd More tasks", request_tags.HANDLED: "p1:4f1c2ab"}
    assert found.tags == RequestTags("p1", "p1", "", "4f1c2abd")


def test_what_cannot_be_written_is_written_later() -> None:
    """AWS's refusal is no news of the stack; a lost lease is."""
    ecs = Ecs()
    found = board(ecs)
    found.read(world({}), "shop", {WEB})
    ecs.refusal = errors.Denied("no")
    assert not found.in_place("4f1c2abd", "")
    ecs.refusal = errors.LeaseLost("it is over")
    with pytest.raises(errors.LeaseLost):
        found.in_place("4f1c2abd", "")
    ecs.refusal = None
    assert found.in_place("4f1c2abd", "")


def test_a_stack_without_services_hears_nothing() -> None:
    """There is nowhere to write either."""
    found = board(Ecs())
    found.read(ObservedState({"service": ()}), "shop", {WEB})
    assert (found.tags, found.unread) == (RequestTags(), None)
    assert not found.in_place("4f1c2abd", "")


def test_another_service_takes_over_the_tags_of_the_first() -> None:
    """A service that sorts first comes in: the stack stays suspended, a poke is answered where it was said, and the
    revision moves over."""
    old, first = f"{ARN}-old", Address("service", "a")
    ecs = Ecs()
    ecs.others[old] = {request_tags.SUSPEND: "ana", request_tags.REVISION: "r1 one", request_tags.REQUEST: "p1"}
    aws = AwsClient(ecs, clock=ManualClock())
    aws.mine.add(ARN, old)
    found = StackRequests(aws)
    world = ObservedState(
        {
            "service": (
                Observed(WEB, old, None, dict(ecs.others[old]), facts={"arn": old}),
                Observed(first, ARN, None, {}, facts={"arn": ARN}),
            )
        }
    )
    found.read(world, "shop", {WEB, first})
    assert found.tags == RequestTags("p1", "", "ana", "r1")
    assert found.in_place("r2", "two")
    assert found.answer("r2")
    assert ecs.tags == FORMAT | {request_tags.REVISION: "r2 two"}
    answered = {request_tags.SUSPEND: "ana", request_tags.REQUEST: "p1", request_tags.HANDLED: "p1:r2"}
    assert ecs.others[old] == FORMAT | answered
    assert found.tags == RequestTags("p1", "p1", "ana", "r2")
    assert not found.in_place("r2", "two")
    assert not found.answer("r2")


def test_accepted_history_is_taken_back_once_it_is_in_place() -> None:
    """From then on every commit has to descend from it."""
    ecs = Ecs()
    ecs.tags = {request_tags.ACCEPTED: "fedcba9", request_tags.REVISION: "older before"}
    found = board(ecs)
    found.read(world(ecs.tags), "shop", {WEB})
    assert found.tags == RequestTags(revision="older", accepted="fedcba9")
    assert found.in_place("fedcba9876", "after")
    assert ecs.tags == FORMAT | {request_tags.REVISION: "fedcba9876 after"}
    assert (found.tags.revision, found.tags.accepted) == ("fedcba9876", "")
    assert not found.in_place("fedcba9876", "after")


def test_accepted_history_is_kept_until_it_is_in_place() -> None:
    """A pass that still has the revision before reads it first, and the source is asked only after that."""
    ecs = Ecs()
    ecs.tags = {request_tags.ACCEPTED: "fedcba9", request_tags.REVISION: "older before"}
    found = board(ecs)
    found.read(world(ecs.tags), "shop", {WEB})
    assert not found.in_place("older", "before")
    assert found.tags.accepted == "fedcba9"
