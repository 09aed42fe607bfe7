"""What a container may have beside its program: a health check, dependencies, volumes, and a restart policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ContainerHealthCheck:
    """A container's own check: `command` is CMD or CMD-SHELL with its arguments; times are seconds of the clock."""

    command: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class Dependency:
    """This container starts only once `container` has reached `condition`."""

    container: str
    condition: Literal["START", "COMPLETE", "SUCCESS", "HEALTHY"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume of the task at a path of the container. `shared` is the place of a file system that all tasks have."""

    volume: str
    path: str
    shared: str = ""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`period` is how long the container must have run; it is not restarted after an exit code of `ignored`."""

    period: float = 300.0
    ignored: tuple[int, ...] = ()
