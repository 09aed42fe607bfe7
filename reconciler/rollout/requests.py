"""Operator requests, stored as tags on the ECS service: verb, release, requester, time and reason.

The requester needs no server: IAM decides who may write the tag, and CloudTrail records who did. The controller or the
next command acts on the request and answers with a second tag. There is one tag for all verbs: the last request wins,
and repeating a request changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.model.tagging import escaped, stamped, unescaped, unstamped, with_text

ANY: Final = "-"
"""Stands for the release in a request that concerns the service as a whole."""

STALE_AFTER: Final = timedelta(hours=1)
"""A request that is not answered within this time expires."""


LONGEST_NAME: Final = 64
"""Characters of the requester."""


def _named(by: str) -> str:
    """Of a long identity both ends: the name of the session is at the end, and says who the person is."""
    if len(by) <= LONGEST_NAME or "/" not in by:
        return by
    role, _, session = by.rpartition("/")
    return f"{role[: max(8, LONGEST_NAME - len(session) - 4)]}../{session}"


class RequestVerb(StrEnum):
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ABORT = "abort"
    HOLD = "hold"
    EXTEND = "extend"
    FINISH = "finish"
    RETRY = "retry"
    SUSPEND = "suspend"
    RESUME = "resume"
    RESTART = "restart"


OF_THE_SERVICE: Final = frozenset({RequestVerb.SUSPEND, RequestVerb.RESUME})


@dataclass(frozen=True, slots=True)
class Request:
    """`id` identifies one request; `by` is the requester; `seconds` is the extension, for `extend`.

    `to` is the release to roll back to, if it is not the previous one, and `revision` the number of its revision. A
    `verb` that is no `RequestVerb` is that of a newer version, and is refused.
    """

    verb: RequestVerb | str
    release: str
    id: str
    at: datetime
    by: str
    why: str = ""
    seconds: int = 0
    to: str = ""
    revision: int = 0

    def text(self) -> str:
        verb = f"{self.verb}+{self.seconds}" if self.verb is RequestVerb.EXTEND else str(self.verb)
        verb += f"+{self.to}.{self.revision}" if self.to else ""
        by = escaped(_named(self.by), also=":", longest=LONGEST_NAME) or "unknown"
        head = f"{verb}:{self.release}:{self.id}:{int(self.at.timestamp())}:{by}"
        return with_text(f"{head}:", self.why) if self.why else head

    def stale(self, now: datetime) -> bool:
        return now - self.at > STALE_AFTER


class RequestRefusalCode(StrEnum):
    """Reason for which a request is refused."""

    EXPIRED = "expired"  # it is older than `STALE_AFTER`
    UNKNOWN_RELEASE = "unknown-release"  # rollback --to: no release that AWS still has, or more than one
    OTHER_RELEASE = "other-release"  # it is about a release that is not the one at hand
    SUSPENDED = "suspended"  # the service is suspended
    NOT_SUSPENDED = "not-suspended"  # resume: nothing is suspended or on hold
    UNSUPPORTED = "unsupported"  # the service's engine has nothing of the kind
    UNKNOWN_FORMAT = "unknown-format"  # a newer version sent it, or stored the state of the service
    NO_ROLLOUT = "no-rollout"  # no new version is being rolled out
    NO_DEADLINE = "no-deadline"  # extend: no deadline is running
    TOO_LONG = "too-long"  # extend: by more than may be
    IN_PRODUCTION = "in-production"  # rollback --to: it is what runs already, or what the specs declare
    NO_PREVIOUS_VERSION = "no-previous-version"  # there is no other version to go back to, or to let go
    INITIAL_DEPLOYMENT = "initial-deployment"  # promote: there is no gate
    NOT_READY = "not-ready"  # promote: the new version is not up yet
    NOT_TESTED = "not-tested"  # promote: its tests have not passed yet
    ALREADY_SHIFTING = "already-shifting"  # promote: production is on its way to it
    ALREADY_PROMOTED = "already-promoted"  # promote, abort: it has all of production
    STILL_VERIFYING = "still-verifying"  # finish: production is still being watched
    UNHEALTHY = "unhealthy"  # the version that production would depend on is not healthy
    ALARM = "alarm"  # promote: an alarm of the strategy is firing
    OUTSIDE_WINDOW = "outside-window"  # promote: no deployment window is open
    TRAFFIC_CHANGED = "traffic-changed"  # promote: somebody else changed where production goes
    UNMANAGED_TARGETS = "unmanaged-targets"  # rollback: production goes to targets that are not the service's
    NOT_QUARANTINED = "not-quarantined"  # retry: the release is not in quarantine
    CLEANING_UP = "cleaning-up"  # retry: what is left of the last attempt is still being removed
    ROLLOUT_IN_PROGRESS = "rollout-in-progress"  # restart: tasks are being replaced already, or are about to be
    NO_TASKS = "no-tasks"  # restart: the desired count is 0
    NOT_REGISTERED = "not-registered"  # restart: the revision that runs cannot be registered once more


@dataclass(frozen=True, slots=True)
class RequestRefusal:
    """Refusal of a request: `code` for programs, `why` for people. A newer version may have given another code."""

    code: RequestRefusalCode | str
    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A hold of one rollout (with `release`), or a suspension of the whole service (without).

    `by` is who asked for it, and why; `at` is when, which an older version has not stored.
    """

    by: str
    release: str = ""
    at: datetime | None = field(default=None, compare=False)

    def text(self) -> str:
        return with_text(f"{self.release or ANY}:", stamped(self.at, self.by))

    def __str__(self) -> str:
        """`ana: database migration, since 01 Jan 12:05 UTC`"""
        return self.by if self.at is None else f"{self.by}, since {self.at:%d %b %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Response:
    """Answer to the request with that id: accepted, unless there is a `refusal`."""

    id: str
    refusal: RequestRefusal | None = None

    @property
    def accepted(self) -> bool:
        return self.refusal is None

    def text(self) -> str:
        if self.refusal is None:
            return f"{self.id}:accepted"
        return with_text(f"{self.id}:refused:{self.refusal.code}:", self.refusal.why)


_INTENT: Final = re.compile(
    r"(?P<verb>[^:\s]+):(?P<release>[^:\s]+):(?P<id>[^:\s]+):(?P<at>\d{1,11}):(?P<by>[^:]+)(?::(?P<why>.*))?",
    re.DOTALL,
)
_VERB: Final = re.compile(r"([a-z]+)(?:\+(?P<seconds>\d{1,7})|\+(?P<to>[\w-]+)\.(?P<revision>\d{1,9}))?")
_HANDLED: Final = re.compile(r"([^:\s]+):(?:accepted|refused:([a-z-]+):(.*))", re.DOTALL)


def intent_of(text: str) -> Request | None:
    """The request in a tag's value, or None if it cannot be parsed."""
    match = _INTENT.fullmatch(text)
    if match is None:
        return None
    found = _verb(match["verb"])
    return Request(
        found[0],
        match["release"],
        match["id"],
        datetime.fromtimestamp(int(match["at"]), UTC),
        unescaped(match["by"]),
        unescaped(match["why"] or ""),
        *found[1:],
    )


def _verb(text: str) -> tuple[RequestVerb | str, int, str, int]:
    """The verb, its seconds, and the release and revision to roll back to; `text` itself if that is not known."""
    match = _VERB.fullmatch(text)
    if match is None or match[1] not in set(RequestVerb):
        return text, 0, "", 0
    verb = RequestVerb(match[1])
    takes = (match["seconds"] is not None) is (verb is RequestVerb.EXTEND)
    if not takes or (match["to"] is not None and verb is not RequestVerb.ROLLBACK):
        return text, 0, "", 0
    return verb, int(match["seconds"] or 0), match["to"] or "", int(match["revision"] or 0)


def handled_of(text: str) -> Response | None:
    """The response in a tag's value, or None if it cannot be parsed."""
    match = _HANDLED.fullmatch(text)
    if match is None:
        return None
    if match[2] is None:
        return Response(match[1])
    code = RequestRefusalCode(match[2]) if match[2] in set(RequestRefusalCode) else match[2]
    return Response(match[1], RequestRefusal(code, unescaped(match[3])))


def pause_of(text: str) -> Pause | None:
    release, colon, rest = text.partition(":")
    at, by = unstamped(unescaped(rest))
    return Pause(by, "" if release == ANY else release, at) if colon else None
