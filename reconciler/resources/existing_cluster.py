"""A cluster that others own, looked up by its name. Services and tasks of the stack run in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Batch, Calls, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _ecs
from reconciler.resources._ecs import ecs

AT_ONCE = 100
"""Clusters that DescribeClusters takes."""


class ExistingClusterSpec(resource.Spec):
    name: str


class ExistingCluster(LookedUpType[ExistingClusterSpec]):
    kind: ClassVar[str] = "existing-cluster"
    of_others: ClassVar[bool] = True
    Spec = ExistingClusterSpec

    def activity(self, found: Observed[ExistingClusterSpec]) -> Hashable:
        return _ecs.activity(found.facts["item"]) if "item" in found.facts else None

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingClusterSpec]]]:
        names = sorted({want.spec.name for want in scope.wanted})
        calls = [ecs.describe_clusters(clusters=list(group)) for group in _ecs.batches(names, AT_ONCE)]
        answers = yield Batch.of(calls)
        items = {
            item["clusterName"]: item
            for call, answer in zip(calls, answers, strict=True)
            for item in _ecs.found(call, answer, "clusters")
        }
        return [_look_up(want, items.get(want.spec.name)) for want in scope.wanted]


def _look_up(want: Desired[ExistingClusterSpec], item: Mapping[str, Any] | None) -> Observed[ExistingClusterSpec]:
    name = want.spec.name
    if item is None or item.get("status") != "ACTIVE":
        state = "does not exist in this account and region" if item is None else f"is {item['status'].lower()}"
        reason = f"the cluster {name} {state}"
        return Observed(want.address, name, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
    return Observed(want.address, item["clusterArn"], want.spec, facts={"arn": item["clusterArn"], "item": item})
