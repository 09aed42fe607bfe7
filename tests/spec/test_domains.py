"""Domains of services: the records that they compile to."""

from __future__ import annotations

import pytest

from tests.spec import folder
from tests.spec.test_start import compiled

TEXT = """kind: Service
name: my-app-frontend
traffic: {{domain: app.example.com}}
---
kind: Network
name: my-workspace
ipv6: true
subnets:
  - {{name: app-private1-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: private}}
  - {{name: app-public1-a, zone: us-west-2a, cidr: 10.0.1.0/24, access: public, ipv6: 0}}
  - {{name: app-public1-c, zone: us-west-2c, cidr: 10.0.2.0/24, access: public, ipv6: 1}}
security_groups:
  - name: my-app-lb-sg
    ingress: [{{port: 80, from: anywhere}}, {{port: 443, from: anywhere}}, {{port: 9000, from: 203.0.113.7/32}}]
  - {{name: my-app-task-sg, ingress: [{{port: 80, from: my-app-lb-sg}}]}}
---
kind: LoadBalancer
name: my-app-alb
ip_address_type: {type}
"""


@pytest.mark.parametrize(("type", "types"), [("ipv4", ("A",)), ("dualstack", ("A", "AAAA"))])
def test_a_domain_has_a_record_for_each_kind_of_address_of_the_load_balancer(type: str, types: tuple[str, ...]) -> None:
    (record,) = (one for one in compiled(TEXT.format(type=type)).values() if one.address.kind == "dns-record")
    assert record.spec.types == types


REACHED = TEXT.format(type="dualstack").replace("{domain: app.example.com}", "{ip_address_type: ipv6}")
ONLY = "ingress: [{port: 80, from: my-app-lb-sg}]"


@pytest.mark.parametrize(
    ("peer", "closed"),
    [("my-app-lb-sg", False), ("anywhere", False), ("'2001:db8::/56'", False), ("10.0.0.0/16", True)],
)
def test_tasks_with_ipv6_addresses_are_reached_by_ranges_of_ipv6(peer: str, closed: bool) -> None:
    """Which range a subnet has is not known before AWS has chosen it."""
    assert ONLY in REACHED
    found = folder.rules(folder.lay(REACHED.replace(ONLY, ONLY.replace("my-app-lb-sg", peer))))
    assert ("E4020" in found) is closed
