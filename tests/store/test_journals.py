"""Journals in either store: what is added stays, once, in bounds, and nothing of another version is lost."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.model.author import Author
from reconciler.store import audit_trail, drift_journal, journal, task_stops
from reconciler.store.audit_trail import AuditEntry
from reconciler.store.base import Copy, Store
from reconciler.store.drift_journal import DriftEntry, Finding
from reconciler.store.sqlite import Sqlite
from reconciler.store.task_stops import TaskStop
from tests.harness.copies import StoredCopy, StoredDocuments
from tests.store.stores import KINDS, opened

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PROMOTED = AuditEntry("5b1e08aa", NOW, "promote", "service/web", "ana", "looks good", "9f2c", "4f1c2ab", "Fix the cart")
CRASHED = TaskStop(
    "service/web", "exit 1", NOW, NOW, "aa", 1, "web:7", "it crashed", "EssentialContainerExited", "ended", "app", 1,
    ("Traceback", "KeyError: 'PORT'"),
)  # fmt: skip

OPENED = DriftEntry(
    "2026 security-group-rules/web", NOW, "security-group-rules/web", ("ingress",), "corrected",
    names=("sg-1",), container=("cluster", "apps"), looks=1,
)  # fmt: skip
ANA = Author("ana", NOW, "AuthorizeSecurityGroupIngress", "e1", "Admin", "123456789012", "203.0.113.7", "AWS console")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as found:
        yield found


def test_entries_are_read_as_they_were_added(store: Store) -> None:
    """Beside the lease and the copy of the specs, which they leave alone."""
    requests, stops = audit_trail.audit_trail(store), task_stops.task_stops(store)
    assert (requests.read(), stops.read()) == ((), ())
    assert requests.add([PROMOTED])
    assert stops.add([CRASHED])
    assert (requests.read(), stops.read()) == ((PROMOTED,), (CRASHED,))
    assert store.copies.swap("", Copy("a", 1, "", b"specs"))
    assert (store.records.read(), requests.read()) == (None, (PROMOTED,))


def test_the_same_entry_changes_nothing(store: Store) -> None:
    """A controller that was killed adds its last ones again."""
    requests, stops = audit_trail.audit_trail(store), task_stops.task_stops(store)
    assert [requests.add([PROMOTED]), requests.add([replace(PROMOTED, commit="")])] == [True, False]
    assert [stops.add([CRASHED]), stops.add([CRASHED])] == [True, False]
    assert requests.read() == (PROMOTED,)
    assert stops.read() == (CRASHED,)


def test_drift_is_completed_and_never_forgotten_again(store: Store) -> None:
    """A process that knows less, or an earlier look, takes nothing away from an entry; after 30 days it goes."""
    drift = drift_journal.drift_journal(store)
    found = drift_journal.settled(OPENED, Finding.FOUND, authors=(ANA, replace(ANA, name="bob")), certain=False)
    assert [drift.add([OPENED]), drift.add([OPENED]), drift.add([replace(OPENED, looks=0)])] == [True, False, False]
    assert drift.read() == (OPENED,)
    assert [drift.add([found]), drift.add([replace(OPENED, looks=9)])] == [True, False]
    assert drift.read() == (found,)
    assert (found.names, found.container) == ((), ())
    later = replace(OPENED, id="later", at=NOW + drift_journal.KEPT + timedelta(seconds=1))
    assert drift.add([later])
    assert drift.read() == (later,)


def stops_of(document: StoredCopy) -> task_stops.TaskStops:
    return task_stops.task_stops(StoredDocuments(stops=document))


def test_stops_that_are_alike_are_one_with_a_count() -> None:
    """With the newest one's task and log, from when the first one was, and the older log where the newest has none."""
    later = replace(
        CRASHED, at=NOW + timedelta(minutes=5), since=NOW + timedelta(minutes=5), task="bb", count=3, log=()
    )
    other = replace(CRASHED, alike="exit 137", exit_code=137)
    (found, second) = sorted(task_stops.merged([CRASHED], [later, other]), key=lambda one: one.alike)
    assert (found.count, found.since, found.at, found.task, found.log) == (4, NOW, later.at, "bb", CRASHED.log)
    assert second == other
    assert task_stops.merged([found], [CRASHED]) == [found]


def test_stops_age_by_their_own_times() -> None:
    """A clock that is wrong by years deletes nothing: AWS says when a task stopped."""
    old = replace(CRASHED, alike="old", at=NOW - timedelta(days=30))
    older = replace(CRASHED, alike="older", at=NOW - timedelta(days=30, seconds=1))
    assert list(task_stops.merged([older, old], [])) == [older, old]
    assert list(task_stops.merged([older, old], [CRASHED])) == [old, CRASHED]


def test_one_service_does_not_crowd_out_the_others() -> None:
    """The one with the most kinds of stops loses its oldest."""
    quiet = replace(CRASHED, address="service/quiet", at=NOW - timedelta(days=20))
    noisy = [
        replace(CRASHED, alike=f"code {number}", at=NOW + timedelta(seconds=number))
        for number in range(task_stops.MOST)
    ]
    found = task_stops.merged([quiet], noisy)
    assert len(found) == task_stops.MOST
    assert found[0] == quiet
    assert noisy[0] not in found


def test_a_journal_stays_within_its_size() -> None:
    """Log lines of the oldest go first, and the newest stays whole."""
    chance, document = random.Random(1), StoredCopy()
    lines = lambda: tuple(chance.randbytes(200).hex() for _ in range(20))  # noqa: E731
    many = [replace(CRASHED, alike=str(n), at=NOW + timedelta(seconds=n), log=lines()) for n in range(task_stops.MOST)]
    stops = stops_of(document)
    assert stops.add(many)
    assert document.copy is not None
    assert len(document.copy.data) <= journal.LARGEST
    found = stops.read()
    assert len(found) == task_stops.MOST
    assert (found[0].log, found[-1]) == ((), many[-1])


def test_the_audit_trail_keeps_the_newest_whatever_their_times() -> None:
    """By number only: the clock of a person's machine may be wrong by years."""
    wrong = replace(PROMOTED, id="wrong", at=NOW + timedelta(days=3650))
    many = [replace(PROMOTED, id=f"{n:04}", at=NOW + timedelta(minutes=n)) for n in range(audit_trail.MOST)]
    found = audit_trail.merged([wrong], many)
    assert len(found) == audit_trail.MOST
    assert (found[0].id, found[-1]) == ("0001", wrong)


def test_two_processes_that_add_lose_nothing(tmp_path: Path) -> None:
    """Each replaces what the other has just written, and adds to it."""
    with closing(Sqlite(tmp_path / "db", "shop")) as one, closing(Sqlite(tmp_path / "db", "shop")) as two:
        first = audit_trail.audit_trail(one)
        behind = audit_trail.audit_trail(two)
        document = one.document("requests")
        inner, once = document.swap, iter([True])

        def overtaken(expected: str, copy: Copy) -> bool:
            if next(once, False):
                behind.add([replace(PROMOTED, id="other")])
            return inner(expected, copy)

        first._document = type("Overtaken", (), {"read": document.read, "swap": staticmethod(overtaken)})()  # type: ignore[assignment]
        assert first.add([PROMOTED])
        assert {entry.id for entry in behind.read()} == {"5b1e08aa", "other"}


@pytest.mark.parametrize(
    "data", [b"", b"\x00", zlib.compress(b"[]"), zlib.compress(b'{"format_version":1,"entries":5}')]
)
def test_a_damaged_journal_starts_again(data: bytes) -> None:
    """It is for people: nothing fails for it."""
    document = StoredCopy(Copy("a", 0, "", data))
    stops = stops_of(document)
    assert stops.read() == ()
    assert stops.add([CRASHED])
    assert stops.read() == (CRASHED,)


def test_an_entry_that_cannot_be_read_costs_no_other() -> None:
    """Somebody has edited it."""
    whole = b'{"at":"2026-01-05T12:00:00+00:00","id":"a","verb":"hold"}'
    text = b'{"format_version":1,"entries":[{"at":"yesterday"},7,' + whole + b"]}"
    document = StoredCopy(Copy("a", 0, "", zlib.compress(text)))
    found = trail_of(document).read()
    assert [(entry.id, entry.verb) for entry in found] == [("a", "hold")]


def trail_of(document: StoredCopy) -> audit_trail.AuditTrail:
    return audit_trail.audit_trail(StoredDocuments(requests=document))


def test_a_journal_of_a_newer_version_is_not_written() -> None:
    """It would lose what this version does not know."""
    newer = Copy("a", 0, "", zlib.compress(b'{"format_version":2,"entries":[]}'))
    document = StoredCopy(newer)
    for act in (lambda: stops_of(document).read(), lambda: stops_of(document).add([CRASHED])):
        with pytest.raises(errors.StoreFormatUnknown, match="task stops"):
            act()
    assert document.copy == newer


@pytest.mark.parametrize(
    "damage", [{"count": float("inf")}, {"at": "0001-01-01T00:00:00+14:00"}, {"since": None}, {"count": [1]}]
)
def test_an_entry_that_is_damaged_costs_no_other(damage: dict[str, object]) -> None:
    """Whatever somebody has written there, a controller that reads it goes on."""
    entries = [task_stops.document_of(CRASHED) | damage, task_stops.document_of(CRASHED)]
    text = json.dumps({"format_version": journal.FORMAT, "entries": entries})
    assert stops_of(StoredCopy(Copy("a", 0, "", zlib.compress(text.encode())))).read() == (CRASHED,)
