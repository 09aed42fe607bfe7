"""A certificate in AWS Certificate Manager, looked up by its domain or its ARN: what an HTTPS listener shows.

Certificates are requested, validated and renewed outside the specs. Where several are for one domain, an issued one
counts, and of those the one that is valid for longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, NoReturn

from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.resource import Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import ResourceType, Scope

acm = ServiceApi("acm")

KEY_TYPES: Final = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
"""All of them: unasked, ACM lists certificates with the two smallest RSA keys only (ACM API Reference, Filters)."""


class CertificateSpec(resource.Spec):
    domain: str | None = None
    """As it stands in the certificate: the domain itself, or one of its alternative names."""
    arn: str | None = None


class Certificate(ResourceType[CertificateSpec]):
    kind: ClassVar[str] = "certificate"
    Spec = CertificateSpec
    lookup: ClassVar[bool] = True
    slow_to_create: ClassVar[bool] = True  # a listener takes a certificate only after its validation

    def observe(self, scope: Scope) -> Calls[list[Observed[CertificateSpec]]]:
        if not scope.wanted:
            return []
        answer = yield acm.list_certificates(Includes={"keyTypes": list(KEY_TYPES)})
        return [_look_up(want, answer["CertificateSummaryList"]) for want in scope.wanted]

    def create(self, new: Desired[CertificateSpec]) -> Calls[str]:
        _never("made")

    def update(
        self, old: Observed[CertificateSpec], new: Desired[CertificateSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        _never("changed")

    def delete(self, old: Observed[CertificateSpec]) -> Calls[None]:
        _never("deleted")

    def update_tags(self, old: Observed[CertificateSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        _never("tagged as ours")


def _look_up(want: Desired[CertificateSpec], items: Sequence[Mapping[str, Any]]) -> Observed[CertificateSpec]:
    spec = want.spec
    matching = [item for item in items if _is_meant(item, spec)]
    if not matching:
        named = spec.arn or spec.domain or ""
        reason = f"ACM has no certificate for {named} in this region"
        return Observed(want.address, named, spec, health=ResourceHealth.DEGRADED, reason=reason)
    best = max(matching, key=_preference)
    health, reason = _health(best)
    return Observed(want.address, best["CertificateArn"], spec, health=health, reason=reason)


def _is_meant(item: Mapping[str, Any], spec: CertificateSpec) -> bool:
    if spec.arn is not None:
        return bool(item["CertificateArn"] == spec.arn)
    return spec.domain in (item.get("DomainName"), *item.get("SubjectAlternativeNameSummaries", ()))


def _preference(item: Mapping[str, Any]) -> tuple[bool, bool, float, str]:
    status, ends = item.get("Status"), item.get("NotAfter")
    return status == "ISSUED", status == "PENDING_VALIDATION", ends.timestamp() if ends else 0.0, item["CertificateArn"]


def _health(item: Mapping[str, Any]) -> tuple[ResourceHealth, str]:
    status = str(item.get("Status", "of unknown status"))
    match status:
        case "ISSUED":
            return ResourceHealth.READY, ""
        case "PENDING_VALIDATION":
            return ResourceHealth.PROGRESSING, "the certificate is not validated yet"
        case _:
            return ResourceHealth.DEGRADED, f"the certificate is {status.lower().replace('_', ' ')}"


def _never(done: str) -> NoReturn:
    raise AssertionError(f"certificates are only looked up: none is ever {done}")
