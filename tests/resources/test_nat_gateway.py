"""NAT gateways: the law example, and their slow life."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.resources.elastic_ip import ElasticIpSpec
from reconciler.resources.internet_gateway import InternetGatewaySpec
from reconciler.resources.nat_gateway import NatGateway, NatGatewaySpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish("nat-gateway/web", NatGatewaySpec(subnet=ref("subnet/web"), elastic_ip=ref("elastic-ip/web"))),
    needs=(
        wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),
        wish("internet-gateway/web", InternetGatewaySpec(vpc=ref("vpc/web"))),
        wish("subnet/web", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", zone="us-west-2a")),
        wish("subnet/other", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.2.0/24", zone="us-west-2c")),
        wish("elastic-ip/web", ElasticIpSpec()),
        wish("elastic-ip/other", ElasticIpSpec()),
    ),
    edits=(
        Edit({"subnet": ref("subnet/other")}, "subnet"),
        Edit({"elastic_ip": ref("elastic-ip/other")}, "elastic_ip"),
    ),
    unique=True,  # by its elastic IP
)

WANT = wish("nat-gateway/web", NatGatewaySpec(subnet="subnet-1", elastic_ip="eipalloc-1"))


def item(state: str, identifier: str = "nat-1", stack: str = "ours", **fields: Any) -> dict[str, Any]:
    return {
        "NatGatewayId": identifier,
        "SubnetId": "subnet-1",
        "State": state,
        "NatGatewayAddresses": [{"AllocationId": "eipalloc-1", "IsPrimary": True}],
        "Tags": pairs(tagged(WANT, stack)),
    } | fields


def observe(*items: dict[str, Any]) -> list[Observed[NatGatewaySpec]]:
    return Talk(DescribeNatGateways={"NatGateways": list(items)}).hold(NatGateway().observe(scope(WANT)))


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ("pending", ResourceHealth.PROGRESSING),
        ("available", ResourceHealth.READY),
        ("deleting", ResourceHealth.PROGRESSING),
    ],
)
def test_its_state_is_its_health(state: str, health: ResourceHealth) -> None:
    """A gateway that AWS is still making, or still deleting, is in progress and says so."""
    (found,) = observe(item(state))
    assert found.health is health
    assert found.facts.get("deleting", False) is (state == "deleting")


def test_a_failed_gateway_says_why() -> None:
    """AWS's own reason is shown until the gateway vanishes."""
    (found,) = observe(item("failed", FailureCode="Gateway.NotAttached", FailureMessage="Network has no gateway"))
    assert (found.health, found.reason) == (ResourceHealth.DEGRADED, "Gateway.NotAttached: Network has no gateway")


def test_a_deleted_gateway_is_absent_and_one_being_deleted_is_not() -> None:
    """AWS lists a deleted gateway for an hour; one that is going still holds its address and its subnet."""
    assert [found.id for found in observe(item("deleted"), item("deleting", "nat-2", NatGatewayAddresses=[]))] == [
        "nat-2"
    ]


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    """One call starts the end; the passes after it only look."""
    (old,) = observe(item("deleting"))
    talk = Talk()

    talk.hold(NatGateway().delete(old))
    assert talk.said == []


def test_a_second_creation_finds_the_first() -> None:
    """The elastic IP is taken by the gateway whose creation was never answered: that one is ours."""
    talk = Talk(
        CreateNatGateway=errors.Exists("", code="Resource.AlreadyAssociated"),
        DescribeNatGateways={"NatGateways": [item("deleted", "nat-0"), item("pending", "nat-1")]},
    )
    assert talk.hold(NatGateway().create(replace(WANT, tags=tagged(WANT)))) == "nat-1"


def test_somebody_elses_gateway_on_our_address_is_not_adopted() -> None:
    """What holds the elastic IP without our tags leaves the refusal standing."""
    talk = Talk(
        CreateNatGateway=errors.Exists("", code="Resource.AlreadyAssociated"),
        DescribeNatGateways={"NatGateways": [item("available", stack="theirs")]},
    )
    with pytest.raises(errors.Exists):
        talk.hold(NatGateway().create(replace(WANT, tags=tagged(WANT))))


def test_without_an_elastic_ip_it_is_private() -> None:
    """A gateway between networks has no public address."""
    talk = Talk(CreateNatGateway={"NatGateway": {"NatGatewayId": "nat-1"}})

    talk.hold(NatGateway().create(wish("nat-gateway/web", NatGatewaySpec(subnet="subnet-1"))))
    (params,) = talk.params("CreateNatGateway")
    assert params["ConnectivityType"] == "private"
    assert "AllocationId" not in params
