"""Elastic IPs: the law example, and their release."""

from __future__ import annotations

import pytest

from reconciler import errors
from reconciler.model.resource import Observed
from reconciler.resources.elastic_ip import ElasticIp, ElasticIpSpec
from tests.laws.example import Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(wish("elastic-ip/web", ElasticIpSpec()))

OLD = Observed(EXAMPLE.desired.address, "eipalloc-1", ElasticIpSpec(), tags=tagged(EXAMPLE.desired))


def test_its_address_is_a_fact() -> None:
    """Other types and people want to know the address that AWS chose."""
    item = {"AllocationId": "eipalloc-1", "PublicIp": "198.51.100.7", "Tags": pairs(tagged(EXAMPLE.desired))}

    (found,) = Talk(DescribeAddresses={"Addresses": [item]}).hold(ElasticIp().observe(scope()))
    assert found.facts["public_ip"] == "198.51.100.7"


def test_an_address_in_use_is_released_in_a_later_pass() -> None:
    """AWS says AuthFailure while a NAT gateway holds the address: that is for time to cure, and says what holds it."""
    held = {"AllocationId": "eipalloc-1", "AssociationId": "eipassoc-1", "NetworkInterfaceId": "eni-1"}
    talk = Talk(ReleaseAddress=errors.Denied("", code="AuthFailure"), DescribeAddresses={"Addresses": [held]})

    with pytest.raises(errors.Blocked, match="eni-1"):
        talk.hold(ElasticIp().delete(OLD))


def test_a_missing_right_is_not_taken_for_an_address_in_use() -> None:
    """The same AuthFailure on an address that nothing holds is for a person."""
    talk = Talk(
        ReleaseAddress=errors.Denied("", code="AuthFailure"),
        DescribeAddresses={"Addresses": [{"AllocationId": "eipalloc-1"}]},
    )

    with pytest.raises(errors.Denied):
        talk.hold(ElasticIp().delete(OLD))
