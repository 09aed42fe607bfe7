"""Stored rollout state, as tags on the ECS service: deadlines, requests, quarantines.

Everything else is observed. A deadline is absolute, in UTC, and belongs to one release. A tag that is missing or cannot
be parsed counts as lost; its timer then starts again, so that it elapses later, never earlier. Every value is written
as `tag_value` makes it, whatever text of a person, an error or another tool is in it: one value that ECS refuses would
keep the rest from being written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.model import ownership
from reconciler.model.tagging import VALUE_LENGTH, tag_value, unescaped, with_text
from reconciler.rollout import requests
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Request, Response

KEPT_RELEASES: Final = 16
"""Releases that a tag value has room for; the oldest goes first."""


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
    requested revision.
    """

    release: str
    stage: DeadlineKind
    at: datetime | None = None
    weight: int = 0

    def text(self) -> str:
        when = "-" if self.at is None else str(int(self.at.timestamp()))
        return f"{self.release}:{self.stage}{self.weight or ''}:{when}"

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
class Pause:
    """A hold of one rollout (with `release`), or a suspension of the whole service (without)."""

    by: str
    release: str = ""

    def text(self) -> str:
        return with_text(f"{self.release or requests.ANY}:", self.by)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A release that was rejected because `flight` was being rolled out."""

    release: str
    flight: str

    @property
    def why(self) -> str:
        return f"rejected because {self.flight} was being rolled out"

    def text(self) -> str:
        return f"{self.release}:{self.flight}"


@dataclass(frozen=True, slots=True)
class TaskRun:
    """The last run of the pre-deployment task, until it has succeeded.

    `revision` is the number of its task definition's revision, `at` when ECS was about to be asked, `id` the task, as
    far as it is known.
    """

    release: str
    revision: int
    at: datetime
    id: str = ""
    failed: bool = False

    def text(self) -> str:
        state = "failed" if self.failed else "started"
        return f"{self.release}:{self.revision}:{int(self.at.timestamp())}:{self.id or '-'}:{state}"


@dataclass(frozen=True, slots=True)
class Retry:
    """When a release is started again for which AWS had no capacity, after `attempts` attempts."""

    release: str
    attempts: int
    at: datetime

    def text(self) -> str:
        return f"{self.release}:{self.attempts}:{int(self.at.timestamp())}"


@dataclass(frozen=True, slots=True)
class StoredState:
    """All stored state.

    `previous` is the version that can be rolled back to, `rollback_target` the one being rolled back to instead of the
    wanted one, `live` the version ECS was last asked to run (rolling deployments only). `cleared` are releases whose
    pre-deployment task has succeeded. `retry` is for rolling deployments only.
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
    task_run: TaskRun | None = None
    retry: Retry | None = None
    cleared: tuple[str, ...] = ()

    def quarantined(self, release: str) -> bool:
        return release in self.quarantine

    def with_quarantined(self, release: str) -> tuple[str, ...]:
        return _with(self.quarantine, release)

    def without_quarantined(self, release: str) -> tuple[str, ...]:
        return tuple(one for one in self.quarantine if one != release)

    def with_cleared(self, release: str) -> tuple[str, ...]:
        return _with(self.cleared, release)

    def ended_of(self, release: str) -> RolloutResult | None:
        """The result of the rollout of that release, if it was the last to end."""
        return self.ended if self.ended is not None and self.ended.release == release else None

    def hold_of(self, release: str) -> Pause | None:
        """The hold of that release's rollout."""
        return self.hold if self.hold is not None and self.hold.release == release else None

    def rejection_of(self, release: str) -> str:
        """Why that release was rejected, or ""."""
        return self.rejected.why if self.rejected is not None and self.rejected.release == release else ""

    @property
    def pending_request(self) -> Request | None:
        """The pending request, if there is one."""
        if self.request is None or (self.response is not None and self.response.id == self.request.id):
            return None
        return self.request


def _with(releases: tuple[str, ...], release: str) -> tuple[str, ...]:
    return (*(one for one in releases if one != release), release)[-KEPT_RELEASES:]


# -- as tags

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
        "task_run",
        "retry",
        "cleared",
    )
}
"""The tag of each field of `StoredState`."""


def of_tags(tags: Mapping[str, str]) -> StoredState:
    found = {name: _READ[name](tags[key]) for name, key in KEYS.items() if key in tags}
    return StoredState(**{name: value for name, value in found.items() if value is not None})


def written(before: StoredState, after: StoredState) -> tuple[dict[str, str], tuple[str, ...]]:
    """The tags to write and the tags to remove. Only fields that differ, so that requests written meanwhile are
    kept.
    """
    put: dict[str, str] = {}
    drop: list[str] = []
    for name, key in KEYS.items():
        value = getattr(after, name)
        if value == getattr(before, name):
            continue
        if value is None or value == ():
            drop.append(key)
        else:
            put[key] = tag_value(_text(value))
    return put, tuple(drop)


def _text(value: Any) -> str:
    match value:
        case tuple():
            return " ".join(value)
        case Version(release, definition):
            return f"{release}:{definition}"
        case _:
            text: str = value.text()
            return text


def _deadline(text: str) -> Deadline | None:
    match = re.fullmatch(r"([^:\s]+):([a-z]+)(\d{0,9}):(\d{1,11}|-)", text)
    if match is None or match[2] not in set(DeadlineKind):
        return None
    at = None if match[4] == "-" else datetime.fromtimestamp(int(match[4]), UTC)
    stage = DeadlineKind(match[2])
    if at is None and stage is not DeadlineKind.GATE:
        return None
    return Deadline(match[1], stage, at, int(match[3] or 0))


def _releases(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _task_run(text: str) -> TaskRun | None:
    match = re.fullmatch(r"([^:\s]+):(\d{1,9}):(\d{1,11}):([\w-]+):(started|failed)", text)
    if match is None:
        return None
    at, id = datetime.fromtimestamp(int(match[3]), UTC), "" if match[4] == "-" else match[4]
    return TaskRun(match[1], int(match[2]), at, id, match[5] == "failed")


def _retry(text: str) -> Retry | None:
    match = re.fullmatch(r"([^:\s]+):(\d{1,9}):(\d{1,11})", text)
    return None if match is None else Retry(match[1], int(match[2]), datetime.fromtimestamp(int(match[3]), UTC))


def _ended(text: str) -> RolloutResult | None:
    match = re.fullmatch(r"([^:\s]+):(\w+):(\w+):(\d{1,11}):(\w+):(.*)", text, re.DOTALL)
    if match is None or match[2] not in set(Outcome) or match[5] not in set(Actor):
        return None
    at = datetime.fromtimestamp(int(match[4]), UTC)
    return RolloutResult(match[1], Outcome(match[2]), match[3], at, Actor(match[5]), unescaped(match[6]))


def _rejected(text: str) -> Rejection | None:
    match = re.fullmatch(r"([^:\s]+):([^:\s]+)", text)
    return None if match is None else Rejection(match[1], match[2])


def _stop(text: str) -> Pause | None:
    release, colon, by = text.partition(":")
    return Pause(unescaped(by), "" if release == requests.ANY else release) if colon else None


def _version(text: str) -> Version | None:
    release, _, definition = text.partition(":")
    whole = len(text) < VALUE_LENGTH  # otherwise the number of the revision may have been cut
    return Version(release, definition) if whole and re.fullmatch(r"[\w-]+:\d+", definition) else None


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "deadline": _deadline,
    "request": requests.intent_of,
    "response": requests.handled_of,
    "quarantine": _releases,
    "ended": _ended,
    "rejected": _rejected,
    "hold": _stop,
    "suspended": _stop,
    "previous": _version,
    "rollback_target": _version,
    "live": _version,
    "task_run": _task_run,
    "retry": _retry,
    "cleared": _releases,
}
