"""Who drives a stack, by its lease: the controller, a command such as `apply`, or nobody.

The lease is read and not contended for, so this is for people and for commands that would wait for an answer; what may
be written is decided by the lease itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reconciler import errors
from reconciler.cli.output.terminal import echo
from reconciler.store.holder_report import CONTROLLER, HolderReport, of_text

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.store.base import Record

NO_CONTROLLER: Final = "no-controller"
"""Code of a request that is refused because nobody would answer it."""
TAKEOVER_SECONDS: Final = 5.0
"""Time after the end of a dead holder's lease in which another process may still be acquiring it."""


class DrivenBy(StrEnum):
    CONTROLLER = "controller"
    COMMAND = "command"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DriverState:
    """`holder` is the process, such as `run by ana@ci-7 (4711)`; with nobody it is the one that has died, if any.

    `store` is where the lease was looked for. `because` is why nothing is known.
    """

    by: DrivenBy
    store: str
    holder: str = ""
    seen_at: datetime | None = None
    report: HolderReport = field(default_factory=HolderReport)
    because: str = ""

    @property
    def counts(self) -> bool:
        """Whether timers of the product's own engines may count: only nobody at all is known to count none."""
        return self.by is not DrivenBy.NOBODY


def driver_state(stack: Stack, *, applied: str) -> DriverState:
    """`applied` is the revision that a controller has recorded in the account as applied, or "" if none has."""
    from reconciler.clock import SystemClock

    name = _store_name(stack)
    try:
        record, copied = _read(stack)
    except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
        return DriverState(DrivenBy.UNKNOWN, name, because=str(error))
    holder = "" if record is None else record.holder.rpartition("/")[0]
    if record is not None and record.holder:
        report, age = of_text(record.report), (SystemClock().now() - record.renewed_at).total_seconds()
        if age <= record.ttl + TAKEOVER_SECONDS:
            by = DrivenBy.CONTROLLER if report.command == CONTROLLER else DrivenBy.COMMAND
            return DriverState(by, name, holder, record.renewed_at, report)
    if applied and not copied:
        because = (
            f"a controller has applied revision {applied[:7]}, and {name} knows of none: pass the --store of the "
            "controller"
        )
        return DriverState(DrivenBy.UNKNOWN, name, because=because)
    return DriverState(DrivenBy.NOBODY, name, holder, None if record is None else record.renewed_at)


def nobody_text(state: DriverState) -> str:
    """`nobody drives the stack: …`"""
    if state.holder and state.seen_at is not None:
        return f"{state.holder} has not renewed its lease since {state.seen_at:%d %b %H:%M:%S} UTC"
    return f"the lease in {state.store} is free"


AT_ONCE: Final = (
    "Add `--now` to execute it in this process: it takes the lease, does what follows at once, and returns. Or start "
    "`reconciler run`"
)


def answering(stack: Stack, what: str, *, applied: str, recorded: bool, ways: str) -> DriverState:
    """Who will answer the request `what`.

    Raises `errors.Refused` with the `ways` that are left if that is known to be nobody, unless the request is to be
    `recorded` all the same.
    """
    state = driver_state(stack, applied=applied)
    if state.by is DrivenBy.UNKNOWN:
        echo(f"warning: it is not known whether a controller runs: {state.because}; waiting for an answer", err=True)
    if state.by is not DrivenBy.NOBODY:
        return state
    because = f"no controller runs for stack {stack.target.place.stack!r}: {nobody_text(state)}"
    if not recorded:
        elsewhere = "" if stack.store else "; if it uses another store, pass its --store"
        raise errors.Refused(f"{what}: {because}; nothing was recorded. {ways}{elsewhere}", code=NO_CONTROLLER)
    echo(f"warning: {because}; waiting for one to start", err=True)
    return state


def stopped(stack: Stack, awaited: DriverState, *, applied: str) -> bool:
    """Whether who was to answer has stopped meanwhile, which is printed."""
    if awaited.by not in (DrivenBy.CONTROLLER, DrivenBy.COMMAND):
        return False
    state = driver_state(stack, applied=applied)
    if state.by is not DrivenBy.NOBODY:
        return False
    echo(f"warning: {awaited.holder} has stopped: {nobody_text(state)}", err=True)
    return True


def _store_name(stack: Stack) -> str:
    return stack.store or "the store of this machine"


def _read(stack: Stack) -> tuple[Record | None, bool]:
    """The lease, and whether a controller has stored a revision beside it. Creates no store.

    Raises `errors.StoreUnreachable` and `errors.StoreFormatUnknown`.
    """
    from reconciler.cli.lease import existing_store

    store = existing_store(stack)
    if store is None:
        return None, False
    try:
        return store.records.read(), store.copies.read() is not None
    finally:
        store.close()
