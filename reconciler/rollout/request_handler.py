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
    def another(self, intent: Request) -> str:
        """Why it is about another release than it could be about; empty if it is about the right one."""

    @abstractmethod
    def act(self, intent: Request) -> Answer:
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
        intent = self.marks.unheard
        if intent is None:
            return None
        answer = self.answered(intent)
        if isinstance(answer, RequestRefusal):
            return self.noted(self.ordinary.because, handled=Response(intent.id, answer))
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

    def answered(self, intent: Request) -> Answer:
        if intent.stale(self.now):
            return RequestRefusal(Code.EXPIRED, "it was said too long ago")
        if intent.verb is RequestVerb.RETRY and intent.release != self.seen.wanted:
            return RequestRefusal(Code.OTHER_RELEASE, f"{self.seen.wanted} is wanted, not {intent.release}")
        if intent.verb is not RequestVerb.RETRY and intent.verb not in requests.OF_THE_SERVICE:
            other = self.another(intent)
            if other:
                return RequestRefusal(Code.OTHER_RELEASE, other)
        if self.marks.pause is not None and intent.verb in NOT_WHILE_PAUSED:
            return RequestRefusal(Code.PAUSED, f"{self.marks.pause.by} paused the service; resume it first")
        match intent.verb:
            case RequestVerb.RETRY:
                return self._retry(intent)
            case RequestVerb.PAUSE:
                return self.accepted(intent, pause=Pause(intent.by))
            case RequestVerb.RESUME:
                if self.marks.pause is None and self.marks.hold is None:
                    return RequestRefusal(Code.NOT_PAUSED, "nothing is paused or held")
                return self.accepted(intent, pause=None, hold=None)
            case _:
                return self.act(intent)

    def accepted(self, intent: Request, **fields: Any) -> RolloutStep:
        return self.noted(f"{intent.by} said {intent.verb}", handled=Response(intent.id), **fields)

    def _retry(self, intent: Request) -> Answer:
        if not self.marks.quarantined(intent.release):
            return RequestRefusal(Code.NOT_QUARANTINED, f"{intent.release} is not in quarantine")
        if self.left_over(intent.release):
            return RequestRefusal(Code.CLEANING_UP, "what is left of the last try is still being cleared away")
        lifted = self.marks.without_quarantined(intent.release)
        return self.accepted(intent, quarantine=lifted, back=None, deadline=None)


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


def reason(intent: Request) -> str:
    return f"{intent.by} said {intent.verb}{f': {intent.why}' if intent.why else ''}"
