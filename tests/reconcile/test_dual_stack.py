"""A stack that runs gets IPv6, and gives it back: in place, and each part once nothing uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.iam.statements import Extras, document, statements
from reconciler.model.plan import Plan, Verb
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.reconcile.executor import Result
from tests.harness.emulated_stack import EmulatedStack, emulated_stack
from tests.harness.iam import lets

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
# network
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public} # public-a
  - {name: public-c, zone: us-west-2c, cidr: 10.0.1.0/24, access: public} # public-c
  - {name: private-a, zone: us-west-2a, cidr: 10.0.2.0/24, access: private} # private-a
security_groups:
  - {name: balancer, ingress: [{port: 80, from: anywhere}]}
  - {name: app, ingress: [{port: 80, from: balancer}]}
---
kind: Cluster
name: prod
---
kind: LoadBalancer
name: alb
subnets: [public-a, public-c]
security_groups: [balancer]
listeners: {production: {port: 80}}
# balancer
---
kind: Service
name: web
cluster: prod
desired_count: 1 # tasks
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/nginx/nginx:1.27", port: 80}}}
traffic: {load_balancer: alb, container: app, target_groups: [web], deregistration_delay: 0s}
"""
IPV6 = {
    "# network": "ipv6: true\nipv6_egress: true",
    "public} # public-a": "public, ipv6: 0}",
    "public} # public-c": "public, ipv6: 1}",
    "private} # private-a": "private, ipv6: 16}",
    "# balancer": "ip_address_type: dualstack",
}


def plan_of(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def changed(plan: Plan) -> dict[str, list[str]]:
    return {str(action.address): [str(change) for change in action.changes] for action in plan.actions}


def refused(stage: EmulatedStack) -> list[Any]:
    """Calls that the policy of the stack would not let through, among those that it takes to bring about the plan."""
    state = stage.desired_state
    policy = document(statements(discover(), state.desired, state.deliveries, state.place, Extras()))
    wrong: list[Any] = []
    stage.transport.before = lambda call: wrong.extend(lets(policy, call, "shop"))
    assert not stage.apply(has_ended).went_wrong
    stage.transport.before = None
    return wrong


@pytest.mark.slow
def test_a_running_stack_gets_ipv6_in_place(tmp_path: Path) -> None:
    """The plan replaces nothing, and says which rules and routes are new; afterwards it is empty."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        stage.change(IPV6)
        plan = plan_of(stage)
        assert changed(plan) == {
            "vpc/net": ["ipv6"],
            "subnet/public-a": ["ipv6"],
            "subnet/public-c": ["ipv6"],
            "subnet/private-a": ["ipv6"],
            "egress-only-internet-gateway/net": [],
            "route-table/public-a": ["routes.::/0"],
            "route-table/public-c": ["routes.::/0"],
            "route-table/private-a": ["routes.::/0"],
            "security-group-rules/balancer": ["ingress.tcp 80 from ::/0"],
            "load-balancer/alb": ["ip_address_type"],
        }
        assert {action.verb for action in plan.actions} == {Verb.UPDATE, Verb.CREATE}
        assert refused(stage) == []
        assert changed(plan_of(stage)) == {}

        ec2 = stage.laptop.client("ec2")
        (vpc,) = [one for one in ec2.describe_vpcs()["Vpcs"] if one["CidrBlock"] == "10.0.0.0/16"]
        whole = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        filters = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        ranges = [
            one["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
            for one in ec2.describe_subnets(Filters=filters)["Subnets"]
        ]
        assert sorted(ranges) == [whole.replace("00::/56", f"{number}::/64") for number in ("00", "01", "10")]


def test_ipv6_goes_once_nothing_uses_it(tmp_path: Path) -> None:
    """What still has an address holds its range and says so, and nothing else waits for that."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(texts=IPV6, folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        assert changed(plan_of(stage)) == {}

        stage.texts.clear()
        stage.change({})
        world, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        stage.own(world)
        outcomes = pass_.act(stage.aws, discover(), stage.desired_state, world, plan)
        results = {str(one.step.address): one.result for one in outcomes}
        assert results["subnet/public-a"] is Result.WAITING  # the task and the load balancer are in it
        assert results["subnet/private-a"] is Result.DONE
        assert results["load-balancer/alb"] is Result.DONE
        assert results["security-group-rules/balancer"] is Result.DONE

        stage.change({"desired_count: 1 # tasks": "desired_count: 0"})
        assert not stage.apply(has_ended).went_wrong
        assert changed(plan_of(stage)) == {}
        ec2 = stage.laptop.client("ec2")
        assert ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"] == []
        assert not any(one.get("Ipv6CidrBlockAssociationSet") for one in ec2.describe_subnets()["Subnets"])
        (vpc,) = [one for one in ec2.describe_vpcs()["Vpcs"] if one["CidrBlock"] == "10.0.0.0/16"]
        assert [one["Ipv6CidrBlockState"]["State"] for one in vpc.get("Ipv6CidrBlockAssociationSet", ())] in (
            [],
            ["disassociated"],
        )
