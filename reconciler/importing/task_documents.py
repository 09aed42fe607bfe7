"""The document of a scheduled task, which EventBridge Scheduler starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.importing.capacity import capacity_fields
from reconciler.importing.inventory import ServiceFound
from reconciler.importing.tasks import seconds
from reconciler.importing.workloads import Writing, begin, last, placement_of, put_cluster, task_of
from reconciler.model import members
from reconciler.resources._schedule_fields import (
    API,
    AT_THE_VERY_MINUTE,
    MOST_RETRIES,
    OLDEST_EVENT,
    ScheduleSpec,
    read,
)
from reconciler.spec.yaml_text import Block

UTC: Final = "UTC"
_ENABLED: Final = "ENABLED"


def task_document(writing: Writing, task: ServiceFound) -> Block:
    spec = read(task.name, task.thing.item, None, {})
    parameters: Mapping[str, Any] = task.thing.item["Target"]["EcsParameters"]
    block = Block()
    block.note(f"The schedule {task.name}, which starts tasks in {last(task.cluster)}, as it was found in AWS.")
    begin(block, writing, task, "Task")
    put_cluster(block, writing, task.cluster)
    block.put("run", run_block(spec))
    _stays(block, task)
    block.put("count", spec.count if spec.count not in (None, 1) else None)
    block.put("task", task_of(writing, task))
    chosen = {
        "placementStrategy": parameters.get("PlacementStrategy"),
        "placementConstraints": parameters.get("PlacementConstraints"),
    }
    block.put("placement", placement_of(writing, task, chosen))
    capacity_fields(block, task)
    version = spec.platform_version
    block.put("platform_version", version if version not in ("", "LATEST", None) else None)
    return block


def run_block(spec: ScheduleSpec) -> dict[str, Any]:
    """The fields of `run` that differ from the defaults of the specs."""
    found: dict[str, Any] = {"schedule": spec.expression}
    found |= {"time_zone": spec.time_zone} if spec.time_zone not in ("", UTC, None) else {}
    retry: dict[str, Any] = {}
    if spec.retry_attempts not in (None, MOST_RETRIES):
        retry["attempts"] = spec.retry_attempts
    if spec.max_event_age not in (None, OLDEST_EVENT):
        retry["max_age"] = seconds(spec.max_event_age or 0)
    found |= {"retry": retry} if retry else {}
    return found | ({"dead_letter_queue": spec.dead_letter_queue} if spec.dead_letter_queue else {})


def _stays(block: Block, task: ServiceFound) -> None:
    """What the document does not state of the schedule."""
    item = task.thing.item
    if item.get("State") != _ENABLED:
        block.note("The schedule is disabled, and stays so.")
    block.note(f"It is started with the role {last(item['Target']['RoleArn'])}, which stays as it is.")
    if ":" not in last(str(item["Target"]["EcsParameters"]["TaskDefinitionArn"])):
        block.note("It names its task definition without a revision; the first apply writes the newest one into it.")
    kept = [".".join(path) for path in members.unstated(API, {}, item)]
    kept += ["FlexibleTimeWindow"] if item.get("FlexibleTimeWindow", AT_THE_VERY_MINUTE) != AT_THE_VERY_MINUTE else []
    if kept:
        block.note(f"Kept in the schedule, as it is: {', '.join(sorted(kept))}.")
