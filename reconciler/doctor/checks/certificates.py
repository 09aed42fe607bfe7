"""Certificates: whether they are issued, valid for a while, and cover the hosts of their listener."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, asked, not_checked
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Ref, ResourceHealth, ServiceApi

acm = ServiceApi("acm")

SOON: Final = timedelta(days=14)
"""ACM renews its own sixty days before they end (ACM user guide, "Managed certificate renewal")."""


class Certificates(Check):
    title: ClassVar[str] = "certificates"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        listeners = [want for want in case.desired if want.address.kind == "listener" and want.spec.certificates]
        read: dict[str, Mapping[str, Any] | errors.AwsError] = {}
        found: list[Finding] = []
        for want in listeners:
            domains: list[str] | None = []
            for link in want.spec.certificates:
                arn, where = case.id_of(link), _where(case, link, want)
                if not arn or not arn.startswith("arn:") or ":acm:" not in arn:
                    domains = None  # it is missing, which the plan says, or of IAM
                    continue
                if arn not in read:
                    answer = yield from asked(acm.describe_certificate(CertificateArn=arn))
                    read[arn] = answer if isinstance(answer, errors.AwsError) else answer["Certificate"]
                    own = case.found.get(link.address) if isinstance(link, Ref) else None
                    found += _judged(case, want.address, arn, read[arn], where, own)
                known = read[arn]
                if isinstance(known, errors.AwsError) or domains is None:
                    domains = None
                    continue
                domains += [known["DomainName"], *known.get("SubjectAlternativeNames", ())]
            if domains is not None:
                found += _uncovered(case, want, domains)
        return found


def _where(case: Case, link: Link, listener: Desired[Any]) -> str:
    want = case.wanted.get(link.address) if isinstance(link, Ref) else None
    return listener.where if want is None else want.where


def _judged(
    case: Case,
    listener: Address,
    arn: str,
    known: Mapping[str, Any] | errors.AwsError,
    where: str,
    own: Observed[Any] | None,
) -> Iterable[Finding]:
    """`own` is the certificate as a resource of the stack, which passes wait for while it is not issued."""
    if isinstance(known, errors.Gone):
        cause, fix = f"the certificate {arn} does not exist", "request it: aws acm request-certificate --domain-name …"
        yield Finding(Severity.ERROR, "certificate-missing", str(listener), cause, fix, where)
        return
    if isinstance(known, errors.AwsError):
        yield not_checked(f"certificate {arn}", known)
        return
    domain, status, ends = known["DomainName"], known.get("Status", ""), known.get("NotAfter")
    if status not in ("ISSUED", "EXPIRED"):
        fix = "request another one: aws acm request-certificate --domain-name " + domain
        if own is not None and own.facts.get("unusable"):
            fix = f"correct the cause, then: reconciler apply --allow-replace {own.address}"
        elif status == "PENDING_VALIDATION":
            if own is not None and own.health is ResourceHealth.PROGRESSING:
                return
            fix = f"create its DNS record: aws acm describe-certificate --certificate-arn {arn}"
        cause = f"the certificate for {domain} is not issued: {status.lower().replace('_', ' ')}"
        yield Finding(Severity.ERROR, "certificate-not-issued", str(listener), cause, fix, where)
    elif ends is not None and (status == "EXPIRED" or ends <= case.now + SOON):
        over = status == "EXPIRED" or ends <= case.now
        cause = f"the certificate for {domain} {'expired' if over else 'expires'} on {ends:%Y-%m-%d}"
        fix = f"renew it, and see why ACM did not: aws acm describe-certificate --certificate-arn {arn}"
        severity = Severity.ERROR if over else Severity.WARNING
        yield Finding(severity, "certificate-expired", str(listener), cause, fix, where)


def _uncovered(case: Case, listener: Desired[Any], domains: list[str]) -> Iterable[Finding]:
    """Hosts that a rule of the listener takes requests for, and that none of its certificates is for."""
    for want in case.desired:
        if want.address.kind != "listener-rule" or want.spec.listener != Ref(listener.address):
            continue
        for host in want.spec.hosts or ():
            if not any(covers(domain, host) for domain in domains):
                cause = f"no certificate of {listener.address} covers the host {host}: it has {', '.join(domains)}"
                fix = f"add a certificate for {host} to `certificates` of the listener"
                yield Finding(Severity.ERROR, "certificate-domain", str(want.address), cause, fix, want.where)


def covers(domain: str, host: str) -> bool:
    """Whether a certificate for `domain` is valid for `host`, which may have wildcards of its own.

    A wildcard stands for one label (RFC 6125, 6.4.3).
    """
    domain, host = domain.lower(), host.lower()
    if domain == host:
        return True
    first, _, rest = host.partition(".")
    return domain == f"*.{rest}" and "*" not in rest and bool(first)
