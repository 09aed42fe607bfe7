"""Check that no other user can replace the file of a store, and with it take the lease away."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler import errors

MOST_STEPS: Final = 256
"""Folders and links on the way to the file."""


def check_folder(path: Path) -> None:
    """Raises `errors.StoreUnreachable` for a file in a folder in which other users can create or replace files, or that
    they can replace as a whole.

    The sticky bit is no protection for the file: SQLite writes into it whatever is in a journal beside it, whoever made
    that. It does protect the folders that are in such a folder.
    """
    folder, found = path.parent, path.parent.stat()
    own = f"pass --store sqlite:{folder / 'reconciler' / path.name}, which creates a folder for you alone"
    if found.st_uid not in (0, os.geteuid()):
        raise errors.StoreUnreachable(
            f"the store's folder {folder} belongs to another user, who could take the lease away; {own}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        advice = own if found.st_mode & stat.S_ISVTX else f"run `chmod go-w {folder}`, or {own}"
        raise errors.StoreUnreachable(
            f"other users can write to {folder}, the store's folder, and take the lease away; {advice}"
        )
    for above, entry in _traversed(folder):
        found = above.stat()
        for one, owner in ((above, found.st_uid), (entry, entry.lstat().st_uid)):
            if owner not in (0, os.geteuid()):
                raise errors.StoreUnreachable(
                    f"{one}, above the store {path}, belongs to another user, who could replace it"
                )
        if _written_by_others(found) and not found.st_mode & stat.S_ISVTX:
            raise errors.StoreUnreachable(
                f"other users can write to {above}, above the store {path}, and replace it; run `chmod go-w {above}`"
            )


def _traversed(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The folders that lead to `folder`, by its links, each with what of it leads on."""
    at, parts = Path("/"), [*reversed(folder.parts[1:])]
    for _ in range(MOST_STEPS):
        if not parts:
            return
        entry = at / parts.pop()
        if entry.name == "..":
            at = at.parent
            continue
        yield at, entry
        if entry.is_symlink():
            target = entry.readlink()
            at = Path("/") if target.is_absolute() else at
            parts += reversed(target.parts[1 if target.is_absolute() else 0 :])
        else:
            at = entry
    raise OSError(errno.ELOOP, "Too many links", str(folder))


def _written_by_others(found: os.stat_result) -> bool:
    """Many systems give each user a group of that name, and OpenShift the superuser's: these are nobody else's."""
    if found.st_mode & stat.S_IWOTH:
        return True
    if not found.st_mode & stat.S_IWGRP or not found.st_gid:
        return False
    try:
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(found.st_gid)
    except KeyError:
        return True
    return group.gr_name != user or not {*group.gr_mem} <= {user}


def check_file(path: Path, found: os.stat_result) -> None:
    """Raises `errors.StoreUnreachable` for what SQLite cannot use, or is somebody else's."""
    if not stat.S_ISREG(found.st_mode):
        raise errors.StoreUnreachable(f"the store {path} is not a regular file")
    if found.st_uid != os.geteuid():
        raise errors.StoreUnreachable(f"the store {path} belongs to another user, who could take the lease away")
