"""CBOR (RFC 8949), as far as Smithy's rpc-v2-cbor uses it.

botocore speaks it first to codedeploy and the tagging API; it has no public encoder or decoder to borrow.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
EPOCH_TAG = 1
INDEFINITE = 31
BREAK = 0xFF


def encode(value: Any) -> bytes:
    out = bytearray()
    _write(out, value)
    return bytes(out)


def decode(data: bytes) -> Any:
    """The one value in `data`; ValueError when it is cut short, has a tail, or uses what Smithy does not."""
    reader = _Reader(data)
    try:
        value = reader.value()
    except (IndexError, struct.error) as error:
        raise ValueError("the CBOR ends too early") from error
    if reader.position != len(data):
        raise ValueError("bytes after the CBOR value")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for width, form in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if argument < 1 << 8 * width:
            return bytes([major << 5 | form]) + argument.to_bytes(width, "big")
    raise ValueError(f"too large for CBOR: {argument}")


def _write(out: bytearray, value: Any) -> None:
    match value:
        case None:
            out.append(SIMPLE << 5 | 22)
        case bool():
            out.append(SIMPLE << 5 | (21 if value else 20))
        case int():
            out += _head(UNSIGNED, value) if value >= 0 else _head(NEGATIVE, -1 - value)
        case float():
            out.append(SIMPLE << 5 | 27)
            out += struct.pack(">d", value)
        case str():
            text = value.encode()
            out += _head(TEXT, len(text)) + text
        case bytes():
            out += _head(BYTES, len(value)) + value
        case datetime():
            out += _head(TAG, EPOCH_TAG)
            _write(out, value.timestamp())
        case list() | tuple():
            out += _head(ARRAY, len(value))
            for item in value:
                _write(out, item)
        case dict():
            out += _head(MAP, len(value))
            for key, item in value.items():
                _write(out, key)
                _write(out, item)
        case _:
            raise TypeError(f"no CBOR for {type(value).__name__}")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        if self.position + count > len(self.data):
            raise IndexError
        piece = self.data[self.position : self.position + count]
        self.position += count
        return piece

    def argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError(f"reserved CBOR length {info}")
        return int.from_bytes(self.take(1 << info - 24), "big")

    def at_break(self) -> bool:
        if self.data[self.position] != BREAK:
            return False
        self.position += 1
        return True

    def value(self) -> Any:
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major == SIMPLE:
            return self.simple(info)
        if info == INDEFINITE:
            return self.indefinite(major)
        argument = self.argument(info)
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self.take(argument)
            case 3:
                return self.take(argument).decode()
            case 4:
                return [self.value() for _ in range(argument)]
            case 5:
                return dict(self.pair() for _ in range(argument))
            case _:
                content = self.value()
                return datetime.fromtimestamp(content, UTC) if argument == EPOCH_TAG else content

    def pair(self) -> tuple[Any, Any]:
        return self.value(), self.value()

    def indefinite(self, major: int) -> Any:
        items: list[Any] = []
        while not self.at_break():
            items.append(self.pair() if major == MAP else self.value())
        match major:
            case 2:
                return b"".join(items)
            case 3:
                return "".join(items)
            case 4:
                return items
            case 5:
                return dict(items)
            case _:
                raise ValueError("indefinite length where CBOR has none")

    def simple(self, info: int) -> Any:
        match info:
            case 20:
                return False
            case 21:
                return True
            case 22 | 23:
                return None
            case 25:
                return struct.unpack(">e", self.take(2))[0]
            case 26:
                return struct.unpack(">f", self.take(4))[0]
            case 27:
                return struct.unpack(">d", self.take(8))[0]
            case _:
                raise ValueError(f"CBOR simple value {info}")
