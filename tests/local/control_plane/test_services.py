"""Services. Source: ECS API reference, CreateService, DescribeServices, UpdateService, DeleteService."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage, refused


def test_a_name_in_use_is_refused(stage: Stage) -> None:
    """CreateService: a name that an ACTIVE service has is an error, whatever the settings."""
    stage.service()
    with refused("InvalidParameterException", "Creation of service was not idempotent."):
        stage.service()


def test_the_same_client_token_is_the_same_call(stage: Stage) -> None:
    """CreateService, "clientToken": the same call again returns the service; with other parameters it is an error."""
    first = stage.service(clientToken="once")
    assert stage.service(clientToken="once")["serviceArn"] == first["serviceArn"]
    assert len(stage.tasks(serviceName="web")) == 2
    with refused("InvalidParameterException", "idempotent"):
        stage.service(clientToken="once", desiredCount=3)


def test_a_draining_name_is_taken_and_an_inactive_one_is_free(stage: Stage) -> None:
    """DeleteService: DRAINING until its tasks have stopped, then INACTIVE; only then is the name free."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.ecs.delete_service(cluster="demo", service="web", force=True)
    assert stage.seen()["status"] == "DRAINING"
    with refused("InvalidParameterException", "still Draining"):
        stage.service()
    with refused("ServiceNotActiveException"):
        stage.update(desiredCount=1)
    stage.advance(30)
    assert stage.seen()["status"] == "INACTIVE"
    assert stage.ecs.list_services(cluster="demo")["serviceArns"] == []
    stage.ecs.get_waiter("services_inactive").wait(cluster="demo", services=["web"], WaiterConfig={"MaxAttempts": 1})
    stage.service()
    assert stage.seen()["status"] == "ACTIVE"


def test_a_service_that_runs_is_not_deleted_by_accident(stage: Stage) -> None:
    """DeleteService, "force"."""
    stage.service()
    with refused("InvalidParameterException", "scaled above 0"):
        stage.ecs.delete_service(cluster="demo", service="web")
    with refused("ServiceNotFoundException"):
        stage.ecs.delete_service(cluster="demo", service="gone", force=True)


def test_ten_services_are_described_at_once(stage: Stage) -> None:
    """DescribeServices, "services": "up to 10 services"; a missing one is a failure, a missing cluster an error."""
    with refused("InvalidParameterException"):
        stage.ecs.describe_services(cluster="demo", services=[f"s{number}" for number in range(11)])
    answer = stage.ecs.describe_services(cluster="demo", services=["gone"])
    assert answer["failures"] == [{"arn": "arn:aws:ecs:us-west-2:123456789012:service/demo/gone", "reason": "MISSING"}]
    with refused("ClusterNotFoundException"):
        stage.ecs.describe_services(cluster="other", services=["web"])


def test_services_are_listed_ten_at_a_time(stage: Stage) -> None:
    """ListServices, "maxResults": 10 when not said."""
    for number in range(12):
        stage.service(f"s{number:02d}", desiredCount=0)
    assert len(stage.ecs.list_services(cluster="demo")["serviceArns"]) == 10
    pages = stage.ecs.get_paginator("list_services").paginate(cluster="demo")
    assert sum(len(page["serviceArns"]) for page in pages) == 12


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"taskDefinition": "gone"}, "ClientException"),
        ({"taskDefinition": None}, "InvalidParameterException"),
        ({"cluster": "gone"}, "ClusterNotFoundException"),
        ({"serviceName": "no spaces"}, "InvalidParameterException"),
        ({"desiredCount": -1}, "InvalidParameterException"),
        ({"desiredCount": None}, "InvalidParameterException"),
        ({"networkConfiguration": None}, "InvalidParameterException"),
        ({"platformVersion": "9.9.9"}, "PlatformUnknownException"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}, "InvalidParameterException"),
        ({"healthCheckGracePeriodSeconds": 5}, "InvalidParameterException"),
        ({"schedulingStrategy": "DAEMON", "desiredCount": None}, "InvalidParameterException"),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
            "InvalidParameterException",
        ),
    ],
)
def test_what_cannot_run_is_refused_at_once(stage: Stage, changes: dict[str, Any], code: str) -> None:
    """CreateService, errors."""
    with refused(code):
        stage.service(**changes)


def test_an_inactive_task_definition_starts_nothing_new(stage: Stage) -> None:
    """DeregisterTaskDefinition: existing services go on and scale; new ones are refused."""
    stage.service()
    stage.ecs.deregister_task_definition(taskDefinition="web:1")
    stage.update(desiredCount=3)
    assert stage.seen()["runningCount"] == 3
    with refused("ClientException"):
        stage.service("other", taskDefinition="web:1")


def test_network_references_must_exist(stage: Stage) -> None:
    """AwsVpcConfiguration: subnets and groups that are there, of one VPC."""
    for key, value, words in (
        ("subnets", ["subnet-0123456789abcdef0"], "InvalidSubnetID.NotFound"),
        ("securityGroups", ["sg-0123456789abcdef0"], "InvalidGroup.NotFound"),
    ):
        with refused("InvalidParameterException", words):
            stage.service(
                networkConfiguration={"awsvpcConfiguration": {**stage.where["awsvpcConfiguration"], key: value}}
            )


def test_no_security_group_means_the_default_one(stage: Stage) -> None:
    """AwsVpcConfiguration, "securityGroups": "If you don't specify a security group, the default … for the VPC is
    used".
    """
    network = {"awsvpcConfiguration": {"subnets": stage.subnets, "assignPublicIp": "ENABLED"}}
    stage.service(networkConfiguration=network)
    assert stage.seen()["runningCount"] == 2


def test_the_target_group_must_be_behind_a_load_balancer(stage: Stage) -> None:
    """Developer guide, "Service load balancing": "does not have an associated load balancer"."""
    with refused("InvalidParameterException", "does not have an associated load balancer"):
        stage.service(loadBalancers=stage.behind(stage.target_group("free")))
    with refused("InvalidParameterException", "does not exist"):
        stage.service(loadBalancers=stage.behind(stage.blue + "0"))


def test_container_and_port_must_be_in_the_task_definition(stage: Stage) -> None:
    """LoadBalancer, "containerName" and "containerPort"; a target group for awsvpc has the type ip."""
    for change, words in (
        ({"containerPort": 81}, "did not have a container port 81 defined"),
        ({"containerName": "other"}, "does not exist"),
    ):
        with refused("InvalidParameterException", words):
            stage.service(loadBalancers=[{**stage.behind(stage.blue)[0], **change}])
    instance = stage.target_group("instance", TargetType="instance")
    stage.listener(81, {instance: 1})
    with refused("InvalidParameterException", "incompatible with the awsvpc network mode"):
        stage.service(loadBalancers=stage.behind(instance))


def test_what_was_set_is_read_back(stage: Stage) -> None:
    """DescribeServices: everything CreateService took, with AWS's defaults for the rest; tags only when asked for."""
    stage.service(
        loadBalancers=stage.behind(stage.blue),
        healthCheckGracePeriodSeconds=7,
        enableECSManagedTags=True,
        propagateTags="SERVICE",
        enableExecuteCommand=True,
        tags=[{"key": "a", "value": "1"}],
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    seen = stage.seen()
    assert seen["healthCheckGracePeriodSeconds"] == 7
    assert (seen["enableECSManagedTags"], seen["propagateTags"], seen["enableExecuteCommand"]) == (
        True,
        "SERVICE",
        True,
    )
    assert seen["deploymentConfiguration"]["maximumPercent"] == 200
    assert seen["deploymentConfiguration"]["strategy"] == "ROLLING"
    assert seen["deploymentConfiguration"]["deploymentCircuitBreaker"]["resetOnHealthyTask"] is True
    assert seen["networkConfiguration"] == stage.where
    assert (seen["launchType"], seen["platformVersion"], seen["platformFamily"]) == ("FARGATE", "LATEST", "Linux")
    assert "tags" not in seen
    tagged = stage.ecs.describe_services(cluster="demo", services=["web"], include=["TAGS"])["services"][0]
    assert tagged["tags"] == [{"key": "a", "value": "1"}]
    task = stage.ecs.describe_tasks(
        cluster="demo", tasks=[stage.tasks(serviceName="web")[0]["taskArn"]], include=["TAGS"]
    )["tasks"][0]
    assert {tag["key"] for tag in task["tags"]} == {"a", "aws:ecs:clusterName", "aws:ecs:serviceName"}


def test_the_stable_waiter_works(stage: Stage) -> None:
    """botocore's `services_stable`: one deployment, as many running as desired."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.ecs.get_waiter("services_stable").wait(cluster="demo", services=["web"], WaiterConfig={"MaxAttempts": 1})


def test_only_what_says_so_starts_a_deployment(stage: Stage) -> None:
    """UpdateService: the listed parameters start a deployment, the others change in place."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    first = stage.seen()["deployments"][0]["id"]
    stage.update(desiredCount=3, healthCheckGracePeriodSeconds=9, enableExecuteCommand=True, taskDefinition="web:1")
    assert stage.seen()["deployments"][0]["id"] == first
    stage.update(forceNewDeployment=True)
    second = stage.seen()["deployments"][0]["id"]
    assert second != first
    stage.advance(30)
    stage.definition("web:v2")
    stage.update(taskDefinition="web")
    assert stage.seen()["deployments"][0]["id"] != second


def test_another_capacity_provider_takes_a_forced_deployment(laptop: Laptop, stage: Stage) -> None:
    """ECS refuses it otherwise, and an empty strategy goes back to the launch type that the service was created with
    (pipe-cd/pipecd#6385, kayac/ecspresso#977; CloudFormation, AWS::ECS::Service)."""
    stage.service()
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    stage.definition("web:v2")
    for more in ({}, {"taskDefinition": "web"}):
        with refused("InvalidParameterException", "you must force a new deployment"):
            stage.update(capacityProviderStrategy=spot, **more)
    answer = stage.update(capacityProviderStrategy=spot, forceNewDeployment=True)
    assert (answer["capacityProviderStrategy"], answer.get("launchType")) == (spot, None)
    laptop.advance(60)
    assert {task["capacityProviderName"] for task in stage.tasks(serviceName="web")} == {"FARGATE_SPOT"}
    answer = stage.update(capacityProviderStrategy=[], forceNewDeployment=True)
    assert (answer.get("capacityProviderStrategy"), answer["launchType"]) == (None, "FARGATE")


def test_what_was_created_with_capacity_providers_has_no_launch_type_to_go_back_to(stage: Stage) -> None:
    """CloudFormation, AWS::ECS::Service: an empty strategy means the cluster's default one, if it has one."""
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    stage.service(launchType=None, capacityProviderStrategy=spot)
    with refused("InvalidParameterException", "No launch type to fall back to"):
        stage.update(capacityProviderStrategy=[], forceNewDeployment=True)
    default = [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}]
    stage.ecs.put_cluster_capacity_providers(
        cluster="demo", capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=default
    )
    answer = stage.update(capacityProviderStrategy=[], forceNewDeployment=True)
    assert answer["capacityProviderStrategy"] == default


def test_capacity_providers_are_spread_by_base_and_weight(stage: Stage) -> None:
    """CapacityProviderStrategyItem: the base first, the rest by weight."""
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    made = stage.service(launchType=None, capacityProviderStrategy=strategy, desiredCount=5)
    assert "launchType" not in made
    names = [task["capacityProviderName"] for task in stage.tasks(serviceName="web")]
    assert sorted(names) == ["FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE_SPOT", "FARGATE_SPOT"]


def test_without_container_instances_nothing_is_placed(stage: Stage) -> None:
    """Developer guide, "Service event messages": no container instance met all of its requirements."""
    network = {"awsvpcConfiguration": {"subnets": stage.subnets, "assignPublicIp": "DISABLED"}}
    stage.service(launchType="EC2", networkConfiguration=network)
    assert stage.seen()["runningCount"] == 0
    assert any("No Container Instances were found in your cluster" in text for text in stage.messages())


def test_tasks_are_spread_over_the_zones(stage: Stage) -> None:
    """Developer guide, "Amazon ECS spreads tasks across Availability Zones"."""
    stage.service(desiredCount=4)
    zones = [task["availabilityZone"] for task in stage.tasks(serviceName="web")]
    assert sorted(zones) == ["us-west-2a", "us-west-2a", "us-west-2c", "us-west-2c"]


def test_rebalancing_needs_room_for_one_more_task(stage: Stage) -> None:
    """Developer guide, "Balancing an Amazon ECS service across Availability Zones": not with a maximum of 100 percent.

    A new service has it unless that is so; an update is refused, and is not half done.
    """
    narrow = {"minimumHealthyPercent": 0, "maximumPercent": 100}
    assert stage.service("narrow", deploymentConfiguration=narrow)["availabilityZoneRebalancing"] == "DISABLED"
    words = "Availability Zone Rebalancing does not support maximumPercent <= 100 %"
    with refused("InvalidParameterException", words):
        stage.service("both", deploymentConfiguration=narrow, availabilityZoneRebalancing="ENABLED")
    assert stage.service()["availabilityZoneRebalancing"] == "ENABLED"
    with refused("InvalidParameterException", words):
        stage.update(deploymentConfiguration=narrow)
    assert stage.seen()["deploymentConfiguration"]["maximumPercent"] == 200
    both = stage.update(deploymentConfiguration=narrow, availabilityZoneRebalancing="DISABLED")
    assert (both["deploymentConfiguration"]["maximumPercent"], both["availabilityZoneRebalancing"]) == (100, "DISABLED")
    with refused("InvalidParameterException", words):
        stage.update(availabilityZoneRebalancing="ENABLED")
