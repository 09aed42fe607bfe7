"""From a delivery in the words of the specs to the subject of a rollout in AWS's: the very release, by its ids.

A release is known once everything that it is made of has an id: roles, images by digest, subnets. Until then there is
nothing to roll out, and the reason says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.engine.expectations import UNSEEN
from reconciler.model import ownership
from reconciler.model.delivery import Delivery
from reconciler.model.diff import diff
from reconciler.model.planner import World
from reconciler.model.release import Capacity, Entry, Release, Subject, release_id
from reconciler.model.resource import Address, Desired, Health, Observed
from reconciler.model.rollout import Engine, Known, engines
from reconciler.resources.service import ServiceSpec
from reconciler.resources.task_definition import TaskDefinitionSpec, content


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no release to roll out yet. `absent`: not even the service is there."""

    because: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One service to look after, in words and in ids."""

    delivery: Delivery
    subject: Subject

    @property
    def engine(self) -> Engine:
        return engines()[self.delivery.policy.engine]

    @property
    def address(self) -> Address:
        return self.delivery.service


def jobs_of(
    deliveries: Iterable[Delivery],
    desired: Iterable[Desired[Any]],
    world: World,
    stack: str,
    *,
    made: Mapping[Address, str] | None = None,
    commit: str = "",
) -> tuple[tuple[Job, ...], dict[Address, Missing]]:
    """What can be rolled out, and why the rest cannot be yet."""
    jobs: list[Job] = []
    missing: dict[Address, Missing] = {}
    wanted = tuple(desired)
    for delivery in deliveries:
        subject = subject_of(delivery, wanted, world, stack, made=made, commit=commit)
        if isinstance(subject, Missing):
            missing[delivery.service] = subject
        else:
            jobs.append(Job(delivery, subject))
    return tuple(jobs), missing


def known_of(job: Job, world: World) -> Known:
    """What `world` shows of a job, in AWS's own words: its rollout need not ask again."""
    found = {one.id: one for kind in _OF_A_ROLLOUT for one in world.found.get(kind, ())}
    subject = job.subject
    service = found.get(subject.service)
    entries = [entry.arn for entry in (subject.production, subject.test) if entry is not None]
    scalable = found.get(subject.scalable or "")
    return Known(
        service=None if service is None else service.facts["item"],
        actions={arn: found[arn].facts["actions"] for arn in entries if arn in found},
        groups={arn: found[arn].facts["item"] for arn in subject.groups if arn in found},
        scalable=None if scalable is None else scalable.facts["item"],
    )


_OF_A_ROLLOUT = ("service", "listener", "listener-rule", "target-group", "scaling")


def subject_of(
    delivery: Delivery,
    desired: Iterable[Desired[Any]],
    world: World,
    stack: str,
    *,
    made: Mapping[Address, str] | None = None,
    commit: str = "",
) -> Subject | Missing:
    """`made` are the ids of what this very pass made or revised, which `world` does not show yet."""
    wanted = {want.address: want for want in desired}
    found = _usable(world, stack)
    ids = {address: one.id for address, one in found.items()} | dict(made or {})
    service = found.get(delivery.service)
    if service is None:
        return Missing(f"{delivery.service} does not exist yet", absent=True)
    for image in delivery.images if delivery.moves_traffic else ():  # else ECS tries until it is there
        if image not in found or found[image].health is not Health.READY:
            return Missing(found[image].reason if image in found else f"{image} could not be looked up")
    parts = [part for part in (*delivery.groups, delivery.production, delivery.test) if part is not None]
    absent = [part for part in parts if part not in found]
    if absent:
        return Missing(f"{absent[0]} does not exist yet")
    definition = wanted[delivery.task_definition].resolved(ids)
    spec = wanted[delivery.service].resolved(ids | {delivery.task_definition: ""}).spec
    unknown = sorted(definition.refs() | wanted[delivery.service].resolved(ids).refs() - {delivery.task_definition})
    if unknown:
        return Missing(f"{unknown[0]} does not exist yet")
    release = _release(delivery, definition.spec, spec, commit)
    registered = made.get(delivery.task_definition, "") if made else ""
    current = found.get(delivery.task_definition)
    if not registered and current is not None and not diff(current, definition.spec):
        registered = current.id
    cluster = str(service.facts.get("cluster") or spec.cluster)
    scaling = Address("scaling", delivery.name)
    return Subject(
        cluster=cluster,
        service=service.id,
        release=replace(release, task_definition=registered),
        name=delivery.name,
        groups=tuple(ids[group] for group in delivery.groups) if delivery.moves_traffic else (),
        production=_entry(delivery.production, found) if delivery.moves_traffic else None,
        test=_entry(delivery.test, found) if delivery.moves_traffic else None,
        scalable=f"service/{cluster}/{delivery.name}" if delivery.scales and scaling in found else None,
        stack_tags=tuple(sorted(wanted[delivery.service].tags.items())),
    )


def _usable(world: World, stack: str) -> dict[Address, Observed[Any]]:
    """What is there to be worked with: ours, or looked up; of two of ours the one that the planner keeps is as good."""
    found: dict[Address, Observed[Any]] = {}
    for one in world:
        ours = ownership.owner(one.tags) == stack or one.address.kind == "image"
        if ours and UNSEEN not in one.facts and not one.facts.get("deleting"):
            found.setdefault(one.address, one)
    return found


def _release(delivery: Delivery, definition: TaskDefinitionSpec, spec: ServiceSpec, commit: str) -> Release:
    """With the id that says what tasks are made of; the same wish has the same id, whoever works it out."""
    network = spec.network
    subnets = tuple(sorted(map(str, network.subnets))) if network is not None else ()
    groups = tuple(sorted(map(str, network.security_groups))) if network is not None else ()
    public = bool(network is not None and network.public_ip)
    capacity = tuple(
        Capacity(one.provider, one.weight, one.base)
        for one in sorted(spec.capacity_provider_strategy or (), key=lambda one: one.provider)
    )
    judged = delivery.health if delivery.moves_traffic else None
    identifier = release_id(
        content(definition),
        subnets=subnets,
        security_groups=groups,
        public_ip=public,
        launch_type=spec.launch_type,
        capacity=capacity,
        platform_version=spec.platform_version,
        container=delivery.container,
        port=delivery.port,
        health=judged,
    )
    return Release(
        identifier,
        container=delivery.container,
        port=delivery.port,
        subnets=subnets,
        security_groups=groups,
        public_ip=public,
        launch_type=spec.launch_type,
        capacity=capacity,
        platform_version=spec.platform_version,
        health=judged,
        commit=commit,
    )


def _entry(address: Address | None, found: Mapping[Address, Observed[Any]]) -> Entry | None:
    if address is None:
        return None
    one = found[address]
    return Entry(one.id) if address.kind == "listener" else Entry(str(one.spec.listener), one.id)
