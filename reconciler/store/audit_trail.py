"""Audit trail: who asked for what, when and why, and for which release and commit; kept after the rollout has ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.store.base import Documents
from reconciler.store.journal import Journal

MOST: Final = 1000
"""Requests of a stack; the oldest go first."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A request that was answered. `address` is the service or task, empty for the stack as a whole.

    `by` is the caller's identity, `why` the reason that was given. `release` and `commit` are those that the request
    was about, where it was about one. `refused` is the code of a refusal, and `because` its reason.
    """

    id: str
    at: datetime
    verb: str
    address: str = ""
    by: str = ""
    why: str = ""
    release: str = ""
    commit: str = ""
    subject: str = ""
    refused: str = ""
    because: str = ""

    @property
    def asked(self) -> str:
        """What was asked for, for people: `scale 3`, `resume of the stack`."""
        return f"{self.verb.replace('+', ' ')}{'' if self.address else ' of the stack'}"


AuditTrail = Journal[AuditEntry]


def audit_trail(store: Documents) -> AuditTrail:
    return Journal(
        store.document("requests"),
        "audit trail",
        write=document_of,
        read=entry_of,
        merged=merged,
        shorter=lambda entries: entries[max(1, len(entries) // 10) :],
    )


def merged(known: Sequence[AuditEntry], new: Iterable[AuditEntry]) -> Sequence[AuditEntry]:
    """By time, an entry for each request; the first one stays."""
    every = {entry.id: entry for entry in (*new, *known)}
    return sorted(every.values(), key=lambda entry: (entry.at, entry.id))[-MOST:]


def document_of(entry: AuditEntry) -> dict[str, Any]:
    texts = {name: getattr(entry, name) for name in _TEXTS}
    return {"at": entry.at.isoformat(), **{name: text for name, text in texts.items() if text}}


def entry_of(document: dict[str, Any]) -> AuditEntry:
    at = datetime.fromisoformat(document["at"]).astimezone(UTC)
    return AuditEntry(at=at, **{name: str(document.get(name, "")) for name in _TEXTS})


_TEXTS: Final = ("id", "verb", "address", "by", "why", "release", "commit", "subject", "refused", "because")
