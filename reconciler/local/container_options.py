"""What a container may have beside its program: volumes, and a restart policy."""

from __future__ import annotations

from dataclasses import dataclass


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
