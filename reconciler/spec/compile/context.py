"""Context of a compilation: specs, account, and the tags and position of each resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic import BaseModel

from reconciler.model import ownership
from reconciler.model.members import FIELD, digests, stated_tag
from reconciler.model.requirement import Requirement
from reconciler.model.resource import NOTHING, Address, Desired, Keep, Link, Meanwhile, Path, Ref, Spec
from reconciler.resources._ecs import Strategy
from reconciler.spec.documents import Cluster, Network, Stack
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.cluster import CapacityShare
from reconciler.spec.documents.references import LOOKUP
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class Context:
    specs: Specs
    stack: Stack
    account: str
    partition: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.stack.region}:{self.account}:{resource}"

    def desired(
        self,
        document: Document,
        address: Address,
        spec: Spec,
        *path: str | int,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        after: Iterable[Address] = (),
        origins: Mapping[str, str] | None = None,
        kept: Mapping[Path, Keep] = NOTHING,
        members: Mapping[Path, Keep] = NOTHING,
        meanwhile: Meanwhile | None = None,
        requires: tuple[Requirement, ...] = (),
    ) -> Desired[Any]:
        """`spec` as a resource of `document`; `path` leads to what declares it, `name` is its `Name` tag in EC2.

        `kept` are the fields in which `spec` has defaults: an adopted resource keeps what it has there. `members` are
        those of its API's members, of which every resource keeps what its document does not state. `requires` is what
        has to hold of what others own.
        """
        api, said = getattr(type(spec), "api", None), getattr(spec, FIELD, None)
        hidden = digests(api, said, address) if api is not None and said else {}
        declared = {**self.stack.tags, **document.tags, **(tags or {}), **hidden, **stated_tag(members)}
        declared |= spec.written_tags(address)
        return Desired(
            address,
            spec,
            tags=ownership.tags_for(
                self.specs.stack_id, address, protect=document.protect, declared=declared, name=name
            ),
            after=frozenset(after),
            adopt=document.adopt is not None,
            kept={**(NOTHING if document.adopt is None else kept), **members},
            keeps_name=name is not None,
            known_as="" if document.adopt is None else document.adopt.ids.get(str(address), ""),
            accept_loss=frozenset() if document.adopt is None else frozenset(document.adopt.accept_loss),
            protect=document.protect,
            where=self.specs.where(document, *path).place,
            origins=origins or {},
            meanwhile=None if meanwhile is None or meanwhile.spec == spec else meanwhile,
            requires=requires,
        )

    def looked_up(self, document: Document, address: Address, spec: Spec, *path: str | int) -> Desired[Any]:
        """Something that others own. Where it is missing, the very reference is wrong: its position has a column."""
        return replace(self.desired(document, address, spec), where=str(self.specs.where(document, *path)))

    # -- references, by name or by literal id

    def subnets(self, names: Iterable[str]) -> tuple[Link, ...]:
        return tuple(link("subnet", name, literal="subnet-") for name in names)

    def security_groups(self, names: Iterable[str]) -> tuple[Link, ...]:
        return tuple(link("security-group", name, literal="sg-") for name in names)

    def role(self, name: str) -> Link:
        return link("role", name, literal="arn:")

    def network_of(self, subnets: Iterable[str]) -> Network | None:
        """The network that the first of `subnets` to be declared belongs to."""
        wanted = tuple(subnets)
        for network in self.specs.networks:
            if any(subnet.name in wanted for subnet in network.subnets):
                return network
        return None


def strategy(shares: Iterable[CapacityShare], cluster: Cluster | None) -> tuple[Strategy, ...]:
    """With the names that the capacity providers of `cluster` have in AWS; of one that others own, they are written."""
    own = {} if cluster is None else {capacity.name: capacity.name_in_aws for capacity in cluster.ec2_capacity}
    return tuple(
        Strategy(provider=own.get(share.name, share.name), weight=share.weight, base=share.base) for share in shares
    )


def unstated(block: BaseModel, **fields: str | Path) -> dict[Path, Keep]:
    """The paths of those `fields` of a spec that come from a field that `block` does not state, by its name there."""
    paths = {name: tuple(path.split(".")) if isinstance(path, str) else path for name, path in fields.items()}
    return {path: Keep.VALUE for name, path in paths.items() if name not in block.model_fields_set}


def link(kind: str, name: str, *, literal: str) -> Link:
    """A reference by the name in the specs, or `name` itself where it begins as AWS's ids of that kind do."""
    if name.startswith(LOOKUP):
        return Ref(lookup_address(name))
    return name if name.startswith((literal, "arn:")) else Ref(Address(kind, name))


def lookup_address(reference: str) -> Address:
    """Where the value of `{lookup: …}` is found."""
    return Address("lookup", reference.removeprefix(LOOKUP))


def seconds(value: timedelta | None) -> int | None:
    """A duration in whole seconds, which is all that AWS knows."""
    return None if value is None else whole_seconds(value)


def whole_seconds(value: timedelta) -> int:
    return int(value.total_seconds())


def cidr(value: IPv4Network | IPv6Network) -> str:
    return str(value)
