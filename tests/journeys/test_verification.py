"""A version that answers with errors, as a person meets it: real requests, real metrics, and a rollback by themselves.

What is verified when, and in which cases, is stated in tests/rollout_driver/test_verification.py, on simulated time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.emulator import Desk, load, local_session

SPEED = 40.0
RATE = 40.0
TERMS = {
    r"healthy_within: \w+": "healthy_within: 30m",  # a machine that is busy is given time
    r"test:\n.*\n": "",
    r"promotion: \{.*?\}.*": "promotion: {mode: auto}",
    r"verify: \{.*?\}": "verify: {for: 1m}",
    r"teardown: \{.*?\}.*": "teardown: {after: 1m}",
}


@pytest.fixture(scope="module")
def here(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """v1 serves; the two others are healthy, and every second of their responses is an error."""
    with local_session(tmp_path_factory.mktemp("verification"), speed=SPEED, terms=TERMS) as desk:
        desk.save({"path: /,": "path: /healthz,"})
        desk.typed("apply", "-y")
        desk.push("v1")
        for tag in ("v2", "v3"):
            desk.push(tag, failing=True)
        ended = desk.typed("apply", "-y", "--wait")
        assert ended.code == Exit.DONE, ended.text
        yield desk


def rolled_back(here: Desk, tag: str) -> str:
    """What `apply` says of the version, whose rollout ends where it began."""
    before = here.weights(80)
    here.version(tag)
    with load(here, rate=RATE):
        ended = here.typed("apply", "-y", "--wait")
    assert ended.code == Exit.ROLLED_BACK, ended.text
    assert here.weights(80) == before
    assert here.version_live() == "v1"
    return ended.text


@pytest.mark.slow
def test_a_share_of_5xx_rolls_back(here: Desk) -> None:
    """`verify: {max_5xx}` over what the load balancer has counted for the new version's target group."""
    here.save({r"verify: \{.*?\}": "verify: {for: 8m, max_5xx: 5%}"}, "deployment.yaml")
    assert "5xx" in rolled_back(here, "v2")


@pytest.mark.slow
def test_an_alarm_that_fires_rolls_back(here: Desk) -> None:
    """`verify: {alarms}`: nobody sets its state but the load balancer's metrics."""
    here.save({r"verify: \{.*?\}": "verify: {for: 8m, alarms: [broken]}"}, "deployment.yaml")
    balancer = here.ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
    here.ask(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName="broken",
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=[{"Name": "LoadBalancer", "Value": balancer.partition(":loadbalancer/")[2]}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    assert "broken" in rolled_back(here, "v3")
