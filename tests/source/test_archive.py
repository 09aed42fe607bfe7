"""An archive gives back what was packed, or says why it cannot."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import errors
from reconciler.source.archive import LARGEST, Archive, pack, unpack
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source as File

REVISION = Revision(
    "4f1c2abd", "ana <ana@example.com>", "Mehr Speicher für web", datetime(2026, 3, 2, tzinfo=UTC), "ana"
)
FILES = (
    File("stack.yaml", "deploy/specs/stack.yaml", "kind: Stack\r\nname: größer\n".encode()),
    File("odd\udcff.yaml", "deploy/specs/odd\udcff.yaml", b"\xef\xbb\xbf# with a mark\n"),
    File("environments/staging/a.yaml", "deploy/specs/environments/staging/a.yaml", b"kind: Stack\n"),
)
ARCHIVE = Archive(Fetched(REVISION, FILES, (), "deploy/specs"), "staging", follows="c2d87dd9")


def test_everything_comes_back() -> None:
    """Bytes, names that are not UTF-8, and where messages say that a file is."""
    assert unpack(pack(ARCHIVE)) == ARCHIVE


def test_files_of_other_environments_are_left_out() -> None:
    """Whoever may read the copy of one environment need not know the others; their mistakes do not matter either."""
    other = File("environments/production/a.yaml", "deploy/specs/environments/production/a.yaml", b"\xff")
    packed = pack(replace(ARCHIVE, fetched=replace(ARCHIVE.fetched, sources=(*FILES, other))))
    assert unpack(packed) == ARCHIVE
    base = pack(replace(ARCHIVE, environment=None))
    assert unpack(base).fetched.sources == FILES[:2]


def test_the_folder_may_be_shown_as_another() -> None:
    """Messages name files as the command that reads them calls their folder."""
    shown = [one.shown for one in unpack(pack(ARCHIVE), folder=".").fetched.sources]
    assert shown == [one.relative for one in FILES]


def test_a_revision_that_was_too_large_is_named() -> None:
    """So that nothing older is taken for it."""
    with pytest.raises(errors.CopyUnusable, match=r"4f1c2ab .* too large"):
        unpack(pack(ARCHIVE, files=False))


def edited(**members: Any) -> bytes:
    return zlib.compress(json.dumps({**json.loads(zlib.decompress(pack(ARCHIVE))), **members}).encode())


DAMAGED: list[Callable[[], bytes]] = [
    lambda: b"",
    lambda: b"edited by hand",
    lambda: pack(ARCHIVE)[:-1],
    lambda: pack(ARCHIVE)[: len(pack(ARCHIVE)) // 2],
    lambda: pack(ARCHIVE) + b"x",
    lambda: bytes([*pack(ARCHIVE)[:40], pack(ARCHIVE)[40] ^ 1, *pack(ARCHIVE)[41:]]),
    lambda: zlib.compress(b"[]"),
    lambda: zlib.compress(b"{"),
    lambda: zlib.compress(b"[" * 100_000),
    lambda: zlib.compress(b" " * (LARGEST + 1)),
    lambda: edited(files=[["stack.yaml"]]),
    lambda: edited(files=[[1, 2]]),
    lambda: edited(files=[[1, "kind: Stack"]]),
    lambda: edited(files=7),
    lambda: edited(revision={}),
    lambda: edited(revision={**json.loads(zlib.decompress(pack(ARCHIVE)))["revision"], "at": "soon"}),
]


@pytest.mark.parametrize("version", [2, 0, "1", None, [1]])
def test_another_format_is_said_to_be_one(version: Any) -> None:
    """Although all keys are known: it is neither restored nor taken for damaged, and so not replaced."""
    with pytest.raises(errors.StoreFormatUnknown, match="knows 1"):
        unpack(edited(format_version=version))


@pytest.mark.parametrize("data", DAMAGED)
def test_what_is_damaged_is_said_to_be(data: Callable[[], bytes]) -> None:
    """Cut short or edited by hand: one error, whatever the bytes."""
    with pytest.raises(errors.CopyUnusable):
        unpack(data())
