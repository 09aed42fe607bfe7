"""Entries as JSON, the same in every store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from reconciler.store.base import Entry, bounded


def encode(entry: Entry) -> bytes:
    """One line of JSON, bounded in size; what JSON does not know is written as text."""
    kept = bounded(entry, len(_dump(dict(entry.details))))
    return _dump(
        {
            "at": kept.at.astimezone(UTC).isoformat(),
            "name": kept.name,
            "address": kept.address,
            "message": kept.message,
            "revision": kept.revision,
            "details": dict(kept.details),
        }
    )


def decode(data: bytes | str) -> Entry:
    found: dict[str, Any] = orjson.loads(data)
    return Entry(**{**found, "at": datetime.fromisoformat(found["at"])})


def _dump(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
