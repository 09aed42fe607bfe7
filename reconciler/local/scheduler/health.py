"""When the scheduler counts a task as healthy, and when it gives one up.

ECS developer guide, "How Amazon ECS determines task health": running, healthy in every target group it is registered
with, and healthy by its own containers' checks. A task without any of these must simply have run for a while.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs.state import Service, Task
from reconciler.local.ports import TargetState
from reconciler.local.scheduler import registration
from reconciler.local.world import World


def healthy(world: World, task: Task) -> bool:
    if task.last_status != "RUNNING" or not task.wanted or task.started_at is None:
        return False
    checked = [item for item in task.containers if item.checked and item.essential]
    if any(item.health != "HEALTHY" for item in checked):
        return False
    targets = target_states(world, task)
    if targets:
        return all(state is not None and state.state == "healthy" for _, state in targets)
    return bool(checked) or world.now >= task.started_at + timedelta(seconds=world.timings.steady_after)


def target_states(world: World, task: Task) -> list[tuple[str, TargetState | None]]:
    """Group by group, what the load balancer thinks of the task."""
    if task.interface is None:
        return []
    found = []
    for group, port in task.registered:
        address = registration.address_in(world, task, group)
        states = (one for one in world.probe.states(group) if (one.target.id, one.target.port) == (address, port))
        found.append((group, next(states, None)))
    return found


def given_up(world: World, service: Service, task: Task) -> tuple[str, str] | None:
    """The target group in which the task is unhealthy, and why, once its grace period is over."""
    if task.last_status != "RUNNING" or task.started_at is None:
        return None
    if world.now < task.started_at + timedelta(seconds=service.grace_seconds or 0):
        return None
    for group, state in target_states(world, task):
        if state is not None and state.state == "unhealthy":
            return group, state.description or "Health checks failed"
    return None


def task_health(task: Task) -> str:
    """DescribeTasks, `healthStatus`: what the essential containers' own checks say."""
    checked = [item.health for item in task.containers if item.checked and item.essential]
    if not checked:
        return "UNKNOWN"
    if "UNHEALTHY" in checked:
        return "UNHEALTHY"
    return "HEALTHY" if all(health == "HEALTHY" for health in checked) else "UNKNOWN"
