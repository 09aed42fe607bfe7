"""Stored rollout state, as tags on the ECS service: deadlines, requests, quarantines.

Everything else is observed. A deadline is absolute, in UTC, and belongs to one release. A tag that is missing or cannot
be parsed counts as lost; its timer then starts again, so that it elapses later, never earlier. Every value is written
as `tag_value` makes it, whatever text of a person, an error or another tool is in it: one value that ECS refuses would
keep the rest from being written.

It is one module because the tags are one format: what writes a field stands beside what reads it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.model import ownership
from reconciler.model.tagging import VALUE_LENGTH, escaped, tag_value, unescaped, with_text
from reconciler.rollout import attempts, requests
from reconciler.rollout.attempts import Rejection, Retry, TaskRun
from reconciler.rollout.release import Version
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
class StoredState:
    """All stored state.

    `previous` is the version that can be rolled back to, `rollback_target` the one being rolled back to instead of the
    wanted one, `live` the version ECS was last asked to run (rolling deployments only). `cleared` are releases whose
    pre-deployment task has succeeded. `retry` is for rolling deployments only. `verdicts` say why releases are
    quarantined.
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
    verdicts: tuple[Verdict, ...] = ()

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


VERDICT_KEYS: Final = tuple(f"{ownership.PREFIX}verdict-{letter}" for letter in "abcd")
"""The tags of `StoredState.verdicts`: one for each of the newest few, which share them once there are more."""

FIELDS: Final = (*KEYS, "verdicts")


def of_tags(tags: Mapping[str, str]) -> StoredState:
    found = {name: _READ[name](tags[key]) for name, key in KEYS.items() if key in tags}
    several = [[_verdict(text) for text in tags.get(key, "").split(SEPARATOR)] for key in VERDICT_KEYS]
    verdicts = (one for row in itertools.zip_longest(*several) for one in row if one is not None)
    return StoredState(**{name: value for name, value in found.items() if value is not None}, verdicts=tuple(verdicts))


def tags_of(state: StoredState) -> dict[str, str]:
    values = {key: getattr(state, name) for name, key in KEYS.items()}
    tags = {key: tag_value(_text(value)) for key, value in values.items() if value not in (None, ())}
    for place, key in enumerate(VERDICT_KEYS):
        here = state.verdicts[place :: len(VERDICT_KEYS)]
        if here:
            room = (VALUE_LENGTH + 1) // len(here) - 1
            tags[key] = tag_value(SEPARATOR.join(one.text(room) for one in here))
    return tags


def written(before: StoredState, after: StoredState) -> tuple[dict[str, str], tuple[str, ...]]:
    """The tags to write and the tags to remove. Only fields that differ, so that requests written meanwhile are
    kept.
    """
    old, new = tags_of(before), tags_of(after)
    put = {key: value for key, value in new.items() if old.get(key) != value}
    return put, tuple(key for key in old if key not in new)


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
    match = re.fullmatch(r"([^:\s]+):([a-z]+)(\d{0,9}):(\d{1,11}|-)(?::(\w+))?", text)
    if match is None or match[2] not in set(DeadlineKind):
        return None
    at = None if match[4] == "-" else datetime.fromtimestamp(int(match[4]), UTC)
    stage = DeadlineKind(match[2])
    if at is None and stage is not DeadlineKind.GATE:
        return None
    return Deadline(match[1], stage, at, int(match[3] or 0), match[5] or "")


def _releases(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _ended(text: str) -> RolloutResult | None:
    match = re.fullmatch(r"([^:\s]+):(\w+):(\w+):(\d{1,11}):(\w+):(.*)", text, re.DOTALL)
    if match is None or match[2] not in set(Outcome) or match[5] not in set(Actor):
        return None
    at = datetime.fromtimestamp(int(match[4]), UTC)
    return RolloutResult(match[1], Outcome(match[2]), match[3], at, Actor(match[5]), unescaped(match[6]))


def _verdict(text: str) -> Verdict | None:
    match = re.fullmatch(r"([^:\s]+):(\w+):(\d{1,11}):([\w.]+|-[\w.]*):(.*)", text, re.DOTALL)
    if match is None or match[2] not in set(STOPPED):
        return None
    at, judges = datetime.fromtimestamp(int(match[3]), UTC), "" if match[4] == "-" else match[4]
    return Verdict(match[1], Outcome(match[2]), at, judges, unescaped(match[5]))


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
    "hold": requests.pause_of,
    "suspended": requests.pause_of,
    "previous": _version,
    "rollback_target": _version,
    "live": _version,
    **attempts.READ,
    "cleared": _releases,
}
