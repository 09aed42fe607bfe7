"""Fallback to on-demand capacity in AWS's ids: the main service, what is observed of it, and the count that is set.

What is decided from it is in rollout/fallback.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from reconciler.model.resource import Address, Calls, Observed
from reconciler.rollout import capacity, describe, fallback, listener_weights
from reconciler.rollout.engine import Prefetched, RolloutStep
from reconciler.rollout.fallback import SetCount
from reconciler.rollout.fallback_state import FallbackTerms, MainService
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService, Weights
from reconciler.rollout_driver import restarts
from reconciler.rollout_driver.resolution import ResolutionContext

OF_ITS_OWN: Final = frozenset({RequestVerb.SUSPEND, RequestVerb.RESUME, RequestVerb.RETRY})
"""Requests that a service on demand takes itself: all others are about a version, and it has the main service's."""


@dataclass(frozen=True, slots=True)
class FallbackTarget:
    """`service` is the ARN of the main service. `deployments` are the ids of those whose missing tasks run on demand,
    or None for all of it.
    """

    terms: FallbackTerms
    service: str
    deployments: tuple[str, ...] | None = None

    def step(self, ordinary: RolloutStep, seen: ObservedService, now: datetime) -> RolloutStep:
        request = seen.marks.pending_request
        if request is not None and not request.stale(now) and request.verb not in OF_ITS_OWN:
            because = f"it has the version of {self.terms.main}; {request.verb} that instead"
            refused = restarts.refused(ordinary, seen, because, RequestRefusalCode.UNSUPPORTED)
            return replace(refused, wake_at=now, ended=None)
        return fallback.step(self.terms, ordinary, seen, now)


def observed(
    target: FallbackTarget | None, subject: RolloutTarget, seen: ObservedService, known: Prefetched, now: datetime
) -> Calls[ObservedService]:
    """`seen` with the facts of the main service, if there is one."""
    if target is None:
        return seen
    item = known.beside
    if item is None:
        (item,) = describe.listed((yield describe.described(subject.cluster, [target.service])))
    return replace(seen, main=main_of(item, now, target.deployments))


def main_of(item: Mapping[str, Any], now: datetime, deployments: tuple[str, ...] | None = None) -> MainService:
    of = [item] if deployments is None else [one for one in item["deployments"] if one["id"] in deployments]
    return MainService(
        name=item["serviceName"],
        desired=sum(one["desiredCount"] for one in of),
        running=sum(one.get("runningCount", 0) for one in of),
        lack=capacity.reported(item.get("events") or (), now),
        deleting=item["status"] != "ACTIVE",
    )


def followed(main: RolloutTarget, found: Observed[Any]) -> Version:
    """The version of the main service that runs on demand."""
    item = found.facts["item"]
    wanted = Version(main.release.id, describe.revision_of(main.release.task_definition))
    return fallback.followed(item, describe.remembered(item, main), wanted)


@dataclass(frozen=True, slots=True)
class Source:
    """What a service on demand follows: these deployments of the main service, or None for all of it, and the version
    that they run. Without a version it keeps the one that it has.
    """

    deployments: tuple[str, ...] | None
    version: Version | None


def source_of(terms: FallbackTerms, main: RolloutTarget, context: ResolutionContext) -> Source | None:
    """What a service on demand follows now; None if that is not known, and then it stays as it is."""
    found = context.found[terms.main]
    if terms.group is None:
        return Source(None, followed(main, found))
    if terms.group not in context.ids:
        return None
    group, item = context.ids[terms.group], found.facts["item"]
    if group not in main.groups:  # it has one version, before or after ECS shifts its traffic
        attached = {one.get("targetGroupArn") for one in item.get("loadBalancers") or ()}
        return Source(None, followed(main, found)) if group in attached else Source((), None)
    weights = weights_of(main, context)
    if weights is None:
        return None
    serves = weights[main.groups.index(group)] > 0
    deployments = fallback.supplied(item, found.facts.get("groups", {}), group, serves=serves)
    if not deployments:
        return None if deployments is None else Source((), None)
    wanted = Version(main.release.id, describe.revision_of(main.release.task_definition))
    version = fallback.version_of(item, deployments[-1], describe.remembered(item, main), wanted)
    return Source(deployments, version)


def weights_of(main: RolloutTarget, context: ResolutionContext) -> Weights | None:
    """How production traffic is divided between the target groups of a service, as the pass has read it."""
    entry = main.production
    door = next((one for one in context.found.values() if entry is not None and one.id == entry.arn), None)
    if door is None or len(main.groups) != 2:
        return None
    return listener_weights.weights_of(door.facts["actions"], main.groups, main.former)[0]


def own_version(subject: RolloutTarget, found: Observed[Any]) -> Version:
    """The version that a service on demand has."""
    item = found.facts["item"]
    revision = describe.revision_of(item.get("taskDefinition") or "")
    live = describe.remembered(item, subject).live
    return live if live is not None and live.task_definition == revision else Version(revision, revision)


def beside_the_new(
    subject: RolloutTarget, main: Address, deliveries: Iterable[RolloutSpec], context: ResolutionContext
) -> RolloutTarget:
    """A main service whose next version comes up in a target group of its own. It is not started before the tasks on
    demand that were there are gone, so that tests reach its tasks only; nor while others run where production goes: ECS
    would find no Spot capacity for it either. In the group that serves they are no strangers.
    """
    weights, running = weights_of(subject, context), set[str]()
    for one in deliveries:
        terms, there = one.fallback, context.found.get(one.service)
        if terms is not None and terms.group is not None and terms.main == main and there is not None:
            running |= {context.ids[terms.group]} if terms.group in context.ids and _remaining(there) else set()
    if not running or weights is None:
        return subject
    idle = {group for group, weight in zip(subject.groups, weights, strict=True) if not weight and group in running}
    because = "there is no Spot capacity: tasks run on demand" if running - idle else ""
    because = "tasks on demand of the previous version are still running" if idle else because
    known = subject.inherited | (running - idle)
    return replace(subject, inherited=known, not_ready=subject.not_ready or because)


def _remaining(found: Observed[Any]) -> int:
    """Tasks that a service on demand still has, or is to have."""
    item = found.facts["item"]
    return int(item["desiredCount"]) + int(item.get("runningCount", 0)) + int(item.get("pendingCount", 0))


def apply(subject: RolloutTarget, action: SetCount) -> Calls[None]:
    yield describe.ecs.update_service(cluster=subject.cluster, service=subject.service, desiredCount=action.count)
