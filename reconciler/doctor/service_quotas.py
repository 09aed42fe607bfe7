"""Service Quotas: the values that apply to this account and region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.doctor.check import asked
from reconciler.model.quota import Quota
from reconciler.model.resource import Calls, ServiceApi

quotas = ServiceApi("service-quotas")

Known = list[Mapping[str, Any]] | errors.AwsError


def quotas_of(services: Iterable[str]) -> Calls[dict[str, Known]]:
    """All quotas of each service, by its code in Service Quotas, or why they cannot be read."""
    found: dict[str, Known] = {}
    for service in sorted(set(services)):
        answer = yield from asked(quotas.list_service_quotas(ServiceCode=service))
        found[service] = answer if isinstance(answer, errors.AwsError) else answer["Quotas"]
    return found


def applied(quota: Quota, known: Known) -> Mapping[str, Any] | None:
    """What Service Quotas says of a quota; None where it does not list it or cannot be read."""
    if isinstance(known, errors.AwsError):
        return None
    for item in known:
        if item["QuotaCode"] == quota.code or (not quota.code and item["QuotaName"].lower() == quota.name.lower()):
            return item
    return None


def value_of(quota: Quota, known: Known) -> float:
    """The value that applies, AWS's default where Service Quotas does not tell."""
    item = applied(quota, known)
    return quota.default if item is None else float(item["Value"])


def request_of(quota: Quota, most: float) -> str:
    """The command that asks AWS for more."""
    if not quota.code:
        return f"request an increase of {quota.name!r} in the Service Quotas console of {quota.service}"
    return (
        f"request an increase: aws service-quotas request-service-quota-increase --service-code {quota.service} "
        f"--quota-code {quota.code} --desired-value {most:g}"
    )
