"""Running versions of a service, each with its share of production traffic. Read only.

If the controller shifts traffic, a version is a task set, and its share is the weight of its target group on the
production listener; ECS's own PRIMARY label is set only after verification. Otherwise a version is a deployment run by
ECS, and its share is that of its tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Desired, Observed
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import ResourceTypes, discover
from reconciler.reconcile.observe import StackId, observe
from reconciler.rollout import state_tags
from reconciler.rollout.describe import by_revision, release_of, revision_of
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import WHOLE
from reconciler.rollout.stored_state import StoredState


@dataclass(frozen=True, slots=True)
class RunningVersion:
    """A version that has tasks, or is to have some.

    `id` is what its tasks are `startedBy`. `revision` is `family:number`. `release` is empty if unknown. `share` is its
    share of production traffic in percent. `state` is ECS's: PRIMARY, ACTIVE, DRAINING.
    """

    id: str
    revision: str
    release: str = ""
    share: int = 0
    state: str = "ACTIVE"
    born: datetime | None = None
    desired: int = 0
    running: int = 0
    pending: int = 0
    rollout: str = ""

    @property
    def draining(self) -> bool:
        return self.state not in ("PRIMARY", "ACTIVE")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service of the stack as it is in AWS; its versions newest first."""

    delivery: RolloutSpec
    service: Observed[Any]
    marks: StoredState
    runs: tuple[RunningVersion, ...]

    @property
    def cluster(self) -> str:
        return str(self.service.facts["cluster"])

    @property
    def name(self) -> str:
        return str(self.service.spec.name)

    @property
    def in_production(self) -> tuple[RunningVersion, ...]:
        return tuple(one for one in self.runs if one.share)


def look(
    aws: AwsClient, kinds: ResourceTypes, place: StackId, desired: Iterable[Desired[Any]], delivery: RolloutSpec
) -> ObservedState:
    """The part of the account that shows what is running. Raises `errors.AwsError`."""
    few = ResourceTypes(kinds[name] for name in _read_for(delivery))
    return observe(aws, few, place, tuple(want for want in desired if want.address.kind in few), depth=Depth.MEDIUM)


def find(world: ObservedState, delivery: RolloutSpec, stack: str) -> ServiceState:
    """The service of a rollout spec.

    Raises `errors.AwsError` if it could not be read, `errors.ReconcilerError` if it does not exist or is not the
    stack's.
    """
    for kind in _read_for(delivery):
        if kind in world.unreadable:
            raise world.unreadable[kind]
    there = [one for one in world.found.get("service", ()) if one.address == delivery.service]
    if not there:
        raise errors.ReconcilerError(f"{delivery.service} does not exist yet; `reconciler apply` creates it")
    ours = [one for one in there if ownership.owner(one.tags) == stack]
    if not ours:
        raise errors.ReconcilerError(f"{delivery.service} exists but does not belong to this stack")
    service = ours[0]
    remembered = state_tags.of_tags(service.tags)
    weights = _weights(world, delivery) if delivery.moves_traffic else {}
    if delivery.production is None:  # it is not known what production comes in by
        weights = {_group(one): WHOLE for one in service.facts["sets"] if one["status"] == "PRIMARY"}
    elif groups := service.facts.get("groups"):
        shares = {id: weights.get(group, 0) for id, group in groups.items()}
        deployments = _of_deployments(service.facts["deployments"], remembered)
        return ServiceState(
            delivery, service, remembered, tuple(replace(one, share=shares.get(one.id, 0)) for one in deployments)
        )
    if service.facts["sets"] or (delivery.moves_traffic and delivery.production is not None):
        return ServiceState(delivery, service, remembered, _of_task_sets(service.facts["sets"], weights, remembered))
    return ServiceState(delivery, service, remembered, _of_deployments(service.facts["deployments"], remembered))


def _read_for(delivery: RolloutSpec) -> list[str]:
    """The kinds that tell what runs: the service's, what production comes in by, and what they are observed after."""
    found: list[str] = []
    todo = [address.kind for address in (delivery.service, delivery.production) if address is not None]
    while todo:
        kind = todo.pop()
        if kind not in found:
            found.append(kind)
            todo += discover()[kind].observe_after
    return sorted(found)


def _weights(world: ObservedState, delivery: RolloutSpec) -> Mapping[str, int]:
    """Target group ARN → its weight in percent on the production listener or rule."""
    for one in world.found.get(delivery.production.kind, ()) if delivery.production is not None else ():
        if one.address == delivery.production:
            forwards = discover()[one.address.kind].forwards(one.spec)
            whole = sum(forwards.values())
            return {str(group): _percent(weight, whole) for group, weight in forwards.items()}
    return {}


def _of_task_sets(
    items: Iterable[Mapping[str, Any]], weights: Mapping[str, int], remembered: StoredState
) -> tuple[RunningVersion, ...]:
    """Of several task sets in a group, the newest one that is not being deleted has the group's share."""
    runs, known = list[RunningVersion](), by_revision(remembered)
    taken: set[str] = set()
    for item in sorted(items, key=lambda one: (one["createdAt"], one["id"]), reverse=True):
        group = _group(item)
        stays = item["status"] in ("PRIMARY", "ACTIVE")
        runs.append(
            RunningVersion(
                id=item["id"],
                revision=revision_of(item.get("taskDefinition", "")),
                release=release_of(item, known),
                share=weights.get(group, 0) if stays and group not in taken else 0,
                state=item["status"],
                born=item["createdAt"],
                desired=item.get("computedDesiredCount", 0),
                running=item.get("runningCount", 0),
                pending=item.get("pendingCount", 0),
            )
        )
        if stays:
            taken.add(group)
    return tuple(runs)


def _group(item: Mapping[str, Any]) -> str:
    return next((str(one.get("targetGroupArn", "")) for one in item.get("loadBalancers") or ()), "")


def _of_deployments(items: Iterable[Mapping[str, Any]], remembered: StoredState) -> tuple[RunningVersion, ...]:
    several = tuple(items)
    whole, started = sum(item.get("runningCount", 0) for item in several), remembered.started
    known = ({} if started is None else {started.task_definition: started.release}) | by_revision(remembered)
    return tuple(
        RunningVersion(
            id=item["id"],
            revision=revision_of(item.get("taskDefinition", "")),
            release=known.get(revision_of(item.get("taskDefinition", "")), ""),
            share=_percent(item.get("runningCount", 0), whole),
            state=item["status"],
            born=item["createdAt"],
            desired=item.get("desiredCount", 0),
            running=item.get("runningCount", 0),
            pending=item.get("pendingCount", 0),
            rollout=item.get("rolloutState", ""),
        )
        for item in sorted(several, key=lambda one: (one["createdAt"], one["id"]), reverse=True)
    )


def _percent(part: int, whole: int) -> int:
    """Rounds, but never a positive share to 0."""
    return max(1, round(WHOLE * part / whole)) if part else 0
