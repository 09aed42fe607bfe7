"""CodeDeploy over the local AWS emulator with somebody else at work, too: stops, alarms, changes of the strategy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.controller.until import has_begun, has_ended
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Outcome
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, in_phase, outcome
from tests.rollout_driver.test_codedeploy import (
    CODEDEPLOY,
    ONE,
    TWO,
    deployments,
    sent,
    stage,
    statuses,
)

__all__ = ["stage"]

pytestmark = pytest.mark.apart

WATCHED = CODEDEPLOY | {"verify: {for: 5m}": "verify: {for: 5m, alarms: [errors]}"}


def stop_in_the_console(stage: EmulatedStack) -> None:
    """With "Stop", and not with "Stop and roll back"."""
    client = stage.laptop.client("codedeploy")
    client.stop_deployment(deploymentId=deployments(stage)[-1]["deploymentId"], autoRollbackEnabled=False)


def for_an_hour(stage: EmulatedStack, hours: float = 1.0) -> None:
    stage.follow(lambda result: False, patience=3600.0 * hours)


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.SCALING_UP, Phase.AWAITING_PROMOTION])
def test_a_deployment_that_was_stopped_without_a_rollback_leaves_nothing(stage: EmulatedStack, phase: Phase) -> None:
    """Its tasks go, the test listener goes back, little is written, and the next version comes through."""
    stage.spec(v1="v2")
    stage.apply(in_phase(phase))
    stop_in_the_console(stage)
    stage.transport.sent.clear()
    for_an_hour(stage)
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert (stage.weights(80), stage.weights(9000)) == ({ONE: 100, TWO: 0}, {ONE: 100, TWO: 0})
    assert outcome(stage)[0] is Outcome.FAILED
    assert stage.transport.sent["TagResource"] + stage.transport.sent["UntagResource"] < 10
    stage.spec(v2="v3", v1="v3")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    assert statuses(stage)[-1] == ("user", "Ready")


@pytest.mark.slow
def test_after_a_stop_with_production_on_green_a_person_decides(stage: EmulatedStack) -> None:
    """Back by `rollback`: traffic, the primary task set and the tasks; the next deployment finds all of it in order."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.BAKING), patience=DAY)
    stop_in_the_console(stage)
    for_an_hour(stage, 0.2)
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.BLOCKED
    stage.say(RequestVerb.ROLLBACK)
    for_an_hour(stage)
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    stage.spec(v2="v3", v1="v3")
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:4")]
    assert not stage.aws.halted


@contextmanager
def watched() -> Iterator[EmulatedStack]:
    """A service whose strategy names an alarm."""
    with emulated_stack(WATCHED, SHORT) as found:
        found.laptop.client("cloudwatch").put_metric_alarm(
            AlarmName="errors", Namespace="x", MetricName="y", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        found.serving()
        yield found


def ring(stage: EmulatedStack, state: str = "ALARM") -> None:
    client = stage.laptop.client("cloudwatch")
    client.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="test")


@pytest.mark.slow
def test_a_rollback_after_the_end_works_during_the_alarm_that_is_its_reason() -> None:
    """CodeDeploy does not watch the alarm then, which would stop the way back."""
    with watched() as stage:
        stage.spec(v1="v2")
        stage.apply(has_ended, patience=DAY)
        ring(stage)
        stage.say(RequestVerb.ROLLBACK)
        followed = stage.follow(has_ended)
        assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
        assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
        assert statuses(stage) == [("user", "Succeeded"), ("user", "Succeeded")]


def test_a_version_waits_for_the_end_of_an_alarm() -> None:
    """It is not deployed to be stopped, and does not count as failed."""
    with watched() as stage:
        ring(stage)
        stage.spec(v1="v2")
        stage.apply(has_begun)
        assert stage.last.step is not None
        assert "errors is in alarm" in stage.last.step.because
        assert sent(stage) == {}
        ring(stage, "OK")
        assert not stage.follow(has_ended).went_wrong
        assert stage.sets() == [("PRIMARY", f"{SERVICE}:3")]


@pytest.mark.slow
def test_a_release_is_shifted_as_its_strategy_says_whatever_the_group_does() -> None:
    """The account has no room for another configuration, so that the group keeps the one before."""
    with emulated_stack(CODEDEPLOY, SHORT) as stage:
        stage.serving()
        client = stage.laptop.client("codedeploy")
        for number in range(1, 51):
            canary = {"canaryPercentage": number, "canaryInterval": 3}
            client.create_deployment_config(
                deploymentConfigName=f"other-{number}",
                computePlatform="ECS",
                trafficRoutingConfig={"type": "TimeBasedCanary", "timeBasedCanary": canary},
            )
        stage.texts["type: blue_green"] = "type: canary\nengine: codedeploy\nsteps: [{weight: 20, pause: 2m}]"
        stage.spec(v1="v2")
        with pytest.raises(AssertionError, match="DeploymentConfigLimitExceededException"):
            stage.infrastructure()
        stage.follow(lambda result: False, patience=300.0)
        assert deployments(stage) == []
        assert "ECSCanary20Percent2Minutes" in str(stage.last.error)
        client.delete_deployment_config(deploymentConfigName="other-1")
        assert not stage.apply(has_ended, patience=DAY).went_wrong
        assert [one["deploymentConfigName"] for one in deployments(stage)] == ["Reconciler.ECSCanary20Percent2Minutes"]


LINEAR = "type: linear\nengine: codedeploy\nsteps: [{}]".format(
    ", ".join(f"{{weight: {weight}, pause: 1m}}" for weight in range(25, 100, 25))
)


@pytest.mark.slow
@pytest.mark.parametrize("steps", ["", "\nsteps: [{weight: 40, pause: 2m}]"])
def test_a_strategy_that_changes_while_traffic_is_shifted(steps: str) -> None:
    """The deployment goes on with the steps that it began with, and nothing calls that a change from outside."""
    with emulated_stack({"type: blue_green": LINEAR}, SHORT) as stage:
        stage.serving()
        stage.spec(v1="v2")
        stage.apply(lambda result: stage.weights(80)[TWO] == 25, patience=DAY)
        kind = "canary" if steps else "blue_green"
        stage.texts["type: blue_green"] = f"type: {kind}\nengine: codedeploy{steps}"
        stage.change({})
        stage.seen.clear()
        stage.transport.sent.clear()
        assert not stage.apply(has_ended, patience=DAY).went_wrong
        assert stage.phases == ["shifting", "verifying", "baking", "teardown", "idle"]
        assert stage.transport.sent["TagResource"] < 40


def green_set(stage: EmulatedStack) -> str:
    return next(one["id"] for one in stage.service()["taskSets"] if one["taskDefinition"].endswith(":3"))


def point_production_to(stage: EmulatedStack, name: str) -> None:
    """In the console of the load balancer."""
    elb = stage.laptop.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    listener = next(one for one in listeners if one["Port"] == 80)
    groups = {one["TargetGroupName"]: one["TargetGroupArn"] for one in elb.describe_target_groups()["TargetGroups"]}
    targets = [{"TargetGroupArn": groups[one], "Weight": 100 if one == name else 0} for one in (ONE, TWO)]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}
    elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[action])


@pytest.mark.slow
def test_green_that_somebody_deletes_at_the_gate_is_deployed_again(stage: EmulatedStack) -> None:
    """CodeDeploy does not notice, and would wait for days: its deployment is stopped."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.laptop.client("ecs").delete_task_set(
        cluster=CLUSTER, service=SERVICE, taskSet=green_set(stage), force=True
    )  # fmt: skip
    stage.laptop.advance(60)
    stage.follow(in_phase(Phase.AWAITING_PROMOTION), patience=3600.0)
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded"), ("user", "Ready")]
    assert not stage.follow(has_ended).went_wrong


@pytest.mark.slow
def test_production_that_somebody_moves_back_while_blue_is_warm_keeps_its_tasks(stage: EmulatedStack) -> None:
    """Left alone, CodeDeploy would terminate them after two days, with production on them."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.BAKING), patience=DAY)
    stage.laptop.advance(60)
    point_production_to(stage, ONE)
    for_an_hour(stage)
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded")]
    assert outcome(stage)[0] is Outcome.ROLLED_BACK
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert stage.weights(80) == {ONE: 100, TWO: 0}


def test_production_that_somebody_moves_to_green_at_the_gate_stays_there(stage: EmulatedStack) -> None:
    """It counts as promoted, and the deployment is continued at the end, which CodeDeploy would stop else."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    point_production_to(stage, TWO)
    assert not stage.follow(has_ended).went_wrong
    assert statuses(stage) == [("user", "Succeeded")]
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    assert stage.weights(80) == {ONE: 0, TWO: 100}
