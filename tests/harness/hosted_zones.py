"""Hosted zones of Route 53 in moto, with ids that a test chooses."""

from __future__ import annotations

from moto.route53.models import FakeZone, route53_backends

from tests.conftest import ACCOUNT

ZONE = "Z0123456789EXAMPLE"


def hosted_zone(name: str = "example.com", zone: str = ZONE, *, private: bool = False) -> str:
    """A hosted zone without any records; its id."""
    zones = route53_backends[ACCOUNT]["aws"].zones
    zones[zone] = FakeZone(name=f"{name}.", id_=zone, private_zone=private, caller_reference=zone)
    return zone
