"""One-off tasks: how they stand, and the request to run one again.

The request is a tag on the revision of the task definition, which also holds the outcome of the run.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.reconcile.observe import observe, owned_ids
from reconciler.resources.task import request_retry


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """`task` is None if it has not run. `because` is empty if it has succeeded."""

    address: Address
    task: Observed[Any] | None
    because: str

    @property
    def state(self) -> str:
        if self.task is None:
            return "waiting"
        if self.task.facts.get("unreadable"):
            return "read-only"
        names = {ResourceHealth.DEGRADED: "failed", ResourceHealth.PROGRESSING: "running"}
        return names.get(self.task.health, "succeeded")


def task_statuses(desired: Iterable[Desired[Any]], world: ObservedState) -> tuple[TaskStatus, ...]:
    """Each one-off task of the specs."""
    found = {one.address: one for one in world.found.get("task", ())}
    statuses = []
    for want in desired:
        if want.address.kind == "task":
            task = found.get(want.address)
            statuses.append(TaskStatus(want.address, task, "not run yet" if task is None else task.reason))
    return tuple(statuses)


def task_named(stack: Stack, name: str) -> Address | None:
    """The one-off task of that name, if the specs define one and no service has the name."""
    address = Address("task", name)
    services = {delivery.name for delivery in stack.target.deliveries}
    return address if name not in services and any(one.address == address for one in stack.target.desired) else None


def retry_task(stack: Stack, address: Address, why: str) -> Exit:
    """Request another run of a task that failed. Raises `errors.Refused` for any other."""
    target = stack.target
    world = observe(stack.aws, stack.kinds, target.place, target.desired)
    stack.aws.mine.add(*sorted(owned_ids(world, target.place.stack, {})))
    status = next(one for one in task_statuses(target.desired, world) if one.address == address)
    if status.state == "read-only":
        raise errors.UnknownFormat(f"retry {address}: {status.because}")
    if status.task is None or status.state != "failed":
        hint = "a change of its document runs it again" if status.state == "succeeded" else status.because
        raise errors.Refused(f"retry {address}: it has not failed ({status.state}); {hint}", code="not-failed")
    say(stack.banner, stack.err_look, err=True)
    by = f"{stack.identity.who}: {why}" if why else stack.identity.who
    stack.aws.run(request_retry(status.task, uuid.uuid4().hex[:8], by))
    echo(f"retry {address}: requested. The controller or the next `reconciler apply` runs it again.")
    return Exit.DONE
