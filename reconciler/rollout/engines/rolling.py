"""ECS's own rolling deployment: we say what is wanted, and watch.

    idle ──► scaling_up ──► idle
                │  └─────► failed            ECS gave up, and nothing goes back
                └─► rolling_back ─► rolled_back   ECS's circuit breaker, or a person

A service that is stable again proves nothing: it is stable, too, after ECS went back to what ran before. What counts is
that the primary deployment is of the revision that was asked for. It was asked for, if the stored deadline says so; so
the deadline is written after the request, and what was never asked for is never taken for rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from reconciler.model.resource import Calls
from reconciler.rollout import describe, observe_deployments, request_handler, windows
from reconciler.rollout.actions import RolloutAction, UpdateService, WriteState
from reconciler.rollout.blue_green.context import POLL_EVERY
from reconciler.rollout.engine import (
    NOTHING,
    Controller,
    Engine,
    Phase,
    Prefetched,
    RolloutHealth,
    RolloutStep,
    TrafficShifter,
    Waiting,
)
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.request_handler import NO_ROLLOUT, Answer, Requests, reason
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, deadline
from reconciler.rollout.strategy import Strategy

PATIENCE: Final = timedelta(hours=1)
"""A deployment that is not over by then is reported; ECS goes on with it."""


class Rolling(Engine):
    name: ClassVar[str] = "rolling"
    types: ClassVar[tuple[str, ...]] = ("rolling",)
    default: ClassVar[bool] = True
    controller: ClassVar[Controller] = Controller.ECS
    shifts_traffic: ClassVar[TrafficShifter] = TrafficShifter.NOBODY
    phase_wording: ClassVar[Mapping[Phase, str]] = {Phase.SCALING_UP: "ECS replaces the tasks"}

    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        item = known.service
        if item is None:
            (item,) = describe.listed((yield describe.described(subject.cluster, [subject.service])))
        return observe_deployments.seen(subject, item)

    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        situation = _Situation(policy, seen, now)
        ordinary = situation.ordinary()
        answer = _Requests(situation, ordinary).heard()
        if answer is not None:
            return answer
        return ordinary if seen.marks.suspended is None else request_handler.paused(seen.marks.suspended, ordinary)

    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        situation = _Situation(policy, seen, now)
        return _Requests(situation, situation.ordinary()).offered()

    def apply(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        match decision:
            case WriteState():
                yield from describe.write_state(decision, subject)
            case UpdateService():
                yield observe_deployments.declared(subject, decision)
            case _:
                raise TypeError(f"{type(decision).__name__} is nothing that a rolling deployment does")


def _number(definition: str) -> int:
    """7 of `web:7`; 0 where there is none yet."""
    number = definition.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


class _Situation:
    """One look. `runs` is the release of the primary deployment, `flight` the one that is on its way."""

    def __init__(self, policy: Strategy, seen: ObservedService, now: datetime) -> None:
        self.policy, self.seen, self.now = policy, seen, now
        self.marks = seen.marks
        self.primary = next((one for one in seen.sets if one.primary), None)
        self.arrived = self.primary is not None and self.primary.task_definition == seen.definition and not seen.differs
        self.runs = "" if self.primary is None else self.primary.release
        due = self.marks.deadline
        self.asked = (
            due is not None
            and (due.release, due.stage) == (seen.wanted, DeadlineKind.ROLL)
            and due.weight in (0, _number(seen.definition))
        )
        self.due = due if self.asked else None
        live = self.marks.live
        settled = self.arrived and live is not None and live.release == seen.wanted and not self.asked
        self.flight = "" if settled or self.marks.quarantined(seen.wanted) else seen.wanted

    # -- the machine

    def ordinary(self) -> RolloutStep:
        if self.seen.deleting:
            return self._step(Phase.BLOCKED, "the service is being deleted", health=RolloutHealth.DEGRADED)
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

    def _elsewhere(self) -> RolloutStep:
        """What runs is not what is wanted: not yet, or not any more."""
        failed = next((one for one in self.seen.sets if one.task_definition == self.seen.definition), None)
        if self.asked or (failed is not None and failed.state == "FAILED" and not self.seen.differs):
            reason = failed.reason if failed is not None else ""
            return self._gone_wrong(Outcome.ROLLED_BACK, reason or "ECS went back to the version before")
        if not windows.open_at(self.policy.windows, self.now):
            opens = windows.opens_at(self.policy.windows, self.now)
            because = "no window allows it within a week" if opens is None else f"a window opens {opens:%a %H:%M} UTC"
            return self._step(
                Phase.IDLE, f"a new version waits: {because}", health=RolloutHealth.SUSPENDED, wake=opens or POLL_EVERY
            )
        # asked first, noted after: a note without a request would look like ECS having gone back
        begun = self.mark(deadline=self._asked_for())
        return self._step(Phase.SCALING_UP, "a new version is wanted", UpdateService("", self.seen.differs), *begun)

    def _under_way(self, primary: TaskSet) -> RolloutStep:
        if self.due is None and (self.marks.live is None or self.marks.live.release != self.seen.wanted):
            noted = self.mark(deadline=self._asked_for())
            return self._step(Phase.SCALING_UP, "ECS has begun", *noted)
        told = f"{primary.running} of {self.seen.desired} new tasks run"
        if self.due is not None and self.due.passed(self.now):
            return self._step(
                Phase.SCALING_UP, f"{told}; it takes longer than it should", health=RolloutHealth.DEGRADED
            )
        return self._step(Phase.SCALING_UP if self.flight else Phase.IDLE, told)

    def _rest(self, primary: TaskSet) -> RolloutStep:
        """It runs, and it is what was asked for."""
        live, wanted = self.marks.live, Version(self.seen.wanted, primary.task_definition)
        if self.flight:
            ended = self.ended(self.seen.wanted, Outcome.PROMOTED, Phase.SCALING_UP, Actor.ENGINE, "")
            before = live if live is not None and live.release != wanted.release else self.marks.previous
            noted = self.mark(live=wanted, previous=before, ended=ended, deadline=None)
            return self._step(Phase.IDLE, "ECS is done", *noted, ended=ended)
        tidy = self.mark(deadline=None, rollback_target=None, request=self.marks.unheard, hold=None)
        return self._step(
            Phase.IDLE,
            "what runs is what is wanted",
            *tidy,
            health=RolloutHealth.HEALTHY,
            wake=None,
            waits_for=Waiting.SPEC,
        )

    def _quarantined(self) -> RolloutStep:
        """Back to what ran before, whoever began that."""
        ended, back, primary = self.marks.ended_of(self.seen.wanted), self.marks.rollback_target, self.primary
        why = ended.why if ended is not None and ended.why else "it is in quarantine"
        returned = ended is not None and ended.outcome is not Outcome.FAILED
        if back is not None and (primary is None or primary.task_definition != back.task_definition):
            return self._step(
                Phase.ROLLING_BACK, why, UpdateService(back.task_definition), health=RolloutHealth.DEGRADED
            )
        if primary is not None and not self.arrived and not self._complete(primary):
            return self._step(Phase.ROLLING_BACK, why, health=RolloutHealth.DEGRADED)
        return self._step(
            Phase.ROLLED_BACK if returned else Phase.FAILED,
            f"{why}; {self.seen.wanted} is not tried again before a new version, or retry",
            *self.mark(deadline=None, request=self.marks.unheard, hold=None),
            health=RolloutHealth.DEGRADED,
            wake=None,
            waits_for=Waiting.PERSON,
        )

    def _gone_wrong(self, outcome: Outcome, why: str) -> RolloutStep:
        phase = Phase.ROLLED_BACK if outcome is Outcome.ROLLED_BACK else Phase.FAILED
        ended = self.ended(self.seen.wanted, outcome, Phase.SCALING_UP, Actor.ENGINE, why)
        noted = self.mark(quarantine=self.marks.with_quarantined(self.seen.wanted), ended=ended)
        return self._step(phase, why, *noted, health=RolloutHealth.DEGRADED, ended=ended)

    def _asked_for(self) -> Deadline:
        """Of which revision, too: a release may get another on its way, where what it stands on was made anew."""
        return deadline(self.seen.wanted, DeadlineKind.ROLL, self.now, PATIENCE, weight=_number(self.seen.definition))

    def _complete(self, primary: TaskSet) -> bool:
        alone = len(self.seen.sets) == 1 and primary.state == "COMPLETED"
        return alone and primary.running == self.seen.desired and not primary.pending

    # -- words

    def mark(self, **fields: Any) -> tuple[WriteState, ...]:
        after = replace(self.marks, **fields)
        return () if after == self.marks else (WriteState(self.marks, after),)

    def ended(self, release: str, outcome: Outcome, phase: Phase, by: Actor, why: str) -> RolloutResult:
        return RolloutResult(release, outcome, phase, self.now.replace(microsecond=0), by, why)

    def _step(
        self,
        phase: Phase,
        because: str,
        *decisions: RolloutAction,
        health: RolloutHealth = RolloutHealth.PROGRESSING,
        wake: timedelta | datetime | None = POLL_EVERY,
        waits_for: Waiting = Waiting.NOBODY,
        ended: RolloutResult | None = None,
    ) -> RolloutStep:
        wake_at = self.now + wake if isinstance(wake, timedelta) else wake
        until = self.due.at if self.due is not None else None
        at = self.now if decisions else wake_at
        release = self.flight or self.runs
        return RolloutStep(phase, tuple(decisions), at, because, health, release, until, waits_for, ended)


class _Requests(Requests):
    def __init__(self, situation: _Situation, ordinary: RolloutStep) -> None:
        super().__init__(situation.seen, situation.now, ordinary)
        self.situation = situation

    @property
    def release(self) -> str:
        return self.situation.flight or self.situation.runs

    def another(self, request: Request) -> str:
        return "" if request.release == self.release else f"it is about {request.release}, and here is {self.release}"

    def noted(self, because: str, **fields: Any) -> RolloutStep:
        noted = self.situation.mark(**fields)
        return replace(self.ordinary, decisions=noted, wake_at=self.now, ended=None, because=because)

    def act(self, request: Request) -> Answer:
        if request.verb in (RequestVerb.ROLLBACK, RequestVerb.ABORT):
            return self._go_back(request)
        why = "a rolling deployment is ECS's own: there is no gate to open, to hold or to extend"
        return RequestRefusal(Code.UNSUPPORTED, why)

    def _go_back(self, request: Request) -> Answer:
        flight = self.situation.flight
        if request.verb is RequestVerb.ABORT and not flight:
            return NO_ROLLOUT
        to = self.marks.live if flight else self.marks.previous
        if to is None or to.release == request.release or self.marks.quarantined(to.release):
            why = "no earlier version is known that was well in production"
            return RequestRefusal(Code.NO_PREVIOUS_VERSION, why)
        outcome = Outcome.ABORTED if request.verb is RequestVerb.ABORT else Outcome.ROLLED_BACK
        ended = self.situation.ended(request.release, outcome, Phase.ROLLING_BACK, Actor.PERSON, reason(request))
        quarantine = self.marks.with_quarantined(request.release)
        return replace(self.accepted(request, quarantine=quarantine, rollback_target=to, ended=ended), ended=ended)
