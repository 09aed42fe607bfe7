"""Requests that the state machine accepts and CodeDeploy cannot do, or not for that long."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.rollout.blue_green.context import RolloutContext, TrafficState
from reconciler.rollout.engines.codedeploy.facts import IN_TIME, INSTALLED_WITHIN, DeployedService
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.stored_state import DeadlineKind

FIRST = "the tasks of a first version cannot be removed; deploy another version in its place"
ITSELF = "CodeDeploy shifts traffic by itself, in the steps of its deployment configuration"


def refusal(request: Request, s: RolloutContext, seen: DeployedService) -> RequestRefusal | None:
    first = seen.active is None and s.shape is TrafficState.NOTHING_LIVE
    if first and request.verb in (RequestVerb.ROLLBACK, RequestVerb.ABORT) and not request.to:
        return RequestRefusal(Code.UNSUPPORTED, FIRST)
    if seen.active is None:
        return None
    if request.verb is RequestVerb.RESTART:
        return RequestRefusal(Code.ROLLOUT_IN_PROGRESS, f"CodeDeploy is working on deployment {seen.active.id}")
    if s.shape is TrafficState.SHARED or (s.shape is TrafficState.BEFORE and seen.active.shifts):
        match request.verb:
            case RequestVerb.PROMOTE:
                return RequestRefusal(Code.ALREADY_SHIFTING, ITSELF)
            case RequestVerb.HOLD | RequestVerb.EXTEND:
                return RequestRefusal(Code.UNSUPPORTED, f"{ITSELF}; `reconciler rollback` takes it back")
    if request.verb is not RequestVerb.EXTEND:
        return None
    due, latest = s.due(s.flight), _latest(s, seen)
    if due is None or due.at is None or latest is None:
        return None
    if max(due.at, s.now) + timedelta(seconds=request.seconds) <= latest:
        return None
    why = f"with CodeDeploy the phase can last until {latest:%a %d %b %H:%M} UTC, and no longer"
    return RequestRefusal(Code.TOO_LONG, why)


def _latest(s: RolloutContext, seen: DeployedService) -> datetime | None:
    """When CodeDeploy ends the phase by itself, or early enough before."""
    active, due = seen.active, s.due(s.flight)
    if active is None or due is None:
        return None
    if due.stage is DeadlineKind.UP:
        return active.born + INSTALLED_WITHIN
    if s.shape is TrafficState.SWITCHED:
        return active.removes_at
    return None if active.stops_at is None else active.stops_at - IN_TIME
