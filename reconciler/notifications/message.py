"""What people are told of what happens: which entries, in which words, and what to type next. Pure.

    drift found, repaired, contested · a revision rejected · a plan blocked, and free again · a rollout that needs a
    person, moves production, goes back, or has ended · AWS refuses a rollout · the source lost, and found again ·
    the stack suspended, and resumed

Everything else is in the log and in `reconciler events`. Only words of ours and the fields below leave: what looks like
a secret is starred out, what would be mark-up to the reader is not.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import events
from reconciler.model.event import Event
from reconciler.model.resource import Address
from reconciler.model.secrecy import masked
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome

FORMAT_VERSION: Final = 1
LONGEST: Final = 1500
"""Characters of a message."""
DETAILS: Final = ("phase", "was", "release", "outcome", "by", "code", "codes", "cause")
"""What of an entry's details is told."""

TITLES: Final[Mapping[str, str]] = {
    events.DRIFT_FOUND: "drift",
    events.DRIFT_REPAIRED: "drift is put back",
    events.CONTESTED: "drift is contested",
    events.SPEC_REJECTED: "a revision is rejected",
    events.PLAN_BLOCKED: "the plan is blocked",
    events.PLAN_FREE: "the plan is not blocked any more",
    events.ROLLOUT_PHASE: "rollout",
    events.ROLLOUT_ENDED: "the rollout has ended",
    events.ROLLOUT_REFUSED: "AWS refuses the rollout",
    events.SOURCE_UNREACHABLE: "the source cannot be reached",
    events.SOURCE_REACHABLE: "the source can be reached again",
    events.SUSPENDED: "the stack is suspended",
    events.RESUMED: "the stack is reconciled again",
}

PHASES: Final[Mapping[str, str]] = {
    Phase.AWAITING_PROMOTION: "the new version waits to be promoted",
    Phase.SHIFTING: "production moves to the new version",
    Phase.ROLLING_BACK: "production goes back",
    Phase.BLOCKED: "the rollout is blocked",
}

WELL: Final = frozenset({Outcome.PROMOTED.value, Outcome.FAST_PROMOTED.value, Outcome.SUPERSEDED.value})


@dataclass(frozen=True, slots=True)
class Message:
    """`next` is what to type, the likeliest first. `key` is the same for what would be told twice."""

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
        lines = [self.headline, self.message, f"Cause: {cause}" if cause else "", revision]
        steps = [f"  {one}" for one in self.next]
        return "\n".join([*filter(None, lines), *(["Next:", *steps] if steps else [])])


def notice_of(entry: Event, stack: str) -> Message | None:
    """None where nobody is to be told."""
    title = TITLES.get(entry.name)
    details = {key: _clean(_one_line(entry.details[key])) for key in DETAILS if entry.details.get(key)}
    if title is None:
        return None
    if entry.name == events.ROLLOUT_PHASE:
        if details.get("phase") not in PHASES:
            return None
        title = PHASES[details["phase"]]
    return Message(
        uuid.uuid4().hex,
        entry.at.isoformat(timespec="seconds"),
        _clean(stack),
        entry.name,
        title,
        _clean(entry.address),
        _clean(entry.message),
        _clean(entry.revision),
        details,
        _next(entry.name, _service(entry.address), details),
    )


_TYPEABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
"""As ECS names services, and fit for any shell."""


def _next(name: str, service: str, details: Mapping[str, str]) -> tuple[str, ...]:
    match name:
        case events.SPEC_REJECTED:
            return ("reconciler validate",)
        case events.DRIFT_FOUND | events.CONTESTED | events.PLAN_BLOCKED:
            return ("reconciler diff",)
        case events.ROLLOUT_PHASE if service and details.get("phase") == Phase.AWAITING_PROMOTION:
            return f"reconciler promote {service}", f"reconciler abort {service}", f"reconciler status {service}"
        case events.ROLLOUT_PHASE | events.ROLLOUT_REFUSED if service:
            return (f"reconciler status {service}",)
        case events.ROLLOUT_ENDED if service and details.get("outcome") not in WELL:
            return f"reconciler logs {service} --previous", f"reconciler history {service}"
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


def _clean(text: str) -> str:
    """One line, without secrets, control characters and those that turn text around."""
    words = " ".join(masked(text).split())
    shown = "".join(char for char in words if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
