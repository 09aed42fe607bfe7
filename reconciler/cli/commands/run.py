"""Run the controller, which keeps AWS in sync with the specs.

It is one module because the process is put together in one place: its source, its lease, its server and its console.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reconciler import errors, events
from reconciler.cli import http_endpoint, last_accepted, options, signals, spec_source
from reconciler.cli.console.late import Late, served
from reconciler.cli.console.settings import ConsoleSettings, console_options
from reconciler.cli.options import Where
from reconciler.cli.output.queued import drain, queued
from reconciler.cli.output.terminal import Look, look_of
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.aws.client import Transport
    from reconciler.aws.session import Boto
    from reconciler.cli.console.controller_source import ControllerSource
    from reconciler.cli.session import SignedIn
    from reconciler.controller.accepted_revision import AcceptedRevision
    from reconciler.controller.controller import Controller
    from reconciler.controller.event_listener import EventListener
    from reconciler.controller.status import ControllerStatus
    from reconciler.notifications.targets import Targets
    from reconciler.reconcile.result import PassResult
    from reconciler.rollout.release import RolloutTarget
    from reconciler.rollout.spec import RolloutSpec
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics
    from reconciler.source.background import Background
    from reconciler.spec.specs import Specs
    from reconciler.store.base import Store

NOTIFIED_SECONDS = 2.0
"""Time for the notifications that are pending at shutdown."""


@click.command()
@options.specs
@click.option("--source", metavar="URL", help="Git repository: https://…#branch:path. Default: FOLDER, watched.")
@click.option("--stack", metavar="NAME", help="The stack as commands show it (my-app, my-app@staging), by which its "
              "last accepted revision is found if the source cannot be read at the start; with --region.")  # fmt: skip
@click.option("--poll", default=30.0, metavar="SECONDS", help="Poll interval of the Git repository.", show_default=True)
@click.option("--any-history", is_flag=True, help="Accept commits that do not descend from the last applied one.")
@click.option("--allowed-signers", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Accept only commits signed by these SSH keys (ssh-keygen's allowed signers).")  # fmt: skip
@click.option(
    "--interval", default=15.0, metavar="SECONDS", help="Interval between two quick passes.", show_default=True
)
@click.option("--listen", metavar="HOST:PORT", help="Serve /healthz, /readyz and /metrics.")
@options.notify
@options.notify_link
@click.option("-o", "--output", type=click.Choice(["text", "json"]), help="Default: text on a terminal, else JSON.")
@console_options
@options.store
@options.aws
@options.look
def run(
    folder: Path | None,
    environment: str | None,
    source: str | None,
    stack: str | None,
    poll: float,
    any_history: bool,
    allowed_signers: Path | None,
    interval: float,
    listen: str | None,
    settings: ConsoleSettings,
    notify: tuple[str, ...],
    notify_link: str,
    output: str | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Run the controller until SIGTERM or Ctrl-C: it applies changes, corrects drift and rolls out new versions.

    After a clean shutdown it exits with 143 (SIGTERM) or 130 (Ctrl-C).
    """
    from reconciler.cli import logs
    from reconciler.clock import SystemClock

    inside = contextlib.ExitStack()
    inside.enter_context(queued())
    text = output == "text" or (output is None and sys.stdout.isatty())
    look = look_of(sys.stdout, color) if text else None
    level = verbose if text else max(verbose, 1)
    where, wake = Where(**aws), threading.Event()
    http_endpoint.checked(listen, settings)
    logs.configure(level)

    def on_signal(number: signal.Signals) -> None:
        wake.set()
        log.info(events.STOPPING, signal=number.name)

    with inside:
        stopping = inside.enter_context(signals.stopping(on_signal, signals.vanish))
        stop, cut = stopping.stop, threading.Event()
        ends: list[Callable[[], None]] = [cut.set]
        inside.enter_context(signals.hurried(stop, lambda: _call(ends), lambda: _abandon(stopping)))
        found = inside.enter_context(
            spec_source.opened(
                folder, source, where, poll=poll, any_history=any_history, signers=allowed_signers, ready=wake.set
            )
        )
        process = ControllerProcess(
            found, environment, where, interval, notify, notify_link, look, level, stop, cut, wake, ends
        )
        if listen is not None:
            inside.enter_context(served(process.console, listen, process.health, process.metrics, settings, look))

        def restored(invalid: Specs | None) -> Specs:
            return last_accepted.last_accepted(found, environment, where, stack, invalid, cut)

        first = spec_source.first_valid(
            found, environment, SystemClock(), stop, process.health.beat, stack=stack, restored=restored
        )
        if first is not None:
            try:
                signed_in = process.sign_in(first, restored)
            except errors.ReconcilerError:
                if cut.is_set():
                    return stopping.code
                raise
            process.serve(*signed_in, inside)
        return stopping.code


def _call(ends: Iterable[Callable[[], None]]) -> None:
    for end in ends:
        end()


def _abandon(stopping: signals.Stopping) -> NoReturn:
    """Exit without waiting for calls in flight: the lease expires, as after a crash."""
    log.error(events.STOPPING, because="calls in flight did not end in time and are abandoned")
    drain()
    os._exit(stopping.code)


@dataclass(slots=True)
class ControllerProcess:
    """Process of the controller. Its health and metrics are served before the first valid revision, too."""

    source: Background
    environment: str | None
    where: Where
    interval: float
    notify: tuple[str, ...]
    notify_link: str
    look: Look | None
    level: int
    stop: threading.Event
    cut: threading.Event
    """Set once calls in flight are to end."""
    wake: threading.Event
    ends: list[Callable[[], None]]
    """What ends calls that are in flight when the process is to stop."""
    health: Health = field(init=False)
    metrics: Metrics = field(init=False)
    console: Late = field(init=False)
    """What the console shows, once there is anything."""
    _asked: threading.Event = field(init=False, default_factory=threading.Event)
    """Set once somebody has asked for something in the console."""
    _status: Callable[[], ControllerStatus] = field(init=False)

    def __post_init__(self) -> None:
        from reconciler.controller.status import ControllerStatus
        from reconciler.server.health import Health
        from reconciler.server.metrics import Metrics

        self.console = Late()
        self._status = lambda: ControllerStatus(lease_held=False)
        self.health = Health(lambda: self._status())
        self.metrics = Metrics(lambda: self._status())

    def sign_in(self, specs: Specs, restored: Callable[[Specs | None], Specs]) -> tuple[Specs, SignedIn]:
        """Sign in for `specs`; or for the last accepted revision, if there is one and `specs` are for another account.

        Raises `errors.WrongAccount`, `errors.WrongRegion`, `errors.CredentialsMissing`.
        """
        from reconciler.cli.session import sign_in
        from reconciler.server.health import Watched

        def signed_in(these: Specs) -> tuple[Specs, SignedIn]:
            return these, sign_in(these, self.where, verbose=self.level, around=watched, stop=self.cut)

        def watched(transport: Transport) -> Transport:
            return Watched(transport, self.health, self.metrics.refused)

        try:
            return signed_in(specs)
        except (errors.WrongAccount, errors.WrongRegion) as error:
            try:
                accepted = restored(specs)
            except errors.CopyUnusable:
                raise error from None
            log.error(events.SPEC_REJECTED, source=self.source.name, message=str(error))
            return signed_in(accepted)

    def serve(self, specs: Specs, signed_in: SignedIn, inside: contextlib.ExitStack) -> None:
        """Acquire the lease and run while it is held; again and again, until the process is stopped."""
        from reconciler.cli import logs
        from reconciler.cli.console.controller_source import ControllerSource
        from reconciler.cli.console.process import Beside
        from reconciler.cli.event_history import event_listener
        from reconciler.cli.lease import holder, open_store
        from reconciler.clock import SystemClock
        from reconciler.controller import status
        from reconciler.controller.accepted_revision import AcceptedRevision
        from reconciler.controller.leader_election import lead
        from reconciler.controller.lease_report import LeaseReport
        from reconciler.server.health import Beating
        from reconciler.source.watch import Watch
        from reconciler.store.lease import Lease

        inside.callback(signed_in.aws.close)
        self.ends.append(signed_in.aws.close)
        assert specs.stack is not None
        stack, identity = specs.stack_id, signed_in.identity
        named = last_accepted.StackName(stack, identity.region)
        unfenced = last_accepted.store_transport(named, self.where, signed_in.transport.endpoint)
        store = open_store(self.where.store, unfenced, stack, identity.account, identity.region, identity.endpoint)
        inside.callback(store.close)
        lease = Lease(store.records, holder("run"), SystemClock())
        logs.configure(self.level, stack=stack, region=identity.region, account=identity.account)
        targets = self._targets(unfenced, stack, inside)
        accepted = AcceptedRevision(
            store.copies,
            self.environment,
            epoch=lambda: lease.epoch,
            fence=signed_in.gate,
            verified=self.source.verified,
        )
        report = LeaseReport(lambda: controller)
        source = ControllerSource(lambda: controller, lease, report, identity, stack, identity.account, identity.region)
        inside.callback(source.close)
        listener = inside.enter_context(event_listener(signed_in, stack, self.wake.set))
        controller = self._controller(specs, signed_in, targets, accepted, report.on_pass, store, source, listener)
        lease.report = report
        beside = Beside(lambda: controller, specs, signed_in, unfenced, self.where.store, self._nudge)
        beside.fill(self.console, source, self.cut)
        self._status = lambda: status.of(controller, lease, targets.all)
        with Watch(self.source.inner, SystemClock(), last=lambda: controller.revisions.handled, wake=self.wake.set):
            lead(controller, lease, Beating(SystemClock(), self.health), elected=lambda: signed_in.gate.guard(lease))

    def _nudge(self) -> None:
        """Look at the account now: somebody has asked for something."""
        self._asked.set()
        self.wake.set()

    def _targets(self, unfenced: Boto, stack: str, inside: contextlib.ExitStack) -> Targets:
        from reconciler.notifications import targets
        from reconciler.source.directory import Directory

        in_git = not isinstance(self.source.inner, Directory)
        found = targets.opened(self.notify, unfenced, stack, self.notify_link, in_git=in_git)
        inside.callback(found.close, NOTIFIED_SECONDS)
        return found

    def _controller(
        self,
        specs: Specs,
        signed_in: SignedIn,
        targets: Targets,
        accepted: AcceptedRevision,
        on_pass: Callable[[PassResult], None],
        store: Store,
        source: ControllerSource,
        listener: EventListener,
    ) -> Controller:
        from reconciler.cli.event_history import drift_recorder
        from reconciler.cli.output.controller_event_text import printer
        from reconciler.cli.rollout_session import reach_of
        from reconciler.controller.audit import AuditRecorder
        from reconciler.controller.commit_reporter import CommitReporter
        from reconciler.controller.controller import Controller
        from reconciler.controller.events import EventRecorder
        from reconciler.controller.revisions import RevisionTracker
        from reconciler.controller.schedule import Intervals
        from reconciler.controller.stops import StopRecorder
        from reconciler.model.observed_state import ObservedState
        from reconciler.model.type_registry import discover
        from reconciler.rollout_driver.smoke_tests import SmokeTests
        from reconciler.store.audit_trail import audit_trail
        from reconciler.store.task_stops import task_stops

        def reach(spec: RolloutSpec, target: RolloutTarget) -> str:
            return reach_of(signed_in.identity.endpoint, controller.world or ObservedState())(spec, target)

        def begin() -> None:
            self.health.beat()
            if self._asked.is_set():
                self._asked.clear()
                controller.timer.requeue_now()
            signed_in.gate.begin()

        commits = CommitReporter(lambda: controller, targets.commits)
        shown = () if self.look is None else (printer(self.look),)
        own = (self.health.on_entry, self.metrics.on_entry, source.on_entry)
        recorder = EventRecorder(signed_in.aws.clock, (*targets.events, commits.on_event, *shown, *own))
        stops = StopRecorder(signed_in.aws, recorder, task_stops(store))
        kinds = discover()
        controller = Controller(
            signed_in.aws,
            kinds,
            RevisionTracker(self.source, spec_source.compiler(specs, signed_in), recorder, self.environment, accepted),
            recorder,
            SmokeTests(reach),
            reports=(
                self.health.on_pass,
                self.metrics.on_pass,
                on_pass,
                source.on_pass,
                stops.on_pass,
                *commits.reports,
            ),
            results=(*commits.results, source.on_result),
            begin=begin,
            rhythm=Intervals(fast=self.interval),
            stop=self.stop,
            wake=self.wake,
            source=listener,
            audit=AuditRecorder(signed_in.aws, recorder, lambda: audit_trail(store)),
            drift=drift_recorder(signed_in, kinds, recorder, specs.stack_id, store, self.wake.set),
        )
        return controller
