"""Journals of a stack, for commands that show what is not in the account any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.cli.lease import existing_store
from reconciler.cli.output.terminal import echo

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.model.resource import Address, Desired
    from reconciler.store.audit_trail import AuditEntry
    from reconciler.store.drift_journal import DriftEntry
    from reconciler.store.task_stops import TaskStop


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store keeps: requests, stopped tasks and drift, the oldest first."""

    requests: tuple[AuditEntry, ...] = ()
    stops: tuple[TaskStop, ...] = ()
    drift: tuple[DriftEntry, ...] = ()

    def requests_of(self, address: str) -> tuple[AuditEntry, ...]:
        """Those about a service or a task, and those about the stack as a whole."""
        return tuple(entry for entry in self.requests if entry.address in ("", address))

    def stops_of(self, address: str) -> tuple[TaskStop, ...]:
        return tuple(stop for stop in self.stops if stop.address == address)

    def drift_of(self, address: Address, desired: Iterable[Desired[Any]]) -> tuple[DriftEntry, ...]:
        """Drift of a service or a task, of what it uses at any distance, and of what is for it alone."""
        wanted = {want.address: want.refs() for want in desired}
        about, todo = {address}, [address]
        while todo:
            new = wanted.get(todo.pop(), frozenset()) - about
            about |= new
            todo += new
        about |= {other for other, refs in wanted.items() if address in refs}
        names = set(map(str, about))
        return tuple(entry for entry in self.drift if entry.address in names)


def kept(stack: Stack) -> Kept:
    """Creates no store. A store that cannot be read costs no more than what it keeps, which is printed."""
    from reconciler.store.audit_trail import audit_trail
    from reconciler.store.drift_journal import drift_journal
    from reconciler.store.task_stops import task_stops

    try:
        store = existing_store(stack)
        if store is None:
            return Kept()
        with contextlib.closing(store):
            return Kept(audit_trail(store).read(), task_stops(store).read(), drift_journal(store).read())
    except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
        echo(f"warning: {error}; what only the store keeps is left out", err=True)
        return Kept()
