"""Task sets. Source: ECS developer guide, "External deployment"; API reference, CreateTaskSet, TaskSet, UpdateTaskSet
…
"""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script
from tests.local.control_plane.stage import Stage, refused


@pytest.fixture
def sets(stage: Stage) -> Stage:
    """An EXTERNAL service, desired 3, without task sets."""
    stage.external(desiredCount=3)
    return stage


def test_the_service_itself_takes_nothing_that_belongs_to_a_set(stage: Stage) -> None:
    """External deployment: task definition, network and load balancers are the task set's."""
    for change in (
        {"taskDefinition": "web"},
        {"launchType": "FARGATE"},
        {"networkConfiguration": stage.where},
        {"loadBalancers": stage.behind(stage.blue)},
    ):
        with refused("InvalidParameterException", "must be empty or null"):
            stage.external(**change)
    seen = stage.external()
    assert "taskDefinition" not in seen
    assert seen["deployments"] == []
    assert seen["taskSets"] == []


@pytest.mark.parametrize("controller", ["EXTERNAL", "CODE_DEPLOY"])
@pytest.mark.parametrize("found_by", ["deploymentCircuitBreaker", "alarms"])
def test_only_ecs_itself_finds_failures(stage: Stage, controller: str, found_by: str) -> None:
    """Developer guide, "Troubleshooting Amazon ECS deployment strategy updates": "only supported with ECS deployment
    controller".
    """
    external = {"taskDefinition": None, "launchType": None, "networkConfiguration": None}
    settings: dict[str, Any] = {"deploymentController": {"type": controller}}
    settings |= external if controller == "EXTERNAL" else {"loadBalancers": stage.behind(stage.blue)}
    names = {"alarmNames": []} if found_by == "alarms" else {}
    on, off = ({found_by: {**names, "enable": enable, "rollback": False}} for enable in (True, False))
    with refused("InvalidParameterException", "only supported with ECS deployment controller"):
        stage.service(**settings, deploymentConfiguration=on)
    stage.service(**settings, deploymentConfiguration=off)
    with refused("InvalidParameterException", "only supported with ECS deployment controller"):
        stage.update(deploymentConfiguration=on)
    assert stage.update(deploymentConfiguration=off)["status"] == "ACTIVE"


@pytest.mark.parametrize("scale", [0, 1, 33.3, 33.4, 50, 99.9, 100])
def test_the_computed_count_rounds_up(sets: Stage, scale: float) -> None:
    """TaskSet, "computedDesiredCount": the service's desired count times the scale, rounded up."""
    made = sets.task_set("web:1", sets.blue, scale={"value": scale, "unit": "PERCENT"})
    assert made["computedDesiredCount"] == ceil(round(3 * scale / 100, 6))
    found = sets.task_sets()[0]
    assert found["runningCount"] == found["computedDesiredCount"]
    assert found["stabilityStatus"] == "STEADY_STATE"


def test_a_set_is_steady_once_its_tasks_are_healthy(laptop: Laptop, sets: Stage) -> None:
    """TaskSet, "stabilityStatus": running = computed desired, none pending, all healthy."""
    laptop.tasks.script(Script(image="web:v1", starts_after=20))
    made = sets.task_set("web:1", sets.blue)
    assert (made["stabilityStatus"], made["status"], made["runningCount"]) == ("STABILIZING", "ACTIVE", 0)
    found = sets.task_sets()[0]
    assert (found["pendingCount"], found["stabilityStatus"]) == (3, "STABILIZING")
    laptop.advance(20)
    found = sets.task_sets()[0]
    assert (found["runningCount"], found["pendingCount"], found["stabilityStatus"]) == (3, 0, "STEADY_STATE")


def test_tasks_are_started_by_their_set(sets: Stage) -> None:
    """ListTasks, "startedBy": the task set's id, and it must be the only filter."""
    made = sets.task_set("web:1", sets.blue)
    assert made["id"].startswith("ecs-svc/")
    assert len(sets.tasks(startedBy=made["id"])) == 3
    with refused("InvalidParameterException", "only filter"):
        sets.ecs.list_tasks(cluster="demo", startedBy=made["id"], serviceName="web")


def test_scaling_is_the_only_change(sets: Stage) -> None:
    """UpdateTaskSet changes the scale; UpdateService the desired count, which every set follows."""
    made = sets.task_set("web:1", sets.blue, scale={"value": 0, "unit": "PERCENT"})
    sets.ecs.update_task_set(
        cluster="demo", service="web", taskSet=made["taskSetArn"], scale={"value": 50, "unit": "PERCENT"}
    )
    assert sets.task_sets()[0]["computedDesiredCount"] == 2
    sets.update(desiredCount=10)
    assert sets.task_sets()[0]["runningCount"] == 5
    with refused("InvalidParameterException", "EXTERNAL"):
        sets.update(taskDefinition="web")
    with refused("TaskSetNotFoundException"):
        sets.ecs.update_task_set(
            cluster="demo", service="web", taskSet="ecs-svc/1", scale={"value": 50, "unit": "PERCENT"}
        )


@pytest.mark.parametrize("name", ["id", "taskSetArn"])
def test_the_primary_is_a_label_by_id_or_arn(sets: Stage, name: str) -> None:
    """UpdateServicePrimaryTaskSet: the other becomes ACTIVE, the service mirrors the primary, and no traffic moves."""
    blue, green = sets.task_set("web:1", sets.blue), sets.task_set("web:1", sets.green)
    for made in (blue, green):
        sets.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=made[name])
    states = {item["id"]: item["status"] for item in sets.task_sets()}
    assert states == {blue["id"]: "ACTIVE", green["id"]: "PRIMARY"}
    assert sets.seen()["loadBalancers"] == sets.behind(sets.green)
    assert sets.weights(sets.production) == {sets.blue: 100, sets.green: 0}


def test_five_sets_are_the_most(sets: Stage) -> None:
    """Service quotas: five task sets a service, those that drain included."""
    for _ in range(5):
        sets.task_set("web:1", sets.blue, scale={"value": 0, "unit": "PERCENT"})
    with refused("InvalidParameterException", "5 deployments exist on the service"):
        sets.task_set("web:1", sets.blue)


def test_the_same_client_token_is_the_same_set(sets: Stage) -> None:
    """CreateTaskSet, "clientToken"."""
    first, second = (sets.task_set("web:1", sets.blue, clientToken="once") for _ in range(2))
    assert first["id"] == second["id"]
    assert len(sets.task_sets()) == 1
    with refused("InvalidParameterException", "idempotent"):
        sets.task_set("web:1", sets.green, clientToken="once")


def test_a_delete_drains_before_it_stops(laptop: Laptop, sets: Stage) -> None:
    """DeleteTaskSet: scaled to 0 or forced, the PRIMARY only forced; DRAINING until the tasks are gone, then absent."""
    made = sets.task_set("web:1", sets.blue)
    delete = {"cluster": "demo", "service": "web", "taskSet": made["id"]}
    with refused("InvalidParameterException", "scaled above 0"):
        sets.ecs.delete_task_set(**delete)
    sets.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=made["id"])
    sets.ecs.update_task_set(**delete, scale={"value": 0, "unit": "PERCENT"})
    with refused("InvalidParameterException", "primary"):
        sets.ecs.delete_task_set(**delete)
    assert sets.ecs.delete_task_set(**delete, force=True)["taskSet"]["status"] == "DRAINING"
    assert sets.health(sets.blue) == ["draining"] * 3
    assert sets.task_sets()[0]["status"] == "DRAINING"
    laptop.advance(30)
    assert sets.task_sets() == []
    answer = sets.ecs.describe_task_sets(cluster="demo", service="web", taskSets=[made["id"]])
    assert answer["failures"] == [{"arn": made["id"], "reason": "MISSING"}]


def test_a_set_wants_a_group_behind_a_load_balancer(sets: Stage) -> None:
    """CreateTaskSet, errors: "does not have an associated load balancer"."""
    with refused("InvalidParameterException", "does not have an associated load balancer"):
        sets.task_set("web:1", sets.target_group("free"))


def test_a_failing_set_is_tried_for_ever(laptop: Laptop, sets: Stage) -> None:
    """External deployment has no circuit breaker and no rollback: failure shows in stopped tasks and events only."""
    laptop.tasks.script(Script(exits_after=0, exit_code=1, logs=("boom",)))
    sets.task_set("web:1", sets.blue)
    laptop.advance(600)
    found = sets.task_sets()[0]
    assert (found["status"], found["stabilityStatus"], found["runningCount"]) == ("ACTIVE", "STABILIZING", 0)
    stopped = sets.tasks(desiredStatus="STOPPED")
    assert len(stopped) > 5
    assert {task["startedBy"] for task in stopped} == {found["id"]}
    with refused("UnsupportedFeatureException"):
        sets.ecs.list_service_deployments(cluster="demo", service="web")


def test_only_external_services_have_sets_of_ones_own(stage: Stage) -> None:
    """CreateTaskSet: "used when a service uses the EXTERNAL deployment controller type"."""
    stage.service()
    with refused("InvalidParameterException"):
        stage.task_set("web:1", stage.blue)


def test_blue_green_by_hand_loses_no_healthy_side(laptop: Laptop, sets: Stage) -> None:
    """The whole dance: green up beside blue, weights flipped, primary moved, blue drained and gone."""
    blue = sets.task_set("web:1", sets.blue, externalId="r1")
    sets.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=blue["id"])
    sets.definition("web:v2")
    green = sets.task_set("web:2", sets.green, externalId="r2", tags=[{"key": "release", "value": "r2"}])
    assert sets.health(sets.green) == ["healthy"] * 3
    action: dict[str, Any] = sets.elb.describe_listeners(ListenerArns=[sets.production])["Listeners"][0]
    weights = action["DefaultActions"][0]
    for item in weights["ForwardConfig"]["TargetGroups"]:
        item["Weight"] = 100 - item["Weight"]
    sets.elb.modify_listener(ListenerArn=sets.production, DefaultActions=[weights])
    assert sets.weights(sets.production) == {sets.blue: 0, sets.green: 100}
    sets.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=green["id"])
    sets.ecs.delete_task_set(cluster="demo", service="web", taskSet=blue["id"], force=True)
    laptop.advance(30)
    found = sets.ecs.describe_task_sets(cluster="demo", service="web", include=["TAGS"])["taskSets"]
    assert [(item["externalId"], item["status"], item["tags"]) for item in found] == [
        ("r2", "PRIMARY", [{"key": "release", "value": "r2"}])
    ]
    sets.ecs.delete_service(cluster="demo", service="web", force=True)
    laptop.advance(30)
    assert sets.seen()["status"] == "INACTIVE"


def test_a_protected_task_outlives_scaling_in_and_the_removal_of_its_set(laptop: Laptop, sets: Stage) -> None:
    """ECS developer guide, "Task scale-in protection": it is stopped once its protection ends."""
    made = sets.task_set("web:1", sets.blue)
    ecs = laptop.client("ecs")
    first = ecs.list_tasks(cluster="demo", startedBy=made["id"])["taskArns"][0]
    ecs.update_task_protection(cluster="demo", tasks=[first], protectionEnabled=True, expiresInMinutes=60)
    ecs.delete_task_set(cluster="demo", service="web", taskSet=made["id"], force=True)
    laptop.advance(1800)
    (found,) = sets.task_sets()
    assert (found["status"], found["runningCount"]) == ("DRAINING", 1)
    laptop.advance(3600)
    assert sets.task_sets() == []
