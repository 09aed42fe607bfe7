"""Fallback to on-demand capacity: how many tasks a second service runs in place of those that the first one lacks.

             tasks are missing for           fallback_after           tasks run on Spot again
             lack of Spot capacity               is over               (not one look: they may still have to pass
      none ────────────────────────► lacking ────────────► running     their health checks)
        ▲                               │                   │  ▲
        ├───────────────────────────────┘                   ▼  │ missing again
        └─────────────────────────────────────────────── returning
                          return_after is over

ECS goes on placing tasks on Spot by itself, which is the test for free capacity. The count of the second service is
never below what is missing, and both times are deadlines in its tags; a lost one starts again. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.rollout.actions import EngineAction, stored
from reconciler.rollout.engine import RolloutStep
from reconciler.rollout.fallback_state import Fallback, FallbackPhase, FallbackTerms, MainService
from reconciler.rollout.release import Ports, Version
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import StoredState


@dataclass(frozen=True, slots=True)
class SetCount(EngineAction):
    """Set the desired count of the service on demand; `was` is the one that the decision was made from."""

    count: int
    was: int
    main: str

    @property
    def message(self) -> str:
        tasks = "1 task runs" if self.count == 1 else f"{self.count} tasks run"
        return f"{tasks} on demand for {self.main}, {self.was} before"

    @property
    def details(self) -> dict[str, str]:
        return {"main": self.main, "count": str(self.count), "was": str(self.was)}

    def visible(self, seen: ObservedService) -> bool:
        return seen.desired == self.count

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        return replace(seen, desired=self.count)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return f"run {self.count} on demand"


def decided(
    terms: FallbackTerms, main: MainService, count: int, known: Fallback | None, now: datetime
) -> tuple[int, Fallback | None]:
    """The count of the service on demand, which has `count` now, and what is stored of the fallback."""
    missing = main.missing
    if main.deleting or not main.desired:
        return 0, None
    if not count:
        if not missing or (not main.lack and (known is None or known.phase is not FallbackPhase.LACKING)):
            return 0, None
        due = _due(known, FallbackPhase.LACKING, terms.fallback_after, now)
        if main.lack and now >= due:
            return missing, Fallback(FallbackPhase.RUNNING, now.replace(microsecond=0))
        return 0, Fallback(FallbackPhase.LACKING, at=due)
    since = known.since if known is not None and known.since is not None else now.replace(microsecond=0)
    running = Fallback(FallbackPhase.RUNNING, since)
    if missing >= count:
        return (missing if main.lack else count), running
    due = _due(known, FallbackPhase.RETURNING, terms.return_after, now)
    if now < due:
        return count, Fallback(FallbackPhase.RETURNING, since, due)
    return missing, running if missing else None


def _due(known: Fallback | None, phase: FallbackPhase, wait: timedelta, now: datetime) -> datetime:
    """The stored deadline, or a new one; never later than `wait` from now, though the clock was set back since."""
    latest = datetime.fromtimestamp(math.ceil((now + wait).timestamp()), UTC)
    at = known.at if known is not None and known.phase is phase else None
    return latest if at is None else min(at, latest)


def step(terms: FallbackTerms, ordinary: RolloutStep, seen: ObservedService, now: datetime) -> RolloutStep:
    """`ordinary`, or the step that changes the count first: it keeps the main service served, whatever its own version
    is doing. A suspended service keeps its count.
    """
    main, known = seen.main, seen.marks.fallback
    if main is None or seen.deleting or seen.marks.suspended is not None:
        return ordinary
    count, after = decided(terms, main, seen.desired, known, now)
    counted = (SetCount(count, seen.desired, main.name),) if count != seen.desired else ()
    actions = (*counted, *stored(seen.marks, {"fallback": after}, seen.judges))
    because = status(main, count, after)
    if actions:
        return replace(ordinary, decisions=actions, wake_at=now, because=because, ended=None)
    return replace(ordinary, because=because) if because and ordinary.at_rest else ordinary


def status(main: MainService, count: int, known: Fallback | None) -> str:
    """How many tasks run where, and what happens next; "" while nothing is missing."""
    if known is None:
        return ""
    spot = f"{min(main.running, main.desired)} of {main.desired} tasks of {main.name} on Spot"
    if known.phase is FallbackPhase.LACKING:
        return f"{spot}; the others start on demand at {_time(known.at)} if there is no Spot capacity"
    running = f"{spot}, {count} on demand since {_time(known.since)}"
    if known.phase is FallbackPhase.RETURNING:
        return f"{running}; {count - main.missing} of them stop at {_time(known.at)}"
    return running


def _time(at: datetime | None) -> str:
    return "an unknown time" if at is None else f"{at:%a %d %b %H:%M} UTC"


def supplied(item: Mapping[str, Any], groups: Mapping[str, str], group: str, *, serves: bool) -> tuple[str, ...] | None:
    """The deployments of a main service whose missing tasks run on demand in one of its target groups, oldest first.

    `groups` are those of its deployments, as far as they are known, and `serves` says whether the group receives
    production traffic. So the new version has none before it serves, and the previous one has them until it is
    removed. The only deployment there is, is in the group that serves. None: it is not known where one of them is.
    """
    alive = [one for one in item.get("deployments") or () if one["status"] != "INACTIVE" and one["desiredCount"]]
    if len(alive) > 1 and any(one["id"] not in groups for one in alive):
        return None
    usual = group if serves else ""
    here = [one for one in alive if groups.get(one["id"], usual) == group]
    proven = (one for one in here if serves or one.get("rolloutState") == "COMPLETED")
    return tuple(one["id"] for one in sorted(proven, key=lambda one: one["createdAt"]))


def version_of(item: Mapping[str, Any], deployment: str, state: StoredState, wanted: Version) -> Version:
    """The version of a deployment of the main service, by the revision that it runs."""
    found = next(one for one in item["deployments"] if one["id"] == deployment)
    revision = found["taskDefinition"].rpartition("/")[2]
    known = (wanted, state.live, state.started, state.rollback_target, state.previous)
    return next(
        (one for one in known if one is not None and one.task_definition == revision), Version(revision, revision)
    )


def followed(item: Mapping[str, Any], state: StoredState, wanted: Version) -> Version:
    """The version of the main service that runs on demand: the one that was deployed last and not given up, and at a
    first deployment the one that is being deployed. `item` is the main service as DescribeServices has it.
    """
    primary = next((one for one in item.get("deployments") or () if one["status"] == "PRIMARY"), None)
    known = (state.live, state.rollback_target, state.previous)
    if primary is not None and primary.get("rolloutState") == "COMPLETED":
        revision = primary["taskDefinition"].rpartition("/")[2]
        names = {one.task_definition: one for one in reversed((wanted, *known)) if one is not None}
        return names.get(revision, Version(revision, revision))
    return next((one for one in known if one is not None and not state.quarantined(one.release)), wanted)
