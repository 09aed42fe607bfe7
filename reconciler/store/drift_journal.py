"""Drift journal: which drift was found, and who made it, for 30 days.

Who made it may be known later: CloudTrail shows a call within minutes, and an entry is completed when it does. Names
and source addresses are personal data; they age with their entry. What is looked up again after a restart, `names`,
`index` and `container`, is dropped once there is an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.model.author import Author, by
from reconciler.store.base import Documents
from reconciler.store.journal import Journal

KEPT: Final = timedelta(days=30)
MOST: Final = 1000
"""Entries of a stack; the oldest go first."""


class Finding(StrEnum):
    """What is known of who made the drift."""

    PENDING = "pending"  # it is looked up again
    NONE = "none"  # CloudTrail has no such call
    UNREADABLE = "unreadable"  # CloudTrail may not, or cannot, be asked
    FOUND = "found"


_ORDER: Final = tuple(Finding)
"""Later ones are better known."""


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """Drift of one resource. `paths` are its fields; empty if it was deleted.

    `outcome` says what became of it: corrected, detected (and not corrected), or recurring. `certain`: all `authors`
    made it, otherwise one of them did. `looks` counts how often CloudTrail was asked; `because` is why it was not.
    """

    id: str
    at: datetime
    address: str
    paths: tuple[str, ...] = ()
    outcome: str = ""
    finding: Finding = Finding.PENDING
    authors: tuple[Author, ...] = ()
    certain: bool = True
    because: str = ""
    looks: int = 0
    names: tuple[str, ...] = ()
    index: str = ""
    container: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return ", ".join(self.paths) or "deleted"

    @property
    def by(self) -> str:
        """Who made it, for people: `by ana with the AWS console …`, `by one of …`, or why that is not known."""
        match self.finding:
            case Finding.FOUND:
                return by(self.authors, certain=self.certain)
            case Finding.PENDING:
                return "who changed it is not known yet"
            case Finding.NONE:
                return "who changed it is not known: CloudTrail has no such call"
            case Finding.UNREADABLE:
                return f"who changed it is not known: {self.because}"

    @property
    def text(self) -> str:
        """`corrected: security-group-rules/web ingress.tcp 22 from 0.0.0.0/0, by ana …`"""
        return f"{self.outcome}: {self.address} {self.what}, {self.by}"

    @property
    def details(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "paths": list(self.paths),
            "outcome": self.outcome,
            "finding": self.finding.value,
            "authors": [author.document() for author in self.authors],
            "certain": self.certain,
            "because": self.because or None,
        }


DriftJournal = Journal[DriftEntry]


def drift_journal(store: Documents) -> DriftJournal:
    return Journal(
        store.document("drift"),
        "drift journal",
        write=document_of,
        read=entry_of,
        merged=merged,
        shorter=lambda entries: entries[max(1, len(entries) // 10) :],
    )


def merged(known: Sequence[DriftEntry], new: Iterable[DriftEntry]) -> Sequence[DriftEntry]:
    """By time, an entry for each drift; the one that knows more stays."""
    every = {entry.id: entry for entry in known}
    for entry in new:
        before = every.get(entry.id)
        if before is None or _known(entry) > _known(before):
            every[entry.id] = entry
    found = sorted(every.values(), key=lambda entry: (entry.at, entry.id))
    return [entry for entry in found if found[-1].at - entry.at <= KEPT][-MOST:]


def _known(entry: DriftEntry) -> tuple[int, int]:
    return _ORDER.index(entry.finding), entry.looks


def document_of(entry: DriftEntry) -> dict[str, Any]:
    document: dict[str, Any] = {
        name: getattr(entry, name) for name in ("id", "address", "outcome", "because", "looks", "index")
    }
    document |= {"at": entry.at.isoformat(), "finding": entry.finding.value, "paths": list(entry.paths)}
    document |= {"authors": [one.document() for one in entry.authors], "names": list(entry.names)}
    document |= {"container": list(entry.container)}
    document |= {} if entry.certain else {"uncertain": True}
    return {name: value for name, value in document.items() if value not in ("", 0, [])}


def entry_of(document: dict[str, Any]) -> DriftEntry:
    return DriftEntry(
        id=str(document["id"]),
        at=datetime.fromisoformat(document["at"]).astimezone(UTC),
        address=str(document["address"]),
        paths=tuple(map(str, document.get("paths", ()))),
        outcome=str(document.get("outcome", "")),
        finding=Finding(document.get("finding", Finding.NONE)),
        authors=tuple(map(Author.of_document, document.get("authors", ()))),
        certain=not document.get("uncertain", False),
        because=str(document.get("because", "")),
        looks=int(document.get("looks", 0)),
        names=tuple(map(str, document.get("names", ()))),
        index=str(document.get("index", "")),
        container=tuple(map(str, document.get("container", ()))),
    )


def settled(entry: DriftEntry, finding: Finding, **known: Any) -> DriftEntry:
    """`entry` with an answer that stays."""
    return replace(entry, finding=finding, names=(), index="", container=(), **known)
