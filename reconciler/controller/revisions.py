"""Revision tracker: the last good revision of the source, compiled. Problems of a newer one are reported once.

A revision is accepted as a whole or rejected. The revision that was applied last is known only after the account was
read, so a new process checks twice that its revision follows that one; while that cannot be checked, nothing is
applied.
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
    command. `interval`: seconds between two checks while no revision is active.
    """

    active: ActiveRevision | None
    handled: str | None
    rejected: str
    recorded: bool

    @property
    def interval(self) -> float: ...
    def look(self, applied: str | None) -> bool: ...
    def follows(self, applied: str | None) -> bool: ...
    def doubt(self) -> None: ...


@dataclass(slots=True)
class FixedRevision:
    """The one revision of a command."""

    active: ActiveRevision | None
    handled: str | None = None
    rejected: str = ""
    recorded: bool = False
    interval: float = 0.0
    _news: bool = field(init=False, default=True)

    def look(self, applied: str | None) -> bool:
        news, self._news = self._news, False
        return news

    def follows(self, applied: str | None) -> bool:
        return True

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
    recorded: bool = field(init=False, default=True)
    _followed: bool = field(init=False, default=False)

    @property
    def interval(self) -> float:
        return self.source.interval

    def look(self, applied: str | None) -> bool:
        """Fetch the current revision, which must follow `applied`. True if a new one was accepted."""
        try:
            if self.handled is not None and not self.source.changed(self.handled):
                self.recorder.resolve("source", events.SOURCE_REACHABLE, self.source.name)
                return False
            fetched = self.source.fetch(after=applied)
        except errors.SourceUnreachable as error:
            self.recorder.emit_once("source", events.SOURCE_UNREACHABLE, str(error))
            return False
        except errors.RevisionRejected as error:
            self.handled = error.revision or self.handled
            self._reject(str(error), error.revision)
            return False
        self.recorder.resolve("source", events.SOURCE_REACHABLE, self.source.name)
        if fetched.revision.id == self.handled:
            return False
        self.handled = fetched.revision.id
        return self._take(fetched)

    def follows(self, applied: str | None) -> bool:
        """Whether the active revision follows `applied`, the one applied before; asked until it is known.

        A source knows that of its newest revision only. Raises `errors.SourceUnreachable`.
        """
        assert self.active is not None
        mine = self.active.revision
        if self._followed or applied in (None, mine.id):
            self._followed = True
            return True
        try:
            newest = self.source.fetch(after=applied).revision
        except errors.RevisionRejected as error:
            self.active, self.recorder.revision = None, ""
            self._reject(str(error), error.revision)
            return False
        if newest.id != mine.id:
            raise errors.SourceUnreachable(f"{self.source.name} has moved to {newest.short}")
        self._followed = True
        return True

    def doubt(self) -> None:
        """Another process may have applied another revision since."""
        self._followed = False

    def _take(self, fetched: Fetched) -> bool:
        specs = fetched.specs(self.environment)
        if not specs.ok:
            self._reject(_told(specs), fetched.revision.id)
            return False
        try:
            wish = self.compile(specs)
        except errors.ReconcilerError as error:
            self._reject(str(error), fetched.revision.id)
            return False
        self.rejected = ""
        self.recorder.clear("rejected")
        self.active = ActiveRevision(fetched.revision, wish)
        self.recorder.revision = fetched.revision.short
        self.recorder.emit(events.REVISION_TAKEN, "", f"revision {fetched.revision} accepted")
        return True

    def _reject(self, because: str, revision: str) -> None:
        self.rejected = because
        kept = f"; {self.active.revision} remains active" if self.active is not None else "; no revision is active"
        self.recorder.emit_once("rejected", events.SPEC_REJECTED, f"{revision[:7]}: {because}{kept}")


def _told(specs: Specs) -> str:
    wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
    more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return "; ".join(str(one) for one in wrong[:MOST_TOLD]) + more
