"""A rule of EventBridge on the account's default event bus, with its one target: which events go to a queue.

Its name is its id. A rule without its target delivers nothing, so both are one resource; targets of others at the same
rule are left alone, and go with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.resource import Call, Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _tags

events = ServiceApi("events")

TARGET = "controller"
"""Id of the target within the rule."""


class EventRuleSpec(resource.Spec):
    name: Annotated[str, FieldMark.IMMUTABLE]
    pattern: dict[str, JsonValue] | None = None
    enabled: bool | None = None
    target: str | None = None
    """ARN of what events are delivered to."""


class EventRule(ResourceType[EventRuleSpec]):
    kind: ClassVar[str] = "event-rule"
    Spec = EventRuleSpec
    changed_by: ClassVar[tuple[Operation, ...]] = (("events", "DisableRule"), ("events", "EnableRule"))
    creates: ClassVar[tuple[str, ...]] = ("PutRule",)
    named_by: ClassVar[str | None] = "name"
    depends_on: ClassVar[tuple[str, ...]] = ("queue",)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("events", "PutRule"): Binding.MAKE_BY_NAME}, tagging="TagResource"
    )

    def arns(self, spec: EventRuleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("events", f"rule/{spec.name}"),)}

    def in_terraform(self, found: Observed[EventRuleSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_cloudwatch_event_rule", f"default/{found.id}")
        for target in found.facts["targets"]:
            yield TerraformImport("aws_cloudwatch_event_target", f"default/{found.id}/{target}", target)

    def in_cloudformation(self, found: Observed[EventRuleSpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::Events::Rule", {"Arn": found.facts["arn"]})

    def observe(self, scope: Scope) -> Calls[list[Observed[EventRuleSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(wanted.keys() | {arn.rpartition("/")[2] for arn in scope.swept_arns("events", "rule/")})
        answers = yield from _gone.answers([events.describe_rule(Name=name) for name in names])
        items = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
        answers = yield from _gone.answers([events.list_targets_by_rule(Rule=name) for name in items])
        targets = {name: answer["Targets"] for name, answer in zip(items, answers, strict=True) if answer}
        answers = yield from _gone.answers(
            [events.list_tags_for_resource(ResourceARN=items[name]["Arn"]) for name in targets]
        )
        tags = {name: _tags.of_pairs(answer["Tags"]) for name, answer in zip(targets, answers, strict=True) if answer}
        found = []
        for name in tags:
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            if address is not None:
                item = items[name]
                spec = EventRuleSpec(
                    name=name,
                    pattern=json.loads(item.get("EventPattern") or "{}"),
                    enabled=item.get("State", "ENABLED") != "DISABLED",
                    target=next((one["Arn"] for one in targets[name] if one["Id"] == TARGET), ""),
                )
                facts = {"arn": item["Arn"], "ids": (item["Arn"],), "targets": [one["Id"] for one in targets[name]]}
                found.append(Observed(address, name, spec, tags=tags[name], facts=facts))
        return found

    def create(self, new: Desired[EventRuleSpec]) -> Calls[str]:
        """PutRule changes a rule that is there and ignores the tags, so that is asked before."""
        there = yield from _gone.answer(events.describe_rule(Name=new.spec.name))
        if there is not None:
            answer = yield events.list_tags_for_resource(ResourceARN=there["Arn"])
            if not _tags.is_this(_tags.of_pairs(answer["Tags"]), new):
                raise errors.Exists(f"there is a rule {new.spec.name} already, which is not of this stack")
        yield _put(new)
        if new.spec.target is not None:
            yield from _send(new.spec.name, new.spec.target)
        return new.spec.name

    def update(
        self, old: Observed[EventRuleSpec], new: Desired[EventRuleSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        fields = {change.field for change in changes}
        if fields - {"target"}:
            yield _put(new)
        if "target" in fields and new.spec.target is not None:
            yield from _send(old.id, new.spec.target)

    def delete(self, old: Observed[EventRuleSpec]) -> Calls[None]:
        """A rule that has targets is not deleted."""
        if old.facts["targets"]:
            yield from _gone.let_go(events.remove_targets(Rule=old.id, Ids=list(old.facts["targets"])))
        yield from _gone.let_go(events.delete_rule(Name=old.id))

    def update_tags(self, old: Observed[EventRuleSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield events.untag_resource(ResourceARN=old.facts["arn"], TagKeys=names)
        if put:
            yield events.tag_resource(ResourceARN=old.facts["arn"], Tags=_tags.pairs(put))


def _put(new: Desired[EventRuleSpec]) -> Call:
    """With its tags, by which IAM knows whose it is; of a rule that exists they change nothing."""
    spec = new.spec
    return events.put_rule(
        Name=spec.name,
        EventPattern=None if spec.pattern is None else json.dumps(spec.pattern, separators=(",", ":")),
        State=None if spec.enabled is None else "ENABLED" if spec.enabled else "DISABLED",
        Tags=_tags.pairs(new.tags),
    )


def _send(rule: str, target: str) -> Calls[None]:
    answer = yield events.put_targets(Rule=rule, Targets=[{"Id": TARGET, "Arn": target}])
    for entry in answer.get("FailedEntries", ()):  # in an answer that is a success
        raise errors.Invalid(f"EventBridge does not deliver to {target}: {entry.get('ErrorMessage', '')}")
