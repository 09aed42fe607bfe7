"""Service deployments that shift traffic: their course. Source: ECS developer guide, "Amazon ECS blue/green service
deployments workflow" and the pages of linear and canary deployments.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from reconciler.local.scheduler.strategy import after, weights
from tests.local.control_plane.native import HOUR, Native, pause
from tests.local.control_plane.stage import Stage

STEPS = {
    "CANARY": {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 15}},
    "LINEAR": {"linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 10}},
}


def _order(stage: Stage, listener: str) -> list[str]:
    return list(stage.weights(listener))


def test_the_first_deployment_takes_every_stage(laptop: Laptop, stage: Stage) -> None:
    """It has no source revision, and is no exception otherwise: its tasks come to the group that production does not
    forward to, its hooks run, and production shifts. (Observed: the create's tasks were registered with the alternate
    group, and a Lambda hook at PRE_SCALE_UP was called for it.)
    """
    native = Native(stage, settle=False, bakeTimeInMinutes=5)
    native.wanted["lifecycleHooks"] = [pause("PRE_SCALE_UP"), pause("POST_TEST_TRAFFIC_SHIFT")]
    native.create()
    assert native.where() == ("IN_PROGRESS", "PRE_SCALE_UP")
    assert native.seen()["sourceServiceRevisions"] == []
    native.decide("CONTINUE")
    assert native.where() == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
    assert stage.health(stage.green) == ["healthy", "healthy"]
    assert native.production() == {stage.blue: 100, stage.green: 0}
    native.decide("CONTINUE")
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    laptop.advance(300)
    assert native.where() == ("SUCCESSFUL", "CLEAN_UP")
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]


def test_a_blue_green_deployment_from_end_to_end(laptop: Laptop, stage: Stage) -> None:
    """Green beside blue, test traffic, a pause, production, the bake time with both alive, blue gone."""
    native = Native(stage, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release()
    assert native.where() == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
    assert stage.health(native.second) == ["healthy", "healthy"]
    assert stage.weights(stage.test) == {native.second: 100, native.first: 0}
    assert native.production() == {native.first: 100, native.second: 0}
    laptop.advance(2 * HOUR - 1)
    assert native.where()[1] == "POST_TEST_TRAFFIC_SHIFT"
    laptop.advance(1)
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
    assert native.production() == {native.second: 100, native.first: 0}
    assert stage.seen()["runningCount"] == 4
    laptop.advance(HOUR)
    assert native.where() == ("IN_PROGRESS", "CLEAN_UP")
    laptop.advance(30)
    assert native.where() == ("SUCCESSFUL", "CLEAN_UP")
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]
    assert stage.health(native.first) == []


def test_the_declared_pair_stays_as_it_was_declared(laptop: Laptop, stage: Stage) -> None:
    """Deployments alternate between the two groups. `loadBalancers` of the service and of its revisions do not change:
    the live group is in what a revision resolves them to, and on the production rule.
    """
    native = Native(stage, bakeTimeInMinutes=0)
    for number, live in ((2, stage.blue), (3, stage.green), (4, stage.blue)):
        native.release(f"web:v{number}")
        laptop.advance(60)
        assert native.where()[0] == "SUCCESSFUL"
        assert native.production()[live] == 100
        seen = stage.seen()
        assert seen["loadBalancers"] == native.pair()
        arn = seen["currentServiceRevisions"][0]["arn"]
        revision = stage.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]
        resolved = revision["resolvedConfiguration"]["loadBalancers"]
        assert resolved == [{"targetGroupArn": live, "productionListenerRule": native.rules[0]}]
        assert revision["loadBalancers"] == native.pair()


def test_the_order_of_the_groups_flips_with_each_shift(laptop: Laptop, stage: Stage) -> None:
    """The group that traffic moves to stands first on the rule."""
    native = Native(stage, bakeTimeInMinutes=0)
    for number, order in ((2, [stage.blue, stage.green]), (3, [stage.green, stage.blue])):
        native.release(f"web:v{number}")
        laptop.advance(60)
        assert _order(stage, stage.production) == _order(stage, stage.test) == order


def test_load_balancers_that_are_sent_again_stop_the_alternation(laptop: Laptop, stage: Stage) -> None:
    """hashicorp/terraform-provider-aws#45678: every deployment comes to one group, the old tasks and the new ones
    together, and nothing reports it.
    """
    native = Native(stage, bakeTimeInMinutes=10)
    for number in (2, 3):
        native.release(f"web:v{number}", loadBalancers=native.pair())
        assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
        assert stage.health(stage.green) == ["healthy"] * 4
        assert stage.health(stage.blue) == []
        laptop.advance(HOUR)
        assert native.where()[0] == "SUCCESSFUL"
    native.release("web:v4", loadBalancers=native.pair())
    native.stop()
    laptop.advance(60)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    assert native.production() == {stage.green: 100, stage.blue: 0}
    native.release("web:v5")
    assert stage.health(stage.blue) == ["healthy", "healthy"]


def test_the_rule_says_which_group_is_live(laptop: Laptop, stage: Stage) -> None:
    """Whoever else writes it decides where the next tasks come to: to the group with the old ones, if need be."""
    native = Native(stage)
    weights_by_hand = [{"TargetGroupArn": stage.blue, "Weight": 100}, {"TargetGroupArn": stage.green, "Weight": 0}]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights_by_hand}}
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[action])
    native.release()
    assert stage.health(stage.green) == ["healthy"] * 4
    assert native.production() == {stage.green: 100, stage.blue: 0}


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"strategy": "BLUE_GREEN"}, [100.0]),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5.0}}, [5.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 30.0}}, [30.0, 60.0, 90.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 50.0}}, [50.0, 100.0]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 100.0}}, [100.0]),
    ],
)
def test_the_steps_of_each_strategy(configuration: dict[str, Any], expected: list[float]) -> None:
    """LinearConfiguration, CanaryConfiguration."""
    assert weights(configuration) == expected


def test_the_pre_hook_runs_before_each_step(laptop: Laptop, stage: Stage) -> None:
    """CanaryConfiguration: the share, its bake time, then everything. PRE_PRODUCTION_TRAFFIC_SHIFT comes before each
    shift, with a hook of its own.
    """
    native = Native(stage, strategy="CANARY", **STEPS["CANARY"], lifecycleHooks=[pause("PRE_PRODUCTION_TRAFFIC_SHIFT")])
    native.release()
    first = native.waiting()[0]["hookId"]
    native.decide("CONTINUE")
    assert native.production() == {native.second: 10, native.first: 90}
    laptop.advance(15 * 60)
    assert native.where()[1] == "PRE_PRODUCTION_TRAFFIC_SHIFT"
    assert native.waiting()[0]["hookId"] != first
    native.decide("CONTINUE")
    assert native.production() == {native.second: 100, native.first: 0}
    assert native.where()[1] == "BAKE_TIME"
    assert [hook["status"] for hook in native.seen()["lifecycleHookDetails"]] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_linear_shift_takes_its_time(laptop: Laptop, stage: Stage) -> None:
    """LinearConfiguration: equal steps, a bake time between them, and none after the last."""
    native = Native(stage, strategy="LINEAR", **STEPS["LINEAR"])
    native.release()
    shares = []
    for _ in range(4):
        seen = native.seen()
        shares.append(
            (
                native.production()[native.second],
                seen["targetServiceRevision"]["requestedProductionTrafficWeight"],
                seen["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"],
            )
        )
        laptop.advance(600)
    assert shares == [(25, 25.0, 75.0), (50, 50.0, 50.0), (75, 75.0, 25.0), (100, 100.0, 0.0)]
    assert native.where()[1] == "BAKE_TIME"


def test_without_a_test_rule_there_is_no_test_traffic(laptop: Laptop, stage: Stage) -> None:
    """The stages of test traffic do not come, nor do their hooks; the test listener is left alone."""
    native = Native(stage, test=False, lifecycleHooks=[pause("POST_SCALE_UP"), pause("POST_TEST_TRAFFIC_SHIFT")])
    before = stage.weights(stage.test)
    native.release()
    assert native.where()[1] == "POST_SCALE_UP"
    assert "requestedTestTrafficWeight" not in native.seen()["targetServiceRevision"]
    native.decide("CONTINUE")
    assert native.where()[1] == "BAKE_TIME"
    assert len(native.seen()["lifecycleHookDetails"]) == 1
    assert stage.weights(stage.test) == before
    laptop.advance(2 * HOUR)
    assert native.where()[0] == "SUCCESSFUL"


def test_the_order_of_the_stages(stage: Stage) -> None:
    """ServiceDeployment, "lifecycleStage": the list is in order."""
    native = Native(stage)
    launch = stage.laptop.aws.world.ecs.services["demo", "web"].launch
    assert launch is not None
    configuration = {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 50.0}}
    stages, step = ["RECONCILE_SERVICE"], 0
    while stages[-1] != "CLEAN_UP":
        stages.append(after(stages[-1], launch, step=step, configuration=configuration))
        step += stages[-1] == "PRODUCTION_TRAFFIC_SHIFT"
    shift = ["PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"]
    assert stages == [
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
        "SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
        *shift,
        *shift,
        "POST_PRODUCTION_TRAFFIC_SHIFT",
        "BAKE_TIME",
        "CLEAN_UP",
    ]
    assert native.where()[0] == "SUCCESSFUL"


def test_a_newer_release_in_mid_flight_starts_again_beside_the_same_blue(laptop: Laptop, stage: Stage) -> None:
    """RECONCILE_SERVICE: with more than one source revision the service is brought back to one first. The older
    deployment is STOPPED, which is no failure, and its hooks are of no use any more.
    """
    canary = {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 600}}
    native = Native(
        stage, strategy="CANARY", **canary, lifecycleHooks=[pause("POST_TEST_TRAFFIC_SHIFT", action="ROLLBACK")]
    )
    native.release("web:v2")
    native.decide("CONTINUE")
    assert native.production() == {native.second: 10, native.first: 90}
    native.release("web:v3")
    assert native.where() == ("IN_PROGRESS", "RECONCILE_SERVICE")
    assert native.production() == {native.first: 100, native.second: 0}
    laptop.advance(60)
    native.decide("CONTINUE")
    assert native.production() == {native.second: 10, native.first: 90}
    assert [item[:2] for item in stage.deployments()] == [("PRIMARY", "web:3"), ("ACTIVE", "web:1")]
    assert [item["status"] for item in native.listed()] == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]
    older = native.seen(1)
    assert older["stoppedAt"] == older["finishedAt"]
    assert "rollback" not in older


def test_a_superseded_deployment_is_asked_to_stop_first(timed: Stage) -> None:
    """ "STOP_REQUESTED … A user starts a new service deployment … The state moves to STOPPED"."""
    native = Native(timed, lifecycleHooks=[pause("PRE_SCALE_UP")])
    native.release("web:v2")
    timed.advance(60)
    assert native.where() == ("IN_PROGRESS", "PRE_SCALE_UP")
    native.release("web:v3")
    assert [item["status"] for item in native.listed()][:2] == ["PENDING", "STOP_REQUESTED"]
    timed.advance(60)
    assert [item["status"] for item in native.listed()][:2] == ["IN_PROGRESS", "STOPPED"]
    assert native.seen(1)["lifecycleHookDetails"][0]["status"] == "FAILED"


def test_rolling_becomes_blue_green_in_place(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Migrate from rolling update": first the load balancers, then the strategy; the next one
    shifts.
    """
    native = Native(stage, settle=False, bakeTimeInMinutes=1)
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.update(loadBalancers=native.pair())
    laptop.advance(60)
    stage.update(deploymentConfiguration=native.wanted)
    native.release("web:v2")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    laptop.advance(120)
    assert native.where()[0] == "SUCCESSFUL"
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]


def test_codedeploys_service_shifts_by_itself(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Migrate CodeDeploy blue/green deployments": controller, pair, strategy and a task definition
    in one call; the pair is new to the service, so the rule says where the tasks come to.
    """
    native = Native(stage, settle=False, bakeTimeInMinutes=1)
    stage.service(deploymentController={"type": "CODE_DEPLOY"}, loadBalancers=stage.behind(stage.blue))
    native.release(
        "web:v2",
        deploymentController={"type": "ECS"},
        loadBalancers=native.pair(),
        deploymentConfiguration=native.wanted,
    )
    assert native.where() == ("IN_PROGRESS", "BAKE_TIME")
    assert native.production() == {stage.green: 100, stage.blue: 0}
    native.stop()
    laptop.advance(60)
    assert native.where()[0] == "ROLLBACK_SUCCESSFUL"
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    assert native.production() == {stage.blue: 100, stage.green: 0}


def test_the_counts_of_both_revisions(laptop: Laptop, stage: Stage) -> None:
    """ServiceRevisionSummary: what is asked for, what runs, and the shares of the traffic."""
    native = Native(stage, lifecycleHooks=[pause("PRE_SCALE_UP"), pause("POST_TEST_TRAFFIC_SHIFT")])
    native.release()

    def counts() -> list[tuple[int, int, float, float]]:
        seen = native.seen()
        return [
            (
                one["requestedTaskCount"],
                one["runningTaskCount"],
                one["requestedTestTrafficWeight"],
                one["requestedProductionTrafficWeight"],
            )
            for one in (*seen["sourceServiceRevisions"], seen["targetServiceRevision"])
        ]

    assert counts() == [(2, 2, 0.0, 100.0), (0, 0, 0.0, 0.0)]
    native.decide("CONTINUE")
    assert counts() == [(2, 2, 0.0, 100.0), (2, 2, 100.0, 0.0)]
    native.decide("CONTINUE")
    assert counts() == [(2, 2, 0.0, 0.0), (2, 2, 100.0, 100.0)]
    laptop.advance(2 * HOUR)
    assert counts() == [(0, 0, 0.0, 0.0), (2, 2, 100.0, 100.0)]


def test_deployments_are_listed_newest_first(laptop: Laptop, stage: Stage) -> None:
    """ListServiceDeployments: filters by status and time; a page stays what it is while a newer deployment comes."""
    native = Native(stage, bakeTimeInMinutes=0)
    for number in (2, 3):
        native.release(f"web:v{number}")
        laptop.advance(HOUR)
    arns = [item["serviceDeploymentArn"] for item in native.listed()]
    assert len(arns) == 3
    page = stage.ecs.list_service_deployments(cluster="demo", service="web", maxResults=2)
    assert [item["serviceDeploymentArn"] for item in page["serviceDeployments"]] == arns[:2]
    native.wanted["lifecycleHooks"] = [pause("PRE_SCALE_UP")]
    stage.update(deploymentConfiguration=native.wanted)
    newest = native.release("web:v4")["serviceDeploymentArn"]
    rest = native.listed(nextToken=page["nextToken"])
    assert [item["serviceDeploymentArn"] for item in rest] == arns[2:]
    assert [item["serviceDeploymentArn"] for item in native.listed(status=["IN_PROGRESS"])] == [newest]
    since = native.listed()[1]["createdAt"]
    assert [item["serviceDeploymentArn"] for item in native.listed(createdAt={"after": since})] == [newest, arns[0]]
    assert [item["serviceDeploymentArn"] for item in native.listed(createdAt={"before": since})] == arns
