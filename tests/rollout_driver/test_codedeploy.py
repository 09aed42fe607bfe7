"""Blue/green by AWS CodeDeploy over the local AWS emulator: the story of the example, and what goes wrong in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.controller.until import has_begun, has_ended
from reconciler.local.scripted import Script
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.codedeploy.facts import described
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver.driver import StepResult
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, HOUR, in_phase, outcome, quarantined
from tests.harness.rollout_outcomes import sent as sent_calls

ONE, TWO = "my-app-frontend-tg-1", "my-app-frontend-tg-2"
CODEDEPLOY = {"type: blue_green": "type: blue_green\nengine: codedeploy"}
NAMES = {
    "applicationName": f"AppECS-{CLUSTER}-{SERVICE}",
    "deploymentGroupName": f"DgpECS-{CLUSTER}-{SERVICE}",
}

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; v2 and v3 are pushed. The waits are the example's: two hours at the gate, one hour of blue."""
    with emulated_stack(CODEDEPLOY) as found:
        found.serving()
        yield found


@pytest.mark.slow
def test_members_of_the_deployment_group_are_those_of_the_strategy(stage: EmulatedStack) -> None:
    """They are changed in place, what the specs do not say of the alarms stays, and what leaves them is kept."""
    topic = "arn:aws:sns:us-west-2:123456789012:deployments"
    trigger = f"{{triggerName: t, triggerTargetArn: '{topic}', triggerEvents: [DeploymentFailure]}}"
    said = f"aws: {{triggerConfigurations: [{trigger}], alarmConfiguration: {{ignorePollAlarmFailure: true}}}}"
    stage.change({"type: blue_green": f"type: blue_green\nengine: codedeploy\n{said}"})
    assert not stage.apply(has_ended).went_wrong
    group = stage.laptop.client("codedeploy").get_deployment_group(**NAMES)["deploymentGroupInfo"]
    assert [one["triggerTargetArn"] for one in group["triggerConfigurations"]] == [topic]
    assert group["alarmConfiguration"]["ignorePollAlarmFailure"] is True
    assert stage.infrastructure().last.plan.actions == ()

    stage.change(CODEDEPLOY)
    plan = stage.infrastructure().last.plan
    assert plan.actions == ()
    (note,) = (one for one in plan.warnings if one.address.kind == "codedeploy-deployment-group")
    assert "triggerConfigurations" in note.because
    assert "alarmConfiguration.ignorePollAlarmFailure" in note.because


def deployments(stage: EmulatedStack) -> list[dict[str, Any]]:
    """Oldest first."""
    client = stage.laptop.client("codedeploy")
    ids = client.list_deployments(**NAMES)["deployments"]
    found: list[dict[str, Any]] = client.batch_get_deployments(deploymentIds=ids)["deploymentsInfo"] if ids else []
    return [next(one for one in found if one["deploymentId"] == id) for id in reversed(ids)]


def statuses(stage: EmulatedStack) -> list[tuple[str, str]]:
    return [(one["creator"], one["status"]) for one in deployments(stage)]


def sent(stage: EmulatedStack) -> dict[str, int]:
    """CodeDeploy's writes."""
    return sent_calls(stage, ("CreateDeployment", "ContinueDeployment", "StopDeployment"))


def test_a_new_version_goes_through_every_phase_in_codedeploys_calls(stage: EmulatedStack) -> None:
    """One deployment, continued twice, after two hours and after another; then there is nothing left to change."""
    before = stage.laptop.clock.now()
    stage.spec(v1="v2")
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert stage.phases == [
        "scaling_up", "testing", "awaiting_promotion", "shifting", "verifying", "baking", "teardown", "idle",
    ]  # fmt: skip
    assert sent(stage) == {"CreateDeployment": 1, "ContinueDeployment": 2}
    assert statuses(stage) == [("user", "Succeeded")]
    assert stage.weights(80) == stage.weights(9000) == {ONE: 0, TWO: 100}
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    assert 3 * HOUR < stage.laptop.clock.now() - before < 3.25 * HOUR
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)
    stage.transport.sent.clear()
    report = stage.infrastructure()
    assert report.last.plan.actions == ()
    assert not [name for name in stage.transport.sent if name.startswith(("Create", "Update", "Modify"))]
    (rollout,) = stage.rollouts()
    stage.transport.sent.clear()
    stage.driver.advance_one(rollout)
    assert not [name for name in stage.transport.sent if "Deployment" in name], (
        "an idle service asks CodeDeploy nothing"
    )


def test_the_first_deployment_is_that_of_ecs(stage: EmulatedStack) -> None:
    """ECS starts the first task set with the service; CodeDeploy has nothing to do, and there is no gate."""
    assert deployments(stage) == []
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.ENGINE)
    live = state_tags.of_tags(stage.tags()).live
    assert live is not None
    assert live.task_definition == f"{SERVICE}:2"


def test_a_service_that_is_renamed_keeps_its_deployment_group(stage: EmulatedStack) -> None:
    """Only tags are written, and nothing is left to do."""
    name = f"kind: Service\nname: {SERVICE}\n"
    moved = f"kind: Service\nname: my-shop\naws_name: {SERVICE}\nmoved_from: {SERVICE}\n"
    stage.transport.sent.clear()
    stage.change({name: moved})
    plan = stage.infrastructure().last.plan
    assert "codedeploy-deployment-group/my-shop" in {str(action.address) for action in plan.actions}
    assert all(action.only_moves for action in plan.actions)
    assert {one for one in stage.transport.sent if not one.startswith(("Describe", "Get", "List", "Batch"))} == {
        "TagResource",
        "TagRole",
    }
    assert stage.infrastructure().last.plan.actions == ()
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


def test_what_is_tested_is_green_behind_the_test_listener(stage: EmulatedStack) -> None:
    """The tests run once the deployment is ready; until it is continued, production is blue's."""
    asked: list[tuple[int, str]] = []

    def answer(path: str) -> tuple[int, str]:
        asked.append((stage.weights(9000)[TWO], deployments(stage)[-1]["status"]))
        return 200, "Hello World"

    stage.answers = answer
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    assert set(asked) == {(100, "Ready")}
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    assert stage.last.step is not None
    stops = deployments(stage)[-1]["createTime"] + 119 * HOUR
    assert f"CodeDeploy stops the deployment at {stops:%a %d %b %H:%M}"[:-1] in stage.last.step.because


def test_a_deployment_is_found_again_by_its_description(stage: EmulatedStack) -> None:
    """Release and attempt stand in it; its revision is what the release consists of."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.SCALING_UP))
    (item,) = deployments(stage)
    assert stage.last.seen is not None
    release, attempt = described(item["description"])
    assert release == stage.last.seen.wanted
    due = state_tags.of_tags(stage.tags()).deadline
    assert due is not None
    assert due.at == datetime.fromtimestamp(int(attempt), UTC)
    spec = json.loads(item["revision"]["appSpecContent"]["content"])
    target = spec["Resources"][0]["TargetService"]["Properties"]
    assert target["TaskDefinition"].endswith(f"task-definition/{SERVICE}:3")
    assert target["LoadBalancerInfo"] == {"ContainerName": "frontend", "ContainerPort": 80}


def test_abort_at_the_gate_stops_the_deployment(stage: EmulatedStack) -> None:
    """Green goes by the rollback deployment, production was not touched, and the release is not tried again."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.say(RequestVerb.ABORT)
    stage.follow(has_ended)
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded")]
    assert outcome(stage)[:2] == (Outcome.ABORTED, Actor.PERSON)
    assert (stage.weights(80), stage.weights(9000)) == ({ONE: 100, TWO: 0}, {ONE: 100, TWO: 0})
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert quarantined(stage)
    stage.transport.sent.clear()
    stage.follow(has_begun, rollouts=stage.rollouts())
    assert sent(stage) == {}


@pytest.mark.slow
def test_rolling_back_in_the_termination_hour_starts_no_task(stage: EmulatedStack) -> None:
    """Blue is warm: one call of CodeDeploy takes production back to it."""
    stage.spec(v1="v2")
    stage.apply(was_promoted, patience=DAY)
    assert stage.weights(80) == {ONE: 0, TWO: 100}
    started = len(stage.laptop.tasks.started)
    stage.say(RequestVerb.ROLLBACK)
    stage.transport.sent.clear()
    stage.follow(lambda result: stage.weights(80) == {ONE: 100, TWO: 0})
    assert sent(stage) == {"StopDeployment": 1}
    followed = stage.follow(has_ended)
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
    assert len(stage.laptop.tasks.started) == started
    assert outcome(stage)[:2] == (Outcome.ROLLED_BACK, Actor.PERSON)
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


@pytest.mark.slow
def test_after_the_end_a_rollback_is_a_deployment_of_the_release_before(stage: EmulatedStack) -> None:
    """Without tests and gate, and all at once."""
    stage.spec(v1="v2")
    stage.apply(has_ended, patience=DAY)
    stage.say(RequestVerb.ROLLBACK)
    followed = stage.follow(has_ended)
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    assert statuses(stage) == [("user", "Succeeded"), ("user", "Succeeded")]
    live = state_tags.of_tags(stage.tags()).live
    assert live is not None
    assert live.task_definition == f"{SERVICE}:2"


def test_a_version_whose_tasks_exit_is_stopped_and_explained(stage: EmulatedStack) -> None:
    """Three tasks that exit end it, long before CodeDeploy would; the diagnosis has what they said."""
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1, logs=("no database",)))
    stage.spec(v1="v3")
    followed = stage.apply(has_ended, patience=DAY)
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.FAILED]
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded")]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    (diagnosis,) = followed.diagnoses
    assert "no database" in diagnosis.log
    stage.say(RequestVerb.RETRY, release=stage.last.seen.wanted if stage.last.seen is not None else None)
    stage.follow(lambda result: len(deployments(stage)) == 3)
    first, _, second = deployments(stage)
    assert first["revision"] == second["revision"]
    assert described(first["description"])[0] == described(second["description"])[0]
    assert described(first["description"])[1] != described(second["description"])[1]


def test_a_version_that_never_gets_healthy_is_stopped_at_our_deadline(stage: EmulatedStack) -> None:
    """15 minutes, and not the hour that CodeDeploy would wait."""
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", healthy=False))
    before = stage.laptop.clock.now()
    stage.spec(v1="v3")
    stage.apply(lambda result: bool(sent(stage).get("StopDeployment")))
    assert stage.laptop.clock.now() - before < timedelta(minutes=25)
    assert stage.follow(has_ended).went_wrong
    assert outcome(stage)[0] is Outcome.FAILED
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


def test_a_ready_deployment_stops_while_the_operator_is_down(stage: EmulatedStack) -> None:
    """CodeDeploy stops it after its wait, and rolls back; whoever comes back says so, and does not try it again."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.laptop.advance(6 * 86_400)
    stage.restart()
    followed = stage.follow(has_ended)
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.FAILED]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert outcome(stage)[2].startswith("CodeDeploy: ")
    assert stage.weights(80) == {ONE: 100, TWO: 0}


@pytest.mark.slow
def test_a_deployment_that_somebody_else_creates_is_left_alone_until_it_is_over(stage: EmulatedStack) -> None:
    """It blocks what we would do; once it is over, what the specs declare is rolled out over it."""
    family = stage.service()["taskDefinition"].rpartition(":")[0]
    item = stage.laptop.client("ecs").describe_task_definition(taskDefinition=f"{family}:2")["taskDefinition"]
    fields = ("family", "containerDefinitions", "networkMode", "cpu", "memory", "executionRoleArn",
              "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    stage.laptop.client("ecs").register_task_definition(**{key: item[key] for key in fields if key in item})
    target = {
        "TaskDefinition": f"{family}:3",
        "LoadBalancerInfo": {"ContainerName": "frontend", "ContainerPort": 80},
    }
    service = {"Type": "AWS::ECS::Service", "Properties": target}
    content = json.dumps({"version": "0.0", "Resources": [{"TargetService": service}]})
    client = stage.laptop.client("codedeploy")
    made = client.create_deployment(
        **NAMES, revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
    )
    stage.laptop.advance(300)
    stage.follow(lambda result: True, rollouts=stage.rollouts())
    assert stage.last.step is not None
    assert (stage.last.step.phase, made["deploymentId"] in stage.last.step.because) == (Phase.BLOCKED, True)
    client.continue_deployment(deploymentId=made["deploymentId"], deploymentWaitType="READY_WAIT")
    stage.laptop.advance(300)
    client.continue_deployment(deploymentId=made["deploymentId"], deploymentWaitType="TERMINATION_WAIT")
    assert sent(stage) == {}
    stage.laptop.advance(300)
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert [status for _, status in statuses(stage)] == ["Succeeded", "Succeeded"]
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


@pytest.mark.slow
def test_a_newer_version_stops_the_one_on_its_way(stage: EmulatedStack) -> None:
    """Stop, the rollback deployment, then a deployment of the newer one, with tests and gate of its own."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.spec(v2="v3", v1="v3")
    newer = in_phase(Phase.AWAITING_PROMOTION)
    stage.apply(lambda result: newer(result) and result.seen is not None and result.step is not None
                and result.step.release == result.seen.wanted)  # fmt: skip
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded"), ("user", "Ready")]
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    assert state_tags.of_tags(stage.tags()).quarantine == ()
    assert not stage.follow(has_ended).went_wrong
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:4")]


@pytest.mark.slow
def test_specs_that_go_back_while_blue_is_warm_stop_the_deployment(stage: EmulatedStack) -> None:
    """It is undone, and the release is not quarantined: it may come again."""
    stage.spec(v1="v2")
    stage.apply(was_promoted, patience=DAY)
    stage.change({"tag: v1": "tag: v1", "tag: v2": "tag: v1"})
    stage.texts = {**CODEDEPLOY}
    stage.change({})
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded")]
    assert outcome(stage)[:2] == (Outcome.FAST_ROLLED_BACK, Actor.SPECS)
    assert state_tags.of_tags(stage.tags()).quarantine == ()


@pytest.mark.parametrize("seconds", [3600, 6 * 86_400])
def test_the_gate_is_extended_as_far_as_codedeploy_waits(stage: EmulatedStack, seconds: int) -> None:
    """Beyond that the request is refused with the limit."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.say(RequestVerb.EXTEND, seconds=seconds)
    stage.follow(lambda result: "reconciler:response" in stage.tags())
    response = state_tags.of_tags(stage.tags()).response
    assert response is not None
    assert response.accepted is (seconds == 3600)
    if response.refusal is not None:
        assert response.refusal.code is RequestRefusalCode.TOO_LONG


@pytest.mark.slow
def test_a_hold_keeps_the_gate_shut_and_finish_removes_blue(stage: EmulatedStack) -> None:
    """A person lets it in, and a person lets blue go: two continuations, and no timer."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.say(RequestVerb.HOLD)
    stage.follow(lambda result: state_tags.of_tags(stage.tags()).hold is not None)
    before = stage.laptop.clock.now()
    (rollout,) = stage.rollouts()
    stage.follow(lambda result: stage.laptop.clock.now() - before > 3 * HOUR, rollouts=(rollout,))
    assert sent(stage) == {"CreateDeployment": 1}
    stage.say(RequestVerb.PROMOTE)
    stage.follow(in_phase(Phase.BAKING))
    began = stage.laptop.clock.now()
    stage.say(RequestVerb.FINISH)
    assert not stage.follow(has_ended).went_wrong
    assert outcome(stage)[:2] == (Outcome.FAST_PROMOTED, Actor.PERSON)
    assert stage.laptop.clock.now() - began < timedelta(minutes=10)
    assert sent(stage) == {"CreateDeployment": 1, "ContinueDeployment": 2}


@pytest.mark.slow
def test_an_alarm_that_codedeploy_sees_first_is_reported_as_rolled_back() -> None:
    """CodeDeploy stops the deployment and rolls it back by itself; we follow, say why, and leave the release alone."""
    texts = CODEDEPLOY | {"verify: {for: 5m}": "verify: {for: 5m, alarms: [errors]}"}
    with emulated_stack(texts, SHORT) as stage:
        alarms = stage.laptop.client("cloudwatch")
        alarms.put_metric_alarm(
            AlarmName="errors", Namespace="x", MetricName="y", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        stage.serving()
        stage.spec(v1="v2")
        stage.apply(in_phase(Phase.VERIFYING), patience=DAY)
        alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
        stage.laptop.advance(1)
        ours = sent(stage).get("StopDeployment", 0)
        followed = stage.follow(has_ended)
        assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
        assert outcome(stage)[:2] == (Outcome.ROLLED_BACK, Actor.ENGINE)
        assert statuses(stage) == [("user", "Stopped"), ("codeDeployRollback", "Succeeded")]
        assert ours == 0
        assert stage.weights(80) == {ONE: 100, TWO: 0}


def test_a_canary_is_shifted_by_codedeploys_configuration() -> None:
    """One step, as the configuration of the group says; no weight is written by us."""
    texts = {"type: blue_green": "type: canary\nengine: codedeploy\nsteps: [{weight: 20, pause: 2m}]"}
    with emulated_stack(texts, SHORT) as stage:
        stage.serving()
        (group,) = stage.laptop.client("codedeploy").batch_get_deployment_groups(
            applicationName=NAMES["applicationName"], deploymentGroupNames=[NAMES["deploymentGroupName"]]
        )["deploymentGroupsInfo"]
        assert group["deploymentConfigName"] == "Reconciler.ECSCanary20Percent2Minutes"
        stage.spec(v1="v2")
        shares: list[int] = []

        def note(result: StepResult) -> bool:
            shares.append(stage.weights(80)[TWO])
            return has_ended(result)

        stage.transport.sent.clear()
        assert not stage.apply(note).went_wrong
        assert list(dict.fromkeys(shares)) == [0, 20, 100]
        assert stage.transport.sent["ModifyListener"] == 0
        assert sent(stage) == {"CreateDeployment": 1, "ContinueDeployment": 2}


def test_a_first_version_that_fails_is_replaced_without_a_gate() -> None:
    """Nobody is served yet. ECS goes on restarting its tasks, which nothing but another deployment can remove."""
    with emulated_stack(CODEDEPLOY, SHORT) as stage:
        stage.infrastructure()
        stage.push("v1")
        stage.push("v2")
        stage.laptop.script(Script(image=f"*{stage.digest('v1')}*", healthy=False, exits_after=2.0, exit_code=1))
        followed = stage.apply(has_ended, patience=DAY)
        assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.FAILED]
        assert stage.last.at_rest
        assert deployments(stage) == []
        stage.spec(v1="v2")
        stage.seen.clear()
        assert not stage.apply(has_ended, patience=DAY).went_wrong
        assert "awaiting_promotion" not in stage.phases
        assert statuses(stage) == [("user", "Succeeded")]
        assert stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
