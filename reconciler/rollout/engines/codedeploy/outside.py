"""What CodeDeploy has done by itself, or somebody else with it: another's deployment, and the end of one of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import RolloutAction, stored
from reconciler.rollout.blue_green import pre_promotion
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY
from reconciler.rollout.blue_green.requests import BLUE_UNHEALTHY
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.codedeploy.actions import StopDeployment
from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage, Status
from reconciler.rollout.request_handler import Answer, Requests, reason
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import WHOLE
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult
from reconciler.rollout.tracker import LATEST

UNDOING: Final = (RequestVerb.ROLLBACK, RequestVerb.ABORT)
STOPPED: Final = "the deployment was stopped in CodeDeploy"
ROLLED_BACK_WITHIN: Final = timedelta(minutes=1)
"""For how long after the end of a deployment its task sets are CodeDeploy's, which may roll it back (an assumption)."""
ONE_SECOND: Final = timedelta(seconds=1)


# -- a deployment that somebody else has created


def foreign_deployment(seen: DeployedService) -> Deployment | None:
    found = seen.active
    return None if found is None or found.release or found.rolls_back or seen.deleting else found


class _Requests(Requests):
    """Requests while somebody else deploys: to stop that, or to leave the service alone afterwards."""

    def __init__(self, seen: DeployedService, active: Deployment, now: datetime, ordinary: RolloutStep) -> None:
        super().__init__(seen, now, ordinary)
        self.deployed, self.active = seen, active

    @property
    def release(self) -> str:
        return self.ordinary.release

    @property
    def running(self) -> str:
        return self.ordinary.release

    def another(self, request: Request) -> str:
        return ""

    def noted(self, because: str, **fields: Any) -> RolloutStep:
        return replace(self.ordinary, decisions=stored(self.marks, fields, self.seen.judges), wake_at=self.now)

    def act(self, request: Request) -> Answer:
        other = f"deployment {self.active.id} was created outside reconciler"
        if request.verb not in UNDOING:
            return RequestRefusal(Code.TRAFFIC_CHANGED, f"{other}; `reconciler abort` stops it")
        if request.to:
            why = f"{other}; stop it with `reconciler abort`, then roll back"
            return RequestRefusal(Code.TRAFFIC_CHANGED, why)
        if not _may_stop(self.deployed, self.active):
            return BLUE_UNHEALTHY
        response = stored(self.marks, {"response": Response(request.id)})
        stop: tuple[RolloutAction, ...] = (StopDeployment(self.active.id), *response)
        return replace(self.ordinary, decisions=stop, wake_at=self.now, because=reason(request))


def foreign_step(seen: DeployedService, active: Deployment, now: datetime) -> RolloutStep:
    """Somebody else deploys. Nothing is decided before that is over; a request to roll back or abort stops it."""
    asked = _requests(seen, active, now)
    return asked.heard() or asked.ordinary


def foreign_requests(seen: DeployedService, active: Deployment, now: datetime) -> tuple[RequestVerb, ...]:
    return _requests(seen, active, now).offered()


def _requests(seen: DeployedService, active: Deployment, now: datetime) -> _Requests:
    because = f"deployment {active.id} was created outside reconciler; continue or stop it in CodeDeploy"
    release = next((one.release for one in seen.alive if one.primary), "")
    step = RolloutStep(Phase.BLOCKED, (), now + POLL_EVERY, because, RolloutHealth.DEGRADED, release)
    return _Requests(seen, active, now, replace(step, waits_for=Waiting.PERSON))


def _may_stop(seen: DeployedService, active: Deployment) -> bool:
    """Whether production is served once it is stopped: where its tasks have some of it, the others must be healthy."""
    green, production = seen.created_by(active.id), seen.production
    if green is None or production is None or not production[green.slot] or not seen.desired:
        return True
    return any(one.well for one in seen.alive if one.slot != green.slot) or not green.well


# -- how far ours has come, and how it has ended


def lost_green(seen: DeployedService, active: Deployment, now: datetime) -> bool:
    """Whether somebody has deleted the task set of a deployment that is ready, which CodeDeploy does not notice."""
    green = seen.created_by(active.id)
    gone = green is None or green.draining
    return gone and active.ready and active.ready_at is not None and now - active.ready_at >= LATEST


def gave_all(active: Deployment, now: datetime) -> bool:
    """Whether all of production was shifted so long ago that a read of the listener shows it."""
    return active.shifted_at is not None and now - active.shifted_at >= LATEST


def ended(seen: DeployedService, now: datetime) -> RolloutStep | None:
    """The step that records how our deployment has ended, unless that is recorded, or another attempt is due."""
    ours, due = seen.ours, seen.marks.deadline
    if ours is None or ours.active or due is None or due.release != ours.release or _is_another(ours, due):
        return None
    if seen.marks.suspended is not None:
        return None
    noted = seen.marks.ended_of(ours.release)
    if noted is not None and noted.at + ONE_SECOND >= ours.born:
        return None
    result = _result(seen, ours, due, now)
    fields: dict[str, Any] = {"ended": result, "deadline": None}
    phase, state = Phase.TEARDOWN, RolloutHealth.PROGRESSING
    if result.outcome is Outcome.PROMOTED:
        live = seen.marks.live
        before = live if live is not None and live.release != ours.release else seen.marks.previous
        fields["previous"] = seen.marks.previous_of(ours.release, before)
    elif result.outcome is Outcome.SUPERSEDED:
        phase = Phase.SUPERSEDED
    else:
        phase = Phase.ROLLING_BACK if result.outcome is Outcome.ROLLED_BACK else Phase.FAILED
        state = RolloutHealth.DEGRADED
        if not (seen.lacked and result.by is Actor.ENGINE):  # else AWS had no room for it, whichever version it was
            fields["quarantine"] = seen.marks.with_quarantined(ours.release)
    asked = _undoing(seen, ours, now)
    if asked is not None:
        fields["response"] = Response(asked.id)
    marks = stored(seen.marks, fields, seen.judges)
    because = result.why or "CodeDeploy has removed blue"
    return RolloutStep(phase, marks, now, because, state, ours.release, ended=result)


def _is_another(ours: Deployment, due: Deadline) -> bool:
    """Whether the stored deadline is that of a later attempt, which has not created its deployment yet."""
    return due.stage is DeadlineKind.UP and (due.at is None or ours.attempt != str(int(due.at.timestamp())))


def giving_way(seen: DeployedService, now: datetime) -> RolloutStep | None:
    """Nothing is decided before CodeDeploy has taken back a version whose tasks were all interrupted; then it starts
    again. The deadline of the next attempt was stored on the way, and says that green had production.
    """
    ours, due, active = seen.ours, seen.marks.deadline, seen.active
    if ours is None or not (ours.stopped and ours.shifts) or due is None or due.release != ours.release:
        return None
    if due.weight != WHOLE or not _is_another(ours, due):
        return None
    if not (active.rolls_back == ours.id if active is not None else _keeps_production(seen, ours, now)):
        return None
    then = "it starts again afterwards" if ours.release == seen.wanted else "another version is wanted by now"
    because = f"all tasks of green were interrupted, and CodeDeploy rolls the deployment back; {then}"
    return RolloutStep(Phase.SCALING_UP, (), now + LOOK_EVERY, because, RolloutHealth.DEGRADED, ours.release)


def _keeps_production(seen: DeployedService, ours: Deployment, now: datetime) -> bool:
    """Whether its tasks have production traffic, and CodeDeploy may be about to take that back."""
    green = seen.created_by(ours.id)
    has = green is not None and seen.production is not None and bool(seen.production[green.slot])
    return has and ours.ended_at is not None and now - ours.ended_at < ROLLED_BACK_WITHIN


def _undoing(seen: DeployedService, ours: Deployment, now: datetime) -> Request | None:
    """The request for which it was stopped, if this process's predecessor did not get to answer it.

    What is over asks for more: to go back from a version that was promoted, or to another one than the previous.
    """
    asked = seen.marks.pending_request
    if asked is None or asked.verb not in UNDOING or asked.to or asked.stale(now):
        return None
    return asked if asked.release == ours.release and ours.status is not Status.SUCCEEDED else None


def _result(seen: DeployedService, ours: Deployment, due: Deadline, now: datetime) -> RolloutResult:
    at = now.replace(microsecond=0)
    phase = pre_promotion.PHASES.get(due.stage, Phase.SCALING_UP)
    if ours.shifts:
        phase = Phase.BAKING if ours.stage is Stage.KEEPING else Phase.SHIFTING
    if ours.status is Status.SUCCEEDED:
        return RolloutResult(ours.release, Outcome.PROMOTED, phase, at, Actor.TIMER)
    asked = _undoing(seen, ours, now)
    if asked is not None:
        back = ours.shifts and asked.verb is RequestVerb.ROLLBACK
        outcome = Outcome.ROLLED_BACK if back else Outcome.ABORTED
        phase = Phase.ROLLING_BACK if ours.shifts else Phase.FAILED
        return RolloutResult(ours.release, outcome, phase, at, Actor.PERSON, reason(asked))
    if ours.release != seen.wanted and seen.startable and ours.stopped:
        return RolloutResult(ours.release, Outcome.SUPERSEDED, phase, at, Actor.SPECS, "superseded by a newer version")
    outcome = Outcome.ROLLED_BACK if ours.shifts else Outcome.FAILED
    why = f"CodeDeploy: {ours.why}" if ours.why and not ours.stopped else STOPPED
    return RolloutResult(ours.release, outcome, phase, at, Actor.ENGINE, why)
