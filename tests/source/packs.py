"""Packs as a hostile host makes them, object by object."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable

BLOB, OFFSET_DELTA, REF_DELTA = 3, 6, 7


def number(value: int) -> bytes:
    """Little-endian in sevens, as sizes in a delta."""
    text = b""
    while value > 0x7F:
        text += bytes([value & 0x7F | 0x80])
        value >>= 7
    return text + bytes([value])


def entry(kind: int, data: bytes, *, stated: int | None = None, base: bytes = b"") -> bytes:
    """One object; `stated` is the size that its header claims, `base` what stands between header and data."""
    size = len(data) if stated is None else stated
    first, size = kind << 4 | size & 15, size >> 4
    header = bytes([first | (0x80 if size else 0)]) + (number(size) if size else b"")
    return header + base + zlib.compress(data, 9)


def distance(value: int) -> bytes:
    """How far before a delta its base is."""
    text = bytes([value & 0x7F])
    while value := value >> 7:
        value -= 1
        text = bytes([value & 0x7F | 0x80]) + text
    return text


def repeating(base: int, copies: int) -> bytes:
    """A delta that makes `copies` times its whole base, which has at most 65,535 bytes."""
    copy = b"\xb0" + struct.pack("<H", base)
    return number(base) + number(base * copies) + copy * copies


def pack(entries: Iterable[bytes], *, count: int | None = None) -> bytes:
    found = list(entries)
    body = b"PACK" + struct.pack(">II", 2, len(found) if count is None else count) + b"".join(found)
    return body + hashlib.sha1(body).digest()
