"""Report of a lease's holder: what it does, kept beside the lease for those who only look, such as `status`.

It is shown, and no decision is made by it. It is written with each renewal, so it may be one renewal old.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

CONTROLLER: Final = "run"
"""The command whose process is the controller; it alone stays, and answers requests until it is stopped."""
RECEIVED: Final = "received"
LONGEST: Final = 500
"""Characters of each text."""
MOST: Final = 5
"""Resources that were refused; the controller's log has all of them."""


@dataclass(frozen=True, slots=True)
class HolderReport:
    """`since` is when the lease was acquired, `passed_at` when the last pass ended.

    `revision` is the one in force, `rejected` the newest one if it is not accepted, and `because` why. `refused` is
    what AWS refused in the last pass, by address. `events` is why changes are not found by events of AWS, `RECEIVED` if
    they are, and empty if the specs have no queue.
    """

    command: str = ""
    since: datetime | None = None
    passed_at: datetime | None = None
    revision: str = ""
    rejected: str = ""
    because: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    events: str = ""

    def text(self) -> str:
        refused = dict(sorted(self.refused.items())[:MOST])
        known = {
            "command": self.command,
            "since": None if self.since is None else self.since.isoformat(),
            "passed_at": None if self.passed_at is None else self.passed_at.isoformat(),
            "revision": self.revision[:LONGEST],
            "rejected": self.rejected[:LONGEST],
            "because": self.because[:LONGEST],
            "events": self.events[:LONGEST],
            "refused": {address: why[:LONGEST] for address, why in refused.items()},
        }
        return json.dumps({name: value for name, value in known.items() if value})


def of_text(text: str) -> HolderReport:
    """What a version without reports has left, or another has damaged, is an empty report."""
    try:
        found: Any = json.loads(text) if text else {}
        refused = found.get("refused", {})
        return HolderReport(
            str(found.get("command", "")),
            _time(found.get("since")),
            _time(found.get("passed_at")),
            str(found.get("revision", "")),
            str(found.get("rejected", "")),
            str(found.get("because", "")),
            {str(address): str(why) for address, why in refused.items()},
            str(found.get("events", "")),
        )
    except (AttributeError, TypeError, ValueError):
        return HolderReport()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
