"""Import of services whose tasks run on EC2 instances, which others have set up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import definition, planned


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Account]:
    """A network, and a cluster with instances behind a capacity provider."""
    with account(tmp_path) as found:
        found.network()
        provider(found)
        yield found


def provider(hand: Account) -> None:
    ec2, scaling, ecs = hand.client("ec2"), hand.client("autoscaling"), hand.client("ecs")
    ec2.create_launch_template(
        LaunchTemplateName="hosts",
        LaunchTemplateData={"ImageId": "ami-0123456789abcdef0", "InstanceType": "m5.large"},
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="hosts-asg",
        MinSize=0,
        MaxSize=3,
        VPCZoneIdentifier=",".join(hand.subnets),
        LaunchTemplate={"LaunchTemplateName": "hosts", "Version": "$Latest"},
    )
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["hosts-asg"])["AutoScalingGroups"]
    ecs.create_capacity_provider(
        name="hosts", autoScalingGroupProvider={"autoScalingGroupArn": group["AutoScalingGroupARN"]}
    )
    hand.cluster(
        capacityProviders=["hosts"], defaultCapacityProviderStrategy=[{"capacityProvider": "hosts", "weight": 1}]
    )


def service(hand: Account, name: str, compatible: list[str] | None = None, **fields: Any) -> None:
    """A service with the network mode awsvpc, whose containers alone have memory."""
    ecs = hand.client("ecs")
    ecs.register_task_definition(
        family=name,
        networkMode="awsvpc",
        **({} if compatible is None else {"requiresCompatibilities": compatible}),
        **({"cpu": "256", "memory": "1024"} if "FARGATE" in (compatible or ()) else {}),
        containerDefinitions=[
            {"name": "app", "image": "public.ecr.aws/nginx/nginx:1.27", "memoryReservation": 256, "memory": 512},
            {"name": "proxy", "image": "public.ecr.aws/nginx/nginx:1.27", "memoryReservation": 128},
        ],
    )
    ecs.create_service(
        cluster="prod",
        serviceName=name,
        taskDefinition=name,
        desiredCount=1,
        networkConfiguration={"awsvpcConfiguration": {"subnets": hand.subnets, "securityGroups": [hand.group]}},
        **fields,
    )
    hand.stage.laptop.advance(120)


def rolled_out(hand: Account) -> Any:
    """An apply writes tags; then a new version: its task definition."""
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert planned(stage).actions == ()
    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    return definition(stage)


@pytest.mark.parametrize(
    "compatible",
    [
        pytest.param(["EC2"], id="ec2", marks=pytest.mark.slow),
        pytest.param(None, id="none"),
        pytest.param(["EC2", "FARGATE"], id="both", marks=pytest.mark.slow),
    ],
)
def test_a_service_on_a_capacity_provider_goes_on_there(hand: Account, compatible: list[str] | None) -> None:
    """The cluster with its instances is referred to; a new version is registered for what the old one was."""
    chosen = [{"type": "spread", "field": "attribute:ecs.availability-zone"}, {"type": "binpack", "field": "MEMORY"}]
    constraints = [{"type": "distinctInstance"}, {"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}]
    service(hand, "web", compatible, placementStrategy=chosen, placementConstraints=constraints)
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    (cluster,) = (one for one in json.loads(ran.out)["resources"] if one["type"] == "cluster")
    assert (cluster["own"], cluster["because"]) == (False, "it has EC2 instances, which are not imported")
    document = yaml.safe_load(hand.text("services/web.yaml"))
    assert document["capacity_providers"] == ["hosts"]
    assert document["placement"]["strategy"] == [{"spread": "zone"}, {"binpack": "memory"}]
    assert document["placement"]["constraints"] == ["distinct_instance", "attribute:ecs.os-type == linux"]
    assert ("cpu" in document["task"]) is ("FARGATE" in (compatible or ()))
    after = rolled_out(hand)
    assert (after.get("requiresCompatibilities") or None) == compatible
    assert {one["name"]: one.get("memoryReservation") for one in after["containerDefinitions"]} == {
        "app": 256, "proxy": 128,
    }  # fmt: skip


def test_a_service_of_the_launch_type_ec2_goes_on_there(hand: Account) -> None:
    """Without a capacity provider: the document says the launch type."""
    service(hand, "web", ["EC2"], launchType="EC2")
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.out + ran.err
    document = yaml.safe_load(hand.text("services/web.yaml"))
    assert (document["launch"], "capacity_providers" in document) == ("EC2", False)
    assert rolled_out(hand)["requiresCompatibilities"] == ["EC2"]
    (found,) = hand.client("ecs").describe_services(cluster="prod", services=["web"])["services"]
    assert found["launchType"] == "EC2"


@pytest.mark.slow
def test_a_service_on_fargate_owns_a_cluster_that_has_instances_too(hand: Account) -> None:
    """Nothing in the documents names the instances, and the capacity providers stay."""
    hand.service("web")
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    assert {one["type"]: one["own"] for one in json.loads(ran.out)["resources"]}["cluster"] is True
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    (cluster,) = hand.client("ecs").describe_clusters(clusters=["prod"])["clusters"]
    assert cluster["capacityProviders"] == ["hosts"]


def test_a_service_whose_tasks_share_the_network_of_an_instance_is_left_out(hand: Account) -> None:
    """The specs have no network mode but awsvpc."""
    hand.service("other")
    ecs = hand.client("ecs")
    ecs.register_task_definition(
        family="web", networkMode="bridge", containerDefinitions=[{"name": "app", "image": "nginx", "memory": 512}]
    )
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web", desiredCount=1, launchType="EC2")
    (left,) = json.loads(hand.imported("-o", "json").out)["left_out"]
    assert left == {
        "service": "web",
        "because": "the network mode of its tasks is bridge, and the specs have awsvpc only",
    }
