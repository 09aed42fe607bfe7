"""Internet gateways: the law example, and their attachment."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Observed
from reconciler.resources.internet_gateway import InternetGateway, InternetGatewaySpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish("internet-gateway/web", InternetGatewaySpec(vpc=ref("vpc/web"))),
    needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")), wish("vpc/other", VpcSpec(cidr="10.1.0.0/20"))),
    edits=(Edit({"vpc": ref("vpc/other")}, "vpc"),),
)

WANT = wish("internet-gateway/web", InternetGatewaySpec(vpc="vpc-1"))


def item(tags: dict[str, str], *attachments: dict[str, str]) -> dict[str, Any]:
    return {"InternetGatewayId": "igw-1", "Attachments": list(attachments), "Tags": pairs(tags)}


def observe(*items: dict[str, Any]) -> list[Observed[InternetGatewaySpec]]:
    return Talk(DescribeInternetGateways={"InternetGateways": list(items)}).hold(InternetGateway().observe(scope(WANT)))


def test_a_missing_attachment_is_a_change_and_is_put_right() -> None:
    """A gateway that hangs loose, or is just being taken off, differs in `vpc`; attaching it is the update."""
    for attachments in ((), ({"VpcId": "vpc-1", "State": "detaching"},)):
        (found,) = observe(item(tagged(WANT), *attachments))
        changes = diff(found, WANT.spec)
        assert [str(change) for change in changes] == ["vpc"]

        talk = Talk()
        talk.hold(InternetGateway().update(found, WANT, changes))
        assert talk.operations() == ["AttachInternetGateway"]


def test_the_gateway_that_our_vpc_already_has_is_shown() -> None:
    """A VPC holds one gateway, so another's is in the way of ours under any name."""
    for tags, owner in (
        ({"Name": "legacy"}, None),
        (tagged(wish("internet-gateway/x", WANT.spec), "theirs"), "theirs"),
    ):
        (found,) = observe(item(tags, {"VpcId": "vpc-1", "State": "available"}))
        assert (found.address, ownership.owner(found.tags)) == (WANT.address, owner)
    assert observe(item({"Name": "legacy"}, {"VpcId": "vpc-2", "State": "available"})) == []
    assert observe(item({"Name": "legacy"})) == []


def test_attaching_what_is_attached_succeeds() -> None:
    """An attachment that a stale read did not show is refused as already there, which is what was wanted."""
    talk = Talk(
        CreateInternetGateway={"InternetGateway": {"InternetGatewayId": "igw-1"}},
        AttachInternetGateway=errors.Exists("", code="Resource.AlreadyAssociated"),
    )

    assert talk.hold(InternetGateway().create(WANT)) == "igw-1"


def test_a_gateway_with_public_addresses_behind_it_stays_for_a_later_pass() -> None:
    """AWS refuses to detach it while the VPC has mapped public addresses; it is then not deleted either."""
    (old,) = observe(item(tagged(WANT), {"VpcId": "vpc-1", "State": "available"}))
    talk = Talk(DetachInternetGateway=errors.Blocked("mapped public address(es)", code="DependencyViolation"))

    with pytest.raises(errors.Blocked):
        talk.hold(InternetGateway().delete(old))
    assert talk.operations() == ["DetachInternetGateway"]


def test_a_gateway_detached_by_somebody_else_is_still_deleted() -> None:
    """`Gateway.NotAttached` is no reason to stop."""
    (old,) = observe(item(tagged(WANT), {"VpcId": "vpc-1", "State": "available"}))
    talk = Talk(DetachInternetGateway=errors.Gone("", code="Gateway.NotAttached"))

    talk.hold(InternetGateway().delete(old))
    assert talk.operations() == ["DetachInternetGateway", "DeleteInternetGateway"]
