"""Service events, in the words of the ECS developer guide, "Viewing service event messages", and state changes of
tasks, services, deployments and hooks, as EventBridge delivers them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.local.ecs import show_task
from reconciler.local.ecs.state import Deployment, Hook, Params, Rollout, Service, Task
from reconciler.local.eventbridge import bus
from reconciler.local.world import World


def add(world: World, service: Service, text: str, deployment: Deployment | None = None) -> None:
    """`(service web) …`, or `(service web, taskSet ecs-svc/1) …` where a task set is meant. Newest first."""
    of_set = f", taskSet {deployment.id}" if deployment and deployment.task_set else ""
    message = f"(service {service.name}{of_set}) {text}"
    service.events.appendleft({"id": world.ids.uuid(), "createdAt": world.now, "message": message})


def started(world: World, service: Service, deployment: Deployment, tasks: Iterable[Task]) -> None:
    names = [f"(task {task.id})" for task in tasks]
    add(world, service, f"has started {len(names)} tasks: {' '.join(names)}.", deployment)


def stopped(world: World, service: Service, deployment: Deployment, tasks: Iterable[Task]) -> None:
    names = [f"(task {task.id})" for task in tasks]
    add(world, service, f"has stopped {len(names)} running tasks: {' '.join(names)}.", deployment)


def draining(world: World, service: Service, deployment: Deployment, tasks: list[Task]) -> None:
    add(world, service, f"has begun draining connections on {len(tasks)} tasks.", deployment)
    for group in dict.fromkeys(group for task in tasks for group, _ in task.registered):
        count = sum(group in [item for item, _ in task.registered] for task in tasks)
        add(world, service, f"deregistered {count} targets in (target-group {group})", deployment)


def registered(world: World, service: Service, deployment: Deployment, tasks: list[Task]) -> None:
    for group in dict.fromkeys(group for task in tasks for group, _ in task.registered):
        count = sum(group in [item for item, _ in task.registered] for task in tasks)
        add(world, service, f"registered {count} targets in (target-group {group})", deployment)


def unhealthy(world: World, service: Service, deployment: Deployment, task: Task, group: str, why: str) -> None:
    port = next((port for arn, port in task.registered if arn == group), 0)
    text = f"(task {task.id}) (port {port}) is unhealthy in (target-group {group}) due to (reason {why})."
    add(world, service, text, deployment)


def complain(world: World, service: Service, deployment: Deployment, text: str) -> bool:
    """Say once why it does not get on; AWS suppresses the repetitions. Whether it was said now."""
    if deployment.complained == text:
        return False
    deployment.complained = text
    add(world, service, text, deployment)
    return True


# ---- state changes --------------------------------------------------------------------------------------------------


SOURCE: Final = "aws.ecs"
LEVELS: Final[Mapping[str, str]] = {
    "SERVICE_STEADY_STATE": "INFO",
    "TASKSET_STEADY_STATE": "INFO",
    "SERVICE_TASK_START_IMPAIRED": "WARN",
    "SERVICE_TASK_PLACEMENT_FAILURE": "ERROR",
}


def task_changed(world: World, task: Task) -> None:
    """ECS developer guide, "Amazon ECS task state change events"."""
    bus.tell(world, SOURCE, "ECS Task State Change", [task.arn], lambda: _task(world, task))


def _task(world: World, task: Task) -> Params:
    """A task as DescribeTasks answers it, without its tags; network interfaces are attachments of the type `eni`."""
    shown = show_task.task(world, task, tags=False)
    del shown["tags"]
    attachments = [{**one, "type": "eni"} for one in shown["attachments"]]
    return {**shown, "attachments": attachments, "updatedAt": world.now}


def service_action(world: World, service: Service, name: str, **detail: Any) -> None:
    """ECS developer guide, "Amazon ECS service action events"."""
    told = {
        "eventType": LEVELS[name],
        "eventName": name,
        "clusterArn": world.arn("ecs", f"cluster/{service.cluster}"),
        **detail,
        "createdAt": world.now,
    }
    bus.tell(world, SOURCE, "ECS Service Action", [service.arn], lambda: told)


def hook_changed(world: World, service: Service, rollout: Rollout, hook: Hook) -> None:
    """ECS developer guide, "Amazon ECS service deployment hook state change events"."""
    detail = {
        "eventName": f"HOOK_{hook.status}",
        "hookId": hook.id,
        "hookType": hook.kind,
        "expiresAt": hook.expires_at,
        "lifecycleStage": hook.stage,
        "clusterArn": world.arn("ecs", f"cluster/{service.cluster}"),
        "serviceArn": service.arn,
        "serviceDeploymentArn": rollout.arn,
        "updatedAt": world.now,
    }
    _tell(world, "ECS Hook State Change", rollout.arn, detail)


def deployment_changed(world: World, service: Service, deployment: Deployment, name: str, reason: str) -> None:
    """ECS developer guide, "Amazon ECS service deployment state change events"."""
    detail = {
        "eventName": f"SERVICE_DEPLOYMENT_{name}",
        "deploymentId": deployment.id,
        "updatedAt": world.now,
        "reason": reason,
    }
    _tell(world, "ECS Deployment State Change", service.arn, detail)


def _tell(world: World, kind: str, resource: str, detail: Params) -> None:
    """The AWS emulator keeps it also for whoever asks."""
    failed = detail["eventName"].endswith(("_FAILED", "_TIMED_OUT"))
    told = bus.event(world, SOURCE, kind, [resource], {"eventType": "ERROR" if failed else "INFO", **detail})
    world.ecs.state_changes.append(told)
    bus.put(world, told)
