"""Service deployments that shift traffic. Source: ECS developer guide, "Amazon ECS blue/green deployments", "Lifecycle
stages".
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scheduler.native import weights
from reconciler.local.scripted import Script
from tests.local.control_plane.stage import Stage, forward, refused

HOUR = 3600.0


def _pause(*stages: str, minutes: int = 120, action: str = "CONTINUE") -> dict[str, Any]:
    timeout = {"timeoutInMinutes": minutes, "action": action}
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), "timeoutConfiguration": timeout}


class Native:
    """A service `web` on BLUE_GREEN (or another strategy), its first deployment done."""

    def __init__(self, stage: Stage, **configuration: Any) -> None:
        self.stage, self.laptop = stage, stage.laptop
        self.rules = stage.default_rule(stage.production), stage.default_rule(stage.test)
        self.role = stage.role("infrastructure")
        stage.service(
            loadBalancers=self.pair(),
            deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 60, **configuration},
        )

    def pair(self, **changes: Any) -> list[dict[str, Any]]:
        advanced = {
            "alternateTargetGroupArn": self.stage.green,
            "productionListenerRule": self.rules[0],
            "testListenerRule": self.rules[1],
            "roleArn": self.role,
            **changes,
        }
        kept = {key: value for key, value in advanced.items() if value is not None}
        return [{**self.stage.behind(self.stage.blue)[0], "advancedConfiguration": kept}]

    def release(self, image: str) -> dict[str, Any]:
        self.stage.definition(image)
        self.stage.update(taskDefinition="web")
        return self.seen()

    def seen(self) -> dict[str, Any]:
        """The newest service deployment."""
        ecs = self.stage.ecs
        arn = ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"][0][
            "serviceDeploymentArn"
        ]
        found: dict[str, Any] = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]
        return found

    def where(self) -> tuple[str, str | None]:
        seen = self.seen()
        return seen["status"], seen.get("lifecycleStage")

    def production(self) -> dict[str, int]:
        return self.stage.weights(self.stage.production)

    def hook(self) -> dict[str, Any]:
        return next(item for item in self.seen()["lifecycleHookDetails"] if item["status"] == "AWAITING_ACTION")

    def decide(self, action: str) -> None:
        self.stage.ecs.continue_service_deployment(
            serviceDeploymentArn=self.seen()["serviceDeploymentArn"], hookId=self.hook()["hookId"], action=action
        )


def test_the_first_deployment_goes_straight_through(stage: Stage) -> None:
    """With no source revision there is nothing to shift."""
    native = Native(stage)
    assert native.where() == ("SUCCESSFUL", None)
    assert stage.health(stage.blue) == ["healthy", "healthy"]
    assert native.production() == {stage.blue: 100, stage.green: 0}


def test_a_blue_green_deployment_from_end_to_end(laptop: Laptop, stage: Stage) -> None:
    """Green beside blue, test traffic, a pause, production, the bake time with both alive, blue gone."""
    native = Native(stage, lifecycleHooks=[_pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release("web:v2")
    assert native.where() == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
    assert stage.health(stage.green) == ["healthy", "healthy"]
    assert stage.weights(stage.test) == {stage.green: 100, stage.blue: 0}
    assert native.production() == {stage.blue: 100, stage.green: 0}
    laptop.advance(2 * HOUR - 1)
    assert native.where()[1] == "POST_TEST_TRAFFIC_SHIFT"
    laptop.advance(1)
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    assert stage.seen()["runningCount"] == 4
    laptop.advance(HOUR)
    assert native.where() == ("IN_PROGRESS", "CLEAN_UP")
    laptop.advance(30)
    assert native.where() == ("SUCCESSFUL", None)
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]
    assert stage.health(stage.blue) == []


def test_the_declared_pair_stays_as_it_was_declared(laptop: Laptop, stage: Stage) -> None:
    """Deployments alternate between the two groups; `loadBalancers` of the service does not change, the revision
    resolves it.
    """
    native = Native(stage, bakeTimeInMinutes=0)
    for number, live in ((2, stage.green), (3, stage.blue), (4, stage.green)):
        native.release(f"web:v{number}")
        laptop.advance(60)
        assert native.where() == ("SUCCESSFUL", None)
        assert native.production()[live] == 100
        seen = stage.seen()
        assert seen["loadBalancers"] == native.pair()
        arn = seen["currentServiceRevisions"][0]["arn"]
        revision = stage.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]
        assert revision["resolvedConfiguration"]["loadBalancers"][0]["targetGroupArn"] == live
        assert revision["loadBalancers"] == native.pair()


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
def test_a_person_decides_at_the_gate(laptop: Laptop, stage: Stage, action: str) -> None:
    """ContinueServiceDeployment, "action"; the hook is used up by it."""
    native = Native(stage, lifecycleHooks=[_pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release("web:v2")
    hook = native.hook()
    assert (hook["targetType"], hook["timeoutAction"]) == ("PAUSE", "CONTINUE")
    native.decide(action)
    if action == "CONTINUE":
        assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
    else:
        laptop.advance(30)
        assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
        assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
        assert native.production() == {stage.blue: 100, stage.green: 0}
    with refused("ClientException" if action == "CONTINUE" else "InvalidParameterException"):
        stage.ecs.continue_service_deployment(
            serviceDeploymentArn=native.seen()["serviceDeploymentArn"], hookId=hook["hookId"], action="CONTINUE"
        )


def test_a_pause_that_times_out_may_roll_back(laptop: Laptop, stage: Stage) -> None:
    """DeploymentLifecycleHook, "timeoutConfiguration": ROLLBACK is the default action."""
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["POST_SCALE_UP"],
        "timeoutConfiguration": {"timeoutInMinutes": 5},
    }
    native = Native(stage, lifecycleHooks=[hook])
    native.release("web:v2")
    assert native.where()[1] == "POST_SCALE_UP"
    laptop.advance(5 * 60 + 30)
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_SUCCESSFUL"
    assert "timed out" in seen["statusReason"]
    assert seen["lifecycleHookDetails"][0]["status"] == "TIMED_OUT"


def test_stopping_in_the_bake_time_brings_traffic_back_first(laptop: Laptop, stage: Stage) -> None:
    """StopServiceDeployment, ROLLBACK: production returns to blue, which still runs; then green goes."""
    native = Native(stage)
    native.release("web:v2")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    arn = native.seen()["serviceDeploymentArn"]
    stage.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    assert native.where()[0] == "ROLLBACK_IN_PROGRESS"
    assert native.production() == {stage.blue: 100, stage.green: 0}
    assert stage.health(stage.blue) == ["healthy", "healthy"]
    laptop.advance(30)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    with refused("ConflictException"):
        stage.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    with refused("ServiceDeploymentNotFoundException"):
        stage.ecs.stop_service_deployment(serviceDeploymentArn=arn + "0")


def test_a_green_that_never_gets_healthy_rolls_back_in_the_end(laptop: Laptop, stage: Stage) -> None:
    """A lifecycle stage lasts 24 hours at most; the circuit breaker is for rolling deployments only."""
    native = Native(stage)
    laptop.tasks.script(Script(image="web:v2", exits_after=0, exit_code=1))
    native.release("web:v2")
    laptop.advance(23 * HOUR)
    assert native.where() == ("IN_PROGRESS", "SCALE_UP")
    assert stage.seen()["deployments"][0]["failedTasks"] > 10
    laptop.advance(HOUR + 60)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    assert native.production() == {stage.blue: 100, stage.green: 0}


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"strategy": "BLUE_GREEN"}, [100.0]),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5.0}}, [5.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 30.0}}, [30.0, 60.0, 90.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 50.0}}, [50.0, 100.0]),
    ],
)
def test_the_steps_of_each_strategy(configuration: dict[str, Any], expected: list[float]) -> None:
    """LinearConfiguration, CanaryConfiguration."""
    assert weights(configuration) == expected


def test_a_canary_goes_in_two_steps(laptop: Laptop, stage: Stage) -> None:
    """CanaryConfiguration: the share, its bake time, then everything; the PRE hook runs before each step with a new
    id.
    """
    native = Native(
        stage,
        strategy="CANARY",
        canaryConfiguration={"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 15},
        lifecycleHooks=[_pause("PRE_PRODUCTION_TRAFFIC_SHIFT")],
    )
    native.release("web:v2")
    first = native.hook()["hookId"]
    native.decide("CONTINUE")
    assert native.production() == {stage.green: 10, stage.blue: 90}
    laptop.advance(15 * 60)
    assert native.where()[1] == "PRE_PRODUCTION_TRAFFIC_SHIFT"
    assert native.hook()["hookId"] != first
    native.decide("CONTINUE")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    assert native.seen()["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0


def test_a_linear_shift_takes_its_time(laptop: Laptop, stage: Stage) -> None:
    """LinearConfiguration: equal steps, a bake time between them."""
    native = Native(stage, strategy="LINEAR", linearConfiguration={"stepPercent": 25.0, "stepBakeTimeInMinutes": 10})
    native.release("web:v2")
    shares = []
    for _ in range(4):
        shares.append(native.production()[stage.green])
        laptop.advance(600)
    assert shares == [25, 50, 75, 100]


def test_a_newer_release_in_mid_flight_starts_again_beside_the_same_blue(laptop: Laptop, stage: Stage) -> None:
    """RECONCILE_SERVICE: with more than one source revision the service is brought back to one first."""
    native = Native(
        stage,
        strategy="CANARY",
        canaryConfiguration={"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 600},
    )
    native.release("web:v2")
    assert native.production() == {stage.green: 10, stage.blue: 90}
    native.release("web:v3")
    assert native.where() == ("IN_PROGRESS", "RECONCILE_SERVICE")
    assert native.production() == {stage.blue: 100, stage.green: 0}
    laptop.advance(60)
    assert native.production() == {stage.green: 10, stage.blue: 90}
    assert [item[:2] for item in stage.deployments()] == [("PRIMARY", "web:3"), ("ACTIVE", "web:1")]
    listed = stage.ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"]
    assert [item["status"] for item in listed] == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]


def test_weights_somebody_else_has_changed_stop_the_deployment(laptop: Laptop, stage: Stage) -> None:
    """Exactly one group of the pair must have weight; else the deployment rolls back and says why."""
    native = Native(stage)
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.blue: 50, stage.green: 50})])
    native.release("web:v2")
    laptop.advance(60)
    seen = native.seen()
    assert seen["status"] == "ROLLBACK_SUCCESSFUL"
    assert "Exactly one target group" in seen["statusReason"]


def test_a_lambda_hook_is_answered_by_whoever_stands_in_for_lambda(laptop: Laptop, stage: Stage) -> None:
    """DeploymentLifecycleHook, AWS_LAMBDA: SUCCEEDED goes on, FAILED rolls back; a function that is not there fails."""
    hook = {
        "hookTargetArn": "arn:aws:lambda:us-west-2:123456789012:function:check",
        "roleArn": stage.role("hook"),
        "lifecycleStages": ["POST_SCALE_UP"],
    }
    native = Native(stage, lifecycleHooks=[hook], bakeTimeInMinutes=0)
    native.release("web:v2")
    laptop.advance(60)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    asked = []

    def answer(arn: str, details: dict[str, Any]) -> str:
        asked.append(details["executionDetails"]["lifecycleStage"])
        return "SUCCEEDED"

    laptop.aws.world.lambda_hook = answer
    native.release("web:v3")
    laptop.advance(60)
    assert native.where()[0] == "SUCCESSFUL"
    assert asked == ["POST_SCALE_UP"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alternateTargetGroupArn": None}, "alternateTargetGroupArn"),
        ({"roleArn": None}, "roleArn"),
        ({"productionListenerRule": "arn:nonsense"}, "not valid"),
        ({"testListenerRule": "same"}, "must be different"),
        ({"alternateTargetGroupArn": "same"}, "must be different"),
    ],
)
def test_what_cannot_shift_is_refused_at_once(stage: Stage, changes: dict[str, Any], words: str) -> None:
    """Developer guide, "Required resources for blue/green deployments"."""
    native = Native(stage)
    if changes.get("testListenerRule") == "same":
        changes = {"testListenerRule": native.rules[0]}
    if changes.get("alternateTargetGroupArn") == "same":
        changes = {"alternateTargetGroupArn": stage.blue}
    with refused("InvalidParameterException", words):
        stage.update(loadBalancers=native.pair(**changes))


@pytest.mark.parametrize(
    "configuration",
    [
        {"bakeTimeInMinutes": 1441},
        {"linearConfiguration": {"stepPercent": 10.0}},
        {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.0}},
        {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.0}},
        {"lifecycleHooks": [{"targetType": "PAUSE"}]},
        {"lifecycleHooks": [_pause("PRODUCTION_TRAFFIC_SHIFT")]},
        {"lifecycleHooks": [_pause("POST_SCALE_UP", minutes=20161)]},
        {"lifecycleHooks": [_pause("POST_SCALE_UP")] * 11},
        {"lifecycleHooks": [{"lifecycleStages": ["POST_SCALE_UP"]}]},
    ],
)
def test_configurations_are_checked(stage: Stage, configuration: dict[str, Any]) -> None:
    """DeploymentConfiguration and its parts: ranges, stages, numbers of hooks."""
    Native(stage)
    with refused("InvalidParameterException"):
        stage.update(deploymentConfiguration={"strategy": "BLUE_GREEN", **configuration})


def test_a_strategy_needs_its_load_balancer_configuration(stage: Stage) -> None:
    """ "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy"."""
    with refused("InvalidParameterException", "advancedConfiguration field is required"):
        stage.service(loadBalancers=stage.behind(stage.blue), deploymentConfiguration={"strategy": "BLUE_GREEN"})


def test_rolling_becomes_blue_green_in_place(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Migrate from rolling update": first the load balancers, then the strategy; the next one
    shifts.
    """
    stage.service(loadBalancers=stage.behind(stage.blue))
    native = Native.__new__(Native)
    native.stage, native.laptop = stage, laptop
    native.rules = stage.default_rule(stage.production), stage.default_rule(stage.test)
    native.role = stage.role("infrastructure")
    stage.update(loadBalancers=native.pair())
    laptop.advance(60)
    stage.update(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1})
    native.release("web:v2")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    laptop.advance(120)
    assert native.where()[0] == "SUCCESSFUL"
