"""run: the loop, as a process: its specs, its lease, and everything that watches it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors, events
from reconciler.cli import options, signals, sources, watching
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, look_of
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.aws.client import Transport
    from reconciler.aws.session import Boto
    from reconciler.cli.connect import Signed
    from reconciler.controller.controller import Controller
    from reconciler.controller.status import ControllerStatus
    from reconciler.notifications.notifier import Notifier
    from reconciler.rollout.release import RolloutTarget
    from reconciler.rollout.spec import RolloutSpec
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics
    from reconciler.source.base import Source
    from reconciler.spec.documents import Stack
    from reconciler.spec.specs import Specs
    from reconciler.store.lease import Lease

STORE_SECONDS = 5.0
NOTIFIED_SECONDS = 2.0
"""What all notifications that are left get in the end."""


@click.command()
@options.specs
@click.option("--source", metavar="URL", help="A Git repository: https://…#branch:path. Default: FOLDER, watched.")
@click.option("--poll", default=30.0, metavar="SECONDS", help="How often to ask the Git repository.", show_default=True)
@click.option("--any-history", is_flag=True, help="Take commits that do not descend from the one applied last.")
@click.option("--allowed-signers", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Take only commits signed by one of these SSH keys (ssh-keygen's format).")  # fmt: skip
@click.option("--interval", default=15.0, metavar="SECONDS", help="Between two fast passes.", show_default=True)
@click.option("--listen", metavar="HOST:PORT", help="Serve /healthz, /readyz and /metrics.")
@click.option("--notify", multiple=True, metavar="WHERE", help="slack:URL, webhook:URL or sns:ARN; several times.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), help="Default: text on a terminal, JSON elsewhere."
)
@options.store
@options.aws
@options.look
def run(
    folder: Path | None,
    environment: str | None,
    source: str | None,
    poll: float,
    any_history: bool,
    allowed_signers: Path | None,
    interval: float,
    listen: str | None,
    notify: tuple[str, ...],
    output: str | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Keep AWS equal to the specs until SIGTERM: every change is applied, drift is put back, versions roll out.

    Exit 143 after SIGTERM and 130 after Ctrl-C, when everything has been handed over.
    """
    from reconciler.cli import logs
    from reconciler.clock import SystemClock

    text = output == "text" or (output is None and sys.stdout.isatty())
    look = look_of(sys.stdout, color) if text else None
    level = verbose if text else max(verbose, 1)
    where, wake = Where(**aws), threading.Event()
    logs.configure(level)

    def told(number: signal.Signals) -> None:
        wake.set()
        log.info(events.STOPPING, signal=number.name)

    with contextlib.ExitStack() as inside:
        stopping = inside.enter_context(signals.stopping(told, signals.vanish))
        stop = stopping.stop
        found = inside.enter_context(
            sources.opened(folder, source, where, poll=poll, any_history=any_history, signers=allowed_signers)
        )
        post = _Post(found, environment, where, interval, notify, look, level, stop, wake)
        if listen is not None:
            inside.enter_context(watching.served(listen, post.health, post.metrics))
        first = sources.first_good(found, environment, SystemClock(), stop, post.health.beat)
        if first is not None:
            post.serve(first, inside)
        return stopping.code


@dataclass(slots=True)
class _Post:
    """Of the one who may write. Health and metrics are the process's: they can be asked before there is a loop."""

    source: Source
    environment: str | None
    where: Where
    interval: float
    notify: tuple[str, ...]
    look: Look | None
    level: int
    stop: threading.Event
    wake: threading.Event
    health: Health = field(init=False)
    metrics: Metrics = field(init=False)
    _standing: Callable[[], ControllerStatus] = field(init=False)

    def __post_init__(self) -> None:
        from reconciler.controller.status import ControllerStatus
        from reconciler.server.health import Health
        from reconciler.server.metrics import Metrics

        self._standing = lambda: ControllerStatus(lease_held=False)
        self.health = Health(lambda: self._standing())
        self.metrics = Metrics(lambda: self._standing())

    def serve(self, specs: Specs, inside: contextlib.ExitStack) -> None:
        """Contend for the lease, reign, and hand over; again and again, until we are stopped."""
        from reconciler.cli import logs
        from reconciler.cli.connect import sign_in
        from reconciler.cli.holding import holder, open_store
        from reconciler.clock import SystemClock
        from reconciler.controller import status
        from reconciler.server.health import Beating, Watched
        from reconciler.source.watch import Watch
        from reconciler.store.lease import Lease
        from reconciler.store.renewal import acquired

        def watched(transport: Transport) -> Transport:
            return Watched(transport, self.health, self.metrics.refused)

        signed = sign_in(specs, self.where, verbose=self.level, around=watched)
        inside.callback(signed.aws.close)
        inside.enter_context(signals.hurried(self.stop, signed.aws.close))
        assert specs.stack is not None
        stack, identity = specs.stack.name, signed.identity
        unfenced = self._unfenced(signed, stack)
        store = open_store(self.where.store, unfenced, stack, identity.account, identity.region)
        inside.callback(store.close)
        lease = Lease(store.records, holder("run"), SystemClock())
        logs.configure(self.level, stack=stack, region=identity.region, account=identity.account)
        notifiers = self._notifiers(unfenced, stack, inside)
        loop = self._loop(specs.stack, signed, notifiers)
        self._standing = lambda: status.of(loop, lease, notifiers)
        clock = Beating(SystemClock(), self.health)
        with Watch(self.source, SystemClock(), last=lambda: loop.revisions.handled, wake=self.wake.set):
            while not self.stop.is_set():
                try:
                    if not acquired(lease, clock, self.stop, patience=None):
                        return
                except errors.StoreUnreachable as error:
                    log.warning(events.LEASE_UNSURE, reason=str(error), left=0)
                    clock.wait(self.stop, STORE_SECONDS)
                    continue
                signed.gate.guard(lease)
                _reign(loop, lease)

    def _unfenced(self, signed: Signed, stack: str) -> Boto:
        """For the store and for notifications, which are written without the lease, too."""
        from reconciler.aws.session import Boto

        return Boto(
            signed.identity.region,
            profile=self.where.profile,
            endpoint=signed.transport.endpoint,
            assume_role=self.where.assume_role,
            stack=stack,
            anonymous=self.where.local,
            read_timeout=STORE_SECONDS,
        )

    def _notifiers(self, unfenced: Boto, stack: str, inside: contextlib.ExitStack) -> list[Notifier]:
        from reconciler.notifications.notifier import Notifier, parse

        found = [Notifier(parse(text, unfenced), stack=stack) for text in self.notify]
        for notifier in found:
            inside.callback(notifier.close, NOTIFIED_SECONDS / len(found))
        return found

    def _loop(self, stack: Stack, signed: Signed, notifiers: Iterable[Notifier]) -> Controller:
        from reconciler.cli.rolling import reach_of
        from reconciler.controller.controller import Controller
        from reconciler.controller.events import EventRecorder
        from reconciler.controller.revisions import RevisionTracker
        from reconciler.controller.schedule import Intervals
        from reconciler.model.planner import ObservedState
        from reconciler.model.resource_type import discover
        from reconciler.rollout_driver.smoke_tests import SmokeTests

        def reach(delivery: RolloutSpec, subject: RolloutTarget) -> str:
            return reach_of(signed.identity.endpoint, loop.world or ObservedState())(delivery, subject)

        def begin() -> None:
            self.health.beat()
            signed.gate.begin()

        shown = () if self.look is None else (watching.shown(self.look),)
        recorder = EventRecorder(signed.aws.clock, (*notifiers, *shown, self.health.on_entry, self.metrics.on_entry))
        loop = Controller(
            signed.aws,
            discover(),
            RevisionTracker(self.source, sources.compiler(stack, signed), recorder, self.environment),
            recorder,
            SmokeTests(reach),
            reports=(self.health.on_pass, self.metrics.on_pass),
            begin=begin,
            rhythm=Intervals(fast=self.interval),
            stop=self.stop,
            wake=self.wake,
        )
        return loop


def _reign(loop: Controller, lease: Lease) -> None:
    """From a lease that was just taken until it is given back, or lost."""
    from reconciler.clock import SystemClock
    from reconciler.store.renewal import Renewal

    log.info(events.LEASE_HELD, holder=lease.holder, epoch=lease.epoch)
    try:
        with Renewal(lease, SystemClock()) as renewal:
            loop.run(lost=renewal.lost)
    except errors.LeaseLost as error:
        log.error(events.LEASE_LOST, reason=str(error))
    finally:
        _release(lease)


def _release(lease: Lease) -> None:
    """Let others in at once; where the store does not answer, they come in when the lease is over."""
    try:
        lease.release()
    except errors.StoreUnreachable as error:
        log.warning(events.LEASE_UNSURE, reason=str(error), left=0)
