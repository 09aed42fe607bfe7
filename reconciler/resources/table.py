"""A DynamoDB table: items by their key, paid by the request.

Its name is its id. It holds data, so it is never replaced. It takes DynamoDB some seconds to make one, and until then
nothing of it can be changed: what could not be set yet is a difference that the next pass puts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.resource import Address, Call, Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Depth, FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _tags

dynamodb = ServiceApi("dynamodb")

ON_DEMAND = "PAY_PER_REQUEST"
PROVISIONED = "PROVISIONED"
KEY_TYPES = ("HASH", "RANGE")
API: Final = ApiMembers(
    "dynamodb",
    create="CreateTable",
    update="UpdateTable",
    described="TableDescription",
    words={
        "TableName": "the document's name, or `aws_name`",
        "DeletionProtectionEnabled": "deletion_protection",
        "Tags": "the document's `tags`",
    },
    owned={
        **dict.fromkeys(("AttributeDefinitions", "KeySchema"), "a Store has the key of leases"),
        **dict.fromkeys(
            ("LocalSecondaryIndexes", "GlobalSecondaryIndexes", "VectorIndexes"), "a Store is read by its key only"
        ),
        **dict.fromkeys(
            ("GlobalTableSourceArn", "GlobalTableSettingsReplicationMode"), "a lease is kept in one region only"
        ),
    },
    elsewhere={
        "BillingMode": "BillingModeSummary.BillingMode",
        "TableClass": "TableClassSummary.TableClass",
        "SSESpecification": "SSEDescription",
    },
    changeable=frozenset({"ResourcePolicy"}),
    others=("StreamSpecification", "OnDemandThroughput"),
)

ASKED_SINGLY = "point_in_time_recovery"
"""It takes a call of its own, and only a person's hand changes it."""


class Key(resource.Spec):
    """An attribute of the key; `type` is S(tring), N(umber) or B(inary)."""

    name: str
    type: Literal["S", "N", "B"] = "S"


class TableSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API

    name: Annotated[str, FieldMark.IMMUTABLE]
    keys: Annotated[tuple[Key, ...], FieldMark.IMMUTABLE]
    """The partition key, and the sort key where there is one."""
    deletion_protection: bool | None = None
    """DynamoDB itself then refuses to delete the table."""
    point_in_time_recovery: bool | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Table(ResourceType[TableSpec]):
    kind: ClassVar[str] = "table"
    Spec = TableSpec
    terraform: ClassVar[str] = "aws_dynamodb_table"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::DynamoDB::Table", "TableName")
    changed_by: ClassVar[tuple[Operation, ...]] = (("dynamodb", "DeleteResourcePolicy"),)
    creates: ClassVar[tuple[str, ...]] = ("CreateTable",)
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("dynamodb", "CreateTable"): Binding.MAKE_BY_NAME}, tagging="TagResource"
    )
    slow_to_create: ClassVar[bool] = True
    slow_to_delete: ClassVar[bool] = True

    def arns(self, spec: TableSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("dynamodb", f"table/{spec.name}"),)}

    def required_properties(self, found: Observed[TableSpec]) -> Mapping[str, Any]:
        return {
            "KeySchema": [
                {"AttributeName": key.name, "KeyType": kind}
                for key, kind in zip(found.spec.keys, KEY_TYPES, strict=False)
            ],
            "AttributeDefinitions": [{"AttributeName": key.name, "AttributeType": key.type} for key in found.spec.keys],
            "BillingMode": found.facts["item"].get("BillingMode"),
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[TableSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(wanted.keys() | {_name(arn) for arn in scope.swept_arns("dynamodb", "table/")})
        answers = yield from _gone.answers([_describe(name) for name in names])
        items = {name: answer["Table"] for name, answer in zip(names, answers, strict=True) if answer}
        tags: dict[str, dict[str, str]] = {}
        for name, item in items.items():
            known = _tags.from_sweep(item["TableArn"], scope, wanted.get(name))
            if known is not None:
                tags[name] = known
        unknown = [name for name in items if name not in tags]
        answers = yield from _gone.answers(
            [dynamodb.list_tags_of_resource(ResourceArn=items[name]["TableArn"]) for name in unknown]
        )
        tags |= {name: _tags.of_pairs(found["Tags"]) for name, found in zip(unknown, answers, strict=True) if found}
        asked = [name for name in tags if _asked(wanted.get(name), items[name], scope)]
        answers = yield from _gone.answers([dynamodb.describe_continuous_backups(TableName=name) for name in asked])
        recovery = {name: _recovers(answer) for name, answer in zip(asked, answers, strict=True) if answer}
        observed = []
        for name in tags:
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            if address is not None:
                said = wanted[name].spec.aws if name in wanted else {}
                observed.append(_observed(address, items[name], tags[name], recovery.get(name), said))
        return observed

    def create(self, new: Desired[TableSpec]) -> Calls[str]:
        spec = new.spec
        try:
            yield dynamodb.create_table(
                TableName=spec.name,
                AttributeDefinitions=[{"AttributeName": key.name, "AttributeType": key.type} for key in spec.keys],
                KeySchema=[
                    {"AttributeName": key.name, "KeyType": place}
                    for key, place in zip(spec.keys, KEY_TYPES, strict=False)
                ],
                DeletionProtectionEnabled=spec.deletion_protection,
                Tags=_tags.pairs(new.tags),
                **{"BillingMode": ON_DEMAND, **spec.aws},
            )
        except errors.Blocked:  # ResourceInUseException is how DynamoDB says that the name is taken
            answer = yield _describe(spec.name)
            answer = yield dynamodb.list_tags_of_resource(ResourceArn=answer["Table"]["TableArn"])
            if not _tags.is_this(_tags.of_pairs(answer["Tags"]), new):
                raise
            return spec.name
        if spec.point_in_time_recovery:
            try:
                yield _recover(spec.name, on=True)
            except (errors.Blocked, errors.Gone, errors.Invalid):
                return spec.name  # the table is not ready for it
        return spec.name

    def update(self, old: Observed[TableSpec], new: Desired[TableSpec], changes: tuple[Change, ...]) -> Calls[None]:
        spec, fields = new.spec, {change.field for change in changes}
        said = members.changed(API, spec.aws, old.facts.get("item", {}), [change.path for change in changes])
        policy = said.pop("ResourcePolicy", None)
        if policy is not None:
            yield dynamodb.put_resource_policy(ResourceArn=old.facts["arn"], Policy=policy)
        if said.get("BillingMode") == PROVISIONED or "ProvisionedThroughput" in said:
            # one is not taken without the other
            said |= {name: spec.aws[name] for name in ("BillingMode", "ProvisionedThroughput") if name in spec.aws}
        protection = spec.deletion_protection if "deletion_protection" in fields else None
        if said or protection is not None:
            yield dynamodb.update_table(TableName=old.id, DeletionProtectionEnabled=protection, **said)
        if "point_in_time_recovery" in fields:
            yield _recover(old.id, on=bool(spec.point_in_time_recovery))

    def delete(self, old: Observed[TableSpec]) -> Calls[None]:
        if old.spec.deletion_protection:
            raise errors.Protected(
                f"DynamoDB protects the table {old.id} from deletion; apply it once with its deletion protection off "
                "before removing it"
            )
        if not old.facts["deleting"]:
            yield from _gone.let_go(dynamodb.delete_table(TableName=old.id))

    def update_tags(self, old: Observed[TableSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield dynamodb.untag_resource(ResourceArn=old.facts["arn"], TagKeys=names)
        if put:
            yield dynamodb.tag_resource(ResourceArn=old.facts["arn"], Tags=_tags.pairs(put))


def _describe(name: str) -> Call:
    return dynamodb.describe_table(TableName=name)


def _recover(name: str, *, on: bool) -> Call:
    return dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


def _asked(want: Desired[Any] | None, item: Mapping[str, Any], scope: Scope) -> bool:
    declared = want is not None and want.spec.point_in_time_recovery is not None
    return declared and scope.depth is Depth.FULL and item["TableStatus"] != "DELETING"


def _recovers(answer: Mapping[str, Any]) -> bool:
    described = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return bool(described.get("PointInTimeRecoveryStatus") == "ENABLED")


def _observed(
    address: Address, item: Mapping[str, Any], tags: dict[str, str], recovers: bool | None, said: Mapping[str, Any]
) -> Observed[TableSpec]:
    types = {one["AttributeName"]: one["AttributeType"] for one in item["AttributeDefinitions"]}
    names = {one["KeyType"]: one["AttributeName"] for one in item["KeySchema"]}
    shown = _shown(item, (said.get("SSESpecification") or {}).get("KMSMasterKeyId"))
    spec = TableSpec(
        name=item["TableName"],
        keys=tuple(Key(name=names[place], type=types[names[place]]) for place in KEY_TYPES if place in names),
        deletion_protection=item.get("DeletionProtectionEnabled", False),
        point_in_time_recovery=recovers,
        aws=members.seen(API, said, shown, tags, address) if said else {},
    )
    status, arn = item["TableStatus"], item["TableArn"]
    ready = status == "ACTIVE"
    return Observed(
        address,
        item["TableName"],
        spec,
        tags=tags,
        health=ResourceHealth.READY if ready else ResourceHealth.PROGRESSING,
        reason="" if ready else f"the table is {status}",
        unread=frozenset() if recovers is not None else frozenset({ASKED_SINGLY}),
        facts={
            "arn": arn,
            "ids": (arn,),
            "deleting": status == "DELETING",
            "item": shown,
            "unstated": members.unstated(API, said, shown),
        },
    )


def _shown(item: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """A description with the names of CreateTable. A `key` may be given by its id; AWS shows its ARN."""
    encrypted = item.get("SSEDescription") or {}
    arn = encrypted.get("KMSMasterKeyArn")
    found = {
        "BillingMode": (item.get("BillingModeSummary") or {}).get("BillingMode", PROVISIONED),
        "TableClass": (item.get("TableClassSummary") or {}).get("TableClass", "STANDARD"),
        "SSESpecification": {
            "Enabled": encrypted.get("Status") in ("ENABLED", "ENABLING", "UPDATING"),
            "SSEType": encrypted.get("SSEType"),
            "KMSMasterKeyId": key if key and arn and arn.endswith(f"/{key}") else arn,
        },
    }
    return {**item, **found}


def _name(arn: str) -> str:
    """Of `…:table/NAME`, or of something that belongs to it, `…:table/NAME/index/…`."""
    return arn.partition(":table/")[2].partition("/")[0]
