"""Lambda functions that ECS calls in its blue/green deployments, over the local AWS emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.resource import Address
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Actor, Outcome
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, ended_in, outcome, quarantined
from tests.rollout_driver.test_ecs_native import FIRST, NATIVE, all_to, running, serving, statuses

ARN = "arn:aws:lambda:us-west-2:123456789012:function"
HOOKS = {
    "engine: ecs_native": f"engine: ecs_native\nhooks:\n  - {{function: '{ARN}:check', "
    "stages: [pre_scale_up, post_test_traffic_shift], details: {suite: smoke}}\n"
    f"  - {{function: '{ARN}:watch', stages: post_production_traffic_shift, within: 5m}}\n"
}
LAMBDA, PAUSE = "AWS_LAMBDA", "PAUSE"

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves, and its deployment has called the functions."""
    with emulated_stack(NATIVE | HOOKS, SHORT) as found:
        answering(found, lambda function, stage: "SUCCEEDED")
        serving(found)
        yield found


def answering(stage: EmulatedStack, answer: Callable[[str, str], str]) -> list[tuple[str, str, Any]]:
    """Functions that answer by their name and the stage; each call, with its details."""
    calls: list[tuple[str, str, Any]] = []

    def function(arn: str, payload: dict[str, Any]) -> str:
        name, at = arn.rpartition(":")[2], payload["lifecycleStage"]
        calls.append((name, at, payload.get("hookDetails")))
        return answer(name, at)

    stage.laptop.aws.world.lambda_hook = function
    return calls


def hooks(stage: EmulatedStack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.service()["deploymentConfiguration"]["lifecycleHooks"]
    return found


def kinds(stage: EmulatedStack) -> list[str]:
    return sorted(one["targetType"] for one in hooks(stage))


def test_functions_are_called_beside_the_tests_and_the_gate(stage: EmulatedStack) -> None:
    """In their stages, with their details; the deployment has both kinds of hooks, and afterwards nothing differs."""
    calls = answering(stage, lambda function, at: "SUCCEEDED")
    stage.spec(v1="v2")
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert calls == [
        ("check", "PRE_SCALE_UP", {"suite": "smoke"}),
        ("check", "POST_TEST_TRAFFIC_SHIFT", {"suite": "smoke"}),
        ("watch", "POST_PRODUCTION_TRAFFIC_SHIFT", None),
    ]
    assert kinds(stage) == [LAMBDA, LAMBDA, PAUSE, PAUSE]
    assert {one["roleArn"].rpartition("/")[2] for one in hooks(stage) if "roleArn" in one} == {f"{SERVICE}-hooks"}
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)
    assert stage.infrastructure().last.plan.actions == ()


def test_a_function_that_fails_before_production_fails_the_rollout(stage: EmulatedStack) -> None:
    """Although both gates are open: production was not touched, and the reason and the report name the function."""
    answering(stage, lambda function, at: "FAILED" if at == "POST_TEST_TRAFFIC_SHIFT" else "SUCCEEDED")
    stage.spec(v1="v2")
    followed = stage.apply(has_ended, patience=DAY)
    assert ended_in(followed) == [Phase.FAILED]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert f"{ARN}:check" in outcome(stage)[2]
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert stage.weights(80) == all_to(FIRST)
    assert quarantined(stage)
    (diagnosis,) = followed.diagnoses
    assert f"{ARN}:check" in diagnosis.finding.text
    assert diagnosis.story.phase is Phase.TESTING


def test_a_function_that_fails_in_production_rolls_back(stage: EmulatedStack) -> None:
    """Production had moved: it goes back, and the outcome says so."""
    answering(stage, lambda function, at: "FAILED" if function == "watch" else "SUCCEEDED")
    stage.spec(v1="v2")
    assert ended_in(stage.apply(has_ended, patience=DAY)) == [Phase.ROLLED_BACK]
    assert outcome(stage)[:2] == (Outcome.ROLLED_BACK, Actor.ENGINE)
    assert f"{ARN}:watch" in outcome(stage)[2]
    assert stage.weights(80) == all_to(FIRST)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]


@pytest.mark.slow
def test_a_function_that_takes_its_time_does_not_cost_green_its_own(stage: EmulatedStack) -> None:
    """8 minutes before the first task starts, with 2 to become healthy; `status` says what is waited for."""
    since = stage.laptop.clock.now()

    def slow(function: str, at: str) -> str:
        early = stage.laptop.clock.now() - since < timedelta(minutes=8)
        return "IN_PROGRESS" if at == "PRE_SCALE_UP" and early else "SUCCEEDED"

    answering(stage, slow)
    stage.spec(v1="v2")
    stage.apply(lambda result: stage.laptop.clock.now() - since > timedelta(minutes=6), patience=DAY)
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.SCALING_UP
    assert "check" in stage.last.step.because
    assert not stage.follow(has_ended).went_wrong
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)


def test_a_function_that_never_ends_is_given_up_at_its_limit(stage: EmulatedStack) -> None:
    """After five minutes ECS rolls back, and not after the day that it would wait otherwise."""
    answering(stage, lambda function, at: "IN_PROGRESS" if function == "watch" else "SUCCEEDED")
    stage.spec(v1="v2")
    since = stage.laptop.clock.now()
    assert ended_in(stage.apply(has_ended, patience=DAY)) == [Phase.ROLLED_BACK]
    assert stage.laptop.clock.now() - since < timedelta(hours=1)
    assert f"{ARN}:watch timed out" in outcome(stage)[2]


def test_hooks_that_differ_are_written_again_without_those_of_a_deployment(stage: EmulatedStack) -> None:
    """Somebody has removed one and changed another; the PAUSE hooks that a deployment has left stay as they are."""
    before = hooks(stage)
    others = [{**one, "hookDetails": {"suite": "none"}} for one in before if one.get("hookTargetArn") == f"{ARN}:check"]
    pause = {"targetType": PAUSE, "lifecycleStages": ["POST_SCALE_UP"]}
    stage.laptop.client("ecs").update_service(
        cluster=CLUSTER, service=SERVICE, deploymentConfiguration={"lifecycleHooks": [*others, pause]}
    )
    plan = stage.infrastructure().passes[0].plan
    (action,) = plan.actions
    assert {str(change) for change in action.changes} == {
        "deployment.hooks.check@pre_scale_up+post_test_traffic_shift.details",
        "deployment.hooks.watch@post_production_traffic_shift",
    }
    assert [one for one in hooks(stage) if one["targetType"] == LAMBDA] == before
    assert kinds(stage) == [LAMBDA, LAMBDA, PAUSE]
    assert statuses(stage) == [], "no deployment was started by it"


def test_hooks_that_leave_the_specs_are_removed_with_their_role(stage: EmulatedStack) -> None:
    """The role goes once the service does not name it any more."""
    stage.texts = {**NATIVE}
    stage.change({})
    stage.infrastructure()
    assert kinds(stage) == []
    names = [one["RoleName"] for one in stage.laptop.client("iam").list_roles()["Roles"]]
    assert f"{SERVICE}-hooks" not in names
    assert stage.infrastructure().last.plan.actions == ()


def test_a_version_does_not_start_before_its_hooks_are_in_place(stage: EmulatedStack) -> None:
    """Where the service could not be changed, its rollout waits."""
    stage.spec(v1="v2")
    undone = Address("service", SERVICE)
    from reconciler.rollout_driver.targets import rollouts_of

    world = stage.infrastructure().world
    (rollout,), _ = rollouts_of(
        stage.desired_state.deliveries, stage.desired_state.desired, world, stage.desired_state.place.stack,
        undone={undone},
    )  # fmt: skip
    assert rollout.subject.not_ready
    assert stage.follow(was_promoted, rollouts=(rollout,), patience=60.0)
    assert statuses(stage) == []
