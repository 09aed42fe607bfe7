"""A pack that would not fit into memory is refused before it is unpacked."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
import zlib

import pytest
from dulwich.object_store import MemoryObjectStore

from reconciler.source import pack as module
from reconciler.source.pack import TooLarge, check
from tests.source.packs import BLOB, OFFSET_DELTA, REF_DELTA, distance, entry, pack, repeating

KIB = 1024


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_OBJECT", 256 * KIB)
    monkeypatch.setattr(module, "LARGEST_CHAIN", 512 * KIB)
    monkeypatch.setattr(module, "LARGEST_INFLATED", 1024 * KIB)
    monkeypatch.setattr(module, "MOST_OBJECTS", 10)


def test_what_fits_is_taken() -> None:
    """Full objects and deltas of both sorts, as dulwich takes them too."""
    base = entry(BLOB, b"x" * 1000)
    delta = entry(OFFSET_DELTA, repeating(1000, 3), base=distance(len(base)))
    id = hashlib.sha1(b"blob 1000\0" + b"x" * 1000).digest()
    referring = entry(REF_DELTA, repeating(1000, 2), base=id)
    data = pack([base, delta, referring, entry(BLOB, b"")])
    check(io.BytesIO(data))
    store = MemoryObjectStore()
    store.add_thin_pack(io.BytesIO(data).read, None)
    assert sorted(len(store[id].as_raw_string()) for id in store) == [0, 1000, 2000, 3000]


@pytest.mark.parametrize("room", range(1, 16))
def test_a_delta_may_begin_at_the_end_of_what_was_read(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Its stated size is then known only after further data; a pack is read in parts of 64 KiB."""
    base = entry(BLOB, b"x" * 1000)
    delta = entry(OFFSET_DELTA, repeating(1000, 3), base=distance(len(base)))
    monkeypatch.setattr(module, "_BUFFER", 12 + len(base) + room)
    check(io.BytesIO(pack([base, delta])))


def test_an_object_that_inflates_to_too_much_is_refused_unseen() -> None:
    """By the size that it states: nothing of it is inflated, and a pack of a kilobyte costs no megabytes."""
    data = pack([entry(BLOB, bytes(64 * 1024 * KIB))])
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="256 KiB"):
            check(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < 2048 * KIB
    finally:
        tracemalloc.stop()


def test_an_object_that_is_larger_than_it_states_is_no_pack() -> None:
    """The statement is what the limits are held against, so it is held to."""
    data = pack([entry(BLOB, bytes(64 * 1024 * KIB), stated=10)])
    with pytest.raises(zlib.error):
        check(io.BytesIO(data))


@pytest.mark.parametrize("kind", [OFFSET_DELTA, REF_DELTA])
def test_a_delta_that_expands_to_too_much_is_refused(kind: int) -> None:
    """A hundred bytes that repeat their base without end."""
    base = entry(BLOB, b"x" * 60_000)
    delta = entry(kind, repeating(60_000, 5), base=distance(len(base)) if kind == OFFSET_DELTA else b"a" * 20)
    with pytest.raises(TooLarge, match="an object"):
        check(io.BytesIO(pack([base, delta])))


@pytest.mark.parametrize("kind", [OFFSET_DELTA, REF_DELTA])
def test_a_chain_of_large_deltas_is_refused(kind: int) -> None:
    """Each of them fits, and all of them are in memory at once when the last one is made."""
    entries = [entry(BLOB, b"x" * 60_000)]
    for _ in range(4):
        base = distance(len(entries[-1])) if kind == OFFSET_DELTA else b"a" * 20
        entries.append(entry(kind, repeating(60_000, 3), base=base))
    with pytest.raises(TooLarge, match="chain"):
        check(io.BytesIO(pack(entries)))


@pytest.mark.parametrize("first", [False, True])
def test_a_chain_of_deltas_of_both_sorts_is_refused(first: bool) -> None:
    """Whichever of them come first in the pack: a base that is named by its id may be a later object."""
    large = repeating(60_000, 3)
    blob = entry(BLOB, b"x" * 60_000)
    standing = [blob, entry(OFFSET_DELTA, large, base=distance(len(blob)))]
    referring = entry(REF_DELTA, large, base=b"a" * 20)
    hanging = [referring, entry(OFFSET_DELTA, large, base=distance(len(referring)))]
    for half in (standing, hanging):
        check(io.BytesIO(pack(half)))
    with pytest.raises(TooLarge, match="chain"):
        check(io.BytesIO(pack([*hanging, *standing] if first else [*standing, *hanging])))


def test_many_objects_that_fit_one_by_one_are_refused() -> None:
    """Inflating them takes time, too."""
    with pytest.raises(TooLarge, match="all objects"):
        check(io.BytesIO(pack([entry(BLOB, bytes(200 * KIB))] * 6)))
    with pytest.raises(TooLarge, match="more than 10"):
        check(io.BytesIO(pack([entry(BLOB, b"")] * 11)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PACK",
        b"JUNK" + bytes(8),
        pack([entry(BLOB, b"x" * 5000)])[:30],
        pack([entry(BLOB, b"x")], count=3),
        pack([b"\x50x"]),
        pack([b"\xff" * 40]),
        pack([entry(OFFSET_DELTA, b"\xff" * 30, base=b"\x01")]),
        pack([entry(OFFSET_DELTA, b"\x01", base=b"\xff" * 30)]),
        pack([entry(BLOB, b"x")[:1] + b"no zlib stream"]),
    ],
)
def test_what_is_no_pack_is_an_error_that_is_understood(data: bytes) -> None:
    """Nothing that a host sends ends the process, or takes for ever."""
    with pytest.raises((ValueError, EOFError, zlib.error, struct.error)):
        check(io.BytesIO(data))
