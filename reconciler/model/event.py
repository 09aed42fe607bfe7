"""Event: something that happened, for people and notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `name` is a constant of events.py."""

    at: datetime
    name: str
    address: str = ""
    message: str = ""
    revision: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
