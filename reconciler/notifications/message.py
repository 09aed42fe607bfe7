"""Notification messages: which events are sent, their titles, and the commands to run next. Pure.

    drift detected, corrected, recurring, who made it · revision rejected · plan blocked, no longer blocked · rollout
    waiting for promotion, shifting traffic, rolling back, ended · rollout call refused by AWS · service read-only, no
    longer read-only · request accepted · source unreachable, reachable again · stack suspended, resumed

All other events are in the log and in `reconciler events`. Only known texts and the fields below are sent: secrets are
masked, and markup is escaped.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import events
from reconciler.model.event import Event
from reconciler.model.resource import Address
from reconciler.model.secrecy import masked
from reconciler.printable import hidden
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome

FORMAT_VERSION: Final = 1
LONGEST: Final = 1500
"""Maximum length of a message in characters."""
DETAILS: Final = (
    "phase",
    "was",
    "release",
    "outcome",
    "by",
    "code",
    "codes",
    "cause",
    "changed",
    "verb",
    "requested_by",
    "reason",
    "commit",
    "changed_by",
    "role",
    "account",
    "source_address",
    "tool",
    "operation",
    "event_id",
    "changed_at",
    "certain",
)
"""The details of an event that are sent."""

TITLES: Final[Mapping[str, str]] = {
    events.DRIFT_FOUND: "drift detected (not corrected)",
    events.DRIFT_REPAIRED: "drift corrected",
    events.CONTESTED: "drift keeps recurring",
    events.DRIFT_ATTRIBUTED: "author of the drift",
    events.SPEC_REJECTED: "revision rejected",
    events.PLAN_BLOCKED: "plan blocked",
    events.PLAN_FREE: "plan no longer blocked",
    events.ROLLOUT_PHASE: "rollout",
    events.ROLLOUT_ENDED: "rollout ended",
    events.ROLLOUT_REFUSED: "AWS refused a rollout call",
    events.SAFETY_BREACHED: "stopped writing: a safety check failed",
    events.READ_ONLY: "service is read-only",
    events.WRITABLE: "service no longer read-only",
    events.SOURCE_UNREACHABLE: "source unreachable",
    events.SOURCE_REACHABLE: "source reachable again",
    events.EVENTS_DISTRUSTED: "events of AWS may be missing",
    events.EVENTS_TRUSTED: "events of AWS are complete again",
    events.REQUEST_ACCEPTED: "request accepted",
    events.SUSPENDED: "stack suspended",
    events.RESUMED: "stack resumed",
}

PHASES: Final[Mapping[str, str]] = {
    Phase.AWAITING_PROMOTION: "waiting for promotion",
    Phase.SHIFTING: "shifting production traffic to the new version",
    Phase.ROLLING_BACK: "rolling back",
    Phase.BLOCKED: "rollout blocked",
}

WELL: Final = frozenset({Outcome.PROMOTED.value, Outcome.FAST_PROMOTED.value, Outcome.SUPERSEDED.value})


@dataclass(frozen=True, slots=True)
class Message:
    """`next` are commands to run, the likeliest first. `key` is the same for duplicates."""

    id: str
    at: str
    stack: str
    event: str
    title: str
    address: str
    message: str
    revision: str
    details: Mapping[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return self.event, self.address, self.message, self.details.get("release", "")

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format_version": FORMAT_VERSION,
            "id": self.id,
            "at": self.at,
            "stack": self.stack,
            "event": self.event,
            "title": self.title,
            "address": self.address,
            "message": self.message,
            "revision": self.revision,
            "details": dict(self.details),
            "next": list(self.next),
        }

    @property
    def headline(self) -> str:
        return " ".join(word for word in (f"[{self.stack}]" if self.stack else "", self.address, self.title) if word)

    def text(self) -> str:
        """For people, plain."""
        cause = self.details.get("cause", "")
        revision = f"Revision: {self.revision}" if self.revision else ""
        changed = self.details.get("changed", "")
        found = (f"Cause: {cause}" if cause else "", f"Changed: {changed}" if changed else "")
        lines = [self.headline, self.message, *found, revision]
        steps = [f"  {one}" for one in self.next]
        return "\n".join([*filter(None, lines), *(["Next:", *steps] if steps else [])])


def notice_of(entry: Event, stack: str) -> Message | None:
    """None for an event that is not sent."""
    title = TITLES.get(entry.name)
    details = {key: cleaned(_one_line(entry.details[key])) for key in DETAILS if entry.details.get(key)}
    if title is None:
        return None
    if entry.name == events.ROLLOUT_PHASE:
        if details.get("phase") not in PHASES:
            return None
        title = PHASES[details["phase"]]
    return Message(
        uuid.uuid4().hex,
        entry.at.isoformat(timespec="seconds"),
        cleaned(stack),
        entry.name,
        title,
        cleaned(entry.address),
        cleaned(entry.message),
        cleaned(entry.revision),
        details,
        _next(entry.name, _service(entry.address), details),
    )


_TYPEABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
"""A service name in ECS that is safe in any shell."""


def _next(name: str, service: str, details: Mapping[str, str]) -> tuple[str, ...]:
    match name:
        case events.SPEC_REJECTED:
            return ("reconciler validate",)
        case events.DRIFT_FOUND | events.CONTESTED | events.PLAN_BLOCKED:
            return ("reconciler diff",)
        case events.ROLLOUT_PHASE if service and details.get("phase") == Phase.AWAITING_PROMOTION:
            return f"reconciler promote {service}", f"reconciler abort {service}", f"reconciler status {service}"
        case events.ROLLOUT_PHASE | events.ROLLOUT_REFUSED | events.READ_ONLY | events.SAFETY_BREACHED if service:
            return (f"reconciler status {service}",)
        case events.ROLLOUT_ENDED if service and details.get("outcome") not in WELL:
            return f"reconciler logs {service} --previous", f"reconciler history {service}"
        case events.REQUEST_ACCEPTED if service:
            return f"reconciler status {service}", f"reconciler history {service}"
        case events.SUSPENDED:
            return ("reconciler resume --stack",)
    return ()


def _service(address: str) -> str:
    try:
        parsed = Address.parse(address)
    except ValueError:
        return ""
    return parsed.name if parsed.kind == "service" and _TYPEABLE.fullmatch(parsed.name) else ""


def _one_line(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def cleaned(text: str) -> str:
    """One line, with secrets masked, without control and direction characters."""
    words = " ".join(masked(text).split())
    shown = "".join(char for char in words if not hidden(char))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
