"""Propagation of what this process has just made: which refusals are a delay, and for how long.

AWS answers the creation of a role, a subnet or a group at once, and for some seconds its other services still refuse
what names it: as not found, as not allowed, as a role that nobody may assume. So a refusal that AWS also gives for what
it does not know yet (`AwsError.propagates`) is `Propagating` where the call or the refusal names something that was
made moments ago, for the time that is stated for it, counted from the first such refusal of the call. After that, and
where nothing named is new, it is what AWS says it is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from reconciler import errors
from reconciler.aws.catalogue import service_facts
from reconciler.aws.ownership_guard import aliases, created
from reconciler.aws.retry import TOKENS, is_read
from reconciler.clock import Clock
from reconciler.model import duration
from reconciler.model.resource import Call

RECENT_SECONDS: Final = 300.0
"""How long something counts as just made; as long as an expectation allows it to stay invisible."""

PROPAGATION_SECONDS: Final = 120.0
"""For refusals for which the catalogue states no time; Terraform allows the same two minutes."""

FORGOTTEN_SECONDS: Final = 900.0
"""Time without the same refusal after which the next one starts a new wait. Passes after a failure are at most five
minutes apart.
"""

_CREATES: Final = re.compile(r"^(Create|Register|Allocate|Request|Run)")
_WORDS: Final = re.compile(r"[\w:/.@+=-]+")


@dataclass(slots=True)
class _Wait:
    since: float
    last: float


class Propagation:
    """What was made moments ago, and the calls that are refused for it. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[str, float] = {}
        self._waits: dict[tuple[str, ...], _Wait] = {}
        self._lock = threading.Lock()

    def made(self, identifier: str, age: float = 0.0) -> None:
        """`identifier`, an id or ARN, was made or changed `age` seconds ago.

        A process that has just started knows nothing of it; of roles, which take longest, a read tells it.
        """
        if abs(age) >= RECENT_SECONDS:
            return  # an age below zero is that of another clock
        now = self._clock.monotonic()
        with self._lock:
            self._made = {name: at for name, at in self._made.items() if now - at < RECENT_SECONDS}
            for name in aliases(identifier):
                self._made[name] = max(now - age, self._made.get(name, now - age))

    def answered(self, call: Call, answer: dict[str, Any]) -> None:
        """AWS has carried out the call."""
        if self._waits:
            with self._lock:
                self._waits.pop(_key(call), None)
        if is_read(call):
            return
        for identifier in (*(created(call, answer) if _CREATES.match(call.operation) else ()), *_changed(call)):
            self.made(identifier)

    def judged(self, call: Call, refusal: errors.AwsError, *, fresh: bool) -> tuple[errors.AwsError, float]:
        """`refusal`, or the `errors.Propagating` that it is, and for how long the call has been refused so.

        `fresh`: what the call names must exist, so that NotFound may be a delay.
        """
        always = isinstance(refusal, errors.Propagating)
        missing = fresh and isinstance(refusal, errors.Gone)
        seconds = refusal.propagates or (PROPAGATION_SECONDS if always or missing else 0.0)
        if not seconds or (is_read(call) and not fresh):
            return refusal, 0.0
        now, key = self._clock.monotonic(), _key(call)
        with self._lock:
            self._waits = {each: one for each, one in self._waits.items() if now - one.last <= FORGOTTEN_SECONDS}
            wait = self._waits.get(key)
            if wait is None:
                if not always and not self._names_recent(call, refusal, now):
                    return refusal, 0.0
                wait = self._waits[key] = _Wait(now, now)
            wait.last = now
        waited, limit = now - wait.since, duration.format(timedelta(seconds=seconds))
        kind: type[errors.AwsError]
        if waited < seconds:
            kind, note = errors.Propagating, f"may not have propagated yet; retrying for up to {limit}"
        else:
            kind, note = errors.Invalid if always else type(refusal), f"retried for {limit}"
        text = f"{refusal.message} ({note})"
        return kind(text, call=refusal.call, code=refusal.code, request_id=refusal.request_id), waited

    def _names_recent(self, call: Call, refusal: errors.AwsError, now: float) -> bool:
        """What the refusal names decides; where it names nothing, what the call names."""
        named = frozenset(_words(call.params))
        said = frozenset(_words(refusal.message))
        recent = {name for name, at in self._made.items() if now - at < RECENT_SECONDS}
        meant = {word for word in said if word in named or _is_role(word)} or named
        return any(not recent.isdisjoint(_spellings(call.service, word)) for word in meant)


def _key(call: Call) -> tuple[str, ...]:
    texts = (f"{name}={value}" for name, value in sorted(call.params.items()) if isinstance(value, str))
    return (str(call), *(text for text in texts if text.partition("=")[0] not in TOKENS))


def _changed(call: Call) -> Iterable[str]:
    """What a write names that takes a while to reach the regions, such as a role's new policy."""
    facts = service_facts(call.service)
    if not facts.regional:
        yield from (f"{facts.arn_namespace}:{value}" for name, value in call.params.items() if name.endswith("Name"))


def _is_role(word: str) -> bool:
    """A role, or the instance profile that it is in."""
    return word.startswith("arn:") and (":role/" in word or ":instance-profile/" in word)


def _spellings(service: str, word: str) -> set[str]:
    return {*aliases(word), f"{service_facts(service).arn_namespace}:{word}"}


def _words(value: Any) -> Iterable[str]:
    """Every word of every text, however deep; policies are texts, and name roles."""
    if isinstance(value, str):
        yield from (word.rstrip(".:") for word in _WORDS.findall(value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(item)
