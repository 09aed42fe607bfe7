"""What others own is looked up: what is there, what is not ready yet, and what is missing, in words."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.resources._existing_by_name import ExistingByNameSpec
from reconciler.resources._existing_in_ec2 import ExistingInEc2Spec
from reconciler.resources.existing_cluster import ExistingCluster, ExistingClusterSpec
from reconciler.resources.existing_listener import ExistingListener, ExistingListenerSpec
from reconciler.resources.existing_load_balancer import ExistingLoadBalancer, ExistingLoadBalancerSpec
from reconciler.resources.existing_log_group import ExistingLogGroup
from reconciler.resources.existing_queue import ExistingQueue
from reconciler.resources.existing_repository import ExistingRepository
from reconciler.resources.existing_subnet import ExistingSubnet
from reconciler.resources.existing_topic import ExistingTopic
from reconciler.resources.existing_vpc import ExistingVpc, ExistingVpcSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/shared/0123456789abcdef"
LISTENER = ARN.replace("loadbalancer", "listener", 1) + "/fedcba9876543210"
BALANCER = {"LoadBalancerArn": ARN, "Type": "application", "VpcId": "vpc-1", "DNSName": "shared.example.com"}


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ("active", ResourceHealth.READY),
        ("active_impaired", ResourceHealth.READY),
        ("provisioning", ResourceHealth.PROGRESSING),
        ("failed", ResourceHealth.DEGRADED),
    ],
)
def test_the_state_of_a_load_balancer_is_its_health(state: str, health: ResourceHealth) -> None:
    talk = Talk(DescribeLoadBalancers={"LoadBalancers": [{**BALANCER, "State": {"Code": state}}]})
    want = wish("existing-load-balancer/shared", ExistingLoadBalancerSpec(name="shared"))
    (found,) = talk.hold(ExistingLoadBalancer().observe(scope(want)))
    assert (found.id, found.health, bool(found.reason)) == (ARN, health, health is not ResourceHealth.READY)
    assert (found.facts["type"], found.facts["vpc"]) == ("application", "vpc-1")
    assert talk.params("DescribeLoadBalancers") == [{"Names": ["shared"]}]


@pytest.mark.parametrize(
    "value", ["lookup/ssm:/shared/alb", "a name", "arn:aws:sns:us-west-2:123456789012:alerts", "x" * 33]
)
def test_a_looked_up_value_that_names_no_load_balancer_is_not_asked_for(value: str) -> None:
    """AWS refuses the call, and then nothing would be known of any load balancer."""
    want = wish("existing-load-balancer/ssm:/shared/alb", ExistingLoadBalancerSpec(name=value))
    (found,) = Talk().hold(ExistingLoadBalancer().observe(scope(want)))
    assert (found.id, found.health) == (value, ResourceHealth.DEGRADED)
    assert value in found.reason


def balancer(id: str = ARN, reason: str = "") -> Observed[Any]:
    health = ResourceHealth.DEGRADED if reason else ResourceHealth.READY
    at = Address("existing-load-balancer", "shared")
    return Observed(at, id, ExistingLoadBalancerSpec(name="shared"), health=health, reason=reason)


@pytest.mark.parametrize("named", ["443", LISTENER])
def test_a_listener_is_found_by_its_port_or_its_arn(named: str) -> None:
    items = [
        {"ListenerArn": LISTENER[:-1] + "1", "Port": 80, "Protocol": "HTTP"},
        {"ListenerArn": LISTENER, "Port": 443, "Protocol": "HTTPS"},
    ]
    want = wish("existing-listener/shared:443", ExistingListenerSpec(load_balancer=ARN, listener=named))
    told = Talk(DescribeListeners={"Listeners": items})
    (found,) = told.hold(ExistingListener().observe(scope(want, seen={"existing-load-balancer": (balancer(),)})))
    assert (found.id, found.spec.port, found.spec.protocol) == (LISTENER, 443, "HTTPS")


def test_without_its_load_balancer_a_listener_is_missing_for_the_same_reason() -> None:
    """And nothing is asked of AWS."""
    want = wish("existing-listener/shared:443", ExistingListenerSpec(load_balancer="shared", listener="443"))
    seen = {"existing-load-balancer": (balancer("shared", "it is not there"),)}
    (found,) = Talk().hold(ExistingListener().observe(scope(want, seen=seen)))
    assert (found.health, found.reason) == (ResourceHealth.DEGRADED, "it is not there")


def test_a_cluster_that_was_deleted_is_missing() -> None:
    item = {"clusterName": "shared", "status": "INACTIVE", "clusterArn": "arn"}
    want = wish("existing-cluster/shared", ExistingClusterSpec(name="shared"))
    (found,) = Talk(DescribeClusters={"clusters": [item]}).hold(ExistingCluster().observe(scope(want)))
    assert (found.health, found.reason) == (ResourceHealth.DEGRADED, "the cluster shared is inactive")


def test_a_cluster_that_may_exist_is_not_missing() -> None:
    """ECS reports a failure of its own beside those that do not exist."""
    failure = {"arn": "arn:aws:ecs:us-west-2:123456789012:cluster/shared", "reason": "INTERNAL"}
    want = wish("existing-cluster/shared", ExistingClusterSpec(name="shared"))
    with pytest.raises(errors.Ambiguous):
        Talk(DescribeClusters={"clusters": [], "failures": [failure]}).hold(ExistingCluster().observe(scope(want)))


def test_a_vpc_is_that_of_what_is_in_it_or_named_by_its_id() -> None:
    subnet = Observed(
        Address("existing-subnet", "subnet-1"), "subnet-1", ExistingInEc2Spec(id="subnet-1"), facts={"vpc": "vpc-1"}
    )
    wants = [wish(f"existing-vpc/{of}", ExistingVpcSpec(of=of)) for of in ("subnet-1", "vpc-2", "vpc-3", "queue")]
    told = Talk(DescribeVpcs={"Vpcs": [{"VpcId": "vpc-2"}]})
    found = told.hold(ExistingVpc().observe(scope(*wants, seen={"existing-subnet": (subnet,)})))
    assert [(one.health is ResourceHealth.READY, one.id if not one.reason else one.reason) for one in found] == [
        (True, "vpc-1"),
        (True, "vpc-2"),
        (False, "the VPC vpc-3 does not exist in this account and region"),
        (False, "'queue' is no VPC"),
    ]


def test_nothing_is_asked_where_nothing_is_referred_to() -> None:
    for kind in (ExistingCluster, ExistingListener, ExistingLoadBalancer, ExistingSubnet, ExistingVpc):
        assert list(Talk().hold(kind().observe(scope()))) == []


def test_a_load_balancer_that_may_not_be_read_is_no_missing_one() -> None:
    want = wish("existing-load-balancer/shared", ExistingLoadBalancerSpec(name="shared"))
    with pytest.raises(errors.Denied):
        Talk(DescribeLoadBalancers=errors.Denied("no")).hold(ExistingLoadBalancer().observe(scope(want)))


TOPIC = "arn:aws:sns:us-west-2:123456789012:pages"


@pytest.mark.parametrize(
    ("kind", "name", "operation", "answer", "asked"),
    [
        (ExistingTopic(), TOPIC, "GetTopicAttributes", {}, {"TopicArn": TOPIC}),
        (ExistingQueue(), "orders", "GetQueueUrl", {}, {"QueueName": "orders"}),
        (ExistingRepository(), "shared/web", "DescribeRepositories", {}, {"repositoryNames": ["shared/web"]}),
        (
            ExistingLogGroup(),
            "/exec",
            "DescribeLogGroups",
            {"logGroups": [{"logGroupName": "/exec/b"}, {"logGroupName": "/exec"}]},
            {"logGroupNamePrefix": "/exec"},
        ),
    ],
)
def test_what_goes_by_its_name_exists_or_does_not(
    kind: LookedUpType[ExistingByNameSpec], name: str, operation: str, answer: dict[str, Any], asked: dict[str, Any]
) -> None:
    """It is asked for once, however many use it."""
    want = wish(f"{kind.kind}/a", ExistingByNameSpec(name=name))
    told = Talk(**{operation: answer})
    found = told.hold(kind.observe(scope(want, want)))
    assert {(one.id, one.health) for one in found} == {(name, ResourceHealth.READY)}
    assert told.params(operation) == [asked]
    gone = {"logGroups": [{"logGroupName": "/exec/b"}]} if "logGroups" in answer else errors.Gone("no")
    (lost,) = Talk(**{operation: gone}).hold(kind.observe(scope(want)))
    assert lost.health is ResourceHealth.DEGRADED
    assert lost.reason.endswith(f" {name} does not exist in this account and region")
    assert Talk().hold(kind.observe(scope())) == []
