"""A person's word, as a tag on the service: who wants what of which release, and when it was said.

The caller needs no server: IAM says who may write the tag, CloudTrail keeps who did. Whoever reconciles next acts on it
and answers with a second tag, by which the caller can prove that it was heard. There is one tag for all verbs: the last
word counts, and saying it twice is saying it once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.model.tagging import tag_value

ANY: Final = "-"
"""Stands for the release in an intent that is about the service, whatever it runs."""

STALE_AFTER: Final = timedelta(hours=1)
"""A word that nobody heard for so long is not acted on: the person has turned to something else by now."""


class Verb(StrEnum):
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ABORT = "abort"
    HOLD = "hold"
    EXTEND = "extend"
    FINISH = "finish"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"


OF_THE_SERVICE: Final = frozenset({Verb.PAUSE, Verb.RESUME})


@dataclass(frozen=True, slots=True)
class Intent:
    """`id` tells one saying from another; `by` is who; `seconds` is how much longer, for extend."""

    verb: Verb
    release: str
    id: str
    at: datetime
    by: str
    why: str = ""
    seconds: int = 0

    def text(self) -> str:
        verb = f"{self.verb}+{self.seconds}" if self.verb is Verb.EXTEND else str(self.verb)
        head = f"{verb}:{self.release}:{self.id}:{int(self.at.timestamp())}:{_field(self.by)[:64]}"
        return tag_value(f"{head}:{self.why}" if self.why else head)

    def stale(self, now: datetime) -> bool:
        return now - self.at > STALE_AFTER


@dataclass(frozen=True, slots=True)
class Handled:
    """The answer to the intent of that id. `why` it was refused; empty if it was accepted."""

    id: str
    accepted: bool = True
    why: str = ""

    def text(self) -> str:
        return tag_value(f"{self.id}:accepted" if self.accepted else f"{self.id}:refused:{self.why}")


_INTENT: Final = re.compile(r"([a-z]+)(?:\+(\d{1,7}))?:([^:\s]+):([^:\s]+):(\d{1,11}):([^:]+)(?::(.*))?", re.DOTALL)
_HANDLED: Final = re.compile(r"([^:\s]+):(accepted|refused)(?::(.*))?", re.DOTALL)


def intent_of(text: str) -> Intent | None:
    """None for what is not an intent: somebody wrote the tag by hand, and got it wrong."""
    match = _INTENT.fullmatch(text)
    if match is None or match[1] not in set(Verb):
        return None
    verb = Verb(match[1])
    if (match[2] is None) is (verb is Verb.EXTEND):
        return None
    at = datetime.fromtimestamp(int(match[5]), UTC)
    return Intent(verb, match[3], match[4], at, match[6], match[7] or "", int(match[2] or 0))


def handled_of(text: str) -> Handled | None:
    match = _HANDLED.fullmatch(text)
    return None if match is None else Handled(match[1], match[2] == "accepted", match[3] or "")


def _field(text: str) -> str:
    return tag_value(text).replace(":", "_") or "unknown"
