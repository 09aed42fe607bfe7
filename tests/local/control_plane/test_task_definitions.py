"""Task definitions. Source: ECS API reference, RegisterTaskDefinition; guide, "Task definition parameters"."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage, refused


@pytest.fixture
def definitions(laptop: Laptop) -> Stage:
    return Stage(laptop)


def test_every_registration_is_a_new_revision(definitions: Stage) -> None:
    """RegisterTaskDefinition never finds an earlier one; the family alone means the newest ACTIVE revision."""
    first, second = definitions.definition(), definitions.definition()
    assert (first.rpartition(":")[2], second.rpartition(":")[2]) == ("1", "2")
    definitions.ecs.deregister_task_definition(taskDefinition="web:2")
    found = definitions.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    assert found["revision"] == 1


def test_units_ports_and_defaults_come_back_normalised(definitions: Stage) -> None:
    """RegisterTaskDefinition: "1 vCPU" is 1024, "2 GB" is 2048; awsvpc: host port = container port; empty lists filled
    in.
    """
    definitions.definition(
        cpu="1 vCPU",
        memory="2 GB",
        container={
            "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
            "healthCheck": {"command": ["CMD-SHELL", "true"]},
        },
    )
    body = definitions.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    assert (body["cpu"], body["memory"]) == ("1024", "2048")
    container = body["containerDefinitions"][0]
    assert container["portMappings"] == [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]
    assert container["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert container["healthCheck"] == {"command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3}
    assert (container["cpu"], container["essential"], container["mountPoints"]) == (0, True, [])
    assert body["compatibilities"] == ["EC2", "FARGATE"]
    assert body["registeredAt"] == definitions.laptop.clock.now()


@pytest.mark.parametrize(
    "sent",
    [
        {"logConfiguration": {"logDriver": "awsfirelens"}},
        {"linuxParameters": {"initProcessEnabled": True}},
        {"linuxParameters": {"capabilities": {"drop": ["ALL"]}}},
        {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
        {"volumesFrom": [{"sourceContainer": "other"}]},
        {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": False}]},
        {"logConfiguration": {"logDriver": "awsfirelens", "options": {}, "secretOptions": []}},
        {"linuxParameters": {"capabilities": {"add": [], "drop": []}, "devices": [], "tmpfs": []}},
    ],
)
def test_inside_a_container_nothing_is_added(definitions: Stage, sent: dict[str, Any]) -> None:
    """Else Terraform, which compares these members as they stand, plans a new revision for ever."""
    definitions.definition(container=sent, volumes=[{"name": "data"}])
    body = definitions.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    added = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
    }
    assert body["containerDefinitions"] == [{"name": "web", "image": "web:v1", **added, **sent}]


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu": "256", "memory": "4096"},
        {"cpu": None},
        {"memory": None},
        {"networkMode": "bridge"},
        {"family": "no spaces"},
        {"containerDefinitions": []},
        {"container": {"essential": False}},
        {"container": {"name": "no spaces"}},
        {"container": {"image": ""}},
        {"container": {"portMappings": [{"containerPort": 80, "hostPort": 81}]}},
        {"container": {"dependsOn": [{"containerName": "other", "condition": "START"}]}},
        {"container": {"healthCheck": {"command": ["CMD", "x"], "interval": 1}}},
        {"container": {"memory": 1024}},
        {"container": {"stopTimeout": 121}},
        {"container": {"logConfiguration": {"logDriver": "awslogs", "options": {}}}},
        {"container": {"image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/web:v1"}},
        {"ephemeralStorage": {"sizeInGiB": 20}},
        {"executionRoleArn": "arn:aws:iam::123456789012:role/not-there"},
    ],
)
def test_what_fargate_cannot_run_is_refused(definitions: Stage, changes: dict[str, Any]) -> None:
    """Developer guide, "Task definition parameters for Fargate": ClientException."""
    kept = {key: value for key, value in changes.items() if value is not None}
    for key, value in changes.items():
        if value is None:
            kept[key] = ""
    with refused("ClientException"):
        definitions.definition(**kept)


def test_two_containers_cannot_share_a_name(definitions: Stage) -> None:
    """ContainerDefinition, "name": unique in the task definition."""
    with refused("ClientException", "duplicate"):
        definitions.definition(containerDefinitions=[{"name": "web", "image": "a"}, {"name": "web", "image": "b"}])


def test_revisions_are_listed_by_number_and_by_page(definitions: Stage) -> None:
    """ListTaskDefinitions, "sort" and "nextToken": 10 comes after 9."""
    for _ in range(11):
        definitions.definition()
    newest = definitions.ecs.list_task_definitions(familyPrefix="web", sort="DESC", maxResults=2)
    assert [arn.rpartition(":")[2] for arn in newest["taskDefinitionArns"]] == ["11", "10"]
    pages = definitions.ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix="web", PaginationConfig={"PageSize": 4}
    )
    assert [len(page["taskDefinitionArns"]) for page in pages] == [4, 4, 3]


def test_tags_are_beside_the_definition_and_only_when_asked_for(definitions: Stage) -> None:
    """DescribeTaskDefinition, "include": TAGS."""
    arn = definitions.definition(tags=[{"key": "hash", "value": "1"}])
    assert "tags" not in definitions.ecs.describe_task_definition(taskDefinition=arn)
    shown = definitions.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    assert shown["tags"] == [{"key": "hash", "value": "1"}]
    assert "tags" not in shown["taskDefinition"]
    with refused("InvalidParameterException", "aws:"):
        definitions.definition(tags=[{"key": "aws:x", "value": "1"}])


def test_only_inactive_ones_are_deleted_and_numbers_never_return(definitions: Stage) -> None:
    """DeleteTaskDefinitions: ACTIVE ones are failures; a revision number is not given twice."""
    arn = definitions.definition()
    answer = definitions.ecs.delete_task_definitions(taskDefinitions=[arn])
    assert answer["taskDefinitions"] == []
    assert answer["failures"][0]["arn"] == arn
    definitions.ecs.deregister_task_definition(taskDefinition=arn)
    definitions.ecs.delete_task_definitions(taskDefinitions=[arn])
    with refused("ClientException", "Unable to describe task definition."):
        definitions.ecs.describe_task_definition(taskDefinition=arn)
    assert definitions.definition().endswith(":2")
