"""Scheduled tasks: what EventBridge Scheduler and rules of EventBridge start in a cluster.

They are not imported, because a Task names its schedule otherwise than people do; but what they use is not only the
services'.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.resource import Calls, ServiceApi
from reconciler.resources import _gone

events = ServiceApi("events")
scheduler = ServiceApi("scheduler")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The name of a schedule or a rule, and what it starts where, as ARNs."""

    name: str
    cluster: str
    definition: str


def read_scheduled(clusters: Iterable[str]) -> Calls[list[Scheduled]]:
    wanted = sorted(clusters)
    listed = (yield scheduler.list_schedules())["Schedules"]
    items = [item for item in listed if item.get("Target", {}).get("Arn") in wanted]
    answers = yield from _gone.answers(
        [scheduler.get_schedule(GroupName=item["GroupName"], Name=item["Name"]) for item in items]
    )
    found = [(answer["Name"], answer["Target"]) for answer in answers if answer is not None]
    named = yield from _gone.answers([events.list_rule_names_by_target(TargetArn=arn) for arn in wanted])
    rules = sorted({name for answer in named if answer is not None for name in answer["RuleNames"]})
    targets = yield from _gone.answers([events.list_targets_by_rule(Rule=name) for name in rules])
    for name, answer in zip(rules, targets, strict=True):
        found += [(name, target) for target in (answer or {"Targets": ()})["Targets"] if target["Arn"] in wanted]
    return [
        Scheduled(name, target["Arn"], target["EcsParameters"]["TaskDefinitionArn"])
        for name, target in found
        if "EcsParameters" in target
    ]
