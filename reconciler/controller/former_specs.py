"""Former specs: those that were carried out last, for what a newer revision leaves out while its plan is refused, or
deletes later.

A running process remembers them. One that has just started has them from the store: the copy of the last accepted
revision, which may have been carried out, and the one that was carried out before that was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from reconciler import errors
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched

BEFORE: Final = 2
"""Revisions before the one that was carried out last. After a start it is not known which of two that was."""


@dataclass(slots=True)
class FormerSpecs:
    """`compile` raises `errors.ReconcilerError` for specs that are not valid for this version, of which `unusable` is
    told.
    """

    compile: Callable[[Fetched], DesiredState]
    unusable: Callable[[errors.CopyUnusable], None]
    _kept: tuple[Archive, ...] = field(init=False, default=())
    _states: dict[str, DesiredState | None] = field(init=False, default_factory=dict)
    _carried_out: bool = field(init=False, default=False)

    def begin(self, stored: Archive | None) -> None:
        """Another process may have led since: only what is stored is known."""
        former = () if stored is None or stored.former is None else (stored.former,)
        self._kept, self._states, self._carried_out = () if stored is None else (stored, *former), {}, False

    def carried_out(self, archive: Archive, state: DesiredState) -> None:
        """Those before are kept, for what this one deletes later."""
        before = [one for one in self._kept if one.revision.id != archive.revision.id][:BEFORE]
        self._kept, self._carried_out = (archive, *before), True
        known = {one.revision.id for one in before} & self._states.keys()
        self._states = {archive.revision.id: state, **{id: self._states[id] for id in known}}

    @property
    def states(self) -> tuple[DesiredState, ...]:
        """The newest first."""
        for one in self._kept:
            if one.revision.id not in self._states:
                self._states[one.revision.id] = self._compiled(one)
        several = (self._states[one.revision.id] for one in self._kept)
        return tuple(state for state in several if state is not None)

    def _compiled(self, archive: Archive) -> DesiredState | None:
        try:
            return self.compile(archive.fetched)
        except errors.ReconcilerError as error:
            self.unusable(errors.CopyUnusable(f"{archive.revision} is not valid for this controller: {error}"))
            return None

    def to_store(self, applied: str | None) -> Archive | None:
        """What is stored beside the next revision. `applied` is the one that was in place last."""
        newest = next(iter(self._kept), None)
        if newest is None or self._carried_out or len(self._kept) == 1 or newest.revision.id == applied:
            return newest
        return self._kept[-1]
