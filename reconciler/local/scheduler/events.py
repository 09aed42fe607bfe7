"""Service events, in the words of the ECS developer guide, "Viewing service event messages"."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.local.ecs.state import Deployment, Service, Task
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


def complain(world: World, service: Service, deployment: Deployment, text: str) -> None:
    """Say once why it does not get on; AWS suppresses the repetitions."""
    if deployment.complained != text:
        deployment.complained = text
        add(world, service, text, deployment)
