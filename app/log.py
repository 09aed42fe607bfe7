"""Log lines: one JSON object a line on stdout, which is where a container's log is read from."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def line(event: str, **values: object) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    sys.stdout.write(json.dumps({"time": now, "event": event, **values}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
