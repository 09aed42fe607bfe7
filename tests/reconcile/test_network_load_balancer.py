"""A service behind a network load balancer: made, changed, and deleted."""

from __future__ import annotations

from pathlib import Path

from reconciler.controller.until import has_ended
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}
security_groups:
  - {name: app, ingress: [{port: 6379, from: 10.0.0.0/24}]}
---
kind: Cluster
name: prod
---
kind: LoadBalancer
name: cache
type: network
scheme: internal
subnets: [public-a]
listeners: {production: {port: 6379, protocol: TCP}}
---
kind: Service
name: cache
cluster: prod
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/docker/library/redis:7", port: 6379}}}
traffic: {load_balancer: cache, container: app, target_groups: [cache], protocol: TCP, deregistration_delay: 30s}
"""


def test_a_rolling_service_receives_connections(tmp_path: Path) -> None:
    """The load balancer has no security groups, the target group no protocol version and a health check by TCP; a
    change to one by HTTP and back is made in place."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        elb = stage.laptop.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        assert (balancer["Type"], balancer["SecurityGroups"]) == ("network", [])
        assert ":loadbalancer/net/cache/" in balancer["LoadBalancerArn"]
        (group,) = elb.describe_target_groups()["TargetGroups"]
        assert (group["Protocol"], group["HealthCheckProtocol"], group.get("Matcher")) == ("TCP", "TCP", None)
        targets = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        assert [one["TargetHealth"]["State"] for one in targets] == ["healthy"]
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()

        for check in ("health_check: {protocol: HTTP, path: /up}, ", ""):
            stage.texts.clear()
            stage.change({"deregistration_delay": f"{check}deregistration_delay"})
            assert not stage.apply(has_ended).went_wrong
            (group,) = elb.describe_target_groups()["TargetGroups"]
            assert group.get("HealthCheckPath") == ("/up" if check else None)
            assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()


def test_a_service_receives_datagrams(tmp_path: Path) -> None:
    """Target groups of UDP, and of both protocols, are checked by TCP and settle."""
    listeners = "{port: 53, protocol: TCP_UDP}, more: {port: 8125, protocol: UDP}}"
    text = DOCUMENTS.replace("{port: 6379, protocol: TCP}}", listeners)
    text = text.replace("{port: 6379, from: 10.0.0.0/24}", "{protocol: all, from: 10.0.0.0/24}")
    text = text.replace("port: 6379}", "ports: [{port: 53}, {port: 8125, protocol: udp}]}")
    text = text.replace(
        "target_groups: [cache], protocol: TCP,", "target_groups: [cache], protocol: TCP_UDP, port: 53,"
    )
    text += """additional_traffic:
  - load_balancer: cache
    container: app
    listener: more
    target_groups: [more]
    port: 8125
    protocol: UDP
    health_check: {port: 53}
"""
    (tmp_path / "stack.yaml").write_text(text)
    with emulated_stack(folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        elb = stage.laptop.client("elbv2")
        groups = elb.describe_target_groups()["TargetGroups"]
        found = {(one["TargetGroupName"], one["Protocol"], one["Port"], one["HealthCheckProtocol"]) for one in groups}
        assert found == {("cache", "TCP_UDP", 53, "TCP"), ("more", "UDP", 8125, "TCP")}
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()
