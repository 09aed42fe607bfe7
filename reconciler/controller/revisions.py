"""Revision tracker: the last good revision of the source, compiled. Problems of a newer one are reported once.

A revision is accepted as a whole or rejected. The revision that was applied last is known only after the account was
read, so a new process checks twice that its revision follows that one; while that cannot be checked, nothing of it is
applied. What is being rolled out already does not depend on that: it goes on. Only a timer does not promote it once its
commit was withdrawn, which is when the history of the specs does not contain it any more.

The last accepted revision is also stored (controller/accepted_revision.py). A new process whose source has no good
revision restores it, and is then where it was before: what the source says is judged by the restored revision.

It is one class because every answer depends on which revision is active.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler import errors, events
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.events import EventRecorder
from reconciler.controller.former_specs import FormerSpecs
from reconciler.model.resource import Address, Desired
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Revision, Source
from reconciler.spec.diagnostics import Severity
from reconciler.spec.specs import Specs

MOST_TOLD = 5
"""Number of errors of a revision in one message; `reconciler validate` shows all of them."""


@dataclass(frozen=True, slots=True)
class ActiveRevision:
    """A revision and the desired state that it compiles to."""

    revision: Revision
    desired_state: DesiredState

    @property
    def wanted(self) -> dict[Address, Desired[Any]]:
        return {want.address: want for want in self.desired_state.desired}


class Revisions(Protocol):
    """Source of revisions for the controller.

    `recorded`: the applied revision is stored on the stack and requests are answered, by a controller but not by a
    command. `interval`: seconds between two checks while no revision is active. `withdrawn`: why the revision applied
    last is not in the history of the specs any more. `unreachable`: why the source cannot be read. `restored`: why the
    active revision was restored from the store. `former`: the specs that may have been carried out last, which are
    those of the active revision unless its plan is refused.
    """

    active: ActiveRevision | None
    handled: str | None
    rejected: str
    withdrawn: str
    unreachable: str
    restored: str
    recorded: bool

    @property
    def interval(self) -> float: ...
    def look(self, applied: str | None, accepted: str = "") -> bool: ...
    def withheld(self, applied: str | None, accepted: str = "") -> str: ...
    def doubt(self) -> None: ...
    def carried_out(self) -> None: ...
    def former(self) -> tuple[DesiredState, ...]: ...


@dataclass(slots=True)
class FixedRevision:
    """The one revision of a command."""

    active: ActiveRevision | None
    handled: str | None = None
    rejected: str = ""
    withdrawn: str = ""
    unreachable: str = ""
    restored: str = ""
    recorded: bool = False
    interval: float = 0.0
    _news: bool = field(init=False, default=True)

    def look(self, applied: str | None, accepted: str = "") -> bool:
        news, self._news = self._news, False
        return news

    def withheld(self, applied: str | None, accepted: str = "") -> str:
        return ""

    def carried_out(self) -> None:
        """There is no other revision."""

    def former(self) -> tuple[DesiredState, ...]:
        return ()

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
    store: AcceptedRevision | None = None
    active: ActiveRevision | None = field(init=False, default=None)
    handled: str | None = field(init=False, default=None)
    rejected: str = field(init=False, default="")
    withdrawn: str = field(init=False, default="")
    unreachable: str = field(init=False, default="")
    restored: str = field(init=False, default="")
    recorded: bool = field(init=False, default=True)
    _followed: bool = field(init=False, default=False)
    _withheld: str = field(init=False, default="")
    _after: str | None = field(init=False, default=None)
    _accepted: str | None = field(init=False, default=None)
    _taken_after: str | None = field(init=False, default=None)
    _follows: tuple[str, str | None] | None = field(init=False, default=None)
    _fetched_active: Fetched | None = field(init=False, default=None)
    _stored: Archive | None = field(init=False, default=None)
    _stored_read: bool = field(init=False, default=False)
    _former: FormerSpecs = field(init=False)

    def __post_init__(self) -> None:
        self._former = FormerSpecs(self._compiled, self._unusable)

    @property
    def interval(self) -> float:
        return self.source.interval

    def look(self, applied: str | None, accepted: str = "") -> bool:
        """Fetch the current revision, which must follow `applied`. True if a new one was accepted.

        `accepted` is the start of the id of one that need not follow.
        """
        if not self._stored_read and not self._read_stored():
            return False
        try:
            known = self.handled is not None and not self.source.changed(self.handled)
            news = self.handled != self._accepted and _is_accepted(self.handled, accepted)
            again = self.withdrawn and (self._expected(applied) != self._after or news)
            if known and not again:
                self._reached()
                return False
            fetched = self._fetched(applied, accepted)
        except errors.SourcePending:
            return False
        except errors.SourceUnreachable as error:
            self.unreachable = str(error)
            self.recorder.emit_once("source", events.SOURCE_UNREACHABLE, str(error))
            return self._restore(str(error), applied)
        except errors.RevisionRejected as error:
            self._reached()
            self.handled = error.revision or self.handled
            return self._refuse(error, applied)
        self._reached()
        if fetched.revision.id == self.handled and not self.withdrawn:
            return False
        self.handled = fetched.revision.id
        return self._take(fetched, applied)

    def withheld(self, applied: str | None, accepted: str = "") -> str:
        """Why the active revision must not be applied, or "" if it follows `applied`, the one applied before.

        A source knows that of its newest revision only, and is asked until it has answered. A revision that follows is
        stored before it is applied. Raises `errors.SourceUnreachable`, `errors.StoreUnreachable`, `errors.LeaseLost`.
        """
        assert self.active is not None
        mine = self.active.revision
        known = applied in (None, mine.id, *self._predecessors()) or self._follows == (mine.id, applied)
        if not self._followed and not self._withheld and not known:
            try:
                fetched = self._fetched(applied, accepted)
            except errors.RevisionRejected as error:
                self._withheld, self.recorder.revision = str(error), ""
                self._reject(error)
                return self._withheld
            if fetched.revision.id != mine.id:
                raise errors.SourceUnreachable(f"{self.source.name} has moved to {fetched.revision.short}")
            self._fetched_active = fetched
        self._followed = not self._withheld
        if self._followed:
            self._store(applied)
        return self._withheld

    def former(self) -> tuple[DesiredState, ...]:
        return self._former.states

    def carried_out(self) -> None:
        """The plan of the active revision is not refused."""
        assert self.active is not None
        assert self._fetched_active is not None
        self._former.carried_out(Archive(self._fetched_active, self.environment), self.active.desired_state)

    def doubt(self) -> None:
        """Another process may have applied another revision since."""
        self._followed, self._withheld, self._stored_read = False, "", False

    def _reached(self) -> None:
        self.unreachable = ""
        self.recorder.resolve("source", events.SOURCE_REACHABLE, self.source.name)

    def _fetched(self, applied: str | None, accepted: str) -> Fetched:
        self._after = self._expected(applied)
        try:
            fetched = self.source.fetch(after=self._after)
        except errors.HistoryRewritten as error:
            if not _is_accepted(error.revision, accepted):
                raise
            self._accepted = error.revision
            fetched = self.source.fetch()
        self._follows = fetched.revision.id, self._after
        return fetched

    def _take(self, fetched: Fetched, applied: str | None) -> bool:
        try:
            self._activate(fetched)
        except errors.ReconcilerError as error:
            return self._refuse(errors.RevisionRejected(str(error), revision=fetched.revision.id), applied)
        self.rejected, self.withdrawn, self._withheld, self.restored = "", "", "", ""
        self._taken_after = self._after
        for condition in ("rejected", "stored"):
            self.recorder.clear(condition)
        self.recorder.emit(events.REVISION_TAKEN, "", f"revision {fetched.revision} accepted")
        return True

    def _activate(self, fetched: Fetched) -> None:
        """Raises `errors.ReconcilerError` if the specs are not valid."""
        self.active = ActiveRevision(fetched.revision, self._compiled(fetched))
        self._fetched_active = fetched
        self.recorder.revision = fetched.revision.short

    def _compiled(self, fetched: Fetched) -> DesiredState:
        specs = fetched.specs(self.environment)
        if not specs.ok:
            raise errors.SpecInvalid(_told(specs))
        return self.compile(specs)

    def _refuse(self, error: errors.RevisionRejected, applied: str | None) -> bool:
        """Reject the newest revision. True if the stored one was restored instead."""
        restored = self._restore(str(error), applied)
        self._reject(error)
        return restored

    def _reject(self, error: errors.RevisionRejected) -> None:
        self.rejected = str(error)
        active = self.active.revision if self.active is not None else None
        kept = (
            "; no revision is active" if active is None or active.id == error.revision else f"; {active} remains active"
        )
        if isinstance(error, errors.HistoryRewritten):
            self.withdrawn = "the commit of this release was withdrawn: the history of the specs was rewritten"
            kept += f"; `reconciler reconcile --accept-history {error.revision[:7]}` accepts it"
        details = {"commit": error.revision} if error.revision else {}
        self.recorder.emit_once(
            "rejected", events.SPEC_REJECTED, f"{error.revision[:7]}: {error}{kept}", details=details
        )

    # -- the stored revision

    def _read_stored(self) -> bool:
        """Read the stored revision at the start of a leadership term. False if that is to be tried again."""
        self._stored = None
        try:
            self._stored = None if self.store is None else self.store.read()
        except errors.StoreUnreachable as error:
            because, details = f"cannot read the last accepted revision: {error}", {"code": error.code}
            self.recorder.emit_once("stored", events.COPY_UNUSABLE, because, details=details)
            return False
        except errors.CopyUnusable as error:
            self._unusable(error)
        self._stored_read = True
        self._former.begin(self._stored)
        if self._stored is not None and self.active is not None and self.active.revision.id != self._stored.revision.id:
            self.handled = None  # another process has accepted it since
        return True

    def _restore(self, because: str, applied: str | None) -> bool:
        """Make the stored revision the active one until one is known to follow. True if it was not active yet."""
        stored = self._stored
        if stored is None or self._followed:
            return False
        if self.active is not None and self.active.revision.id == stored.revision.id:
            return False
        if applied is not None and applied not in (stored.revision.id, stored.follows):
            self._unusable(errors.CopyUnusable(f"it is {stored.revision}, and {applied[:7]} was applied since"))
            return False
        try:
            self._activate(stored.fetched)
        except errors.ReconcilerError as error:
            self._unusable(errors.CopyUnusable(f"{stored.revision} is not valid for this controller: {error}"))
            return False
        self.restored = because
        message = f"{stored.revision}, the last accepted one, since the newest cannot be used: {because}"
        self.recorder.emit(events.REVISION_RESTORED, "", message)
        return True

    def _unusable(self, error: errors.CopyUnusable) -> None:
        because = f"without its source, the last accepted revision cannot be restored: {error}"
        self.recorder.emit_once("stored", events.COPY_UNUSABLE, because)

    def _expected(self, applied: str | None) -> str | None:
        """What a revision has to follow: until the applied revision was read, the stored one."""
        unread = applied is None and not self._followed
        return self._stored.revision.id if unread and self._stored is not None else applied

    def _predecessors(self) -> tuple[str, ...]:
        """Revisions that the active one is known to follow, by what was stored when it was accepted."""
        assert self.active is not None
        stored = self._stored
        if stored is None or stored.revision.id not in (self.active.revision.id, self._taken_after):
            return ()
        return stored.revision.id, stored.follows

    def _store(self, applied: str | None) -> None:
        if self.store is None:
            return
        assert self._fetched_active is not None
        try:
            self.store.write(self._fetched_active, follows=applied or "", former=self._former.to_store(applied))
        except errors.CopyUnusable as error:
            self._unusable(error)


def _is_accepted(revision: str | None, accepted: str) -> bool:
    return bool(accepted) and revision is not None and revision.startswith(accepted)


def _told(specs: Specs) -> str:
    wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
    more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return "; ".join(str(one) for one in wrong[:MOST_TOLD]) + more
