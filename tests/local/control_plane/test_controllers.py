"""Another deployment controller for a living service. Source: ECS developer guide, "Updating Amazon ECS service
parameters", "Deployment controller", and "Troubleshooting Amazon ECS deployment strategy updates".
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.codedeploy import CodeDeploy
from tests.local.control_plane.stage import Stage, refused

PLAIN = {
    "strategy": "ROLLING",
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
}


def _to(stage: Stage, controller: str, **changes: Any) -> dict[str, Any]:
    return stage.update(deploymentController={"type": controller}, **changes)


def _started_by(stage: Stage) -> dict[str, str]:
    """The running tasks, and what each was started by."""
    return {task["taskArn"]: task["startedBy"] for task in stage.tasks(serviceName="web")}


@pytest.fixture
def external(stage: Stage) -> Stage:
    """An EXTERNAL service with one task set, which is PRIMARY."""
    stage.external(desiredCount=2)
    made = stage.task_set("web:1", stage.blue)
    stage.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=made["id"])
    return stage


def test_from_ecs_to_an_external_controller(laptop: Laptop, stage: Stage) -> None:
    """Nothing is started or stopped. ECS no longer manages the deployment: it is a task set, which the new controller
    deletes once another one serves. DescribeServices goes on answering deployments, and no task sets.
    """
    stage.service(loadBalancers=stage.behind(stage.blue))
    tasks = _started_by(stage)
    answer = _to(stage, "EXTERNAL")
    assert answer["deploymentController"] == {"type": "EXTERNAL"}
    (old,) = stage.task_sets()
    assert (old["status"], old["scale"]["value"], old["runningCount"]) == ("PRIMARY", 100.0, 2)
    assert set(tasks.values()) == {old["id"]}
    laptop.advance(600)
    assert _started_by(stage) == tasks
    new = stage.task_set(stage.definition("web:v2"), stage.green)
    stage.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=new["id"])
    seen = stage.seen()
    assert [(one["id"], one["status"]) for one in seen["deployments"]] == [
        (new["id"], "PRIMARY"),
        (old["id"], "ACTIVE"),
    ]
    assert "taskSets" not in seen
    assert not any("rolloutState" in one for one in seen["deployments"])
    stage.ecs.delete_task_set(cluster="demo", service="web", taskSet=old["id"], force=True)
    laptop.advance(30)
    assert [one["id"] for one in stage.task_sets()] == [new["id"]]
    assert stage.health(stage.blue) == []


def test_from_an_external_controller_to_ecs(laptop: Laptop, external: Stage) -> None:
    """The one task set is the first deployment of the service, and what a later one can be rolled back to. Task sets
    are not described any more.
    """
    stage, tasks = external, _started_by(external)
    _to(stage, "ECS", deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    laptop.advance(600)
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    assert _started_by(stage) == tasks
    assert "taskSets" not in stage.seen()
    with refused("InvalidParameterException"):
        stage.task_sets()
    with refused("InvalidParameterException"):
        stage.task_set("web:1", stage.green)
    stage.definition("web:v2")
    stage.update(taskDefinition="web")
    arn = stage.ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"][0][
        "serviceDeploymentArn"
    ]
    stage.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    laptop.advance(60)
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]


def test_there_and_back(laptop: Laptop, stage: Stage) -> None:
    """ "If you use the update-service command, … set it to the previous deployment controller"."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    tasks = _started_by(stage)
    _to(stage, "EXTERNAL")
    _to(stage, "ECS")
    laptop.advance(600)
    assert _started_by(stage) == tasks
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]


def test_from_codedeploy_to_ecs_with_a_new_release(laptop: Laptop, stage: Stage) -> None:
    """The same call may name another task definition: that is the first deployment of the ECS controller."""
    CodeDeploy(stage)
    _to(stage, "ECS", taskDefinition=stage.definition("web:v2"))
    assert [one[:3] for one in stage.deployments()] == [
        ("PRIMARY", "web:2", "IN_PROGRESS"),
        ("ACTIVE", "web:1", "COMPLETED"),
    ]
    laptop.advance(60)
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]


@pytest.mark.parametrize("controller", ["ECS", "EXTERNAL"])
def test_nothing_becomes_codedeploys(stage: Stage, controller: str) -> None:
    """The list of valid transitions names CODE_DEPLOY only as what is left."""
    if controller == "ECS":
        stage.service(loadBalancers=stage.behind(stage.blue))
    else:
        stage.external()
    with refused("InvalidParameterException"):
        _to(stage, "CODE_DEPLOY")
    assert stage.seen()["deploymentController"] == {"type": controller}


def test_not_while_something_is_deployed(stage: Stage) -> None:
    """ "You can't update the deployment controller of a service during an ongoing service deployment"."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.definition("web:v2")
    stage.update(taskDefinition="web")
    before = stage.seen()
    with refused("InvalidParameterException", "ongoing service deployment"):
        _to(stage, "EXTERNAL")
    assert stage.seen() == before


def test_only_with_one_task_set_that_is_primary(external: Stage) -> None:
    """The texts of "Multiple task sets" and "Missing primary task set when updating ECS deployment controller"."""
    stage = external
    second = stage.task_set("web:1", stage.green)
    with refused("InvalidParameterException", "not supported when there are multiple tasksets in the service"):
        _to(stage, "ECS")
    for one in stage.task_sets():
        if one["id"] != second["id"]:
            stage.ecs.delete_task_set(cluster="demo", service="web", taskSet=one["id"], force=True)
    with refused("InvalidParameterException", "multiple tasksets"):  # the one that drains is still there
        _to(stage, "ECS")
    stage.advance(60)
    with refused("InvalidParameterException", "requires a primary taskset in the service"):
        _to(stage, "ECS")
    stage.ecs.update_service_primary_task_set(cluster="demo", service="web", primaryTaskSet=second["id"])
    _to(stage, "ECS")
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"alarms": {"alarmNames": ["bad"], "enable": True, "rollback": True}}, "Alarm based rollback feature"),
        ({"deploymentCircuitBreaker": {"enable": True, "rollback": False}}, "Deployment circuit breaker feature"),
        ({"strategy": "BLUE_GREEN"}, "BLUE_GREEN deployment strategy"),
    ],
)
def test_what_only_ecs_does_is_taken_away_first(stage: Stage, configuration: dict[str, Any], words: str) -> None:
    """ "… if the deploymentConfiguration includes alarms, a deployment circuit breaker, or a BLUE_GREEN deployment
    strategy". Where it is refused, nothing has changed.
    """
    stage.service()
    stage.update(deploymentConfiguration=configuration)
    before = stage.seen()
    for changes in ({}, {"deploymentConfiguration": PLAIN}):
        with refused("InvalidParameterException", f"{words} is only supported with ECS deployment controller."):
            _to(stage, "EXTERNAL", **changes)
    assert stage.seen() == before
    stage.update(deploymentConfiguration=PLAIN)
    _to(stage, "EXTERNAL")
    assert stage.seen()["deploymentController"] == {"type": "EXTERNAL"}


@pytest.mark.parametrize(
    ("networking", "words"),
    [
        ({"serviceConnectConfiguration": {"enabled": True, "namespace": "n"}}, "services using Service Connect."),
        (
            {"vpcLatticeConfigurations": [{"roleArn": "r", "targetGroupArn": "t", "portName": "p"}]},
            "services using VPC Lattice.",
        ),
    ],
)
def test_not_with_networking_of_the_ecs_controller(stage: Stage, networking: dict[str, Any], words: str) -> None:
    """ "… if it uses VPC Lattice or Amazon ECS Service Connect"."""
    stage.laptop.client("servicediscovery").create_http_namespace(Name="n")
    stage.service(**networking)
    with refused("InvalidParameterException", f"The EXTERNAL deployment controller type is not supported for {words}"):
        _to(stage, "EXTERNAL")
    assert stage.seen()["deploymentController"] == {"type": "ECS"}


def test_the_pair_of_groups_is_ignored_from_then_on(stage: Stage) -> None:
    """ "any advancedConfiguration that you specify with your load balancer configuration will be ignored"."""
    rules = stage.default_rule(stage.production), stage.default_rule(stage.test)
    advanced = {
        "alternateTargetGroupArn": stage.green,
        "productionListenerRule": rules[0],
        "testListenerRule": rules[1],
        "roleArn": stage.role("infrastructure"),
    }
    stage.service(loadBalancers=[{**stage.behind(stage.blue)[0], "advancedConfiguration": advanced}])
    _to(stage, "EXTERNAL")
    assert stage.seen()["loadBalancers"] == stage.task_sets()[0]["loadBalancers"] == stage.behind(stage.blue)


@pytest.mark.parametrize("change", [{"taskDefinition": "web:1"}, {"forceNewDeployment": True}, {"loadBalancers": []}])
def test_an_external_service_has_its_own_parameters_at_once(stage: Stage, change: dict[str, Any]) -> None:
    """UpdateService: task definition and load balancers belong to the task sets of an EXTERNAL service."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    with refused("InvalidParameterException", "CreateTaskSet"):
        _to(stage, "EXTERNAL", **change)
    assert stage.seen()["deploymentController"] == {"type": "ECS"}
