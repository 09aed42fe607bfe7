"""Load balancers: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.adoption import adopted
from reconciler.model.diff import diff
from reconciler.model.members import stated_tag
from reconciler.model.resource import Desired, Keep, Observed, ResourceHealth
from reconciler.model.resource_type import Depth
from reconciler.resources.load_balancer import ADDRESSES, IDLE_TIMEOUT, LoadBalancer, LoadBalancerSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/0123456789abcdef"


def network(name: str, cidr: str = "10.0") -> tuple[Desired[Any], ...]:
    """A network with a subnet in each of two zones."""
    return (
        wish(f"vpc/{name}", VpcSpec(cidr=f"{cidr}.0.0/20")),
        wish(f"subnet/{name}-a", SubnetSpec(vpc=ref(f"vpc/{name}"), cidr=f"{cidr}.0.0/24", zone="us-west-2a")),
        wish(f"subnet/{name}-b", SubnetSpec(vpc=ref(f"vpc/{name}"), cidr=f"{cidr}.1.0/24", zone="us-west-2b")),
        wish(
            f"security-group/{name}",
            SecurityGroupSpec(vpc=ref(f"vpc/{name}"), group_name=name, description="from the internet"),
        ),
    )


def balancer(name: str, **fields: Any) -> Desired[Any]:
    spec = LoadBalancerSpec(
        name=name,
        scheme="internet-facing",
        subnets=(ref(f"subnet/{name}-a"), ref(f"subnet/{name}-b")),
        security_groups=(ref(f"security-group/{name}"),),
        ip_address_type="ipv4",
        attributes={"idle_timeout.timeout_seconds": "60", "routing.http2.enabled": "true"},
    )
    return wish(f"load-balancer/{name}", spec.model_copy(update=fields))


EXAMPLE = Example(
    balancer("web"),
    needs=network("web"),
    edits=(
        Edit({"ip_address_type": "dualstack"}, "ip_address_type"),
        Edit(
            {"attributes": {"idle_timeout.timeout_seconds": "90", "routing.http2.enabled": "true"}},
            "attributes.idle_timeout.timeout_seconds",
        ),
        Edit({"scheme": "internal"}, "scheme"),
    ),
    unique=True,
    decoys=(*network("decoy", "10.1"), balancer("decoy")),
)

WANT = wish(
    "load-balancer/web",
    LoadBalancerSpec(name="web", scheme="internet-facing", subnets=("subnet-a", "subnet-b"), security_groups=("sg-a",)),
)


def item(name: str = "web", arn: str = ARN, **fields: Any) -> dict[str, Any]:
    return {
        "LoadBalancerArn": arn,
        "LoadBalancerName": name,
        "DNSName": f"{name}-1.us-west-2.elb.amazonaws.com",
        "CanonicalHostedZoneId": "Z1H1FL5HABSF5",
        "Scheme": "internet-facing",
        "Type": "application",
        "State": {"Code": "active"},
        "AvailabilityZones": [{"SubnetId": "subnet-b"}, {"SubnetId": "subnet-a"}],
        "SecurityGroups": ["sg-a"],
        "IpAddressType": "ipv4",
    } | fields


def talk(*items: dict[str, Any], **more: Any) -> Talk:
    def tags(call: Any) -> dict[str, Any]:
        return {
            "TagDescriptions": [
                {"ResourceArn": arn, "Tags": pairs(tagged(WANT))} for arn in call.params["ResourceArns"]
            ]
        }

    answers = {"DescribeLoadBalancers": {"LoadBalancers": list(items)}, "DescribeTags": tags}
    attributes = {"Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]}
    return Talk(**(answers | {"DescribeLoadBalancerAttributes": attributes} | more))


def observe(told: Talk, **more: Any) -> list[Observed[Any]]:
    return told.hold(LoadBalancer().observe(scope(WANT, **more)))


@pytest.mark.parametrize(
    ("state", "health", "reason"),
    [
        ({"Code": "active"}, ResourceHealth.READY, ""),
        ({"Code": "provisioning"}, ResourceHealth.PROGRESSING, "the load balancer is provisioning"),
        ({"Code": "failed", "Reason": "no addresses left"}, ResourceHealth.DEGRADED, "no addresses left"),
        ({"Code": "active_impaired"}, ResourceHealth.DEGRADED, "the load balancer is active_impaired"),
        ({"Code": "something new"}, ResourceHealth.PROGRESSING, "the load balancer is something new"),
        ({}, ResourceHealth.PROGRESSING, "the load balancer is of unknown state"),
    ],
)
def test_only_an_active_one_is_ready(state: dict[str, str], health: ResourceHealth, reason: str) -> None:
    """A state that nobody knows yet is not ready, and not an error."""
    (found,) = observe(talk(item(State=state)))

    assert (found.health, found.reason) == (health, reason)


def test_its_addresses_are_facts() -> None:
    """Its DNS name and zone can be shown and used, and no spec can say them."""
    (found,) = observe(talk(item()))

    addresses = {name: found.facts[name] for name in ("dns_name", "zone_id")}
    assert addresses == {"dns_name": "web-1.us-west-2.elb.amazonaws.com", "zone_id": "Z1H1FL5HABSF5"}


def test_the_order_of_zones_means_nothing() -> None:
    """AWS answers subnets in any order."""
    (found,) = observe(talk(item()))

    assert not diff(found, WANT.spec)


def test_only_what_may_be_ours_is_looked_into() -> None:
    """Other people's load balancers cost no further call; tags are read for twenty at a time."""
    others = [item(f"other-{number}", f"{ARN}{number}") for number in range(50)]
    swept = {f"{ARN}{number}": {} for number in range(25)}
    told = talk(item(), *others)

    observe(told, swept=swept)

    assert [len(params["ResourceArns"]) for params in told.params("DescribeTags")] == [20, 6]
    assert len(told.params("DescribeLoadBalancerAttributes")) == 26
    assert len(told.said) == 1 + 2 + 26


def test_attributes_are_left_to_the_thorough_pass() -> None:
    """Between thorough passes attributes are unread, not absent."""
    told = talk(item())

    (found,) = observe(told, depth=Depth.MEDIUM)

    assert found.unread == {"attributes"}
    assert "DescribeLoadBalancerAttributes" not in told.operations()


def test_one_that_vanishes_while_it_is_looked_at_is_absent() -> None:
    """What was listed and is gone a moment later is not an error."""
    assert observe(talk(item(), DescribeTags=errors.Gone("no such load balancer"))) == []
    assert observe(talk(item(), DescribeLoadBalancerAttributes=errors.Gone("no such load balancer"))) == []


def test_a_denied_read_is_not_an_absence() -> None:
    """Unknown is not absent."""
    with pytest.raises(errors.Denied):
        observe(talk(item(), DescribeTags=errors.Denied("not allowed")))


def test_each_change_is_a_call_with_nothing_else_in_it() -> None:
    """Subnets and groups are replaced as a whole; of the attributes only those that changed are sent."""
    (old,) = observe(talk(item()))
    new = WANT.spec.model_copy(
        update={
            "subnets": ("subnet-c", "subnet-b"),
            "security_groups": ("sg-b", "sg-a"),
            "attributes": {"idle_timeout.timeout_seconds": "60", "routing.http2.enabled": "false"},
        }
    )
    told = Talk()

    told.hold(LoadBalancer().update(old, Desired(WANT.address, new), diff(old, new)))

    assert [(call.operation, call.params) for call in told.said] == [
        ("SetSubnets", {"LoadBalancerArn": ARN, "Subnets": ["subnet-b", "subnet-c"]}),
        ("SetSecurityGroups", {"LoadBalancerArn": ARN, "SecurityGroups": ["sg-a", "sg-b"]}),
        (
            "ModifyLoadBalancerAttributes",
            {"LoadBalancerArn": ARN, "Attributes": [{"Key": "routing.http2.enabled", "Value": "false"}]},
        ),
    ]


def test_a_protected_one_says_what_to_do() -> None:
    """Its protection is never taken off on the way to deleting it."""
    refusal = errors.Protected(
        "deletion protection is enabled", call="elbv2.DeleteLoadBalancer", code="OperationNotPermitted"
    )
    (old,) = observe(talk(item()))
    told = Talk(DeleteLoadBalancer=refusal)

    with pytest.raises(errors.Protected, match="apply it once with its deletion protection off") as caught:
        told.hold(LoadBalancer().delete(old))

    assert (caught.value.call, caught.value.code) == (refusal.call, refusal.code)
    assert told.operations() == ["DeleteLoadBalancer"]


def test_a_name_taken_in_the_meantime_is_not_created_over() -> None:
    """AWS would answer a creation with somebody else's load balancer of the same settings as if it had made it."""
    theirs = {"TagDescriptions": [{"ResourceArn": ARN, "Tags": pairs(tagged(WANT, "theirs"))}]}
    told = talk(item(), DescribeTags=theirs)

    with pytest.raises(errors.Exists):
        told.hold(LoadBalancer().create(WANT))

    assert "CreateLoadBalancer" not in told.operations()


def test_a_line_that_is_removed_goes_back_to_the_default() -> None:
    """The tag says that the document has stated it; without the tag it is somebody else's."""
    spec = LoadBalancerSpec(name="web", scheme="internal", subnets=(), security_groups=(), attributes={})
    have = spec.model_copy(
        update={"ip_address_type": "dualstack", "attributes": {"idle_timeout.timeout_seconds": "90"}}
    )
    want = wish("load-balancer/web", spec)
    tags = stated_tag(dict.fromkeys((ADDRESSES, IDLE_TIMEOUT), Keep.STATED))
    for found, known in ((Observed(want.address, ARN, have, tags), True), (Observed(want.address, ARN, have), False)):
        changes = {str(change): change.new for change in diff(found, adopted(want, found).spec)}
        back = {"ip_address_type": "ipv4", "attributes.idle_timeout.timeout_seconds": "60"}
        assert changes == (back if known else {})
