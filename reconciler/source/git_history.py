"""Specs in the history of the Git repository that a folder is in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dulwich.errors import NotGitRepository
from dulwich.objects import Commit
from dulwich.objectspec import parse_commit
from dulwich.repo import Repo

from reconciler import errors
from reconciler.source.base import Fetched, Revision
from reconciler.source.commit import revision_of
from reconciler.source.tree import NONSENSE, Reader
from reconciler.spec import discovery
from reconciler.spec.discovery import shown_folder

MOST: Final = 50
"""Commits that are read."""


def committed(folder: Path) -> Revision | None:
    """HEAD, if the spec files in `folder` are those of its commit; None where they differ, or are in no commit."""
    place = folder.resolve()
    try:
        with Repo.discover(str(place)) as repository:
            commit = repository[repository.head()]
            if not isinstance(commit, Commit):
                return None
            path = _path(place, repository)
            reader = Reader(repository.object_store.__getitem__, shown_folder(folder))
            reader.read(commit.tree, path)
            found, _ = discovery.read(folder)
            same = {one.relative: one.data for one in reader.sources} == {one.relative: one.data for one in found}
            return revision_of(commit) if same else None
    except (NotGitRepository, OSError, *NONSENSE, errors.RevisionRejected, errors.SourceUnreachable):
        return None


def at(folder: Path, commit: str) -> Fetched | None:
    """`folder` as of a commit, by its id or the name of a branch or tag; None if the repository does not have it."""
    place = folder.resolve()
    try:
        with Repo.discover(str(place)) as repository:
            found = parse_commit(repository, commit)
            reader = Reader(repository.object_store.__getitem__, shown_folder(folder))
            reader.read(found.tree, _path(place, repository))
            return Fetched(revision_of(found), tuple(reader.sources), tuple(reader.findings), shown_folder(folder))
    except (NotGitRepository, OSError, *NONSENSE, errors.RevisionRejected, errors.SourceUnreachable):
        return None


def last_valid(folder: Path, environment: str | None) -> Fetched | None:
    """`folder` as of the newest commit at or before HEAD in which its specs are valid; None if there is none."""
    place = folder.resolve()
    try:
        with Repo.discover(str(place)) as repository:
            path = _path(place, repository)
            paths = [path.encode()] if path else None
            for entry in repository.get_walker(paths=paths, max_entries=MOST):
                reader = Reader(repository.object_store.__getitem__, shown_folder(folder))
                reader.read(entry.commit.tree, path)
                fetched = Fetched(
                    revision_of(entry.commit), tuple(reader.sources), tuple(reader.findings), shown_folder(folder)
                )
                if fetched.specs(environment).ok:
                    return fetched
    except (NotGitRepository, OSError, *NONSENSE, errors.RevisionRejected, errors.SourceUnreachable):
        return None  # there is no history, or none that can be read
    return None


def _path(place: Path, repository: Repo) -> str:
    """As trees have it: the root is empty."""
    path = place.relative_to(Path(repository.path).resolve()).as_posix()
    return "" if path == "." else path
