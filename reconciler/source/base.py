"""Source: the interface of everything that provides specs in revisions.

A source is asked whether there may be a new revision, which is cheap, and for the current revision. It does not
validate specs; it only refuses what must not be read at all. If it fails, the caller continues with the revision that
it fetched before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from reconciler.spec import load
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.specs import Specs

if TYPE_CHECKING:
    from reconciler.source.archive import Archive


@dataclass(frozen=True, slots=True)
class Revision:
    """Identity of specs: a commit, or the hash of a folder's files, which has no author and no subject.

    `signer` is who signed the commit, by the allowed signers file; empty if signatures are not checked.
    """

    id: str
    author: str = ""
    subject: str = ""
    at: datetime | None = None
    signer: str = ""

    @property
    def commit(self) -> str:
        """The commit; empty for a folder, whose hash is no commit that anybody could look up."""
        return self.id if self.author or self.subject or self.at is not None else ""

    @property
    def short(self) -> str:
        """`4f1c2ab`"""
        return self.id[:7]

    def __str__(self) -> str:
        return f'{self.short} "{self.subject}"' if self.subject else self.short


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signature is checked against without the repository: the signed commit, and the trees that lead from it
    to the spec files, as Git stores them.

    `history` holds commits that lead from it to the revision that it followed.
    """

    commit: bytes
    trees: tuple[bytes, ...]
    history: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A revision and its spec files. `findings` are problems of whole files; `folder` is the name of their root.

    `proof` is there where signatures are checked.
    """

    revision: Revision
    sources: tuple[load.Source, ...]
    findings: tuple[Diagnostic, ...]
    folder: str
    proof: Proof | None = None

    def specs(self, environment: str | None = None) -> Specs:
        """The parsed specs with their diagnostics. Never raises for their content."""
        return load.load_sources(list(self.sources), environment, folder=self.folder, found=self.findings)


class Source(Protocol):
    """Safe to use from two threads: one that watches and one that fetches."""

    @property
    def name(self) -> str:
        """Its name in messages; contains no credentials."""

    @property
    def interval(self) -> float:
        """Seconds between two checks."""

    def changed(self, since: str | None) -> bool:
        """Whether there may be another revision than `since` (None: any). Cheap.

        Raises `errors.SourceUnreachable`.
        """

    def fetch(self, after: str | None = None) -> Fetched:
        """The current revision. It must follow `after`, the revision applied last, if revisions have an order.

        Raises `errors.SourceUnreachable` (try again later) and `errors.RevisionRejected` (the revision has to change),
        which is `errors.HistoryRewritten` if it does not follow `after`.
        """

    def verified(self, stored: Archive) -> Archive:
        """A revision that was stored earlier; `follows` is empty if that is not proven.

        Raises `errors.CopyUnusable` if the source would not accept its signature.
        """
