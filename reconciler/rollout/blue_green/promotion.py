"""Requests that let a version into production, or end the time in which it can be taken back: promote and finish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from reconciler.rollout.blue_green import gates, health, pre_promotion, traffic_shift
from reconciler.rollout.blue_green.context import RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.request_handler import NO_ROLLOUT, Answer
from reconciler.rollout.requests import Request, RequestRefusal, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import TaskSet
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, deadline

Accepted: TypeAlias = Callable[..., RolloutStep]
"""Accepts a request by storing fields, without leaving the phase."""


def promote(s: RolloutContext, ordinary: RolloutStep, request: Request, accepted: Accepted) -> Answer:
    """Let the version in that waits, or send it its next share of production."""
    because = f"promotion requested by {request.by}"
    if ordinary.phase is Phase.BLOCKED:
        return RequestRefusal(
            Code.TRAFFIC_CHANGED, "production traffic was changed outside reconciler; resolve that first"
        )
    match s.shape:
        case TrafficState.BEFORE if s.green is not None and not s.left:
            return _promote_green(s, s.green, request, accepted)
        case TrafficState.SHARED:
            assert s.green is not None
            due = s.due(s.green.release)
            wrong = _unfit(s, s.green)
            if wrong:
                return wrong
            if s.held and not (due is not None and due.stage is DeadlineKind.AT):
                return accepted(request, hold=None)
            if due is None or due.stage is not DeadlineKind.AT or due.weight != _share(s, s.green):
                return RequestRefusal(Code.ALREADY_SHIFTING, "traffic is already shifting to the next step")
            marks = traffic_shift.onwards(s, s.green, due, response=Response(request.id), hold=None)
            return s.step(Phase.SHIFTING, because, *marks)
        case TrafficState.SWITCHED:
            why = "already promoted; `reconciler finish` removes the previous version once verification has passed"
            return RequestRefusal(Code.ALREADY_PROMOTED, why)
        case TrafficState.NOTHING_LIVE:
            return RequestRefusal(Code.INITIAL_DEPLOYMENT, "the initial deployment has no promotion gate")
        case TrafficState.REST:
            return NO_ROLLOUT
        case _:
            return RequestRefusal(Code.NOT_READY, "the new version is not running yet")


def _promote_green(s: RolloutContext, green: TaskSet, request: Request, accepted: Accepted) -> Answer:
    due = s.due(green.release)
    match due:
        case Deadline(stage=DeadlineKind.GATE):
            wrong = _unfit(s, green)
            if wrong:
                return wrong
            marks = pre_promotion.approve(s, green, response=Response(request.id), hold=None)
            return s.step(Phase.SHIFTING, f"promotion requested by {request.by}", *marks)
        case Deadline(stage=DeadlineKind.TO) if s.held:
            return accepted(request, hold=None)
        case Deadline(stage=DeadlineKind.TO):
            return RequestRefusal(Code.ALREADY_SHIFTING, "already promoted; traffic is about to shift")
        case Deadline(stage=DeadlineKind.TEST):
            return RequestRefusal(Code.NOT_TESTED, "tests have not passed yet")
        case _:
            why = f"the new version is still scaling up: {health.status(s.seen, green)}"
            if health.steady(s.seen, green):
                why += ", which further checks have to confirm"
            return RequestRefusal(Code.NOT_READY, why)


def finish(s: RolloutContext, request: Request, accepted: Accepted) -> Answer:
    """End the bake time. A second `promote` must not do this, because it would end instant rollback by accident."""
    if s.shape is not TrafficState.SWITCHED:
        return RequestRefusal(Code.NO_PREVIOUS_VERSION, "there is no previous version running")
    assert s.live is not None
    due = s.due(s.live.release)
    if due is None or due.stage is not DeadlineKind.WARM:
        why = "the new version is still being verified; the previous version stays until that is done"
        return RequestRefusal(Code.STILL_VERIFYING, why)
    if s.seen.looks <= 0:
        return RequestRefusal(
            Code.UNHEALTHY, f"the version in production is not healthy: {health.status(s.seen, s.live)}"
        )
    soon = deadline(s.live.release, DeadlineKind.WARM, s.now, s.policy.drain)  # requests to blue may still be in flight
    shorter = due if due.at is not None and soon.at is not None and due.at < soon.at else soon
    ended = s.ended(s.live.release, Outcome.FAST_PROMOTED, Phase.BAKING, Actor.PERSON)
    return accepted(request, deadline=shorter, ended=ended, hold=None)


def _unfit(s: RolloutContext, green: TaskSet) -> RequestRefusal | None:
    closed = gates.closed(s)
    if closed is not None:
        return RequestRefusal(Code.OUTSIDE_WINDOW, closed.because)
    if s.seen.looks <= 0:
        return RequestRefusal(Code.UNHEALTHY, f"the new version is not healthy: {health.status(s.seen, green)}")
    if s.seen.alarms:
        return RequestRefusal(Code.ALARM, f"in alarm: {', '.join(s.seen.alarms)}")
    return None


def _share(s: RolloutContext, green: TaskSet) -> int:
    assert s.seen.production is not None
    return s.seen.production[green.slot]
