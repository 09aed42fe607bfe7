"""ECS's own rolling deployment: we say what is wanted, and watch.

    idle ──► green_up ──► idle
                │  └─────► failed            ECS gave up, and nothing goes back
                └─► rolling_back ─► rolled_back   ECS's circuit breaker, or a person

A service that is stable again proves nothing: it is stable, too, after ECS went back to what ran before. What counts is
that the primary deployment is of the revision that was asked for. It was asked for, if the stored deadline says so; so
the deadline is written after the request, and what was never asked for is never taken for rolled back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from reconciler.model import intents, windows
from reconciler.model.decisions import Decision, Declare, Mark
from reconciler.model.intents import Handled, Intent, RequestRefusal, RequestRefusalCode, Verb
from reconciler.model.marks import Actor, Deadline, Ended, Outcome, Stage, Stop, deadline
from reconciler.model.policy import Policy
from reconciler.model.release import Subject, Version
from reconciler.model.resource import Calls
from reconciler.model.rollout import NOTHING, Engine, Health, Known, Phase, Step, Waiting
from reconciler.model.seen import Seen, TaskSet
from reconciler.rollout import deployments, service
from reconciler.rollout.situation import POLL_EVERY
from reconciler.rollout.task_sets import mark

PATIENCE: Final = timedelta(hours=1)
"""A deployment that is not over by then is reported; ECS goes on with it."""

Answer = tuple[dict[str, Any], Ended | None] | RequestRefusal
"""What to remember of a request that is carried out, with the ending that it is; or why it is refused."""


class Rolling(Engine):
    name: ClassVar[str] = "rolling"

    def see(self, subject: Subject, policy: Policy, now: datetime, known: Known = NOTHING) -> Calls[Seen]:
        item = known.service
        if item is None:
            (item,) = service.listed((yield service.described(subject.cluster, [subject.service])))
        return deployments.seen(subject, item)

    def step(self, policy: Policy, seen: Seen, now: datetime) -> Step:
        situation = _Situation(policy, seen, now)
        ordinary = situation.ordinary()
        intent = seen.marks.unheard
        if intent is not None:
            return situation.answer(ordinary, intent)
        if seen.marks.pause is not None:
            because = f"{seen.marks.pause.by} paused the service"
            return replace(
                ordinary,
                decisions=(),
                wake_at=None,
                because=because,
                health=Health.SUSPENDED,
                waits_for=Waiting.PERSON,
                ended=None,
            )
        return ordinary

    def verbs(self, policy: Policy, seen: Seen, now: datetime) -> tuple[Verb, ...]:
        situation = _Situation(policy, seen, now)
        offered = []
        for verb in Verb:
            release = seen.wanted if verb is Verb.RETRY else situation.flight or situation.runs
            intent = Intent(verb, release, "offered", now, "nobody", seconds=60)
            if not isinstance(situation.answered(intent), RequestRefusal):
                offered.append(verb)
        return tuple(offered)

    def perform(self, decision: Decision, subject: Subject) -> Calls[None]:
        match decision:
            case Mark():
                yield from mark(decision, subject)
            case Declare():
                yield deployments.declared(subject, decision)
            case _:
                raise TypeError(f"{type(decision).__name__} is nothing that a rolling deployment does")


def _number(definition: str) -> int:
    """7 of `web:7`; 0 where there is none yet."""
    number = definition.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


class _Situation:
    """One look. `runs` is the release of the primary deployment, `flight` the one that is on its way."""

    def __init__(self, policy: Policy, seen: Seen, now: datetime) -> None:
        self.policy, self.seen, self.now = policy, seen, now
        self.marks = seen.marks
        self.primary = next((one for one in seen.sets if one.primary), None)
        self.arrived = self.primary is not None and self.primary.task_definition == seen.definition and not seen.differs
        self.runs = "" if self.primary is None else self.primary.release
        due = self.marks.deadline
        self.asked = (
            due is not None
            and (due.release, due.stage) == (seen.wanted, Stage.ROLL)
            and due.weight in (0, _number(seen.definition))
        )
        self.due = due if self.asked else None
        live = self.marks.live
        settled = self.arrived and live is not None and live.release == seen.wanted and not self.asked
        self.flight = "" if settled or self.marks.quarantined(seen.wanted) else seen.wanted

    # -- the machine

    def ordinary(self) -> Step:
        if self.seen.deleting:
            return self._step(Phase.BLOCKED, "the service is being deleted", health=Health.DEGRADED)
        if self.marks.quarantined(self.seen.wanted):
            return self._quarantined()
        if not self.arrived:
            return self._elsewhere()
        assert self.primary is not None
        if self.primary.state == "FAILED":
            return self._gone_wrong(Outcome.FAILED, self.primary.reason or "ECS gave up on it")
        if not self._complete(self.primary):
            return self._under_way(self.primary)
        return self._rest(self.primary)

    def _elsewhere(self) -> Step:
        """What runs is not what is wanted: not yet, or not any more."""
        failed = next((one for one in self.seen.sets if one.task_definition == self.seen.definition), None)
        if self.asked or (failed is not None and failed.state == "FAILED" and not self.seen.differs):
            reason = failed.reason if failed is not None else ""
            return self._gone_wrong(Outcome.ROLLED_BACK, reason or "ECS went back to the version before")
        if not windows.open_at(self.policy.windows, self.now):
            opens = windows.opens_at(self.policy.windows, self.now)
            because = "no window allows it within a week" if opens is None else f"a window opens {opens:%a %H:%M} UTC"
            return self._step(
                Phase.IDLE, f"a new version waits: {because}", health=Health.SUSPENDED, wake=opens or POLL_EVERY
            )
        # asked first, noted after: a note without a request would look like ECS having gone back
        begun = self._mark(deadline=self._asked_for())
        return self._step(Phase.GREEN_UP, "a new version is wanted", Declare("", self.seen.differs), *begun)

    def _under_way(self, primary: TaskSet) -> Step:
        if self.due is None and (self.marks.live is None or self.marks.live.release != self.seen.wanted):
            noted = self._mark(deadline=self._asked_for())
            return self._step(Phase.GREEN_UP, "ECS has begun", *noted)
        told = f"{primary.running} of {self.seen.desired} new tasks run"
        if self.due is not None and self.due.passed(self.now):
            return self._step(Phase.GREEN_UP, f"{told}; it takes longer than it should", health=Health.DEGRADED)
        return self._step(Phase.GREEN_UP if self.flight else Phase.IDLE, told)

    def _rest(self, primary: TaskSet) -> Step:
        """It runs, and it is what was asked for."""
        live, wanted = self.marks.live, Version(self.seen.wanted, primary.task_definition)
        if self.flight:
            ended = self._ended(self.seen.wanted, Outcome.PROMOTED, Phase.GREEN_UP, Actor.ENGINE, "")
            before = live if live is not None and live.release != wanted.release else self.marks.previous
            noted = self._mark(live=wanted, previous=before, ended=ended, deadline=None)
            return self._step(Phase.IDLE, "ECS is done", *noted, ended=ended)
        tidy = self._mark(deadline=None, back=None, intent=self.marks.unheard, hold=None)
        return self._step(
            Phase.IDLE, "what runs is what is wanted", *tidy, health=Health.HEALTHY, wake=None, waits_for=Waiting.SPEC
        )

    def _quarantined(self) -> Step:
        """Back to what ran before, whoever began that."""
        ended, back, primary = self.marks.ended_of(self.seen.wanted), self.marks.back, self.primary
        why = ended.why if ended is not None and ended.why else "it is in quarantine"
        returned = ended is not None and ended.outcome is not Outcome.FAILED
        if back is not None and (primary is None or primary.task_definition != back.task_definition):
            return self._step(Phase.ROLLING_BACK, why, Declare(back.task_definition), health=Health.DEGRADED)
        if primary is not None and not self.arrived and not self._complete(primary):
            return self._step(Phase.ROLLING_BACK, why, health=Health.DEGRADED)
        return self._step(
            Phase.ROLLED_BACK if returned else Phase.FAILED,
            f"{why}; {self.seen.wanted} is not tried again before a new version, or retry",
            *self._mark(deadline=None, intent=self.marks.unheard, hold=None),
            health=Health.DEGRADED,
            wake=None,
            waits_for=Waiting.PERSON,
        )

    def _gone_wrong(self, outcome: Outcome, why: str) -> Step:
        phase = Phase.ROLLED_BACK if outcome is Outcome.ROLLED_BACK else Phase.FAILED
        ended = self._ended(self.seen.wanted, outcome, Phase.GREEN_UP, Actor.ENGINE, why)
        noted = self._mark(quarantine=self.marks.with_quarantined(self.seen.wanted), ended=ended)
        return self._step(phase, why, *noted, health=Health.DEGRADED, ended=ended)

    def _asked_for(self) -> Deadline:
        """Of which revision, too: a release may get another on its way, where what it stands on was made anew."""
        return deadline(self.seen.wanted, Stage.ROLL, self.now, PATIENCE, weight=_number(self.seen.definition))

    def _complete(self, primary: TaskSet) -> bool:
        alone = len(self.seen.sets) == 1 and primary.state == "COMPLETED"
        return alone and primary.running == self.seen.desired and not primary.pending

    # -- a person's word

    def answer(self, ordinary: Step, intent: Intent) -> Step:
        answer = self.answered(intent)
        if isinstance(answer, RequestRefusal):
            handled = self._mark(handled=Handled(intent.id, answer))
            return replace(ordinary, decisions=handled, wake_at=self.now, ended=None)
        fields, ended = answer
        noted = self._mark(handled=Handled(intent.id), **fields)
        because = f"{intent.by} said {intent.verb}"
        return replace(ordinary, decisions=noted, wake_at=self.now, ended=ended, because=because)

    def answered(self, intent: Intent) -> Answer:
        if intent.stale(self.now):
            return RequestRefusal(RequestRefusalCode.EXPIRED, "it was said too long ago")
        expected = self.seen.wanted if intent.verb is Verb.RETRY else self.flight or self.runs
        if intent.verb not in intents.OF_THE_SERVICE and intent.release != expected:
            why = f"it is about {intent.release}, and here is {expected}"
            return RequestRefusal(RequestRefusalCode.OTHER_RELEASE, why)
        match intent.verb:
            case Verb.ROLLBACK | Verb.ABORT:
                return self._go_back(intent)
            case Verb.RETRY:
                if not self.marks.quarantined(intent.release):
                    why = f"{intent.release} is not in quarantine"
                    return RequestRefusal(RequestRefusalCode.NOT_QUARANTINED, why)
                left = self.marks.without_quarantined(intent.release)
                return {"quarantine": left, "back": None, "deadline": None}, None
            case Verb.PAUSE:
                return {"pause": Stop(intent.by)}, None
            case Verb.RESUME:
                if self.marks.pause is None:
                    return RequestRefusal(RequestRefusalCode.NOT_PAUSED, "nothing is paused")
                return {"pause": None}, None
            case Verb.PROMOTE | Verb.FINISH | Verb.HOLD | Verb.EXTEND:
                why = "a rolling deployment is ECS's own: there is no gate to open, to hold or to extend"
                return RequestRefusal(RequestRefusalCode.UNSUPPORTED, why)

    def _go_back(self, intent: Intent) -> Answer:
        if intent.verb is Verb.ABORT and not self.flight:
            return RequestRefusal(RequestRefusalCode.NO_ROLLOUT, "nothing is being rolled out")
        to = self.marks.live if self.flight else self.marks.previous
        if to is None or to.release == intent.release or self.marks.quarantined(to.release):
            why = "no earlier version is known that was well in production"
            return RequestRefusal(RequestRefusalCode.NO_PREVIOUS_VERSION, why)
        outcome = Outcome.ABORTED if intent.verb is Verb.ABORT else Outcome.ROLLED_BACK
        why = f"{intent.by} said {intent.verb}{f': {intent.why}' if intent.why else ''}"
        ended = self._ended(intent.release, outcome, Phase.ROLLING_BACK, Actor.PERSON, why)
        return {"quarantine": self.marks.with_quarantined(intent.release), "back": to, "ended": ended}, ended

    # -- words

    def _mark(self, **fields: Any) -> tuple[Mark, ...]:
        after = replace(self.marks, **fields)
        return () if after == self.marks else (Mark(self.marks, after),)

    def _ended(self, release: str, outcome: Outcome, phase: Phase, by: Actor, why: str) -> Ended:
        return Ended(release, outcome, phase, self.now.replace(microsecond=0), by, why)

    def _step(
        self,
        phase: Phase,
        because: str,
        *decisions: Decision,
        health: Health = Health.PROGRESSING,
        wake: timedelta | datetime | None = POLL_EVERY,
        waits_for: Waiting = Waiting.NOBODY,
        ended: Ended | None = None,
    ) -> Step:
        wake_at = self.now + wake if isinstance(wake, timedelta) else wake
        until = self.due.at if self.due is not None else None
        at = self.now if decisions else wake_at
        release = self.flight or self.runs
        return Step(phase, tuple(decisions), at, because, health, release, until, waits_for, ended)
