"""Source of the console in the controller's process: it shows what the controller remembers, and asks AWS nothing.

The controller only notes that something has happened. What is shown is put together in the thread of whoever looks, at
most once a second, from values that the controller replaces as a whole.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reconciler.aws.loopback import is_loopback
from reconciler.aws.session import Identity
from reconciler.cli.console.diagnoses import Diagnoses
from reconciler.cli.console.facts import StackFacts, snapshot_of
from reconciler.cli.driver_state import DrivenBy, DriverState
from reconciler.cli.output.controller_event_text import PREFIXES
from reconciler.cli.service_status import ServiceStatus, status_of
from reconciler.cli.task_requests import task_statuses
from reconciler.clock import Clock, SystemClock
from reconciler.console.snapshot import Event, Notice, Snapshot, Tone
from reconciler.controller.controller import Controller
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.event import Event as Recorded
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.reconcile.drift import Drift
from reconciler.reconcile.result import PassResult
from reconciler.rollout.outlook import RolloutPreview
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.preview import preview_of
from reconciler.store.holder_report import CONTROLLER, HolderReport
from reconciler.store.lease import Lease

AT_MOST_EVERY: Final = 1.0
AT_LEAST_EVERY: Final = 5.0
MOST_EVENTS: Final = 300


@dataclass(slots=True)
class ControllerSource:
    """`report` is what the controller says of itself beside its lease."""

    controller: Callable[[], Controller]
    lease: Lease
    report: Callable[[], HolderReport]
    identity: Identity
    stack: str
    account: str
    region: str
    clock: Clock = field(default_factory=SystemClock)
    _changes: int = field(init=False, default=1)
    _built: int = field(init=False, default=0)
    _built_at: float = field(init=False, default=float("-inf"))
    _newest: Snapshot | None = field(init=False, default=None)
    _events: deque[Event] = field(init=False, default_factory=lambda: deque(maxlen=MOST_EVENTS))
    _since: dict[Drift, datetime] = field(init=False, default_factory=dict)
    _diagnoses: Diagnoses = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._diagnoses = Diagnoses(self._write, self._changed)

    # -- called by the controller

    def on_pass(self, result: PassResult) -> None:
        now = self.controller().aws.clock.now()
        self._since = {drift: self._since.get(drift, now) for drift in result.drifts}
        self._changed()

    def on_result(self, result: StepResult) -> None:
        last = self.controller().last
        if result.diagnosis is not None and last is not None:
            status = self._status(result, last.plan, last.world)
            if status is not None:
                self._diagnoses.note(status, result.diagnosis)
        self._changed()

    def on_entry(self, entry: Recorded) -> None:
        text = f"{PREFIXES.get(entry.name, '')}{entry.message.removeprefix(f'{entry.address}: ')}"
        self._events.appendleft(Event(entry.at, entry.name.partition(".")[0], text, entry.address))
        self._changed()

    def _changed(self) -> None:
        self._changes += 1

    # -- called by the server

    def now(self) -> datetime:
        return self.controller().aws.clock.now()

    def world(self) -> ObservedState:
        return self.controller().world or ObservedState()

    def snapshot(self) -> Snapshot | None:
        with self._lock:
            now, changes = self.clock.monotonic(), self._changes
            age = now - self._built_at
            if age >= AT_LEAST_EVERY or (changes != self._built and age >= AT_MOST_EVERY):
                self._newest, self._built, self._built_at = self._taken(), changes, now
            return self._newest

    def close(self) -> None:
        self._diagnoses.close()

    def _taken(self) -> Snapshot | None:
        controller, lease_held = self.controller(), self.lease.left() > 0
        active, last, tags = controller.revisions.active, controller.last, controller.stack_requests.tags
        notes = [] if lease_held else [Notice(Tone.WAIT, f"This process waits for the lease of {self._holder()}.")]
        if controller.revisions.unreachable:
            notes.append(
                Notice(Tone.BAD, f"The source of the specs cannot be read: {controller.revisions.unreachable}")
            )
        results = dict(controller.queue.results)
        services: tuple[ServiceStatus, ...] = ()
        previews: tuple[RolloutPreview, ...] = ()
        if last is not None and lease_held:
            looks = [(one.rollout, one.seen, one.step) for one in results.values()]
            previews = tuple(
                preview_of(rollout, seen, step, self.now())
                for rollout, seen, step in looks
                if seen is not None and step is not None
            )
            found = (self._status(result, last.plan, last.world) for result in results.values())
            services = tuple(status for status in found if status is not None)
        desired = () if active is None else active.desired_state.desired
        return snapshot_of(
            StackFacts(
                self.stack, self.account, self.region, self.now(), self._driver(lease_held),
                identity=self.identity.who,
                local=is_loopback(self.identity.endpoint),
                speed=controller.aws.clock.speed,
                revision="" if active is None else active.revision.id,
                subject="" if active is None else active.revision.subject,
                suspended_by=tags.suspended,
                restored=controller.revisions.restored,
                unreadable=tags.unreadable,
                notes=tuple(notes),
                services=services,
                diagnoses=self._diagnoses.of(services),
                missing=dict(controller.queue.missing),
                tasks=() if last is None else task_statuses(desired, last.world),
                plan=Plan(self.stack) if last is None else last.plan,
                previews=previews,
                drifts=tuple(self._since.items()) if last is not None else None,
                events=tuple(self._events),
            )
        )  # fmt: skip

    def _holder(self) -> str:
        return "another process" if self.lease.seen is None else self.lease.seen.holder.rpartition("/")[0]

    def _driver(self, lease_held: bool) -> DriverState:
        if lease_held:
            return DriverState(DrivenBy.CONTROLLER, "", self.lease.holder.rpartition("/")[0], report=self.report())
        return DriverState(DrivenBy.COMMAND, "", self._holder(), report=HolderReport(CONTROLLER))

    def _status(self, result: StepResult, plan: Plan, world: ObservedState) -> ServiceStatus | None:
        if result.seen is None or result.step is None:
            return None
        return status_of(result.rollout, result.seen, result.step, plan, world, self.now())

    def _write(self, status: ServiceStatus) -> Diagnosis:
        controller = self.controller()
        reporter = controller.queue.driver.failure_reporter
        return reporter.write(controller.aws, status.rollout, status.observed, status.step)
