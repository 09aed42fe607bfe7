"""Stored rollout state: deadlines, requests, quarantines. It is kept in tags of the ECS service (state_tags.py).

Everything else is observed. A deadline is absolute, in UTC, and belongs to one release. One that is missing counts as
lost; its timer then starts again, so that it elapses later, never earlier. What cannot be read is not missing: nothing
is written to that service (`StoredState.unreadable`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.model import ownership
from reconciler.model.tagging import escaped, with_text
from reconciler.rollout.attempts import Attempt, Rejection, ReleaseTimes, Retry, TaskRun
from reconciler.rollout.fallback_state import Fallback
from reconciler.rollout.release import Version, restart_id
from reconciler.rollout.requests import Pause, Request, Response

KEPT_RELEASES: Final = 16
"""Releases that a tag value has room for; the oldest goes first."""

SEPARATOR: Final = "+"
"""Between several values in one tag."""


class DeadlineKind(StrEnum):
    """Purpose of a deadline. It also records the progress of a rollout that cannot be observed."""

    UP = "up"  # green has to be healthy by then
    TEST = "test"  # its tests have to have held by then
    GATE = "gate"  # promoted by then, or by a person; without a time only by a person
    TO = "to"  # production has to have moved to this weight by then
    AT = "at"  # production stays at this weight until then
    VERIFY = "verify"  # production is watched until then
    WARM = "warm"  # blue stays until then
    RETIRE = "retire"  # requests under way have ended by then
    ROLL = "roll"  # ECS's own deployment should have ended by then


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at` is None if only a request continues the rollout.

    `weight` is green's share of production traffic in the stages that shift traffic; before them, the share it may have
    had already, where 0 means that no requests are in flight to it. For a rolling deployment it is the number of the
    requested revision. `judges` is the digest of what the release was judged by when this attempt at it began.
    """

    release: str
    stage: DeadlineKind
    at: datetime | None = None
    weight: int = 0
    judges: str = ""

    def text(self) -> str:
        when = "-" if self.at is None else str(int(self.at.timestamp()))
        return f"{self.release}:{self.stage}{self.weight or ''}:{when}{self.judges and ':'}{self.judges}"

    def passed(self, now: datetime) -> bool:
        return self.at is not None and now >= self.at


def deadline(release: str, stage: DeadlineKind, now: datetime, wait: timedelta, *, weight: int = 0) -> Deadline:
    """`wait` from `now`, rounded up to the whole seconds that a tag can hold."""
    at = math.ceil((now + wait).timestamp())
    return Deadline(release, stage, datetime.fromtimestamp(at, UTC), weight)


class Outcome(StrEnum):
    """Result of a rollout."""

    PROMOTED = "Promoted"
    FAST_PROMOTED = "FastPromoted"  # a person cut blue's time short
    FAILED = "Failed"  # production had not moved
    ABORTED = "Aborted"  # a person stopped it, production had not moved or went back
    SUPERSEDED = "Superseded"
    ROLLED_BACK = "RolledBack"
    FAST_ROLLED_BACK = "FastRolledBack"  # the specs went back while blue was warm


STOPPED: Final = frozenset({Outcome.FAILED, Outcome.ABORTED, Outcome.ROLLED_BACK})
"""Outcomes after which a release is quarantined."""


class Actor(StrEnum):
    """What ended a rollout."""

    PERSON = "person"  # a request: rollback, abort, finish
    TIMER = "timer"  # a deadline of the strategy passed
    ENGINE = "engine"  # what was observed: tasks, targets, tests, alarms, ECS's own deployment
    SPECS = "specs"  # another version is wanted


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """Result of the rollout of a release: outcome, phase, actor and reason. `why` is for people only."""

    release: str
    outcome: Outcome
    phase: str
    at: datetime
    by: Actor
    why: str = ""

    def text(self) -> str:
        at = int(self.at.timestamp())
        return with_text(f"{self.release}:{self.outcome}:{self.phase}:{at}:{self.by}:", self.why)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a release is quarantined. `judges` is the digest of what it was judged by; empty if a person stopped it."""

    release: str
    outcome: Outcome
    at: datetime
    judges: str = ""
    why: str = ""

    def text(self, longest: int) -> str:
        """As much of the reason as there is room for in `longest` characters."""
        head = f"{self.release}:{self.outcome}:{int(self.at.timestamp())}:{self.judges or '-'}:"
        return head + escaped(self.why, also=SEPARATOR, longest=longest - len(head))


@dataclass(frozen=True, slots=True)
class EngineChange:
    """The last change of the service's engine, and when it began. For people only."""

    was: str
    engine: str
    at: datetime

    def text(self) -> str:
        return f"{self.was}:{self.engine}:{int(self.at.timestamp())}"


@dataclass(frozen=True, slots=True)
class StoredState:
    """All stored state.

    `previous` is the version that can be rolled back to, `rollback_target` the one being rolled back to instead of the
    wanted one, `live` the version ECS was last asked to run (where AWS runs the deployments only), `started` that of
    the deployment whose traffic ECS shifts, and `attempt` when its rollout began. `cleared` are releases whose
    pre-deployment task has succeeded. `retry` is for rolling deployments only. `verdicts` say why releases are
    quarantined. `fallback` is of services that run on demand what another one lacks. `restart` is the release that was
    restarted, with the revision of its new tasks: where the specs declare that release, its `restart_id` is wanted.
    `times` are those of the last releases, the newest first.
    `unreadable` is why not all of it can be read, or "", and is not stored itself.
    """

    deadline: Deadline | None = None
    request: Request | None = None
    response: Response | None = None
    quarantine: tuple[str, ...] = ()
    ended: RolloutResult | None = None
    rejected: Rejection | None = None
    hold: Pause | None = None
    suspended: Pause | None = None
    previous: Version | None = None
    rollback_target: Version | None = None
    live: Version | None = None
    started: Version | None = None
    attempt: Attempt | None = None
    task_run: TaskRun | None = None
    retry: Retry | None = None
    cleared: tuple[str, ...] = ()
    engine_change: EngineChange | None = None
    fallback: Fallback | None = None
    restart: Version | None = None
    times: tuple[ReleaseTimes, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    unreadable: str = ""

    def quarantined(self, release: str) -> bool:
        return release in self.quarantine

    def with_quarantined(self, release: str) -> tuple[str, ...]:
        return _with(self.quarantine, release)

    def without_quarantined(self, release: str) -> tuple[str, ...]:
        return tuple(one for one in self.quarantine if one != release)

    def with_cleared(self, release: str) -> tuple[str, ...]:
        return _with(self.cleared, release)

    def restarts(self, release: str) -> bool:
        """Whether that release is a restart of the one that was in production before it."""
        return self.restart is not None and restart_id(self.restart) == release

    def base_of(self, release: str) -> str:
        """The release that the specs declare, of one that may be a restart of it."""
        return self.restart.release if self.restart is not None and self.restarts(release) else release

    def restart_after(self, live: str, wanted: str) -> Version | None:
        """The restart that is still of use once `live` is in production: not after the specs' next version."""
        if self.restart is None or live != wanted or live in (self.restart.release, restart_id(self.restart)):
            return self.restart
        return None

    def previous_of(self, promoted: str, before: Version | None) -> Version | None:
        """The version to go back to from one that was promoted, where `before` was in production. A restart is not
        another version than the one before it.
        """
        return self.previous if self.restarts(promoted) else before

    def ended_of(self, release: str) -> RolloutResult | None:
        """The result of the rollout of that release, if it was the last to end."""
        return self.ended if self.ended is not None and self.ended.release == release else None

    def verdict_of(self, release: str) -> Verdict | None:
        """Why that release is quarantined, if it is and the reason is known."""
        if not self.quarantined(release):
            return None
        found = next((one for one in self.verdicts if one.release == release), None)
        ended = self.ended_of(release)
        if ended is None or (found is not None and found.at > ended.at):
            return found
        return Verdict(release, ended.outcome, ended.at, "" if found is None else found.judges, ended.why)

    def hold_of(self, release: str) -> Pause | None:
        """The hold of that release's rollout."""
        return self.hold if self.hold is not None and self.hold.release == release else None

    def times_of(self, release: str) -> ReleaseTimes | None:
        """When that release began, of a rollout that is in progress."""
        return next((one for one in self.times if one.release == release and not one.complete), None)

    def rejection_of(self, release: str) -> str:
        """Why that release was rejected, or ""."""
        return self.rejected.why if self.rejected is not None and self.rejected.release == release else ""

    def named(self, names: Mapping[str, str]) -> StoredState:
        """The state with releases under other names. Of requests and answers people have said the names themselves."""
        if not names:
            return self
        fields = (name for name in FIELDS if name not in ("request", "response"))
        return replace(self, **{name: _named(getattr(self, name), names) for name in fields})

    @property
    def pending_request(self) -> Request | None:
        """The pending request, if there is one."""
        if self.request is None or (self.response is not None and self.response.id == self.request.id):
            return None
        return self.request


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(_named(one, names) for one in value))
    if isinstance(value, str):
        return names.get(value, value)
    release = str(getattr(value, "release", ""))
    return value if release not in names else replace(value, release=names[release])


def _with(releases: tuple[str, ...], release: str) -> tuple[str, ...]:
    return (*(one for one in releases if one != release), release)[-KEPT_RELEASES:]


# -- where it is kept

KEYS: Final[Mapping[str, str]] = {
    name: f"{ownership.PREFIX}{name.replace('_', '-')}"
    for name in (
        "deadline",
        "request",
        "response",
        "quarantine",
        "ended",
        "rejected",
        "hold",
        "suspended",
        "previous",
        "rollback_target",
        "live",
        "started",
        "attempt",
        "task_run",
        "retry",
        "cleared",
        "engine_change",
        "fallback",
        "restart",
        "times",
    )
}
"""The tag of each field of `StoredState`."""


VERDICT_KEYS: Final = tuple(f"{ownership.PREFIX}verdict-{letter}" for letter in "abcd")
"""The tags of `StoredState.verdicts`: one for each of the newest few, which share them once there are more."""

FIELDS: Final = (*KEYS, "verdicts")
