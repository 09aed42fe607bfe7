"""Writing of files of a person: all of them or none. New ones are never written over one that exists."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler import errors

IGNORED: Final = ".reconciler/"


def write_new(files: Mapping[Path, str]) -> None:
    """Raises `errors.FileExists` with all that exist, and `errors.ReconcilerError` if a file cannot be written; then
    nothing is left of the others.
    """
    existing = [path.as_posix() for path in files if path.exists() or path.is_symlink()]
    if existing:
        raise errors.FileExists(f"these files exist, and nothing was written: {', '.join(sorted(existing))}")
    made: list[Path] = []
    done = False
    try:
        for path, text in files.items():
            made += _folders(path.parent)
            with path.open("x", encoding="utf-8") as opened:
                made.append(path)
                opened.write(text)
        done = True
    except FileExistsError as error:
        raise errors.FileExists(f"{error.filename} exists, and nothing was written") from error
    except OSError as error:
        why = error.strerror or "input/output error"
        raise errors.ReconcilerError(f"{error.filename} cannot be written: {why}; nothing was written") from error
    finally:
        if not done:
            for path in reversed(made):
                path.rmdir() if path.is_dir() else path.unlink()


@contextmanager
def replaced(files: Mapping[Path, bytes]) -> Iterator[None]:
    """Have other content in files that exist, with their mode; as before if what is done meanwhile fails.

    Each is replaced at once, so that nobody reads half of one. Raises `errors.ReconcilerError` if one cannot be
    written; then none is changed.
    """
    before: dict[Path, bytes] = {}
    done = False
    try:
        for path, data in files.items():
            there = path.resolve()
            old = there.read_bytes()
            _replace(there, data)
            before[there] = old
        yield
        done = True
    except OSError as error:
        why = error.strerror or "input/output error"
        raise errors.ReconcilerError(f"{error.filename} cannot be written: {why}; nothing was changed") from error
    finally:
        if not done:
            for path, data in before.items():
                _replace(path, data)


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _folders(folder: Path) -> list[Path]:
    """Creates `folder` and those above it that are missing, and returns them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
    return missing[::-1]


def ignore(folder: Path) -> bool:
    """Adds what is local to the machine to the `.gitignore` of `folder`; whether it was missing there.

    Raises `errors.ReconcilerError` if it cannot.
    """
    path = folder / ".gitignore"
    try:
        text = path.read_bytes() if path.is_file() else b""
        if any(line.strip().strip(b"/") == IGNORED.strip("/").encode() for line in text.splitlines()):
            return False
        with path.open("ab") as opened:
            opened.write((b"" if not text or text.endswith(b"\n") else b"\n") + f"{IGNORED}\n".encode())
    except OSError as error:
        why = error.strerror or "input/output error"
        message = f"the specs are written, but {path} cannot be: {why}; add the line {IGNORED} to it"
        raise errors.ReconcilerError(message) from error
    return True
