"""Target groups of a service: their attributes, stated and left out again, and several of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model import members, ownership
from reconciler.model.plan import Plan
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.resources.target_group import SLOW_START, STICKY
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

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
  - {name: public-b, zone: us-west-2b, cidr: 10.0.1.0/24, access: public}
security_groups:
  - {name: front, ingress: [{port: 80, from: anywhere}]}
  - {name: app, ingress: [{port: 80, from: front}]}
---
kind: Cluster
name: prod
---
kind: LoadBalancer
name: front
subnets: [public-a, public-b]
security_groups: [front]
listeners: {production: {port: 80}}
---
kind: Service
name: web
cluster: prod
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/nginx/nginx:1.27", port: 80}}}
traffic:
  load_balancer: front
  container: app
  target_groups: [web]
  deregistration_delay: 30s
  stickiness: {cookie: SESSION, duration: 1h}
  slow_start: 1m
"""
STATED = "  stickiness: {cookie: SESSION, duration: 1h}\n  slow_start: 1m\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[EmulatedStack]:
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        yield stage


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def group(stage: EmulatedStack) -> tuple[str, dict[str, str], str | None]:
    """The ARN, attributes and tag of the fields."""
    elb = stage.laptop.client("elbv2")
    (found,) = elb.describe_target_groups()["TargetGroups"]
    arn = found["TargetGroupArn"]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    tags = {one["Key"]: one["Value"] for one in elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]}
    return arn, {one["Key"]: one["Value"] for one in attributes}, tags.get(ownership.FIELDS)


def test_a_field_that_is_removed_goes_back_to_the_default_of_aws(stage: EmulatedStack) -> None:
    """And one that somebody else has set, and that the specs never stated, stays as it is."""
    arn, attributes, tag = group(stage)
    assert attributes["stickiness.enabled"] == "true"
    assert attributes["stickiness.type"] == "app_cookie"
    assert attributes["stickiness.app_cookie.cookie_name"] == "SESSION"
    assert attributes["stickiness.app_cookie.duration_seconds"] == "3600"
    assert attributes["slow_start.duration_seconds"] == "60"
    assert tag == "".join(sorted(map(members.code, (SLOW_START, STICKY))))

    elb = stage.laptop.client("elbv2")
    set_elsewhere = {"Key": "load_balancing.cross_zone.enabled", "Value": "false"}
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[set_elsewhere])
    assert planned(stage).actions == ()

    stage.change({STATED: "  slow_start: 1m\n"})
    _, shallow = pass_.look(stage.aws, discover(), stage.desired_state, depth=Depth.MEDIUM)
    assert shallow.actions == (), "it has not read the attribute, and must not forget that it was stated"
    (action,) = planned(stage).actions
    assert [str(change) for change in action.changes] == ["attributes.stickiness.enabled"]
    assert not stage.apply(has_ended).went_wrong
    _, attributes, tag = group(stage)
    assert attributes["stickiness.enabled"] == "false"
    assert attributes["slow_start.duration_seconds"] == "60"
    assert attributes["load_balancing.cross_zone.enabled"] == "false"
    assert tag == members.code(SLOW_START)
    assert planned(stage).actions == ()


def test_a_rolling_service_receives_the_requests_of_several_listeners(stage: EmulatedStack) -> None:
    """A second port, behind a listener of its own and a rule; and one target group less is one deployment more."""
    admin = "  - {load_balancer: front, container: app, port: 8080, target_groups: [admin], listener: admin}\n"
    tools = (
        "  - {load_balancer: front, container: app, port: 8080, target_groups: [tools],"
        " match: {path_regex: ^/tools/, priority: 5}}\n"
    )
    stage.change(
        {
            "{production: {port: 80}}": "{production: {port: 80}, admin: {port: 81}}",
            "from: anywhere}]": "from: anywhere}, {port: 81, from: 10.0.0.0/8}]",
            "ingress: [{port: 80, from: front}]": "ingress: [{port: 80, from: front}, {port: 8080, from: front}]",
            "port: 80}}}": "ports: [80, 8080]}}}",
            "  container: app\n": "  container: app\n  port: 80\n",
            "  slow_start: 1m\n": f"  slow_start: 1m\nadditional_traffic:\n{admin}{tools}",
        }
    )
    applied(stage)
    assert attached(stage) == {("web", 80), ("admin", 8080), ("tools", 8080)}
    assert {one: healthy(stage, one) for one in ("web", "admin", "tools")} == {"web": 1, "admin": 1, "tools": 1}
    applied(stage)

    assert rules(stage) == [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/tools/"]}}]

    stage.change({admin: "", "path_regex: ^/tools/": "host: tools.example.com"})
    plan = planned(stage)
    assert "aws.Conditions" in {str(change) for action in plan.actions for change in action.changes}
    assert not [note for note in plan.warnings if note.address.kind == "listener-rule"], "it is removed, and not kept"
    applied(stage)
    (only,) = rules(stage)
    assert only["HostHeaderConfig"] == {"Values": ["tools.example.com"]}
    assert attached(stage) == {("web", 80), ("tools", 8080)}


def applied(stage: EmulatedStack) -> None:
    """Until nothing is left to do: a rule takes its requests, and an old group leaves its listener, after the tasks."""
    for _ in range(4):
        assert not stage.apply(has_ended).went_wrong
        if not planned(stage).actions:
            return
    raise AssertionError(planned(stage).actions)


def rules(stage: EmulatedStack) -> list[dict[str, Any]]:
    """The conditions of the only rule of the production listener."""
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (arn,) = (one["ListenerArn"] for one in listeners if one["Port"] == 80)
    (rule,) = (one for one in elb.describe_rules(ListenerArn=arn)["Rules"] if not one["IsDefault"])
    found: list[dict[str, Any]] = rule["Conditions"]
    return found


def names(stage: EmulatedStack) -> dict[str, str]:
    groups = stage.laptop.client("elbv2").describe_target_groups()["TargetGroups"]
    return {one["TargetGroupArn"]: one["TargetGroupName"] for one in groups}


def attached(stage: EmulatedStack) -> set[tuple[str, int]]:
    (service,) = stage.laptop.client("ecs").describe_services(cluster="prod", services=["web"])["services"]
    known = names(stage)
    return {(known[one["targetGroupArn"]], one["containerPort"]) for one in service["loadBalancers"]}


def healthy(stage: EmulatedStack, name: str) -> int:
    (arn,) = (arn for arn, known in names(stage).items() if known == name)
    targets = stage.laptop.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return sum(one["TargetHealth"]["State"] == "healthy" for one in targets)
