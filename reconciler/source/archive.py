"""Archive of a revision: its spec files in one compressed piece, to be kept where the source is not needed.

It holds what the specs hold and nothing else, and no files of other environments.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from reconciler import errors
from reconciler.model import formats
from reconciler.source.base import Fetched, Proof, Revision
from reconciler.spec.discovery import LARGEST_FOLDER
from reconciler.spec.load import Source as File

FORMAT: Final = 1
LARGEST: Final = 2 * LARGEST_FOLDER
"""Bytes of an unpacked archive: a folder of the largest size, as JSON."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A revision and the environment that it was loaded with.

    `follows` is the revision that was applied last when this one was accepted, if there was one. `former` is the one
    that was carried out last then.
    """

    fetched: Fetched
    environment: str | None = None
    follows: str = ""
    former: Archive | None = None

    @property
    def revision(self) -> Revision:
        return self.fetched.revision


def pack(archive: Archive, *, files: bool = True) -> bytes:
    """Without `files` it only says which revision it was. The former one is left out where both are too large."""
    document = {"format_version": FORMAT, **_document(archive, files=files)}
    text = json.dumps(document).encode()  # names of files need not be UTF-8: they are escaped
    if files and archive.former is not None:
        both = json.dumps({**document, "former": _document(archive.former)}).encode()
        text = both if len(both) <= LARGEST else text
    return zlib.compress(text, 9)


def _document(archive: Archive, *, files: bool = True) -> dict[str, Any]:
    revision = archive.revision
    return {
        "revision": {
            "id": revision.id,
            "author": revision.author,
            "subject": revision.subject,
            "at": None if revision.at is None else revision.at.isoformat(),
            "signer": revision.signer,
        },
        "environment": archive.environment,
        "follows": archive.follows,
        "folder": archive.fetched.folder,
        "files": _files(archive.fetched.sources, archive.environment) if files else None,
        "proof": _proof(archive.fetched.proof) if files else None,
    }


def unpack(data: bytes, *, folder: str = "") -> Archive:
    """`folder` is how messages call the root of the files, if not as before.

    Raises `errors.CopyUnusable`, and `errors.StoreFormatUnknown` for what a newer version has packed.
    """
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, LARGEST)
        if not unpacker.eof or unpacker.unused_data:
            raise errors.CopyUnusable("it is incomplete or damaged")
        document = json.loads(text)
        if document["format_version"] != FORMAT:
            because = formats.unknown("the copy of the specs", document["format_version"], FORMAT)
            raise errors.StoreFormatUnknown(f"{because}, or delete it")
        former = document.get("former")
        return replace(_archive(document, folder), former=None if former is None else _archive(former, folder))
    except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise errors.CopyUnusable("it is incomplete or damaged") from error


def _archive(document: dict[str, Any], folder: str) -> Archive:
    revision = _revision(document["revision"])
    if document["files"] is None:
        raise errors.CopyUnusable(f"revision {revision} was too large to be stored")
    folder = folder or str(document["folder"])
    above = "" if folder == "." else f"{folder}/"
    sources = tuple(File(name, above + name, content.encode()) for name, content in document["files"])
    fetched = Fetched(revision, sources, (), folder, _proven(document.get("proof")))
    return Archive(fetched, document["environment"], str(document["follows"]))


def _files(sources: Iterable[File], environment: str | None) -> list[tuple[str, str]]:
    return [(one.relative, one.data.decode()) for one in sources if one.environment in (None, environment)]


_PROOF: Final = ("trees", "history")


def _proof(proof: Proof | None) -> dict[str, Any] | None:
    if proof is None:
        return None
    return {"commit": _text(proof.commit), **{name: [_text(one) for one in getattr(proof, name)] for name in _PROOF}}


def _proven(document: dict[str, Any] | None) -> Proof | None:
    if document is None:
        return None
    trees, history = (tuple(base64.b64decode(one) for one in document[name]) for name in _PROOF)
    return Proof(base64.b64decode(document["commit"]), trees, history)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _revision(document: dict[str, Any]) -> Revision:
    at = document["at"]
    return Revision(
        str(document["id"]),
        str(document["author"]),
        str(document["subject"]),
        None if at is None else datetime.fromisoformat(at),
        str(document["signer"]),
    )
