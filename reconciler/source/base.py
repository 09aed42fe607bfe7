"""What a source is: something that has specs, in revisions.

A source is asked two things: whether there may be something new, which is cheap and asked often, and for the revision
of now. It never decides whether what the specs say is right; it only refuses what must not be read at all. Whatever
fails, the caller still has the revision that it fetched before, and goes on with that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.spec import load
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class Revision:
    """Which specs these are: a commit, or the hash of a folder's files, which has no author and no subject.

    `signer` is who signed the commit, as the allowed signers call them; empty when nobody asked for signatures.
    """

    id: str
    author: str = ""
    subject: str = ""
    at: datetime | None = None
    signer: str = ""

    @property
    def short(self) -> str:
        """`4f1c2ab`"""
        return self.id[:7]

    def __str__(self) -> str:
        return f'{self.short} "{self.subject}"' if self.subject else self.short


@dataclass(frozen=True, slots=True)
class Fetched:
    """A revision and its spec files. `findings` is what is wrong with files as such; `folder` is their root's name."""

    revision: Revision
    sources: tuple[load.Source, ...]
    findings: tuple[Diagnostic, ...]
    folder: str

    def specs(self, environment: str | None = None) -> Specs:
        """What the files say, and what is wrong with it. Never raises for what they say."""
        return load.load_sources(list(self.sources), environment, folder=self.folder, found=self.findings)


class Source(Protocol):
    """Safe to use from two threads: one that watches and one that fetches."""

    @property
    def name(self) -> str:
        """How people call it; holds no credentials."""

    @property
    def interval(self) -> float:
        """Seconds between two looks for something new."""

    def changed(self, since: str | None) -> bool:
        """Whether there may be another revision than `since` (None: any). Cheap.

        Raises `errors.SourceUnreachable`.
        """

    def fetch(self, after: str | None = None) -> Fetched:
        """The revision of now. It must follow `after`, the one that was applied last, where there is such an order.

        Raises `errors.SourceUnreachable` (try again later) and `errors.RevisionRejected` (a person has to act).
        """
