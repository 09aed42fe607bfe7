"""Where and as what the tasks of a service run: the revision, network and capacity of the version that serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.model.resource import Calls, ServiceApi
from reconciler.queries.task_runs import TaskSubject
from reconciler.queries.versions import ServiceState
from reconciler.resources.task_definition import TaskDefinitionSpec, read_spec
from reconciler.rollout.describe import revision_of

ecs = ServiceApi("ecs")


@dataclass(frozen=True, slots=True)
class Placement:
    """`definition` is the ARN of the revision, and `spec` what it declares. `members` are those of RunTask that place
    a task like those of the service.
    """

    definition: str
    spec: TaskDefinitionSpec
    members: Mapping[str, Any]

    @property
    def essential(self) -> tuple[str, ...]:
        return tuple(name for name, one in self.spec.containers.items() if one.essential)


def placement(found: ServiceState) -> Calls[Placement]:
    """That of the version in production; of the newest if there is none. Raises `errors.ReconcilerError`."""
    version = _version(found)
    definition = version.get("taskDefinition") or found.service.facts["item"].get("taskDefinition")
    if not definition:
        raise errors.ReconcilerError(f"{found.delivery.service}: no version has been deployed yet")
    answer = yield ecs.describe_task_definition(taskDefinition=definition)
    return Placement(definition, read_spec(answer), _members(version))


def scheduled_placement(subject: TaskSubject) -> Calls[Placement]:
    """As EventBridge Scheduler starts a scheduled task. Raises `errors.ReconcilerError` for any other task."""
    settings = subject.target.get("EcsParameters") or {}
    definition = settings.get("TaskDefinitionArn", "")
    if not definition:
        raise errors.ReconcilerError(f"{subject.address} is not a scheduled task")
    answer = yield ecs.describe_task_definition(taskDefinition=definition)
    members = {member: settings[name] for name, member in _OF_A_SCHEDULE.items() if settings.get(name)}
    network = (members.pop("networkConfiguration", {}) or {}).get("awsvpcConfiguration") or {}
    if network:
        inner = {f"{name[0].lower()}{name[1:]}": value for name, value in network.items()}
        members["networkConfiguration"] = {"awsvpcConfiguration": inner}
    return Placement(answer["taskDefinition"]["taskDefinitionArn"], read_spec(answer), members)


_OF_A_SCHEDULE: Final = {
    "NetworkConfiguration": "networkConfiguration",
    "PlatformVersion": "platformVersion",
    "LaunchType": "launchType",
    "CapacityProviderStrategy": "capacityProviderStrategy",
    "PlacementConstraints": "placementConstraints",
    "PlacementStrategy": "placementStrategy",
    "EnableECSManagedTags": "enableECSManagedTags",
    "EnableExecuteCommand": "enableExecuteCommand",
}


def _version(found: ServiceState) -> Mapping[str, Any]:
    """The deployment or task set, as DescribeServices has it."""
    item = found.service.facts["item"]
    every = {one["id"]: one for one in (*(item.get("deployments") or ()), *(item.get("taskSets") or ()))}
    runs = sorted(found.runs, key=lambda one: one.state != "PRIMARY")
    for one in (*found.in_production, *runs):
        if one.id in every and revision_of(every[one.id].get("taskDefinition", "")) == one.revision:
            version: Mapping[str, Any] = every[one.id]
            return version
    whole: Mapping[str, Any] = item
    return whole


def _members(version: Mapping[str, Any]) -> dict[str, Any]:
    """RunTask takes a launch type or capacity providers, not both."""
    names = ["networkConfiguration", "platformVersion"]
    names.append("capacityProviderStrategy" if version.get("capacityProviderStrategy") else "launchType")
    return {name: version[name] for name in names if version.get(name)}
