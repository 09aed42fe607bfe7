"""Commits of spec files by the git program, which knows the user's identity, hooks and signing key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from reconciler import errors

_LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
"""A name of a file is no pattern."""


def clean_repository(files: Iterable[Path]) -> Path:
    """The top folder of the repository of `files`, which are committed as they are.

    Raises `errors.ReconcilerError` if there is none, or a file has changes that are not committed: they would go along.
    """
    paths = list(files)
    top = Path(_git(paths[0].parent, "rev-parse", "--show-toplevel").removesuffix("\n"))
    for path in paths:
        if _git(top, "status", "--porcelain", "--untracked-files=all", "--ignored", "--", str(path)):
            message = f"{os.path.relpath(path)} has changes that are not committed; commit them first, or omit --commit"
            raise errors.ReconcilerError(message)
    return top


def commit(repository: Path, files: Iterable[Path], message: str) -> str:
    """The id of a new commit of these files alone, whatever else is staged. Raises `errors.ReconcilerError`."""
    _git(repository, "commit", "--quiet", "--only", f"--message={message}", "--", *map(str, files))
    return _git(repository, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str) -> str:
    line = ["git", *arguments]
    try:
        ended = subprocess.run(line, cwd=folder, env=os.environ | _LITERAL, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise errors.ReconcilerError("git is not installed") from error
    if ended.returncode != 0:
        why = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        raise errors.ReconcilerError(f"git {arguments[0]}: {' '.join(why[:5]) or f'exit code {ended.returncode}'}")
    return ended.stdout
