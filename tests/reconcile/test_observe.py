"""Reading the account: what is read in batches, and what is read one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import SystemClock
from reconciler.model.diff import Change
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Call, Calls, Desired, Observed, ServiceApi, Spec
from reconciler.model.resource_type import Depth, ResourceType, Scope
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.observe import StackId, observe
from reconciler.resources.role import Role

PATIENCE = 10.0
PLACE = StackId("shop", "123456789012", "us-west-2")
ecs = ServiceApi("ecs")


class Note(Spec):
    text: str | None = None


class Base(ResourceType[Note]):
    kind: ClassVar[str] = "base"
    Spec = Note

    def observe(self, scope: Scope) -> Calls[list[Observed[Note]]]:
        yield ecs.list_clusters()
        return [Observed(Address("base", "one"), "id-1", Note(), unread=frozenset({"text"}))]

    def observe_details(self, found: Sequence[Observed[Note]], scope: Scope) -> Calls[list[Observed[Note]]]:
        yield ecs.describe_clusters()
        return [replace(one, spec=Note(text="read"), unread=frozenset()) for one in found]

    def create(self, new: Desired[Note]) -> Calls[str]:
        raise NotImplementedError

    def update(self, old: Observed[Note], new: Desired[Note], changes: tuple[Change, ...]) -> Calls[None]:
        raise NotImplementedError

    def delete(self, old: Observed[Note]) -> Calls[None]:
        raise NotImplementedError

    def update_tags(self, old: Observed[Note], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        raise NotImplementedError


class Above(Base):
    kind: ClassVar[str] = "above"
    observe_after: ClassVar[tuple[str, ...]] = ("base",)

    def observe(self, scope: Scope) -> Calls[list[Observed[Note]]]:
        yield ecs.list_services()
        return [Observed(Address("above", "one"), f"on {scope.seen['base'][0].id}", Note())]

    observe_details = ResourceType.observe_details


class Scripted:
    """Answers; the reads one by one only once those above were read, or never."""

    def __init__(self, refusal: errors.AwsError | None = None) -> None:
        self.refusal, self.above, self.asked = refusal, threading.Event(), list[str]()

    def perform(self, call: Call) -> dict[str, Any]:
        self.asked.append(call.operation)
        match call.operation:
            case "ListServices":
                self.above.set()
            case "DescribeClusters":
                assert self.above.wait(PATIENCE), "what builds on it waited for what is read one by one"
                if self.refusal is not None:
                    raise self.refusal
            case "GetResources":
                return {"ResourceTagMappingList": []}
        return {}


def look(script: Scripted, depth: Depth = Depth.FULL) -> ObservedState:
    aws = AwsClient(script)
    try:
        return observe(aws, ResourceTypes([Base(), Above()]), PLACE, (), depth=depth)
    finally:
        aws.close()


def test_nobody_waits_for_what_is_read_one_by_one() -> None:
    """What builds on a kind begins with its batches; in the end the kind is read whole."""
    world = look(Scripted())
    assert [one.id for one in world.found["above"]] == ["on id-1"]
    (base,) = world.found["base"]
    assert (base.spec.text, base.unread) == ("read", frozenset())


def test_half_a_read_is_no_read() -> None:
    """A kind that could not be read whole is unknown, and not taken for what its batches say."""
    denied = errors.Denied("no", call="ecs.DescribeClusters", code="AccessDenied")
    world = look(Scripted(denied))
    assert "base" not in world.found
    assert world.unreadable == {"base": denied}
    assert [one.id for one in world.found["above"]] == ["on id-1"]


def test_only_a_full_pass_reads_one_by_one() -> None:
    """A medium pass leaves out what takes a call for each single resource, and says that it did."""
    script = Scripted()
    world = look(script, Depth.MEDIUM)
    assert "DescribeClusters" not in script.asked
    assert world.found["base"][0].unread == {"text"}


class Looking(Base):
    """Needs the sweep to know what to ask for."""

    kind: ClassVar[str] = "looking"

    def observe(self, scope: Scope) -> Calls[list[Observed[Note]]]:
        names = sorted(scope.swept_arns("ecs", "service/"))
        yield ecs.describe_services(services=names)
        return [Observed(Address("looking", name), name, Note()) for name in names]

    observe_details = ResourceType.observe_details


class Sweeping:
    """A tagging service that answers, or refuses, when everything that does not need it has been read."""

    ARN = "arn:aws:ecs:us-west-2:123456789012:service/shop/web"

    def __init__(self, refusal: errors.AwsError | None = None) -> None:
        self.refusal, self.read, self.asked = refusal, threading.Event(), list[str]()

    def perform(self, call: Call) -> dict[str, Any]:
        self.asked.append(call.operation)
        match call.operation:
            case "ListServices":
                self.read.set()
            case "GetResources":
                assert self.read.wait(PATIENCE), "what does not need the sweep waited for it"
                if self.refusal is not None:
                    raise self.refusal
                return {"ResourceTagMappingList": [{"ResourceARN": self.ARN, "Tags": []}]}
        return {}


def sweep(script: Sweeping) -> ObservedState:
    aws = AwsClient(script)
    try:
        return observe(aws, ResourceTypes([Looking(), Base(), Above()]), PLACE, ())
    finally:
        aws.close()


def test_only_those_wait_for_the_sweep_who_look_into_it() -> None:
    """Its pages come one after the other; what needs none of them is read meanwhile."""
    script = Sweeping()
    world = sweep(script)
    assert [one.id for one in world.found["looking"]] == [Sweeping.ARN]
    assert [one.id for one in world.found["above"]] == ["on id-1"]
    assert world.swept == {Sweeping.ARN: {}}
    assert script.asked.count("GetResources") == 1


def test_without_the_sweep_nothing_is_known() -> None:
    """What the stack owns cannot be told then, whatever else was read."""
    denied = errors.Denied("no", call="resourcegroupstaggingapi.GetResources", code="AccessDenied")
    with pytest.raises(errors.Denied):
        sweep(Sweeping(denied))


class Lacking:
    """An endpoint that has no answer for one operation; the tag index has what it is given."""

    def __init__(self, operation: str, refusal: errors.AwsError, tags: Mapping[str, str]) -> None:
        self.operation, self.refusal, self.tags = operation, refusal, tags

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation == self.operation:
            raise self.refusal
        rows = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        return {"ResourceTagMappingList": [{"ResourceARN": Sweeping.ARN, "Tags": rows}] if rows else []}


LACKS: list[errors.AwsError] = [
    errors.Unserved("no such operation", code="UnknownOperationException"),
    errors.Throttled("no connection", code="ConnectionFailed"),
    errors.Ambiguous("no list in it", code="Garbled"),
]


class Elsewhere(Base):
    indexed: ClassVar[bool] = False


def without(
    refusal: errors.AwsError,
    *wanted: Desired[Note],
    tags: Mapping[str, str] | None = None,
    leaving: bool = True,
    kind: type[Base] = Base,
) -> ObservedState:
    aws = AwsClient(Lacking("ListClusters", refusal, tags or {}), clock=SystemClock(1000))
    try:
        return observe(aws, ResourceTypes([kind()]), PLACE, wanted, leaving=leaving)
    finally:
        aws.close()


@pytest.mark.parametrize("refusal", LACKS)
def test_a_type_that_is_not_served_and_that_nobody_needs_is_absent(refusal: errors.AwsError) -> None:
    """An emulator need not have every service of AWS; what only fails to answer is done without to destroy a stack."""
    world = without(refusal)
    assert (world.found, world.unreadable) == ({"base": ()}, {})
    served = not isinstance(refusal, errors.Unserved)
    assert set(without(refusal, leaving=False).unreadable) == ({"base"} if served else set())


@pytest.mark.parametrize("refusal", LACKS)
def test_a_type_that_is_not_served_is_unknown_where_the_stack_has_some(refusal: errors.AwsError) -> None:
    """The specs declare it, or the tag index knows one: that no answer comes says nothing of whether it is there."""
    one = Desired(Address("base", "one"), Note())
    owned = {"reconciler:stack": "shop", "reconciler:address": "base/one"}
    for world in (without(refusal, one), without(refusal, tags=owned)):
        assert set(world.unreadable) == {"base"}
    other = without(refusal, tags=owned | {"reconciler:address": "above/one"})
    assert other.unreadable == {}


@pytest.mark.parametrize("refusal", LACKS)
def test_what_the_tag_index_need_not_list_is_unknown_where_it_does_not_answer(refusal: errors.AwsError) -> None:
    """A stack is not destroyed while its roles are left: IAM could not be reached, and the index has none of them."""
    unserved = isinstance(refusal, errors.Unserved)
    assert set(without(refusal, kind=Elsewhere).unreadable) == (set() if unserved else {"base"})
    assert not Role.indexed


def test_a_type_that_may_not_be_read_is_unknown_even_where_nobody_needs_it() -> None:
    """A permission that is missing is a person's to give."""
    assert set(without(errors.Denied("no", code="AccessDenied")).unreadable) == {"base"}
