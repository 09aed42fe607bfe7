"""Safety check of a rollout step: a second look at what an engine decided, right before it is carried out.

It knows nothing of phases and of why something was decided, only what must never be done by what was observed:

- production traffic goes to no version without a healthy task while another one serves, and to a new version only once
  all of its tasks are healthy in enough observations, and its promotion is stored;
- no task set is deleted that receives production traffic, or is the only healthy one, or still has its bake time;
- no task set with healthy tasks is scaled to zero.

An action that only one engine knows is judged by what it amounts to (`EngineAction.amounts_to`).

A step that fails it is a bug of an engine. Nothing is written any more then, by any part of this process.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from reconciler.rollout.actions import DeleteTaskSet, EngineAction, RolloutAction, ScaleTaskSet, SetWeights
from reconciler.rollout.blue_green import health
from reconciler.rollout.state import ObservedService, TaskSet, Weights
from reconciler.rollout.stored_state import DeadlineKind, Outcome
from reconciler.rollout.strategy import Strategy

HALTED: Final = (
    "nothing is written any more, because a safety check failed: {}: {}; check the service in AWS, then stop this "
    "process and run `reconciler status {}`"
)
"""Said of an address, the reason, and the service's name."""


def breach(policy: Strategy, seen: ObservedService, decisions: Iterable[RolloutAction], now: datetime) -> str:
    """Why these actions must not be carried out, or ""."""
    found = (_breach(policy, seen, one, now) for one in decisions)
    return next((because for because in found if because), "")


def _breach(policy: Strategy, seen: ObservedService, decision: RolloutAction, now: datetime) -> str:
    match decision:
        case SetWeights(listener="production", weights=weights) if seen.desired:
            return _shifts(policy, seen, weights)
        case DeleteTaskSet(id=identifier):
            return _deletes(seen, identifier, now)
        case ScaleTaskSet(id=identifier, scale=0):
            one = _find(seen, identifier)
            return f"{one.release} has healthy tasks and would be scaled to 0" if one is not None and one.well else ""
        case EngineAction():
            return breach(policy, seen, decision.amounts_to(seen), now)
    return ""


def _shifts(policy: Strategy, seen: ObservedService, weights: Weights) -> str:
    if seen.production is None:
        return "production traffic goes to unmanaged targets, and would be moved"
    if not _well(seen, seen.production):
        return ""
    if not _well(seen, weights):
        return "production traffic would go where no task is healthy"
    for slot in (0, 1):
        one = _on(seen, slot)
        if weights[slot] <= seen.production[slot]:
            continue
        if one is None or not one.well:
            return f"target group {slot + 1} has no healthy task and would receive production traffic"
        if any(other.slot != slot and other.scale and other.born < one.born for other in seen.alive):
            because = _unfit(policy, seen, one)
            if because:
                return f"{one.release} would receive production traffic, and {because}"
    return ""


def _unfit(policy: Strategy, seen: ObservedService, green: TaskSet) -> str:
    due = seen.marks.deadline
    if seen.marks.quarantined(green.release):
        return "is quarantined"
    if min(green.well, green.running) < seen.desired or seen.looks < policy.looks:
        return f"was not found healthy in {policy.looks} observations in a row"
    others = [one for one in seen.alive if one.slot != green.slot and _weight(seen, one)]
    if not any(one.well for one in others) or not any(one.primary for one in seen.alive):
        return ""  # nobody is served by the other side, or it is a first deployment
    if due is None or (due.release, due.stage) != (green.release, DeadlineKind.TO):
        return "its promotion is not stored"
    return ""


def _deletes(seen: ObservedService, identifier: str, now: datetime) -> str:
    gone = _find(seen, identifier)
    if gone is None or gone.draining:
        return ""
    if seen.production is None or _weight(seen, gone):
        return f"{gone.release} receives production traffic and would be deleted"
    if gone.well and not any(one.well for one in seen.alive if one.id != gone.id):
        return f"only {gone.release} has healthy tasks and would be deleted"
    live = next((one for slot in (0, 1) if seen.production[slot] and (one := _on(seen, slot)) is not None), None)
    if live is None or gone.slot == live.slot or not gone.scale or gone.born >= live.born:
        return ""
    if not any(one.primary for one in seen.alive) or any(one.born > live.born for one in seen.alive):
        return ""  # a first deployment, or a fix has taken its place
    if seen.startable and seen.wanted not in (live.release, gone.release) and not health.can_serve(seen, gone, live):
        return ""  # a fix is about to take the place of a version that could not serve
    due, ended = seen.marks.deadline, seen.marks.ended_of(live.release)
    over = due is not None and (due.release, due.stage) == (live.release, DeadlineKind.WARM) and due.passed(now)
    if not over and (ended is None or ended.outcome is not Outcome.FAST_PROMOTED):
        return f"the bake time of {live.release} is not over, and {gone.release} would be deleted"
    if live.well < live.needed(seen.desired):
        return f"{live.release} is not healthy, and {gone.release} would be deleted"
    return ""


def _well(seen: ObservedService, weights: Weights) -> bool:
    return any(weights[one.slot] and one.scale and one.well for one in seen.alive)


def _weight(seen: ObservedService, one: TaskSet) -> int:
    return 0 if seen.production is None else seen.production[one.slot]


def _on(seen: ObservedService, slot: int) -> TaskSet | None:
    """The task set of a slot: the primary one, otherwise the youngest."""
    here = [one for one in seen.alive if one.slot == slot and (one.scale or one.primary)]
    return next((one for one in here if one.primary), here[-1] if here else None)


def _find(seen: ObservedService, identifier: str) -> TaskSet | None:
    return next((one for one in seen.sets if one.id == identifier), None)
