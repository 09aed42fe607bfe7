"""Handling of operator requests (promote, rollback, …) that all engines share.

A request is accepted or refused at once; it is never kept for later. What only an engine knows is provided by its own
subclass of `Requests`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from reconciler.rollout import requests
from reconciler.rollout.engine import RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, Request, RequestRefusal, RequestVerb, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService, short

Answer = RolloutStep | RequestRefusal
"""The step that follows from a request, or the refusal."""

NO_ROLLOUT: Final = RequestRefusal(Code.NO_ROLLOUT, "no rollout is in progress")

NEVER_LIVE: Final = (
    "{0} is not in production, so there is nothing to roll back; {1} is, and `reconciler rollback --to` replaces it"
)

NOT_WHILE_SUSPENDED: Final = frozenset(
    {
        RequestVerb.PROMOTE,
        RequestVerb.FINISH,
        RequestVerb.RETRY,
        RequestVerb.HOLD,
        RequestVerb.EXTEND,
        RequestVerb.RESTART,
    }
)


class Requests(ABC):
    """One observation and the request to it. `ordinary` is the step without the request."""

    def __init__(self, seen: ObservedService, now: datetime, ordinary: RolloutStep) -> None:
        self.seen, self.now, self.ordinary, self.marks = seen, now, ordinary, seen.marks

    @property
    @abstractmethod
    def release(self) -> str:
        """The current release, which a request has to name."""

    @abstractmethod
    def another(self, request: Request) -> str:
        """Why the request names another release than the current one, or ""."""

    @abstractmethod
    def act(self, request: Request) -> Answer:
        """The answer to promote, finish, rollback, abort, hold or extend."""

    @abstractmethod
    def noted(self, because: str, **fields: Any) -> RolloutStep:
        """A step that only stores `fields`, without leaving the phase."""

    def target(self, request: Request) -> Version | RequestRefusal | None:
        """The version that the request names to roll back to; None if it names none."""
        if not request.to:
            return None
        if request.to == self.seen.wanted:
            why = f"{short(request.to)} is what the specs declare"
            hint = "; `reconciler retry` rolls it out again" if self.marks.quarantined(request.to) else ""
            return RequestRefusal(Code.IN_PRODUCTION, why + hint)
        if request.to == self.running:
            return RequestRefusal(Code.IN_PRODUCTION, f"{short(request.to)} is in production already")
        known = (self.seen.definition, *(one.task_definition for one in self.seen.sets))
        family = next((name.rpartition(":")[0] for name in known if name), "")
        return Version(request.to, f"{family}:{request.revision}")

    @property
    @abstractmethod
    def running(self) -> str:
        """The release in production, or ""."""

    def going_back(self, to: Version) -> tuple[str, ...]:
        """The quarantine while `to` is rolled back to: not what is asked for, but what the specs declare."""
        return tuple(one for one in self.marks.with_quarantined(self.seen.wanted) if one != to.release)

    def left_over(self, release: str) -> bool:
        """Whether the previous attempt has to be removed before a retry."""
        return False

    # -- the same for all

    def heard(self) -> RolloutStep | None:
        """The step that answers the pending request, if there is one."""
        request = self.marks.pending_request
        if request is None:
            return None
        answer = self.answered(request)
        if isinstance(answer, RequestRefusal):
            return self.noted(self.ordinary.because, response=Response(request.id, answer))
        return answer

    def offered(self) -> tuple[RequestVerb, ...]:
        """Requests that would be accepted now and change something."""
        offered = []
        for verb in RequestVerb:
            if verb is RequestVerb.HOLD and self.marks.hold_of(self.release) is not None:
                continue
            release = self.seen.wanted if verb is RequestVerb.RETRY else self.release
            if isinstance(
                self.answered(Request(verb, release, "offered", self.now, "nobody", seconds=60)), RolloutStep
            ):
                offered.append(verb)
        return tuple(offered)

    def answered(self, request: Request) -> Answer:
        if request.stale(self.now):
            return RequestRefusal(Code.EXPIRED, "request expired")
        if request.verb not in set(RequestVerb):
            return RequestRefusal(Code.UNKNOWN_FORMAT, f"this version of reconciler does not know {request.verb}")
        if request.verb is RequestVerb.RETRY and request.release != self.seen.wanted:
            return RequestRefusal(
                Code.OTHER_RELEASE,
                f"the request names {short(request.release)}, but the specs declare {short(self.seen.wanted)}",
            )
        if request.verb is not RequestVerb.RETRY and request.verb not in requests.OF_THE_SERVICE:
            other = self.another(request)
            if other:
                return RequestRefusal(Code.OTHER_RELEASE, other)
        if self.marks.suspended is not None and request.verb in NOT_WHILE_SUSPENDED:
            return RequestRefusal(Code.SUSPENDED, f"suspended by {self.marks.suspended}; resume the service first")
        match request.verb:
            case RequestVerb.RETRY:
                return self._retry(request)
            case RequestVerb.RESTART:
                return self._restart(request)
            case RequestVerb.SUSPEND:
                return self.accepted(request, suspended=Pause(who(request), at=request.at))
            case RequestVerb.RESUME:
                if self.marks.suspended is None and self.marks.hold is None:
                    return RequestRefusal(Code.NOT_SUSPENDED, "the service is neither suspended nor on hold")
                return self.accepted(request, suspended=None, hold=None)
            case _:
                return self.act(request)

    def accepted(self, request: Request, **fields: Any) -> RolloutStep:
        return self.noted(f"{request.verb} requested by {request.by}", response=Response(request.id), **fields)

    def _retry(self, request: Request) -> Answer:
        if not self.marks.quarantined(request.release):
            if self.seen.waits:
                return RequestRefusal(Code.NOT_QUARANTINED, f"the new version is waiting: {self.seen.waits}")
            return RequestRefusal(Code.NOT_QUARANTINED, f"{short(request.release)} is not quarantined")
        if self.left_over(request.release):
            return RequestRefusal(Code.CLEANING_UP, "the previous attempt is still being removed")
        lifted = self.marks.without_quarantined(request.release)
        return self.accepted(request, quarantine=lifted, rejected=None, rollback_target=None, deadline=None)

    def _restart(self, request: Request) -> Answer:
        """The version in production once more, in a revision that the driver registers before this is stored."""
        wanted, running, marks = self.seen.wanted, self.running, self.marks
        if marks.quarantined(wanted) and wanted != running:
            declared = f"the specs declare {short(wanted)}, which is quarantined"
            why = f"{declared}; `reconciler retry` or a new version comes first"
            return RequestRefusal(Code.OTHER_RELEASE, why)
        if self.seen.change is not None:
            return RequestRefusal(Code.ROLLOUT_IN_PROGRESS, "the engine of the service is being changed")
        if self.seen.waits:
            return RequestRefusal(Code.ROLLOUT_IN_PROGRESS, f"a new version is waiting: {self.seen.waits}")
        before_it = marks.task_run is not None and not marks.task_run.failed
        if not running or running != wanted or before_it:
            return RequestRefusal(Code.ROLLOUT_IN_PROGRESS, f"a rollout is in progress: {self.ordinary.because}")
        if not self.seen.desired:
            return RequestRefusal(Code.NO_TASKS, "its desired count is 0, so there are no tasks to replace")
        version = next(one for one in reversed(self.seen.alive) if one.release == running)
        return self.accepted(request, restart=Version(marks.base_of(running), version.task_definition))


def paused(pause: Pause, ordinary: RolloutStep) -> RolloutStep:
    """`ordinary` without its actions, while the service is suspended."""
    return replace(
        ordinary,
        decisions=(),
        wake_at=None,
        because=f"suspended by {pause}",
        health=RolloutHealth.SUSPENDED,
        waits_for=Waiting.PERSON,
        ended=None,
    )


def who(request: Request) -> str:
    """Who makes a request, and why, if that was given: `ana: database migration`"""
    return f"{request.by}: {request.why}" if request.why else request.by


def reason(request: Request) -> str:
    return f"{request.verb} requested by {who(request)}"
