"""Answers that never change, kept on disk between runs: what a revision of a task definition is.

A hundred services have a hundred revisions, each a call of its own, and none of them can ever become another. Only
their tags and their status can, so whoever asks says beforehand what the tags should be by now (`Call.lasting`), and an
entry is believed for a day at most.

A task definition may hold what somebody meant to keep to themselves. Entries are therefore the user's alone (folder
0700, files 0600), and one that is anybody else's, or is damaged in any way, counts as not there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import errors, events
from reconciler.log import log
from reconciler.model.resource import Call

DAY_SECONDS: Final = 86_400.0
MOST: Final = 4_000
"""Entries; the oldest go. One is a few kilobytes."""

LARGEST: Final = 1 << 20
FORMAT: Final = 1

_KEPT: Final = ("taskDefinition", "tags")
_CHANGES: Final = {
    "TagResource": "resourceArn",
    "UntagResource": "resourceArn",
    "DeregisterTaskDefinition": "taskDefinition",
}


def folder() -> Path:
    """`~/.cache/reconciler/revisions`, or where XDG_CACHE_HOME says."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root.startswith("/") else home() / ".cache") / "reconciler" / "revisions"


def home() -> Path:
    """Raises `errors.ReconcilerError` for a user without one, as in a container."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise errors.ReconcilerError(
            "this user has no home folder; set HOME, or both XDG_STATE_HOME and XDG_CACHE_HOME"
        ) from error


class ResponseCache:
    """Safe to use from several threads, and by several processes on one folder."""

    def __init__(self, place: Path, *, now: Callable[[], float] = time.time) -> None:
        self._place, self._now = place, now
        self._broken = False
        self._room: int | None = None

    def recall(self, call: Call) -> dict[str, Any] | None:
        """The answer to `call`, where it is one that lasts and is known."""
        if call.lasting is None:
            return None
        arn = call.params["taskDefinition"]
        try:
            text = self._read(self._file(arn))
        except (OSError, ValueError):
            return None
        answer = _open(text, arn)
        return answer if answer is not None and _tags(answer) == dict(call.lasting) else None

    def keep(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Keep the answer to `call`, where it is one that lasts; forget what `call` has changed."""
        if call.service == "ecs" and call.operation in _CHANGES:
            with suppress(OSError):
                self._file(str(call.params[_CHANGES[call.operation]])).unlink()
        if call.lasting is None or self._broken:
            return
        arn, kept = call.params["taskDefinition"], {key: answer[key] for key in _KEPT if key in answer}
        item = {key: value for key, value in kept["taskDefinition"].items() if not key.endswith("At")}
        if item.get("status") != "ACTIVE":
            return
        said = orjson.dumps({**kept, "taskDefinition": item})
        try:
            self._write(self._file(arn), _close(said, arn))
        except OSError as error:
            self._broken = True  # a full or a read-only disk: ask AWS then, and do not try again
            log.debug(events.MEMORY_FAILED, folder=str(self._place), error=str(error))

    def _file(self, arn: str) -> Path:
        return self._place / f"{hashlib.sha256(arn.encode()).hexdigest()[:40]}.json"

    def _read(self, file: Path) -> bytes:
        """Raises `OSError` and `ValueError` for whatever is not to be believed."""
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            found = os.fstat(handle)
            if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077 or found.st_size > LARGEST:
                raise ValueError("another user could have written it")
            if not -60 < self._now() - found.st_mtime < DAY_SECONDS:
                raise ValueError("too old")
            return stream.read()

    def _write(self, file: Path, text: bytes) -> None:
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._room is None:
            os.chmod(self._place, 0o700)
            self._room = MOST - len(os.listdir(self._place))
        if self._room <= 0:
            self._room = self._forget_the_oldest()
        self._room -= 1
        handle, name = tempfile.mkstemp(dir=self._place)  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text)
            os.replace(name, file)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise

    def _forget_the_oldest(self) -> int:
        """Make room for a tenth; how many entries that are."""
        with os.scandir(self._place) as entries:
            oldest = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in entries)
        going = oldest[: max(0, len(oldest) - MOST * 9 // 10)]
        for _, path in going:
            with suppress(OSError):
                os.unlink(path)
        return MOST - (len(oldest) - len(going))


def _close(said: bytes, arn: str) -> bytes:
    return orjson.dumps({"format": FORMAT, "arn": arn, "sha256": hashlib.sha256(said).hexdigest()}) + b"\n" + said


def _open(text: bytes, arn: str) -> dict[str, Any] | None:
    """What was closed so for `arn`; None for anything else."""
    head, _, said = text.partition(b"\n")
    try:
        label = orjson.loads(head)
        if label != {"format": FORMAT, "arn": arn, "sha256": hashlib.sha256(said).hexdigest()}:
            return None
        answer: dict[str, Any] = orjson.loads(said)
    except orjson.JSONDecodeError:
        return None
    return answer


def _tags(answer: Mapping[str, Any]) -> dict[str, str]:
    """Without AWS's own, which nobody can have wanted."""
    pairs = {tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()}
    return {key: value for key, value in pairs.items() if not key.startswith("aws:")}
