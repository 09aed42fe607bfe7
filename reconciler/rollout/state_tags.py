"""Stored rollout state as tags on the ECS service, in one format (model/formats.py): what writes a field stands beside
what reads it.

Every value is written as `tag_value` makes it, whatever text of a person, an error or another tool is in it: one value
that ECS refuses would keep the rest from being written. A value that would not be read again is left out. So what
cannot be read was written by a newer version, or by hand, and is not taken for missing: a deadline would start again, a
quarantine be lifted, a task run twice. A request is the exception, because it only asks (requests.py).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.model import formats
from reconciler.model.tagging import VALUE_LENGTH, tag_value, unescaped
from reconciler.rollout import attempts, fallback_state, requests
from reconciler.rollout.release import Version
from reconciler.rollout.stored_state import (
    KEYS,
    SEPARATOR,
    STOPPED,
    VERDICT_KEYS,
    Actor,
    Deadline,
    DeadlineKind,
    EngineChange,
    Outcome,
    RolloutResult,
    StoredState,
    Verdict,
)


def of_tags(tags: Mapping[str, str]) -> StoredState:
    """The state, with `unreadable` if some of it is in another format, or makes no sense."""
    found = {name: _READ[name](tags[key]) for name, key in KEYS.items() if key in tags and not _cut(name, tags[key])}
    several = [[_verdict(text) for text in tags[key].split(SEPARATOR)] if key in tags else [] for key in VERDICT_KEYS]
    verdicts = (one for row in itertools.zip_longest(*several) for one in row if one is not None)
    lost = [KEYS[name] for name, value in found.items() if value is None and name != "request"]
    lost += [key for key, texts in zip(VERDICT_KEYS, several, strict=True) if None in texts]
    because = formats.unknown_state(tags) or _unreadable(tags, lost)
    state = {name: value for name, value in found.items() if value is not None}
    return StoredState(**state, verdicts=tuple(verdicts), unreadable=because)


def _unreadable(tags: Mapping[str, str], keys: list[str]) -> str:
    if not keys:
        return ""
    value = f"the value {tags[keys[0]][:40]!r} of the tag {keys[0]}"
    return f"this version of reconciler cannot read {value}; {formats.ADVICE}, or remove the tag"


def tags_of(state: StoredState) -> dict[str, str]:
    values = {name: getattr(state, name) for name in KEYS}
    texts = {name: tag_value(_text(value)) for name, value in values.items() if value not in (None, ())}
    tags = {KEYS[name]: text for name, text in texts.items() if _READ[name](text) is not None}
    for place, key in enumerate(VERDICT_KEYS):
        here = state.verdicts[place :: len(VERDICT_KEYS)]
        room = (VALUE_LENGTH + 1) // max(1, len(here)) - 1
        several = [text for text in (tag_value(one.text(room)) for one in here) if _is_one(text, room)]
        if several:
            tags[key] = tag_value(SEPARATOR.join(several))
    return tags


def written(before: StoredState, after: StoredState) -> tuple[dict[str, str], tuple[str, ...]]:
    """The tags to write and the tags to remove. Only fields that differ, so that requests written meanwhile are
    kept.
    """
    old, new = tags_of(before), tags_of(after)
    put = {key: value for key, value in new.items() if old.get(key) != value}
    return put, tuple(key for key in old if key not in new)


def _is_one(text: str, longest: int) -> bool:
    """Whether it is read as one verdict where it stands among others."""
    return len(text) <= longest and SEPARATOR not in text and _verdict(text) is not None


def _text(value: Any) -> str:
    match value:
        case tuple():
            return " ".join(one if isinstance(one, str) else one.text() for one in value)
        case Version(release, definition):
            return f"{release}:{definition}"
        case _:
            text: str = value.text()
            return text


def _cut(name: str, text: str) -> bool:
    """An earlier release wrote a long name so that the number of the revision may be cut: that version is lost."""
    return _READ[name] is _version and len(text) >= VALUE_LENGTH


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
    match = re.fullmatch(r"(.*):([\w-]+:\d+)", text)
    return Version(match[1], match[2]) if match is not None and len(text) < VALUE_LENGTH else None


def _engine_change(text: str) -> EngineChange | None:
    match = re.fullmatch(r"([a-z_]+):([a-z_]+):(\d{1,11})", text)
    return None if match is None else EngineChange(match[1], match[2], datetime.fromtimestamp(int(match[3]), UTC))


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
    "started": _version,
    **attempts.READ,
    "cleared": _releases,
    "engine_change": _engine_change,
    "fallback": fallback_state.read,
    "restart": _version,
}
