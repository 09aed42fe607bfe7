"""A scheduled task's last run and its next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.output.scheduled_text import scheduled_document, scheduled_text
from reconciler.cli.output.terminal import Look
from reconciler.model.resource import Address
from reconciler.queries.scheduled_runs import ScheduledRun, ScheduledTask, scheduled_task

NOW = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
CLUSTER = "arn:aws:ecs:us-west-2:123456789012:cluster/main"
SETTINGS = {"Target": {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:…:task-definition/report"}}}


def asked(tasks: dict[str, list[dict[str, Any]]], **spec: Any) -> ScheduledTask:
    """What the query returns, its calls answered from `tasks` by desired status."""
    fields = {"expression": "cron(0 3 * * ? *)", "time_zone": None, "enabled": None, **spec}
    found: Any = SimpleNamespace(
        address=Address("schedule", "report"), spec=SimpleNamespace(**fields), facts={"settings": SETTINGS}
    )
    query, answer = scheduled_task(found, NOW), None
    every = [task for several in tasks.values() for task in several]
    while True:
        try:
            call = query.send(answer)
        except StopIteration as ended:
            result: ScheduledTask = ended.value
            return result
        if call.operation == "ListTasks":
            assert (call.params["cluster"], call.params["family"]) == (CLUSTER, "report")
            answer = {"taskArns": [one["taskArn"] for one in tasks.get(call.params["desiredStatus"], [])]}
        else:
            answer = {"tasks": every}


def task(id: str, minutes: int, status: str = "STOPPED", **more: Any) -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes)
    return {"taskArn": f"arn:…/{id}", "createdAt": at, "startedAt": at, "lastStatus": status, "containers": [], **more}


def test_the_newest_run_is_shown_with_its_outcome() -> None:
    """By its exit code, or by why it was stopped."""
    good, bad = [{"exitCode": 0}], [{"exitCode": 0}, {"exitCode": 3}]
    old = task("aaaaaaaaaaaa", 50, containers=good)
    assert asked({"STOPPED": [old]}).last == ScheduledRun("aaaaaaaa", old["startedAt"], "succeeded")
    new = task("bbbbbbbbbbbb", 5, containers=bad)
    assert asked({"STOPPED": [new, old]}).last == ScheduledRun("bbbbbbbb", new["startedAt"], "failed", "exit 3")
    runs = task("cccccccccccc", 1, "RUNNING")
    assert asked({"RUNNING": [runs], "STOPPED": [new]}).last == ScheduledRun("cccccccc", runs["startedAt"], "running")
    lost = task("dddddddddddd", 1, stoppedReason="Task failed to start", containers=[{}])
    assert asked({"STOPPED": [lost]}).last == ScheduledRun(
        "dddddddd", lost["startedAt"], "failed", "Task failed to start"
    )
    assert asked({}).last is None


@pytest.mark.parametrize(
    ("spec", "due"),
    [
        ({}, datetime(2026, 1, 2, 3, 0, tzinfo=UTC)),
        ({"time_zone": "Asia/Tokyo"}, datetime(2026, 1, 1, 18, 0, tzinfo=UTC)),
        ({"enabled": False}, None),
        ({"expression": "rate(1 hour)"}, None),
        ({"expression": "at(2026-01-01T13:00:00)"}, datetime(2026, 1, 1, 13, 0, tzinfo=UTC)),
    ],
)
def test_the_next_run_is_shown_where_the_expression_tells(spec: dict[str, Any], due: datetime | None) -> None:
    """In UTC, whatever its time zone."""
    assert asked({}, **spec).next_at == due


def test_a_scheduled_task_is_one_line_and_one_document() -> None:
    """With the last run, its outcome and the next run."""
    run = task("bbbbbbbbbbbb", 5, containers=[{"exitCode": 3}])
    found = asked({"STOPPED": [run]})
    assert scheduled_text(found, Look()) == (
        "schedule/report   ✖ failed (task bbbbbbbb): exit 3   started 01 Jan 12:00 UTC   next run 02 Jan 03:00 UTC"
    )
    document = scheduled_document(found)
    assert (document["next_run"], document["last_run"]["state"]) == ("2026-01-02T03:00:00+00:00", "failed")
    assert "switched off" in scheduled_text(asked({}, enabled=False), Look())
    assert "next run by rate(1 hour)" in scheduled_text(asked({}, expression="rate(1 hour)"), Look())
