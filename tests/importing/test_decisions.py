"""Own or refer: what import decides for what services use, and what the documents then say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import planned

PORT = {"portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Account]:
    """A network and a cluster, and CloudFormation to ask."""
    with account(tmp_path, cloudformation=True) as found:
        found.network()
        found.cluster()
        yield found


def attached(group: str) -> dict[str, Any]:
    return {"loadBalancers": [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]}


def decisions(ran: Any) -> dict[str, tuple[bool, str]]:
    """Type → whether it is owned, and why; without the network."""
    assert ran.code == Exit.DONE, ran.out + ran.err
    rows = [one for one in json.loads(ran.out)["resources"] if one["type"] != "vpc"]
    return {one["type"]: (one["own"], one["because"]) for one in rows}


def applied(hand: Account) -> dict[str, int]:
    """What an apply of the imported stack writes; it is in place afterwards."""
    stage = hand.opened()
    stage.apply()
    assert planned(stage).actions == ()
    return writes(stage.transport.sent)


def web(hand: Account, **tags: str) -> tuple[str, str, str]:
    """A service behind a load balancer: the ARNs of the balancer, the target group and the service."""
    balancer, (group,) = hand.balancer("edge", "web")
    service = hand.service(
        "web", container=PORT, tags=[{"key": key, "value": value} for key, value in tags.items()], **attached(group)
    )
    hand.stage.laptop.advance(120)
    return balancer, group, service


def test_a_deployment_that_is_in_progress_is_left_to_ecs(hand: Account) -> None:
    """The service is adopted meanwhile, and no second deployment is started."""
    hand.stage.laptop.script(Script(starts_after=60.0))
    hand.service("web", container=PORT)
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.out + ran.err
    assert hand.deployments("web") == [("PRIMARY", "IN_PROGRESS")]
    stage = hand.opened()
    stage.apply(has_ended)
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert hand.deployments("web") == [("PRIMARY", "COMPLETED")]


def test_what_nobody_else_uses_or_manages_is_owned(hand: Account) -> None:
    """The load balancer becomes a document, and the service says how its requests come in."""
    web(hand)
    found = decisions(hand.imported("-o", "json"))
    assert {kind: own for kind, (own, _) in found.items()} == {"cluster": True, "load-balancer": True}
    assert "load_balancer: edge" in hand.text("services/web.yaml")
    assert "path: /web" in hand.text("services/web.yaml")
    assert set(applied(hand)) <= TAGS_ONLY


def test_what_a_stack_of_cloudformation_still_lists_is_referred_to(hand: Account) -> None:
    """Copilot's load balancer and cluster stay Copilot's; the service's own tags say nothing, its stack does."""
    balancer, _, service = web(hand, **{"copilot-application": "shop", "copilot-service": "front"})
    cluster = hand.client("ecs").list_clusters()["clusterArns"][0]
    hand.listed |= {balancer: "shop-test", "prod": "shop-test", service: "shop-test-front"}
    ran = hand.imported("-o", "json")
    found = decisions(ran)
    assert found["load-balancer"] == (False, "the CloudFormation stack shop-test manages it")
    assert found["cluster"][0] is False
    assert json.loads(ran.out)["managed_elsewhere"] == {
        "web": "Copilot's application shop manages it with the CloudFormation stack shop-test-front"
    }
    document = hand.text("services/front.yaml")
    assert "name: front\naws_name: web\n" in document
    assert f"cluster: {cluster}" in document
    assert "load_balancer:" not in document
    assert set(applied(hand)) <= {"TagResource"}


def test_what_lets_go_of_it_is_printed(hand: Account) -> None:
    """Only for what the documents own: of Copilot's stack the service, in CloudFormation's words."""
    balancer, _, service = web(hand, **{"copilot-application": "shop", "copilot-service": "front"})
    hand.listed |= {balancer: "shop-test", service: "shop-test-front"}
    (pasted,) = json.loads(hand.imported("-o", "json").out)["handover"]
    assert "shop-test-front" in pasted["where"]
    assert yaml.safe_load(pasted["text"]) == [
        {"op": "add", "path": f"/Resources/Made/{policy}", "value": "Retain"}
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
    ]


def test_terraform_lets_go_with_removed_blocks(hand: Account) -> None:
    """By Terraform's types and import ids; its names are only in its state."""
    _, _, service = web(hand)
    hand.client("ecs").tag_resource(resourceArn=service, tags=[{"key": "managed-by", "value": "terraform"}])
    ran = hand.imported()
    assert "removed { # prod/web\n      from = aws_ecs_service.NAME\n      lifecycle { destroy = false }" in ran.out


def test_what_a_stack_has_retained_is_owned(hand: Account) -> None:
    """CloudFormation still shows it, and its tags stay, but it does not manage it any more."""
    balancer, *_ = web(hand, **{"copilot-application": "shop"})
    hand.listed[balancer] = "shop"
    hand.retained.add(balancer)
    ran = hand.imported("-o", "json")
    assert decisions(ran)["load-balancer"][0] is True
    assert json.loads(ran.out)["managed_elsewhere"] == {}


def test_own_overrides_what_speaks_against_it(hand: Account) -> None:
    """What another tool manages is owned if the user says so, and the reason stays in the report."""
    balancer, *_ = web(hand)
    hand.listed[balancer] = "shop"
    found = decisions(hand.imported("--own", "load-balancer", "-o", "json"))
    assert found["load-balancer"] == (
        True, "--own load-balancer, although the CloudFormation stack shop manages it",
    )  # fmt: skip
    assert set(applied(hand)) <= TAGS_ONLY


def test_terraforms_tag_is_taken_at_its_word(hand: Account) -> None:
    """There is nothing to ask about its state."""
    balancer, *_ = web(hand)
    tags = [{"Key": "ManagedBy", "Value": "Terraform"}]
    hand.client("elbv2").add_tags(ResourceArns=[balancer], Tags=tags)
    found = decisions(hand.imported("-o", "json"))
    assert found["load-balancer"] == (False, "its tag ManagedBy says that Terraform manages it")


def test_what_other_services_use_is_referred_to(hand: Account) -> None:
    """One of two services is imported: the cluster, the load balancer and the role that both use are not owned."""
    role = hand.role("tasks")
    _, (web_group, api_group) = hand.balancer("edge", "web", "api")
    hand.service("web", container=PORT, taskRoleArn=role, **attached(web_group))
    hand.service("api", container=PORT, taskRoleArn=role, **attached(api_group))
    hand.stage.laptop.advance(120)
    found = decisions(hand.imported("--service", "web", "-o", "json"))
    assert {kind: own for kind, (own, _) in found.items()} == {"cluster": False, "load-balancer": False, "role": False}
    assert all("api" in because for _, because in found.values())
    assert set(applied(hand)) <= {"TagResource"}


def test_a_rule_of_a_load_balancer_that_others_use_is_imported_with_references(hand: Account) -> None:
    """The service owns its rule and its target group, and the load balancer stays as it is. An apply writes tags."""
    balancer, (web_group, api_group) = hand.balancer("edge", "web", "api")
    hand.service("web", container=PORT, **attached(web_group))
    hand.service("api", container=PORT, **attached(api_group))
    hand.stage.laptop.advance(120)
    found = decisions(hand.imported("--service", "api", "-o", "json"))
    assert found["load-balancer"][0] is False
    text = hand.text("services/api.yaml")
    for line in ("load_balancer: {name: edge}", "listener: 80", "match: {path: /api/*, priority: 1}"):
        assert line in text
    assert set(applied(hand)) <= TAGS_ONLY
    elb = hand.client("elbv2")
    listener = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    (rule,) = (one for one in elb.describe_rules(ListenerArn=listener)["Rules"] if not one["IsDefault"])
    tags = elb.describe_tags(ResourceArns=[balancer, listener, web_group, api_group, rule["RuleArn"]])
    ours = {one["ResourceArn"] for one in tags["TagDescriptions"] if one["Tags"]}
    assert ours == {api_group, rule["RuleArn"]}


def test_a_rule_that_another_tool_manages_is_not_imported(hand: Account) -> None:
    _, (web_group, api_group) = hand.balancer("edge", "web", "api")
    hand.service("web", container=PORT, **attached(web_group))
    hand.service("api", container=PORT, **attached(api_group))
    tags = [{"Key": "ManagedBy", "Value": "Terraform"}]
    hand.client("elbv2").add_tags(ResourceArns=[api_group], Tags=tags)
    hand.stage.laptop.advance(120)
    decisions(hand.imported("--service", "api", "-o", "json"))
    assert "traffic:" not in hand.text("services/api.yaml")


def test_two_services_behind_one_load_balancer_are_imported_together(hand: Account) -> None:
    """One takes the requests of a rule, and the other those that no rule takes."""
    _, (web_group, api_group) = hand.balancer("edge", "web", "api")
    hand.service("web", container=PORT, **attached(web_group))
    hand.service("api", container=PORT, **attached(api_group))
    hand.stage.laptop.advance(120)
    found = decisions(hand.imported("-o", "json"))
    assert found["load-balancer"][0] is True
    assert "match: {path: /api/*, priority: 1}" in hand.text("services/api.yaml")
    assert "match:" not in hand.text("services/web.yaml")
    assert set(applied(hand)) <= TAGS_ONLY


def test_the_services_of_every_cluster_are_imported_into_one_stack(hand: Account) -> None:
    """A stack cannot have two services of one name in AWS: the second one is left out, and its cluster referred to."""
    hand.cluster("staging")
    hand.service("web")
    hand.service("api", cluster="staging")
    hand.service("web", cluster="staging")
    ran = hand.imported("--all", "--name", "shop", "-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    result = json.loads(ran.out)
    assert (sorted(result["services"]), [one["service"] for one in result["left_out"]]) == (["api", "web"], ["web"])
    assert "cluster: prod\n" in hand.text("services/web.yaml")
    assert "cluster: arn:" in hand.text("services/api.yaml")
    assert set(applied(hand)) <= TAGS_ONLY
