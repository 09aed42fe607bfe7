"""Spec files from a commit's tree, without a work tree: no name from the repository is ever written to disk.

The result and the limits are those of a folder on disk (spec/discovery.py), but links and submodules are not followed.
Every visited entry counts, because a tree of a few hundred bytes can contain itself a million times.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Callable
from typing import Final

from dulwich.errors import (
    ApplyDeltaError,
    ChecksumMismatch,
    FileFormatException,
    MissingCommitError,
    ObjectMissing,
    RefFormatError,
    WrongObjectException,
)
from dulwich.objects import Blob, ObjectID, ShaFile, Tree
from dulwich.pack import UnresolvedDeltas

from reconciler import errors
from reconciler.exchange import size
from reconciler.spec import discovery
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.load import Source as File
from reconciler.spec.node import Position

LARGEST_NODE: Final = 2 * 1024 * 1024
"""Bytes of a commit, a tag or one folder's list of entries; in memory they take ten times as much."""
NONSENSE: Final = (
    ApplyDeltaError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ChecksumMismatch,
    EOFError,
    FileFormatException,
    LookupError,
    MissingCommitError,
    ObjectMissing,
    RefFormatError,
    TypeError,
    UnresolvedDeltas,
    ValueError,
    WrongObjectException,
    struct.error,
    zlib.error,
)
"""Exceptions that dulwich raises for invalid data."""
_SPEC: Final = (".yaml", ".yml")
_LINK: Final = 0o120000
_SUBMODULE: Final = 0o160000


def read(lookup: Callable[[ObjectID], ShaFile], id: ObjectID) -> ShaFile:
    """An object that is what it claims to be.

    Raises `errors.RevisionRejected`, and `errors.SourceUnreachable` for a missing one."""
    name = id.decode(errors="replace")[:12]
    try:
        found = lookup(id)
    except KeyError:
        raise errors.SourceUnreachable(f"the object {name} is missing from the received pack") from None
    except NONSENSE as error:
        raise errors.RevisionRejected(f"the object {name} is damaged: {error}") from error
    if not isinstance(found, Blob) and found.raw_length() > LARGEST_NODE:
        raise errors.RevisionRejected(f"the object {name} is larger than {size(LARGEST_NODE)} and no file")
    try:
        found.check()
    except NONSENSE as error:
        raise errors.RevisionRejected(f"the object {name} is damaged: {error}") from error
    return found


class Reader:
    """Reads the spec files below one tree. `above` is the folder's name in messages.

    Of files that are not `wanted`, only the names are read.
    """

    def __init__(
        self, lookup: Callable[[ObjectID], ShaFile], above: str, wanted: Callable[[File], bool] = lambda _: True
    ) -> None:
        self.sources: list[File] = []
        self.findings: list[Diagnostic] = []
        self._lookup = lookup
        self._wanted = wanted
        self._above = above
        self._entries = 0
        self._room = discovery.LARGEST_FOLDER
        self._full = False

    def read(self, root: ObjectID, path: str) -> None:
        """Read the files below `path`. Raises `errors.RevisionRejected` for corrupt objects."""
        found: ObjectID | None = root
        for step in path.split("/") if path else ():
            found = self._folder(found, step)
            if found is None:
                here = Position(self._above, 1, 1, 2)
                self.findings.append(Diagnostic("E1012", f"the specs folder {self._above} does not exist", here))
                return
        assert found is not None
        self._walk(found, "", 0)

    def _folder(self, tree: ObjectID | None, step: str) -> ObjectID | None:
        for name, mode, id in self._tree(tree):
            if name == step:
                return id if stat.S_ISDIR(mode) else None
        return None

    def _walk(self, tree: ObjectID, below: str, depth: int) -> None:
        if depth > discovery.DEEPEST:
            raise errors.RevisionRejected(f"folders are nested more than {discovery.DEEPEST} deep")
        for name, mode, id in sorted(self._tree(tree)):
            self._entries += 1
            if self._entries > discovery.MOST_ENTRIES:
                raise errors.RevisionRejected(
                    f"more than {discovery.MOST_ENTRIES:,} files and folders below {self._above}"
                )
            if self._full:
                return
            if name.startswith("."):
                continue
            if stat.S_ISDIR(mode):
                self._walk(id, f"{below}{name}/", depth + 1)
            elif mode == _SUBMODULE:
                self._find("E1011", "submodules are not followed", below + name)
            elif name.endswith(_SPEC):
                self._file(below + name, mode, id)

    def _file(self, relative: str, mode: int, id: ObjectID) -> None:
        if mode == _LINK:
            self._find("E1011", "links are not followed in a Git repository", relative)
        elif not stat.S_ISREG(mode):
            self._find("E1019", "this is not a regular file", relative)
        elif relative.count("/") == 1 and relative.startswith(f"{discovery.ENVIRONMENTS}/"):
            self._find("E1021", "a file in environments/ must be in a folder named like its environment", relative)
        elif len(self.sources) == discovery.MOST_FILES:
            self._find("E1018", f"more than {discovery.MOST_FILES} spec files", relative)
            self._full = True
        elif self._wanted(File(relative, self._shown(relative), b"")):
            self._take(relative, id)

    def _take(self, relative: str, id: ObjectID) -> None:
        blob = self._object(id)
        if not isinstance(blob, Blob):
            raise errors.RevisionRejected(f"{relative} is not a file")
        length = blob.raw_length()
        if length > discovery.LARGEST_FILE:
            self._find("E1004", "the file is larger than 1 MiB", relative)
            return
        self._room -= length
        if self._room < 0:
            self._find("E1018", "the spec files are larger than 16 MiB together", relative)
            self._full = True
            return
        self.sources.append(File(relative, self._shown(relative), blob.data))

    def _tree(self, id: ObjectID | None) -> list[tuple[str, int, ObjectID]]:
        tree = self._object(id)
        if not isinstance(tree, Tree):
            raise errors.RevisionRejected("a folder entry is not a folder")
        entries = []
        for entry in tree.iteritems():
            try:
                name = entry.path.decode()
            except UnicodeDecodeError:
                raise errors.RevisionRejected(f"the file name {entry.path!r} is not UTF-8") from None
            if name in ("", ".", "..") or "/" in name or not name.isprintable():
                raise errors.RevisionRejected(f"{name!r} is not a valid file name")
            entries.append((name, entry.mode, entry.sha))
        return entries

    def _object(self, id: ObjectID | None) -> ShaFile:
        if id is None:
            raise errors.RevisionRejected("a folder is missing from the repository")
        return read(self._lookup, id)

    def _find(self, rule: str, message: str, relative: str) -> None:
        self.findings.append(Diagnostic(rule, message, Position(self._shown(relative), 1, 1, 2)))

    def _shown(self, relative: str) -> str:
        return f"{self._above}/{relative}" if self._above != "." else relative
