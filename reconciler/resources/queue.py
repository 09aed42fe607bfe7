"""A queue of SQS that the stack owns: where EventBridge delivers events for the controller, or those it cannot read.

Its id is its URL, which is what SQS's calls take. SQS makes no second queue under a name: it answers with the one that
is there if its attributes are the same, and refuses otherwise. After a deletion the name is taken for a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Binding, NamedArn, OnBehalf, Operation, Permissions
from reconciler.model.resource import Call, Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _policy, _tags

sqs = ServiceApi("sqs")

POLICY = "Policy"
REDRIVE = "RedrivePolicy"
NUMBERS: Mapping[str, str] = {
    "retention_seconds": "MessageRetentionPeriod",
    "visibility_seconds": "VisibilityTimeout",
}


class QueueSpec(resource.Spec):
    name: Annotated[str, FieldMark.IMMUTABLE]
    retention_seconds: int | None = None
    visibility_seconds: int | None = None
    """For how long a message that was received is not given to anybody else."""
    encrypted: bool | None = None
    """With keys of SQS, which EventBridge may use."""
    dead_letter: str | None = None
    """ARN of the queue for messages that were received `receives` times and never deleted."""
    receives: int | None = None
    policy: _policy.Document | None = None
    """Who may send to it."""


class Queue(ResourceType[QueueSpec]):
    kind: ClassVar[str] = "queue"
    Spec = QueueSpec
    changed_by: ClassVar[tuple[Operation, ...]] = (("sqs", "AddPermission"), ("sqs", "RemovePermission"))
    terraform: ClassVar[str] = "aws_sqs_queue"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::SQS::Queue", "QueueUrl")
    creates: ClassVar[tuple[str, ...]] = ("CreateQueue",)
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("sqs", "CreateQueue"): Binding.MAKE_BY_NAME},
        tagging="TagQueue",
        on_behalf=(
            OnBehalf(
                "ReceiveEvents",
                "the controller receives the events of its stack",
                ("sqs:ReceiveMessage", "sqs:DeleteMessage"),
                named=Binding.RECEIVE,
            ),
            OnBehalf(
                "FindTrails",
                "API calls are events only where a trail logs them",
                ("cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"),
                here=True,
            ),
        ),
    )

    def arns(self, spec: QueueSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        """Dead letters are for people, and the controller receives none of them."""
        own = (("sqs", spec.name),)
        return {Binding.MAKE_BY_NAME: own, Binding.RECEIVE: own if spec.dead_letter is not None else ()}

    def observe(self, scope: Scope) -> Calls[list[Observed[QueueSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(wanted.keys() | {arn.rpartition(":")[2] for arn in scope.swept_arns("sqs")})
        answers = yield from _gone.answers([sqs.get_queue_url(QueueName=name) for name in names])
        urls = {name: answer["QueueUrl"] for name, answer in zip(names, answers, strict=True) if answer}
        answers = yield from _gone.answers([_read(url) for url in urls.values()])
        items = {name: answer["Attributes"] for name, answer in zip(urls, answers, strict=True) if answer}
        answers = yield from _gone.answers([sqs.list_queue_tags(QueueUrl=urls[name]) for name in items])
        tags = {name: _tags.plain(found.get("Tags", {})) for name, found in zip(items, answers, strict=True) if found}
        observed = []
        for name in tags:
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            if address is not None:
                item, want = items[name], wanted.get(name)
                facts = {"arn": item["QueueArn"], "ids": (item["QueueArn"],)}
                spec = _spec(name, item, None if want is None else want.spec)
                observed.append(Observed(address, urls[name], spec, tags=tags[name], facts=facts))
        return observed

    def create(self, new: Desired[QueueSpec]) -> Calls[str]:
        try:
            answer = yield sqs.create_queue(
                QueueName=new.spec.name, Attributes=_attributes(new.spec), tags=dict(new.tags)
            )
        except errors.Exists:
            answer = yield sqs.get_queue_url(QueueName=new.spec.name)
            found = yield sqs.list_queue_tags(QueueUrl=answer["QueueUrl"])
            if not _tags.is_this(found.get("Tags", {}), new):
                raise
            return str(answer["QueueUrl"])
        url: str = answer["QueueUrl"]
        found = yield sqs.list_queue_tags(QueueUrl=url)  # of one with the same attributes, nothing was created
        if not _tags.is_this(found.get("Tags", {}), new):
            raise errors.Exists(f"there is a queue {new.spec.name} already, which is not of this stack")
        return url

    def update(self, old: Observed[QueueSpec], new: Desired[QueueSpec], changes: tuple[Change, ...]) -> Calls[None]:
        """With all that is declared, since a redrive policy is replaced as a whole."""
        yield sqs.set_queue_attributes(QueueUrl=old.id, Attributes=_attributes(new.spec))

    def delete(self, old: Observed[QueueSpec]) -> Calls[None]:
        yield from _gone.let_go(sqs.delete_queue(QueueUrl=old.id))

    def update_tags(self, old: Observed[QueueSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield sqs.untag_queue(QueueUrl=old.id, TagKeys=names)
        if put:
            yield sqs.tag_queue(QueueUrl=old.id, Tags=dict(put))


def _read(url: str) -> Call:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])


def _attributes(spec: QueueSpec) -> dict[str, str]:
    found = {member: str(value) for name, member in NUMBERS.items() if (value := getattr(spec, name)) is not None}
    if spec.encrypted is not None:
        found["SqsManagedSseEnabled"] = json.dumps(spec.encrypted)
    if spec.dead_letter is not None:
        found[REDRIVE] = json.dumps({"deadLetterTargetArn": spec.dead_letter, "maxReceiveCount": spec.receives})
    if spec.policy is not None:
        found[POLICY] = json.dumps(spec.policy)
    return found


def _spec(name: str, item: Mapping[str, str], want: QueueSpec | None) -> QueueSpec:
    redrive = json.loads(item.get(REDRIVE) or "{}")
    policy = item.get(POLICY)
    receives = redrive.get("maxReceiveCount")
    return QueueSpec(
        name=name,
        **{field: int(item[member]) for field, member in NUMBERS.items() if member in item},
        encrypted=item.get("SqsManagedSseEnabled") == "true" or bool(item.get("KmsMasterKeyId")),
        dead_letter=redrive.get("deadLetterTargetArn"),
        receives=None if receives is None else int(receives),  # a text, where a console has written it
        policy=_policy.seen_as(policy, None if want is None else want.policy) if policy else None,
    )
