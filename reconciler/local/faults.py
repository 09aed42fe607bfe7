"""Faults on demand: what AWS does on a bad day, when and as often as a test or a learner wants it.

A fault names what it hits (calls by service and operation, tasks by service or family, containers by image), how often
and how likely; the first that matches is used, and counted down. All chance comes from one seeded source.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

FaultKind = Literal[
    "throttle",  # refused, certainly not carried out
    "error",  # a server error, not carried out
    "error_after",  # a server error, although it was carried out
    "lost",  # carried out, the connection ends without an answer
    "unreachable",  # not carried out, no connection
    "denied",  # IAM says no
    "stale",  # a read shows the state of up to `depth` writes ago
    "image_missing",  # the task cannot pull its image
    "crash",  # the task's containers crash `after` seconds after they started
    "never_healthy",  # the load balancer's checks of the task fail
    "slow_start",  # the task takes `after` seconds more to start
    "no_capacity",  # Fargate has no room for the task
    "spot_interruption",  # AWS takes the task's Spot capacity back
    "retirement",  # AWS retires the task's host
    "event_loss",  # an event never arrives
    "event_delay",  # an event arrives `after` seconds later
    "event_duplicate",  # an event arrives again, `after` seconds after it has arrived
    "lookup_delay",  # LookupEvents shows a call `after` seconds later
    "event_disorder",  # an event arrives up to `after` seconds later, by chance: events overtake each other
]
CALL_FAULTS = frozenset({"throttle", "error", "error_after", "lost", "unreachable", "denied", "stale"})
TASK_FAULTS = frozenset(
    {"image_missing", "crash", "never_healthy", "slow_start", "no_capacity", "spot_interruption", "retirement"}
)


EVENT_FAULTS = frozenset({"event_loss", "event_delay", "event_duplicate", "event_disorder", "lookup_delay"})
KINDS = CALL_FAULTS | TASK_FAULTS | EVENT_FAULTS


@dataclass(frozen=True, slots=True)
class Fault:
    """`service` and `operation` are patterns over boto3's client names and AWS's operations; for task faults `service`
    is the ECS service's name or the task's family, `image` a pattern over its images. For faults of events `service` is
    the event's source, with or without `aws.`, and `operation` its detail type or the API call that it reports.
    `provider` is a pattern over the capacity provider of `no_capacity` and of what takes tasks away, FARGATE for a
    launch type. `count` None: until removed.
    """

    kind: FaultKind
    service: str = "*"
    operation: str = "*"
    image: str = "*"
    provider: str = "*"
    count: int | None = None
    probability: float = 1.0
    after: float = 0.0
    depth: int = 1
    exit_code: int = 1
    reads: bool = True
    writes: bool = True
    id: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; there are {', '.join(sorted(KINDS))}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability is between 0 and 1, not {self.probability}")

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Faults:
    random: random.Random = field(default_factory=lambda: random.Random(0))
    _active: list[Fault] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, fault: Fault) -> str:
        """The id under which it can be removed."""
        named = replace(fault, id=fault.id or f"fault-{next(self._numbers)}")
        self._active.append(named)
        return named.id

    def remove(self, fault_id: str) -> bool:
        before = len(self._active)
        self._active = [fault for fault in self._active if fault.id != fault_id]
        return len(self._active) < before

    def clear(self) -> None:
        self._active.clear()

    def seed(self, seed: int) -> None:
        self.random.seed(seed)

    def active(self) -> tuple[Fault, ...]:
        return tuple(self._active)

    def for_call(self, service: str, operation: str, *, reads: bool) -> Fault | None:
        """The fault that hits this call, if one does. A stale read needs a read."""
        return self._take(
            lambda fault: (
                fault.kind in CALL_FAULTS
                and fnmatch.fnmatchcase(service, fault.service)
                and fnmatch.fnmatchcase(operation, fault.operation)
                and (fault.reads if reads else fault.writes and fault.kind != "stale")
            )
        )

    def for_event(self, kind: FaultKind, source: str, detail_type: str, event_name: str = "") -> Fault | None:
        """The fault of this kind that hits an event."""
        if not self._active:
            return None
        return self._take(
            lambda fault: (
                fault.kind == kind
                and any(fnmatch.fnmatchcase(name, fault.service) for name in (source, source.removeprefix("aws.")))
                and any(fnmatch.fnmatchcase(name, fault.operation) for name in (detail_type, event_name))
            )
        )

    def hits_reads(self) -> bool:
        return any(fault.kind in CALL_FAULTS and fault.reads for fault in self._active)

    def watches_staleness(self) -> bool:
        return any(fault.kind == "stale" for fault in self._active)

    def for_task(
        self, kind: FaultKind, names: tuple[str, ...], images: tuple[str, ...], provider: str = ""
    ) -> Fault | None:
        """The fault of this kind that hits a task, known by its service's and family's names and its images."""
        return self._take(
            lambda fault: (
                fault.kind == kind
                and any(fnmatch.fnmatchcase(name, fault.service) for name in names)
                and any(fnmatch.fnmatchcase(image, fault.image) for image in images)
                and fnmatch.fnmatchcase(provider or "FARGATE", fault.provider)
            )
        )

    def _take(self, matches: Any) -> Fault | None:
        for position, fault in enumerate(self._active):
            if not matches(fault) or (fault.probability < 1 and self.random.random() >= fault.probability):
                continue
            if fault.count is not None:
                left = fault.count - 1
                self._active[position : position + 1] = [replace(fault, count=left)] if left > 0 else []
            return fault
        return None
