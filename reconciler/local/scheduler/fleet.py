"""The tasks of one deployment: started, counted, stopped, and what their failures mean for the next start."""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs.launch import hosted
from reconciler.local.ecs.state import Cluster, Deployment, Launch, Service, Task
from reconciler.local.faults import FaultKind
from reconciler.local.scheduler import events, health, tasks
from reconciler.local.world import World

TROUBLESHOOTING = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
NO_CAPACITY = (
    "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a "
    f"different availability zone. {TROUBLESHOOTING}"
)
NO_INSTANCES = (
    "was unable to place a task because no container instance met all of its requirements. Reason: No Container "
    f"Instances were found in your cluster. {TROUBLESHOOTING}"
)
STRUGGLING = f"is unable to consistently start tasks successfully. {TROUBLESHOOTING}"
TAKEN_AWAY: dict[FaultKind, tuple[str, str]] = {
    "spot_interruption": ("SpotInterruption", "Your Spot Task was interrupted."),
    "retirement": ("TerminationNotice", "The task was stopped for Fargate task maintenance."),
}
STRUGGLES_AFTER = 5
"""Failures in a row before the event says so; AWS publishes no number."""


def observe(world: World, service: Service) -> None:
    """Note what has become of the tasks since the last look: health gained, tasks to give up, ends not yet counted."""
    for deployment in service.deployments:
        for task in list(deployment.tasks):
            _take_away(world, service, task)
            if not task.was_healthy and health.healthy(world, task):
                _gained_health(world, service, deployment, task)
            if given_up := health.given_up(world, service, task):
                events.unhealthy(world, service, deployment, task, *given_up)
                reason = f"Task failed ELB health checks in (target-group {given_up[0]})"
                task.unhealthy |= task.wanted
                stop(world, service, deployment, [task], reason)
            if not task.wanted and not task.counted:
                task.counted = True
                _count_end(world, service, deployment, task)


def _take_away(world: World, service: Service, task: Task) -> None:
    """AWS stops a running task for reasons of its own, as far as faults on demand go; its targets drain first."""
    if not (task.wanted and task.running):
        return
    names = tuple(filter(None, (service.name, task.definition.family)))
    images = tuple(item.image for item in task.containers)
    for kind, (code, reason) in TAKEN_AWAY.items():
        if world.faults.for_task(kind, names, images, task.provider):
            tasks.stop(world, task, code, reason)
            return


def _gained_health(world: World, service: Service, deployment: Deployment, task: Task) -> None:
    task.was_healthy = True
    deployment.failures, deployment.hold_until, deployment.complained = 0, None, ""
    if service.configuration["deploymentCircuitBreaker"].get("resetOnHealthyTask", True):
        deployment.breaker = 0
    if task.registered:
        events.registered(world, service, deployment, [task])


def _count_end(world: World, service: Service, deployment: Deployment, task: Task) -> None:
    """A task that never became healthy is a failure, and so is one that fell over as soon as it ran."""
    crashed = task.stop_code in ("TaskFailedToStart", "EssentialContainerExited")
    short = timedelta(seconds=world.timings.retry_first)
    brief = task.started_at is not None and task.stopping_at is not None and task.stopping_at - task.started_at < short
    if not (crashed or task.unhealthy) or (task.was_healthy and not brief):
        return
    deployment.failed_tasks += 1
    deployment.breaker += 1
    hold(world, service, deployment)
    if deployment.failures >= STRUGGLES_AFTER and events.complain(world, service, deployment, STRUGGLING):
        events.service_action(world, service, "SERVICE_TASK_START_IMPAIRED")


def hold(world: World, service: Service, deployment: Deployment) -> None:
    """The next start waits: twice as long with every failure in a row, up to a quarter of an hour."""
    deployment.failures += 1
    seconds = min(world.timings.retry_most, world.timings.retry_first * 2 ** min(deployment.failures - 1, 20))
    deployment.hold_until = world.now + timedelta(seconds=seconds)
    world.touch_after(seconds, service)


def start(world: World, service: Service, deployment: Deployment, count: int) -> None:
    if count <= 0 or (deployment.hold_until and world.now < deployment.hold_until):
        return
    cluster = world.ecs.clusters[service.cluster]
    if not hosted(deployment.launch):
        if events.complain(world, service, deployment, NO_INSTANCES):
            events.service_action(world, service, "SERVICE_TASK_PLACEMENT_FAILURE")
        return
    made = []
    for _ in range(count):
        if not room(world, service.name, deployment.launch, deployment.tasks):
            if events.complain(world, service, deployment, NO_CAPACITY):
                events.service_action(world, service, "SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:FARGATE")
            deployment.failed_tasks += 1  # API reference, Deployment: "can't launch the task"
            deployment.breaker += 1
            hold(world, service, deployment)
            break
        made.append(_create(world, cluster, service, deployment))
    if made:
        events.started(world, service, deployment, made)


def room(world: World, name: str, launch: Launch, placed: list[Task]) -> bool:
    """Whether Fargate has capacity for one more task, as far as faults on demand go."""
    family = launch.task_definition.rpartition("/")[2].partition(":")[0]
    revisions = world.ecs.definitions[family]
    images = tuple(
        item["image"]
        for one in revisions
        if one.arn == launch.task_definition
        for item in one.body["containerDefinitions"]
    )
    names, where = tuple(filter(None, (name, family))), provider(launch, placed)
    return world.faults.for_task("no_capacity", names, images, where) is None


def _create(world: World, cluster: Cluster, service: Service, deployment: Deployment) -> Task:
    launch = deployment.launch
    family = launch.task_definition.rpartition("/")[2].partition(":")[0]
    definition = next(item for item in world.ecs.definitions[family] if item.arn == launch.task_definition)
    task_tags: dict[str, str] = {}
    if service.propagate_tags == "TASK_DEFINITION":
        task_tags.update(definition.tags)
    if service.propagate_tags == "SERVICE":
        task_tags.update(service.tags)
        task_tags.update(deployment.task_set.tags if deployment.task_set else {})
    if service.managed_tags:
        task_tags.update({"aws:ecs:clusterName": cluster.name, "aws:ecs:serviceName": service.name})
    task = tasks.create(
        world,
        cluster,
        definition,
        launch,
        group=f"service:{service.name}",
        started_by=deployment.id,
        service=service.key,
        deployment=deployment,
        tags=task_tags,
        execute_command=service.execute_command,
        provider=provider(launch, deployment.tasks),
    )
    deployment.tasks.append(task)
    return task


def provider(launch: Launch, placed: list[Task]) -> str:
    """The capacity provider of the next task: the base first, then the one that is furthest behind its weight."""
    live = [task.provider for task in placed if task.wanted]
    for item in launch.strategy:
        if live.count(item["capacityProvider"]) < item["base"]:
            return str(item["capacityProvider"])
    weighted = [item for item in launch.strategy if item["weight"] > 0] or list(launch.strategy)
    if not weighted:
        return ""

    def behind(item: dict[str, int | str]) -> float:
        over_base = max(0, live.count(str(item["capacityProvider"])) - int(item["base"]))
        return over_base / max(1, int(item["weight"]))

    return str(min(weighted, key=behind)["capacityProvider"])


def stop(world: World, service: Service, deployment: Deployment, chosen: list[Task], reason: str) -> None:
    """The scheduler stops tasks; those that serve are drained first."""
    chosen = [task for task in chosen if task.wanted]
    if not chosen:
        return
    serving = [task for task in chosen if task.registered]
    running = [task for task in chosen if task.running]
    for task in chosen:
        tasks.stop(world, task, "ServiceSchedulerInitiated", reason)
    if serving:
        events.draining(world, service, deployment, serving)
    if running:
        events.stopped(world, service, deployment, running)


def scaling(deployment: Deployment) -> str:
    return f"Scaling activity initiated by (deployment {deployment.id})"


def keep(world: World, service: Service, deployment: Deployment, desired: int) -> None:
    """Start or stop tasks until `desired` are wanted."""
    deployment.desired = desired
    live = deployment.wanted()
    if len(live) > desired:
        surplus = [task for task in by_worth(world, live)[: len(live) - desired] if not protected(world, task)]
        stop(world, service, deployment, surplus, scaling(deployment))
    else:
        start(world, service, deployment, desired - len(live))


def by_worth(world: World, live: list[Task]) -> list[Task]:
    """Least missed first: not yet running, then unhealthy, then the youngest; protected ones last."""

    def worth(task: Task) -> tuple[bool, bool, bool, float]:
        return protected(world, task), task.running, health.healthy(world, task), -task.created_at.timestamp()

    return sorted(live, key=worth)


def protected(world: World, task: Task) -> bool:
    """Whether neither scaling in nor a deployment may stop it (ECS developer guide, "Task scale-in protection")."""
    return task.protected_until is not None and task.protected_until > world.now


def all_healthy(world: World, deployment: Deployment, desired: int) -> bool:
    """Exactly `desired` tasks run, all of them healthy, and none is on its way up or down."""
    up = [task for task in deployment.tasks if task.last_status not in ("STOPPED", "DEPROVISIONING")]
    return len(up) == desired and all(health.healthy(world, task) for task in up)
