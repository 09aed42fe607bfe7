"""The lease that commands which write take: one of them at a time, and never beside the loop."""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import errors

if TYPE_CHECKING:
    from reconciler.aws.client import Transport
    from reconciler.cli.connect import Stack
    from reconciler.clock import Clock
    from reconciler.store.base import Store
    from reconciler.store.lease import Lease

CONTEND_SECONDS = 1.0


def state_folder() -> Path:
    """Where this machine keeps what it may lose: XDG_STATE_HOME, else ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "reconciler"


def open_store(text: str | None, transport: Transport, stack: str, account: str, region: str) -> Store:
    """`sqlite:PATH`, `dynamodb:TABLE`; without either, a file of this machine.

    Raises `click.UsageError` for another word and `errors.StoreUnreachable`.
    """
    from reconciler.store.dynamodb import DynamoDb
    from reconciler.store.sqlite import Sqlite

    name = f"{stack}.{account}.{region}"
    if text is None:
        return Sqlite(state_folder() / f"{name}.db", name)
    sort, _, rest = text.partition(":")
    if sort == "sqlite" and rest:
        return Sqlite(Path(rest), name)
    if sort == "dynamodb" and rest:
        return DynamoDb(transport, rest, name)
    raise click.UsageError(f"--store is sqlite:PATH or dynamodb:TABLE, not {text!r}")


def holder(what: str) -> str:
    """`apply by ana@laptop (4711)`"""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        who = str(os.getuid())
    return f"{what} by {who}@{socket.gethostname()} ({os.getpid()})"


@contextmanager
def held(stack: Stack, what: str) -> Iterator[Lease]:
    """The stack's lease for the length of a command, renewed meanwhile.

    Raises `errors.LeaseHeld` with who has it, once that process has shown that it lives; of one that died the lease is
    taken over when its time is up.
    """
    from reconciler.clock import SystemClock
    from reconciler.store.lease import Lease
    from reconciler.store.renewal import Renewal

    clock = SystemClock()  # a lease is between processes: no laptop's hurry
    place = stack.wish.place
    store = open_store(stack.store, stack.transport, place.stack, place.account, place.region)
    try:
        lease = Lease(store.records, holder(what), clock)
        if not _ours(lease, clock, place.stack):
            raise errors.LeaseHeld(
                f"the stack {place.stack!r} is held by {_whose(lease)}, which is at work. Where it is the loop: save "
                "or commit the change, or `reconciler reconcile`"
            )
        stack.gate.guard(lease)
        try:
            with Renewal(lease, clock):
                yield lease
        finally:
            stack.gate.open()
            lease.release()
    finally:
        store.close()


def _ours(lease: Lease, clock: Clock, stack: str) -> bool:
    """Contend until the lease is ours, or its holder has renewed it. Whether a holder is dead can only be told by
    watching the lease for the whole of its time: no process knows what another one saw before."""
    if lease.acquire():
        return True
    first = lease.seen
    click.echo(
        f"the stack {stack!r} is held by {_whose(lease)}; watching for up to {lease.ttl:.0f} s whether it lives",
        err=True,
    )
    never, began = threading.Event(), clock.monotonic()
    while clock.monotonic() - began < lease.ttl + 2 * CONTEND_SECONDS:
        clock.wait(never, CONTEND_SECONDS)
        if lease.acquire():
            return True
        if first is None or lease.seen is None or lease.seen.version != first.version:
            return False
    return False


def _whose(lease: Lease) -> str:
    return "somebody else" if lease.seen is None else lease.seen.holder.rpartition("/")[0]
