"""The tagging API over both halves, and application auto scaling. Source: their API references."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.control_plane.stage import Stage, refused

MINE = [{"Key": "stack", "Value": "demo"}]
MINE_ECS = [{"key": "stack", "value": "demo"}]


def _everything(stage: Stage) -> Any:
    client = stage.laptop.client("resourcegroupstaggingapi")
    stage.ec2.create_tags(Resources=[stage.vpc, *stage.subnets, stage.group, stage.gateway, stage.table], Tags=MINE)
    stage.elb.add_tags(ResourceArns=[stage.alb, stage.blue, stage.production], Tags=MINE)
    stage.service(tags=MINE_ECS)
    stage.ecs.tag_resource(resourceArn="arn:aws:ecs:us-west-2:123456789012:cluster/demo", tags=MINE_ECS)
    stage.laptop.client("ecr").create_repository(repositoryName="app", tags=MINE)
    stage.laptop.client("logs").create_log_group(logGroupName="/demo", tags={"stack": "demo"})
    return client


def test_resources_of_both_halves_are_found_by_tag(stage: Stage) -> None:
    """GetResources, "TagFilters": everything that has the tag, whichever service it belongs to."""
    client = _everything(stage)
    rows = client.get_resources(TagFilters=[{"Key": "stack", "Values": ["demo"]}])["ResourceTagMappingList"]
    kinds = {
        ":".join([row["ResourceARN"].split(":")[2], row["ResourceARN"].split(":")[5].split("/")[0]]) for row in rows
    }
    assert kinds >= {
        "ec2:vpc", "ec2:subnet", "ec2:security-group", "ec2:internet-gateway", "ec2:route-table",
        "elasticloadbalancing:loadbalancer", "elasticloadbalancing:targetgroup", "elasticloadbalancing:listener",
        "ecs:cluster", "ecs:service", "ecr:repository", "logs:log-group",
    }  # fmt: skip
    assert all({"Key": "stack", "Value": "demo"} in row["Tags"] for row in rows)
    only = client.get_resources(ResourceTypeFilters=["ecs:service", "elasticloadbalancing"])["ResourceTagMappingList"]
    assert len(only) == 4
    assert client.get_resources(TagFilters=[{"Key": "stack", "Values": ["x"]}])["ResourceTagMappingList"] == []


def test_resources_are_paged(stage: Stage) -> None:
    """GetResources, "ResourcesPerPage" and "PaginationToken"."""
    client = _everything(stage)
    pages = list(client.get_paginator("get_resources").paginate(PaginationConfig={"PageSize": 4}))
    arns = [row["ResourceARN"] for page in pages for row in page["ResourceTagMappingList"]]
    assert len(arns) == len(set(arns)) > 8
    assert client.get_tag_keys()["TagKeys"] == ["stack"]
    assert client.get_tag_values(Key="stack")["TagValues"] == ["demo"]


def test_resources_of_both_halves_are_tagged(stage: Stage) -> None:
    """TagResources and UntagResources; what is not there is in FailedResourcesMap, with 200 OK."""
    client = stage.laptop.client("resourcegroupstaggingapi")
    vpc = f"arn:aws:ec2:us-west-2:123456789012:vpc/{stage.vpc}"
    answer = client.tag_resources(ResourceARNList=[stage.alb, stage.alb + "0"], Tags={"a": "1"})
    assert list(answer["FailedResourcesMap"]) == [stage.alb + "0"]
    assert stage.elb.describe_tags(ResourceArns=[stage.alb])["TagDescriptions"][0]["Tags"] == [
        {"Key": "a", "Value": "1"}
    ]
    client.untag_resources(ResourceARNList=[stage.alb], TagKeys=["a"])
    assert stage.elb.describe_tags(ResourceArns=[stage.alb])["TagDescriptions"][0]["Tags"] == []
    assert vpc not in str(client.get_resources())


@pytest.fixture
def scaling(stage: Stage) -> Any:
    stage.service(desiredCount=1)
    return stage.laptop.client("application-autoscaling")


TARGET = {"ServiceNamespace": "ecs", "ResourceId": "service/demo/web", "ScalableDimension": "ecs:service:DesiredCount"}
CPU = {
    "TargetValue": 60.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
}


def test_a_scalable_target_moves_the_count_into_its_bounds(stage: Stage, scaling: Any) -> None:
    """RegisterScalableTarget: an upsert, at once; members that are not named stay."""
    scaling.register_scalable_target(**TARGET, MinCapacity=3, MaxCapacity=5, Tags={"a": "1"})
    assert stage.seen()["runningCount"] == 3
    suspended = {"DynamicScalingInSuspended": True}
    scaling.register_scalable_target(**TARGET, MaxCapacity=4, SuspendedState=suspended)
    found = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (3, 4)
    assert found["SuspendedState"] == {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    assert "AWSServiceRoleForApplicationAutoScaling_ECSService" in found["RoleARN"]
    assert scaling.list_tags_for_resource(ResourceARN=found["ScalableTargetARN"])["Tags"] == {"a": "1"}


def test_targets_are_checked(scaling: Any) -> None:
    """RegisterScalableTarget: ValidationException for bounds and for services that are not there."""
    for changes in (
        {"MinCapacity": 2, "MaxCapacity": 1},
        {"MinCapacity": 1},
        {"ResourceId": "service/demo/gone", "MinCapacity": 1, "MaxCapacity": 2},
    ):
        with refused("ValidationException"):
            scaling.register_scalable_target(**{**TARGET, **changes})
    with refused("ObjectNotFoundException"):
        scaling.put_scaling_policy(**TARGET, PolicyName="cpu", PolicyType="TargetTrackingScaling",
                                   TargetTrackingScalingPolicyConfiguration=CPU)  # fmt: skip
    with refused("ObjectNotFoundException"):
        scaling.deregister_scalable_target(**TARGET)


def test_policies_and_their_alarms_go_with_the_target(stage: Stage, scaling: Any) -> None:
    """PutScalingPolicy makes two alarms for target tracking; DeregisterScalableTarget deletes all of it, not the
    count.
    """
    scaling.register_scalable_target(**TARGET, MinCapacity=2, MaxCapacity=4)
    made = scaling.put_scaling_policy(
        **TARGET, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=CPU
    )
    cloudwatch = stage.laptop.client("cloudwatch")
    names = {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert names == {alarm["AlarmName"] for alarm in made["Alarms"]}
    assert all(name.startswith("TargetTracking-service/demo/web-Alarm") for name in names)
    again = scaling.put_scaling_policy(
        **TARGET, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=CPU
    )
    assert again["PolicyARN"] == made["PolicyARN"]
    scaling.put_scheduled_action(
        **TARGET, ScheduledActionName="night", Schedule="cron(0 0 * * ? *)", ScalableTargetAction={"MinCapacity": 1}
    )
    assert len(scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]) == 1
    scaling.deregister_scalable_target(**TARGET)
    assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    assert stage.seen()["desiredCount"] == 2
