"""The records of a domain that lead to a load balancer: an alias of the type A, and AAAA where it has IPv6 addresses.

A record whose TXT record does not name this stack is somebody else's: it is shown, and not touched unless the specs
adopt it. What is adopted is replaced in one call, with every record at that name that says where it leads.

Route 53 has no index of what a stack owns. The records of a domain that leaves the specs are found by its certificate,
which has the zone in its tags and outlives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CLOUDFORMATION, TERRAFORM, TerraformImport
from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _dns
from reconciler.resources._dns import Place, Records
from reconciler.resources._elb import elbv2

SIMPLE = "simple"
OTHER = "weighted, latency, geolocation or another policy"


class DnsRecordSpec(resource.Spec):
    name: Annotated[str, FieldMark.IMMUTABLE]
    zone: Annotated[Link, FieldMark.IMMUTABLE]
    """Id of the hosted zone."""
    role: str = ""
    """ARN of the role by which the zone is reached, in another account."""
    load_balancer: Link
    types: tuple[str, ...] = ("A",)
    routing: Annotated[str, FieldMark.IMMUTABLE] = SIMPLE
    """Routing policy. Records of another policy share a name, and are not replaced."""


class DnsRecord(ResourceType[DnsRecordSpec]):
    kind: ClassVar[str] = "dns-record"
    Spec = DnsRecordSpec
    not_exported: ClassVar[Mapping[str, str]] = {
        TERRAFORM: "the TXT record that names the owner is in no block",
        CLOUDFORMATION: "AWS::Route53::RecordSet cannot be imported",
    }
    indexed: ClassVar[bool] = False
    creates: ClassVar[tuple[str, ...]] = ("ChangeResourceRecordSets",)
    named_within: ClassVar[int] = 4
    observe_after: ClassVar[tuple[str, ...]] = ("domain-certificate", "load-balancer")
    depends_on: ClassVar[tuple[str, ...]] = ("domain-certificate", "listener", "listener-rule")
    replace: ClassVar[Replace] = Replace.CREATE_FIRST
    adopted_by: ClassVar[str] = "write its domain as {name: …, adopt: true}, to have it lead to the load balancer"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("route53", "ChangeResourceRecordSets"): Binding.RECORDS}
    )

    def records(self, spec: DnsRecordSpec) -> Mapping[str, tuple[str, ...]]:
        return {spec.name: _dns.ADDRESSES, _dns.owner_name(spec.name): ("TXT",)}

    def in_terraform(self, found: Observed[DnsRecordSpec]) -> Iterator[TerraformImport]:
        for kind in found.spec.types:
            yield TerraformImport("aws_route53_record", f"{found.spec.zone}_{found.spec.name}_{kind}", kind)

    def observe(self, scope: Scope) -> Calls[list[Observed[DnsRecordSpec]]]:
        wanted = {
            Place(str(want.spec.zone), want.spec.role, want.spec.name): want
            for want in scope.wanted
            if _dns.is_zone(want.spec.zone)
        }
        known = (one.spec for one in scope.ours("domain-certificate") if _dns.is_zone(one.spec.zone))
        places = list(dict.fromkeys([*wanted, *(Place(str(spec.zone), spec.role, spec.domain) for spec in known)]))
        balancers = {_dns_name(one.facts["dns_name"]): one.id for one in scope.seen.get("load-balancer", ())}
        found = []
        for place, there in zip(places, (yield from _dns.read(places)), strict=True):
            tags, want = there.tags_in(scope), wanted.get(place)
            address = want.address if want is not None else ownership.address(tags)
            if want is None and (address is None or ownership.owner(tags) != scope.stack):
                continue
            assert address is not None, "one of both is there"
            if there.items:
                found.append(_observed(address, place, there, tags, balancers))
        return found

    def create(self, new: Desired[DnsRecordSpec]) -> Calls[str]:
        place = _place(new.spec)
        there = yield from _dns.read_one(place)
        if there.items and not there.ours(new):
            raise errors.Exists(f"{place.name} has a record that is not one of {new.address}")
        yield from self._put(place, there, new)
        return _id(place)

    def update(
        self, old: Observed[DnsRecordSpec], new: Desired[DnsRecordSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        place = _place(new.spec)
        there = yield from _dns.read_one(place)
        if not there.ours(new):
            raise errors.StalePlan(f"{place.name} has another owner than when it was read; nothing was written")
        yield from self._put(place, there, new)

    def delete(self, old: Observed[DnsRecordSpec]) -> Calls[None]:
        place = _place(old.spec)
        there = yield from _dns.read_one(place)
        if there.tags == dict(old.facts["owner"]):
            yield from _dns.write(place, map(_dns.deletion, (*there.items, *there.owners)))

    def update_tags(self, old: Observed[DnsRecordSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        place, gone = _place(old.spec), frozenset(drop)
        there = yield from _dns.read_one(place)
        if there.tags != dict(old.facts["owner"]):
            raise errors.StalePlan(f"{place.name} has another owner than when it was read; nothing was written")
        kept = {key: value for key, value in there.tags.items() if key not in gone}
        yield from _dns.write(place, _dns.owner_changes(place, there, {**kept, **put}))

    def _put(self, place: Place, there: Records, new: Desired[DnsRecordSpec]) -> Calls[None]:
        """Have the name lead to the load balancer, and nowhere else."""
        answer = yield elbv2.describe_load_balancers(LoadBalancerArns=[new.spec.load_balancer])
        balancer = answer["LoadBalancers"][0]
        target = {
            "HostedZoneId": balancer["CanonicalHostedZoneId"],
            "DNSName": balancer["DNSName"],
            "EvaluateTargetHealth": True,
        }
        made = [{"Name": place.name, "Type": kind, "AliasTarget": target} for kind in new.spec.types]
        others = [item for item in there.items if item["Type"] not in new.spec.types]
        write = _dns.replacement if there.ours(new) else _dns.creation
        owner = _dns.owner_changes(place, there, new.tags)
        yield from _dns.write(place, [*map(_dns.deletion, others), *map(write, made), *owner])


def _place(spec: DnsRecordSpec) -> Place:
    return Place(str(spec.zone), spec.role, spec.name)


def _id(place: Place) -> str:
    return f"{place.zone}/{place.name}"


def _dns_name(text: str) -> str:
    """A name of a load balancer; Route 53's console writes one that also has IPv6 addresses before it."""
    return _dns.plain(text).removeprefix("dualstack.")


def _observed(
    address: Address, place: Place, there: Records, tags: Mapping[str, str], balancers: Mapping[str, str]
) -> Observed[DnsRecordSpec]:
    leads = {_dns_name(item.get("AliasTarget", {}).get("DNSName", "")) for item in there.items}
    target = next(iter(leads)) if len(leads) == 1 else ""
    spec = DnsRecordSpec(
        name=place.name,
        zone=place.zone,
        role=place.role,
        load_balancer=balancers.get(target, target),
        types=tuple(sorted({item["Type"] for item in there.items})),
        routing=OTHER if any("SetIdentifier" in item for item in there.items) else SIMPLE,
    )
    facts = {"ids": (place.name, _dns.owner_name(place.name)), "owner": there.tags}
    return Observed(address, _id(place), spec, tags=dict(tags), facts=facts)
