"""Revision tracker: the last good revision of the source, compiled. Problems of a newer one are reported once.

A revision is accepted as a whole or rejected. The revision that was applied last is known only after the account was
read, so a new process checks twice that its revision follows that one; while that cannot be checked, nothing of it is
applied. What is being rolled out already does not depend on that: it goes on. Only a timer does not promote it once its
commit was withdrawn, which is when the history of the specs does not contain it any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler import errors, events
from reconciler.controller.events import EventRecorder
from reconciler.model.resource import Address, Desired
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source.base import Fetched, Revision, Source
from reconciler.spec.diagnostics import Severity
from reconciler.spec.specs import Specs

MOST_TOLD = 5
"""Number of errors of a revision in one message; `reconciler validate` shows all of them."""


@dataclass(frozen=True, slots=True)
class ActiveRevision:
    """A revision and the desired state that it compiles to."""

    revision: Revision
    wish: DesiredState

    @property
    def wanted(self) -> dict[Address, Desired[Any]]:
        return {want.address: want for want in self.wish.desired}


class Revisions(Protocol):
    """Source of revisions for the controller.

    `recorded`: the applied revision is stored on the stack and requests are answered, by a controller but not by a
    command. `interval`: seconds between two checks while no revision is active. `withdrawn`: why the revision applied
    last is not in the history of the specs any more.
    """

    active: ActiveRevision | None
    handled: str | None
    rejected: str
    withdrawn: str
    recorded: bool

    @property
    def interval(self) -> float: ...
    def look(self, applied: str | None, accepted: str = "") -> bool: ...
    def withheld(self, applied: str | None, accepted: str = "") -> str: ...
    def doubt(self) -> None: ...


@dataclass(slots=True)
class FixedRevision:
    """The one revision of a command."""

    active: ActiveRevision | None
    handled: str | None = None
    rejected: str = ""
    withdrawn: str = ""
    recorded: bool = False
    interval: float = 0.0
    _news: bool = field(init=False, default=True)

    def look(self, applied: str | None, accepted: str = "") -> bool:
        news, self._news = self._news, False
        return news

    def withheld(self, applied: str | None, accepted: str = "") -> str:
        return ""

    def doubt(self) -> None:
        """The specs of a command do not change."""


Compile = Callable[[Specs], DesiredState]
"""Compiles specs without errors. Raises `errors.ReconcilerError` if they declare what this process may not do."""


@dataclass(slots=True)
class RevisionTracker:
    """`handled` is the last revision that was accepted or rejected; `rejected` is why it was rejected."""

    source: Source
    compile: Compile
    recorder: EventRecorder
    environment: str | None = None
    active: ActiveRevision | None = field(init=False, default=None)
    handled: str | None = field(init=False, default=None)
    rejected: str = field(init=False, default="")
    withdrawn: str = field(init=False, default="")
    recorded: bool = field(init=False, default=True)
    _followed: bool = field(init=False, default=False)
    _withheld: str = field(init=False, default="")
    _after: str | None = field(init=False, default=None)
    _accepted: str | None = field(init=False, default=None)

    @property
    def interval(self) -> float:
        return self.source.interval

    def look(self, applied: str | None, accepted: str = "") -> bool:
        """Fetch the current revision, which must follow `applied`. True if a new one was accepted.

        `accepted` is the start of the id of one that need not follow.
        """
        try:
            known = self.handled is not None and not self.source.changed(self.handled)
            news = self.handled != self._accepted and _is_accepted(self.handled, accepted)
            again = self.withdrawn and (applied != self._after or news)
            if known and not again:
                self.recorder.resolve("source", events.SOURCE_REACHABLE, self.source.name)
                return False
            fetched = self._fetched(applied, accepted)
        except errors.SourceUnreachable as error:
            self.recorder.emit_once("source", events.SOURCE_UNREACHABLE, str(error))
            return False
        except errors.RevisionRejected as error:
            self.handled = error.revision or self.handled
            self._reject(error)
            return False
        self.recorder.resolve("source", events.SOURCE_REACHABLE, self.source.name)
        if fetched.revision.id == self.handled and not self.withdrawn:
            return False
        self.handled = fetched.revision.id
        return self._take(fetched)

    def withheld(self, applied: str | None, accepted: str = "") -> str:
        """Why the active revision must not be applied, or "" if it follows `applied`, the one applied before.

        A source knows that of its newest revision only, and is asked until it has answered. Raises
        `errors.SourceUnreachable`.
        """
        assert self.active is not None
        mine = self.active.revision
        if not self._followed and not self._withheld and applied not in (None, mine.id):
            try:
                newest = self._fetched(applied, accepted).revision
            except errors.RevisionRejected as error:
                self._withheld, self.recorder.revision = str(error), ""
                self._reject(error)
                return self._withheld
            if newest.id != mine.id:
                raise errors.SourceUnreachable(f"{self.source.name} has moved to {newest.short}")
        self._followed = not self._withheld
        return self._withheld

    def doubt(self) -> None:
        """Another process may have applied another revision since."""
        self._followed, self._withheld = False, ""

    def _fetched(self, applied: str | None, accepted: str) -> Fetched:
        self._after = applied
        try:
            return self.source.fetch(after=applied)
        except errors.HistoryRewritten as error:
            if _is_accepted(error.revision, accepted):
                self._accepted = error.revision
                return self.source.fetch()
            raise

    def _take(self, fetched: Fetched) -> bool:
        specs = fetched.specs(self.environment)
        if not specs.ok:
            self._reject(errors.RevisionRejected(_told(specs), revision=fetched.revision.id))
            return False
        try:
            wish = self.compile(specs)
        except errors.ReconcilerError as error:
            self._reject(errors.RevisionRejected(str(error), revision=fetched.revision.id))
            return False
        self.rejected, self.withdrawn, self._withheld = "", "", ""
        self.recorder.clear("rejected")
        self.active = ActiveRevision(fetched.revision, wish)
        self.recorder.revision = fetched.revision.short
        self.recorder.emit(events.REVISION_TAKEN, "", f"revision {fetched.revision} accepted")
        return True

    def _reject(self, error: errors.RevisionRejected) -> None:
        self.rejected = str(error)
        active = self.active.revision if self.active is not None else None
        kept = (
            "; no revision is active" if active is None or active.id == error.revision else f"; {active} remains active"
        )
        if isinstance(error, errors.HistoryRewritten):
            self.withdrawn = "the commit of this release was withdrawn: the history of the specs was rewritten"
            kept += f"; `reconciler reconcile --accept-history {error.revision[:7]}` accepts it"
        self.recorder.emit_once("rejected", events.SPEC_REJECTED, f"{error.revision[:7]}: {error}{kept}")


def _is_accepted(revision: str | None, accepted: str) -> bool:
    return bool(accepted) and revision is not None and revision.startswith(accepted)


def _told(specs: Specs) -> str:
    wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
    more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return "; ".join(str(one) for one in wrong[:MOST_TOLD]) + more
