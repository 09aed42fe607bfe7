"""Autoscaling by any metric, by what waits in a queue, and by the time of the week."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.resource import Address
from reconciler.resources.scaling import ScheduledAction
from tests.spec import folder
from tests.spec.test_start import compiled

CLUSTER = "{{kind: Cluster, name: my-app-cluster, container_insights: enabled}}\n---\n"
SERVICE = CLUSTER + "kind: Service\nname: my-app-frontend\nscaling: {{min: 1, max: 4, {}}}\n"


def scaling(text: str) -> Any:
    return compiled(SERVICE.format(text))[Address("scaling", "my-app-frontend")].spec


def test_a_period_sets_its_limits_and_takes_them_back() -> None:
    """One that ends the next day ends on the days after; one of every day needs no list."""
    found = scaling(
        "periods: {night: {days: [fri, sat], from: '20:30', to: '07:00', time_zone: Asia/Tokyo, min: 0, max: 1}, "
        "lunch: {from: '12:00', to: '13:00', min: 2, max: 8}}"
    )
    assert found.actions == {
        "reconciler-night-begins": ScheduledAction(
            schedule="cron(30 20 ? * FRI,SAT *)", time_zone="Asia/Tokyo", min=0, max=1
        ),
        "reconciler-night-ends": ScheduledAction(
            schedule="cron(0 7 ? * SAT,SUN *)", time_zone="Asia/Tokyo", min=1, max=4
        ),
        "reconciler-lunch-begins": ScheduledAction(schedule="cron(0 12 * * ? *)", min=2, max=8),
        "reconciler-lunch-ends": ScheduledAction(schedule="cron(0 13 * * ? *)", min=1, max=4),
    }


def test_a_backlog_is_shared_by_the_running_tasks() -> None:
    (policy,) = scaling("backlog: {queue: jobs.fifo, per_task: 50}").policies.values()
    assert (policy.metric, policy.target) == ("CustomizedMetric", 50.0)
    assert policy.queries["metric"].dimensions == {"QueueName": "jobs.fifo"}
    assert policy.queries["tasks"].dimensions == {"ClusterName": "my-app-cluster", "ServiceName": "my-app-frontend"}
    assert [name for name, query in policy.queries.items() if query.returned] == ["share"]


def test_any_metric_is_kept_at_its_target() -> None:
    text = "metrics: {lag: {namespace: My/App, name: Lag, dimensions: {Topic: t}, statistic: Maximum, target: 2.5}}"
    found = scaling(text).policies
    assert list(found) == ["my-app-frontend-lag"]
    (query,) = found["my-app-frontend-lag"].queries.values()
    assert (query.namespace, query.metric, query.statistic, query.returned) == ("My/App", "Lag", "Maximum", True)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("periods: {night: {from: '20:00', to: '20:00', min: 0, max: 0}}", ["E6012"]),
        ("periods: {night: {from: '20:00', to: '21:00', min: 2, max: 1}}", ["E5009"]),
        ("periods: {night: {from: '20:00', to: '21:00', max: 1}}", ["E1103"]),
        ("periods: {night: {from: '20:00', to: '21:00', min: 0, max: 0, time_zone: Europe/Berlinn}}", ["E5019"]),
        (
            "periods: {a: {from: '20:00', to: '21:00', min: 0, max: 0}, "
            "b: {from: '20:00', to: '22:00', min: 1, max: 1}}",
            ["E1112"],
        ),
        ("metrics: {cpu: {namespace: A, name: B, target: 1}}", ["E1112"]),
        ("metrics: {lag: {namespace: A, name: B, target: 0}}", ["E1106"]),
        ("backlog: {queue: jobs, per_task: 0}", ["E1106"]),
    ],
)
def test_what_application_auto_scaling_would_refuse_is_refused(text: str, rules: list[str]) -> None:
    """At its place, before anything is written."""
    assert [found.rule for found in folder.lay(SERVICE.format(text)).diagnostics] == rules
