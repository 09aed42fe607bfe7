"""Fallback to on-demand capacity: the two services, and what is stored of a fallback."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.model.resource import Address

SUFFIX: Final = "-on-demand"
"""What the name of the service on demand has beyond that of the main service; that of the second one ends with `-2`."""

PER_GROUP: Final = 2
"""Services on demand beside one whose traffic is shifted: one for each of its target groups."""


class FallbackPhase(StrEnum):
    LACKING = "lacking"  # tasks are missing; as many start on demand at `at`
    RUNNING = "running"  # tasks run on demand
    RETURNING = "returning"  # some of them are not needed any more, and stop at `at`


@dataclass(frozen=True, slots=True)
class Fallback:
    """`since`: when tasks were first started on demand, of those that run now."""

    phase: FallbackPhase
    since: datetime | None = None
    at: datetime | None = None

    def text(self) -> str:
        since, at = ("-" if time is None else str(int(time.timestamp())) for time in (self.since, self.at))
        return f"{self.phase}:{since}:{at}"


@dataclass(frozen=True, slots=True)
class FallbackTerms:
    """`main` is the service whose missing tasks run on demand. The times are those of `Spot`. `group`: they are those
    that it lacks in this target group; None if it has one version for all.
    """

    main: Address
    fallback_after: timedelta
    return_after: timedelta
    group: Address | None = None


@dataclass(frozen=True, slots=True)
class MainService:
    """The facts of the service whose missing tasks run on demand. `lack` is what ECS reports of missing capacity."""

    name: str
    desired: int
    running: int
    lack: str = ""
    deleting: bool = False

    @property
    def missing(self) -> int:
        return 0 if self.deleting else max(0, self.desired - self.running)


def suffix(number: int) -> str:
    return SUFFIX if number == 1 else f"{SUFFIX}-{number}"


def on_demand(main: Address, number: int = 1) -> Address:
    """The service that runs on demand what `main` lacks, in its target group of that number."""
    return Address(main.kind, main.name + suffix(number))


def read(text: str) -> Fallback | None:
    match = re.fullmatch(r"([a-z]+):(\d{1,11}|-):(\d{1,11}|-)", text)
    if match is None or match[1] not in set(FallbackPhase):
        return None
    since, at = (None if one == "-" else datetime.fromtimestamp(int(one), UTC) for one in match.groups()[1:])
    phase = FallbackPhase(match[1])
    timed = phase is not FallbackPhase.RUNNING
    return Fallback(phase, since, at) if timed == (at is not None) else None
