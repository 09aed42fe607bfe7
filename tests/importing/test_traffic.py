"""Import of what sends requests to a service: network load balancers, and several target groups."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import settings

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import planned


@pytest.fixture
def hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """A network and a cluster; certificates are issued at once."""
    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", -1)
    with account(tmp_path) as found:
        found.network()
        found.cluster()
        yield found


def document(hand: Account, name: str = "web") -> Any:
    return yaml.safe_load(hand.text(f"services/{name}.yaml"))


def network_balancer(hand: Account, name: str, *listeners: tuple[str, int, str, dict[str, Any]]) -> list[str]:
    """ARNs of the target groups of a network load balancer: for each the listener's protocol and port, the target
    group's protocol, and what else it has."""
    elb = hand.client("elbv2")
    made = elb.create_load_balancer(Name=name, Type="network", Subnets=hand.subnets)["LoadBalancers"][0]
    arns: list[str] = []
    for protocol, port, towards, more in listeners:
        group = elb.create_target_group(
            Name=f"{name}-{port}", Protocol=towards, Port=port, VpcId=hand.vpc, TargetType="ip", **more
        )["TargetGroups"][0]["TargetGroupArn"]
        secure = {"Certificates": [{"CertificateArn": certificate(hand)}]} if protocol == "TLS" else {}
        elb.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"],
            Protocol=protocol,
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
            **secure,
        )
        arns.append(group)
    return arns


def certificate(hand: Account) -> str:
    acm = hand.client("acm")
    arn: str = acm.request_certificate(DomainName="db.example.com")["CertificateArn"]
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"
    return arn


def attached(*targets: tuple[str, int]) -> dict[str, Any]:
    return {
        "loadBalancers": [
            {"targetGroupArn": group, "containerName": "app", "containerPort": port} for group, port in targets
        ]
    }


def ports(*numbers: int, udp: tuple[int, ...] = ()) -> dict[str, Any]:
    found = [{"containerPort": one, "protocol": "tcp"} for one in numbers]
    return {"portMappings": [*found, *({"containerPort": one, "protocol": "udp"} for one in udp)]}


def applied(hand: Account) -> None:
    """An apply writes tags and nothing else."""
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert planned(stage).actions == ()


def test_a_network_load_balancer_is_owned_with_its_listeners(hand: Account) -> None:
    """TCP, TLS and UDP, each with a target group and a health check of its own; the first one is a secure one."""
    groups = network_balancer(
        hand,
        "edge",
        ("TCP", 5432, "TCP", {}),
        ("TLS", 443, "TCP", {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/live", "HealthCheckPort": "8080"}),
        ("UDP", 514, "UDP", {"HealthCheckPort": "5432"}),
    )
    container = ports(5432, 8443, 8080, udp=(514,))
    hand.service("web", container=container, **attached(*zip(groups, (5432, 8443, 514), strict=True)))
    hand.stage.laptop.advance(120)
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    assert ("load-balancer", True) in {(one["type"], one["own"]) for one in json.loads(ran.out)["resources"]}
    balancer = yaml.safe_load(hand.text("load-balancers.yaml"))
    assert (balancer["type"], "security_groups" in balancer) == ("network", False)
    assert {name: one["protocol"] for name, one in balancer["listeners"].items()} == {
        "tcp-5432": "TCP", "tls-443": "TLS", "udp-514": "UDP",
    }  # fmt: skip
    found = document(hand)
    assert [found["traffic"]["listener"], *(one["listener"] for one in found["additional_traffic"])] == [
        "tls-443", "tcp-5432", "udp-514",
    ]  # fmt: skip
    assert found["traffic"]["port"] == 8443
    assert found["traffic"]["health_check"].items() >= {"protocol": "HTTP", "path": "/live", "port": 8080}.items()
    assert [one["protocol"] for one in found["additional_traffic"]] == ["TCP", "UDP"]
    applied(hand)


@pytest.mark.slow
def test_a_new_version_of_a_service_with_several_target_groups_rolls_out(hand: Account) -> None:
    """Behind an application and a network load balancer: the tasks of the new version are in both target groups."""
    _, (web,) = hand.balancer("edge", "web")
    (raw,) = network_balancer(hand, "raw", ("TCP", 9000, "TCP", {}))
    hand.service("web", container=ports(80, 9000), **attached((web, 80), (raw, 9000)))
    hand.stage.laptop.advance(120)
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.out + ran.err
    stage = hand.opened()
    stage.apply()
    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    (service,) = hand.client("ecs").describe_services(cluster="prod", services=["web"])["services"]
    assert {one["targetGroupArn"] for one in service["loadBalancers"]} == {web, raw}
    for group in (web, raw):
        health = hand.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        assert [one["TargetHealth"]["State"] for one in health if one["TargetHealth"]["State"] != "draining"] == [
            "healthy"
        ]


@pytest.mark.slow
def test_rules_of_two_listeners_are_two_ways(hand: Account) -> None:
    """Each with its match, in the document of one service; what the rest goes to is another service."""
    _, (rest, shop) = hand.balancer("edge", "rest", "shop")
    _, (_, admin) = hand.balancer("inside", "nothing", "admin", port=8080)
    hand.service("rest", container=ports(80), **attached((rest, 80)))
    hand.service("web", container=ports(80, 81), **attached((shop, 80), (admin, 81)))
    hand.stage.laptop.advance(120)
    ran = hand.imported("--own", "load-balancer")
    assert ran.code == Exit.DONE, ran.out + ran.err
    found = document(hand)
    first, second = found["traffic"], *found["additional_traffic"]
    assert (first["load_balancer"], first["match"]["path"]) == ("edge", "/shop/*")
    assert (second["load_balancer"], second["match"]["path"]) == ("inside", "/admin/*")
    applied(hand)


def test_what_one_target_group_cannot_say_leaves_all_as_they_are(hand: Account) -> None:
    """The document says which, and why; the service stays in every target group."""
    _, (web,) = hand.balancer("edge", "web")
    (raw,) = network_balancer(hand, "raw", ("TCP", 9000, "TCP", {}))
    elb = hand.client("elbv2")
    arns = [one["LoadBalancerArn"] for one in elb.describe_load_balancers(Names=["raw"])["LoadBalancers"]]
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "ManagedBy", "Value": "Terraform"}])
    hand.service("web", container=ports(80, 9000), **attached((web, 80), (raw, 9000)))
    hand.stage.laptop.advance(120)
    assert hand.imported().code == Exit.DONE
    found = document(hand)
    assert not {"traffic", "additional_traffic"} & set(found)
    text = " ".join(hand.text("services/web.yaml").replace("# ", "").split())
    assert "of the target group raw-9000, the load balancer raw is not owned: its tag ManagedBy" in text
    stage = hand.opened()
    stage.apply()
    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    (service,) = hand.client("ecs").describe_services(cluster="prod", services=["web"])["services"]
    assert {one["targetGroupArn"] for one in service["loadBalancers"]} == {web, raw}


def test_a_listener_of_a_network_load_balancer_without_a_service_keeps_it_from_being_owned(hand: Account) -> None:
    """It would have to forward somewhere, and nothing in the documents says where to."""
    first, _ = network_balancer(hand, "edge", ("TCP", 80, "TCP", {}), ("TCP", 81, "TCP", {}))
    hand.service("web", container=ports(80), **attached((first, 80)))
    ran = hand.imported("--own", "load-balancer", "-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    (balancer,) = (one for one in json.loads(ran.out)["resources"] if one["type"] == "load-balancer")
    assert (balancer["own"], "E4022" in balancer["because"]) == (False, True)


@pytest.mark.slow
def test_attributes_of_a_target_group_are_stated(hand: Account) -> None:
    """Those that the specs have words for, where they are not those of a new one."""
    _, (web,) = hand.balancer("edge", "web")
    hand.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=web,
        Attributes=[
            {"Key": "stickiness.enabled", "Value": "true"},
            {"Key": "stickiness.type", "Value": "app_cookie"},
            {"Key": "stickiness.app_cookie.cookie_name", "Value": "session"},
            {"Key": "stickiness.app_cookie.duration_seconds", "Value": "3600"},
            {"Key": "slow_start.duration_seconds", "Value": "60"},
            {"Key": "load_balancing.cross_zone.enabled", "Value": "false"},
        ],
    )
    hand.service("web", container=ports(80), **attached((web, 80)))
    hand.stage.laptop.advance(120)
    assert hand.imported().code == Exit.DONE
    traffic = document(hand)["traffic"]
    assert traffic["stickiness"] == {"cookie": "session", "duration": "1h"}
    assert (traffic["slow_start"], traffic["cross_zone"]) == ("1m", False)
    assert "algorithm" not in traffic
    applied(hand)
