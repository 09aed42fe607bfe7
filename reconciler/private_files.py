"""Files and folders that are the user's alone: state, plan files, copies of specs."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path


def create_folder(path: Path) -> None:
    """Create `path`, and what is missing above it, with mode 0700; what exists stays as it is. Raises `OSError`."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(path))


def narrow_folder(path: Path) -> None:
    """Create a folder of reconciler's own, or take other users' access to it away. Raises `OSError`."""
    create_folder(path)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def write(path: Path, data: bytes) -> None:
    """Replace the file at `path` by one with mode 0600: all of it or nothing, also after a power failure.

    Nobody can know the name of the temporary file beforehand, and no link is followed, neither there nor at `path`.
    Raises `OSError`, also for a pipe or a device, which somebody else reads.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_EXCL, O_NOFOLLOW, 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
