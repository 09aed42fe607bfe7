"""A Cloud Map namespace: where Service Connect keeps the names by which services reach each other.

It is an HTTP namespace, which has no DNS zone and costs nothing. Its id is its ARN, which ECS takes wherever it takes
the name. It is made and deleted by operations that AWS finishes later; ECS keeps a service of its own in it for each
name, so it cannot be deleted before the ECS services are gone (Cloud Map API reference, DeleteNamespace).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.resource import Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.resources import _gone, _tags

servicediscovery = ServiceApi("servicediscovery")

API: Final = ApiMembers(
    "servicediscovery",
    create="CreateHttpNamespace",
    described="NamespaceSummary",
    words={"Name": "name", "Tags": "the document's `tags`"},
    owned={"CreatorRequestId": "a namespace has a name of its own"},
    changeable=frozenset({"Description"}),
    others=("Description",),
)

HTTP = [{"Name": "TYPE", "Values": ["HTTP"], "Condition": "EQ"}]


class NamespaceSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API

    name: Annotated[str, FieldMark.IMMUTABLE]
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Namespace(ResourceType[NamespaceSpec]):
    kind: ClassVar[str] = "namespace"
    Spec = NamespaceSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateHttpNamespace",)
    named_by: ClassVar[str | None] = "name"
    tag_rules: ClassVar[TagRules] = TagRules()
    serves_tasks: ClassVar[bool] = True

    def in_terraform(self, found: Observed[NamespaceSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_service_discovery_http_namespace", found.facts["id"])

    def in_cloudformation(self, found: Observed[NamespaceSpec]) -> Iterator[CloudFormationImport]:
        name = {"Name": found.spec.name}
        yield CloudFormationImport("AWS::ServiceDiscovery::HttpNamespace", {"Id": found.facts["id"]}, name)

    def observe(self, scope: Scope) -> Calls[list[Observed[NamespaceSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        swept = set(scope.swept_arns("servicediscovery", "namespace/"))
        if not wanted and not swept:
            return []
        answer = yield servicediscovery.list_namespaces(Filters=HTTP)
        items = [item for item in answer["Namespaces"] if item["Name"] in wanted or item["Arn"] in swept]
        tags = yield from _gone.answers(
            [servicediscovery.list_tags_for_resource(ResourceARN=item["Arn"]) for item in items]
        )
        found = []
        for item, tagged in zip(items, tags, strict=True):
            own = None if tagged is None else _tags.of_pairs(tagged["Tags"])
            if own is None or item["Type"] != "HTTP":
                continue
            address = _tags.address_of(self.kind, item["Name"], own, scope, wanted.get(item["Name"]))
            if address is not None:
                said = wanted[item["Name"]].spec.aws if item["Name"] in wanted else {}
                aws = members.seen(API, said, item, own, address) if said else {}
                facts = {
                    "id": item["Id"],
                    "created_at": item.get("CreateDate"),
                    "unstated": members.unstated(API, said, item),
                }
                found.append(
                    Observed(address, item["Arn"], NamespaceSpec(name=item["Name"], aws=aws), own, facts=facts)
                )
        return found

    def create(self, new: Desired[NamespaceSpec]) -> Calls[str]:
        """The operation is asked for the id of what it makes; the namespace can be named before it has ended."""
        try:
            answer = yield servicediscovery.create_http_namespace(
                Name=new.spec.name, Tags=_tags.pairs(new.tags), **new.spec.aws
            )
        except errors.Exists:
            return (yield from self._made_before(new))
        answer = yield servicediscovery.get_operation(OperationId=answer["OperationId"])
        operation = answer["Operation"]
        if operation["Status"] == "FAIL":
            raise errors.Invalid(operation.get("ErrorMessage") or "Cloud Map could not create the namespace")
        answer = yield servicediscovery.get_namespace(Id=operation["Targets"]["NAMESPACE"])
        arn: str = answer["Namespace"]["Arn"]
        return arn

    def _made_before(self, new: Desired[NamespaceSpec]) -> Calls[str]:
        answer = yield servicediscovery.list_namespaces(Filters=HTTP)
        for item in answer["Namespaces"]:
            if item["Name"] == new.spec.name and item["Type"] == "HTTP":
                answer = yield servicediscovery.list_tags_for_resource(ResourceARN=item["Arn"])
                if _tags.is_this(_tags.of_pairs(answer["Tags"]), new):
                    arn: str = item["Arn"]
                    return arn
        raise errors.Exists(f"there is a namespace {new.spec.name} already, which is not of this stack")

    def update(
        self, old: Observed[NamespaceSpec], new: Desired[NamespaceSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield servicediscovery.update_http_namespace(Id=old.facts["id"], Namespace=dict(new.spec.aws))

    def delete(self, old: Observed[NamespaceSpec]) -> Calls[None]:
        yield from _gone.let_go(servicediscovery.delete_namespace(Id=old.facts["id"]))

    def update_tags(self, old: Observed[NamespaceSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield servicediscovery.untag_resource(ResourceARN=old.id, TagKeys=names)
        if put:
            yield servicediscovery.tag_resource(ResourceARN=old.id, Tags=_tags.pairs(put))
