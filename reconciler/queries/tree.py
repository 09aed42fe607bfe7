"""Resource tree of a stack: what contains what, and which tasks run where. Computed from an observation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Batch, Calls, Observed, ResourceHealth, ServiceApi
from reconciler.model.type_registry import ResourceTypes
from reconciler.queries import versions
from reconciler.queries.versions import RunningVersion, ServiceState
from reconciler.resources.secret_version import SecretVersion
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import short

ecs = ServiceApi("ecs")

TELLING: Final = ("cidr", "zone", "port", "protocol", "scheme", "priority", "uri")
"""Fields that summarize a resource."""

AT_ONCE: Final = 100  # DescribeTasks


@dataclass(frozen=True, slots=True)
class Node:
    """`id` is AWS's. `because` says why it is not ready."""

    name: str
    id: str = ""
    detail: str = ""
    health: ResourceHealth = ResourceHealth.READY
    because: str = ""
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A task and its placement."""

    id: str
    started_by: str
    status: str
    address: str = ""
    subnet: str = ""
    zone: str = ""
    health: str = ""


def tasks_of(services: Iterable[Observed[Any]]) -> Calls[dict[str, tuple[Placed, ...]]]:
    """Service ARN → its running and pending tasks. Raises `errors.AwsError`."""
    several = tuple(services)
    listed = yield Batch.of(
        ecs.list_tasks(cluster=one.facts["cluster"], serviceName=one.spec.name, desiredStatus="RUNNING")
        for one in several
    )
    found: dict[str, tuple[Placed, ...]] = {}
    for one, answer in zip(several, listed, strict=True):
        arns = sorted(answer["taskArns"])
        batches = yield Batch.of(
            ecs.describe_tasks(cluster=one.facts["cluster"], tasks=arns[start : start + AT_ONCE])
            for start in range(0, len(arns), AT_ONCE)
        )
        found[one.id] = tuple(placed(item) for batch in batches for item in batch.get("tasks") or ())
    return found


def placed(item: Mapping[str, Any]) -> Placed:
    """A task of DescribeTasks. Its environment is not read."""
    details = {
        detail.get("name", ""): detail.get("value", "")
        for attachment in item.get("attachments") or ()
        for detail in attachment.get("details") or ()
    }
    return Placed(
        item["taskArn"].rpartition("/")[2],
        item.get("startedBy", ""),
        item.get("lastStatus", ""),
        details.get("privateIPv4Address", ""),
        details.get("subnetId", ""),
        item.get("availabilityZone", ""),
        item.get("healthStatus", ""),
    )


def tree(
    kinds: ResourceTypes,
    world: ObservedState,
    stack: str,
    deliveries: Iterable[RolloutSpec],
    tasks: Mapping[str, tuple[Placed, ...]],
) -> tuple[Node, ...]:
    """What the stack owns, each inside its container; networks first. Resources that are only looked up are
    included, without versions of secrets, which their task definitions have.
    """
    several = [one for one in world if one.address.kind != SecretVersion.kind]
    ours = [one for one in several if ownership.owner(one.tags) == stack or kinds[one.address.kind].lookup]
    names = {one.id: one.address for one in ours}
    delivered = {one.service: one for one in deliveries}
    below: dict[Address | None, list[Observed[Any]]] = {}
    for one in ours:
        below.setdefault(kinds[one.address.kind].parent(one, ours), []).append(one)

    def order(one: Observed[Any]) -> tuple[int, Address]:
        return kinds[one.address.kind].display_order, one.address

    def node(one: Observed[Any]) -> Node:
        children = tuple(node(child) for child in sorted(below.get(one.address, ()), key=order))
        if one.address.kind == "service":
            children = (*_versions(world, stack, delivered.get(one.address), tasks.get(one.id, ()), names), *children)
        return Node(str(one.address), one.id, _detail(one), one.health, one.reason, children)

    return tuple(node(one) for one in sorted(below.get(None, ()), key=order))


def absent(world: ObservedState, desired: Iterable[Address]) -> tuple[Address, ...]:
    """Declared resources that do not exist, as far as their type could be read."""
    there = {one.address for one in world}
    return tuple(sorted(one for one in desired if one not in there and one.kind not in world.unreadable))


def _detail(one: Observed[Any]) -> str:
    parts = [str(value) for name in TELLING if (value := getattr(one.spec, name, None)) not in (None, "")]
    if one.facts.get("dns_name"):
        parts.append(str(one.facts["dns_name"]))
    if one.address.kind == "service":
        parts.append(f"{one.facts['running']} of {one.facts['desired']} tasks running")
    return " ".join(parts)


# -- running tasks


def _versions(
    world: ObservedState,
    stack: str,
    delivery: RolloutSpec | None,
    tasks: Iterable[Placed],
    names: Mapping[str, Address],
) -> tuple[Node, ...]:
    if delivery is None:
        return tuple(_task(one, names) for one in tasks)
    try:
        found = versions.find(world, delivery, stack)
    except errors.ReconcilerError:  # reported with the other unreadable types
        return tuple(_task(one, names) for one in tasks)
    nodes = tuple(_version(found, run, tasks, names) for run in found.runs)
    known = {run.id for run in found.runs}
    return (*nodes, *(_task(one, names) for one in tasks if one.started_by not in known))


def _version(found: ServiceState, run: RunningVersion, tasks: Iterable[Placed], names: Mapping[str, Address]) -> Node:
    share = f"{run.share} % of production, " if found.delivery.moves_traffic else ""
    words = f"{run.state.lower()} {run.rollout}".strip() if run.rollout else run.state.lower()
    children = tuple(_task(one, names) for one in tasks if one.started_by == run.id)
    health = ResourceHealth.READY if run.running >= run.desired and not run.pending else ResourceHealth.PROGRESSING
    if run.rollout == "FAILED":
        health = ResourceHealth.DEGRADED
    name = f"{'task set' if found.delivery.moves_traffic else 'deployment'} {run.revision}"
    release = f"release {short(run.release)}, " if run.release else ""
    detail = f"{release}{share}{run.running} of {run.desired} tasks running"
    return Node(name, run.id, detail, health, "" if health is ResourceHealth.READY else words, children)


def _task(one: Placed, names: Mapping[str, Address]) -> Node:
    subnet = str(names[one.subnet]) if one.subnet in names else one.subnet
    place = " ".join(part for part in (one.address, subnet, one.zone) if part)
    sick = one.health == "UNHEALTHY"
    health = (
        ResourceHealth.DEGRADED
        if sick
        else ResourceHealth.READY
        if one.status == "RUNNING"
        else ResourceHealth.PROGRESSING
    )
    because = "container health check failing" if sick else "" if one.status == "RUNNING" else one.status
    return Node(f"task {one.id[:4]}", one.id, place, health, because)
