"""A cluster: the name that services and tasks run under, and the capacity they may use.

Its id is its name: ECS takes it wherever it takes the ARN, and Application Auto Scaling takes nothing else. Creating a
cluster that exists returns it unchanged (ECS API reference, CreateCluster), so what differs is put right in the next
pass. A deleted one is still answered for a while, as INACTIVE.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import member_values, members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Operation, Permissions
from reconciler.model.resource import Batch, Calls, Desired, Observed, Path, ResourceHealth
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _ecs
from reconciler.resources._ecs import Strategy, ecs

BATCH = 100  # clusters a DescribeClusters
EXEC: Final = ("exec",)

API: Final = ApiMembers(
    "ecs",
    create="CreateCluster",
    update="UpdateCluster",
    described="Cluster",
    words={
        "clusterName": "the document's name, or `aws_name`",
        "capacityProviders": "capacity_providers",
        "defaultCapacityProviderStrategy": "default_strategy",
        "settings": "container_insights",
        "configuration.executeCommandConfiguration": "exec_logging",
        "tags": "the document's `tags`",
    },
    others=("configuration.managedStorageConfiguration", "serviceConnectDefaults"),
)


class ClusterSpec(resource.Spec):
    """`container_insights` is disabled, enabled or enhanced. `exec` is how sessions of ECS Exec are logged, by ECS's
    names and as a whole."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {EXEC: {"logging": "DEFAULT"}}

    name: Annotated[str, FieldMark.IMMUTABLE]
    capacity_providers: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    default_strategy: Annotated[tuple[Strategy, ...] | None, FieldMark.UNORDERED] = None
    container_insights: str | None = None
    exec: dict[str, JsonValue] | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Cluster(ResourceType[ClusterSpec]):
    kind: ClassVar[str] = "cluster"
    Spec = ClusterSpec
    changed_by: ClassVar[tuple[Operation, ...]] = (("ecs", "UpdateClusterSettings"),)
    creates: ClassVar[tuple[str, ...]] = ("CreateCluster",)
    owned_as: ClassVar[str] = "cluster"
    listed_by_name: ClassVar[bool] = True
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(linked_role="ecs.amazonaws.com")
    display_order: ClassVar[int] = 3

    def activity(self, found: Observed[ClusterSpec]) -> Hashable:
        return _ecs.activity(found.facts["item"]) if "item" in found.facts else None

    def retaining(self, old: Observed[ClusterSpec], new: Desired[ClusterSpec], usage: Usage) -> Desired[ClusterSpec]:
        """ECS detaches a capacity provider only once no task runs on it (PutClusterCapacityProviders)."""
        wanted = new.spec.capacity_providers
        kept = [one for one in old.spec.capacity_providers or () if one in usage.lost and one not in (wanted or ())]
        if wanted is None or not kept:
            return new
        return replace(new, spec=new.spec.model_copy(update={"capacity_providers": (*wanted, *kept)}))

    def in_terraform(self, found: Observed[ClusterSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_ecs_cluster", found.id)
        if found.spec.capacity_providers:
            yield TerraformImport("aws_ecs_cluster_capacity_providers", found.id)

    def in_cloudformation(self, found: Observed[ClusterSpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::ECS::Cluster", {"ClusterName": found.id})
        if found.spec.capacity_providers:
            strategy = [
                {"CapacityProvider": share.provider, "Weight": share.weight, "Base": share.base}
                for share in found.spec.default_strategy or ()
            ]
            properties = {
                "Cluster": found.id,
                "CapacityProviders": list(found.spec.capacity_providers),
                "DefaultCapacityProviderStrategy": strategy,
            }
            kind = "AWS::ECS::ClusterCapacityProviderAssociations"
            yield CloudFormationImport(kind, {"Cluster": found.id}, properties, "capacity")

    def observe(self, scope: Scope) -> Calls[list[Observed[ClusterSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(set(wanted) | {_ecs.last(arn) for arn in scope.swept_arns("ecs", "cluster/")})
        calls = [
            ecs.describe_clusters(clusters=list(batch), include=["ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "TAGS"])
            for batch in _ecs.batches(names, BATCH)
        ]
        answers = yield Batch.of(calls)
        observed = []
        for call, answer in zip(calls, answers, strict=True):
            for item in _ecs.found(call, answer, "clusters"):
                tags = _ecs.tags_of(item)
                name = item["clusterName"]
                address = _ecs.address_of(self.kind, name, tags, wanted.get(name), scope)
                if address is None or item["status"] == "INACTIVE":
                    continue
                health, reason = _health(item)
                said = wanted[name].spec.aws if name in wanted else {}
                facts = {
                    "arn": item["clusterArn"],
                    "ids": (item["clusterArn"],),
                    "item": item,
                    "unstated": members.unstated(API, said, item),
                }
                aws = members.seen(API, said, item, tags, address) if said else {}
                observed.append(Observed(address, name, read_cluster(item, aws), tags, health, reason, facts=facts))
        return observed

    def create(self, new: Desired[ClusterSpec]) -> Calls[str]:
        answer = yield ecs.create_cluster(
            clusterName=new.spec.name,
            capacityProviders=_listed(new.spec.capacity_providers),
            defaultCapacityProviderStrategy=_ecs.strategy_items(new.spec.default_strategy),
            settings=_settings(new.spec),
            tags=_ecs.pairs(new.tags),
            **member_values.merged(_configuration(new.spec, {}), new.spec.aws),
        )
        name: str = answer["cluster"]["clusterName"]
        return name

    def update(self, old: Observed[ClusterSpec], new: Desired[ClusterSpec], changes: tuple[Change, ...]) -> Calls[None]:
        fields = {change.field for change in changes}
        if fields & {"capacity_providers", "default_strategy"}:
            # Both lists are replaced as a whole: the one that the specs leave out is sent as it is.
            providers, strategy = new.spec.capacity_providers, new.spec.default_strategy
            yield ecs.put_cluster_capacity_providers(
                cluster=old.id,
                capacityProviders=_listed(old.spec.capacity_providers if providers is None else providers),
                defaultCapacityProviderStrategy=_ecs.strategy_items(
                    old.spec.default_strategy if strategy is None else strategy
                ),
            )
        insights, executing = "container_insights" in fields, "exec" in fields
        item = old.facts.get("item", {})
        said = members.changed(API, new.spec.aws, item, [change.path for change in changes])
        if executing:
            # It is replaced as a whole: what has no field in it is sent as it is.
            said |= _configuration(new.spec, said.get("configuration") or item.get("configuration") or {})
        if insights or executing or said:
            yield ecs.update_cluster(
                cluster=old.id,
                settings=_settings(new.spec) if insights else None,
                **said,
            )

    def delete(self, old: Observed[ClusterSpec]) -> Calls[None]:
        try:
            yield ecs.delete_cluster(cluster=old.id)
        except errors.Gone:
            return

    def update_tags(self, old: Observed[ClusterSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ecs.update_tags(old.facts["arn"], put, drop)


def read_cluster(item: Mapping[str, Any], aws: dict[str, Any] | None = None) -> ClusterSpec:
    """A cluster as the specs say it, with the members `aws` that they state by ECS's names."""
    settings = {setting["name"]: setting["value"] for setting in item.get("settings") or ()}
    execution = (item.get("configuration") or {}).get("executeCommandConfiguration") or {}
    return ClusterSpec(
        name=item["clusterName"],
        capacity_providers=tuple(item.get("capacityProviders") or ()),
        default_strategy=_ecs.strategy_of(item.get("defaultCapacityProviderStrategy")),
        container_insights=settings.get("containerInsights"),
        exec=_exec(execution),
        aws=aws or {},
    )


def _health(item: Mapping[str, Any]) -> tuple[ResourceHealth, str]:
    status, attachments = item["status"], item.get("attachmentsStatus", "")
    if status == "FAILED" or attachments == "UPDATE_FAILED":
        return ResourceHealth.DEGRADED, "its capacity providers could not be attached"
    if status != "ACTIVE":
        return ResourceHealth.PROGRESSING, f"the cluster is {status}"
    if attachments == "UPDATE_IN_PROGRESS":
        return ResourceHealth.PROGRESSING, "its capacity providers are being attached"
    return ResourceHealth.READY, ""


def _listed(items: tuple[str, ...] | None) -> list[str] | None:
    return None if items is None else list(items)


def _settings(spec: ClusterSpec) -> list[dict[str, str]] | None:
    if spec.container_insights is None:
        return None
    return [{"name": "containerInsights", "value": spec.container_insights}]


def _exec(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing, as AWS shows it or not."""
    logs = {name: value for name, value in (execution.get("logConfiguration") or {}).items() if value}
    key = execution.get("kmsKeyId")
    found = {"logging": execution.get("logging", "DEFAULT")}
    return {**found, **({"logConfiguration": logs} if logs else {}), **({"kmsKeyId": key} if key else {})}


def _configuration(spec: ClusterSpec, old: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration as a parameter, with what has no field as it was."""
    return {} if spec.exec is None else {"configuration": {**old, "executeCommandConfiguration": spec.exec}}
