"""CodeDeploy for ECS. Source: CodeDeploy API reference; user guide, "Deployments on an Amazon ECS compute platform"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script
from tests.local.control_plane.stage import Stage, refused

HOUR = 3600.0
ROLLBACK = {"enabled": True, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"]}


class CodeDeploy:
    """An application and a deployment group for the service `web`."""

    def __init__(self, stage: Stage, **changes: Any) -> None:
        self.stage, self.laptop = stage, stage.laptop
        self.client = stage.laptop.client("codedeploy")
        stage.service(deploymentController={"type": "CODE_DEPLOY"}, loadBalancers=stage.behind(stage.blue))
        self.client.create_application(applicationName="app", computePlatform="ECS")
        self.role = stage.role("deployer")
        self.client.create_deployment_group(**self.settings(**changes))

    def settings(self, **changes: Any) -> dict[str, Any]:
        pair = {
            "targetGroups": [{"name": "blue"}, {"name": "green"}],
            "prodTrafficRoute": {"listenerArns": [self.stage.production]},
            "testTrafficRoute": {"listenerArns": [self.stage.test]},
        }
        return {
            "applicationName": "app",
            "deploymentGroupName": "group",
            "serviceRoleArn": self.role,
            "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce",
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "blueGreenDeploymentConfiguration": {
                "terminateBlueInstancesOnDeploymentSuccess": {
                    "action": "TERMINATE",
                    "terminationWaitTimeInMinutes": 60,
                },
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
            },
            "loadBalancerInfo": {"targetGroupPairInfoList": [pair]},
            "ecsServices": [{"clusterName": "demo", "serviceName": "web"}],
            "autoRollbackConfiguration": ROLLBACK,
            **changes,
        }

    def deploy(self, definition: str, hooks: list[dict[str, str]] | None = None, **changes: Any) -> str:
        properties = {
            "TaskDefinition": definition,
            "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        }
        document = {
            "version": "0.0",
            "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
            "Hooks": hooks or [],
        }
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(document)}}
        made: str = self.client.create_deployment(
            applicationName="app", deploymentGroupName="group", revision=revision, **changes
        )["deploymentId"]
        return made

    def seen(self, deployment: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_deployment(deploymentId=deployment)["deploymentInfo"]
        return found

    def target(self, deployment: str) -> dict[str, Any]:
        answer = self.client.batch_get_deployment_targets(deploymentId=deployment, targetIds=["demo:web"])
        found: dict[str, Any] = answer["deploymentTargets"][0]["ecsTarget"]
        return found

    def production(self) -> dict[str, int]:
        return self.stage.weights(self.stage.production)


def test_its_service_has_task_sets_instead_of_deployments(stage: Stage) -> None:
    """DescribeServices: no `deployments` (cloud-custodian#9351), and of the configuration the limits alone."""
    behind = {"deploymentController": {"type": "CODE_DEPLOY"}, "loadBalancers": stage.behind(stage.blue)}
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    stage.service(**behind, deploymentConfiguration=off)
    seen = stage.seen()
    assert "deployments" not in seen
    assert [one["status"] for one in seen["taskSets"]] == ["PRIMARY"]
    assert seen["deploymentConfiguration"] == {"maximumPercent": 200, "minimumHealthyPercent": 100}


def test_its_service_is_deleted_once_it_is_scaled_to_nothing(laptop: Laptop, stage: Stage) -> None:
    """As Terraform does it, without `force`; while tasks are wanted, it is refused."""
    stage.service(deploymentController={"type": "CODE_DEPLOY"}, loadBalancers=stage.behind(stage.blue))
    with refused("InvalidParameterException", "scaled above 0"):
        stage.ecs.delete_service(cluster="demo", service="web")
    stage.update(desiredCount=0)
    stage.ecs.delete_service(cluster="demo", service="web")
    laptop.until(lambda: stage.seen()["status"] == "INACTIVE")


READY = {
    "blueGreenDeploymentConfiguration": {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 60},
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 150},
    }
}


def test_the_service_has_a_primary_task_set_of_its_own(stage: Stage) -> None:
    """CreateService with CODE_DEPLOY: ECS makes the first task set; what CodeDeploy owns cannot be updated past it."""
    CodeDeploy(stage)
    seen = stage.seen()
    assert [(item["status"], item["startedBy"]) for item in seen["taskSets"]] == [("PRIMARY", "CODE_DEPLOY")]
    assert seen["runningCount"] == 2
    stage.update(desiredCount=3)
    with refused("InvalidParameterException", "Use AWS CodeDeploy to trigger a new deployment."):
        stage.update(taskDefinition="web:1")


def test_a_deployment_from_end_to_end(laptop: Laptop, stage: Stage) -> None:
    """Install, test traffic, production traffic, the termination wait, blue gone; the service's target group has
    changed.
    """
    codedeploy = CodeDeploy(stage)
    definition = stage.definition("web:v2")
    deployment = codedeploy.deploy(definition, description="release r2")
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["instanceTerminationWaitTimeStarted"]) == ("InProgress", True)
    assert codedeploy.production() == {stage.green: 100, stage.blue: 0}
    target = codedeploy.target(deployment)
    assert {event["status"] for event in target["lifecycleEvents"]} == {"Succeeded"}
    labels = {item["taskSetLabel"]: (item["trafficWeight"], item["runningCount"]) for item in target["taskSetsInfo"]}
    assert labels == {"Blue": (0.0, 2), "Green": (100.0, 2)}
    laptop.advance(HOUR - 1)
    assert codedeploy.seen(deployment)["status"] == "InProgress"
    laptop.advance(1)
    assert codedeploy.seen(deployment)["status"] == "Succeeded"
    laptop.advance(30)
    service = stage.seen()
    assert service["loadBalancers"] == stage.behind(stage.green)
    assert service["taskDefinition"] == definition
    assert [item["externalId"] for item in service["taskSets"]] == [deployment]
    group = codedeploy.client.get_deployment_group(applicationName="app", deploymentGroupName="group")
    assert group["deploymentGroupInfo"]["lastSuccessfulDeployment"]["deploymentId"] == deployment


def test_the_ready_wait_stops_it_does_not_continue(laptop: Laptop, stage: Stage) -> None:
    """DeploymentReadyOption, STOP_DEPLOYMENT: without ContinueDeployment the deployment is Stopped at the timeout."""
    codedeploy = CodeDeploy(stage, **READY)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert codedeploy.seen(deployment)["status"] == "Ready"
    assert stage.weights(stage.test) == {stage.green: 100, stage.blue: 0}
    laptop.advance(150 * 60)
    seen = codedeploy.seen(deployment)
    assert seen["status"] == "Stopped"
    back = codedeploy.seen(seen["rollbackInfo"]["rollbackDeploymentId"])
    assert (back["creator"], back["status"]) == ("codeDeployRollback", "Succeeded")
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    laptop.advance(30)
    assert [item["status"] for item in stage.seen()["taskSets"]] == ["PRIMARY"]


def test_continuing_ends_a_wait(stage: Stage) -> None:
    """ContinueDeployment: READY_WAIT, then TERMINATION_WAIT; at any other time DeploymentIsNotInReadyStateException."""
    codedeploy = CodeDeploy(stage, **READY)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    go_on = codedeploy.client.continue_deployment
    with refused("DeploymentIsNotInReadyStateException"):
        go_on(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    go_on(deploymentId=deployment, deploymentWaitType="READY_WAIT")
    assert codedeploy.production() == {stage.green: 100, stage.blue: 0}
    with refused("DeploymentIsNotInReadyStateException"):
        go_on(deploymentId=deployment, deploymentWaitType="READY_WAIT")
    go_on(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    assert codedeploy.seen(deployment)["status"] == "Succeeded"
    with refused("DeploymentAlreadyCompletedException"):
        go_on(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")


def test_a_stop_in_the_termination_wait_still_flips_back(laptop: Laptop, stage: Stage) -> None:
    """StopDeployment with autoRollbackEnabled: traffic returns to blue, which is still there."""
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    codedeploy.client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    assert codedeploy.seen(deployment)["status"] == "Stopped"
    laptop.advance(30)
    assert [item["taskDefinition"].rpartition("/")[2] for item in stage.seen()["taskSets"]] == ["web:1"]


def test_a_green_that_never_gets_steady_fails(laptop: Laptop, stage: Stage) -> None:
    """Install waits an hour for the task set to be stable; then the deployment fails and rolls back."""
    codedeploy = CodeDeploy(stage)
    laptop.tasks.script(Script(image="web:v2", exits_after=0, exit_code=1))
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    laptop.advance(HOUR - 1)
    assert codedeploy.seen(deployment)["status"] == "InProgress"
    laptop.advance(1)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Failed", "TIMEOUT")
    laptop.advance(30)
    assert len(stage.seen()["taskSets"]) == 1


def test_traffic_goes_over_in_the_steps_of_the_configuration(laptop: Laptop, stage: Stage) -> None:
    """DeploymentConfig: canary and linear by percent and minutes."""
    codedeploy = CodeDeploy(stage, deploymentConfigName="CodeDeployDefault.ECSCanary10Percent5Minutes")
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert codedeploy.production() == {stage.green: 10, stage.blue: 90}
    laptop.advance(300)
    assert codedeploy.production() == {stage.green: 100, stage.blue: 0}
    assert codedeploy.seen(deployment)["instanceTerminationWaitTimeStarted"]


@pytest.mark.parametrize(("verdict", "status"), [("Succeeded", "InProgress"), ("Failed", "Failed"), (None, "Failed")])
def test_a_hook_waits_for_its_report(laptop: Laptop, stage: Stage, verdict: str | None, status: str) -> None:
    """AppSpec "Hooks" and PutLifecycleEventHookExecutionStatus: an hour at most."""
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"AfterAllowTestTraffic": "check"}])
    states = {
        event["lifecycleEventName"]: event["status"] for event in codedeploy.target(deployment)["lifecycleEvents"]
    }
    assert states["AfterAllowTestTraffic"] == "InProgress"
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    if verdict:
        release = laptop.aws.world.codedeploy.releases[deployment]
        execution = next(event.execution_id for event in release.events if event.execution_id)
        codedeploy.client.put_lifecycle_event_hook_execution_status(
            deploymentId=deployment, lifecycleEventHookExecutionId=execution, status=verdict
        )
    else:
        laptop.advance(HOUR)
    assert codedeploy.seen(deployment)["status"] == status


def test_one_deployment_runs_at_a_time(stage: Stage) -> None:
    """CreateDeployment, errors: DeploymentLimitExceededException names the active one."""
    codedeploy = CodeDeploy(stage, **READY)
    definition = stage.definition("web:v2")
    active = codedeploy.deploy(definition)
    with refused("DeploymentLimitExceededException", active):
        codedeploy.deploy(definition)
    listed = codedeploy.client.list_deployments(
        applicationName="app", deploymentGroupName="group", includeOnlyStatuses=["Ready"]
    )
    assert listed["deployments"] == [active]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "neither JSON nor YAML"),
        ("[]", "not a mapping"),
        ('{"Resources": []}', "TargetService"),
    ],
)
def test_a_revision_must_be_an_appspec(stage: Stage, content: str, words: str) -> None:
    """CreateDeployment, errors: InvalidRevisionException."""
    codedeploy = CodeDeploy(stage)
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
    with refused("InvalidRevisionException", words):
        codedeploy.client.create_deployment(applicationName="app", deploymentGroupName="group", revision=revision)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deploymentStyle": {"deploymentType": "IN_PLACE"}}, "InvalidDeploymentStyleException"),
        ({"ecsServices": [{"clusterName": "demo", "serviceName": "gone"}]}, "InvalidECSServiceException"),
        ({"deploymentConfigName": "gone"}, "DeploymentConfigDoesNotExistException"),
        ({"serviceRoleArn": "arn:aws:iam::123456789012:role/gone"}, "InvalidRoleException"),
        ({"loadBalancerInfo": {"targetGroupPairInfoList": []}}, "InvalidTargetGroupPairException"),
        ({"deploymentGroupName": "second"}, "ECSServiceMappingLimitExceededException"),
        ({}, "DeploymentGroupAlreadyExistsException"),
    ],
)
def test_deployment_groups_are_checked(stage: Stage, changes: dict[str, Any], code: str) -> None:
    """CreateDeploymentGroup, errors."""
    codedeploy = CodeDeploy(stage)
    changed = codedeploy.settings(**changes)
    if "deploymentGroupName" not in changes and changes:
        codedeploy.client.delete_deployment_group(applicationName="app", deploymentGroupName="group")
    with refused(code):
        codedeploy.client.create_deployment_group(**changed)


def test_groups_are_updated_listed_and_found(stage: Stage) -> None:
    """UpdateDeploymentGroup merges; BatchGetDeploymentGroups names the missing ones in errorMessage."""
    codedeploy = CodeDeploy(stage)
    client = codedeploy.client
    client.update_deployment_group(
        applicationName="app", currentDeploymentGroupName="group", newDeploymentGroupName="renamed",
        deploymentConfigName="CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
    )  # fmt: skip
    answer = client.batch_get_deployment_groups(applicationName="app", deploymentGroupNames=["renamed", "group"])
    assert [item["deploymentGroupName"] for item in answer["deploymentGroupsInfo"]] == ["renamed"]
    assert "group" in answer["errorMessage"]
    assert answer["deploymentGroupsInfo"][0]["autoRollbackConfiguration"]["enabled"]
    assert client.list_deployment_groups(applicationName="app")["deploymentGroups"] == ["renamed"]
    with refused("ApplicationAlreadyExistsException"):
        client.create_application(applicationName="app", computePlatform="ECS")
    client.delete_application(applicationName="app")
    with refused("ApplicationDoesNotExistException"):
        client.get_application(applicationName="app")


def test_a_service_moves_from_codedeploy_to_ecs(stage: Stage) -> None:
    """Developer guide, "Migrate CodeDeploy blue/green deployments": UpdateService(deploymentController=ECS), one task
    set.
    """
    CodeDeploy(stage)
    stage.update(deploymentController={"type": "ECS"})
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    stage.definition("web:v2")
    stage.update(taskDefinition="web:2")
    stage.advance(60)
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]
