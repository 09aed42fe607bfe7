"""Last valid specs, for `status` and requests: a mistake in a file must not block the way back.

Every command that opens a stack keeps a copy of valid specs on this machine. While those of the folder are invalid, the
newer one of that copy and of the last valid commit takes their place. They need not have been accepted by a controller,
which takes no more from them than which stack it was started for (cli/last_accepted.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler import errors, events, private_files
from reconciler.cli.lease import state_folder
from reconciler.log import log
from reconciler.source.archive import Archive, pack, unpack
from reconciler.source.base import Fetched, Revision
from reconciler.spec.discovery import shown_folder
from reconciler.spec.load import Source
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class LastValid:
    """`origin` says for people where the specs are from."""

    specs: Specs
    origin: str
    at: datetime


def keep(place: str, environment: str | None, sources: Iterable[Source]) -> None:
    """Keep a copy of valid specs. They may name what is not for everybody: the copy is the user's alone.

    `place` is the absolute path of their folder, or the URL of their repository.
    """
    file = _file(place, environment)
    data = pack(Archive(Fetched(Revision(""), tuple(sources), (), place), environment))
    try:
        private_files.narrow_folder(file.parent)
        private_files.write(file, data)
    except OSError as error:  # such as a read-only file system: the history of the repository may still help
        log.debug(events.MEMORY_FAILED, because=f"the specs could not be kept: {error.strerror}")


def recall(folder: Path, environment: str | None) -> LastValid | None:
    """The newest specs that are known to be valid; None if none are known."""
    copy = kept(str(folder.resolve()), environment, shown=shown_folder(folder))
    known = [one for one in (copy, _committed(folder, environment)) if one is not None]
    return max(known, key=lambda one: one.at, default=None)


def kept(place: str, environment: str | None, *, shown: str = "") -> LastValid | None:
    """The copy of this machine; `shown` is how messages call its folder. None if there is none, or a damaged one."""
    file = _file(place, environment)
    try:
        fetched = unpack(file.read_bytes(), folder=shown or place).fetched
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, errors.CopyUnusable, errors.UnknownFormat):
        return None
    specs = fetched.specs(environment)
    return LastValid(specs, f"as they were on {at:%Y-%m-%d %H:%M} UTC", at) if specs.ok else None


def _committed(folder: Path, environment: str | None) -> LastValid | None:
    from reconciler.source.git_history import last_valid

    fetched = last_valid(folder, environment)
    if fetched is None or fetched.revision.at is None:
        return None
    return LastValid(fetched.specs(environment), f"as of commit {fetched.revision}", fetched.revision.at)


def _file(place: str, environment: str | None) -> Path:
    name = hashlib.sha256(f"{place}\0{environment or ''}".encode()).hexdigest()
    return state_folder() / "specs" / f"{name[:32]}.specs"
