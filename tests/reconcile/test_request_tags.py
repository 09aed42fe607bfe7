"""Where words stand, and how they are written and read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Address, Observed
from reconciler.reconcile import request_tags
from reconciler.reconcile.request_tags import RequestTags
from tests.resources.talk import Talk

ARN = "arn:aws:ecs:us-west-2:123456789012:service/apps/"
A, B, C = (Address("service", name) for name in "abc")


def service(address: Address, stack: str = "", said: Mapping[str, str] | None = None, **facts: Any) -> Observed[Any]:
    owned = ownership.tags_for(stack, address, protect=False, declared={}) if stack else {}
    arn = f"{ARN}{address.name}"
    return Observed(address, arn, None, tags={**owned, **(said or {})}, facts={"arn": arn, **facts})


def board(services: Sequence[Observed[Any]], wanted: Collection[Address]) -> Address | None:
    found = request_tags.service_for_tags(request_tags.candidates(services, "ours", wanted), wanted)
    return None if found is None else found.address


def test_the_tags_are_written_to_the_first_service_by_name() -> None:
    """Whatever order AWS names them in, and whoever looks."""
    assert board([service(C), service(A), service(B)], {A, B, C}) == A


def test_the_tags_are_written_only_to_a_service_that_is_there_and_stays() -> None:
    """Not one that the specs do not want, that is on its way out, or that was made and does not show yet."""
    unseen = Observed(A, "(service/a)", None, facts={"unseen": True})
    assert board([service(A, "ours"), service(B)], {B}) == B
    assert board([service(A, deleting=True), service(B)], {A, B}) == B
    assert board([unseen, service(B)], {A, B}) == B
    assert board([unseen], {A}) is None
    assert board([service(A, "ours")], {B}) is None


def test_the_tags_are_read_from_every_service_of_the_stack() -> None:
    """One that comes first later, or that the specs no longer want, hides nothing; another stack's says nothing."""
    old = service(
        B, "ours", {request_tags.SUSPEND: "ana", request_tags.REVISION: "r1 first", request_tags.REQUEST: "p1"}
    )
    new = service(A, "ours", {request_tags.REQUEST: "p0", request_tags.HANDLED: "p0:r1"})
    theirs = service(C, "theirs", {request_tags.SUSPEND: "eve", request_tags.REQUEST: "p9"})
    for wanted in ({A, B, C}, {A, C}, {B, C}):
        found = request_tags.merged(request_tags.candidates([new, theirs, old], "ours", wanted))
        assert found == RequestTags(request="p1", suspended="ana", revision="r1")
    answered = replace(old, tags={**old.tags, request_tags.HANDLED: "p1:r2"})
    assert not request_tags.merged(request_tags.candidates([new, answered], "ours", {A})).pending
    assert request_tags.merged(()) == RequestTags()


def test_words_are_read_as_they_are_written() -> None:
    """As they are now: AWS is asked, with tags."""
    talk = Talk(DescribeServices={"services": [{"tags": [{"key": request_tags.REQUEST, "value": "p1"}]}]})
    talk.hold(request_tags.write(f"{ARN}a", {request_tags.SUSPEND: "ana", request_tags.REQUEST: "p1"}))
    talk.hold(request_tags.erase(f"{ARN}a", request_tags.SUSPEND))
    assert talk.hold(request_tags.read("apps", f"{ARN}a")) == {request_tags.REQUEST: "p1"}
    assert talk.params("TagResource")[0]["tags"] == [
        {"key": request_tags.REQUEST, "value": "p1"},
        {"key": "reconciler:stack-format", "value": "1"},
        {"key": request_tags.SUSPEND, "value": "ana"},
    ]
    assert talk.params("UntagResource") == [{"resourceArn": f"{ARN}a", "tagKeys": [request_tags.SUSPEND]}]
    assert talk.params("DescribeServices")[0]["include"] == ["TAGS"]


def test_a_service_that_is_gone_says_nothing() -> None:
    """Nor does one without tags."""
    assert Talk(DescribeServices={"services": []}).hold(request_tags.read("apps", ARN)) == {}
    assert Talk(DescribeServices={"services": [{}]}).hold(request_tags.read("apps", ARN)) == {}


def test_a_request_is_pending_until_it_is_answered() -> None:
    """The answer carries its id and the revision; a revision carries its first words, which are not part of it."""
    said = request_tags.of_tags(
        {request_tags.REQUEST: "p2", request_tags.HANDLED: request_tags.handled("p1", "4f1c2ab")}
    )
    assert said.pending
    assert not request_tags.of_tags(
        {request_tags.REQUEST: "p1", request_tags.HANDLED: request_tags.handled("p1", "4f1c2ab")}
    ).pending
    assert request_tags.of_tags({request_tags.REVISION: request_tags.in_place("4f1c2ab", "More tasks")}) == RequestTags(
        revision="4f1c2ab"
    )
