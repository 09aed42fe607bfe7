"""Tasks of the specs by their names, for the commands that otherwise take a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler import errors
from reconciler.cli.session import Stack
from reconciler.model.resource import Address

if TYPE_CHECKING:
    from reconciler.model.observed_state import ObservedState
    from reconciler.queries.task_runs import TaskSubject


def task_address(stack: Stack, name: str | None) -> Address | None:
    """What runs the Task of that name, also by its whole address; None if no Task has the name, or a service has it.

    A Task that a rollout runs before each release has no resource but its task definition.
    """
    if name is None:
        return None
    kind, slash, bare = name.rpartition("/")
    runs = {name for name, one in stack.kinds.items() if one.runs_to_completion or one.starts_tasks}
    services = {delivery.name for delivery in stack.target.deliveries}
    if kind not in runs if slash else bare in services:
        return None
    addresses = {one.address for one in stack.target.desired or stack.bare or ()}
    known = (Address(one, bare) for one in sorted(runs if not slash else {kind}))
    if (found := next((address for address in known if address in addresses), None)) is not None:
        return found
    before = {one.pre_deployment.address.name for one in stack.target.deliveries if one.pre_deployment is not None}
    return Address("task-definition", bare) if bare in before else None


def open_task(stack: Stack, address: Address) -> tuple[TaskSubject, ObservedState]:
    """Raises `errors.ReconcilerError` if it was not deployed yet."""
    from reconciler.queries.task_runs import task_subject
    from reconciler.reconcile.observe import observe

    world = observe(stack.aws, stack.kinds, stack.target.place, stack.target.desired)
    return task_subject(world, address, _cluster(stack, world, address)), world


def _cluster(stack: Stack, world: ObservedState, address: Address) -> str:
    """That of the service whose rollout runs the task."""
    from reconciler.queries import versions

    for delivery in stack.target.current(world).deliveries:
        if delivery.pre_deployment is not None and delivery.pre_deployment.address.name == address.name:
            try:
                return versions.find(world, delivery, stack.target.place.stack).cluster
            except errors.AwsError:
                raise
            except errors.ReconcilerError:
                return ""
    return ""
