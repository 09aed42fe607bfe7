"""One task, from PROVISIONING to STOPPED (ECS developer guide, "Task lifecycle").

    PROVISIONING ─► PENDING ─► ACTIVATING ─► RUNNING ─► DEACTIVATING ─► STOPPING ─► DEPROVISIONING ─► STOPPED
      interface      images,     targets                  targets         runner       interface
                     runner      registered               drain           ends it      goes

Whatever stops a task early enters the second half where it has something to undo: without targets there is nothing to
drain, without the runner nothing to end.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.local.ecs.state import Cluster, Container, Deployment, Launch, Params, ServiceKey, Task, TaskDefinition
from reconciler.local.network import AddressesExhausted
from reconciler.local.scheduler import environment, events, registration
from reconciler.local.world import World

ESSENTIAL_EXIT = "Essential container in task exited"


def create(
    world: World,
    owner: Cluster,
    definition: TaskDefinition,
    launch: Launch,
    *,
    group: str,
    started_by: str = "",
    service: ServiceKey | None = None,
    deployment: Deployment | None = None,
    overrides: Params | None = None,
    tags: dict[str, str] | None = None,
    execute_command: bool = False,
    provider: str = "",
) -> Task:
    """A new task, PROVISIONING. What becomes of it comes with time."""
    task_id = world.ids.hexadecimal(32)
    arn = world.arn("ecs", f"task/{owner.name}/{task_id}")
    task = Task(
        id=task_id,
        arn=arn,
        cluster=owner.name,
        group=group,
        definition=definition,
        launch=launch,
        containers=[
            Container(
                name=item["name"],
                arn=world.arn("ecs", f"container/{owner.name}/{task_id}/{world.ids.uuid()}"),
                image=item["image"],
                essential=item["essential"],
                checked=bool(item.get("healthCheck")) and item["healthCheck"]["command"][:1] != ["NONE"],
                runtime_id=f"{task_id}-{world.ids.digits(10)}",
            )
            for item in definition.body["containerDefinitions"]
        ],
        created_at=world.now,
        started_by=started_by,
        service=service,
        deployment=deployment,
        overrides=overrides or {},
        tags=tags or {},
        execute_command=execute_command,
        provider=provider,
    )
    world.ecs.tasks[task_id] = task
    if launch.network:
        _open_interface(world, task, launch.network)
    events.task_changed(world, task)
    world.after(world.timings.task_provisioning, lambda: _provisioned(world, task))
    return task


def _open_interface(world: World, task: Task, network: Params) -> None:
    subnet_id = _emptiest(world, task, network["subnets"])
    vpc_id = subnet.vpc_id if (subnet := world.network.subnet(subnet_id)) else ""
    groups = network["securityGroups"] or [world.network.default_group(vpc_id) or ""]
    public = network["assignPublicIp"] == "ENABLED"
    try:
        interface = world.network.open_interface(
            subnet_id, groups, task.arn, requester="amazon-ecs", public=public, ipv6=True
        )
        task.interface, task.zone = interface, interface.subnet.zone
    except AddressesExhausted:
        world.after(0, lambda: fail(world, task, _no_address(subnet_id)))


def _no_address(subnet_id: str) -> str:
    return (
        "Unexpected EC2 error while attempting to Create Network Interface in subnet "
        f"'{subnet_id}': InsufficientFreeAddressesInSubnet"
    )


def _emptiest(world: World, task: Task, subnets: list[str]) -> str:
    """A service's tasks are spread over the zones: the subnet with the fewest live ones of the same start."""
    siblings = [
        other.interface.subnet.id
        for other in world.ecs.tasks.values()
        if other.interface and other.started_by == task.started_by and other.group == task.group and other.wanted
    ]
    return min(subnets, key=lambda subnet_id: (siblings.count(subnet_id), subnets.index(subnet_id)))


def _provisioned(world: World, task: Task) -> None:
    if not task.wanted or task.last_status != "PROVISIONING":
        return
    task.connected_at = task.pull_started_at = world.now
    move(world, task, "PENDING")
    try:
        environment.check_roles(world, task)
        environment.check_network(world, task)
        environment.pull(world, task, _pins(task))
    except environment.CannotStart as reason:
        fail(world, task, str(reason))
        return
    images = tuple(item.image for item in task.containers)
    slow = world.faults.for_task("slow_start", environment.fault_names(task), images)
    world.after(world.timings.task_pull + (slow.after if slow else 0), lambda: _launch(world, task))


def _pins(task: Task) -> dict[str, str]:
    """Version consistency: all tasks of one deployment run the images that its first task resolved."""
    return task.deployment.images if task.deployment else {}


def _launch(world: World, task: Task) -> None:
    if not task.wanted or task.last_status != "PENDING":
        return
    task.pull_stopped_at = world.now
    if task.deployment:
        task.deployment.images.update({item.name: item.image_digest for item in task.containers if item.image_digest})
    try:
        ready = environment.launch(world, task)
    except environment.CannotStart as reason:
        fail(world, task, str(reason))
        return
    task.launched = True
    world.runner.start(ready)


def move(world: World, task: Task, status: str) -> None:
    """What goes with the status has to be set before: the event of the change shows it."""
    task.last_status = status
    task.version += 1
    events.task_changed(world, task)


# ---- what the runner reports ----------------------------------------------------------------------------------------


def started(world: World, task_id: str, address: str, ports: Mapping[int, int]) -> None:
    task = world.ecs.tasks.get(task_id)
    if task is None or task.over or task.started_at:
        return
    task.address, task.ports = address, dict(ports)
    for container in task.containers:
        if not container.over:
            container.last_status = "RUNNING"
    if not task.wanted:
        return
    move(world, task, "ACTIVATING")
    registration.register(world, task)
    task.started_at = world.now
    move(world, task, "RUNNING")
    images = tuple(item.image for item in task.containers)
    if fault := world.faults.for_task("crash", environment.fault_names(task), images):
        world.after(fault.after, lambda: world.runner.kill(task.id, fault.exit_code))
    _touch(world, task)
    for seconds in (world.timings.steady_after, _grace(world, task)):
        _touch_after(world, task, seconds)


def exited(world: World, task_id: str, name: str, exit_code: int, reason: str) -> None:
    task = world.ecs.tasks.get(task_id)
    container = next((item for item in task.containers if item.name == name), None) if task else None
    if task is None or container is None or container.over:
        return
    container.last_status, container.exit_code, container.reason = "STOPPED", exit_code, reason
    if all(item.over for item in task.containers):
        task.ended = True
    if task.wanted and (container.essential or task.ended):
        task.execution_stopped_at = world.now
        stop(world, task, "EssentialContainerExited", ESSENTIAL_EXIT)
    elif task.ended and task.last_status in ("DEACTIVATING", "STOPPING"):
        _deprovision(world, task)


def failed_to_start(world: World, task_id: str, reason: str) -> None:
    task = world.ecs.tasks.get(task_id)
    if task is None or task.over:
        return
    task.ended = True
    if task.wanted:
        fail(world, task, reason)
    elif task.last_status in ("DEACTIVATING", "STOPPING"):
        _deprovision(world, task)


def container_health(world: World, task_id: str, name: str, healthy: bool) -> None:
    task = world.ecs.tasks.get(task_id)
    container = next((item for item in task.containers if item.name == name), None) if task else None
    if task is None or container is None:
        return
    container.health = "HEALTHY" if healthy else "UNHEALTHY"
    task.version += 1
    events.task_changed(world, task)
    if not healthy and container.essential and task.wanted and task.service:
        task.unhealthy = True
        stop(world, task, "ServiceSchedulerInitiated", "Task failed container health checks")
    _touch(world, task)


def drained(world: World, group_arn: str) -> None:
    """Tasks that waited for their targets to drain go on."""
    for task in list(world.ecs.tasks.values()):
        if task.last_status == "DEACTIVATING" and any(group == group_arn for group, _ in task.registered):
            _end_when_drained(world, task)


# ---- the way down ---------------------------------------------------------------------------------------------------


def fail(world: World, task: Task, reason: str) -> None:
    """The task never ran."""
    if task.over or not task.wanted:
        return
    task.ended = True
    for container in task.containers:
        container.last_status = "STOPPED"
    stop(world, task, "TaskFailedToStart", reason)


def stop(world: World, task: Task, code: str, reason: str) -> None:
    """Begin to stop the task; nothing when it is stopping already: the first reason stays."""
    if not task.wanted:
        return
    task.desired_status = "STOPPED"
    task.stop_code, task.stopped_reason, task.stopping_at = code, reason, world.now
    if task.registered:
        move(world, task, "DEACTIVATING")
        registration.deregister(world, task)
        if task.ended:
            _deprovision(world, task)
        else:
            _end_when_drained(world, task)
    else:
        _end(world, task)
    _touch(world, task)


def _end_when_drained(world: World, task: Task) -> None:
    if task.last_status == "DEACTIVATING" and registration.drained(world, task):
        _end(world, task)


def _end(world: World, task: Task) -> None:
    move(world, task, "STOPPING")
    if task.ended or not task.launched:
        for container in task.containers:
            container.last_status = "STOPPED"
        task.ended = True
        _deprovision(world, task)
    else:
        world.runner.stop(task.id, task.stopped_reason)


def _deprovision(world: World, task: Task) -> None:
    if task.last_status in ("DEPROVISIONING", "STOPPED"):
        return
    task.execution_stopped_at = task.execution_stopped_at or world.now
    move(world, task, "DEPROVISIONING")
    world.after(world.timings.task_deprovisioning, lambda: _stopped(world, task))
    _touch(world, task)


def _stopped(world: World, task: Task) -> None:
    task.stopped_at = world.now
    move(world, task, "STOPPED")
    if interface := task.interface:
        world.after(world.timings.task_interface, lambda: world.network.close_interface(interface.id))
    world.after(world.timings.task_kept, lambda: _forget(world, task))
    _touch(world, task)


def _forget(world: World, task: Task) -> None:
    world.ecs.tasks.pop(task.id, None)
    if task.deployment and task in task.deployment.tasks:
        task.deployment.tasks.remove(task)


def _touch(world: World, task: Task) -> None:
    if task.service and (service := world.ecs.services.get(task.service)):
        world.touch(service)


def _grace(world: World, task: Task) -> float:
    """When the load balancer's verdict begins to count."""
    service = world.ecs.services.get(task.service) if task.service else None
    return float(service.grace_seconds or 0) if service else 0.0


def _touch_after(world: World, task: Task, seconds: float) -> None:
    if task.service and (service := world.ecs.services.get(task.service)):
        world.touch_after(seconds, service)
