"""Row and group of rows in the reference of tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

AT: Final = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
NOBODY: Final = "Nobody by hand."
RELEASE: Final = "9f2c4e1a7b3d"
WHO: Final = "arn:aws:iam::123456789012:user/ana"


@dataclass(frozen=True, slots=True)
class Tag:
    """One row. `format` and `example` describe the value."""

    key: str
    format: str
    example: str
    editing: str
    loss: str


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    about: str
    tags: tuple[Tag, ...]
