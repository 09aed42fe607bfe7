"""The operator's policy in hosted zones: the names of the specs' domains, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.iam import document, statements
from reconciler.model.policy_evaluation import Request, is_allowed
from reconciler.model.resource import Desired, Ref
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.resources.dns_record import DnsRecordSpec
from reconciler.resources.domain_certificate import DomainCertificateSpec
from reconciler.resources.hosted_zone import HostedZoneSpec
from tests.conftest import ACCOUNT, REGION
from tests.laws.example import ref, wish

CHANGE = "route53:ChangeResourceRecordSets"
ROLE = "arn:aws:iam::210987654321:role/dns"


def wanted(name: str = "app.example.com", zone: str | None = "Z1", role: str = "") -> list[Desired[Any]]:
    at = Ref(ref(f"hosted-zone/{name}").address)
    return [
        wish(f"hosted-zone/{name}", HostedZoneSpec(domain=name, zone=zone, role=role)),
        wish(f"domain-certificate/{name}", DomainCertificateSpec(domain=name, zone=at, role=role)),
        wish(
            f"dns-record/{name}", DnsRecordSpec(name=name, zone=at, role=role, load_balancer=ref("load-balancer/web"))
        ),
    ]


def policy(desired: list[Desired[Any]]) -> Mapping[str, Any]:
    return document(statements(discover(), desired, (), StackId("shop", ACCOUNT, REGION)))


def allowed(given: Mapping[str, Any], zone: str, names: tuple[str, ...], types: tuple[str, ...] = ("A",)) -> bool:
    keys = {f"{CHANGE}NormalizedRecordNames": names, f"{CHANGE}RecordTypes": types}
    return is_allowed(Request(CHANGE, f"arn:aws:route53:::hostedzone/{zone}", keys), (given,))


@pytest.mark.parametrize(
    ("zone", "names", "types", "may"),
    [
        ("Z1", ("app.example.com", "_reconciler.app.example.com"), ("A", "TXT"), True),
        ("Z1", ("_x1.app.example.com", "_reconciler._x1.app.example.com"), ("CNAME", "TXT"), True),
        ("Z1", ("www.example.com",), ("A",), False),
        ("Z1", ("app.example.com", "www.example.com"), ("A",), False),
        ("Z1", ("app.example.com",), ("MX",), False),
        ("Z2", ("app.example.com",), ("A",), False),
    ],
)
def test_only_records_of_the_domain_in_its_zone(
    zone: str, names: tuple[str, ...], types: tuple[str, ...], may: bool
) -> None:
    """All names of a change have to be among them, and all types."""
    assert allowed(policy(wanted()), zone, names, types) is may


def test_a_wildcard_is_its_own_name_only() -> None:
    """The condition key has it escaped, so that it allows no other name."""
    given = policy(wanted("*.example.com"))
    assert allowed(given, "Z1", ("\\052.example.com",))
    assert not allowed(given, "Z1", ("www.example.com",))


def test_a_zone_of_another_account_is_reached_by_its_role() -> None:
    """Nothing is allowed in zones of this one."""
    given = policy(wanted(role=ROLE))
    assert not allowed(given, "Z1", ("app.example.com",))
    assert is_allowed(Request("sts:AssumeRole", ROLE, {}), (given,))


def test_without_domains_there_is_nothing_of_route_53() -> None:
    """Neither reads nor writes."""
    assert "route53" not in str(policy([]))
