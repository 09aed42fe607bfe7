"""A log group: where the output of containers is kept, and for how long.

Its name is its id. What it holds is data, so it is never replaced, and its class cannot be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.resource import Call, Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _tags

logs = ServiceApi("logs")

NAMES_AT_ONCE = 50
"""Names that DescribeLogGroups takes in one call."""

FOR_EVER = 0

API: Final = ApiMembers(
    "logs",
    create="CreateLogGroup",
    described="LogGroup",
    words={"logGroupName": "`group`, or the document's name", "tags": "the document's `tags`"},
    fields={"logGroupClass": "log_class"},
    changeable=frozenset({"kmsKeyId", "deletionProtectionEnabled"}),
    others=("kmsKeyId", "deletionProtectionEnabled"),
)


class LogGroupSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API

    name: Annotated[str, FieldMark.IMMUTABLE]
    retention_days: int | None = None
    """0 keeps everything for ever."""
    log_class: Annotated[str | None, FieldMark.IMMUTABLE] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class LogGroup(ResourceType[LogGroupSpec]):
    kind: ClassVar[str] = "log-group"
    Spec = LogGroupSpec
    changed_by: ClassVar[tuple[Operation, ...]] = (
        ("logs", "DisassociateKmsKey"),
        ("logs", "TagLogGroup"),
        ("logs", "UntagLogGroup"),
    )
    terraform: ClassVar[str] = "aws_cloudwatch_log_group"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::Logs::LogGroup", "LogGroupName")
    creates: ClassVar[tuple[str, ...]] = ("CreateLogGroup",)
    owned_as: ClassVar[str] = "log-group"
    listed_by_name: ClassVar[bool] = True
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("logs", "CreateLogGroup"): Binding.MAKE_BY_NAME,
            ("logs", "GetLogEvents"): Binding.READ_OUTPUT,
        },
        tagging="TagResource",
    )
    serves_tasks: ClassVar[bool] = True

    def arns(self, spec: LogGroupSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        """A new log group's name is checked with something behind it."""
        group = f"log-group:{spec.name}"
        return {
            Binding.MAKE_BY_NAME: (("logs", group), ("logs", f"{group}:*")),
            Binding.READ_OUTPUT: (("logs", f"{group}:log-stream:*"),),
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[LogGroupSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        swept = {_name(arn) for arn in scope.swept_arns("logs", "log-group:")}
        names = sorted(wanted.keys() | swept)
        answers = yield from _gone.batches(_describe, names, NAMES_AT_ONCE)
        items = {item["logGroupName"]: item for answer in answers for item in answer["logGroups"]}
        tags: dict[str, dict[str, str]] = {}
        for name in names:
            known = _tags.from_sweep(_arn(items[name]), scope, wanted.get(name)) if name in items else None
            if known is not None:
                tags[name] = known
        unknown = [name for name in names if name in items and name not in tags]
        asked = yield from _gone.answers(
            [logs.list_tags_for_resource(resourceArn=_arn(items[name])) for name in unknown]
        )
        tags |= {name: _tags.plain(answer["tags"]) for name, answer in zip(unknown, asked, strict=True) if answer}
        found = []
        for name in tags:
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            if address is not None:
                item, arn = items[name], _arn(items[name])
                said = wanted[name].spec.aws if name in wanted else {}
                spec = LogGroupSpec(
                    name=name,
                    retention_days=item.get("retentionInDays", FOR_EVER),
                    log_class=item.get("logGroupClass"),
                    aws=members.seen(API, said, item, tags[name], address) if said else {},
                )
                facts = {
                    "arn": arn,
                    "ids": (arn,),
                    "protected": item.get("deletionProtectionEnabled", False),
                    "unstated": members.unstated(API, said, item),
                }
                found.append(Observed(address, name, spec, tags=tags[name], facts=facts))
        return found

    def create(self, new: Desired[LogGroupSpec]) -> Calls[str]:
        spec = new.spec
        try:
            yield logs.create_log_group(
                logGroupName=spec.name, logGroupClass=spec.log_class, tags=dict(new.tags), **spec.aws
            )
        except errors.Exists:
            answer = yield logs.describe_log_groups(logGroupIdentifiers=[spec.name])
            arn = next(_arn(item) for item in answer["logGroups"] if item["logGroupName"] == spec.name)
            answer = yield logs.list_tags_for_resource(resourceArn=arn)
            if not _tags.is_this(answer["tags"], new):
                raise
            return spec.name
        if spec.retention_days:
            yield _keep(spec.name, spec.retention_days)
        return spec.name

    def update(
        self, old: Observed[LogGroupSpec], new: Desired[LogGroupSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        days = new.spec.retention_days
        if days is not None and any(change.field == "retention_days" for change in changes):
            yield _keep(old.id, days)
        written = {change.path[1] for change in changes if change.field == "aws"}
        if "kmsKeyId" in written:
            yield logs.associate_kms_key(logGroupName=old.id, kmsKeyId=new.spec.aws["kmsKeyId"])
        if "deletionProtectionEnabled" in written:
            protected = new.spec.aws["deletionProtectionEnabled"]
            yield logs.put_log_group_deletion_protection(logGroupIdentifier=old.id, deletionProtectionEnabled=protected)

    def delete(self, old: Observed[LogGroupSpec]) -> Calls[None]:
        if old.facts.get("protected"):
            raise errors.Protected(
                f"CloudWatch Logs protects the log group {old.id} from deletion; apply it once with "
                "`deletionProtectionEnabled: false` before removing it"
            )
        yield from _gone.let_go(logs.delete_log_group(logGroupName=old.id))

    def update_tags(self, old: Observed[LogGroupSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield logs.untag_resource(resourceArn=old.facts["arn"], tagKeys=names)
        if put:
            yield logs.tag_resource(resourceArn=old.facts["arn"], tags=dict(put))


def _describe(names: list[str]) -> Call:
    return logs.describe_log_groups(logGroupIdentifiers=names)


def _keep(name: str, days: int) -> Call:
    if days == FOR_EVER:
        return logs.delete_retention_policy(logGroupName=name)
    return logs.put_retention_policy(logGroupName=name, retentionInDays=days)


def _arn(item: Mapping[str, Any]) -> str:
    """Without the `:*` for its streams, as the tag calls take it; older answers have only the one with it."""
    arn: str = item.get("logGroupArn") or item["arn"]
    return arn.removesuffix(":*")


def _name(arn: str) -> str:
    return arn.split(":", 6)[6].removesuffix(":*")
