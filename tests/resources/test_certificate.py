"""Certificates are looked up: issued, not validated yet, or of no use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources.certificate import Certificate, CertificateSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

ARN = "arn:aws:acm:us-west-2:123456789012:certificate/"


def certificate(**fields: str) -> Desired[Any]:
    return wish("certificate/web", CertificateSpec(**fields))


def item(name: str, domain: str = "example.com", status: str = "ISSUED", ends: int = 2027, **more: Any) -> Any:
    return {
        "CertificateArn": ARN + name,
        "DomainName": domain,
        "Status": status,
        "NotAfter": datetime(ends, 1, 1, tzinfo=UTC),
        **more,
    }


def observe(items: list[Any], *wanted: Desired[Any]) -> list[Observed[Any]]:
    return Talk(ListCertificates={"CertificateSummaryList": items}).hold(Certificate().observe(scope(*wanted)))


def test_it_is_found_by_domain_alternative_name_or_arn() -> None:
    """One listing answers for all; its id is the ARN that a listener takes."""
    items = [item("other", "other.com"), item("web", SubjectAlternativeNameSummaries=["www.example.com"])]
    wanted = (
        certificate(domain="example.com"),
        certificate(domain="www.example.com"),
        certificate(arn=ARN + "web"),
    )
    assert [(one.id, one.health, one.spec) for one in observe(items, *wanted)] == [
        (ARN + "web", ResourceHealth.READY, want.spec) for want in wanted
    ]


def test_certificates_of_every_key_are_listed() -> None:
    """Left to itself, ACM lists none with an elliptic curve."""
    told = Talk(ListCertificates={"CertificateSummaryList": []})
    told.hold(Certificate().observe(scope(certificate(domain="example.com"))))
    (params,) = told.params("ListCertificates")
    assert {"EC_prime256v1", "RSA_2048", "RSA_4096"} <= set(params["Includes"]["keyTypes"])


def test_of_several_the_issued_one_that_lasts_longest_counts() -> None:
    """A renewal is there before the old one ends, and one that was never validated is in nobody's way."""
    items = [item("old"), item("new", ends=2028), item("pending", status="PENDING_VALIDATION", ends=2030)]
    (found,) = observe(items, certificate(domain="example.com"))
    assert found.id == ARN + "new"


@pytest.mark.parametrize(
    ("status", "health"),
    [
        ("ISSUED", ResourceHealth.READY),
        ("PENDING_VALIDATION", ResourceHealth.PROGRESSING),
        *((status, ResourceHealth.DEGRADED) for status in ("EXPIRED", "FAILED", "INACTIVE", "REVOKED")),
        ("VALIDATION_TIMED_OUT", ResourceHealth.DEGRADED),
    ],
)
def test_its_status_is_its_health(status: str, health: ResourceHealth) -> None:
    """Only an issued certificate can be shown; one that waits for its validation may be, later."""
    (found,) = observe([item("web", status=status)], certificate(domain="example.com"))
    assert (found.health, bool(found.reason)) == (health, status != "ISSUED")


def test_one_that_is_missing_is_a_mistake() -> None:
    """It is said which; nothing else is taken in its place."""
    (found,) = observe([item("web")], certificate(domain="sub.example.com"))
    assert (found.health, "sub.example.com" in found.reason) == (ResourceHealth.DEGRADED, True)


def test_a_denied_look_is_not_a_missing_certificate() -> None:
    """Unknown is not absent."""
    with pytest.raises(errors.Denied):
        Talk(ListCertificates=errors.Denied("no")).hold(Certificate().observe(scope(certificate(domain="a.com"))))


def test_nothing_is_asked_when_nothing_is_wanted() -> None:
    """No certificate, no call."""
    told = Talk()
    assert told.hold(Certificate().observe(scope())) == []
    assert told.said == []


def test_a_certificate_is_never_written() -> None:
    """Requesting and renewing them is done elsewhere."""
    want = certificate(domain="example.com")
    (found,) = observe([item("web")], want)
    for write in (
        lambda: Certificate().create(want),
        lambda: Certificate().update(found, want, ()),
        lambda: Certificate().delete(found),
        lambda: Certificate().update_tags(found, {"a": "b"}, ()),
    ):
        with pytest.raises(AssertionError, match="only looked up"):
            write()
