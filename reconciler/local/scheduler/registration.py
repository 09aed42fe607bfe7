"""A task's targets: registered when it runs, deregistered before it is stopped, drained."""

from __future__ import annotations

from reconciler.local.ecs.state import Task
from reconciler.local.elb import routes
from reconciler.local.ports import Target
from reconciler.local.scheduler import environment
from reconciler.local.world import World


def register(world: World, task: Task) -> None:
    assert task.interface is not None
    images = tuple(item.image for item in task.containers)
    sick = world.faults.for_task("never_healthy", environment.fault_names(task), images)
    for entry in task.launch.load_balancers:
        group = world.elb.target_groups.get(entry["targetGroupArn"])
        if group is None or not (address := address_in(world, task, group.arn)):
            continue
        port = entry["containerPort"]
        real = task.ports.get(port, port)
        target = Target(address, port, task.zone, task.address, real, never_healthy=sick is not None)
        routes.register(world, group, [target])
        task.registered.append((group.arn, port))


def deregister(world: World, task: Task) -> None:
    assert task.interface is not None
    for group_arn, port in task.registered:
        if group := world.elb.target_groups.get(group_arn):
            routes.deregister(world, group, [(address_in(world, task, group_arn), port)])


def drained(world: World, task: Task) -> bool:
    """Whether no target group knows the task any more."""
    assert task.interface is not None
    return not any(
        (state.target.id, state.target.port) == (address_in(world, task, group_arn), port)
        for group_arn, port in task.registered
        for state in world.probe.states(group_arn)
    )


def address_in(world: World, task: Task, group_arn: str) -> str:
    """The address by which a task is in a target group: of the group's type, and empty if the task has none of it."""
    assert task.interface is not None
    group = world.elb.target_groups.get(group_arn)
    if group is not None and group.settings.get("IpAddressType") == "ipv6":
        return task.interface.ipv6_address
    return task.interface.private_address
