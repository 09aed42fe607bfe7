"""Scheduled tasks: what EventBridge Scheduler and rules of EventBridge start in a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.importing.inventory import ServiceFound
from reconciler.model.resource import Calls, ServiceApi
from reconciler.resources import _ecs, _gone, _tags
from reconciler.resources._schedule_fields import ScheduleSpec, read
from reconciler.resources._service_fields import ServiceSpec
from reconciler.resources.schedule import scheduler

events = ServiceApi("events")

SCHEDULE: Final = "schedule"
"""The type of what starts tasks in the cluster, whether it is a schedule or a rule."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule of EventBridge Scheduler with the tags of its group, or a rule of EventBridge with `rule`. `item` is
    what AWS answered, the target of a rule in the place of that of a schedule."""

    id: str
    name: str
    item: Mapping[str, Any]
    tags: Mapping[str, str]
    rule: bool = False

    @property
    def spec(self) -> ScheduleSpec:
        return read(self.name, self.item, None, {})

    @property
    def cluster(self) -> str:
        return str(self.item["Target"]["Arn"])

    @property
    def definition(self) -> str:
        return str(self.item["Target"]["EcsParameters"]["TaskDefinitionArn"])

    def as_service(self) -> ServiceSpec:
        """Where its tasks run, as a service says it."""
        spec = self.spec
        return ServiceSpec(
            cluster=_ecs.last(self.cluster),
            name=self.name,
            network=spec.network,
            launch_type=spec.launch_type or None,
            capacity_provider_strategy=spec.capacity_provider_strategy,
        )


def read_scheduled(clusters: Iterable[str]) -> Calls[list[Scheduled]]:
    wanted = sorted(clusters)
    return [*(yield from _schedules(wanted)), *(yield from _rules(wanted))]


def _schedules(clusters: list[str]) -> Calls[list[Scheduled]]:
    listed = (yield scheduler.list_schedules())["Schedules"]
    items = [item for item in listed if item.get("Target", {}).get("Arn") in clusters]
    answers = yield from _gone.answers(
        [scheduler.get_schedule(GroupName=item["GroupName"], Name=item["Name"]) for item in items]
    )
    items = [item for item in answers if item is not None and "EcsParameters" in item["Target"]]
    arns = [item["Arn"].rpartition("/")[0].replace(":schedule/", ":schedule-group/") for item in items]
    tags = yield from _gone.answers([scheduler.list_tags_for_resource(ResourceArn=arn) for arn in arns])
    return [
        Scheduled(item["Arn"], item["Name"], item, _tags.of_pairs((answer or {"Tags": ()})["Tags"]))
        for item, answer in zip(items, tags, strict=True)
    ]


def _rules(clusters: list[str]) -> Calls[list[Scheduled]]:
    named = yield from _gone.answers([events.list_rule_names_by_target(TargetArn=arn) for arn in clusters])
    names = sorted({name for answer in named if answer is not None for name in answer["RuleNames"]})
    rules = yield from _gone.answers([events.describe_rule(Name=name) for name in names])
    targets = yield from _gone.answers([events.list_targets_by_rule(Rule=name) for name in names])
    found = []
    for name, rule, answer in zip(names, rules, targets, strict=True):
        for target in (answer or {"Targets": ()})["Targets"] if rule is not None else ():
            if target["Arn"] in clusters and "EcsParameters" in target:
                item = {**rule, "Target": target}
                found.append(Scheduled(f"{rule['Arn']} {target['Id']}", name, item, {}, rule=True))
    return found


def scheduled_refusals(task: ServiceFound) -> Iterator[str]:
    """Why a schedule stays what it is. A rule would have to be replaced by a schedule, and one that shares its group
    moved: both would start the task twice, or not at all, for a while."""
    item, name = task.thing.item, task.name
    expression = item.get("ScheduleExpression")
    if not expression:
        yield "it is a rule of EventBridge that starts tasks for events, and a Task runs at times"
    instead = f'declare a Task with `run: {{schedule: "{expression}"}}` under another name, and delete the '
    if "GroupName" not in item:
        yield (
            "it is a rule of EventBridge, and goes on as it is. A Task is started by EventBridge Scheduler: "
            f"to move it, {instead}rule"
        )
    elif item["GroupName"] != name:
        yield (
            f"it is in the group {item['GroupName']}, and goes on as it is. A Task's schedule has a group of its own, "
            f"of its name: to move it, {instead}schedule"
        )
    elif task.definition is not None and task.definition.family != name:
        yield (
            f"it starts tasks of the family {task.definition.family}, and goes on as it is. The family of a Task has "
            f"the name of its schedule: to move it, {instead}schedule"
        )
