"""Egress-only internet gateways: the law example, and what is in the way of one."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Observed
from reconciler.resources.egress_only_internet_gateway import (
    EgressOnlyInternetGateway,
    EgressOnlyInternetGatewaySpec,
)
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish("egress-only-internet-gateway/web", EgressOnlyInternetGatewaySpec(vpc=ref("vpc/web"))),
    needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20", ipv6=True)), wish("vpc/other", VpcSpec(cidr="10.1.0.0/20"))),
    edits=(Edit({"vpc": ref("vpc/other")}, "vpc"),),
)

WANT = wish("egress-only-internet-gateway/web", EgressOnlyInternetGatewaySpec(vpc="vpc-1"))


def item(tags: dict[str, str], *attachments: dict[str, str]) -> dict[str, Any]:
    return {"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": list(attachments), "Tags": pairs(tags)}


def observe(*items: dict[str, Any]) -> list[Observed[EgressOnlyInternetGatewaySpec]]:
    talk = Talk(DescribeEgressOnlyInternetGateways={"EgressOnlyInternetGateways": list(items)})
    return talk.hold(EgressOnlyInternetGateway().observe(scope(WANT)))


@pytest.mark.parametrize(
    ("tags", "owner"),
    [({"Name": "legacy"}, None), (tagged(wish("egress-only-internet-gateway/x", WANT.spec), "theirs"), "theirs")],
)
def test_the_gateway_that_our_vpc_already_has_is_shown(tags: dict[str, str], owner: str | None) -> None:
    """A VPC has one gateway, so another's is in the way of ours under any name."""
    (found,) = observe(item(tags, {"VpcId": "vpc-1", "State": "attached"}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, owner)
    assert EgressOnlyInternetGateway().excludes(WANT.spec, found.spec)
    assert observe(item(tags, {"VpcId": "vpc-2", "State": "attached"})) == []
    assert observe(item(tags)) == []


def test_a_gateway_that_is_gone_is_deleted() -> None:
    """Somebody else was faster."""
    (old,) = observe(item(tagged(WANT), {"VpcId": "vpc-1", "State": "attached"}))
    talk = Talk(DeleteEgressOnlyInternetGateway=errors.Gone("", code="InvalidGatewayID.NotFound"))
    talk.hold(EgressOnlyInternetGateway().delete(old))
    assert talk.params("DeleteEgressOnlyInternetGateway") == [{"EgressOnlyInternetGatewayId": "eigw-1"}]
