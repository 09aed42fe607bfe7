"""Blueprint of a stack: the programs that it runs, before they become documents. Pure values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from reconciler.spec.checks.tasks import MEMORY

LONGEST_NAME: Final = 20
"""Of a stack."""
_TARGET_GROUP: Final = 32
"""Characters of a target group's name, which consists of the stack's, the program's, and a number."""

EXCEPTIONS: Final = {"ca-central-1": "ab"}
"""Regions without an availability zone c."""


class Use(StrEnum):
    """What a program is for."""

    PUBLIC = "receives requests from the load balancer"
    INTERNAL = "receives requests from the other services"
    WORKER = "runs in the background"
    JOB = "runs on a schedule"
    MIGRATION = "runs before each release"


@dataclass(frozen=True, slots=True)
class Health:
    """A health check inside of the container, in whole seconds. `path` is the one that its command requests."""

    command: tuple[str, ...]
    interval: int | None = None
    timeout: int | None = None
    retries: int | None = None
    start_period: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """A program of one image.

    `image` is a URI; without one the image is built from `context` and pushed to a registry of the stack. `ports` are
    those that it listens on, the first of which receives requests. `secrets` are variables whose values are secrets,
    `unknown` those without a value. `calls` are the names of the programs that it calls, `before` that of the one whose
    releases it precedes. `host` is the name that others call it by, `http` says that they speak HTTP with it. `notes`
    is what its source says and documents cannot, or what a person has to do.
    """

    name: str
    use: Use
    image: str = ""
    ports: tuple[tuple[int, str], ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    health: Health | None = None
    path: str = ""
    count: int = 1
    cpu: int = 256
    memory: int = 512
    arm: bool = False
    user: str = ""
    working_directory: str = ""
    readonly_root: bool = False
    init: bool = False
    stop_timeout: int | None = None
    calls: tuple[str, ...] = ()
    host: str = ""
    http: bool = False
    before: str = ""
    schedule: str = ""
    context: str = "."
    notes: tuple[str, ...] = ()

    @property
    def port(self) -> int | None:
        """The port that receives requests."""
        return next((port for port, protocol in self.ports if protocol == "tcp"), None)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A stack. `private`: tasks are in private subnets. `source` is the file that it was read from."""

    name: str
    region: str
    apps: tuple[App, ...]
    private: bool = False
    source: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    """What the source has and the stack does not, and why."""

    @property
    def public(self) -> tuple[App, ...]:
        return tuple(app for app in self.apps if app.use is Use.PUBLIC)

    @property
    def called(self) -> frozenset[str]:
        """The programs that others call by their names."""
        return frozenset(name for app in self.apps for name in app.calls)

    def connected(self, app: App) -> bool:
        """Whether it calls others or is called, so that it needs Service Connect."""
        return bool(app.calls) or app.name in self.called

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(EXCEPTIONS.get(self.region, "ac"))


def longest_app(stack: str) -> int:
    """How many characters the name of a program in the stack has."""
    return _TARGET_GROUP - len(stack) - len("--1")


def name_of(text: str, taken: Collection[str] = (), longest: int = LONGEST_NAME, otherwise: str = "app") -> str:
    """A name that AWS takes for all that it is part of, close to `text`, and that is not among `taken`."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-") or otherwise
    number = 2
    candidate = name
    while candidate in taken:
        suffix = f"-{number}"
        candidate = name[: longest - len(suffix)].rstrip("-") + suffix
        number += 1
    return candidate


def fargate_size(cpu: float, memory: int) -> tuple[int, int] | None:
    """The smallest size of Fargate with at least so many CPU units and MiB; None where there is none."""
    for units, sizes in MEMORY.items():
        fitting = next((size for size in sizes if size >= memory), None)
        if units >= cpu and fitting is not None:
            return units, fitting
    return None
