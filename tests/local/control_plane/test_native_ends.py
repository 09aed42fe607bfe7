"""How service deployments that shift traffic fail, and go back. Source: ECS developer guide, "Troubleshooting Amazon
ECS blue/green deployments", "Stopping Amazon ECS service deployments", "View service history using Amazon ECS service
deployments", "Amazon ECS deployment failure detection".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script
from tests.local.control_plane.native import HOUR, POLICY, Native, pause
from tests.local.control_plane.stage import Stage, forward, refused

BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
ALARM = {"alarms": {"alarmNames": ["bad"], "enable": True, "rollback": True}}
TRIPPED = "Service deployment rolled back because the circuit breaker threshold was exceeded."
RINGING = "Service deployment rolled back because of one or more active alarms."
NO_CANDIDATE = "No rollback candidate was found to run the rollback."
INVALID = "Service deployment rolled back because of invalid networking configuration"


def _crash(laptop: Laptop, image: str = "web:v2") -> None:
    laptop.script(Script(image=image, exits_after=0, exit_code=1))


def _ring(stage: Stage, state: str = "ALARM") -> None:
    client = stage.laptop.client("cloudwatch")
    if not client.describe_alarms(AlarmNames=["bad"])["MetricAlarms"]:
        client.put_metric_alarm(
            AlarmName="bad", MetricName="m", Namespace="n", Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
        )  # fmt: skip
    client.set_alarm_state(AlarmName="bad", StateValue=state, StateReason="test")


def _is_back(native: Native) -> None:
    """As before the deployment, with the old tasks and the old traffic."""
    stage = native.stage
    assert native.where() == ("ROLLBACK_SUCCESSFUL", "CLEAN_UP")
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    assert native.production() == {native.first: 100, native.second: 0}
    assert stage.health(native.first) == ["healthy", "healthy"]
    assert stage.health(native.second) == []


@pytest.mark.parametrize(
    "at", ["POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME"]
)
def test_a_deployment_can_be_stopped_at_any_stage(laptop: Laptop, stage: Stage, at: str) -> None:
    """Traffic returns to blue, which still runs; then green goes. Both tell of it: the rollback, and the reason."""
    native = Native(stage, lifecycleHooks=[pause(at)] if at != "BAKE_TIME" else [])
    source = native.release()["sourceServiceRevisions"][0]["arn"]
    assert native.where() == ("IN_PROGRESS", at)
    native.stop()
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_IN_PROGRESS"
    assert seen["rollback"]["serviceRevisionArn"] == source
    assert seen["rollback"]["reason"] == seen["statusReason"]
    assert native.production() == {native.first: 100, native.second: 0}
    assert stage.health(native.first) == ["healthy", "healthy"]
    native.stop()  # it continues the rollback
    laptop.advance(30)
    _is_back(native)
    assert native.seen()["stoppedAt"] == seen["stoppedAt"]
    with refused("ConflictException"):
        native.stop()


def test_a_rollback_is_requested_first(timed: Stage) -> None:
    """A PENDING deployment "moves to the ROLLBACK_REQUESTED state, and then the rollback operation starts"."""
    native = Native(timed)
    native.release()
    assert native.where() == ("PENDING", None)
    native.stop()
    timed.advance(HOUR)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    assert native.production() == {native.first: 100, native.second: 0}


def test_what_is_cleaned_up_cannot_be_taken_back(laptop: Laptop, stage: Stage) -> None:
    """ "ROLLBACK_REQUESTED … The state can move to SUCCESSFUL"."""
    native = Native(stage)
    native.release()
    laptop.advance(HOUR)
    assert native.where() == ("IN_PROGRESS", "CLEAN_UP")
    native.stop()
    assert native.where() == ("ROLLBACK_REQUESTED", "CLEAN_UP")
    laptop.advance(30)
    assert native.where() == ("SUCCESSFUL", "CLEAN_UP")
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]


def test_stops_are_checked(stage: Stage) -> None:
    """StopServiceDeployment, errors."""
    native = Native(stage)
    arn = native.release()["serviceDeploymentArn"]
    with refused("ServiceDeploymentNotFoundException", "The service deployment does not exist."):
        stage.ecs.stop_service_deployment(serviceDeploymentArn=arn + "0")
    with refused("InvalidParameterException", "Valid values are: ROLLBACK"):
        stage.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ABORT")
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "CANARY", "LINEAR"])
def test_the_circuit_breaker_acts(laptop: Laptop, stage: Stage, strategy: str) -> None:
    """hashicorp/terraform-provider-aws, TestAccECSService_BlueGreenDeployment_circuitBreakerRollback."""
    native = Native(stage, strategy=strategy, **BREAKER)
    _crash(laptop)
    native.release()
    laptop.advance(HOUR)
    seen = native.seen()
    assert seen["statusReason"] == TRIPPED
    assert seen["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert seen["deploymentCircuitBreaker"]["failureCount"] >= seen["deploymentCircuitBreaker"]["threshold"] == 3
    _is_back(native)
    assert any(f"deployment failed: {TRIPPED}" in message for message in stage.messages())


def test_a_first_deployment_has_nothing_to_go_back_to(laptop: Laptop, stage: Stage) -> None:
    """The same test: "No rollback candidate was found". Nothing is started any more; the next one is a first one."""
    native = Native(stage, settle=False, **BREAKER)
    _crash(laptop, "web:v1")
    native.create()
    laptop.advance(HOUR)
    seen = native.seen()
    assert (seen["status"], seen["statusReason"]) == ("ROLLBACK_FAILED", NO_CANDIDATE)
    assert "rollback" not in seen
    assert any(f"deployment failed: {TRIPPED}" in message for message in stage.messages())
    started = len(stage.tasks(serviceName="web", desiredStatus="STOPPED"))
    laptop.advance(1800)
    assert stage.seen()["runningCount"] == stage.seen()["pendingCount"] == 0
    assert len(stage.tasks(serviceName="web", desiredStatus="STOPPED")) <= started
    native.release("web:v2")
    laptop.advance(2 * HOUR)
    assert native.where()[0] == "SUCCESSFUL"
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]


def test_without_a_breaker_green_has_a_day(laptop: Laptop, stage: Stage) -> None:
    """ "The system times out, fails the deployment, and then initiates a rollback after a stage reaches 24 hours"."""
    native = Native(stage)
    _crash(laptop)
    native.release()
    laptop.advance(24 * HOUR - 60)
    assert native.where() == ("IN_PROGRESS", "SCALE_UP")
    assert stage.seen()["deployments"][0]["failedTasks"] > 10
    laptop.advance(120)
    _is_back(native)


@pytest.mark.parametrize("found_by", ["breaker", "alarm"])
def test_without_the_rollback_option_it_stops_where_it_is(laptop: Laptop, stage: Stage, found_by: str) -> None:
    """ "The rollback option is not in use for the failure detection mechanism …": STOP_REQUESTED, then STOPPED. Blue
    goes on serving.
    """
    only = {name: {**one, "rollback": False} for name, one in (BREAKER if found_by == "breaker" else ALARM).items()}
    _ring(stage, "OK")
    native = Native(stage, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")], **only)
    if found_by == "breaker":
        _crash(laptop)
    native.release()
    _ring(stage)
    laptop.advance(HOUR)
    seen = native.seen()
    assert seen["status"] == "STOPPED"
    assert seen["stoppedAt"] == seen["finishedAt"]
    assert "rollback" not in seen
    assert native.production() == {native.first: 100, native.second: 0}
    assert stage.health(native.first) == ["healthy", "healthy"]
    states = {one["taskDefinition"].rpartition("/")[2]: one["rolloutState"] for one in stage.seen()["deployments"]}
    assert states == {"web:2": "FAILED", "web:1": "COMPLETED"}
    stage.update(deploymentConfiguration={**native.wanted, **ALARM, "lifecycleHooks": []})
    native.release("web:v3")  # reconciled first; the alarm that rings already does not count
    laptop.advance(2 * HOUR)
    assert native.where()[0] == "SUCCESSFUL"


@pytest.mark.parametrize("at", ["PRE_SCALE_UP", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "BAKE_TIME"])
def test_alarms_are_watched_in_every_stage(laptop: Laptop, stage: Stage, at: str) -> None:
    """DeploymentAlarms: up to the end of the bake time."""
    _ring(stage, "OK")
    native = Native(stage, lifecycleHooks=[pause(at)] if at != "BAKE_TIME" else [], **ALARM)
    assert native.release()["alarms"]["status"] == "MONITORING"
    _ring(stage)
    laptop.advance(60)
    seen = native.seen()
    assert seen["statusReason"] == RINGING
    assert seen["alarms"] == {"status": "TRIGGERED", "alarmNames": ["bad"], "triggeredAlarmNames": ["bad"]}
    _is_back(native)


def test_an_alarm_that_rings_already_does_not_count(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "How CloudWatch alarms detect Amazon ECS deployment failures"."""
    native = Native(stage, **ALARM)
    _ring(stage)
    native.release()
    laptop.advance(2 * HOUR)
    assert native.where()[0] == "SUCCESSFUL"
    assert native.seen()["alarms"]["status"] == "MONITORING_COMPLETE"


def _split(native: Native) -> str:
    stage = native.stage
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.blue: 50, stage.green: 50})])
    return (
        f"{INVALID}. productionListenerRule {native.rules[0]} should have exactly one target group serving traffic but "
        "found 2 target groups which are serving traffic"
    )


def _nobody(native: Native) -> str:
    stage, fixed = native.stage, {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[fixed])
    stage.elb.modify_listener(ListenerArn=stage.test, DefaultActions=[forward({stage.blue: 1, stage.green: 0})])
    return (
        f"{INVALID}. productionListenerRule {native.rules[0]} should have exactly one target group serving traffic but "
        "found 0 target groups which are serving traffic"
    )


def _unexpected(native: Native) -> str:
    stage = native.stage
    third = stage.target_group("third")
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({third: 1})])
    stage.elb.modify_listener(ListenerArn=stage.test, DefaultActions=[forward({stage.blue: 1, stage.green: 0})])
    return (
        f"{INVALID}. Production listener rule is forwarding traffic to unexpected target group {third}. Expected "
        "traffic to be forwarded to either targetGroupArn: "
    )


def _free(native: Native) -> str:
    stage = native.stage
    stage.listener(81, {stage.blue: 1})
    for listener in (stage.production, stage.test):
        stage.elb.modify_listener(ListenerArn=listener, DefaultActions=[forward({stage.green: 1})])
    return (
        f"{INVALID}: Target group {stage.blue} is not associated with either productionListenerRule or "
        "testListenerRule."
    )


def _no_rule(native: Native) -> str:
    native.stage.elb.delete_listener(ListenerArn=native.stage.test)
    return f"{INVALID}. One or more rules not found"


def _distrust(native: Native) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    native.stage.iam.update_assume_role_policy(RoleName="infrastructure", PolicyDocument=document)
    return _no_access(native)


def _no_policy(native: Native) -> str:
    native.stage.iam.detach_role_policy(RoleName="infrastructure", PolicyArn=POLICY)
    return _no_access(native)


def _no_access(native: Native) -> str:
    return (
        f"{INVALID}. ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role "
        f"'{native.role}'."
    )


@pytest.mark.parametrize("change", [_split, _nobody, _unexpected, _free, _no_rule, _distrust, _no_policy])
def test_what_is_wrong_with_the_traffic_ends_the_deployment(laptop: Laptop, stage: Stage, change: Any) -> None:
    """ "Asynchronous path: errors that appear in the statusReason field … and cause a deployment rollback"."""
    native = Native(stage)
    words = change(native)
    before = stage.elb.describe_rules(ListenerArn=stage.production)["Rules"]
    native.release()
    laptop.advance(60)
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_SUCCESSFUL"
    assert seen["statusReason"].startswith(words)
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    assert stage.elb.describe_rules(ListenerArn=stage.production)["Rules"] == before


def test_a_role_that_may_not_write_the_rule(laptop: Laptop, stage: Stage) -> None:
    """ "Missing permission to modify listener rules": found when traffic is to be shifted."""
    native = Native(stage)
    stage.iam.detach_role_policy(RoleName="infrastructure", PolicyArn=POLICY)
    read = {"Effect": "Allow", "Action": "elasticloadbalancing:Describe*", "Resource": "*"}
    stage.iam.put_role_policy(
        RoleName="infrastructure",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [read]}),
    )
    native.release()
    laptop.advance(60)
    assert native.seen()["statusReason"] == (
        "Service deployment rolled back because TEST_TRAFFIC_SHIFT lifecycle hook(s) failed. User: "
        "arn:aws:sts::123456789012:assumed-role/infrastructure/ECSNetworkingWithELB is not authorized to perform: "
        f"elasticloadbalancing:ModifyListener on resource: {stage.test} because no identity-based policy allows the "
        "elasticloadbalancing:ModifyListener action"
    )
    assert native.where()[0] == "ROLLBACK_FAILED"  # the test rule cannot be written back either


@pytest.mark.parametrize("cause", ["the role", "a hook"])
def test_a_rollback_that_cannot_shift_back_fails(laptop: Laptop, stage: Stage, cause: str) -> None:
    """ROLLBACK_FAILED: everything stays as it is, for a person to look at."""
    native = Native(stage)
    if cause == "a hook":
        native.answer("SUCCEEDED", "FAILED")
        hooks = [native.function("PRODUCTION_TRAFFIC_SHIFT")]
        stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": hooks})
    native.release()
    if cause == "the role":
        stage.iam.detach_role_policy(RoleName="infrastructure", PolicyArn=POLICY)
    native.stop()
    laptop.advance(HOUR)
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_FAILED"
    assert "PRODUCTION_TRAFFIC_SHIFT lifecycle hook(s) failed" in seen["statusReason"]
    assert stage.health(native.first) == stage.health(native.second) == ["healthy", "healthy"]
    if cause == "the role":
        assert native.production() == {native.second: 100, native.first: 0}


def test_a_service_that_cannot_be_reconciled_stays_as_it_is(laptop: Laptop, stage: Stage) -> None:
    """The share of the deployment before it cannot be taken back, so its tasks must not go either."""
    canary = {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 600}}
    native = Native(stage, strategy="CANARY", **canary)
    native.release("web:v2")
    stage.iam.detach_role_policy(RoleName="infrastructure", PolicyArn=POLICY)
    native.release("web:v3")
    laptop.advance(HOUR)
    assert native.where()[0] == "ROLLBACK_FAILED"
    assert native.production() == {native.second: 10, native.first: 90}
    assert stage.health(native.first) == stage.health(native.second) == ["healthy", "healthy"]


def test_what_happens_to_deployments_is_told(laptop: Laptop, stage: Stage) -> None:
    """ "Amazon ECS service deployment state change events": in progress for a rollback too, with another reason."""
    native = Native(stage, **BREAKER)
    _crash(laptop)
    native.release()
    laptop.advance(HOUR)
    changes = [
        one for one in laptop.aws.world.ecs.state_changes if one["detail-type"] == "ECS Deployment State Change"
    ][-4:]
    ids = {one["taskDefinition"][-1]: one["id"] for one in stage.seen()["deployments"]}
    green = changes[0]["detail"]["deploymentId"]
    assert [(one["detail"]["eventName"], one["detail"]["deploymentId"]) for one in changes] == [
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", green),
        ("SERVICE_DEPLOYMENT_FAILED", green),
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", ids["1"]),
        ("SERVICE_DEPLOYMENT_COMPLETED", ids["1"]),
    ]
    assert [one["detail"]["eventType"] for one in changes] == ["INFO", "ERROR", "INFO", "INFO"]
    assert changes[1]["detail"]["reason"] == TRIPPED
    assert {tuple(one["resources"]) for one in changes} == {(stage.seen()["serviceArn"],)}


def test_deployments_go_with_their_service(laptop: Laptop, stage: Stage) -> None:
    """ "Amazon ECS deletes the service deployment when you delete a service"."""
    native = Native(stage)
    arn = native.release()["serviceDeploymentArn"]
    stage.ecs.delete_service(cluster="demo", service="web", force=True)
    laptop.advance(60)
    answer = stage.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
