"""A task's targets: registered when it runs, deregistered before it is stopped, drained."""

from __future__ import annotations

from reconciler.local.ecs.state import Task
from reconciler.local.elb import routes
from reconciler.local.ports import Target
from reconciler.local.scheduler import environment
from reconciler.local.world import World


def register(world: World, task: Task) -> None:
    assert task.interface is not None
    address = task.interface.private_address
    images = tuple(item.image for item in task.containers)
    sick = world.faults.for_task("never_healthy", environment.fault_names(task), images)
    for entry in task.launch.load_balancers:
        group = world.elb.target_groups.get(entry["targetGroupArn"])
        if group is None:
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
            routes.deregister(world, group, [(task.interface.private_address, port)])


def drained(world: World, task: Task) -> bool:
    """Whether no target group knows the task any more."""
    assert task.interface is not None
    address = task.interface.private_address
    return not any(
        (state.target.id, state.target.port) == (address, port)
        for group_arn, port in task.registered
        for state in world.probe.states(group_arn)
    )
