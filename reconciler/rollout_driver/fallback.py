"""Fallback to on-demand capacity in AWS's ids: the main service, what is observed of it, and the count that is set.

What is decided from it is in rollout/fallback.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from reconciler.model.resource import Calls, Observed
from reconciler.rollout import capacity, describe, fallback
from reconciler.rollout.engine import Prefetched, RolloutStep
from reconciler.rollout.fallback import SetCount
from reconciler.rollout.fallback_state import FallbackTerms, MainService
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout_driver import restarts

OF_ITS_OWN: Final = frozenset({RequestVerb.SUSPEND, RequestVerb.RESUME, RequestVerb.RETRY})
"""Requests that a service on demand takes itself: all others are about a version, and it has the main service's."""


@dataclass(frozen=True, slots=True)
class FallbackTarget:
    """`service` is the ARN of the main service."""

    terms: FallbackTerms
    service: str

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
    return replace(seen, main=main_of(item, now))


def main_of(item: Mapping[str, Any], now: datetime) -> MainService:
    return MainService(
        name=item["serviceName"],
        desired=item["desiredCount"],
        running=item.get("runningCount", 0),
        lack=capacity.reported(item.get("events") or (), now),
        deleting=item["status"] != "ACTIVE",
    )


def followed(main: RolloutTarget, found: Observed[Any]) -> Version:
    """The version of the main service that runs on demand."""
    item = found.facts["item"]
    wanted = Version(main.release.id, describe.revision_of(main.release.task_definition))
    return fallback.followed(item, describe.remembered(item, main), wanted)


def apply(subject: RolloutTarget, action: SetCount) -> Calls[None]:
    yield describe.ecs.update_service(cluster=subject.cluster, service=subject.service, desiredCount=action.count)
