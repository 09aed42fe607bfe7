"""A service in Copilot's shape, which CloudFormation's stacks list: one of the environment, and one of each service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model.guard import Guard
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import planned, snapshot

ENVIRONMENT, SERVICE = "shop-test", "shop-test-front"
CLUSTER = "shop-test-Cluster-Ab12Cd34Ef56"
BALANCER = "shop-te-Publi-1A2B3C4D5E6F"
NAME = "shop-test-front-Service-Zy98Xw76Vu54"
TAGS = {"copilot-application": "shop", "copilot-environment": "test", "copilot-service": "front"}


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Account]:
    """What `copilot svc deploy` leaves of a Load Balanced Web Service, beside another service of the environment."""
    with account(tmp_path, cloudformation=True) as found:
        found.network()
        found.cluster(CLUSTER)
        balancer, (other, front) = found.balancer(BALANCER, "shop-te-other", "shop-te-Targe-Z9Y8X7")
        port = {"portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}
        target = {"containerName": "app", "containerPort": 8080}
        roles = {kind: f"{SERVICE}-{kind.title()}Role-1A2B3C4D5E6F" for kind in ("task", "execution")}
        arn = found.service(
            NAME,
            cluster=CLUSTER,
            container=port,
            tags=[{"key": key, "value": value} for key, value in TAGS.items()],
            loadBalancers=[{"targetGroupArn": front, **target}],
            **{f"{kind}RoleArn": found.role(name) for kind, name in roles.items()},
        )
        found.service("other", cluster=CLUSTER, container=port, loadBalancers=[{"targetGroupArn": other, **target}])
        found.stage.laptop.advance(300)
        (service,) = found.client("ecs").describe_services(cluster=CLUSTER, services=[arn])["services"]
        found.listed |= dict.fromkeys((balancer, CLUSTER), ENVIRONMENT)
        found.listed |= dict.fromkeys((arn, front, service["taskDefinition"], *roles.values(), *rules(found)), SERVICE)
        yield found


def rules(hand: Account) -> list[str]:
    elb = hand.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    found = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    return [one["RuleArn"] for one in found if not one["IsDefault"]]


def imported(hand: Account) -> dict[str, Any]:
    ran = hand.imported("--service", NAME, "--name", "front", "-o", "json", cluster=CLUSTER)
    assert ran.code == Exit.DONE, ran.out + ran.err
    result: dict[str, Any] = json.loads(ran.out)
    return result


@pytest.mark.slow
def test_a_service_moves_out_of_copilot(hand: Account) -> None:
    """What its stack has retained is owned, and what is the environment's referred to. Only tags are written, a new
    version rolls out, and destroy leaves the environment."""
    before = snapshot(hand.stage)
    managed = imported(hand)
    assert {(one["type"], one["own"]) for one in managed["resources"]} == {
        ("cluster", False), ("load-balancer", False), ("role", False), ("vpc", False),
    }  # fmt: skip
    assert [text["text"].count("DeletionPolicy") for text in managed["handover"]] == [1, 1]  # service, task definition
    for path in sorted(hand.folder.rglob("*.yaml")):
        path.unlink()

    hand.retained |= {id for id, stack in hand.listed.items() if stack == SERVICE}
    result = imported(hand)
    assert (result["managed_elsewhere"], result["handover"]) == ({}, [])
    assert {(one["type"], one["own"]) for one in result["resources"]} == {
        ("cluster", False), ("load-balancer", False), ("role", True), ("vpc", False),
    }  # fmt: skip
    document = hand.text("services/front.yaml")
    assert f"aws_name: {NAME}" in document
    assert f"load_balancer: {{name: {BALANCER}}}" in document

    stage = hand.opened()
    stage.apply()
    written = writes(stage.transport.sent)
    assert set(written) <= TAGS_ONLY
    assert planned(stage).actions == ()
    assert snapshot(hand.stage) == before

    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    stage.desired_state = replace(stage.desired_state, leaving=True, deliveries=(), guard=Guard(100, None))
    stage.infrastructure()
    services = hand.client("ecs").list_services(cluster=CLUSTER)["serviceArns"]
    assert [arn.rpartition("/")[2] for arn in services] == ["other"]
    (balancer,) = hand.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["LoadBalancerName"] == BALANCER
    assert (rules(hand), hand.client("iam").list_roles()["Roles"]) == ([], [])
    print(f"{len(hand.listed)} resources that stacks list, {sum(written.values())} writes of tags, 0 others, residue 0")
