"""Git source: a branch of a repository, read from its objects.

    the host's branch ──▶ new commits, one pack ──▶ descends from the last one? ──▶ signed? ──▶ files below the folder

The objects are kept in a private bare repository, which starts with the newest commit and fetches new ones. The
distance to the last commit is found by deepening, up to a limit. The repository is disposable and is created again
after any error.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Final

import urllib3
from dulwich.client import GitClient, HTTPProxyUnauthorized, HTTPUnauthorized, InvalidWants, StrangeHostname
from dulwich.errors import FileFormatException, GitProtocolError, HangupException, NotGitRepository
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.repo import Repo

from reconciler import errors
from reconciler.exchange import size
from reconciler.source import commit as commits
from reconciler.source import pack as packs
from reconciler.source import signatures, transport
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched
from reconciler.source.credentials import Credentials
from reconciler.source.location import Location
from reconciler.source.tree import NONSENSE
from reconciler.source.tree import read as read_object

INTERVAL_SECONDS: Final = 30.0
DEEPEST: Final = 16384
DEPTHS: Final = (1, 64, 1024, DEEPEST)
"""Depths at which the last commit is searched, one after the other."""
CLOSING_SECONDS: Final = 2.0
"""Time for which `close` waits for what is under way; it is given up then."""
MOST_PACKS: Final = 64
"""Number of fetches after which the repository is created again."""

_ID: Final = re.compile(rb"[0-9a-f]{40}")
_REFUSED = (HTTPUnauthorized, HTTPProxyUnauthorized)
_FAILED = (GitProtocolError, HangupException, InvalidWants, OSError, StrangeHostname, urllib3.exceptions.HTTPError)


class Git:
    """The `Source` at `location`."""

    def __init__(
        self,
        location: Location,
        *,
        credentials: Credentials | None = None,
        signers: tuple[signatures.Signer, ...] = (),
        must_descend: bool = True,
        interval: float = INTERVAL_SECONDS,
        cache: Path | None = None,
    ) -> None:
        """With `signers`, a commit must be signed by one of them. `cache` is a folder for the objects; by default a
        temporary one. Call `close` in the end.
        """
        self.location = location
        self.interval = interval
        self._credentials = credentials or Credentials()
        self._signers = signers
        self._must_descend = must_descend
        self._cache = cache
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._repository: Repo | None = None
        self._last: tuple[str | None, str, Fetched | errors.RevisionRejected] | None = None

    @property
    def name(self) -> str:
        return str(self.location)

    def close(self) -> None:
        """End what is under way, and delete the objects."""
        self._stop.set()
        ended = self._lock.acquire(timeout=CLOSING_SECONDS)
        try:
            self._discard()
        finally:
            if ended:
                self._lock.release()

    def changed(self, since: str | None) -> bool:
        """Whether the branch points to another commit. One or two requests."""
        with self._asking() as (client, path):
            tip = self._tip(client, path).decode()
        last = self._last
        if last is not None and last[1] == tip:
            return _id(last[2]) != since  # an annotated tag is not its commit
        return tip != since

    def fetch(self, after: str | None = None) -> Fetched:
        with self._lock:
            with self._asking() as (client, path):
                tip = self._tip(client, path)
            if self._last is None or self._last[:2] != (after, tip.decode()):
                self._last = (after, tip.decode(), self._judged(tip, after))
            found = self._last[2]
            if isinstance(found, errors.RevisionRejected):
                raise found.with_traceback(None)  # it would grow with each fetch
            return found

    def _judged(self, tip: ObjectID, after: str | None) -> Fetched | errors.RevisionRejected:
        """The content of `tip`, or its rejection; neither changes, so both are cached."""
        try:
            return self._read(*self._commit(tip, after))
        except errors.RevisionRejected as error:
            if error.revision:
                return error
            id = tip.decode()  # of a commit that cannot be read nothing else is known
            return errors.RevisionRejected(f"{id[:7]}: {error}", revision=id)
        except errors.SourceUnreachable:
            self._discard()
            raise

    def _commit(self, tip: ObjectID, after: str | None) -> tuple[Commit, tuple[bytes, ...]]:
        """The commit, with enough history to check that it follows `after`; and the commits in between."""
        wanted = ObjectID(after.encode()) if after is not None and self._must_descend else None
        if self._repository is not None and len(self._repository.object_store.packs) < MOST_PACKS:
            commit = self._learn(self._repository, tip, DEPTHS[1])
            history = self._history(self._repository, commit, wanted)
            if history is not None:
                return commit, history
        for depth in DEPTHS:
            commit = self._learn(self._begin(), tip, depth)
            assert self._repository is not None
            history = self._history(self._repository, commit, wanted)
            if history is not None:
                return commit, history
            if not self._repository.get_shallow():
                break
        because = f"it does not descend from {after[:7] if after else ''}, the revision applied last"
        raise commits.rejected(commit, because, errors.HistoryRewritten)

    def verified(self, stored: Archive) -> Archive:
        """With `signers`, what they signed of it."""
        return commits.verified(stored, self.location.path, self._signers) if self._signers else stored

    def _read(self, commit: Commit, history: tuple[bytes, ...]) -> Fetched:
        assert self._repository is not None
        lookup = self._repository.object_store.__getitem__
        return commits.read(commit, lookup, self.location.path, self._signers, history=history)

    def _tip(self, client: GitClient, path: str) -> ObjectID:
        """The commit of the branch. Raises `errors.SourceUnreachable` for a missing branch, which may return."""
        ref = self.location.ref
        found = client.get_refs(path.encode(), ref_prefix=[ref])
        if getattr(client, "dumb", False):
            raise GitProtocolError("the host does not support the Git protocol")
        tip = found.refs.get(ref)  # type: ignore[call-overload]  # a ref is bytes
        if tip is None:
            raise errors.SourceUnreachable(f"{self.name}: branch {self.location.branch or 'HEAD'} not found")
        if not _ID.fullmatch(tip):
            raise GitProtocolError(f"{tip[:80]!r} is not the name of a commit")
        return ObjectID(tip)

    def _learn(self, repository: Repo, tip: ObjectID, depth: int) -> Commit:
        """Fetch `tip`. Raises `errors.SourceUnreachable` and `errors.RevisionRejected`."""
        with tempfile.SpooledTemporaryFile(16 * 1024 * 1024) as pack:
            if tip not in repository.object_store:
                self._receive(repository, tip, depth, pack)
        with self._understood():
            return self._commit_of(repository, tip)

    def _receive(self, repository: Repo, tip: ObjectID, depth: int, pack: IO[bytes]) -> None:
        """Fetch `tip` into the repository. Raises `errors.RevisionRejected` if what it contains is too large."""
        limits = transport.FETCH_SECONDS, transport.LARGEST_PACK + transport.LARGEST_REFS
        local = self.location.scheme == "file"
        try:
            with self._connected(*limits) as (client, path), _well_formed() if local else nullcontext():
                result = client.fetch_pack(
                    path,
                    lambda *_, **__: [tip],
                    repository.get_graph_walker(),
                    transport.BoundedPack(pack),
                    progress=lambda _: None,
                    depth=None if local else depth,
                )
            with self._understood():
                if pack.tell():
                    pack.seek(0)
                    packs.check(pack)
                    pack.seek(0)
                    _add(repository, pack)
                repository.update_shallow(result.new_shallow, result.new_unshallow)
        except transport.PackTooLarge:
            raise errors.RevisionRejected(f"its pack is larger than {size(transport.LARGEST_PACK)}") from None
        except packs.TooLarge as error:
            raise errors.RevisionRejected(str(error)) from None

    def _commit_of(self, repository: Repo, tip: ObjectID) -> Commit:
        """The commit that `tip` is, or that it is a tag of."""
        found = read_object(repository.object_store.__getitem__, tip)
        for _ in range(8):
            if not isinstance(found, Tag):
                break
            found = read_object(repository.object_store.__getitem__, found.object[1])
        if not isinstance(found, Commit):
            raise errors.SourceUnreachable(f"{self.name}: {tip.decode()[:7]} is not a commit")
        return found

    def _history(self, repository: Repo, commit: Commit, wanted: ObjectID | None) -> tuple[bytes, ...] | None:
        """The commits between the commit and `wanted`, as far as they were fetched; None if it does not descend."""
        shallow = repository.get_shallow()

        def lookup(id: ObjectID) -> Commit | None:
            with self._understood():
                found = None if id in shallow else read_object(repository.object_store.__getitem__, id)
                return found if isinstance(found, Commit) else None

        return () if wanted is None else commits.history(lookup, commit.id, wanted)

    def _begin(self) -> Repo:
        """Replace the repository by an empty one."""
        self._discard()
        try:
            if self._cache is not None:
                self._cache.mkdir(parents=True, exist_ok=True)
            self._repository = Repo.init_bare(tempfile.mkdtemp(prefix="reconciler-git-", dir=self._cache))
        except OSError as error:
            raise errors.SourceUnreachable(f"{self.name}: cannot create the object cache: {error}") from error
        return self._repository

    def _discard(self) -> None:
        if self._repository is not None:
            self._repository.close()
            shutil.rmtree(self._repository.path, ignore_errors=True)
            self._repository = None

    def _asking(self) -> AbstractContextManager[tuple[GitClient, str]]:
        """A connection to ask where the branches are."""
        return self._connected(transport.REFS_SECONDS, transport.LARGEST_REFS)

    @contextmanager
    def _connected(self, seconds: float, most_bytes: int) -> Iterator[tuple[GitClient, str]]:
        """A connection to the host. Raises `errors.SourceUnreachable`."""
        with (
            self._understood(),
            transport.connected(self.location, self._credentials, seconds, most_bytes, self._stop) as found,
        ):
            yield found

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Translates dulwich's exceptions to `errors.SourceUnreachable`."""
        try:
            yield
        except _REFUSED as error:
            raise errors.SourceUnreachable(f"{self.name}: authentication failed; check the credentials") from error
        except (errors.CredentialsMissing, errors.AwsError) as error:  # with which CodeCommit is asked
            raise errors.SourceUnreachable(f"{self.name}: {error}") from error
        except NotGitRepository as error:
            raise errors.SourceUnreachable(f"{self.name}: repository not found, or access denied") from error
        except _FAILED as error:
            raise errors.SourceUnreachable(f"{self.name}: {_line(error)}") from error
        except NONSENSE as error:
            what = type(error).__name__
            raise errors.SourceUnreachable(f"{self.name}: the response is not valid Git protocol ({what})") from error


def _add(repository: Repo, pack: IO[bytes]) -> None:
    with _well_formed():
        repository.object_store.add_thin_pack(pack.read, None)


@contextmanager
def _well_formed() -> Iterator[None]:
    """For what parses objects; a repository of this machine is also read by dulwich's client itself.

    Raises `errors.RevisionRejected`.
    """
    try:
        yield
    except (FileFormatException, ValueError) as error:
        raise errors.RevisionRejected(f"it contains a malformed object: {_line(error)}") from error


def _id(found: Fetched | errors.RevisionRejected) -> str:
    return found.revision.id if isinstance(found, Fetched) else found.revision


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
