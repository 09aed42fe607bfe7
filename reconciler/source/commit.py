"""Revision from a commit: its specs by the commit's tree, and its signature; and the same again without a repository.

A stored revision is believed no more than a fetched one where signatures are checked. The proof beside it is the commit
and the trees that lead to its files. Each object is found by the hash of its content, from the signed commit down, so
that whoever can write the store can put nothing else there than what was signed. The commits between it and the
revision that it followed keep them from putting an older one there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree

from reconciler import errors
from reconciler.source import signatures
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Proof, Revision
from reconciler.source.tree import NONSENSE, Reader
from reconciler.spec.load import Source as File

Lookup = Callable[[ObjectID], ShaFile]
"""Raises `KeyError`."""
MOST_HISTORY: Final = 64
"""Commits of a proof; a revision that follows another one at a greater distance is not known to follow it."""


def read(
    commit: Commit,
    lookup: Lookup,
    path: str,
    signers: tuple[signatures.Signer, ...],
    *,
    wanted: Callable[[File], bool] = lambda _: True,
    history: tuple[bytes, ...] = (),
) -> Fetched:
    """The revision of `commit` with the wanted spec files below `path`; with `signers`, also with the proof.

    Raises `errors.RevisionRejected`.
    """
    revision = revision_of(commit)
    trees = dict[ObjectID, bytes]()

    def recorded(id: ObjectID) -> ShaFile:
        found = lookup(id)
        if isinstance(found, Tree):
            trees[id] = found.as_raw_string()
        return found

    try:
        signed_by = ""
        if signers:
            assert revision.at is not None
            signed_by = signatures.signer(commit.raw_without_sig(), commit.gpgsig, signers, revision.at)
        reader = Reader(recorded, path or ".", wanted)
        reader.read(commit.tree, path)
    except errors.RevisionRejected as error:
        raise rejected(commit, str(error)) from error
    revision = Revision(revision.id, revision.author, revision.subject, revision.at, signed_by)
    proof = Proof(commit.as_raw_string(), tuple(trees.values()), history) if signers else None
    return Fetched(revision, tuple(reader.sources), tuple(reader.findings), path or ".", proof)


def verified(stored: Archive, path: str, signers: tuple[signatures.Signer, ...]) -> Archive:
    """A stored revision, read again from its proof. It follows nothing that its history does not lead to.

    Raises `errors.CopyUnusable` if an allowed key has not signed exactly this.
    """
    fetched, environment = stored.fetched, stored.environment
    if fetched.proof is None:
        raise errors.CopyUnusable(f"{fetched.revision} was stored without its signature")
    try:
        commit = Commit.from_string(fetched.proof.commit)
        commit.check()
        objects: dict[ObjectID, ShaFile] = {one.id: one for one in map(Tree.from_string, fetched.proof.trees)}
        objects |= {blob.id: blob for blob in (Blob.from_string(file.data) for file in fetched.sources)}
        found = read(
            commit,
            objects.__getitem__,
            path,
            signers,
            wanted=lambda file: file.environment in (None, environment),
            history=fetched.proof.history,
        )
        proven = traced(fetched.proof, None, stored.follows) is not None
    except errors.RevisionRejected as error:
        raise errors.CopyUnusable(str(error)) from error
    except errors.SourceUnreachable as error:
        raise errors.CopyUnusable(f"{fetched.revision} is not what was signed: {error}") from error
    except NONSENSE as error:
        raise errors.CopyUnusable("its proof is damaged") from error
    return replace(stored, fetched=found, follows=stored.follows if proven else "")


def traced(proof: Proof, before: Proof | None, follows: str) -> Proof | None:
    """`proof` with the history that leads to `follows`, and no more; None if it does not lead there.

    `before` is that of the copy before, which may have it.
    """
    known = [proof.commit, *proof.history, *([before.commit, *before.history] if before is not None else [])]
    commits = {one.id: one for one in map(Commit.from_string, known)}
    found = history(commits.get, Commit.from_string(proof.commit).id, ObjectID(follows.encode()))
    return None if found is None or len(found) > MOST_HISTORY else replace(proof, history=found)


def history(lookup: Callable[[ObjectID], Commit | None], start: ObjectID, wanted: ObjectID) -> tuple[bytes, ...] | None:
    """The commits between `start` and its ancestor `wanted` on a shortest way; None if none is known."""
    queue, child = deque([start]), dict[ObjectID, ObjectID]()
    while queue:
        id = queue.popleft()
        if id == wanted:
            return tuple(reversed([one.as_raw_string() for one in _between(lookup, child, start, id)]))
        commit = lookup(id)
        new = [parent for parent in (commit.parents if commit is not None else ()) if parent not in child]
        child.update(dict.fromkeys(new, id))
        queue.extend(new)
    return None


def _between(
    lookup: Callable[[ObjectID], Commit | None], child: Mapping[ObjectID, ObjectID], start: ObjectID, end: ObjectID
) -> Iterator[Commit]:
    id = end
    while id != start and (id := child[id]) != start:
        commit = lookup(id)
        assert commit is not None
        yield commit


def revision_of(commit: Commit) -> Revision:
    """Names and subject are untrusted: one line, printable, limited in length."""
    author = commit.author.decode(errors="replace")
    subject = commit.message.decode(errors="replace").strip().split("\n", 1)[0]
    at = _when(commit.commit_time)
    return Revision(commit.id.decode(), _printable(author, 100), _printable(subject, 100), at)


def rejected(
    commit: Commit, reason: str, kind: type[errors.RevisionRejected] = errors.RevisionRejected
) -> errors.RevisionRejected:
    revision = revision_of(commit)
    return kind(f"{revision}: {reason}", revision=revision.id, author=revision.author, subject=revision.subject)


def _when(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _printable(text: str, most: int) -> str:
    clean = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"
