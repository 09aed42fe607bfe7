"""Discovery of spec files in a folder, within limits and without leaving the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.spec import hidden
from reconciler.spec.diagnostics import Diagnostic, did_you_mean
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Position

LARGEST_FILE = 1024 * 1024
LARGEST_FOLDER = 16 * 1024 * 1024
MOST_FILES = 2000
MOST_ENTRIES = 20_000
"""Files and folders that are looked at, whatever their names."""
DEEPEST = 32
"""Folders in folders."""
ENVIRONMENTS = "environments"
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""It is part of tags, and of names in AWS."""
_FORBIDDEN = re.compile(
    f"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[{hidden.BIDIRECTIONAL}]"
)
_BREAK = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Source:
    """One spec file. `relative` is its path in the specs folder, with slashes; `shown` is how messages call it."""

    relative: str
    shown: str
    data: bytes

    @property
    def environment(self) -> str | None:
        """The environment the file belongs to; None for the base."""
        parts = self.relative.split("/")
        return parts[1] if parts[0] == ENVIRONMENTS and len(parts) > 2 else None


def read(folder: Path) -> tuple[list[Source], list[Diagnostic]]:
    """Every YAML file below `folder`, sorted by path. Hidden files and folders are passed over."""
    above = shown_folder(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        return [], [Diagnostic("E1012", f"the specs folder {shown(above)} {what}", Position(above, 1, 1, 2))]
    root = folder.resolve()
    sources: list[Source] = []
    found: list[Diagnostic] = []
    room = LARGEST_FOLDER
    for path in _walk(root, root, above, found, [MOST_ENTRIES]):
        relative = path.relative_to(root).as_posix()
        here = _whole(path, root, above)
        if len(sources) == MOST_FILES:
            found.append(Diagnostic("E1018", f"more than {MOST_FILES} spec files", here))
            break
        if relative.count("/") == 1 and relative.startswith(f"{ENVIRONMENTS}/"):
            found.append(
                Diagnostic("E1021", "a file in environments/ must be in a folder named like its environment", here)
            )
            continue
        try:
            with path.open("rb") as opened:
                data = opened.read(min(LARGEST_FILE, room) + 1)
        except OSError as error:
            found.append(
                Diagnostic("E1019", f"the file cannot be read: {error.strerror or 'input/output error'}", here)
            )
            continue
        if len(data) > LARGEST_FILE:
            found.append(Diagnostic("E1004", "the file is larger than 1 MiB", here))
            continue
        room -= len(data)
        if room < 0:
            found.append(Diagnostic("E1018", "the spec files are larger than 16 MiB together", here))
            break
        sources.append(Source(relative, here.file, data))
    return sources, found


def of_environment(sources: list[Source], environment: str | None, above: str) -> tuple[list[Source], list[Diagnostic]]:
    """The base files and those of one environment, in this order; an unknown environment is an error."""
    base = [source for source in sources if not source.relative.startswith(f"{ENVIRONMENTS}/")]
    if environment is None:
        return base, []
    known = environments(sources)
    if environment in known and not _ENVIRONMENT.fullmatch(environment):
        place = Position(f"{above}/{ENVIRONMENTS}/{environment}", 1, 1, 2)
        message = f"{shown(environment)} cannot name an environment"
        hint = "use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        return base, [Diagnostic("E1139", message, place, hint=hint)]
    if environment in known:
        return base + [source for source in sources if source.environment == environment], []
    there = f"available: {joined(known, 'and')}" if known else f"{above}/{ENVIRONMENTS} contains none"
    message = f"unknown environment {shown(environment)}; {there}"
    hint = did_you_mean(environment, known)
    return base, [Diagnostic("E1014", message, Position(f"{above}/{ENVIRONMENTS}", 1, 1, 2), hint=hint)]


def environments(sources: list[Source]) -> tuple[str, ...]:
    """The environments that there are files of, sorted."""
    return tuple(sorted({source.environment for source in sources if source.environment is not None}))


def decode(source: Source) -> tuple[str, list[Diagnostic]]:
    """The text of a file; empty, with the reason, where it is not clean UTF-8."""
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        found = Diagnostic("E1001", f"byte 0x{data[error.start]:02x} is not UTF-8", _place(source.shown, before))
        return "", [found]
    if (forbidden := _FORBIDDEN.search(text)) is not None:
        return "", [hidden.finding(forbidden[0], _place(source.shown, text[: forbidden.start()]))]
    return text, []


def lines(data: bytes) -> list[str]:
    """The lines of a file for showing, whatever its bytes."""
    return _BREAK.split(data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))


def _place(file: str, before: str) -> Position:
    *earlier, last = _BREAK.split(before)
    return Position(file, len(earlier) + 1, len(last) + 1, len(last) + 2)


def _walk(folder: Path, root: Path, above: str, found: list[Diagnostic], room: list[int]) -> Iterator[Path]:
    """`room` holds the number of entries that may still be looked at."""
    here = _whole(folder, root, above)
    if len(folder.relative_to(root).parts) > DEEPEST:
        found.append(Diagnostic("E1018", f"folders are nested more than {DEEPEST} deep", here))
        return
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(islice(scanned, room[0] + 1), key=lambda entry: entry.name)
    except OSError as error:
        found.append(Diagnostic("E1019", f"the folder cannot be read: {error.strerror or 'input/output error'}", here))
        return
    room[0] -= len(entries)
    if room[0] < 0:
        found.append(Diagnostic("E1018", f"more than {MOST_ENTRIES:,} files and folders", here))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        here = _whole(path, root, above)
        spec = entry.name.endswith((".yaml", ".yml"))
        if entry.is_symlink():
            target = _target(path)
            if target is not None and target.is_dir():
                found.append(Diagnostic("E1011", "linked folders are not followed", here))
            elif spec and (target is None or not target.is_relative_to(root)):
                found.append(Diagnostic("E1011", "the link points outside the specs folder, or is broken", here))
            elif spec and target is not None and target.is_file():
                yield path
            elif spec:
                found.append(Diagnostic("E1019", "this is not a regular file", here))
        elif entry.is_dir():
            yield from _walk(path, root, above, found, room)
        elif spec and entry.is_file():
            yield path
        elif spec:
            found.append(Diagnostic("E1019", "this is not a regular file", here))


def _whole(path: Path, root: Path, above: str) -> Position:
    """A file or folder as such, as messages call it."""
    relative = path.relative_to(root).as_posix()
    return Position(relative if above == "." else f"{above}/{relative}", 1, 1, 2)


def _target(link: Path) -> Path | None:
    """Where a link leads in the end; None for nowhere."""
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None


def shown_folder(folder: Path) -> str:
    """Relative to the current directory where the folder is below it, else as given."""
    try:
        relative = Path(os.path.abspath(folder)).relative_to(Path.cwd())
    except (ValueError, OSError):
        return folder.as_posix()
    return relative.as_posix()
