"""Prepared requests about one service: decided against the account as it is now, before anything is written.

A request that would be refused is not written, whoever asks: a command, or a person in the console.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciler import errors
from reconciler.rollout.release import Version
from reconciler.rollout.requests import (
    ANY,
    OF_THE_SERVICE,
    Request,
    RequestRefusal,
    RequestRefusalCode,
    RequestVerb,
    Response,
)

if TYPE_CHECKING:
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import ServiceRollout

WAYS_BACK = frozenset({RequestVerb.ROLLBACK, RequestVerb.ABORT})
"""Requests that `--now` executes although the stack is suspended: they undo, and bring nothing new."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that would be accepted now, and has not been written yet.

    `deployed` is the version that it is about where the specs declare another one already.
    """

    session: RolloutSession
    rollout: ServiceRollout
    observed: ObservedService
    request: Request
    deployed: Version | None

    @property
    def not_taken_back(self) -> tuple[str, ...]:
        """What a rollback leaves as it is, because tasks read its latest version."""
        from reconciler.reconcile.input_notes import not_taken_back

        if self.request.verb is not RequestVerb.ROLLBACK:
            return ()
        return not_taken_back(self.session.world, self.rollout.delivery.task_definition)

    def write(self) -> None:
        from reconciler.rollout.actions import WriteState
        from reconciler.rollout.describe import write_state

        state = self.observed.marks
        self.session.stack.aws.run(
            write_state(WriteState(state, replace(state, request=self.request)), self.rollout.subject)
        )


def prepare(
    session: RolloutSession,
    verb: RequestVerb,
    *,
    service: str | None,
    release: str | None,
    why: str,
    who: str,
    now: bool = False,
    by: timedelta = timedelta(),
    to: str | None = None,
) -> Prepared:
    """`who` asks, as people will read it. `now`: it is not left to a controller.

    Raises `errors.Refused` with the reason if it would be refused.
    """
    from reconciler.model.plan import RefusalCode
    from reconciler.rollout_driver.targets import pinned

    _check_readable(verb, "the stack", session.unreadable)
    if session.suspended_by and verb not in (WAYS_BACK if now else OF_THE_SERVICE):
        raise errors.Refused(_while_suspended(verb, session.suspended_by, now), code=RefusalCode.SUSPENDED)
    rollout = session.rollout(service)
    observed, step = session.driver.look(rollout)
    _check_readable(verb, rollout.delivery.name, observed.marks.unreadable)
    deployed = _deployed(verb, observed)
    if deployed is not None:
        rollout = pinned(rollout, deployed)
        observed, step = session.driver.look(rollout)
    target, revision = ("", 0) if to is None else _remembered(session, rollout, to)
    request = Request(
        verb,
        _release(verb, release, observed, step),
        uuid.uuid4().hex[:8],
        session.stack.aws.clock.now(),
        who,
        why,
        int(by.total_seconds()),
        target,
        revision,
    )
    refusal = _refusal(session, rollout, observed, request)
    if refusal is not None:
        raise errors.Refused(f"{verb} {rollout.delivery.name}: {refusal.why}", code=refusal.code)
    return Prepared(session, rollout, observed, request, deployed)


def _check_readable(verb: RequestVerb, whose: str, unreadable: str) -> None:
    """Raises `errors.Refused` for what is read-only: nobody would answer."""
    if unreadable:
        raise errors.Refused(f"{verb}: {whose} is read-only: {unreadable}", code=RequestRefusalCode.UNKNOWN_FORMAT)


def _while_suspended(verb: RequestVerb, suspended_by: str, now: bool) -> str:
    way_back = f"; `reconciler {verb} --now` executes it all the same" if verb in WAYS_BACK and not now else ""
    return f"the stack is suspended by {suspended_by}; `reconciler resume --stack` resumes it{way_back}"


def _deployed(verb: RequestVerb, observed: ObservedService) -> Version | None:
    """The newest version in the account, if a way back is about it and the specs already declare another one.

    That other version has not begun, and is not started by what undoes the one before it. `abort` may be about it.
    """
    newest = observed.newest
    if verb not in WAYS_BACK or newest is None or newest.release == observed.wanted:
        return None
    if verb is RequestVerb.ABORT and len({one.release for one in observed.alive}) < 2:
        return None
    return Version(newest.release, newest.task_definition)


def _release(verb: RequestVerb, release: str | None, observed: ObservedService, step: RolloutStep) -> str:
    """The release that the request is about; an abbreviation of a known one is completed."""
    if verb in OF_THE_SERVICE:
        return ANY
    known = sorted({task_set.release for task_set in observed.sets} | ({observed.wanted} - {""}))
    if release is not None:
        return next((full for full in known if full.startswith(release)), release)
    return observed.wanted if verb is RequestVerb.RETRY else step.release


def _remembered(session: RolloutSession, rollout: ServiceRollout, to: str) -> tuple[str, int]:
    """The release that `to` abbreviates, and the number of its revision. Raises `errors.Refused` with those known."""
    from reconciler.queries import history, versions

    stack, spec = session.stack, rollout.delivery
    name = stack.target.place.stack
    state = versions.find(session.world, spec, name)
    revisions = stack.aws.run(history.revisions(history.family_of(session.world, spec.task_definition), name))
    rows = history.history(revisions, state.runs, state.marks, rollout.subject.release)
    known = {row.release: row.revision.name for row in rows if row.release and row.revision is not None}
    for version in (state.marks.previous, state.marks.rollback_target):
        if version is not None:  # its revision may have been deregistered
            known.setdefault(version.release, version.task_definition)
    matching = [release for release in known if release.startswith(to)]
    if len(matching) != 1:
        problem = "is not a release that is remembered" if not matching else "names several releases"
        listed = ", ".join(known) or "none"
        because = f"rollback {spec.name}: {to} {problem}; known are {listed}"
        raise errors.Refused(because, code=RequestRefusalCode.UNKNOWN_RELEASE)
    return matching[0], int(known[matching[0]].rpartition(":")[2])


def _refusal(
    session: RolloutSession, rollout: ServiceRollout, observed: ObservedService, request: Request
) -> RequestRefusal | None:
    """Why the next step of the rollout would refuse the request; None if it would not."""
    from reconciler.rollout.actions import WriteState

    requested = replace(observed, marks=replace(observed.marks, request=request))
    now = session.stack.aws.clock.now()
    step = rollout.step(rollout.engine.decide(rollout.policy(observed), requested, now), requested, now)
    for decision in session.driver.checked(rollout, requested, step).decisions:
        if isinstance(decision, WriteState) and decision.after.response is not None:
            response: Response = decision.after.response
            if response.id == request.id:
                return response.refusal
    return None
