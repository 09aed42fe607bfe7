"""Check of a received pack before it is unpacked: what is in it, inflated, must fit into the memory of a small machine.

A megabyte of a pack can inflate to a gigabyte, and a delta of a few bytes can expand to as much. A pack states the size
of each object before its data, so both are known without keeping any of it.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, Final

from reconciler.exchange import size

LARGEST_OBJECT: Final = 64 * 1024**2
"""Bytes of one object, inflated and with its delta applied."""
LARGEST_CHAIN: Final = 128 * 1024**2
"""Bytes of an object and of all those that it is a delta of, one after the other."""
LARGEST_INFLATED: Final = 1024**3
"""Bytes of all objects of a pack, inflated."""
MOST_OBJECTS: Final = 200_000

_FULL: Final = (1, 2, 3, 4)
_OFFSET_DELTA: Final = 6
_REF_DELTA: Final = 7
_ID_BYTES: Final = 20
_BUFFER: Final = 64 * 1024


class TooLarge(Exception):
    """The pack exceeds a limit; the message says which."""


class _Reader:
    """Reads a pack once, from its start."""

    def __init__(self, pack: IO[bytes]) -> None:
        self._pack = pack
        self._buffer = b""
        self._place = 0
        self._passed = 0

    @property
    def offset(self) -> int:
        return self._passed + self._place

    def take(self, count: int) -> bytes:
        """Exactly so many bytes. Raises `EOFError`."""
        taken = self._some(count)
        while len(taken) < count:
            taken += self._some(count - len(taken))
        return taken

    def inflate(self, most: int) -> tuple[int, bytes]:
        """How many bytes the zlib stream here inflates to, and the first of them. Raises `zlib.error`."""
        inflater, count, first = zlib.decompressobj(), 0, b""
        while not inflater.eof:
            data = inflater.decompress(inflater.unconsumed_tail or self._some(_BUFFER), _BUFFER)
            count += len(data)
            first += data[: _ID_BYTES - len(first)]
            if count > most:
                raise zlib.error("an object is larger than stated")
        self._place -= len(inflater.unused_data)
        return count, first

    def _some(self, most: int) -> bytes:
        if self._place == len(self._buffer):
            self._passed += len(self._buffer)
            self._buffer, self._place = self._pack.read(_BUFFER), 0
            if not self._buffer:
                raise EOFError("the pack is truncated")
        taken = self._buffer[self._place : self._place + most]
        self._place += len(taken)
        return taken


class _Chains:
    """Upper bound of the bytes in any chain of deltas.

    A delta that names its base by its distance is in the chain of that one. The base of one that names it by its id may
    be any other object, also a later one: it begins a tree of its own, and all these trees may hang together in one
    chain, each once, on top of one that begins with a full object.
    """

    def __init__(self) -> None:
        self._below: dict[int, tuple[int, int]] = {}
        self._deepest: dict[int, int] = {}
        self._hanging: set[int] = set()
        self._hung = self._standing = 0

    def add(self, at: int, size: int, *, base: int | None = None, hangs: bool = False) -> int:
        """The bound, with the object `at` that offset. `base` is the offset of its base; `hangs`: that is not known."""
        root, below = (at, 0) if base is None else self._below.get(base, (at, 0))
        if hangs:
            self._hanging.add(at)
        self._below[at] = root, below + size
        before = self._deepest.get(root, 0)
        self._deepest[root] = max(before, below + size)
        if root in self._hanging:
            self._hung += self._deepest[root] - before
        else:
            self._standing = max(self._standing, below + size)
        return self._hung + self._standing


def check(pack: IO[bytes]) -> None:
    """Raises `TooLarge`, and `ValueError`, `EOFError`, `zlib.error` or `struct.error` for what is no pack."""
    reader = _Reader(pack)
    signature, _, count = struct.unpack(">4sII", reader.take(12))
    if signature != b"PACK":
        raise ValueError("not a pack")
    if count > MOST_OBJECTS:
        raise TooLarge(f"it has more than {MOST_OBJECTS:,} new objects")
    chains, inflated = _Chains(), 0
    for _ in range(count):
        at = reader.offset
        kind, stated = _header(reader)
        base = None
        if kind == _OFFSET_DELTA:
            base = at - _offset(reader)
        elif kind == _REF_DELTA:
            reader.take(_ID_BYTES)
        elif kind not in _FULL:
            raise ValueError(f"type {kind} of an object")
        _limit(stated, LARGEST_OBJECT, "an object")
        inflated += stated
        _limit(inflated, LARGEST_INFLATED, "all objects together")
        whole, first = reader.inflate(stated)
        if kind not in _FULL:
            whole = _expanded(first)
            _limit(whole, LARGEST_OBJECT, "an object")
            inflated += whole
            _limit(inflated, LARGEST_INFLATED, "all objects together")
        longest = chains.add(at, whole, base=base, hangs=kind == _REF_DELTA)
        _limit(longest, LARGEST_CHAIN, "a chain of deltas")


def _limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise TooLarge(f"{what} would be larger than {size(most)}, unpacked")


def _header(reader: _Reader) -> tuple[int, int]:
    """Type and size of an object."""
    byte = reader.take(1)[0]
    kind, stated, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        byte = reader.take(1)[0]
        stated |= (byte & 0x7F) << shift
        shift += 7
        if shift > 64:
            raise ValueError("the size of an object")
    return kind, stated


def _offset(reader: _Reader) -> int:
    """Distance to the base of a delta."""
    byte = reader.take(1)[0]
    distance = byte & 0x7F
    while byte & 0x80:
        byte = reader.take(1)[0]
        distance = (distance + 1 << 7) | (byte & 0x7F)
        if distance >> 64:
            raise ValueError("the base of a delta")
    return distance


def _expanded(delta: bytes) -> int:
    """Size of what a delta makes of its base: the second number at its start."""
    numbers, value, shift = [], 0, 0
    for byte in delta:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
            if len(numbers) == 2:
                return numbers[1]
    raise ValueError("a delta is truncated")
