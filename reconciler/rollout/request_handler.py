"""A person's requests (promote, rollback, …), handled alike for every engine.

A request is answered at once, and never kept for a better moment. What only an engine can know, it says by a `Requests`
of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from reconciler.rollout import requests
from reconciler.rollout.engine import RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb, Response
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Pause

Answer = RolloutStep | RequestRefusal
"""What follows from a request, or why nothing does."""

NO_ROLLOUT: Final = RequestRefusal(Code.NO_ROLLOUT, "nothing is being rolled out")

NOT_WHILE_PAUSED: Final = frozenset(
    {RequestVerb.PROMOTE, RequestVerb.FINISH, RequestVerb.RETRY, RequestVerb.HOLD, RequestVerb.EXTEND}
)


class Requests(ABC):
    """One look at a service, as a request finds it. `ordinary` is what would be done without one."""

    def __init__(self, seen: ObservedService, now: datetime, ordinary: RolloutStep) -> None:
        self.seen, self.now, self.ordinary, self.marks = seen, now, ordinary, seen.marks

    @property
    @abstractmethod
    def release(self) -> str:
        """The release that a request is about where there is no choice."""

    @abstractmethod
    def another(self, request: Request) -> str:
        """Why it is about another release than it could be about; empty if it is about the right one."""

    @abstractmethod
    def act(self, request: Request) -> Answer:
        """What follows from promote, finish, rollback, abort, hold or extend."""

    @abstractmethod
    def noted(self, because: str, **fields: Any) -> RolloutStep:
        """Only something to remember, in the phase that it is."""

    def left_over(self, release: str) -> bool:
        """Something of the release's last try has to go before it can be tried again."""
        return False

    # -- the same for all

    def heard(self) -> RolloutStep | None:
        """The step that answers a request that nobody has answered yet."""
        request = self.marks.unheard
        if request is None:
            return None
        answer = self.answered(request)
        if isinstance(answer, RequestRefusal):
            return self.noted(self.ordinary.because, response=Response(request.id, answer))
        return answer

    def offered(self) -> tuple[RequestVerb, ...]:
        """What could be said now and would be heeded."""
        offered = []
        for verb in RequestVerb:
            release = self.seen.wanted if verb is RequestVerb.RETRY else self.release
            if isinstance(
                self.answered(Request(verb, release, "offered", self.now, "nobody", seconds=60)), RolloutStep
            ):
                offered.append(verb)
        return tuple(offered)

    def answered(self, request: Request) -> Answer:
        if request.stale(self.now):
            return RequestRefusal(Code.EXPIRED, "it was said too long ago")
        if request.verb is RequestVerb.RETRY and request.release != self.seen.wanted:
            return RequestRefusal(Code.OTHER_RELEASE, f"{self.seen.wanted} is wanted, not {request.release}")
        if request.verb is not RequestVerb.RETRY and request.verb not in requests.OF_THE_SERVICE:
            other = self.another(request)
            if other:
                return RequestRefusal(Code.OTHER_RELEASE, other)
        if self.marks.suspended is not None and request.verb in NOT_WHILE_PAUSED:
            return RequestRefusal(Code.PAUSED, f"{self.marks.suspended.by} paused the service; resume it first")
        match request.verb:
            case RequestVerb.RETRY:
                return self._retry(request)
            case RequestVerb.SUSPEND:
                return self.accepted(request, suspended=Pause(request.by))
            case RequestVerb.RESUME:
                if self.marks.suspended is None and self.marks.hold is None:
                    return RequestRefusal(Code.NOT_PAUSED, "nothing is paused or held")
                return self.accepted(request, suspended=None, hold=None)
            case _:
                return self.act(request)

    def accepted(self, request: Request, **fields: Any) -> RolloutStep:
        return self.noted(f"{request.by} said {request.verb}", response=Response(request.id), **fields)

    def _retry(self, request: Request) -> Answer:
        if not self.marks.quarantined(request.release):
            return RequestRefusal(Code.NOT_QUARANTINED, f"{request.release} is not in quarantine")
        if self.left_over(request.release):
            return RequestRefusal(Code.CLEANING_UP, "what is left of the last try is still being cleared away")
        lifted = self.marks.without_quarantined(request.release)
        return self.accepted(request, quarantine=lifted, rollback_target=None, deadline=None)


def paused(pause: Pause, ordinary: RolloutStep) -> RolloutStep:
    """Where `ordinary` would go on; a pause keeps it still."""
    return replace(
        ordinary,
        decisions=(),
        wake_at=None,
        because=f"{pause.by} paused the service",
        health=RolloutHealth.SUSPENDED,
        waits_for=Waiting.PERSON,
        ended=None,
    )


def reason(request: Request) -> str:
    return f"{request.by} said {request.verb}{f': {request.why}' if request.why else ''}"
