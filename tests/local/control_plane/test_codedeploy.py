"""CodeDeploy for ECS. Source: CodeDeploy API reference; user guide, "Deployments on an Amazon ECS compute platform"."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.codedeploy import HOUR, READY, CodeDeploy
from tests.local.control_plane.stage import Stage, forward, refused


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


def test_the_service_has_a_primary_task_set_of_its_own(stage: Stage) -> None:
    """CreateService with CODE_DEPLOY: ECS makes the first task set, which has no external id. A deployment's set has
    its deployment's, and `startedBy: CodeDeploy`.
    """
    codedeploy = CodeDeploy(stage)
    (first,) = stage.seen()["taskSets"]
    assert (first["status"], first.get("startedBy"), first.get("externalId")) == ("PRIMARY", None, None)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    green = stage.seen()["taskSets"][0]
    assert (green["status"], green["startedBy"], green["externalId"]) == ("PRIMARY", "CodeDeploy", deployment)
    assert green["scale"]["value"] == 100
    codedeploy.client.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    blue = stage.seen()["taskSets"][1]
    assert (blue["status"], blue["scale"]["value"]) == ("DRAINING", 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"taskDefinition": "web:1"}, "Unable to update task definition on services with a CODE_DEPLOY deployment"),
        ({"forceNewDeployment": True}, "Cannot force a new deployment on services with a CODE_DEPLOY deployment"),
        ({"networkConfiguration": {}}, "Unable to update network parameters on services with a CODE_DEPLOY deployment"),
        ({"platformVersion": "1.4.0"}, "platformVersion"),
        ({"loadBalancers": []}, "loadBalancers"),
        ({"capacityProviderStrategy": []}, "capacityProviderStrategy"),
    ],
)
def test_what_codedeploy_owns_is_not_updated_past_it(stage: Stage, changes: dict[str, Any], words: str) -> None:
    """UpdateService takes the desired count, the limits, the grace period, and what says how tasks are tagged."""
    CodeDeploy(stage)
    stage.update(
        desiredCount=3, deploymentConfiguration={"maximumPercent": 150}, healthCheckGracePeriodSeconds=30,
        enableECSManagedTags=True, propagateTags="SERVICE",
    )  # fmt: skip
    assert stage.seen()["healthCheckGracePeriodSeconds"] == 30
    where = {"networkConfiguration": stage.where} if "networkConfiguration" in changes else changes
    with refused("InvalidParameterException", words):
        stage.update(**where)
    with refused("InvalidParameterException", "Use AWS CodeDeploy to trigger a new deployment."):
        stage.update(**where)


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


def test_traffic_goes_over_in_the_steps_of_the_configuration(laptop: Laptop, stage: Stage) -> None:
    """DeploymentConfig: canary and linear by percent and minutes."""
    codedeploy = CodeDeploy(stage, deploymentConfigName="CodeDeployDefault.ECSCanary10Percent5Minutes")
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert codedeploy.production() == {stage.green: 10, stage.blue: 90}
    laptop.advance(300)
    assert codedeploy.production() == {stage.green: 100, stage.blue: 0}
    assert codedeploy.seen(deployment)["instanceTerminationWaitTimeStarted"]


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
    (shown,) = answer["deploymentGroupsInfo"]
    assert shown["autoRollbackConfiguration"]["enabled"]
    assert shown["blueGreenDeploymentConfiguration"]["deploymentReadyOption"]["waitTimeInMinutes"] == 0  # filled in
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


def test_the_second_target_group_needs_no_listener(stage: Stage) -> None:
    """ECS tutorial, "Creating a service using a blue/green deployment": one listener, to the first group. CodeDeploy
    makes it a weighted forward to both when the deployment group is created, as DescribeListeners has answered.
    """
    for listener in (stage.production, stage.test):
        stage.elb.modify_listener(ListenerArn=listener, DefaultActions=[forward({stage.blue: 1})])
    codedeploy = CodeDeploy(stage)
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    assert stage.weights(stage.test) == {stage.blue: 1}
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.blue: 1})])  # somebody else
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert codedeploy.seen(deployment)["instanceTerminationWaitTimeStarted"]
    assert codedeploy.production() == {stage.green: 100, stage.blue: 0}


def test_every_rule_that_forwards_to_the_pair_is_rewritten(laptop: Laptop, stage: Stage) -> None:
    """Of both listeners: ModifyRule for the rules, ModifyListener for the default; other rules stay as they are."""
    third = stage.target_group("third")
    rules = {
        (listener, group): stage.elb.create_rule(
            ListenerArn=listener, Priority=priority, Actions=[forward({group: 1})],
            Conditions=[{"Field": "path-pattern", "Values": [f"/{priority}/*"]}],
        )["Rules"][0]["RuleArn"]
        for listener in (stage.production, stage.test)
        for priority, group in ((1, stage.blue), (2, third))
    }  # fmt: skip

    def weights(listener: str, group: str) -> dict[str, int]:
        (rule,) = stage.elb.describe_rules(RuleArns=[rules[listener, group]])["Rules"]
        return {one["TargetGroupArn"]: one["Weight"] for one in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]}

    codedeploy = CodeDeploy(stage, deploymentConfigName="CodeDeployDefault.ECSCanary10Percent5Minutes")
    assert weights(stage.production, stage.blue) == {stage.blue: 100, stage.green: 0}
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert weights(stage.test, stage.blue) == stage.weights(stage.test) == {stage.green: 100, stage.blue: 0}
    assert weights(stage.production, stage.blue) == codedeploy.production() == {stage.green: 10, stage.blue: 90}
    codedeploy.client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    laptop.advance(30)
    for listener in (stage.production, stage.test):
        assert weights(listener, stage.blue) == stage.weights(listener) == {stage.blue: 100, stage.green: 0}
        assert weights(listener, third) == {third: 1}


def test_without_a_test_listener_there_is_no_test_traffic(stage: Stage) -> None:
    """The two events are Skipped, with the hook of the second; the rest goes as ever."""
    codedeploy = CodeDeploy(stage)
    codedeploy.update(loadBalancerInfo=codedeploy.balancing(testTrafficRoute=None))
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"AfterAllowTestTraffic": "check"}])
    events = codedeploy.events(deployment)
    assert [name for name, status in events.items() if status == "Skipped"] == [
        "AllowTestTraffic",
        "AfterAllowTestTraffic",
    ]
    assert events["AfterAllowTraffic"] == "Succeeded"
    assert stage.weights(stage.test) == {stage.blue: 0, stage.green: 100}


def test_a_deployment_keeps_the_settings_that_it_has_begun_with(laptop: Laptop, stage: Stage) -> None:
    """UpdateDeploymentGroup is for the deployments that follow."""
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    codedeploy.update(**READY)
    options = codedeploy.seen(deployment)["blueGreenDeploymentConfiguration"]
    assert options["deploymentReadyOption"]["actionOnTimeout"] == "CONTINUE_DEPLOYMENT"
    laptop.advance(HOUR)
    second = codedeploy.deploy(stage.definition("web:v3"))
    assert codedeploy.seen(second)["status"] == "Ready"


def test_a_service_leaves_codedeploy_only_between_deployments(stage: Stage) -> None:
    """ECS developer guide, "Update Amazon ECS service parameters": to ECS or EXTERNAL, with no deployment under way and
    one task set, which an external controller keeps.
    """
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"BeforeInstall": "check"}])
    for controller in ("ECS", "EXTERNAL"):
        with refused("InvalidParameterException", controller):
            stage.update(deploymentController={"type": controller})
    codedeploy.client.stop_deployment(deploymentId=deployment)
    stage.update(deploymentController={"type": "EXTERNAL"})
    assert codedeploy.sets() == [("PRIMARY", "web:1")]
    stage.ecs.update_task_set(
        cluster="demo", service="web", taskSet=stage.seen()["taskSets"][0]["id"], scale={"value": 50, "unit": "PERCENT"}
    )
    error = codedeploy.seen(codedeploy.deploy("web:2"))["errorInformation"]
    assert error["code"] == "INVALID_ECS_SERVICE"
