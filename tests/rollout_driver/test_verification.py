"""Verification in production: a version that answers with errors is rolled back by what its responses show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.ports import Forward, Traffic
from reconciler.rollout.stored_state import Outcome
from tests.harness.emulated_stack import SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED

REQUESTS = 600
"""In each minute, to production."""
TERMS = {**SHORT, "promote_after": timedelta(minutes=1), "verify_for": timedelta(minutes=10)}


def requests(stage: EmulatedStack, failing: dict[str, int]) -> Iterator[Traffic]:
    """A minute of production traffic, by the weights; of each hundred responses of a version so many are errors."""
    tasks = stage.laptop.aws.world.ecs.tasks.values()
    digests = {stage.digest(tag): share for tag, share in failing.items()}
    (listener,) = (one for one in stage.laptop.listeners.table if one.port == 80)
    action = listener.routes[-1].action
    assert isinstance(action, Forward)
    whole = sum(group.weight for group in action.groups)
    for group in action.groups:
        count = REQUESTS * group.weight // whole
        here = [task for task in tasks if any(arn == group.group_arn for arn, _ in task.registered) and task.running]
        share = max((digests.get(task.containers[0].image_digest, 0) for task in here), default=0)
        for status, times in ((500, count * share // 100), (200, count - count * share // 100)):
            if times:
                yield Traffic(listener.listener_arn, group.group_arn, status, "target", times, 0.05)


def serving(stage: EmulatedStack, failing: dict[str, int]) -> None:
    """v1 serves, with traffic."""
    stage.serving()
    stage.laptop.listeners.requests = lambda: tuple(requests(stage, failing))
    stage.laptop.advance(120)


def balanced(stage: EmulatedStack) -> list[dict[str, str]]:
    """The dimensions of the production load balancer's metrics."""
    (balancer,) = stage.laptop.client("elbv2").describe_load_balancers()["LoadBalancers"]
    return [{"Name": "LoadBalancer", "Value": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]}]


def outcome(stage: EmulatedStack) -> tuple[Outcome, str, str]:
    """How the rollout of v2 ended, in which phase, and why."""
    assert stage.last.seen is not None
    result = stage.last.seen.marks.ended
    assert result is not None
    return result.outcome, result.phase, result.why


@pytest.mark.parametrize(
    ("failing", "phase"),
    [
        ({"v2": 10}, "verifying"),
        pytest.param({"v2": 1}, "", marks=pytest.mark.slow),
        pytest.param({"v1": 50, "v2": 0}, "", marks=pytest.mark.slow),
    ],
    ids=["above the limit", "below it", "of the other version"],
)
def test_a_version_whose_responses_are_5xx_is_rolled_back(failing: dict[str, int], phase: str) -> None:
    """`max_5xx` counts the responses of the new version's target group only."""
    with emulated_stack(terms={**TERMS, "max_5xx": 5.0}) as stage:
        serving(stage, failing)
        stage.spec(v1="v2")
        stage.apply(has_ended)
        found = outcome(stage)
        assert (found[0] is Outcome.ROLLED_BACK, found[1] if phase else "") == (bool(phase), phase)
        if phase:
            assert "5xx" in found[2]
            assert sorted(stage.weights(80).values()) == [0, 100]


def errors(stage: EmulatedStack) -> dict[str, Any]:
    return {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_Target_5XX_Count",
        "Dimensions": balanced(stage),
        "Statistic": "Sum",
        "Period": 60,
    }


def rate(stage: EmulatedStack) -> list[dict[str, Any]]:
    """The percentage of errors, as metric math."""
    metrics = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": balanced(stage)},
                "Stat": "Sum",
                "Period": 60,
            },
            "ReturnData": False,
        }
        for name, metric in (("bad", "HTTPCode_Target_5XX_Count"), ("requests", "RequestCount"))
    ]
    return [*metrics, {"Id": "rate", "Expression": "100 * FILL(bad, 0) / requests"}]


@pytest.mark.slow
@pytest.mark.parametrize("math", [False, True], ids=["metric", "metric math"])
@pytest.mark.parametrize(("share", "ends"), [(50, Outcome.ROLLED_BACK), (1, Outcome.PROMOTED)])
def test_an_alarm_over_the_responses_rolls_back(math: bool, share: int, ends: Outcome) -> None:
    """An alarm of the strategy fires by itself, from what the load balancer has counted."""
    with emulated_stack(terms={**TERMS, "alarms": ("errors",)}) as stage:
        serving(stage, {"v2": share})
        stage.laptop.client("cloudwatch").put_metric_alarm(
            AlarmName="errors",
            EvaluationPeriods=2,
            Threshold=10,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            **({"Metrics": rate(stage)} if math else errors(stage)),
        )
        stage.spec(v1="v2")
        stage.apply(has_ended)
        assert outcome(stage)[0] is ends
        if ends is Outcome.ROLLED_BACK:
            assert "errors" in outcome(stage)[2]


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[EmulatedStack]:
    """v1 serves, by a rolling deployment: with two target groups no service can follow its requests."""
    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    file = specs / "services" / "frontend.yaml"
    text = re.sub(r"deployment: .*\n", "scaling: {min: 1, max: 8, requests: 100}\n", file.read_text(encoding="utf-8"))
    file.write_text(re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text), encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=specs) as stage:
        serving(stage, {})
        yield stage


def test_a_service_scales_out_under_load_and_in_again(tracked: EmulatedStack) -> None:
    """The policy that the specs declare: 600 requests a minute are six targets of 100, and without any, one is left."""
    tracked.laptop.advance(120)
    assert (tracked.service()["desiredCount"], tracked.service()["runningCount"]) == (6, 6)
    tracked.laptop.listeners.requests = lambda: ()
    tracked.laptop.advance(14 * 60)
    assert tracked.service()["desiredCount"] == 6
    tracked.laptop.advance(3 * 60)
    assert (tracked.service()["desiredCount"], tracked.service()["runningCount"]) == (1, 1)


@pytest.mark.parametrize("tag", ["v1", "v2"])
def test_a_rollout_keeps_what_was_scaled(tracked: EmulatedStack, tag: str) -> None:
    """The desired count is the autoscaler's: neither a pass nor a new version goes back to that of the specs."""
    tracked.laptop.advance(120)
    if tag != "v1":
        tracked.spec(v1=tag)
    tracked.apply(has_ended)
    assert tracked.service()["desiredCount"] == 6
