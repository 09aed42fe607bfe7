"""Stops, failures, alarms and rollbacks of CodeDeploy's deployments, and the waits that end in them.

Source: CodeDeploy API reference; user guide, "Redeployments and deployment rollbacks", "Stopped and failed deployments"
and "Troubleshoot Amazon ECS deployment issues"; what a deployment and its rollback have answered on AWS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.scripted import Script
from reconciler.local.timings import Timings
from tests.local.control_plane.codedeploy import HOUR, READY, CodeDeploy
from tests.local.control_plane.stage import Stage, forward, refused

STAGE = 20.0
"""Seconds that each stage of a deployment takes in `timed`."""


@pytest.fixture
def timed() -> Iterator[Stage]:
    with laptop_session(timings=replace(Timings.instant(), deployment_stage=STAGE)) as laptop:
        made = Stage(laptop).network().load_balancer().cluster()
        made.definition()
        yield made


def until(codedeploy: CodeDeploy, deployment: str, **wanted: Any) -> dict[str, Any]:
    """The deployment, once these members of it have these values."""
    codedeploy.laptop.until(lambda: wanted.items() <= codedeploy.seen(deployment).items())
    return codedeploy.seen(deployment)


def test_a_stop_is_pending_and_its_rollback_a_deployment_of_its_own(timed: Stage) -> None:
    """StopDeployment answers Pending, and of the stopped deployment Succeeded. The rollback names what it rolls back,
    and takes its time: Created, then InProgress with traffic back, then Succeeded with green gone.
    """
    codedeploy = CodeDeploy(timed)
    definition = timed.definition("web:v2")
    deployment = codedeploy.deploy(definition)
    until(codedeploy, deployment, instanceTerminationWaitTimeStarted=True)
    stop = codedeploy.client.stop_deployment
    for _ in range(2):
        answer = stop(deploymentId=deployment, autoRollbackEnabled=True)
        assert (answer["status"], answer["statusMessage"]) == (
            "Pending", "Stopping Pending. Stopping to schedule commands in the deployment instances",
        )  # fmt: skip
    assert codedeploy.seen(deployment)["status"] == "InProgress"
    timed.advance(STAGE)
    seen, back = codedeploy.seen(deployment), codedeploy.rollback_of(deployment)
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    answer = stop(deploymentId=deployment)
    assert (answer["status"], answer["statusMessage"]) == (
        "Succeeded", "No more commands will be scheduled for execution in the deployment instances",
    )  # fmt: skip
    assert (back["creator"], back["status"]) == ("codeDeployRollback", "Created")
    assert back["deploymentConfigName"] == "CodeDeployDefault.ECSAllAtOnce"
    assert seen["rollbackInfo"] == {
        "rollbackDeploymentId": back["deploymentId"],
        "rollbackMessage": f"Deployment {deployment} terminated. Automatic rollback is triggered with a DeploymentId "
        f"{back['deploymentId']}.",
    }
    assert back["rollbackInfo"] == {
        "rollbackTriggeringDeploymentId": deployment,
        "rollbackMessage": f"Deployment {back['deploymentId']} is triggered to roll back deployment {deployment}.",
    }
    assert codedeploy.production() == {timed.green: 100, timed.blue: 0}
    with refused("DeploymentLimitExceededException", back["deploymentId"]):
        codedeploy.deploy(definition)
    with refused("UnsupportedActionForDeploymentTypeException"):
        codedeploy.client.continue_deployment(deploymentId=back["deploymentId"])
    timed.advance(STAGE)
    assert codedeploy.seen(back["deploymentId"])["status"] == "InProgress"
    assert codedeploy.production() == {timed.blue: 100, timed.green: 0}
    assert codedeploy.sets() == [("ACTIVE", "web:2"), ("PRIMARY", "web:1")]
    timed.advance(STAGE)
    assert codedeploy.seen(back["deploymentId"])["status"] == "Succeeded"
    assert codedeploy.events(back["deploymentId"])["AllowTraffic"] == "Succeeded"
    assert codedeploy.sets() == [("DRAINING", "web:2"), ("PRIMARY", "web:1")]
    with refused("DeploymentAlreadyCompletedException"):
        stop(deploymentId=back["deploymentId"])


@pytest.mark.parametrize(
    ("asked", "events", "rolled_back"),
    [
        (None, ["DEPLOYMENT_STOP_ON_REQUEST"], True),
        (None, ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"], False),
        (False, ["DEPLOYMENT_STOP_ON_REQUEST"], False),
        (True, ["DEPLOYMENT_FAILURE"], True),
    ],
)
def test_a_stop_rolls_back_as_it_says_or_else_as_configured(
    stage: Stage, asked: bool | None, events: list[str], rolled_back: bool
) -> None:
    """StopDeployment, "autoRollbackEnabled"; without a rollback everything stays as it was."""
    codedeploy = CodeDeploy(stage, **READY, autoRollbackConfiguration={"enabled": True, "events": events})
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    how = {} if asked is None else {"autoRollbackEnabled": asked}
    assert codedeploy.client.stop_deployment(deploymentId=deployment, **how)["status"] == "Pending"
    assert ("rollbackInfo" in codedeploy.seen(deployment)) is rolled_back
    stage.advance(60)
    green = [] if rolled_back else [("ACTIVE", "web:2")]
    assert codedeploy.sets() == [*green, ("PRIMARY", "web:1")]
    assert stage.weights(stage.test)[stage.blue] == (100 if rolled_back else 0)


def test_task_sets_that_stopped_deployments_leave_behind_count(stage: Stage) -> None:
    """CreateTaskSet: five of a service at most, those included that no rollback has deleted."""
    codedeploy = CodeDeploy(stage, **READY)
    for number in range(2, 6):
        deployment = codedeploy.deploy(stage.definition(f"web:v{number}"))
        codedeploy.client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=False)
    seen = codedeploy.seen(codedeploy.deploy(stage.definition("web:v6")))
    assert (seen["status"], "rollbackInfo" in seen) == ("Failed", False)
    assert "5 deployments exist on the service" in seen["errorInformation"]["message"]


def test_before_the_replacement_exists_there_is_nothing_to_roll_back(stage: Stage) -> None:
    """User guide, list of hooks, "BeforeInstall": a rollback is not possible at this point."""
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"BeforeInstall": "check"}])
    codedeploy.client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], "rollbackInfo" in seen) == ("Stopped", False)
    assert codedeploy.events(deployment)["Install"] == "Skipped"


def test_a_rollback_deploys_the_old_task_definition_again_once_blue_is_gone(timed: Stage) -> None:
    """User guide, "Automatic rollbacks": the last known good version of the revision is deployed."""
    codedeploy = CodeDeploy(timed)
    deployment = codedeploy.deploy(timed.definition("web:v2"))
    until(codedeploy, deployment, instanceTerminationWaitTimeStarted=True)
    codedeploy.client.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    assert codedeploy.sets() == [("PRIMARY", "web:2"), ("DRAINING", "web:1")]
    codedeploy.client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    timed.advance(STAGE)
    back = codedeploy.rollback_of(deployment)["deploymentId"]
    assert codedeploy.production() == {timed.green: 100, timed.blue: 0}
    until(codedeploy, back, status="Succeeded")
    timed.advance(60)
    assert codedeploy.sets() == [("PRIMARY", "web:1")]
    assert timed.seen()["taskSets"][0]["externalId"] == back
    assert codedeploy.production() == {timed.blue: 100, timed.green: 0}


@pytest.mark.parametrize("answer", ["Succeeded", "Failed", None])
def test_a_hook_waits_for_its_report(stage: Stage, answer: str | None) -> None:
    """AppSpec "Hooks" and PutLifecycleEventHookExecutionStatus: whoever stands in for the function finds the ids, and
    has an hour.
    """
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"AfterAllowTestTraffic": "check"}])
    assert codedeploy.events(deployment)["AfterAllowTestTraffic"] == "InProgress"
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    (waiting,) = stage.laptop.aws.hooks()
    assert (waiting["function"], waiting["event"]) == ("check", "AfterAllowTestTraffic")
    ids = waiting["payload"]
    report = codedeploy.client.put_lifecycle_event_hook_execution_status
    call = {
        "deploymentId": ids["DeploymentId"],
        "lifecycleEventHookExecutionId": ids["LifecycleEventHookExecutionId"],
        "status": answer or "Succeeded",
    }
    with refused("InvalidLifecycleEventHookExecutionStatusException"):
        report(**{**call, "status": "Skipped"})
    with refused("InvalidLifecycleEventHookExecutionIdException"):
        report(**{**call, "lifecycleEventHookExecutionId": "other"})
    if answer:
        report(**call)
    else:
        stage.advance(HOUR)
    with refused("LifecycleEventAlreadyCompletedException"):
        report(**call)
    seen = codedeploy.seen(deployment)
    assert stage.laptop.aws.hooks() == []
    if answer == "Succeeded":
        assert seen["instanceTerminationWaitTimeStarted"]
        return
    code, words = {
        "Failed": ("HOOK_EXECUTION_FAILURE", "one or more of the lifecycle event validation functions failed"),
        None: ("TIMEOUT", "timed out while waiting for a status callback"),
    }[answer]
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Failed", code)
    assert words in seen["errorInformation"]["message"]
    assert codedeploy.events(deployment)["BeforeAllowTraffic"] == "Skipped"
    assert codedeploy.rollback_of(deployment)["status"] == "Succeeded"


@pytest.mark.parametrize(("answer", "status"), [("SUCCEEDED", "InProgress"), ("FAILED", "Failed")])
def test_a_python_function_stands_in_for_the_lambda_function(stage: Stage, answer: str, status: str) -> None:
    """It is told what AWS tells a function: DeploymentId and LifecycleEventHookExecutionId."""
    codedeploy = CodeDeploy(stage)
    told: list[tuple[str, dict[str, Any]]] = []

    def function(name: str, event: dict[str, Any]) -> str:
        told.append((name, event))
        return "IN_PROGRESS" if name == "slow" else answer

    stage.laptop.aws.world.lambda_hook = function
    deployment = codedeploy.deploy(
        stage.definition("web:v2"), hooks=[{"AfterInstall": "check"}, {"AfterAllowTraffic": "slow"}]
    )
    assert codedeploy.seen(deployment)["status"] == status
    assert [name for name, _ in told] == (["check", "slow"] if answer == "SUCCEEDED" else ["check"])
    assert set(told[0][1]) == {"DeploymentId", "LifecycleEventHookExecutionId"}
    assert [one["function"] for one in stage.laptop.aws.hooks()] == (["slow"] if answer == "SUCCEEDED" else [])


def test_a_green_that_never_gets_steady_fails(laptop: Laptop, stage: Stage) -> None:
    """Install waits an hour for the task set to be stable; then the deployment fails and rolls back."""
    codedeploy = CodeDeploy(stage)
    laptop.tasks.script(Script(image="web:v2", exits_after=0, exit_code=1))
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    laptop.advance(HOUR - 1)
    assert codedeploy.seen(deployment)["status"] == "InProgress"
    laptop.advance(1)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["errorInformation"]) == (
        "Failed",
        {
            "code": "TIMEOUT",
            "message": "The deployment timed out while waiting for the replacement task set to become healthy. This "
            "time out period is 60 minutes.",
        },
    )
    laptop.advance(30)
    assert codedeploy.sets() == [("PRIMARY", "web:1")]


def test_the_ready_wait_stops_it_does_not_continue(laptop: Laptop, stage: Stage) -> None:
    """DeploymentReadyOption, STOP_DEPLOYMENT: without ContinueDeployment the deployment is Stopped at the timeout."""
    codedeploy = CodeDeploy(stage, **READY)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    assert codedeploy.seen(deployment)["status"] == "Ready"
    assert stage.weights(stage.test) == {stage.green: 100, stage.blue: 0}
    laptop.advance(150 * 60)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Stopped", "TIMEOUT")
    assert seen["errorInformation"]["message"] == (
        "The deployment timed out while waiting for a notification to continue. This time out period is 150 minutes."
    )
    back = codedeploy.rollback_of(deployment)
    assert (back["creator"], back["status"]) == ("codeDeployRollback", "Succeeded")
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    laptop.advance(30)
    assert codedeploy.sets() == [("PRIMARY", "web:1")]


def test_traffic_is_shifted_within_120_hours(laptop: Laptop, stage: Stage) -> None:
    """User guide, "Quotas": between the deployment of a revision and the shifting of traffic."""
    wait = {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 200 * 60}
    ready = {**READY["blueGreenDeploymentConfiguration"], "deploymentReadyOption": wait}
    codedeploy = CodeDeploy(stage, blueGreenDeploymentConfiguration=ready)
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    laptop.advance(120 * HOUR - 1)
    assert codedeploy.seen(deployment)["status"] == "Ready"
    laptop.advance(1)
    assert codedeploy.seen(deployment)["errorInformation"]["code"] == "TIMEOUT"


ALARMS = {"alarmConfiguration": {"enabled": True, "alarms": [{"name": "errors"}]}}


def alarm(stage: Stage, state: str) -> None:
    """An alarm without data, in a state that was set by hand."""
    client = stage.laptop.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="errors", Namespace="mine", MetricName="m", Statistic="Sum", Period=86_400, EvaluationPeriods=1,
        Threshold=5, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    client.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test")


@pytest.mark.parametrize("wait", ["Install", "AllowTraffic", "TerminationWait"])
def test_an_alarm_stops_the_deployment_and_rolls_it_back(laptop: Laptop, stage: Stage, wait: str) -> None:
    """AlarmConfiguration: polled from Install to the end of the termination wait; ALARM_ACTIVE, in AWS's words."""
    canary = "CodeDeployDefault.ECSCanary10Percent5Minutes"
    codedeploy = CodeDeploy(stage, **ALARMS, deploymentConfigName=canary)
    alarm(stage, "OK")
    if wait == "Install":
        laptop.tasks.script(Script(image="web:v2", exits_after=0, exit_code=1))
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    laptop.advance(600 if wait == "TerminationWait" else 60)
    green = {"Install": 0, "AllowTraffic": 10, "TerminationWait": 100}[wait]
    assert codedeploy.production()[stage.green] == green
    alarm(stage, "ALARM")
    laptop.advance(30)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["errorInformation"]) == (
        "Stopped",
        {
            "code": "ALARM_ACTIVE",
            "message": "One or more alarms have been activated according to the Amazon CloudWatch metrics you "
            "selected, and the affected deployments have been stopped. Activated alarms: <errors>",
        },
    )
    if wait != "TerminationWait":
        assert codedeploy.events(deployment)[wait] == "Failed"
    assert codedeploy.rollback_of(deployment)["status"] == "Succeeded"
    assert codedeploy.production() == {stage.blue: 100, stage.green: 0}
    laptop.advance(30)
    assert codedeploy.sets() == [("PRIMARY", "web:1")]


def test_an_alarm_counts_where_it_is_named_and_enabled(laptop: Laptop, stage: Stage) -> None:
    """CreateDeployment, "overrideAlarmConfiguration"; and a rollback that is not configured does not happen."""
    codedeploy = CodeDeploy(stage, **ALARMS, autoRollbackConfiguration={"enabled": False})
    alarm(stage, "ALARM")
    off = {"enabled": False, "alarms": [{"name": "errors"}]}
    first = codedeploy.deploy(stage.definition("web:v2"), overrideAlarmConfiguration=off)
    laptop.advance(60)
    assert codedeploy.seen(first)["instanceTerminationWaitTimeStarted"]
    codedeploy.client.continue_deployment(deploymentId=first, deploymentWaitType="TERMINATION_WAIT")
    second = codedeploy.deploy(stage.definition("web:v3"))
    laptop.advance(60)
    seen = codedeploy.seen(second)
    assert (seen["status"], "rollbackInfo" in seen) == ("Stopped", False)
    assert codedeploy.sets() == [("ACTIVE", "web:3"), ("PRIMARY", "web:2")]


@pytest.mark.parametrize("steady", [True, False])
def test_a_scaling_event_during_the_shift_has_five_minutes(laptop: Laptop, stage: Stage, steady: bool) -> None:
    """ECS developer guide, CodeDeploy blue/green, considerations: traffic goes on to shift; if the service does not
    reach a steady state within 5 minutes, the deployment is failed.
    """
    codedeploy = CodeDeploy(stage, deploymentConfigName="CodeDeployDefault.ECSLinear10PercentEvery3Minutes")
    deployment = codedeploy.deploy(stage.definition("web:v2"))
    if not steady:
        laptop.tasks.script(Script(image="web:v2", starts_after=HOUR))
    stage.update(desiredCount=4)
    laptop.advance(299)
    assert codedeploy.seen(deployment)["status"] == "InProgress"
    assert codedeploy.production()[stage.green] == 20
    laptop.advance(1)
    seen = codedeploy.seen(deployment)
    assert seen["status"] == ("InProgress" if steady else "Failed")
    if not steady:
        assert seen["errorInformation"]["code"] == "ECS_UPDATE_ERROR"
        assert codedeploy.production() == {stage.blue: 100, stage.green: 0}


@pytest.mark.parametrize("which", ["production", "test"])
def test_a_deployment_fails_if_its_listener_no_longer_forwards_to_the_pair(timed: Stage, which: str) -> None:
    """It moves no traffic then: ELASTIC_LOAD_BALANCING_INVALID, and not a success."""
    codedeploy = CodeDeploy(timed)
    deployment = codedeploy.deploy(timed.definition("web:v2"))
    until(codedeploy, deployment, status="InProgress")
    listener = timed.production if which == "production" else timed.test
    third = timed.target_group("third")
    timed.elb.modify_listener(ListenerArn=listener, DefaultActions=[forward({third: 1})])
    seen = until(codedeploy, deployment, status="Failed")
    assert seen["errorInformation"]["code"] == "ELASTIC_LOAD_BALANCING_INVALID"
    assert listener in seen["errorInformation"]["message"]
    back = codedeploy.rollback_of(deployment)["deploymentId"]
    assert until(codedeploy, back, status="Failed")["errorInformation"] == seen["errorInformation"]


@pytest.mark.parametrize(
    ("remove", "code"),
    [
        ("application", "APPLICATION_MISSING"),
        ("group", "DEPLOYMENT_GROUP_MISSING"),
        ("service", "INVALID_ECS_SERVICE"),
        ("role", "IAM_ROLE_MISSING"),
    ],
)
def test_a_deployment_fails_without_what_it_needs(timed: Stage, remove: str, code: str) -> None:
    """ErrorInformation, "code": deleted after the deployment was created."""
    codedeploy = CodeDeploy(timed, **READY)
    deployment = codedeploy.deploy(timed.definition("web:v2"))
    if remove == "role":
        timed.iam.delete_role(RoleName="deployer")
    else:
        until(codedeploy, deployment, status="Ready")
    match remove:
        case "application":
            codedeploy.client.delete_application(applicationName="app")
        case "group":
            codedeploy.client.delete_deployment_group(applicationName="app", deploymentGroupName="group")
        case "service":
            timed.ecs.delete_service(cluster="demo", service="web", force=True)
    timed.advance(150 * 60)
    seen = codedeploy.seen(deployment)
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Failed", code)
    assert "rollbackInfo" not in seen
