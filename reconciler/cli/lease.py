"""Lease of a stack: commands that write take it, one at a time and never beside a running controller."""

from __future__ import annotations

import getpass
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import errors, private_files
from reconciler.cli.output.terminal import echo

if TYPE_CHECKING:
    from reconciler.aws.client import Transport
    from reconciler.cli.session import Stack
    from reconciler.clock import Clock
    from reconciler.store.base import Record, Store
    from reconciler.store.lease import Lease

CONTEND_SECONDS = 1.0


def state_folder() -> Path:
    """State of this machine that may be lost: XDG_STATE_HOME, else ~/.local/state."""
    from reconciler.aws.response_cache import home

    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else home() / ".local" / "state") / "reconciler"


def open_store(
    text: str | None, transport: Transport, stack: str, account: str, region: str, endpoint: str | None
) -> Store:
    """`sqlite:PATH`, `dynamodb:TABLE`; without either, a file on this machine.

    A stack at an endpoint of its own, such as an emulator's, is another one than that of the same name in AWS.

    Raises `click.UsageError` for anything else, and `errors.StoreUnreachable`.
    """
    from reconciler.store.dynamodb import DynamoDb
    from reconciler.store.sqlite import Sqlite

    name = _store_key(stack, account, region, endpoint)
    if text is None:
        try:
            private_files.narrow_folder(state_folder())
        except OSError as error:
            raise errors.StoreUnreachable(f"the store's folder {state_folder()}: {error.strerror}") from error
        return Sqlite(state_folder() / f"{name}.db", name)
    scheme, _, location = text.partition(":")
    if scheme == "sqlite" and location:
        return Sqlite(Path(location), name)
    if scheme == "dynamodb" and location:
        return DynamoDb(transport, location, name)
    raise click.UsageError(f"--store must be sqlite:PATH or dynamodb:TABLE, not {text!r}")


def existing_store(stack: Stack) -> Store | None:
    """The store of a stack, if there is one: none is created. Raises what `open_store` raises."""
    place, endpoint = stack.target.place, stack.identity.endpoint
    where = (place.stack, place.account, place.region, endpoint)
    path = store_path(stack.store, *where)
    if path is not None and not path.exists():
        return None
    return open_store(stack.store, stack.signed_in.transport, *where)


def store_path(text: str | None, stack: str, account: str, region: str, endpoint: str | None) -> Path | None:
    """The file that `open_store` would open or create; None for another store."""
    if text is None:
        return state_folder() / f"{_store_key(stack, account, region, endpoint)}.db"
    scheme, _, location = text.partition(":")
    return Path(location) if scheme == "sqlite" and location else None


def _store_key(stack: str, account: str, region: str, endpoint: str | None) -> str:
    name = f"{stack}.{account}.{region}"
    return name if endpoint is None else f"{name}.{re.sub(r'[^0-9A-Za-z.-]+', '_', endpoint)}"


def table_of(store: str | None) -> str | None:
    """The DynamoDB table that a store is in, if it is in one."""
    scheme, _, name = (store or "").partition(":")
    return name if scheme == "dynamodb" and name else None


def holder(command: str) -> str:
    """`apply by ana@workstation (4711)`"""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{command} by {user}@{socket.gethostname()} ({os.getpid()})"


@contextmanager
def held(stack: Stack, command: str) -> Iterator[Lease]:
    """The stack's lease for the duration of a command, renewed meanwhile.

    Raises `errors.LeaseHeld` naming the holder, once it has renewed the lease. The lease of a process that died is
    taken over when it expires.
    """
    from reconciler.clock import SystemClock
    from reconciler.store.holder_report import HolderReport
    from reconciler.store.lease import Lease
    from reconciler.store.renewal import Renewal

    clock = SystemClock()  # processes share a lease: the emulator's faster clock does not apply to it
    place = stack.target.place
    store = open_store(
        stack.store, stack.signed_in.transport, place.stack, place.account, place.region, stack.identity.endpoint
    )
    try:
        lease = Lease(store.records, holder(command), clock, report=lambda: HolderReport(command))
        if not _acquired(lease, clock, place.stack):
            raise errors.LeaseHeld(
                f"stack {place.stack!r} is locked by {_holder_of(lease)} (active). If that is the controller, commit "
                "the change; `reconciler reconcile` requests a reconciliation"
            )
        stack.signed_in.gate.guard(lease)
        stack.held_store = store
        try:
            with Renewal(lease, clock):
                yield lease
        finally:
            stack.held_store = None
            stack.signed_in.gate.open()
            lease.release()
    finally:
        store.close()


def _acquired(lease: Lease, clock: Clock, stack: str) -> bool:
    """Contend until the lease is acquired, or its holder has renewed it.

    Only watching the lease for all of its time tells whether the holder is alive: no process knows what another one
    saw before.
    """
    if lease.acquire():
        return True
    first = lease.seen
    echo(
        f"stack {stack!r} is locked by {_holder_of(lease)}; "
        f"waiting up to {lease.ttl:.0f} s to see whether the lock holder is alive",
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


def _holder_of(lease: Lease) -> str:
    return "another process" if lease.seen is None else holder_of(lease.seen)


def holder_of(record: Record) -> str:
    """Who holds the lease, without the part that makes it unique."""
    return record.holder.rpartition("/")[0]
