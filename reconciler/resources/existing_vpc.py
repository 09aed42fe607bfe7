"""The VPC of something that others own, such as of a load balancer: it is not named in the specs, but follows."""

from __future__ import annotations

from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Batch, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope

HOLDERS = ("existing-load-balancer",)


class ExistingVpcSpec(resource.Spec):
    of: Link
    """What is in it."""


class ExistingVpc(LookedUpType[ExistingVpcSpec]):
    kind: ClassVar[str] = "existing-vpc"
    of_others: ClassVar[bool] = True
    Spec = ExistingVpcSpec
    observe_after: ClassVar[tuple[str, ...]] = HOLDERS

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingVpcSpec]]]:
        """What was read of what is in it says it, so that nothing is asked."""
        yield Batch.of(())
        holders = {one.id: one for kind in HOLDERS for one in scope.seen.get(kind, ())}
        return [_look_up(want, holders.get(str(want.spec.of))) for want in scope.wanted]


def _look_up(want: Desired[ExistingVpcSpec], holder: Observed[Any] | None) -> Observed[ExistingVpcSpec]:
    vpc = "" if holder is None else str(holder.facts.get("vpc", ""))
    if vpc:
        return Observed(want.address, vpc, want.spec)
    reason = f"{want.spec.of} could not be read" if holder is None else holder.reason or f"{holder.id} is in no VPC"
    return Observed(want.address, str(want.address), want.spec, health=ResourceHealth.DEGRADED, reason=reason)
