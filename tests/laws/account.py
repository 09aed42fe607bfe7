"""One AWS account in this process, and the stacks in it that the laws are tried on.

A `Stack` does what the engine does, in the smallest way: it creates in order, observes with everything that a kind
reads after, and sees to it that every call is one that botocore would send.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.ownership_guard import OwnershipGuard
from reconciler.aws.retry import is_read
from reconciler.model import ownership
from reconciler.model.diff import Change
from reconciler.model.resource import Address, Call, Calls, Desired, Observed, ServiceApi, T
from reconciler.model.resource_type import ResourceType, Scope
from reconciler.model.type_registry import discover
from tests.conftest import ACCOUNT, REGION


@dataclass
class Stack:
    """What one stack wants, has made, and has said to AWS."""

    aws: AwsClient
    name: str
    ids: dict[Address, str] = field(default_factory=dict)
    wants: dict[Address, Desired[Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    known: dict[str, Mapping[str, str]] = field(default_factory=dict)
    mine: OwnershipGuard = field(default_factory=OwnershipGuard)

    def tagged(self, desired: Desired[Any]) -> Desired[Any]:
        """`desired` as this stack would create it: with all its tags, and ids for what it refers to."""
        tags = ownership.tags_for(
            self.name, desired.address, protect=False, declared=desired.tags, name=desired.address.name
        )
        return replace(desired.resolved(self.ids), tags=tags)

    def make(self, *wishes: Desired[Any]) -> str:
        """Create them in order; the id of the last."""
        identifier = ""
        for wish in wishes:
            new = self.wish(wish)
            identifier = self.run(kind_of(new).create(new), creating=kind_of(new).creates)
            self.mine.add(identifier)
            self.ids[new.address] = identifier
        return identifier

    def observe(self, kind: str, *, wanted: bool = True, swept: bool = True) -> list[Observed[Any]]:
        """One observation of `kind`, after what it reads after; without `wanted`, as if no spec had it any more.

        Without `swept` the tagging service does not know anything yet: on AWS it lags by minutes. What no spec has any
        more was made long ago, so that it knows it even where moto's does not cover the type.
        """
        tags = {**({} if wanted else self.known), **self._sweep()} if swept else {}
        seen: dict[str, tuple[Observed[Any], ...]] = {}
        before = len(self.calls)
        for name in _reading_order(kind):
            scope = Scope(
                stack=self.name,
                region=REGION,
                account=ACCOUNT,
                wanted=tuple(self._wanted(name)) if wanted or name != kind else (),
                seen={other: seen[other] for other in discover()[name].observe_after},
                swept=tags,
            )
            found: list[Observed[Any]] = self.run(discover()[name].observe(scope))
            found = self.run(discover()[name].observe_details(found, scope))
            seen[name] = tuple(found)
            for each in found:
                if ownership.owner(each.tags) == self.name:
                    self._owns(each)
        _assert_reads_once(self.calls[before:])
        return list(seen[kind])

    def the(self, desired: Desired[Any], *, swept: bool = True) -> Observed[Any]:
        """What is observed at the address of `desired`, which has to be one thing and ours."""
        found = [each for each in self.observe(desired.address.kind, swept=swept) if each.address == desired.address]
        assert len(found) == 1, f"{len(found)} of {desired.address} were observed, not one"
        assert ownership.owner(found[0].tags) == self.name, f"{desired.address} came back without our tags"
        return found[0]

    def wish(self, desired: Desired[Any]) -> Desired[Any]:
        """Let the specs say `desired` from now on; as the type gets to see it."""
        new = self.tagged(desired)
        self.wants[new.address] = new
        return new

    def update(self, old: Observed[Any], new: Desired[Any], changes: tuple[Change, ...]) -> None:
        identifier = self.run(kind_of(new).update(old, new, changes))
        if identifier is not None:
            self.ids[new.address] = identifier
            self.mine.add(identifier)

    def delete(self, old: Observed[Any]) -> None:
        self.run(discover()[old.address.kind].delete(old))

    def run(self, conversation: Calls[T], *, creating: Collection[str] | None = None) -> T:
        self.aws.mine = self.mine
        return self.aws.run(self._watch(conversation), creating=creating, fresh=creating is not None)

    def _watch(self, conversation: Calls[T]) -> Calls[T]:
        """The same conversation, with every call written down and held against AWS's own description of it."""
        try:
            said = next(conversation)
            while True:
                calls = [said] if isinstance(said, Call) else list(said.calls)
                self.calls += calls
                for call in calls:
                    assert not faults(call), f"{call} is not as AWS describes it: {faults(call)}"
                try:
                    answer = yield said
                except errors.AwsError as refusal:
                    said = conversation.throw(refusal)
                else:
                    said = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def _owns(self, found: Observed[Any]) -> None:
        names = (found.id, *found.facts.get("ids", ()))
        self.mine.add(*names)
        self.known |= {name: found.tags for name in names if name.startswith("arn:")}

    def _wanted(self, kind: str) -> list[Desired[Any]]:
        return [want.resolved(self.ids) for address, want in self.wants.items() if address.kind == kind]

    def _sweep(self) -> Mapping[str, Mapping[str, str]]:
        """What the tagging service knows to be the stack's."""
        answer = self.aws.run(_say(tagging.get_resources(TagFilters=[{"Key": ownership.STACK, "Values": [self.name]}])))
        return {
            each["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            for each in answer["ResourceTagMappingList"]
        }


tagging = ServiceApi("resourcegroupstaggingapi")


def kind_of(desired: Desired[Any]) -> ResourceType[Any]:
    return discover()[desired.address.kind]


def _say(call: Call) -> Calls[dict[str, Any]]:
    answer: dict[str, Any] = yield call
    return answer


def _reading_order(kind: str) -> list[str]:
    """`kind`, after everything that it reads after, each once."""
    order: list[str] = []
    for other in discover()[kind].observe_after:
        order += [name for name in _reading_order(other) if name not in order]
    return [*order, kind]


def _assert_reads_once(calls: list[Call]) -> None:
    texts = [f"{call} {json.dumps(call.params, sort_keys=True)}" for call in calls]
    assert all(is_read(call) for call in calls), f"an observation wrote: {texts}"
    twice = {text for text in texts if texts.count(text) > 1}
    assert not twice, f"read twice in one observation: {sorted(twice)}"


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def faults(call: Call) -> str:
    """What botocore would refuse in a call before sending it; empty if nothing."""
    service = _service(call.service)
    if call.operation not in service.operation_names:
        return "AWS knows no such operation"
    shape = service.operation_model(call.operation).input_shape
    if shape is None:
        return "it takes no parameters" if call.params else ""
    report: str = ParamValidator().validate(call.params, shape).generate_report()
    return report
