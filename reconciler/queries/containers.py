"""Containers that are not essential and have failed in every task: the tasks run on, so that nothing else shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from reconciler.model.resource import Address, Calls, Desired, ServiceApi

ecs = ServiceApi("ecs")

AT_ONCE: Final = 100
"""Tasks that DescribeTasks takes in one call; a sample of a larger service is enough."""


def optional_containers(desired: Iterable[Desired[Any]], definition: Address) -> frozenset[str]:
    """The containers of a task definition that are not essential."""
    found = next((want for want in desired if want.address == definition), None)
    containers = {} if found is None else found.spec.containers
    return frozenset(name for name, one in containers.items() if not one.essential)


def failed_containers(cluster: str, service: str, optional: Collection[str]) -> Calls[tuple[str, ...]]:
    """A phrase for each of the `optional` containers that has failed in every running task of the service.

    One that ended with exit code 0 has done its work. Two calls, and none without `optional`.
    """
    if not optional:
        return ()
    arns = (yield ecs.list_tasks(cluster=cluster, serviceName=service))["taskArns"][:AT_ONCE]
    if not arns:
        return ()
    tasks = (yield ecs.describe_tasks(cluster=cluster, tasks=arns))["tasks"]
    running = [{one["name"]: one for one in task["containers"]} for task in tasks if task["lastStatus"] == "RUNNING"]
    return tuple(
        f"container {name} is not essential and has failed in every task{_reason(running[-1][name])}"
        for name in sorted(optional)
        if running and all(_failed(containers.get(name)) for containers in running)
    )


def _failed(container: Mapping[str, Any] | None) -> bool:
    return container is not None and container.get("lastStatus") == "STOPPED" and container.get("exitCode") != 0


def _reason(container: Mapping[str, Any]) -> str:
    code, reason = container.get("exitCode"), container.get("reason")
    parts = [*([] if code is None else [f"exit code {code}"]), *([reason] if reason else [])]
    return f" ({', '.join(parts)})" if parts else ""
