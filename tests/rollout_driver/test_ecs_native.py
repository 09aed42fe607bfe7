"""ECS's own blue/green over the local AWS emulator: the story of the example, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.controller.until import has_begun, has_ended
from reconciler.local.scripted import Script
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.queries import versions
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver.driver import StepResult
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, HOUR, answered, ended_in, in_phase, outcome, quarantined
from tests.harness.rollout_outcomes import sent as sent_calls

FIRST, SECOND = "my-app-frontend-tg-2", "my-app-frontend-tg-1"
"""The target groups of the first and of the second version: ECS brings every version up where production is not."""

NATIVE = {"type: blue_green": "type: blue_green\nengine: ecs_native"}
MANUAL = NATIVE | {"promotion: {mode: timed, after: 2h}": "promotion: {mode: manual}"}

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; v2 and v3 are pushed. The waits are the example's: two hours at the gate, one hour of blue."""
    with emulated_stack(NATIVE) as found:
        serving(found)
        yield found


def serving(stage: EmulatedStack) -> None:
    """The first version's deployment is over, too."""
    stage.serving()
    stage.laptop.advance(7200)


def deployments(stage: EmulatedStack) -> list[dict[str, Any]]:
    """Oldest first."""
    client = stage.laptop.client("ecs")
    listed = client.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
    arns = [one["serviceDeploymentArn"] for one in sorted(listed, key=lambda one: one["createdAt"])]
    found: list[dict[str, Any]] = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return sorted(found, key=lambda one: one["createdAt"])


def statuses(stage: EmulatedStack) -> list[str]:
    """Without the first version's."""
    return [one["status"] for one in deployments(stage)][1:]


def sent(stage: EmulatedStack) -> dict[str, int]:
    """Writes to ECS and to listeners."""
    names = ("UpdateService", "ContinueServiceDeployment", "StopServiceDeployment", "ModifyListener", "ModifyRule")
    return sent_calls(stage, names)


def running(stage: EmulatedStack) -> list[tuple[str, str]]:
    return sorted((one["status"], one["taskDefinition"].rpartition("/")[2]) for one in stage.service()["deployments"])


def all_to(group: str) -> dict[str, int]:
    return {FIRST: 0, SECOND: 0, group: 100}


def test_a_new_version_goes_through_every_phase_in_ecs_calls(stage: EmulatedStack) -> None:
    """One deployment: its tests are continued by us, the gate after two hours by ECS; then nothing is left."""
    before = stage.laptop.clock.now()
    stage.spec(v1="v2")
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert stage.phases == [
        "scaling_up", "testing", "awaiting_promotion", "verifying", "baking", "teardown", "idle",
    ]  # fmt: skip
    assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 1}
    assert statuses(stage) == ["SUCCESSFUL"]
    assert stage.weights(80) == stage.weights(9000) == all_to(SECOND)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:3")]
    assert 3 * HOUR < stage.laptop.clock.now() - before < 3.5 * HOUR
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)
    stage.transport.sent.clear()
    report = stage.infrastructure()
    assert report.last.plan.actions == ()
    assert not [name for name in stage.transport.sent if name.startswith(("Create", "Update", "Modify"))]
    (rollout,) = stage.rollouts()
    stage.transport.sent.clear()
    stage.driver.advance_one(rollout)
    assert not [name for name in stage.transport.sent if "Deployment" in name or "Revision" in name], (
        "an idle service reads no deployment"
    )


def test_the_service_is_declared_as_ecs_takes_it(stage: EmulatedStack) -> None:
    """Rules by ARN, also those of a listener itself; the bake time is that of verification and teardown together."""
    service = stage.service()
    (balancer,) = service["loadBalancers"]
    advanced = balancer["advancedConfiguration"]
    assert advanced["productionListenerRule"] != advanced["testListenerRule"]
    assert all(":listener-rule/" in advanced[f"{name}ListenerRule"] for name in ("production", "test"))
    assert advanced["roleArn"].endswith(f":role/{SERVICE}-infrastructure")
    configuration = service["deploymentConfiguration"]
    assert (configuration["strategy"], configuration["bakeTimeInMinutes"]) == ("BLUE_GREEN", 65)
    assert configuration["deploymentCircuitBreaker"]["enable"]


def test_what_is_tested_is_green_behind_the_test_listener(stage: EmulatedStack) -> None:
    """The tests run while both hooks wait; production is blue's."""
    asked: list[tuple[int, list[str]]] = []

    def answer(path: str) -> tuple[int, str]:
        hooks = deployments(stage)[-1]["lifecycleHookDetails"]
        asked.append((stage.weights(9000)[SECOND], [one["status"] for one in hooks]))
        return 200, "Hello World"

    stage.answers = answer
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    assert asked
    assert all(one == (100, ["AWAITING_ACTION"] * 2) for one in asked)
    assert stage.weights(80) == all_to(FIRST)
    statuses_of_hooks = {one["timeoutAction"]: one["status"] for one in deployments(stage)[-1]["lifecycleHookDetails"]}
    assert statuses_of_hooks == {"ROLLBACK": "SUCCEEDED", "CONTINUE": "AWAITING_ACTION"}


@pytest.mark.slow
def test_what_runs_is_shown_with_its_share_of_production(stage: EmulatedStack) -> None:
    """ECS says behind which group a version runs, and the listener which group has production."""
    stage.spec(v1="v2")
    for phase, shares in ((Phase.AWAITING_PROMOTION, (100, 0)), (Phase.BAKING, (0, 100))):
        stage.apply(in_phase(phase), patience=DAY)
        place, delivery = stage.desired_state.place, stage.last.rollout.delivery
        world = versions.look(stage.aws, discover(), place, stage.desired_state.desired, delivery)
        found = {one.revision: one for one in versions.find(world, delivery, place.stack).runs}
        assert (found[f"{SERVICE}:2"].share, found[f"{SERVICE}:3"].share) == shares
        assert stage.last.seen is not None
        assert found[f"{SERVICE}:3"].release == stage.last.seen.wanted


def test_promotion_is_one_call(stage: EmulatedStack) -> None:
    """The gate is opened by a person, and ECS shifts production."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION), patience=DAY)
    stage.say(RequestVerb.PROMOTE)
    stage.follow(in_phase(Phase.BAKING), patience=DAY)
    assert stage.weights(80) == all_to(SECOND)
    assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 2}


def test_target_groups_are_not_sent_again(stage: EmulatedStack) -> None:
    """ECS takes the declared one for that of the new tasks, and after every second deployment it is the live one."""
    calls: list[Call] = []
    stage.transport.before = calls.append
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.SCALING_UP))
    updates = [one.params for one in calls if one.operation == "UpdateService"]
    assert updates
    assert all("loadBalancers" not in one for one in updates)


def test_abort_at_the_gate_stops_the_deployment(stage: EmulatedStack) -> None:
    """ECS removes green, production was not touched, and the release is not tried again."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.say(RequestVerb.ABORT)
    stage.follow(has_ended)
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert outcome(stage)[:2] == (Outcome.ABORTED, Actor.PERSON)
    assert stage.weights(80) == stage.weights(9000) == all_to(FIRST)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]
    assert quarantined(stage)
    stage.transport.sent.clear()
    stage.follow(has_begun, rollouts=stage.rollouts())
    assert sent(stage) == {}


def test_rolling_back_in_the_bake_time_starts_no_task(stage: EmulatedStack) -> None:
    """Blue is warm: one call of ECS takes production back to it."""
    stage.spec(v1="v2")
    stage.apply(was_promoted, patience=DAY)
    assert stage.weights(80) == all_to(SECOND)
    started = len(stage.laptop.tasks.started)
    stage.say(RequestVerb.ROLLBACK)
    stage.transport.sent.clear()
    stage.follow(lambda result: stage.weights(80) == all_to(FIRST))
    assert sent(stage) == {"StopServiceDeployment": 1}
    assert ended_in(stage.follow(has_ended)) == [Phase.ROLLED_BACK]
    assert len(stage.laptop.tasks.started) == started
    assert outcome(stage)[:2] == (Outcome.ROLLED_BACK, Actor.PERSON)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]


@pytest.mark.slow
def test_after_the_end_a_rollback_is_a_deployment_of_the_release_before(stage: EmulatedStack) -> None:
    """Without hooks: ECS finishes it alone, whoever is down meanwhile."""
    stage.spec(v1="v2")
    stage.apply(has_ended, patience=DAY)
    stage.say(RequestVerb.ROLLBACK)
    stage.follow(lambda result: len(statuses(stage)) == 2)
    assert deployments(stage)[-1]["deploymentConfiguration"]["lifecycleHooks"] == []
    assert ended_in(stage.follow(has_ended)) == [Phase.ROLLED_BACK]
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]
    assert stage.weights(80) == all_to(FIRST)
    assert statuses(stage) == ["SUCCESSFUL", "SUCCESSFUL"]
    live = state_tags.of_tags(stage.tags()).live
    assert live is not None
    assert live.task_definition == f"{SERVICE}:2"


def test_a_version_whose_tasks_exit_is_stopped_and_explained(stage: EmulatedStack) -> None:
    """Three tasks that exit end it; the diagnosis has what they said. A retry is another deployment of the same."""
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1, logs=("no database",)))
    stage.spec(v1="v3")
    followed = stage.apply(has_ended, patience=DAY)
    assert ended_in(followed) == [Phase.FAILED]
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert outcome(stage)[1] is Actor.ENGINE
    assert stage.weights(80) == all_to(FIRST)
    (diagnosis,) = followed.diagnoses
    assert "no database" in diagnosis.log
    stage.say(RequestVerb.RETRY, release=stage.last.seen.wanted if stage.last.seen is not None else None)
    stage.follow(lambda result: len(statuses(stage)) == 2)
    assert statuses(stage)[-1] in ("PENDING", "IN_PROGRESS")
    assert ended_in(stage.follow(has_ended)) == [Phase.FAILED]
    assert quarantined(stage)


def test_a_version_that_never_gets_healthy_is_stopped_at_our_deadline(stage: EmulatedStack) -> None:
    """15 minutes, and not the day that ECS would wait."""
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", healthy=False))
    before = stage.laptop.clock.now()
    stage.spec(v1="v3")
    assert stage.apply(has_ended, patience=DAY).went_wrong
    assert stage.laptop.clock.now() - before < timedelta(minutes=30)
    assert outcome(stage)[0] is Outcome.FAILED
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]


def test_tests_that_nobody_runs_take_the_deployment_back(stage: EmulatedStack) -> None:
    """The operator is down when green is up: ECS rolls back once the time of the tests is over, and nothing goes on."""
    stage.answers = lambda path: (500, "")
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.TESTING)
    stage.laptop.advance(DAY)
    stage.restart()
    followed = stage.follow(has_ended)
    assert ended_in(followed) == [Phase.FAILED]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert "pause hook timed out" in outcome(stage)[2]
    assert stage.weights(80) == all_to(FIRST)
    assert quarantined(stage)


def test_a_timed_gate_opens_while_the_operator_is_down(stage: EmulatedStack) -> None:
    """Once the tests have passed ECS finishes alone; whoever comes back records what has happened."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.laptop.advance(DAY)
    assert stage.weights(80) == all_to(SECOND)
    stage.restart()
    assert not stage.follow(has_ended).went_wrong
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:3")]


@pytest.mark.slow
def test_a_deployment_that_somebody_else_starts_is_left_alone_until_it_is_over(stage: EmulatedStack) -> None:
    """It blocks what we would do; once it is over, what the specs declare is rolled out over it."""
    family = stage.service()["taskDefinition"].rpartition(":")[0]
    ecs = stage.laptop.client("ecs")
    item = ecs.describe_task_definition(taskDefinition=f"{family}:2")["taskDefinition"]
    fields = ("family", "containerDefinitions", "networkMode", "cpu", "memory", "executionRoleArn",
              "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    ecs.register_task_definition(**{key: item[key] for key in fields if key in item})
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=f"{family}:3")
    stage.laptop.advance(60)
    stage.follow(lambda result: True, rollouts=stage.rollouts())
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.BLOCKED
    stage.laptop.advance(7200)
    assert sent(stage) == {}
    assert statuses(stage) == ["SUCCESSFUL"]
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert statuses(stage) == ["SUCCESSFUL", "SUCCESSFUL"]
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]


@pytest.mark.slow
def test_a_newer_version_stops_the_one_on_its_way(stage: EmulatedStack) -> None:
    """The older one is rolled back, then the newer one has a deployment with tests and gate of its own."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    stage.spec(v2="v3", v1="v3")
    newer = in_phase(Phase.AWAITING_PROMOTION)
    stage.apply(lambda result: newer(result) and result.seen is not None and result.step is not None
                and result.step.release == result.seen.wanted)  # fmt: skip
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL", "IN_PROGRESS"]
    assert stage.weights(80) == all_to(FIRST)
    assert state_tags.of_tags(stage.tags()).quarantine == ()
    assert not stage.follow(has_ended).went_wrong
    assert running(stage) == [("PRIMARY", f"{SERVICE}:4")]


@pytest.mark.slow
def test_specs_that_go_back_while_blue_is_warm_stop_the_deployment(stage: EmulatedStack) -> None:
    """It is undone, and the release is not quarantined: it may come again."""
    stage.spec(v1="v2")
    stage.apply(was_promoted, patience=DAY)
    stage.texts = {**NATIVE}
    stage.change({})
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert outcome(stage)[:2] == (Outcome.FAST_ROLLED_BACK, Actor.SPECS)
    assert state_tags.of_tags(stage.tags()).quarantine == ()


@pytest.mark.parametrize("verb", [RequestVerb.HOLD, RequestVerb.EXTEND])
def test_a_timed_gate_can_neither_be_held_nor_extended(stage: EmulatedStack, verb: RequestVerb) -> None:
    """ECS continues it at its time, whatever we say."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION))
    assert answered(stage, verb, seconds=60) is RequestRefusalCode.UNSUPPORTED


@pytest.mark.slow
def test_a_bake_time_cannot_be_finished(stage: EmulatedStack) -> None:
    """ECS keeps blue to the end of it."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.BAKING), patience=DAY)
    assert answered(stage, RequestVerb.FINISH) is RequestRefusalCode.UNSUPPORTED
    assert statuses(stage) == ["IN_PROGRESS"]


def test_a_manual_gate_waits_for_a_person_and_can_be_held() -> None:
    """Two hooks that both roll back are told apart by when they expire."""
    with emulated_stack(MANUAL) as stage:
        serving(stage)
        stage.spec(v1="v2")
        stage.apply(in_phase(Phase.AWAITING_PROMOTION))
        assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 1}
        assert answered(stage, RequestVerb.HOLD) is None
        stage.laptop.advance(10 * DAY)
        assert stage.weights(80) == all_to(FIRST)
        stage.say(RequestVerb.PROMOTE)
        assert not stage.follow(has_ended).went_wrong
        assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 2}
        assert running(stage) == [("PRIMARY", f"{SERVICE}:3")]


def test_a_manual_gate_that_nobody_opens_takes_the_deployment_back() -> None:
    """After the 14 days that ECS waits."""
    with emulated_stack(MANUAL) as stage:
        serving(stage)
        stage.spec(v1="v2")
        stage.apply(in_phase(Phase.AWAITING_PROMOTION))
        assert stage.last.step is not None
        expires = max(one["expiresAt"] for one in deployments(stage)[-1]["lifecycleHookDetails"])
        assert f"ECS rolls the deployment back at {expires:%a %d %b %H:%M} UTC" in stage.last.step.because
        stage.laptop.advance(15 * DAY)
        assert ended_in(stage.follow(has_ended)) == [Phase.FAILED]
        assert stage.weights(80) == all_to(FIRST)


@pytest.mark.slow
def test_an_alarm_that_ecs_sees_first_is_reported_as_rolled_back() -> None:
    """ECS rolls the deployment back by itself; we follow, say why, and leave the release alone."""
    texts = NATIVE | {"verify: {for: 5m}": "verify: {for: 5m, alarms: [errors]}"}
    with emulated_stack(texts, SHORT) as stage:
        alarms = stage.laptop.client("cloudwatch")
        alarms.put_metric_alarm(
            AlarmName="errors", Namespace="x", MetricName="y", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        serving(stage)
        stage.spec(v1="v2")
        stage.apply(in_phase(Phase.VERIFYING), patience=DAY)
        alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
        stage.laptop.advance(60)
        assert ended_in(stage.follow(has_ended)) == [Phase.ROLLED_BACK]
        assert outcome(stage)[:2] == (Outcome.ROLLED_BACK, Actor.ENGINE)
        assert outcome(stage)[2].startswith("ECS: ")
        assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
        assert "StopServiceDeployment" not in sent(stage)
        assert stage.weights(80) == all_to(FIRST)


@pytest.mark.parametrize(
    ("strategy", "shares"),
    [
        ("canary\nengine: ecs_native\nsteps: [{weight: 20, pause: 2m}]", [0, 20, 100]),
        ("linear\nengine: ecs_native\nsteps: [{weight: 50, pause: 2m}]", [0, 50, 100]),
        ("linear\nengine: ecs_native\nsteps: [{weight: 40, pause: 2m}, {weight: 80, pause: 2m}]", [0, 40, 80, 100]),
    ],
)
def test_traffic_is_shifted_in_ecs_own_steps(strategy: str, shares: list[int]) -> None:
    """As the service says; no weight is written by us."""
    with emulated_stack({"type: blue_green": f"type: {strategy}"}, SHORT) as stage:
        serving(stage)
        stage.spec(v1="v2")
        found: list[int] = []

        def note(result: StepResult) -> bool:
            found.append(stage.weights(80)[SECOND])
            return has_ended(result)

        stage.transport.sent.clear()
        assert not stage.apply(note).went_wrong
        assert list(dict.fromkeys(found)) == shares
        assert sent(stage)["UpdateService"] == 1
        assert "ModifyListener" not in sent(stage)
        assert "shifting" in stage.phases


def test_a_first_version_that_fails_is_replaced_without_a_gate() -> None:
    """Nobody is served yet, and ECS has nothing to roll back to."""
    with emulated_stack(NATIVE, SHORT) as stage:
        stage.infrastructure()
        stage.push("v1")
        stage.push("v2")
        stage.laptop.script(Script(image=f"*{stage.digest('v1')}*", healthy=False, exits_after=2.0, exit_code=1))
        assert ended_in(stage.apply(has_ended, patience=DAY)) == [Phase.FAILED]
        assert stage.last.at_rest
        stage.spec(v1="v2")
        stage.seen.clear()
        assert not stage.apply(has_ended, patience=DAY).went_wrong
        assert "awaiting_promotion" not in stage.phases
        assert running(stage) == [("PRIMARY", f"{SERVICE}:3")]
