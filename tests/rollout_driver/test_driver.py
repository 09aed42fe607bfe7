"""Rollouts over the local AWS emulator: the real engines, the real driver, and every call through botocore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler import errors
from reconciler.controller.until import has_begun, has_ended
from reconciler.local.scripted import Script
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.stored_state import Outcome
from reconciler.rollout.strategy import Promotion, SmokeTest
from reconciler.rollout_driver.driver import StepResult
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack

ONE, TWO = "my-app-frontend-tg-1", "my-app-frontend-tg-2"
WRITES = ("CreateTaskSet", "UpdateService", "RegisterTaskDefinition", "ModifyListener", "DeleteTaskSet")


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; v2 and v3 are pushed."""
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        yield found


def mutating(stage: EmulatedStack) -> dict[str, int]:
    reads = ("Describe", "List", "Get")
    return {name: count for name, count in stage.transport.sent.items() if not name.startswith(reads)}


def test_nothing_is_started_before_its_image_has_been_pushed() -> None:
    """The first apply makes what the first push needs; no task is made to fail for want of an image."""
    with emulated_stack(terms=SHORT) as stage:
        report = stage.infrastructure()
        (rollout,) = stage.rollouts(report)
        assert rollout.subject.not_ready == "my-app-frontend:v1 has not been pushed yet"
        assert not stage.follow(has_ended, rollouts=(rollout,)).went_wrong
        assert stage.phases == ["initial_deployment"]
        assert stage.service()["taskSets"] == []
        stage.seen.clear()
        stage.push("v1")
        followed = stage.apply(has_ended)
        assert not followed.went_wrong
        assert stage.phases == ["initial_deployment", "idle"]
        assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


def test_a_new_version_goes_through_every_phase(stage: EmulatedStack) -> None:
    """Green beside blue, tested, promoted by the clock, watched; then blue stays warm, and goes."""
    stage.spec(v1="v2")
    assert not stage.apply(has_ended).went_wrong
    assert stage.phases == [
        "scaling_up", "testing", "awaiting_promotion", "shifting", "verifying", "baking", "teardown", "idle",
    ]  # fmt: skip
    assert stage.weights(80) == {ONE: 0, TWO: 100}
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    ended = next(result.step.ended for result in stage.seen if result.step is not None and result.step.ended)
    assert ended.outcome is Outcome.PROMOTED
    assert {name: mutating(stage)[name] for name in ("CreateTaskSet", "DeleteTaskSet", "RegisterTaskDefinition")} == {
        "CreateTaskSet": 1,
        "DeleteTaskSet": 1,
        "RegisterTaskDefinition": 1,
    }


def test_the_plan_is_empty_after_a_rollout_whichever_group_is_live(stage: EmulatedStack) -> None:
    """Live group, weights and revision are the rollout's: the planner finds nothing to put back."""
    stage.spec(v1="v2")
    stage.apply(has_ended)
    stage.transport.sent.clear()
    report = stage.infrastructure()
    assert report.last.plan.actions == ()
    assert mutating(stage) == {}


def test_a_green_that_fails_is_taken_away_and_production_is_not_touched(stage: EmulatedStack) -> None:
    """Three tasks that exit end it; the diagnosis has the exit code, the log and the line of the spec."""
    stage.laptop.script(Script(image="*@*", exits_after=None))
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1, logs=("no database",)))
    stage.spec(v1="v3")
    followed = stage.apply(has_ended)
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.FAILED]
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    (diagnosis,) = followed.diagnoses
    assert diagnosis.finding.known
    assert "no database" in diagnosis.log
    assert [(one.path, one.where.rpartition("/")[2]) for one in diagnosis.story.changed] == [
        ("containers.frontend.image", "frontend.yaml:10")
    ]


def test_a_version_that_serves_for_seconds_only_never_sees_production(stage: EmulatedStack) -> None:
    """Each of its tasks is a healthy target until it exits; promotion is automatic, and there are no tests."""
    stage.terms = {**stage.terms, "promotion": Promotion.AUTO, "tests": ()}
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=8.0, exit_code=1))
    stage.spec(v1="v3")
    (failed,) = stage.apply(has_ended).went_wrong
    assert failed.step is not None
    assert failed.step.phase is Phase.FAILED
    assert stage.phases == ["scaling_up", "failed"]
    assert "ModifyListener" not in mutating(stage)


@pytest.mark.slow
def test_a_failed_release_is_left_alone_until_its_content_changes(stage: EmulatedStack) -> None:
    """A hundred passes write nothing; one byte changed makes exactly one new rollout."""
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1))
    stage.spec(v1="v3")
    stage.apply(has_ended)
    stage.transport.sent.clear()
    rollouts = stage.rollouts()
    for number in range(100):
        rollouts = stage.rollouts() if number % 10 == 0 else rollouts
        stage.follow(has_begun, rollouts=rollouts)
        stage.laptop.advance(60)
    assert mutating(stage) == {}
    stage.infrastructure()
    assert not set(mutating(stage)) & set(WRITES)
    stage.change({"GREETING: Hello World": "GREETING: Hello Worlds"})
    stage.apply(has_begun)
    assert mutating(stage)["CreateTaskSet"] == 1
    assert mutating(stage)["RegisterTaskDefinition"] == 1


def test_rolling_back_while_blue_is_warm_is_one_look_and_two_writes(stage: EmulatedStack) -> None:
    """Traffic is back within one pass, by at most two mutating calls, and no task is started."""
    stage.spec(v1="v2")
    stage.apply(was_promoted)
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.BAKING
    assert stage.weights(80) == {ONE: 0, TWO: 100}
    started = len(stage.laptop.tasks.started)
    (rollout,) = stage.rollouts()
    stage.say(RequestVerb.ROLLBACK)
    stage.transport.sent.clear()
    before = len(stage.seen)
    stage.follow(lambda result: stage.weights(80) == {ONE: 100, TWO: 0}, rollouts=(rollout,))
    assert len(stage.seen) - before == 1
    assert sum(mutating(stage).values()) <= 2, mutating(stage)
    followed = stage.follow(rollouts=(rollout,))
    assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
    assert len(stage.laptop.tasks.started) == started
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:2")]


def test_a_person_promotes_before_the_clock_does(stage: EmulatedStack) -> None:
    """The word is heard at the next look, answered, and the version is in production long before its time."""
    stage.spec(v1="v2")
    waiting = stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
    (result,) = waiting.results
    assert result.step is not None
    assert result.step.until is not None
    stage.say(RequestVerb.PROMOTE)
    stage.follow(lambda result: result.step is not None and result.step.phase is Phase.VERIFYING)
    assert stage.laptop.clock.now() < result.step.until
    assert stage.weights(80) == {ONE: 0, TWO: 100}
    answer = state_tags.of_tags(stage.tags()).response
    assert answer is not None
    assert answer.accepted


def test_a_word_for_another_release_is_refused_and_answered(stage: EmulatedStack) -> None:
    """The answer says which release it was about, and which is here."""
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
    stage.say(RequestVerb.PROMOTE, release="0123456789ab")
    stage.follow(lambda result: "reconciler:response" in stage.tags())
    answer = state_tags.of_tags(stage.tags()).response
    assert answer is not None
    assert answer.refusal is not None
    assert answer.refusal.code is RequestRefusalCode.OTHER_RELEASE
    assert stage.last.step is not None
    assert {stage.last.step.release[:6], "012345"} <= set(answer.refusal.why.replace("_", " ").split())
    assert stage.weights(80) == {ONE: 100, TWO: 0}


def test_a_change_of_the_infrastructure_never_moves_traffic(stage: EmulatedStack) -> None:
    """In mid-rollout the load balancer, its groups and the service are changed; weights and revisions stay."""
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
    before = stage.weights(80), stage.weights(9000), stage.sets()
    stage.change({"scheme: internet-facing": "scheme: internet-facing\nidle_timeout: 90s", "deregistration_delay: 30s":
                  "deregistration_delay: 40s", "desired_count: 1": "desired_count: 2"})  # fmt: skip
    stage.transport.sent.clear()
    stage.infrastructure()
    assert (stage.weights(80), stage.weights(9000), stage.sets()) == before
    assert set(mutating(stage)) <= {
        "AddTags", "ModifyLoadBalancerAttributes", "ModifyTargetGroupAttributes", "UpdateService",
    }  # fmt: skip
    assert "ModifyListener" not in mutating(stage)


def test_another_health_check_alone_is_a_new_version(stage: EmulatedStack) -> None:
    """It is judged by its own check in its own group; blue's group keeps the one that blue was judged by."""
    stage.change({"path: /": "path: /ready"})
    stage.apply(was_promoted)
    groups = stage.laptop.client("elbv2").describe_target_groups()["TargetGroups"]
    paths = {one["TargetGroupName"]: one["HealthCheckPath"] for one in groups}
    assert paths == {ONE: "/", TWO: "/ready"}
    assert stage.weights(80) == {ONE: 0, TWO: 100}


def test_a_canary_takes_its_shares_one_after_the_other() -> None:
    """10, 50, then all; each is kept for its time. Clients stay with their version while there are two, and no longer,
    and the plan does not take that for something that somebody else has set."""
    steps = "type: canary\nsteps: [{weight: 10, pause: 1m}, {weight: 50, pause: 1m}]\nstickiness: 1h"
    with emulated_stack({"type: blue_green": steps}, SHORT) as stage:
        stage.serving()
        stage.spec(v1="v2")
        kept: list[tuple[int, bool]] = []
        notes: set[str] = set()

        def note(result: object) -> bool:
            share = stage.weights(80)[TWO], sticky(stage, 80)
            if kept[-1:] != [share]:
                kept.append(share)
                plan = pass_.look(stage.aws, discover(), stage.desired_state)[1]
                notes.update(one.because for one in plan.warnings if one.address.kind == "listener")
            return was_promoted(stage.last)

        stage.apply(note)
        assert kept == [(0, False), (10, True), (50, True), (100, False)]
        assert notes == set()


def sticky(stage: EmulatedStack, port: int) -> bool:
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (action,) = next(one["DefaultActions"] for one in listeners if one["Port"] == port)
    found: bool = action["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"]
    return found


def test_scaling_in_is_suspended_during_a_rollout_and_always_resumed() -> None:
    """From the first write of a rollout to its end, promoted or failed; scaling out never is."""
    scaling = {"desired_count: 1": "desired_count: 1\nscaling: {min: 1, max: 4, cpu: 60}"}
    with emulated_stack(scaling, SHORT) as stage:
        stage.serving()
        assert not suspended(stage)
        stage.spec(v1="v2")
        stage.apply(has_begun)
        assert suspended(stage)
        stage.follow()
        assert not suspended(stage)
        stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1))
        stage.spec(v2="v3", v1="v3")
        stage.apply(
            lambda result: result.step is not None and result.step.phase is Phase.SCALING_UP and not result.busy
        )
        assert suspended(stage)
        assert stage.follow().went_wrong
        assert not suspended(stage)


def test_a_newer_version_takes_the_place_of_the_one_on_its_way(stage: EmulatedStack) -> None:
    """Green is replaced, the gate begins anew, and production is not touched until the newer one is let in."""
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
    stage.spec(v2="v3", v1="v3")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION
                and result.seen is not None and result.step.release == result.seen.wanted)  # fmt: skip
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    stage.follow()
    assert stage.sets() == [("PRIMARY", f"{SERVICE}:4")]


def test_a_version_whose_test_does_not_hold_never_sees_production(stage: EmulatedStack) -> None:
    """The reason is the answer that came instead."""
    stage.answers = lambda path: (200, "Goodbye")
    stage.spec(v1="v2")
    followed = stage.apply(has_ended)
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    (result,) = followed.went_wrong
    assert result.step is not None
    assert 'answered 200 "Goodbye", expected a body with "Hello"' in result.step.because


def test_a_failure_is_looked_into_whatever_its_reason_says() -> None:
    """Who ended a rollout is not read out of the reason: a sentence may say anything."""
    terms = SHORT | {"tests": (SmokeTest("/", body="what Kevin said rollback about"),)}
    with emulated_stack(terms=terms) as stage:
        stage.serving()
        stage.spec(v1="v2")
        (diagnosis,) = stage.apply(has_ended).diagnoses
        assert diagnosis.story.phase == Phase.TESTING


ROLLING = {"type: blue_green": "type: rolling", "deployment: careful": "deployment: plain"}


@contextmanager
def rolling_stack() -> Iterator[EmulatedStack]:
    """The same service under ECS's own deployments."""
    texts = {"deployment: careful": "", "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]"}
    with emulated_stack(texts, SHORT) as found:
        found.serving()
        yield found


def test_a_rolling_deployment_is_done_when_ecs_is() -> None:
    """The revision that was asked for is the primary one, and completed."""
    with rolling_stack() as rolling:
        rolling.spec(v1="v2")
        assert not rolling.apply(has_ended).went_wrong
        assert rolling.service()["taskDefinition"].endswith(f"{SERVICE}:3")
        assert mutating(rolling)["UpdateService"] == 1


def test_ecs_going_back_by_itself_is_reported_as_rolled_back() -> None:
    """A service that is stable again after the circuit breaker is no success; and it is not tried again."""
    with rolling_stack() as rolling:
        rolling.laptop.script(Script(image=f"*{rolling.digest('v3')}*", healthy=False, exits_after=1.0, exit_code=1))
        rolling.spec(v1="v3")
        followed = rolling.apply(has_ended, patience=6 * 3600.0)
        assert [result.step.phase for result in followed.went_wrong if result.step] == [Phase.ROLLED_BACK]
        rolling.transport.sent.clear()
        for _ in range(10):
            rolling.infrastructure()
            rolling.follow(has_begun, rollouts=rolling.rollouts())
            rolling.laptop.advance(60)
        assert mutating(rolling) == {}


def suspended(stage: EmulatedStack) -> bool:
    answer = stage.laptop.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    (target,) = answer["ScalableTargets"]
    state: dict[str, bool] = target["SuspendedState"]
    assert not state["DynamicScalingOutSuspended"], "scale-out is never suspended"
    assert not state["ScheduledScalingSuspended"]
    return state["DynamicScalingInSuspended"]


def bounds(stage: EmulatedStack) -> tuple[int, int]:
    answer = stage.laptop.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    (target,) = answer["ScalableTargets"]
    return target["MinCapacity"], target["MaxCapacity"]


@pytest.mark.slow
def test_raised_bounds_are_written_at_once_and_lowered_ones_follow_the_release() -> None:
    """Changed together with a version, more capacity does not wait, and stays if the version fails; less capacity is
    written when the release has come to rest, and never for a version that fails; alone, both are written at once."""
    with emulated_stack(_scaled(min=2, max=4), SHORT) as stage:
        stage.serving()
        stage.texts |= _scaled(min=1, max=6)
        stage.change({"tag: v1": "tag: v2"})
        stage.apply(was_promoted)
        assert bounds(stage) == (2, 6), "the rollout is not over: going back is one write, and finds the old minimum"
        stage.follow()
        stage.infrastructure()
        assert bounds(stage) == (1, 6)
        stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", exits_after=2.0, exit_code=1))
        stage.texts |= _scaled(min=3, max=5)
        stage.change({"tag: v2": "tag: v3", "tag: v1": "tag: v3"})
        assert stage.apply(has_ended).went_wrong
        stage.infrastructure()
        assert bounds(stage) == (3, 6)
        stage.change({"tag: v3": "tag: v2", "tag: v2": "tag: v2", "tag: v1": "tag: v2"})
        stage.infrastructure()
        assert bounds(stage) == (3, 5)


def _scaled(**bounds: int) -> dict[str, str]:
    return {"desired_count: 1": f"desired_count: 3\nscaling: {{min: {bounds['min']}, max: {bounds['max']}, cpu: 60}}"}


def test_refusals_are_counted_on_while_a_write_is_not_shown_yet(stage: EmulatedStack) -> None:
    """Nothing is decided then, so the next look is not the first one again after which AWS refuses the same call."""
    (rollout,), now = stage.rollouts(), stage.laptop.clock.now()
    refused = StepResult(rollout, now, error=errors.Invalid("no"))
    counts = [
        stage.driver._after(result).refused
        for result in (refused, StepResult(rollout, now, settling=True), refused, StepResult(rollout, now), refused)
    ]
    assert counts == [1, 1, 2, 0, 1]
