"""Scheduled tasks: the last run of each that ECS still knows, and the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.model.resource import Address, Calls, Observed, ServiceApi
from reconciler.model.schedules import next_time
from reconciler.store.task_stops import TaskStop

ecs = ServiceApi("ecs")


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """`state` is `running`, `succeeded` or `failed`; `because` is how it ended. `at` is when it began, or `ended`."""

    task: str
    at: datetime | None
    state: str
    because: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """`next_at` is None if it is switched off, or its expression does not tell. `last` is None if ECS knows of no run:
    it forgets stopped tasks within the hour.
    """

    address: Address
    expression: str
    time_zone: str
    enabled: bool
    next_at: datetime | None
    last: ScheduledRun | None


def scheduled_task(found: Observed[Any], now: datetime) -> Calls[ScheduledTask]:
    """Raises `errors.AwsError`."""
    spec, settings = found.spec, found.facts.get("settings") or {}
    enabled, zone = spec.enabled is not False, spec.time_zone or "UTC"
    last = yield from _last(settings.get("Target") or {})
    due = next_time(spec.expression, zone, now) if enabled else None
    return ScheduledTask(found.address, spec.expression, zone, enabled, due, last)


def _last(target: Mapping[str, Any]) -> Calls[ScheduledRun | None]:
    definition = (target.get("EcsParameters") or {}).get("TaskDefinitionArn", "")
    family = definition.rpartition("/")[2].partition(":")[0]
    if not family:
        return None
    arns: list[str] = []
    for status in ("RUNNING", "STOPPED"):
        answer = yield ecs.list_tasks(cluster=target["Arn"], family=family, desiredStatus=status)
        arns += answer["taskArns"]
    if not arns:
        return None
    answer = yield ecs.describe_tasks(cluster=target["Arn"], tasks=arns[:100])
    tasks = sorted(answer["tasks"], key=lambda task: str(task.get("createdAt", "")))
    return _run(tasks[-1]) if tasks else None


def _run(task: Mapping[str, Any]) -> ScheduledRun:
    id, at = task["taskArn"].rpartition("/")[2][:8], task.get("startedAt") or task.get("createdAt")
    if task["lastStatus"] != "STOPPED":
        return ScheduledRun(id, at, "running")
    codes = [one.get("exitCode") for one in task.get("containers", ())]
    if codes and all(code == 0 for code in codes):
        return ScheduledRun(id, at, "succeeded")
    code = next((code for code in codes if code), None)
    ended = f"exit {code}" if code is not None else ""
    return ScheduledRun(id, at, "failed", ended or task.get("stoppedReason", ""))


def kept_run(stop: TaskStop) -> ScheduledRun:
    """The last run, as it is kept after ECS has forgotten it; `at` is when it ended."""
    state = "succeeded" if stop.succeeded else "failed"
    return ScheduledRun(stop.task[:8], stop.at, state, "" if stop.succeeded else _ended(stop), ended=True)


def _ended(stop: TaskStop) -> str:
    return f"exit {stop.exit_code}" if stop.exit_code is not None else stop.reason
