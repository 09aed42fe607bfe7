"""Import of scheduled tasks: schedules of EventBridge Scheduler become Tasks, and rules of EventBridge stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import planned


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path, cloudformation=True) as found:
        found.network()
        found.cluster()
        yield found


def definition(hand: Account, family: str) -> str:
    arn: str = hand.client("ecs").register_task_definition(
        family=family,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "job", "image": "public.ecr.aws/docker/library/busybox:1.36"}],
    )["taskDefinition"]["taskDefinitionArn"]
    return arn


def cluster_arn(hand: Account) -> str:
    arn: str = hand.client("ecs").describe_clusters(clusters=["prod"])["clusters"][0]["clusterArn"]
    return arn


def schedule(hand: Account, name: str, group: str = "", family: str = "", target: Any = None, **fields: Any) -> None:
    """By default in a group of its own."""
    scheduler = hand.client("scheduler")
    if group != "default":
        scheduler.create_schedule_group(Name=group or name)
    network = {"Subnets": hand.subnets, "SecurityGroups": [hand.group], "AssignPublicIp": "ENABLED"}
    scheduler.create_schedule(
        Name=name,
        GroupName=group or name,
        **{
            "ScheduleExpression": "cron(0 3 ? * MON-FRI *)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            **fields,
        },
        Target={
            "Arn": cluster_arn(hand),
            "RoleArn": hand.role(f"start-{name}"),
            "EcsParameters": {
                "TaskDefinitionArn": definition(hand, family or name),
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {"awsvpcConfiguration": network},
                **(target or {}).pop("EcsParameters", {}),
            },
            **(target or {}),
        },
    )


def rule(hand: Account, name: str, **fields: Any) -> None:
    events = hand.client("events")
    events.put_rule(Name=name, **fields)
    events.put_targets(
        Rule=name,
        Targets=[
            {
                "Id": "1",
                "Arn": cluster_arn(hand),
                "RoleArn": hand.role(f"start-{name}"),
                "EcsParameters": {"TaskDefinitionArn": definition(hand, name), "LaunchType": "FARGATE"},
            }
        ],
    )


def shown(hand: Account, name: str) -> dict[str, Any]:
    found: dict[str, Any] = hand.client("scheduler").get_schedule(GroupName=name, Name=name)
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def test_a_schedule_in_a_group_of_its_own_becomes_a_task(hand: Account) -> None:
    """Every field that the specs have; an apply writes tags, and the schedule stays as it is."""
    queue = "arn:aws:sqs:us-west-2:123456789012:late"
    hand.client("sqs").create_queue(QueueName="late")
    schedule(
        hand,
        "nightly",
        ScheduleExpressionTimezone="Asia/Tokyo",
        State="DISABLED",
        Description="the reports of the day",
        target={
            "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": queue},
            "Input": '{"containerOverrides": []}',
            "EcsParameters": {"TaskCount": 2, "PlatformVersion": "1.4.0"},
        },
    )
    hand.service("web")
    before = shown(hand, "nightly")
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    assert (json.loads(ran.out)["services"], json.loads(ran.out)["tasks"]) == (["web"], ["nightly"])
    text = hand.text("tasks/nightly.yaml")
    document = yaml.safe_load(text)
    assert document["run"] == {
        "schedule": "cron(0 3 ? * MON-FRI *)",
        "time_zone": "Asia/Tokyo",
        "retry": {"attempts": 3, "max_age": "1h"},
        "dead_letter_queue": queue,
    }
    assert (document["count"], document["platform_version"]) == (2, "1.4.0")
    assert "# The schedule is disabled, and stays so." in text
    assert "# Kept in the schedule, as it is: Description, Target.Input." in text
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert planned(stage).actions == ()
    assert shown(hand, "nightly") == before


@pytest.mark.slow
def test_a_cluster_with_scheduled_tasks_alone_is_imported(hand: Account) -> None:
    """The image of the next version is in the schedule's next task definition, and its role stays."""
    schedule(hand, "nightly")
    role = shown(hand, "nightly")["Target"]["RoleArn"]
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.out + ran.err
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    stage.change({"busybox:1.36": "busybox:1.37"})
    stage.infrastructure()
    target = shown(hand, "nightly")["Target"]
    arn = target["EcsParameters"]["TaskDefinitionArn"]
    (container,) = hand.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"][
        "containerDefinitions"
    ]
    assert container["image"] == "public.ecr.aws/docker/library/busybox:1.37"
    assert target["RoleArn"] == role


def test_schedules_that_would_have_to_be_replaced_go_on_as_they_are(hand: Account) -> None:
    """One in a group that others may be in, and rules of EventBridge: the report says how to move them."""
    hand.service("web")
    schedule(hand, "hourly", group="default", ScheduleExpression="rate(1 hour)")
    schedule(hand, "weekly", family="reports")
    rule(hand, "daily", ScheduleExpression="cron(0 3 * * ? *)")
    rule(hand, "uploads", EventPattern=json.dumps({"source": ["aws.s3"]}))
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    left = {one["service"]: one["because"] for one in json.loads(ran.out)["left_out"]}
    assert set(left) == {"hourly", "weekly", "daily", "uploads"}
    assert "the group default" in left["hourly"]
    assert 'run: {schedule: "rate(1 hour)"}' in left["hourly"]
    assert 'run: {schedule: "cron(0 3 * * ? *)"}' in left["daily"]
    assert "of the family reports" in left["weekly"]
    assert "for events" in left["uploads"]
    assert not (hand.folder / "tasks").exists()


def test_a_schedule_that_cloudformation_manages_is_said_to_be(hand: Account) -> None:
    """By its name, as CloudFormation lists schedules; and the lines that retain it are printed."""
    schedule(hand, "nightly")
    hand.listed["nightly"] = "reports"
    result = json.loads(hand.imported("-o", "json").out)
    assert result["managed_elsewhere"] == {"nightly": "the CloudFormation stack reports manages it"}
    assert [one["where"].partition(" (")[0] for one in result["handover"]] == [
        "Template of the CloudFormation stack reports"
    ]


@pytest.mark.slow
def test_with_service_no_schedule_is_imported(hand: Account) -> None:
    """The report says that there is one."""
    hand.service("web")
    schedule(hand, "nightly")
    (left,) = json.loads(hand.imported("--service", "web", "-o", "json").out)["left_out"]
    assert (left["service"], "--service" in left["because"]) == ("nightly", True)
