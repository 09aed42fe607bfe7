"""Handling of operator requests (promote, rollback, …) for engines that shift traffic.

A request is accepted or refused at once; it is never kept for later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import RolloutAction, SetWeights
from reconciler.rollout.blue_green import context, pre_promotion, promotion, traffic_shift
from reconciler.rollout.blue_green.context import FIRST_STAGES, RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep
from reconciler.rollout.release import Version
from reconciler.rollout.request_handler import NEVER_LIVE, NO_ROLLOUT, Answer, Requests, reason, who
from reconciler.rollout.requests import Pause, Request, RequestRefusal, RequestVerb, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService, all_on, short
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome, deadline
from reconciler.rollout.strategy import Strategy

LONGEST_EXTENSION: Final = timedelta(days=14)

BLUE_UNHEALTHY: Final = RequestRefusal(Code.UNHEALTHY, "blue has no healthy tasks to roll back to")


class _Requests(Requests):
    """Requests to an engine that shifts traffic."""

    def __init__(self, s: RolloutContext, ordinary: RolloutStep) -> None:
        super().__init__(s.seen, s.now, ordinary)
        self.s = s

    @property
    def release(self) -> str:
        return self.s.flight or (self.s.live.release if self.s.live is not None else self.seen.wanted)

    @property
    def running(self) -> str:
        return self.s.live.release if self.s.live is not None and self.s.shape is TrafficState.REST else ""

    def another(self, request: Request) -> str:
        return _another(self.s, request)

    def left_over(self, release: str) -> bool:
        return self.s.shape is not TrafficState.NOTHING_LIVE and any(one.release == release for one in self.s.left)

    def noted(self, because: str, **fields: Any) -> RolloutStep:
        return self.s.step(_phase(self.s, self.ordinary), because, *self.s.mark(**fields), health=self.ordinary.health)

    def act(self, request: Request) -> Answer:
        s, ordinary = self.s, self.ordinary
        match request.verb:
            case RequestVerb.PROMOTE:
                return promotion.promote(s, ordinary, request, self.accepted)
            case RequestVerb.FINISH:
                return promotion.finish(s, request, self.accepted)
            case RequestVerb.ROLLBACK:
                to = self.target(request)
                if to is not None and not isinstance(to, RequestRefusal):
                    return _rollback_to(s, ordinary, request, to, self.going_back(to))
                return to or _rollback(s, ordinary, request)
            case RequestVerb.ABORT:
                return _abort(s, request)
            case RequestVerb.HOLD:
                return _hold(s, ordinary, request)
            case RequestVerb.EXTEND:
                return _extend(s, ordinary, request)
            case _:
                raise TypeError(f"{request.verb} is handled by the shared request handler")


def heard(s: RolloutContext, ordinary: RolloutStep) -> RolloutStep | None:
    """The step that answers the pending request, if there is one. `ordinary` is the step without it."""
    return _Requests(s, ordinary).heard()


def _phase(s: RolloutContext, ordinary: RolloutStep) -> Phase:
    """The current phase; `ordinary` may already be in the next one."""
    if ordinary.phase is Phase.BLOCKED:
        return ordinary.phase
    due = s.due(s.flight) if s.flight else None
    match s.shape:
        case TrafficState.SWITCHED:
            return Phase.BAKING if due is not None and due.stage is DeadlineKind.WARM else Phase.VERIFYING
        case TrafficState.SHARED | TrafficState.PARTIALLY_ORPHANED:
            return Phase.SHIFTING
        case TrafficState.NOTHING_LIVE:
            return Phase.INITIAL_DEPLOYMENT if s.target else Phase.FAILED
        case TrafficState.BEFORE if not s.left:
            if s.green is None:
                return Phase.IDLE
            return pre_promotion.PHASES.get(due.stage if due is not None else DeadlineKind.UP, Phase.SCALING_UP)
        case _:
            return ordinary.phase


def verbs(policy: Strategy, seen: ObservedService, ordinary: RolloutStep, now: datetime) -> tuple[RequestVerb, ...]:
    """Requests that would be accepted now."""
    return _Requests(context.of(policy, seen, now), ordinary).offered()


def _another(s: RolloutContext, request: Request) -> str:
    """Why the request names another release than the current one, or ""."""
    if s.flight:
        if request.release == s.flight:
            return ""
        return f"{short(s.flight)} is being rolled out, not {short(request.release)}"
    if s.shape is TrafficState.FOREIGN:
        known = {one.release for one in s.seen.alive}
        return "" if request.release in known else f"{short(request.release)} is not running"
    if s.live is not None and request.release != s.live.release:
        live, named = short(s.live.release), short(request.release)
        return f"{live} is in production and no rollout is in progress; {named} is not running"
    return ""


def _yes(request: Request) -> Response:
    return Response(request.id)


def _does(s: RolloutContext, ordinary: RolloutStep, request: Request, **fields: Any) -> RolloutStep:
    """Accept the request by storing `fields`, without leaving the phase."""
    return _Requests(s, ordinary).accepted(request, **fields)


def _rollback(s: RolloutContext, ordinary: RolloutStep, request: Request) -> Answer:
    why = reason(request)
    match s.shape:
        case TrafficState.SHARED | TrafficState.SWITCHED:
            return traffic_shift.roll_back(s, Outcome.ROLLED_BACK, why, response=_yes(request)) or BLUE_UNHEALTHY
        case TrafficState.FOREIGN:
            return _restore_weights(s, request, why)
        case TrafficState.REST:
            return _go_back(s, ordinary, request, why)
        case TrafficState.PARTIALLY_ORPHANED:
            return RequestRefusal(
                Code.NO_PREVIOUS_VERSION, "the previous version is gone; there is nothing to roll back to"
            )
        case _:
            return _stop(s, request, why)


def _rollback_to(
    s: RolloutContext, ordinary: RolloutStep, request: Request, to: Version, quarantine: tuple[str, ...]
) -> Answer:
    """To an earlier release that is not running: production first goes back to blue, where that still runs."""
    why, fields = reason(request), {"rollback_target": to, "quarantine": quarantine, "response": _yes(request)}
    match s.shape:
        case TrafficState.SHARED | TrafficState.SWITCHED:
            if s.blue is not None and s.blue.release == to.release:
                del fields["rollback_target"]
            return traffic_shift.roll_back(s, Outcome.ROLLED_BACK, why, **fields) or BLUE_UNHEALTHY
        case TrafficState.REST | TrafficState.BEFORE | TrafficState.NOTHING_LIVE:
            if s.live is not None and s.live.release == to.release:
                fields["rollback_target"] = None
            stopped = s.flight or (s.live.release if s.live is not None else s.seen.wanted)
            ended = s.ended(stopped, Outcome.ROLLED_BACK, ordinary.phase, Actor.PERSON, why)
            marks = s.mark(**fields, ended=ended)
            return s.step(Phase.ROLLING_BACK, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)
        case _:
            return _rollback(s, ordinary, request)


def _abort(s: RolloutContext, request: Request) -> Answer:
    match s.shape:
        case TrafficState.SWITCHED:
            return RequestRefusal(Code.ALREADY_PROMOTED, "already promoted; use `reconciler rollback` instead")
        case TrafficState.SHARED:
            return (
                traffic_shift.roll_back(s, Outcome.ABORTED, reason(request), response=_yes(request)) or BLUE_UNHEALTHY
            )
        case TrafficState.BEFORE | TrafficState.NOTHING_LIVE:
            return _stop(s, request, reason(request))
        case _:
            return NO_ROLLOUT


def _stop(s: RolloutContext, request: Request, why: str) -> Answer:
    """Stop a rollout whose traffic has not shifted, or has shifted back already."""
    if not s.flight:
        return NO_ROLLOUT
    if s.going_back:
        if request.verb is RequestVerb.ROLLBACK:
            return RequestRefusal(Code.NO_ROLLOUT, f"{s.flight} is being rolled back to; `reconciler abort` stops that")
        return s.step(Phase.FAILED, why, *s.mark(rollback_target=None, deadline=None, response=_yes(request)))
    due = s.due(s.flight)
    phase, outcome = Phase.FAILED, Outcome.ABORTED
    if s.green is not None and pre_promotion.moved_back(s, s.green):
        phase = Phase.ROLLING_BACK
        outcome = Outcome.ROLLED_BACK if request.verb is RequestVerb.ROLLBACK else outcome
    ended = s.ended(s.flight, outcome, phase, Actor.PERSON, why)
    fields: dict[str, Any] = {
        "quarantine": s.marks.with_quarantined(s.flight),
        "ended": ended,
        "response": _yes(request),
    }
    if s.green is not None and due is not None and (due.stage not in FIRST_STAGES or due.weight):
        fields["deadline"] = deadline(s.flight, DeadlineKind.RETIRE, s.now, s.policy.drain)
    return s.step(phase, why, *s.mark(**fields), health=RolloutHealth.DEGRADED, ended=ended)


def _go_back(s: RolloutContext, ordinary: RolloutStep, request: Request, why: str) -> Answer:
    """Blue is gone: roll out the previous version again, without tests and promotion gate."""
    assert s.live is not None
    if s.marks.quarantined(s.seen.wanted) and s.live.release != s.seen.wanted:
        return RequestRefusal(Code.NO_ROLLOUT, NEVER_LIVE.format(short(s.seen.wanted), short(s.live.release)))
    previous = s.marks.previous
    if previous is None or previous.release == s.live.release or s.marks.quarantined(previous.release):
        return RequestRefusal(Code.NO_PREVIOUS_VERSION, "there is no earlier version that was healthy in production")
    ended = s.ended(s.live.release, Outcome.ROLLED_BACK, ordinary.phase, Actor.PERSON, why)
    marks = s.mark(
        quarantine=s.marks.with_quarantined(s.live.release),
        rollback_target=previous,
        ended=ended,
        response=_yes(request),
    )
    return s.step(Phase.ROLLING_BACK, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)


def _restore_weights(s: RolloutContext, request: Request, why: str) -> Answer:
    """Production weights were changed outside the controller: send all traffic to a healthy side."""
    if s.seen.production is None or s.seen.deleting:
        why = "the production listener forwards to unmanaged targets; restore it by hand"
        return RequestRefusal(Code.UNMANAGED_TARGETS, why)
    side = next((one for one in s.seen.alive if one.well), None)
    if side is None:
        return RequestRefusal(Code.UNHEALTHY, "neither version has a healthy task")
    point: RolloutAction = SetWeights("production", all_on(side.slot), s.seen.production)
    return s.step(Phase.ROLLING_BACK, why, point, *s.mark(response=_yes(request)), health=RolloutHealth.DEGRADED)


def _hold(s: RolloutContext, ordinary: RolloutStep, request: Request) -> Answer:
    if s.shape not in (TrafficState.BEFORE, TrafficState.SHARED, TrafficState.SWITCHED) or not s.flight:
        return NO_ROLLOUT
    return _does(s, ordinary, request, hold=Pause(who(request), s.flight, request.at))


def _extend(s: RolloutContext, ordinary: RolloutStep, request: Request) -> Answer:
    due = s.due(s.flight) if s.flight else None
    if due is None or due.at is None or due.stage is DeadlineKind.RETIRE:
        return RequestRefusal(Code.NO_DEADLINE, "the current phase has no deadline to extend")
    longer = deadline(s.flight, due.stage, max(due.at, s.now), timedelta(seconds=request.seconds), weight=due.weight)
    assert longer.at is not None
    if longer.at - s.now > LONGEST_EXTENSION:
        return RequestRefusal(Code.TOO_LONG, f"the deadline would be more than {LONGEST_EXTENSION.days} days from now")
    return _does(s, ordinary, request, deadline=longer)
