"""Hosted zones are looked up: the public one with the longest name, or the one that the specs name."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources.hosted_zone import HostedZone, HostedZoneSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

ROLE = "arn:aws:iam::210987654321:role/dns"


def zone(**fields: Any) -> Desired[Any]:
    return wish("hosted-zone/app.example.com", HostedZoneSpec(**{"domain": "app.example.com", **fields}))


def item(name: str, id: str, *, private: bool = False) -> dict[str, Any]:
    config = {"PrivateZone": private}
    return {"Id": f"/hostedzone/{id}", "Name": f"{name}.", "CallerReference": "x", "Config": config}


def observe(items: list[dict[str, Any]], *wanted: Desired[Any]) -> list[Observed[Any]]:
    return Talk(ListHostedZones={"HostedZones": items}).hold(HostedZone().observe(scope(*wanted)))


def test_the_longest_name_counts() -> None:
    """Names are resolved in the zone that is nearest to them; a name that merely ends alike is another domain's."""
    items = [
        item("example.com", "ZSHORT"),
        item("app.example.com", "ZLONG"),
        item("pp.example.com", "ZALIKE"),
        item("app.example.com", "ZPRIVATE", private=True),
    ]
    (found,) = observe(items, zone())
    assert (found.id, found.health) == ("ZLONG", ResourceHealth.READY)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [item("other.com", "ZOTHER")],
        [item("example.com", "ZPRIVATE", private=True)],
        [item("example.com", "ZONE"), item("example.com", "ZTWO")],
    ],
)
def test_no_zone_a_private_one_and_two_alike_are_mistakes(items: list[dict[str, Any]]) -> None:
    """It is said which; nothing else is taken in its place."""
    (found,) = observe(items, zone())
    assert (found.health, bool(found.reason)) == (ResourceHealth.DEGRADED, True)


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (item("example.com", "Z1"), ResourceHealth.READY),
        (item("example.org", "Z1"), ResourceHealth.DEGRADED),
        (item("example.com", "Z1", private=True), ResourceHealth.DEGRADED),
        (None, ResourceHealth.DEGRADED),
    ],
)
def test_a_zone_that_is_named_has_to_hold_the_domain(answer: dict[str, Any] | None, health: ResourceHealth) -> None:
    """It exists, is public, and the domain is part of it; its role is the one that is asked with."""
    told = Talk(GetHostedZone=errors.Gone("none") if answer is None else {"HostedZone": answer})
    (found,) = told.hold(HostedZone().observe(scope(zone(zone="Z1", role=ROLE))))
    assert (found.id, found.health) == ("Z1", health)
    assert [call.role for call in told.said] == [ROLE]


def test_one_listing_answers_for_all_domains_of_an_account() -> None:
    """And none is made where nothing is wanted."""
    wanted = [zone(), zone(domain="www.example.com")]
    told = Talk(ListHostedZones={"HostedZones": [item("example.com", "Z1")]})
    assert [one.id for one in told.hold(HostedZone().observe(scope(*wanted)))] == ["Z1", "Z1"]
    assert told.operations() == ["ListHostedZones"]
    assert Talk().hold(HostedZone().observe(scope())) == []
