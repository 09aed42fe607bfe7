"""A certificate that ACM issues for one domain, with the record by which ACM validates and renews it.

It is requested in the stack's region, and its record is written to the domain's hosted zone. Until ACM has found that
record the certificate is PROGRESSING, and what would show it waits. One that ACM has given up is `unusable`: it stays
for the reason to be read, until it is replaced or deleted.

The name and the value of the record follow from the domain and the account, so several certificates of a domain share
it. The TXT record beside it says which of them has made it, and goes with that one; another makes it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CLOUDFORMATION, TERRAFORM
from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.resources import _dns, _gone, _tags
from reconciler.resources._dns import Place, Records

acm = ServiceApi("acm")

ZONE: Final = "reconciler:zone"
"""Its hosted zone, so that the records of a domain are found that is not in the specs any more."""
ZONE_ROLE: Final = "reconciler:zone-role"

PENDING: Final = "PENDING_VALIDATION"
GIVEN_UP: Final = {
    "FAILED": "ACM could not issue the certificate",
    "VALIDATION_TIMED_OUT": "ACM did not find the record in 72 hours: the domain's name servers are not those of its "
    "hosted zone",
}
"""Why a certificate never becomes usable, by its status."""


class DomainCertificateSpec(resource.Spec):
    domain: Annotated[str, FieldMark.IMMUTABLE]
    zone: Link
    """Id of the hosted zone."""
    role: str = ""
    """ARN of the role by which the zone is reached, in another account."""
    validated: bool = True
    """The record by which ACM validates it is in the zone."""


class DomainCertificate(ResourceType[DomainCertificateSpec]):
    kind: ClassVar[str] = "domain-certificate"
    Spec = DomainCertificateSpec
    terraform: ClassVar[str] = "aws_acm_certificate"
    not_exported: ClassVar[Mapping[str, str]] = {
        TERRAFORM: "the record that validates it is in the zone, and in no block",
        CLOUDFORMATION: "AWS::CertificateManager::Certificate cannot be imported",
    }
    creates: ClassVar[tuple[str, ...]] = ("RequestCertificate", "ChangeResourceRecordSets")
    may_duplicate: ClassVar[bool] = True
    observe_after: ClassVar[tuple[str, ...]] = ("hosted-zone",)
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_create: ClassVar[bool] = True
    tag_rules: ClassVar[TagRules] = TagRules(added=2)  # the zone, and the role by which it is reached
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("route53", "ChangeResourceRecordSets"): Binding.RECORDS}
    )

    def records(self, spec: DomainCertificateSpec) -> Mapping[str, tuple[str, ...]]:
        """Names begin with what ACM chooses."""
        return {f"_*.{_base(spec.domain)}": ("CNAME", "TXT")}

    def observe(self, scope: Scope) -> Calls[list[Observed[DomainCertificateSpec]]]:
        items: dict[str, Mapping[str, Any]] = {}
        swept = frozenset(scope.swept_arns("acm", "certificate/"))
        if scope.wanted or swept:
            answer = yield acm.list_certificates()  # of RSA keys with up to 2048 bits, as those are that it requests
            domains = {want.spec.domain for want in scope.wanted}
            items = {
                item["CertificateArn"]: item
                for item in answer["CertificateSummaryList"]
                if item["CertificateArn"] in swept or item.get("DomainName") in domains
            }
        arns = sorted(items)
        listings = yield from _gone.answers([acm.list_tags_for_certificate(CertificateArn=arn) for arn in arns])
        tags = {arn: _tags.of_pairs(found.get("Tags", ())) for arn, found in zip(arns, listings, strict=True) if found}
        located = {arn: at for arn in arns if arn in tags and (at := _address(self.kind, tags[arn], scope, items[arn]))}
        asked = list(located)
        answers = yield from _gone.answers([acm.describe_certificate(CertificateArn=arn) for arn in asked])
        described = {arn: found["Certificate"] for arn, found in zip(asked, answers, strict=True) if found is not None}
        places = {arn: place for arn in described if (place := _place(described[arn], tags[arn])) is not None}
        records = yield from _dns.read(list(dict.fromkeys(places.values())))
        at_place = dict(zip(dict.fromkeys(places.values()), records, strict=True))
        return [
            _observed(at, arn, described[arn], tags[arn], at_place.get(places[arn]) if arn in places else None)
            for arn, at in located.items()
            if arn in described
        ]

    def create(self, new: Desired[DomainCertificateSpec]) -> Calls[str]:
        tags = {**new.tags, **_zone_tags(new.spec)}
        answer = yield acm.request_certificate(
            DomainName=new.spec.domain, ValidationMethod="DNS", Tags=_tags.pairs(tags)
        )
        arn: str = answer["CertificateArn"]
        yield from _validate(arn, new)
        return arn

    def update(
        self, old: Observed[DomainCertificateSpec], new: Desired[DomainCertificateSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield from _validate(old.id, new)
        if {change.field for change in changes} & {"zone", "role"}:
            yield from _forget(old)
            if not new.spec.role and ZONE_ROLE in old.tags:
                yield acm.remove_tags_from_certificate(CertificateArn=old.id, Tags=[{"Key": ZONE_ROLE}])
            yield acm.add_tags_to_certificate(CertificateArn=old.id, Tags=_tags.pairs(_zone_tags(new.spec)))

    def delete(self, old: Observed[DomainCertificateSpec]) -> Calls[None]:
        """The certificate goes last: the record is found by it."""
        answer = yield from _gone.answer(acm.describe_certificate(CertificateArn=old.id))
        if answer is None:
            return
        users = answer["Certificate"].get("InUseBy") or ()
        if users:
            raise errors.Blocked(f"{users[0]} still shows it")
        yield from _forget(old)
        yield from _gone.let_go(acm.delete_certificate(CertificateArn=old.id))

    def update_tags(
        self, old: Observed[DomainCertificateSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        keys = sorted(drop)
        if keys:
            yield acm.remove_tags_from_certificate(CertificateArn=old.id, Tags=[{"Key": key} for key in keys])
        if put:
            yield acm.add_tags_to_certificate(CertificateArn=old.id, Tags=_tags.pairs(put))


def _base(domain: str) -> str:
    return domain.removeprefix("*.")


def _address(kind: str, tags: Mapping[str, str], scope: Scope, item: Mapping[str, Any]) -> Address | None:
    """Where it is in the specs: by its tags, and an unowned one by the `Name` that the specs give.

    Certificates of others for the same domain are no conflict.
    """
    found, owner = ownership.address(tags), ownership.owner(tags)
    if owner == scope.stack:
        return found if found is not None and found.kind == kind else Address(kind, item["DomainName"])
    if owner is None:
        for want in scope.wanted:
            named = tags.get(ownership.NAME) == want.tags.get(ownership.NAME, want.address.name)
            if named and item.get("DomainName") == want.spec.domain:
                return want.address
    return None


def _observed(
    at: Address, arn: str, certificate: Mapping[str, Any], tags: Mapping[str, str], there: Records | None
) -> Observed[DomainCertificateSpec]:
    record, status = _record(certificate), str(certificate.get("Status", PENDING))
    given_up = status in GIVEN_UP
    spec = DomainCertificateSpec(
        domain=certificate["DomainName"],
        zone=tags.get(ZONE, ""),
        role=tags.get(ZONE_ROLE, ""),
        validated=given_up or (record is not None and there is not None and _leads(there, record)),
    )
    health, reason = _health(arn, status, certificate, spec)
    names = () if record is None else (_dns.plain(record["Name"]), _dns.owner_name(_dns.plain(record["Name"])))
    facts = {"ids": names, "unusable": given_up, "record": record}
    return Observed(at, arn, spec, tags=dict(tags), health=health, reason=reason, facts=facts)


def _health(
    arn: str, status: str, certificate: Mapping[str, Any], spec: DomainCertificateSpec
) -> tuple[ResourceHealth, str]:
    if status == "ISSUED":
        return ResourceHealth.READY, ""
    if status == PENDING:
        looking = (
            "ACM looks for its record, which takes some minutes" if spec.validated else "its record is written next"
        )
        return ResourceHealth.PROGRESSING, f"the certificate for {spec.domain} is not issued yet: {looking}"
    if status in GIVEN_UP:
        why = GIVEN_UP[status] + (f" ({certificate['FailureReason']})" if certificate.get("FailureReason") else "")
        again = "then let another one be requested with `--allow-replace`, or delete this one in ACM"
        return ResourceHealth.DEGRADED, f"{why}; correct the cause, {again}: {arn}"
    return ResourceHealth.DEGRADED, f"the certificate for {spec.domain} is {status.lower().replace('_', ' ')}"


def _record(certificate: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record by which ACM validates it. ACM shows it some seconds after the request."""
    options: Sequence[Mapping[str, Any]] = certificate.get("DomainValidationOptions") or ()
    return next((option["ResourceRecord"] for option in options if option.get("ResourceRecord")), None)


def _place(certificate: Mapping[str, Any], tags: Mapping[str, str]) -> Place | None:
    record, zone = _record(certificate), tags.get(ZONE)
    if record is None or not _dns.is_zone(zone):
        return None
    return Place(str(zone), tags.get(ZONE_ROLE, ""), _dns.plain(record["Name"]))


def _leads(there: Records, record: Mapping[str, Any]) -> bool:
    """Whether the record is there, whoever has made it."""
    values = [row["Value"] for item in there.items for row in item.get("ResourceRecords", ())]
    return [_dns.plain(value) for value in values] == [_dns.plain(record["Value"])]


def _validate(arn: str, new: Desired[DomainCertificateSpec]) -> Calls[None]:
    """Write the record, unless ACM does not show it yet, or it is there."""
    if not _dns.is_zone(new.spec.zone):
        return
    answer = yield acm.describe_certificate(CertificateArn=arn)
    record = _record(answer["Certificate"])
    if record is None:
        return
    place = Place(str(new.spec.zone), new.spec.role, _dns.plain(record["Name"]))
    there = yield from _dns.read_one(place)
    if _leads(there, record):
        return
    if there.items and not there.ours(new):
        raise errors.Exists(f"the record {place.name} leads elsewhere, and ACM needs it to be {record['Value']}")
    item = {
        "Name": place.name,
        "Type": record["Type"],
        "TTL": 300,
        "ResourceRecords": [{"Value": record["Value"]}],
    }
    owner = [] if there.tags and not there.ours(new) else _dns.owner_changes(place, there, new.tags)
    yield from _dns.write(place, [*map(_dns.deletion, there.items), _dns.creation(item), *owner])


def _forget(old: Observed[DomainCertificateSpec]) -> Calls[None]:
    """Delete the record, if this certificate has made it."""
    record = old.facts.get("record")
    if record is None or not _dns.is_zone(old.spec.zone):
        return
    place = Place(str(old.spec.zone), old.spec.role, _dns.plain(record["Name"]))
    there = yield from _dns.read_one(place)
    if there.tags and there.tags == _dns.owner_tags(old.tags):
        yield from _dns.write(place, map(_dns.deletion, (*there.items, *there.owners)))


def _zone_tags(spec: DomainCertificateSpec) -> dict[str, str]:
    return {ZONE: str(spec.zone), **({ZONE_ROLE: spec.role} if spec.role else {})}
