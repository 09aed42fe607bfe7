"""Lifecycle hooks of service deployments. Source: ECS developer guide, "Lifecycle hooks for Amazon ECS service
deployments", "Pause hooks", "Lambda hooks", "Continuing service deployments".
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scheduler.strategy import HOOK_STAGES, NO_PAUSE
from tests.local.control_plane.native import HOUR, Native, pause
from tests.local.control_plane.stage import Stage, refused

PAUSES = [stage for stage in HOOK_STAGES if stage not in (*NO_PAUSE, "RECONCILE_SERVICE")]
FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:check"
NO_HOOK = "Provided hookId is either completed, unavailable, or not associated with the given Resource ARN"


def _changes(native: Native, kind: str = "ECS Hook State Change") -> list[dict[str, Any]]:
    return [one["detail"] for one in native.laptop.aws.world.ecs.state_changes if one["detail-type"] == kind]


@pytest.mark.parametrize("at", PAUSES)
def test_a_pause_holds_the_deployment_at_its_stage(stage: Stage, at: str) -> None:
    """The stages of pause hooks; `timeoutConfiguration` is filled in: a day, then ROLLBACK."""
    hook = {"targetType": "PAUSE", "lifecycleStages": [at]}
    native = Native(stage, lifecycleHooks=[hook])
    native.release()
    assert native.where() == ("IN_PROGRESS", at)
    (detail,) = native.seen()["lifecycleHookDetails"]
    assert detail["hookId"].startswith("ecs-pause-")
    assert (detail["targetType"], detail["status"], detail["timeoutAction"]) == ("PAUSE", "AWAITING_ACTION", "ROLLBACK")
    assert (detail["expiresAt"] - native.seen()["startedAt"]).total_seconds() == 24 * HOUR
    assert "targetArn" not in detail
    native.decide("CONTINUE")
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
def test_a_person_decides_at_the_gate(laptop: Laptop, stage: Stage, action: str) -> None:
    """ContinueServiceDeployment, "action"; the hook is used up by it."""
    native = Native(stage, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release()
    (hook,) = native.waiting()
    native.decide(action)
    if action == "CONTINUE":
        assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
        with refused("ClientException", NO_HOOK):
            native.decide("CONTINUE", hook)
    else:
        assert native.where()[0] == "ROLLBACK_IN_PROGRESS"
        with refused("ClientException", NO_HOOK):
            native.decide("CONTINUE", hook)
        laptop.advance(30)
        assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
        assert native.seen()["lifecycleHookDetails"][0]["status"] == "FAILED"
        assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
        assert native.production() == {native.first: 100, native.second: 0}
        with refused("InvalidParameterException", "not allowed for service deployment in terminal states"):
            native.decide("CONTINUE", hook)


def test_what_cannot_be_continued(stage: Stage) -> None:
    """ContinueServiceDeployment, errors."""
    native = Native(stage, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release()
    arn, (hook,) = native.seen()["serviceDeploymentArn"], native.waiting()
    go = stage.ecs.continue_service_deployment
    with refused("ServiceDeploymentNotFoundException", "The service deployment does not exist."):
        go(serviceDeploymentArn=arn + "0", hookId=hook["hookId"])
    with refused("InvalidParameterException", "hookId must follow the format: ecs-{hookType}-{id}"):
        go(serviceDeploymentArn=arn, hookId="b6a2")
    with refused("ClientException", NO_HOOK):
        go(serviceDeploymentArn=arn, hookId=hook["hookId"] + "0")
    go(serviceDeploymentArn=arn, hookId=hook["hookId"])  # CONTINUE is the default
    assert native.where()[1] == "BAKE_TIME"


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
def test_a_pause_times_out(laptop: Laptop, stage: Stage, action: str) -> None:
    """ "If you do not call ContinueServiceDeployment …, Amazon ECS takes the configured timeout
    action".
    """
    native = Native(stage, lifecycleHooks=[pause("POST_SCALE_UP", timeoutInMinutes=20160, action=action)])
    native.release()
    laptop.advance(14 * 24 * HOUR - 1)
    assert native.where() == ("IN_PROGRESS", "POST_SCALE_UP")
    laptop.advance(31)
    seen = native.seen()
    assert seen["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"
    if action == "CONTINUE":
        assert seen["lifecycleStage"] == "BAKE_TIME"
    else:
        assert seen["status"] == "ROLLBACK_SUCCESSFUL"
        assert seen["statusReason"] == "Service deployment rolled back because POST_SCALE_UP pause hook timed out."


def test_all_hooks_of_a_stage_must_complete(laptop: Laptop, stage: Stage) -> None:
    """They run at the same time, and each has an id of its own."""
    hooks = [
        pause("POST_TEST_TRAFFIC_SHIFT", timeoutInMinutes=30, action="ROLLBACK"),
        pause("POST_TEST_TRAFFIC_SHIFT", timeoutInMinutes=120),
    ]
    native = Native(stage, lifecycleHooks=hooks)
    native.release()
    test, gate = native.waiting()
    assert (test["timeoutAction"], gate["timeoutAction"]) == ("ROLLBACK", "CONTINUE")
    native.decide("CONTINUE", test)
    assert native.where()[1] == "POST_TEST_TRAFFIC_SHIFT"
    assert native.waiting() == [gate]
    laptop.advance(2 * HOUR)
    assert native.where()[1] == "BAKE_TIME"


@pytest.mark.parametrize("by", ["a person", "a function", "the clock"])
def test_one_hook_is_enough_to_go_back(laptop: Laptop, stage: Stage, by: str) -> None:
    """ "If any hook triggers a rollback, the entire deployment rolls back regardless of … other hooks"."""
    hooks = [pause("POST_SCALE_UP"), pause("POST_SCALE_UP", timeoutInMinutes=60, action="ROLLBACK")]
    native = Native(stage)
    if by == "a function":
        native.answer({"hookStatus": "IN_PROGRESS", "callBackDelay": 60}, "FAILED")
        hooks.append(native.function("POST_SCALE_UP"))
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": hooks})
    native.release()
    if by == "a person":
        native.decide("ROLLBACK", native.waiting()[1])
    else:
        laptop.advance(60 if by == "a function" else HOUR)
    assert native.where()[0] == "ROLLBACK_IN_PROGRESS"
    assert native.waiting() == []
    laptop.advance(30)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"


def test_a_function_is_told_where_the_deployment_is(laptop: Laptop, stage: Stage) -> None:
    """ "Lifecycle payloads": weights only in the stages that are about them; `hookDetails` where there are any."""
    native = Native(stage, bakeTimeInMinutes=0)
    told = native.answer("SUCCEEDED")
    hook = native.function(*HOOK_STAGES, hookDetails={"bucket": "b"})
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [hook]})
    seen = native.release()
    assert [one["lifecycleStage"] for one in told] == list(HOOK_STAGES[1:])  # there is nothing to reconcile
    green, blue = (one["arn"] for one in (seen["targetServiceRevision"], *seen["sourceServiceRevisions"]))
    by_stage = {one["lifecycleStage"]: one for one in told}
    assert by_stage["POST_SCALE_UP"] == {
        "executionId": by_stage["POST_SCALE_UP"]["executionId"],
        "lifecycleStage": "POST_SCALE_UP",
        "resourceArn": seen["serviceDeploymentArn"],
        "executionDetails": {
            "serviceArn": seen["serviceArn"],
            "targetServiceRevisionArn": green,
            "testTrafficWeights": {},
            "productionTrafficWeights": {},
        },
        "hookDetails": {"bucket": "b"},
    }
    test, before, production = (
        by_stage[name]["executionDetails"]
        for name in ("TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
    )
    assert test["testTrafficWeights"] == {green: 100, blue: 0}
    assert before["productionTrafficWeights"].get(green, 0) == 0
    assert before["productionTrafficWeights"][blue] == 100
    assert production["productionTrafficWeights"] == {green: 100, blue: 0}
    details = seen["lifecycleHookDetails"]
    assert {one["status"] for one in details} == {"SUCCEEDED"}
    assert all(one["hookId"].startswith("ecs-lambda-") and one["targetArn"] == FUNCTION for one in details)


@pytest.mark.parametrize(
    ("answer", "delay"),
    [
        ("IN_PROGRESS", 30),
        ({"hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": {"asked": True}}, 60),
        ({"hookStatus": "IN_PROGRESS", "callBackDelaySeconds": 90}, 90),
    ],
)
def test_a_function_in_progress_is_asked_again(laptop: Laptop, stage: Stage, answer: Any, delay: int) -> None:
    """ "Amazon ECS invokes the function again after a delay. By default, the delay is 30 seconds"; what it returns in
    `hookDetails` it is given again.
    """
    native = Native(stage)
    told = native.answer(answer, "SUCCEEDED")
    hook = native.function("POST_SCALE_UP", hookDetails={"bucket": "b"})
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [hook]})
    native.release()
    laptop.advance(delay - 1)
    assert native.where()[1] == "POST_SCALE_UP"
    assert len(told) == 1
    laptop.advance(1)
    assert native.where()[1] == "BAKE_TIME"
    first, second = told
    added = answer.get("hookDetails", {}) if isinstance(answer, dict) else {}
    assert second == {**first, "hookDetails": {"bucket": "b", **added}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("FAILED", f"Lifecycle hook target {FUNCTION} returned FAILED status."),
        (
            {"status": "ok"},
            f"ECS was unable to parse the response from {FUNCTION} due to HookStatus must not be null",
        ),
    ],
)
def test_a_function_that_does_not_succeed(laptop: Laptop, stage: Stage, answer: Any, words: str) -> None:
    """ "Lambda hook returns FAILED status", "Lambda function timeout or invalid response"."""
    native = Native(stage)
    native.answer(answer)
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [native.function("TEST_TRAFFIC_SHIFT")]})
    native.release()
    # the hook runs during the rollback too, and answers the same
    seen = native.seen()
    assert seen["rollback"]["reason"] == (
        f"Service deployment rolled back because TEST_TRAFFIC_SHIFT lifecycle hook(s) failed. {words}"
    )


@pytest.mark.parametrize("what", ["role", "function"])
def test_a_function_that_cannot_be_called(laptop: Laptop, stage: Stage, what: str) -> None:
    """ "Incorrect trust policy on Lambda hook role", "Missing permission to invoke Lambda function"."""
    native = Native(stage)
    hook = native.function("PRE_SCALE_UP")
    if what == "role":
        native.answer("SUCCEEDED")
        hook["roleArn"] += "-of-nobody"
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [hook]})
    native.release()
    laptop.advance(30)
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_SUCCESSFUL"
    words = f"assume role {hook['roleArn']}" if what == "role" else f"invoke hook target {FUNCTION}"
    assert seen["statusReason"].startswith(
        f"Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed. ECS was unable to {words}"
    )


def test_a_function_can_be_stood_in_for_by_name(laptop: Laptop, stage: Stage) -> None:
    """Its answer can be changed while it is asked again and again."""
    native = Native(stage)
    laptop.aws.functions({"check": "IN_PROGRESS"})
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [native.function("POST_SCALE_UP")]})
    native.release()
    laptop.advance(HOUR)
    assert native.where() == ("IN_PROGRESS", "POST_SCALE_UP")
    laptop.aws.functions({"check": "SUCCEEDED"})
    laptop.advance(30)
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")


def test_a_function_has_a_day_at_most(laptop: Laptop, stage: Stage) -> None:
    """ "Timeout configuration" of Lambda hooks: 1 to 1440 minutes, 1440 and ROLLBACK unless it says otherwise."""
    native = Native(stage)
    native.answer("IN_PROGRESS")
    hook = native.function("POST_SCALE_UP", timeoutConfiguration={"timeoutInMinutes": 5, "action": "CONTINUE"})
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": [hook]})
    native.release()
    laptop.advance(299)
    assert native.where()[1] == "POST_SCALE_UP"
    laptop.advance(1)
    assert native.where()[1] == "BAKE_TIME"
    assert native.seen()["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


def test_the_shifts_hooks_run_during_a_rollback(laptop: Laptop, stage: Stage) -> None:
    """ "Lifecycle hooks during rollback": PRODUCTION_TRAFFIC_SHIFT and TEST_TRAFFIC_SHIFT, with the weights going back,
    and the green revision as the target.
    """
    native = Native(stage)
    told = native.answer("SUCCEEDED")
    hooks = [native.function("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"), native.function("POST_SCALE_UP")]
    stage.update(deploymentConfiguration={**native.wanted, "lifecycleHooks": hooks})
    seen = native.release()
    assert seen["lifecycleStage"] == "BAKE_TIME"
    del told[:]
    native.stop()
    laptop.advance(30)
    assert native.where() == ("ROLLBACK_SUCCESSFUL", "CLEAN_UP")
    green, blue = (one["arn"] for one in (seen["targetServiceRevision"], *seen["sourceServiceRevisions"]))
    assert [one["lifecycleStage"] for one in told] == ["PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT"]
    production, test = (one["executionDetails"] for one in told)
    assert production["productionTrafficWeights"] == test["testTrafficWeights"] == {green: 0, blue: 100}
    assert {one["targetServiceRevisionArn"] for one in (production, test)} == {green}


def test_what_happens_to_hooks_is_told(laptop: Laptop, stage: Stage) -> None:
    """ "Amazon ECS service deployment hook state change events"."""
    native = Native(
        stage,
        lifecycleHooks=[
            pause("PRE_SCALE_UP"),
            pause("POST_SCALE_UP", timeoutInMinutes=1),
            pause("POST_TEST_TRAFFIC_SHIFT"),
        ],
    )
    native.answer({"hookStatus": "IN_PROGRESS"}, "SUCCEEDED")
    native.release()
    first = _changes(native)[0]
    assert first == {
        "eventType": "INFO",
        "eventName": "HOOK_AWAITING_ACTION",
        "hookId": native.waiting()[0]["hookId"],
        "hookType": "PAUSE",
        "expiresAt": first["expiresAt"],
        "lifecycleStage": "PRE_SCALE_UP",
        "clusterArn": native.seen()["clusterArn"],
        "serviceArn": native.seen()["serviceArn"],
        "serviceDeploymentArn": native.seen()["serviceDeploymentArn"],
        "updatedAt": first["updatedAt"],
    }
    native.decide("CONTINUE")
    laptop.advance(60)
    native.decide("ROLLBACK")
    assert [(one["eventName"], one["lifecycleStage"]) for one in _changes(native)] == [
        ("HOOK_AWAITING_ACTION", "PRE_SCALE_UP"),
        ("HOOK_SUCCEEDED", "PRE_SCALE_UP"),
        ("HOOK_AWAITING_ACTION", "POST_SCALE_UP"),
        ("HOOK_TIMED_OUT", "POST_SCALE_UP"),
        ("HOOK_AWAITING_ACTION", "POST_TEST_TRAFFIC_SHIFT"),
        ("HOOK_FAILED", "POST_TEST_TRAFFIC_SHIFT"),
    ]
