"""A subnet that others own, looked up by its id."""

from __future__ import annotations

from typing import ClassVar

from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Observed
from reconciler.model.resource_type import Scope
from reconciler.resources import _existing_in_ec2
from reconciler.resources._ec2 import ec2
from reconciler.resources._existing_in_ec2 import ExistingInEc2Spec


class ExistingSubnet(LookedUpType[ExistingInEc2Spec]):
    kind: ClassVar[str] = "existing-subnet"
    of_others: ClassVar[bool] = True
    Spec = ExistingInEc2Spec
    observe_after: ClassVar[tuple[str, ...]] = ("lookup",)

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingInEc2Spec]]]:
        return (
            yield from _existing_in_ec2.observe(
                scope, ec2.describe_subnets, "Subnets", "SubnetId", "subnet-id", "subnet"
            )
        )
