"""A person's word: what it does, or why it is refused. It is answered at once, and never kept for a better moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import Decision, Point
from reconciler.rollout.blue_green import context, gates, health, pre_promotion, traffic_shift
from reconciler.rollout.blue_green.context import FIRST_STAGES, Shape, Situation
from reconciler.rollout.engine import Health, Phase, Step
from reconciler.rollout.request_handler import NO_ROLLOUT, Answer, Requests, reason
from reconciler.rollout.requests import Handled, Intent, RequestRefusal, Verb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import Seen, TaskSet, all_on
from reconciler.rollout.stored_state import Actor, Deadline, Outcome, Stage, Stop, deadline
from reconciler.rollout.strategy import Policy

LONGEST_EXTENSION: Final = timedelta(days=14)

BLUE_UNHEALTHY: Final = RequestRefusal(Code.UNHEALTHY, "blue has no healthy task to go back to")


class _Requests(Requests):
    """Of an engine that moves the traffic."""

    def __init__(self, s: Situation, ordinary: Step) -> None:
        super().__init__(s.seen, s.now, ordinary)
        self.s = s

    @property
    def release(self) -> str:
        return self.s.flight or (self.s.live.release if self.s.live is not None else self.seen.wanted)

    def another(self, intent: Intent) -> str:
        return _another(self.s, intent)

    def left_over(self, release: str) -> bool:
        return self.s.shape is not Shape.NOTHING_LIVE and any(one.release == release for one in self.s.left)

    def noted(self, because: str, **fields: Any) -> Step:
        return self.s.step(_phase(self.s, self.ordinary), because, *self.s.mark(**fields), health=self.ordinary.health)

    def act(self, intent: Intent) -> Answer:
        s, ordinary = self.s, self.ordinary
        match intent.verb:
            case Verb.PROMOTE:
                return _promote(s, ordinary, intent)
            case Verb.FINISH:
                return _finish(s, ordinary, intent)
            case Verb.ROLLBACK:
                return _rollback(s, ordinary, intent)
            case Verb.ABORT:
                return _abort(s, intent)
            case Verb.HOLD:
                return _hold(s, ordinary, intent)
            case Verb.EXTEND:
                return _extend(s, ordinary, intent)
            case _:
                raise TypeError(f"{intent.verb} is the same for every engine")


def heard(s: Situation, ordinary: Step) -> Step | None:
    """The step that answers a word that nobody has answered yet. `ordinary` is what would be done without it."""
    return _Requests(s, ordinary).heard()


def _phase(s: Situation, ordinary: Step) -> Phase:
    """Where it is while it is answered; `ordinary` may already speak of what comes next."""
    if ordinary.phase is Phase.BLOCKED:
        return ordinary.phase
    due = s.due(s.flight) if s.flight else None
    match s.shape:
        case Shape.SWITCHED:
            return Phase.BLUE_WARM if due is not None and due.stage is Stage.WARM else Phase.VERIFYING
        case Shape.SHARED | Shape.HALF:
            return Phase.SHIFTING
        case Shape.NOTHING_LIVE:
            return Phase.BOOTSTRAP if s.target else Phase.FAILED
        case Shape.BEFORE if not s.left:
            if s.green is None:
                return Phase.IDLE
            return pre_promotion.PHASES.get(due.stage if due is not None else Stage.UP, Phase.GREEN_UP)
        case _:
            return ordinary.phase


def verbs(policy: Policy, seen: Seen, ordinary: Step, now: datetime) -> tuple[Verb, ...]:
    """What could be said now and would be heeded."""
    return _Requests(context.of(policy, seen, now), ordinary).offered()


def _another(s: Situation, intent: Intent) -> str:
    """Why the word is about another release than it could be about; empty if it is about the right one."""
    if s.flight:
        return "" if intent.release == s.flight else f"{s.flight} is being rolled out, not {intent.release}"
    if s.shape is Shape.FOREIGN:
        known = {one.release for one in s.seen.alive}
        return "" if intent.release in known else f"{intent.release} is not among what runs"
    if s.live is not None and intent.release != s.live.release:
        return f"{s.live.release} runs and nothing is being rolled out, {intent.release} neither"
    return ""


def _yes(intent: Intent) -> Handled:
    return Handled(intent.id)


def _does(s: Situation, ordinary: Step, intent: Intent, **fields: Any) -> Step:
    """Only something to remember, in the phase that it is."""
    return _Requests(s, ordinary).accepted(intent, **fields)


def _promote(s: Situation, ordinary: Step, intent: Intent) -> Answer:
    because = f"{intent.by} said promote"
    if ordinary.phase is Phase.BLOCKED:
        return RequestRefusal(Code.TRAFFIC_CHANGED, "somebody else moved production; that has to be cleared up first")
    match s.shape:
        case Shape.BEFORE if s.green is not None and not s.left:
            return _promote_green(s, s.green, ordinary, intent)
        case Shape.SHARED:
            assert s.green is not None
            due = s.due(s.green.release)
            wrong = _unfit(s, s.green)
            if wrong:
                return wrong
            if s.held and not (due is not None and due.stage is Stage.AT):
                return _does(s, ordinary, intent, hold=None)
            if due is None or due.stage is not Stage.AT or due.weight != _share(s, s.green):
                return RequestRefusal(Code.ALREADY_SHIFTING, "it is on its way to its next share of production")
            marks = traffic_shift.onwards(s, s.green, due, handled=_yes(intent), hold=None)
            return s.step(Phase.SHIFTING, because, *marks)
        case Shape.SWITCHED:
            why = "it has all of production already; finish lets what ran before go, once it is not watched any more"
            return RequestRefusal(Code.ALREADY_PROMOTED, why)
        case Shape.NOTHING_LIVE:
            return RequestRefusal(Code.FIRST_DEPLOYMENT, "a first deployment waits for nobody")
        case Shape.REST:
            return NO_ROLLOUT
        case _:
            return RequestRefusal(Code.NOT_READY, "it is not up yet")


def _promote_green(s: Situation, green: TaskSet, ordinary: Step, intent: Intent) -> Answer:
    due = s.due(green.release)
    match due:
        case Deadline(stage=Stage.GATE):
            wrong = _unfit(s, green)
            if wrong:
                return wrong
            marks = pre_promotion.approve(s, green, handled=_yes(intent), hold=None)
            return s.step(Phase.SHIFTING, f"{intent.by} said promote", *marks)
        case Deadline(stage=Stage.TO) if s.held:
            return _does(s, ordinary, intent, hold=None)
        case Deadline(stage=Stage.TO):
            return RequestRefusal(Code.ALREADY_SHIFTING, "it is being promoted already")
        case Deadline(stage=Stage.TEST):
            return RequestRefusal(Code.NOT_TESTED, "it is not tested yet")
        case _:
            return RequestRefusal(Code.NOT_READY, f"it is not healthy yet: {health.told(s.seen, green)}")


def _finish(s: Situation, ordinary: Step, intent: Intent) -> Answer:
    """Cut short the time in which blue stays. Promote said twice must not: it would cost the quick way back."""
    if s.shape is not Shape.SWITCHED:
        return RequestRefusal(Code.NO_PREVIOUS_VERSION, "nothing is kept warm")
    assert s.live is not None
    due = s.due(s.live.release)
    if due is None or due.stage is not Stage.WARM:
        why = "it is being watched in production, and what ran before stays until that is over"
        return RequestRefusal(Code.STILL_VERIFYING, why)
    if s.seen.looks <= 0:
        return RequestRefusal(Code.UNHEALTHY, f"it is not well: {health.told(s.seen, s.live)}")
    soon = deadline(s.live.release, Stage.WARM, s.now, s.policy.drain)  # requests may still be under way to blue
    shorter = due if due.at is not None and soon.at is not None and due.at < soon.at else soon
    ended = s.ended(s.live.release, Outcome.FAST_PROMOTED, Phase.BLUE_WARM, Actor.PERSON)
    return _does(s, ordinary, intent, deadline=shorter, ended=ended, hold=None)


def _unfit(s: Situation, green: TaskSet) -> RequestRefusal | None:
    closed = gates.closed(s)
    if closed is not None:
        return RequestRefusal(Code.OUTSIDE_WINDOW, closed.because)
    if s.seen.looks <= 0:
        return RequestRefusal(Code.UNHEALTHY, f"it is not well: {health.told(s.seen, green)}")
    if s.seen.alarms:
        return RequestRefusal(Code.ALARM, f"an alarm fires: {', '.join(s.seen.alarms)}")
    return None


def _share(s: Situation, green: TaskSet) -> int:
    assert s.seen.production is not None
    return s.seen.production[green.slot]


def _rollback(s: Situation, ordinary: Step, intent: Intent) -> Answer:
    why = reason(intent)
    match s.shape:
        case Shape.SHARED | Shape.SWITCHED:
            return traffic_shift.roll_back(s, Outcome.ROLLED_BACK, why, handled=_yes(intent)) or BLUE_UNHEALTHY
        case Shape.FOREIGN:
            return _put_back(s, intent, why)
        case Shape.REST:
            return _go_back(s, ordinary, intent, why)
        case Shape.HALF:
            return RequestRefusal(Code.NO_PREVIOUS_VERSION, "one side is gone; there is nothing to go back to")
        case _:
            return _stop(s, intent, why)


def _abort(s: Situation, intent: Intent) -> Answer:
    match s.shape:
        case Shape.SWITCHED:
            return RequestRefusal(Code.ALREADY_PROMOTED, "it has all of production already; rollback goes back")
        case Shape.SHARED:
            return traffic_shift.roll_back(s, Outcome.ABORTED, reason(intent), handled=_yes(intent)) or BLUE_UNHEALTHY
        case Shape.BEFORE | Shape.NOTHING_LIVE:
            return _stop(s, intent, reason(intent))
        case _:
            return NO_ROLLOUT


def _stop(s: Situation, intent: Intent, why: str) -> Answer:
    """Production has not moved, or has gone back already and only the note of it is missing: the new version goes."""
    if not s.flight:
        return NO_ROLLOUT
    due = s.due(s.flight)
    phase, outcome = Phase.FAILED, Outcome.ABORTED
    if s.green is not None and pre_promotion.moved_back(s, s.green):
        phase = Phase.ROLLING_BACK
        outcome = Outcome.ROLLED_BACK if intent.verb is Verb.ROLLBACK else outcome
    ended = s.ended(s.flight, outcome, phase, Actor.PERSON, why)
    fields: dict[str, Any] = {"quarantine": s.marks.with_quarantined(s.flight), "ended": ended, "handled": _yes(intent)}
    if s.green is not None and due is not None and (due.stage not in FIRST_STAGES or due.weight):
        fields["deadline"] = deadline(s.flight, Stage.RETIRE, s.now, s.policy.drain)
    return s.step(phase, why, *s.mark(**fields), health=Health.DEGRADED, ended=ended)


def _go_back(s: Situation, ordinary: Step, intent: Intent, why: str) -> Answer:
    """Blue is gone: an ordinary rollout of what ran before, without tests and gate."""
    assert s.live is not None
    previous = s.marks.previous
    if previous is None or previous.release == s.live.release or s.marks.quarantined(previous.release):
        return RequestRefusal(Code.NO_PREVIOUS_VERSION, "no earlier version is known that was well in production")
    ended = s.ended(s.live.release, Outcome.ROLLED_BACK, ordinary.phase, Actor.PERSON, why)
    marks = s.mark(
        quarantine=s.marks.with_quarantined(s.live.release), back=previous, ended=ended, handled=_yes(intent)
    )
    return s.step(Phase.ROLLING_BACK, why, *marks, health=Health.DEGRADED, ended=ended)


def _put_back(s: Situation, intent: Intent, why: str) -> Answer:
    """Production has shares that nobody here gave it: all of it to the side that was there first."""
    if s.seen.production is None or s.seen.deleting:
        why = "the production listener names what is not ours; put it back by hand"
        return RequestRefusal(Code.UNMANAGED_TARGETS, why)
    side = next((one for one in s.seen.alive if one.well), None)
    if side is None:
        return RequestRefusal(Code.UNHEALTHY, "neither side has a healthy task")
    point: Decision = Point("production", all_on(side.slot), s.seen.production)
    return s.step(Phase.ROLLING_BACK, why, point, *s.mark(handled=_yes(intent)), health=Health.DEGRADED)


def _hold(s: Situation, ordinary: Step, intent: Intent) -> Answer:
    if s.shape not in (Shape.BEFORE, Shape.SHARED, Shape.SWITCHED) or not s.flight:
        return NO_ROLLOUT
    return _does(s, ordinary, intent, hold=Stop(intent.by, s.flight))


def _extend(s: Situation, ordinary: Step, intent: Intent) -> Answer:
    due = s.due(s.flight) if s.flight else None
    if due is None or due.at is None or due.stage is Stage.RETIRE:
        return RequestRefusal(Code.NO_DEADLINE, "no clock is running that could be given more time")
    longer = deadline(s.flight, due.stage, max(due.at, s.now), timedelta(seconds=intent.seconds), weight=due.weight)
    assert longer.at is not None
    if longer.at - s.now > LONGEST_EXTENSION:
        return RequestRefusal(Code.TOO_LONG, f"that is more than {LONGEST_EXTENSION.days} days from now")
    return _does(s, ordinary, intent, deadline=longer)
