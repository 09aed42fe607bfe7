"""Former specs: those that were carried out last, for what a newer revision leaves out while its plan is refused.

A running process remembers them. One that has just started has them from the store: the copy of the last accepted
revision, which may have been carried out, and the one that was carried out before that was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler import errors
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched


@dataclass(slots=True)
class FormerSpecs:
    """`compile` raises `errors.ReconcilerError` for specs that are not valid for this version, of which `unusable` is
    told.
    """

    compile: Callable[[Fetched], DesiredState]
    unusable: Callable[[errors.CopyUnusable], None]
    _kept: tuple[Archive, ...] = field(init=False, default=())
    _states: tuple[DesiredState, ...] | None = field(init=False, default=())

    def begin(self, stored: Archive | None) -> None:
        """Another process may have led since: only what is stored is known."""
        former = () if stored is None or stored.former is None else (stored.former,)
        self._kept, self._states = () if stored is None else (stored, *former), None

    def carried_out(self, archive: Archive, state: DesiredState) -> None:
        self._kept, self._states = (archive,), (state,)

    @property
    def states(self) -> tuple[DesiredState, ...]:
        """The newest first."""
        if self._states is None:
            self._states = tuple(state for one in self._kept if (state := self._compiled(one)) is not None)
        return self._states

    def _compiled(self, archive: Archive) -> DesiredState | None:
        try:
            return self.compile(archive.fetched)
        except errors.ReconcilerError as error:
            self.unusable(errors.CopyUnusable(f"{archive.revision} is not valid for this controller: {error}"))
            return None

    def to_store(self, applied: str | None) -> Archive | None:
        """What is stored beside the next revision. `applied` is the one that was in place last."""
        newest = next(iter(self._kept), None)
        if newest is None or len(self._kept) == 1 or newest.revision.id == applied:
            return newest
        return self._kept[-1]
