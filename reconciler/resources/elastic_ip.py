"""An elastic IP address: a public IPv4 address that stays the same, for a NAT gateway.

AWS gives it out without a token and bills it while it is there, so it is found by the tags of its create call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationImport
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Calls, Desired, Observed
from reconciler.model.resource_type import Replace, ResourceType, Scope
from reconciler.resources import _ec2
from reconciler.resources._ec2 import Item, ec2


class ElasticIpSpec(resource.Spec):
    """Nothing can be chosen: AWS picks the address."""


class ElasticIp(ResourceType[ElasticIpSpec]):
    kind: ClassVar[str] = "elastic-ip"
    Spec = ElasticIpSpec
    terraform: ClassVar[str] = "aws_eip"
    creates: ClassVar[tuple[str, ...]] = ("AllocateAddress",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota("ec2", "EC2-VPC Elastic IPs", 5, "L-0263D0A3", count=listed(ec2.describe_addresses, "Addresses")),
    )
    permissions: ClassVar[Permissions] = Permissions(ec2="elastic-ip")
    replace: ClassVar[Replace] = Replace.CREATE_FIRST

    def in_cloudformation(self, found: Observed[ElasticIpSpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::EC2::EIP", {"PublicIp": found.facts["public_ip"], "AllocationId": found.id})

    def observe(self, scope: Scope) -> Calls[list[Observed[ElasticIpSpec]]]:
        answer = yield ec2.describe_addresses()
        return [
            Observed(
                address,
                item["AllocationId"],
                ElasticIpSpec(),
                tags=_ec2.tags_of(item),
                facts={"public_ip": item["PublicIp"]},
            )
            for address, item in _ec2.located(self.kind, scope, answer["Addresses"], "AllocationId")
        ]

    def create(self, new: Desired[ElasticIpSpec]) -> Calls[str]:
        answer = yield ec2.allocate_address(Domain="vpc", TagSpecifications=_ec2.specification("elastic-ip", new.tags))
        identifier: str = answer["AllocationId"]
        return identifier

    def update(
        self, old: Observed[ElasticIpSpec], new: Desired[ElasticIpSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield from ()

    def delete(self, old: Observed[ElasticIpSpec]) -> Calls[None]:
        try:
            yield ec2.release_address(AllocationId=old.id)
        except errors.Gone:
            return
        except errors.Denied as denied:
            # While a NAT gateway still holds the address, AWS says AuthFailure, the same as for missing rights.
            holder = yield from _holder(old.id)
            if holder is None:
                raise
            raise errors.Blocked(
                f"the address is still on {holder}", call=denied.call, code=denied.code, request_id=denied.request_id
            ) from denied

    def update_tags(self, old: Observed[ElasticIpSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _holder(identifier: str) -> Calls[str | None]:
    """The network interface that an address is on."""
    answer = yield ec2.describe_addresses(Filters=[{"Name": "allocation-id", "Values": [identifier]}])
    items: list[Item] = answer["Addresses"]
    return next(
        (item.get("NetworkInterfaceId", item["AssociationId"]) for item in items if "AssociationId" in item), None
    )
