"""A certificate in AWS Certificate Manager, looked up by its domain or its ARN: what an HTTPS listener shows.

Certificates are requested, validated and renewed outside the specs. Where several are for one domain, an issued one
counts, and of those the one that is valid for longest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Scope

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


class Certificate(LookedUpType[CertificateSpec]):
    kind: ClassVar[str] = "certificate"
    Spec = CertificateSpec
    slow_to_create: ClassVar[bool] = True  # a listener takes a certificate only after its validation

    def observe(self, scope: Scope) -> Calls[list[Observed[CertificateSpec]]]:
        if not scope.wanted:
            return []
        answer = yield acm.list_certificates(Includes={"keyTypes": list(KEY_TYPES)})
        return [_look_up(want, answer["CertificateSummaryList"]) for want in scope.wanted]


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
