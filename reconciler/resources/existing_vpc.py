"""A VPC that others own: by its id, or as that of a load balancer or a subnet of theirs, from which it follows."""

from __future__ import annotations

from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Batch, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _ec2
from reconciler.resources._ec2 import ec2

HOLDERS = ("existing-load-balancer", "existing-subnet")


class ExistingVpcSpec(resource.Spec):
    of: Link
    """Its id, or what is in it."""


class ExistingVpc(LookedUpType[ExistingVpcSpec]):
    kind: ClassVar[str] = "existing-vpc"
    of_others: ClassVar[bool] = True
    Spec = ExistingVpcSpec
    observe_after: ClassVar[tuple[str, ...]] = ("lookup", *HOLDERS)

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingVpcSpec]]]:
        """What was read of what is in it says it; only an id that the specs give is asked for."""
        ids = {of for want in scope.wanted if (of := str(want.spec.of)).startswith("vpc-")}
        answers = yield Batch.of(ec2.describe_vpcs(Filters=each) for each in _ec2.filters("vpc-id", ids))
        vpcs = {item["VpcId"] for answer in answers for item in answer["Vpcs"]}
        holders = {one.id: one for kind in HOLDERS for one in scope.seen.get(kind, ())}
        return [_look_up(want, vpcs, holders.get(str(want.spec.of))) for want in scope.wanted]


def _look_up(want: Desired[ExistingVpcSpec], vpcs: set[str], holder: Observed[Any] | None) -> Observed[ExistingVpcSpec]:
    of = str(want.spec.of)
    vpc = of if of in vpcs else "" if holder is None else str(holder.facts.get("vpc", ""))
    if vpc:
        return Observed(want.address, vpc, want.spec)
    reason = (holder.reason or f"{holder.id} is in no VPC") if holder is not None else _lost(of)
    return Observed(want.address, str(want.address), want.spec, health=ResourceHealth.DEGRADED, reason=reason)


def _lost(of: str) -> str:
    return f"the VPC {of} does not exist in this account and region" if of.startswith("vpc-") else f"{of!r} is no VPC"
