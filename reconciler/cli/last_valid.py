"""Last valid specs, for `status` and requests: a mistake in a file must not block the way back.

Every command that opens a stack keeps a copy of valid specs on this machine. While those of the folder are invalid, the
newer one of that copy and of the last valid commit takes their place.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from reconciler import events
from reconciler.cli.lease import state_folder
from reconciler.log import log
from reconciler.spec.discovery import shown_folder
from reconciler.spec.load import Source, load_sources
from reconciler.spec.specs import Specs

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class LastValid:
    """`origin` says for people where the specs are from."""

    specs: Specs
    origin: str
    at: datetime


def keep(folder: Path, environment: str | None, sources: Iterable[Source]) -> None:
    """Keep a copy of valid specs. They may name what is not for everybody: the copy is the user's alone."""
    file = _file(folder, environment)
    files = [[source.relative, source.data.decode()] for source in sources]
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(orjson.dumps({"format_version": FORMAT, "files": files}))
        temporary.replace(file)
    except OSError as error:  # such as a read-only file system: the history of the repository may still help
        log.debug(events.MEMORY_FAILED, because=f"the specs could not be kept: {error.strerror}")


def recall(folder: Path, environment: str | None) -> LastValid | None:
    """The newest specs that are known to be valid; None if none are known."""
    known = [one for one in (_kept(folder, environment), _committed(folder, environment)) if one is not None]
    return max(known, key=lambda one: one.at, default=None)


def _kept(folder: Path, environment: str | None) -> LastValid | None:
    file = _file(folder, environment)
    try:
        document, at = orjson.loads(file.read_bytes()), datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if document["format_version"] != FORMAT:
            return None
        shown = shown_folder(folder)
        sources = [Source(relative, f"{shown}/{relative}", data.encode()) for relative, data in document["files"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # none, or a damaged one
    specs = load_sources(sources, environment, folder=shown)
    return LastValid(specs, f"as they were on {at:%Y-%m-%d %H:%M} UTC", at) if specs.ok else None


def _committed(folder: Path, environment: str | None) -> LastValid | None:
    from reconciler.source.git_history import last_valid

    fetched = last_valid(folder, environment)
    if fetched is None or fetched.revision.at is None:
        return None
    return LastValid(fetched.specs(environment), f"as of commit {fetched.revision}", fetched.revision.at)


def _file(folder: Path, environment: str | None) -> Path:
    name = hashlib.sha256(f"{folder.resolve()}\0{environment or ''}".encode()).hexdigest()
    return state_folder() / "specs" / f"{name[:32]}.json"
