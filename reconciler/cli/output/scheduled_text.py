"""Scheduled tasks as text and as JSON: the last run, its outcome, and the next run."""

from __future__ import annotations

from typing import Any

from reconciler.cli.output.terminal import Look
from reconciler.queries.scheduled_runs import ScheduledTask

SIGNS = {"failed": ("bad", "red"), "running": ("roll", "cyan"), "succeeded": ("ok", "green")}


def scheduled_text(task: ScheduledTask, look: Look) -> str:
    """`schedule/report   ✔ succeeded (task 9f2c1e00)   started 01 Jan 03:00 UTC   next run 02 Jan 03:00 UTC`"""
    parts = [(str(task.address), "bold")]
    if task.last is None:
        parts.append((f"{look.sign('wait')} no run within the last hour, after which ECS forgets tasks", ""))
    else:
        sign, color = SIGNS[task.last.state]
        because = f": {task.last.because}" if task.last.because else ""
        parts.append((f"{look.sign(sign)} {task.last.state} (task {task.last.task}){because}", color))
        if task.last.at is not None:
            parts.append((f"{'ended' if task.last.ended else 'started'} {task.last.at:%d %b %H:%M} UTC", ""))
    zone = "" if task.time_zone == "UTC" else f" {task.time_zone}"
    if not task.enabled:
        parts.append((f"switched off, {task.expression}{zone}", "yellow"))
    elif task.next_at is None:
        parts.append((f"next run by {task.expression}{zone}", ""))
    else:
        parts.append((f"next run {task.next_at:%d %b %H:%M} UTC", ""))
    return look.flow(parts)


def scheduled_document(task: ScheduledTask) -> dict[str, Any]:
    last = task.last
    return {
        "address": str(task.address),
        "schedule": task.expression,
        "time_zone": task.time_zone,
        "enabled": task.enabled,
        "next_run": None if task.next_at is None else task.next_at.isoformat(),
        "last_run": None
        if last is None
        else {
            "task": last.task,
            "at": None if last.at is None else last.at.isoformat(),
            "state": last.state,
            "because": last.because or None,
        },
    }
