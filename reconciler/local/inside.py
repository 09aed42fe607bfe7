"""What a task runner says of a running task: how to join its containers, and what it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Inside:
    """A container: its folder, environment and user (`UID:GID`, or "" for that of
    the emulator), the task's address with its ports, and the programs that stand in for those of its image.
    """

    folder: str
    environment: Mapping[str, str]
    user: str
    address: str
    ports: Mapping[int, int]
    programs: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        ports = {str(port): real for port, real in self.ports.items()}
        return {**{name: getattr(self, name) for name in self.__slots__}, "ports": ports}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task uses at present, in percent of what it has reserved; None where that is not known."""

    cpu: float | None = None
    memory: float | None = None
