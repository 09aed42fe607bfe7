"""Snapshot of a stack: all that the console's pages show, as one immutable value of texts, numbers and times.

Pages are pure functions of it, so every viewer sees the same, and nothing that a browser does reaches AWS or the
controller. Who takes it decides the wording; a page decides only where it stands. Texts may come from anybody and are
escaped where they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Tone(StrEnum):
    """How something is, beside the words that say it."""

    OK = "ok"
    BUSY = "busy"
    WAIT = "wait"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the whole stack that a person should know."""

    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Driver:
    """Who drives the stack. `passed_at` is when the last pass ended."""

    tone: Tone
    text: str
    since: datetime | None = None
    passed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A request that would be accepted now. `consequence` says what it does before anybody asks for it.

    `takes_time`: it needs a duration. `danger`: it takes a version out of production, or stops one on its way there.
    """

    verb: str
    label: str
    consequence: str
    takes_time: bool = False
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase of the rollout. `state` is `done`, `now` or `ahead`; `until` its deadline; `took` seconds."""

    name: str
    state: str
    until: datetime | None = None
    took: int | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the service. `production` and `test` are its shares in percent, None if traffic is not shifted."""

    label: str
    color: str
    release: str
    revision: str
    production: int | None = None
    test: int | None = None
    desired: int = 0
    running: int = 0
    pending: int = 0
    healthy: int | None = None
    failing: int = 0
    failed: int = 0
    zones: tuple[tuple[str, int], ...] = ()
    since: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a release failed: a headline, and rows of a label and its lines."""

    head: str
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """`phase` is the phase's name in the wire format, `status` its wording. `notes` are what stands beside it."""

    name: str
    tone: Tone
    phase: str
    status: str
    because: str = ""
    engine: str = ""
    where: str = ""
    release: str = ""
    commit: str = ""
    subject: str = ""
    image: str = ""
    wanted: str = ""
    until: datetime | None = None
    waits_for: str = ""
    running: int = 0
    desired: int = 0
    production_entrance: str = ""
    test_entrance: str = ""
    versions: tuple[Version, ...] = ()
    stages: tuple[Stage, ...] = ()
    forecast: str = ""
    expected_at: datetime | None = None
    failure: Failure | None = None
    notes: tuple[Notice, ...] = ()
    acts: tuple[Act, ...] = ()
    request: str = ""

    def act(self, verb: str) -> Act | None:
        return next((act for act in self.acts if act.verb == verb), None)


@dataclass(frozen=True, slots=True)
class Task:
    """A one-off or scheduled task."""

    address: str
    tone: Tone
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changes; `mark` is `+`, `-` or `~`. Secrets are redacted already."""

    mark: str
    name: str
    old: str = ""
    new: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What is done with one resource, or why it is not."""

    sign: str
    verb: str
    address: str
    note: str = ""
    where: str = ""
    fields: tuple[FieldChange, ...] = ()
    then: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    summary: str = ""
    rows: tuple[PlanRow, ...] = ()
    deferred: tuple[PlanRow, ...] = ()
    notes: tuple[Notice, ...] = ()
    refusals: tuple[Notice, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """A resource that was changed outside the specs. `since` is when this process first saw it."""

    address: str
    fields: tuple[str, ...]
    mode: str
    tone: Tone
    reason: str = ""
    where: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A resource in its container. `link` is its page in AWS's own console."""

    name: str
    id: str = ""
    detail: str = ""
    tone: Tone = Tone.OK
    because: str = ""
    link: str = ""
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `source` is a short word such as `ecs` or `rollout`."""

    at: datetime
    source: str
    text: str
    address: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Release:
    """A row of a service's history."""

    release: str
    revision: str
    standing: tuple[str, ...] = ()
    share: int = 0
    at: datetime | None = None
    commit: str = ""
    subject: str = ""
    images: tuple[tuple[str, str], ...] = ()
    outcome: str = ""
    times: str = ""
    requests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """A simulated rollout: times and what happens then, and the `phases` in which it may fail."""

    rows: tuple[tuple[str, str], ...]
    phases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime
    task: str
    container: str
    revision: str
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`number` changes whenever anything that is shown does. `problem` is why it is older than it should be.

    `speed` is that of the clock, which an emulator may accelerate. `drifts` is None where drift is not known, because
    only a running controller tells it from a change of the specs.
    """

    number: str
    stack: str
    account: str
    region: str
    taken_at: datetime
    identity: str = ""
    local: bool = False
    speed: float = 1.0
    revision: str = ""
    subject: str = ""
    driver: Driver = field(default_factory=lambda: Driver(Tone.QUIET, ""))
    notices: tuple[Notice, ...] = ()
    services: tuple[Service, ...] = ()
    tasks: tuple[Task, ...] = ()
    absent: tuple[Notice, ...] = ()
    plan: Plan = field(default_factory=Plan)
    drifts: tuple[Drift, ...] | None = None
    events: tuple[Event, ...] = ()
    acts: tuple[Act, ...] = ()
    problem: str = ""

    def service(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    def act(self, verb: str) -> Act | None:
        return next((act for act in self.acts if act.verb == verb), None)

    @property
    def tones(self) -> Mapping[Tone, int]:
        """How many services are how."""
        counts = dict.fromkeys(Tone, 0)
        for service in self.services:
            counts[service.tone] += 1
        return counts
