"""Engine for rolling deployments by ECS: request a deployment, and watch it.

    idle ──► scaling_up ──► idle
                │  └─────► failed            ECS failed the deployment and does not roll back
                └─► rolling_back ─► rolled_back   ECS's circuit breaker, or a request

A stable service proves nothing, because it is stable after a rollback by ECS too. What counts is that the primary
deployment has the requested revision. The stored deadline says which revision was requested, and is written after the
request, so that a revision that was never requested is never taken for one that was rolled back.

It is one module because an engine is one file, which the others do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from reconciler.model.resource import Calls
from reconciler.rollout import describe, observe_deployments, request_handler, task_protection, windows
from reconciler.rollout.actions import RolloutAction, UpdateService, WriteState, stored
from reconciler.rollout.attempts import Retry
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY
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
    quarantined,
)
from reconciler.rollout.observe_deployments import AGAIN, PATIENCE
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.request_handler import NEVER_LIVE, NO_ROLLOUT, Answer, Requests, reason
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService, TaskSet, short
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, deadline
from reconciler.rollout.strategy import Strategy

RETRY_FIRST: Final = timedelta(minutes=5)
RETRY_MOST: Final = timedelta(hours=1)
"""Time until a release for which there was no capacity is started again: twice as long after each attempt."""


class Rolling(Engine):
    name: ClassVar[str] = "rolling"
    types: ClassVar[tuple[str, ...]] = ("rolling",)
    default: ClassVar[bool] = True
    controller: ClassVar[Controller] = Controller.ECS
    shifts_traffic: ClassVar[TrafficShifter] = TrafficShifter.NOBODY
    phase_wording: ClassVar[Mapping[Phase, str]] = {Phase.SCALING_UP: "replacing tasks"}

    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        item = known.service
        if item is None:
            (item,) = describe.listed((yield describe.described(subject.cluster, [subject.service])))
        return (yield from observe_deployments.see(subject, item, now))

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

    def starts(self, step: RolloutStep, seen: ObservedService) -> bool:
        """A service that was created without tasks starts them once its first version counts as deployed."""
        first = step.ended is not None and step.ended.outcome is Outcome.PROMOTED and seen.marks.live is None
        return super().starts(step, seen) or (first and not seen.desired)

    def apply(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        match decision:
            case WriteState():
                yield from describe.write_state(decision, subject)
            case UpdateService():
                yield observe_deployments.declared(subject, decision)
            case _:
                raise TypeError(f"a rolling deployment has no action {type(decision).__name__}")


def _number(definition: str) -> int:
    """The number of a revision, 7 of `web:7`; 0 if there is none yet."""
    number = definition.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


class _Situation:
    """One observation. `runs` is the release of the primary deployment, `flight` the one being rolled out."""

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
        retry, live = self.marks.retry, self.marks.live
        self.again = retry if retry is not None and retry.release == seen.wanted else None
        self.retries = self.again is not None and not self.asked
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
            if self.seen.lacked or self.retries:
                return self._no_capacity() or self._begin(AGAIN)
            return self._gone_wrong(Outcome.FAILED, self.primary.reason or "ECS failed the deployment")
        if not self._complete(self.primary):
            return self._under_way(self.primary)
        return self._rest(self.primary)

    def _elsewhere(self) -> RolloutStep:
        """The running version is not the wanted one: not yet, or no longer."""
        failed = next((one for one in self.seen.sets if one.task_definition == self.seen.definition), None)
        if self.seen.lacked or self.retries:
            return self._no_capacity() or self._begin(*self.seen.differs)
        if self.asked or (failed is not None and failed.state == "FAILED" and not self.seen.differs):
            reason = failed.reason if failed is not None else ""
            return self._gone_wrong(Outcome.ROLLED_BACK, reason or "ECS rolled back to the previous version")
        return self._begin(*self.seen.differs)

    def _begin(self, *members: str) -> RolloutStep:
        if not windows.open_at(self.policy.windows, self.now):
            opens = windows.opens_at(self.policy.windows, self.now)
            because = (
                "no deployment window opens within a week"
                if opens is None
                else f"the next deployment window opens {opens:%a %d %b %H:%M} UTC"
            )
            return self._step(
                Phase.IDLE,
                f"a new version is waiting: {because}",
                health=RolloutHealth.SUSPENDED,
                wake=opens or POLL_EVERY,
            )
        # request first, record after: a record without a request would look like a rollback by ECS
        begun = self.mark(deadline=self._asked_for())
        return self._step(Phase.SCALING_UP, "starting the new version", UpdateService("", members), *begun)

    def _no_capacity(self) -> RolloutStep | None:
        """ECS gave up the deployment for want of capacity, which is no verdict. None once it is to be started again."""
        if not self.retries:
            attempts = 1 if self.again is None else self.again.attempts + 1
            wait = min(RETRY_MOST, RETRY_FIRST * 2 ** min(attempts - 1, 8))
            retry = Retry(self.seen.wanted, attempts, (self.now + wait).replace(microsecond=0))
            because = f"ECS gave up the deployment; waiting for capacity ({self.seen.lacked})"
            noted = self.mark(retry=retry, deadline=None)
            return self._step(Phase.SCALING_UP, because, *noted, health=RolloutHealth.SUSPENDED)
        assert self.again is not None
        if self.now >= self.again.at:
            return None
        because = f"ECS gave up the deployment; waiting for capacity until {self.again.at:%a %d %b %H:%M} UTC"
        return self._step(Phase.SCALING_UP, because, health=RolloutHealth.SUSPENDED, wake=self.again.at)

    def _under_way(self, primary: TaskSet) -> RolloutStep:
        if self.due is None and (self.marks.live is None or self.marks.live.release != self.seen.wanted):
            noted = self.mark(deadline=self._asked_for())
            return self._step(Phase.SCALING_UP, "deployment started", *noted)
        counts = f"{primary.running} of {self.seen.desired} new tasks running"
        phase = Phase.SCALING_UP if self.flight else Phase.IDLE
        if primary.unplaced:
            because = f"{counts}; waiting for capacity ({primary.unplaced})"
            return self._step(phase, because, health=RolloutHealth.SUSPENDED)
        protected = task_protection.reason(self.seen.sets)
        if protected:
            because, wake = f"{counts}; {protected}", task_protection.LOOK_AGAIN
            return self._step(phase, because, health=RolloutHealth.SUSPENDED, wake=wake)
        if self.due is not None and self.due.passed(self.now):
            return self._step(
                Phase.SCALING_UP, f"{counts}; the deployment takes longer than expected", health=RolloutHealth.DEGRADED
            )
        return self._step(phase, counts, wake=LOOK_EVERY)

    def _rest(self, primary: TaskSet) -> RolloutStep:
        """The wanted version is running."""
        live, wanted = self.marks.live, Version(self.seen.wanted, primary.task_definition)
        if self.flight and live != wanted:
            ended = self.ended(self.seen.wanted, Outcome.PROMOTED, Phase.SCALING_UP, Actor.ENGINE, "")
            before = live if live is not None and live.release != wanted.release else self.marks.previous
            before = self.marks.previous_of(wanted.release, before)
            noted = self.mark(live=wanted, previous=before, ended=ended, deadline=None, retry=None)
            return self._step(Phase.IDLE, "deployment completed", *noted, ended=ended)
        restart = self.marks.restart_after(self.runs, self.seen.wanted)
        pending = self.marks.pending_request
        tidy = self.mark(deadline=None, rollback_target=None, request=pending, hold=None, retry=None, restart=restart)
        waits = self.seen.waits
        return self._step(
            Phase.IDLE,
            f"the new version is waiting: {waits}" if waits else "up to date",
            *tidy,
            health=RolloutHealth.SUSPENDED if waits else RolloutHealth.HEALTHY,
            wake=None,
            waits_for=Waiting.DEPENDENCY if waits else Waiting.SPEC,
        )

    def _quarantined(self) -> RolloutStep:
        """Return to the previous version, whoever started that."""
        verdict, back, primary = self.marks.verdict_of(self.seen.wanted), self.marks.rollback_target, self.primary
        why = verdict.why if verdict is not None and verdict.why else "the release is quarantined"
        returned = verdict is not None and verdict.outcome is not Outcome.FAILED
        if back is not None and (primary is None or primary.task_definition != back.task_definition):
            return self._step(
                Phase.ROLLING_BACK, why, UpdateService(back.task_definition), health=RolloutHealth.DEGRADED
            )
        if primary is not None and not self.arrived and not self._complete(primary):
            protected = task_protection.reason(self.seen.sets)
            because, wake = (f"{why}; {protected}", task_protection.LOOK_AGAIN) if protected else (why, POLL_EVERY)
            return self._step(Phase.ROLLING_BACK, because, health=RolloutHealth.DEGRADED, wake=wake)
        return self._step(
            Phase.ROLLED_BACK if returned else Phase.FAILED,
            quarantined(self.seen.wanted, "" if verdict is None else verdict.why),
            *self.mark(deadline=None, request=self.marks.pending_request, hold=None),
            health=RolloutHealth.DEGRADED,
            wake=None,
            waits_for=Waiting.PERSON,
        )

    def _gone_wrong(self, outcome: Outcome, why: str) -> RolloutStep:
        phase = Phase.ROLLED_BACK if outcome is Outcome.ROLLED_BACK else Phase.FAILED
        ended = self.ended(self.seen.wanted, outcome, Phase.SCALING_UP, Actor.ENGINE, why)
        noted = self.mark(quarantine=self.marks.with_quarantined(self.seen.wanted), ended=ended, retry=None)
        return self._step(phase, why, *noted, health=RolloutHealth.DEGRADED, ended=ended)

    def _asked_for(self) -> Deadline:
        """Also names the revision: a release may get another one if what it depends on was replaced."""
        return deadline(self.seen.wanted, DeadlineKind.ROLL, self.now, PATIENCE, weight=_number(self.seen.definition))

    def _complete(self, primary: TaskSet) -> bool:
        alone = len(self.seen.sets) == 1 and primary.state == "COMPLETED"
        return alone and primary.running == self.seen.desired and not primary.pending

    # -- steps

    def mark(self, **fields: Any) -> tuple[WriteState, ...]:
        return stored(self.marks, fields, self.seen.judges)

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

    @property
    def running(self) -> str:
        return "" if self.situation.flight else self.situation.runs

    def another(self, request: Request) -> str:
        return (
            ""
            if request.release == self.release
            else f"the request names {short(request.release)}, but the current release is {short(self.release)}"
        )

    def noted(self, because: str, **fields: Any) -> RolloutStep:
        noted = self.situation.mark(**fields)
        return replace(self.ordinary, decisions=noted, wake_at=self.now, ended=None, because=because)

    def act(self, request: Request) -> Answer:
        if request.verb in (RequestVerb.ROLLBACK, RequestVerb.ABORT):
            return self._go_back(request)
        why = "a rolling deployment is run by ECS and has no promotion gate or deadline"
        return RequestRefusal(Code.UNSUPPORTED, why)

    def _go_back(self, request: Request) -> Answer:
        flight, named = self.situation.flight, self.target(request)
        if isinstance(named, RequestRefusal):
            return named
        if request.verb is RequestVerb.ABORT and not flight:
            return NO_ROLLOUT
        if named is not None:
            ended = self.situation.ended(
                request.release, Outcome.ROLLED_BACK, Phase.ROLLING_BACK, Actor.PERSON, reason(request)
            )
            fields = {"quarantine": self.going_back(named), "rollback_target": named, "ended": ended}
            return replace(self.accepted(request, **fields), ended=ended)
        if not flight and self.marks.quarantined(self.seen.wanted) and request.release != self.seen.wanted:
            return RequestRefusal(Code.NO_ROLLOUT, NEVER_LIVE.format(short(self.seen.wanted), short(request.release)))
        promoted = self.marks.live is not None and self.marks.live.release == request.release
        to = self.marks.previous if promoted else self.marks.live
        if to is None or to.release == request.release or self.marks.quarantined(to.release):
            why = "there is no earlier version that was healthy in production"
            return RequestRefusal(Code.NO_PREVIOUS_VERSION, why)
        outcome = Outcome.ABORTED if request.verb is RequestVerb.ABORT else Outcome.ROLLED_BACK
        ended = self.situation.ended(request.release, outcome, Phase.ROLLING_BACK, Actor.PERSON, reason(request))
        quarantine = self.marks.with_quarantined(request.release)
        return replace(self.accepted(request, quarantine=quarantine, rollback_target=to, ended=ended), ended=ended)
