"""Canaries: secrets that are planted where secrets are, and looked for wherever the product says anything.

Each has a text of its own, so that a finding says which one sang. They look like secrets, by name and by shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CANARIES: Mapping[str, str] = {
    "environment-by-name": "canary-1-hunter2-environment",
    "environment-by-shape": "postgres://app:canary-2-hunter2-shape@db/app",
    "secret-value": "canary-3-hunter2-secretsmanager",
    "parameter-value": "canary-4-hunter2-parameter",
    "tag": "canary-5-hunter2-tag",
    "log-option": "canary-6-hunter2-sidecar",
    "credentials": "canary-7-hunter2-credentials",
}


@dataclass(frozen=True, slots=True)
class Song:
    """A canary in a place where anybody may read it."""

    canary: str
    sink: str
    around: str

    def __str__(self) -> str:
        return f"{self.canary} in {self.sink}: …{self.around}…"


def heard(sink: str, text: str) -> list[Song]:
    """The canaries that stand in what was written to `sink`, whole or in their telling part."""
    songs = []
    for name, canary in CANARIES.items():
        part = next(word for word in canary.replace("@", "/").replace(":", "/").split("/") if word.startswith("canary"))
        at = text.find(part)
        if at >= 0:
            songs.append(Song(name, sink, text[max(0, at - 60) : at].replace("\n", " ")))
    return songs
