"""Source of the console in a process of its own: it reads the account as `status` does, while a page is open."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler import errors, events
from reconciler.aws.loopback import is_loopback
from reconciler.cli import driver_state as drivers
from reconciler.cli.console.diagnoses import Diagnoses
from reconciler.cli.console.facts import StackFacts, snapshot_of
from reconciler.cli.console.questions import event_of_request
from reconciler.cli.journals import Kept, kept
from reconciler.cli.rollout_session import RolloutSession, open_rollouts
from reconciler.cli.service_status import ServiceStatus, service_status
from reconciler.cli.session import Stack, target_of
from reconciler.cli.task_requests import task_statuses
from reconciler.clock import Clock, SystemClock
from reconciler.console.snapshot import Notice, Snapshot, Tone
from reconciler.diagnosis.report import Diagnosis
from reconciler.log import log
from reconciler.model.guard import Guard
from reconciler.model.observed_state import ObservedState
from reconciler.model.planner import Consent
from reconciler.model.resource_type import Depth
from reconciler.queries.scheduled_runs import ScheduledTask, kept_run, scheduled_task
from reconciler.reconcile.observe import observe
from reconciler.reconcile.pass_ import planned
from reconciler.rollout.engine import NOTHING
from reconciler.rollout_driver.driver import side_by_side
from reconciler.rollout_driver.preview import with_attempts

EVERY_SECONDS: Final = 2.0
"""Between two looks, by the machine's clock."""
MEDIUM_SECONDS: Final = 20.0
FULL_SECONDS: Final = 300.0
WATCHED_SECONDS: Final = 15.0
"""For how long after the last request a page counts as open."""
MOST_EVENTS: Final = 200


@dataclass(slots=True)
class AccountSource:
    """The newest snapshot, and the thread that takes it."""

    stack: Stack
    clock: Clock = field(default_factory=SystemClock)
    _newest: Snapshot | None = field(init=False, default=None)
    _asked_at: float = field(init=False, default=float("-inf"))
    _wake: threading.Event = field(init=False, default_factory=threading.Event)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _world: ObservedState | None = field(init=False, default=None)
    _read_at: dict[Depth, float] = field(init=False, default_factory=dict)
    _journals: Kept = field(init=False, default_factory=Kept)
    _scheduled: tuple[ScheduledTask, ...] = field(init=False, default=())
    _files: tuple[tuple[str, int, int], ...] = field(init=False, default=())
    _invalid: str = field(init=False, default="")
    _session: RolloutSession | None = field(init=False, default=None)
    _diagnoses: Diagnoses = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._files = _files(self.stack.folder)
        self._diagnoses = Diagnoses(self._write)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    # -- for pages

    def now(self) -> datetime:
        return self.stack.aws.clock.now()

    def snapshot(self) -> Snapshot | None:
        self._asked_at = self.clock.monotonic()
        self._wake.set()
        return self._newest

    def world(self) -> ObservedState:
        return self._world or ObservedState()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        self._diagnoses.close()
        self._thread.join(timeout=5)

    def again(self) -> None:
        """Something was asked for: look at once."""
        self._wake.set()

    # -- in its own thread

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            began = self.clock.monotonic()
            self._look()
            left = EVERY_SECONDS - (self.clock.monotonic() - began)
            self.clock.wait(self._stop, max(0.1, left))
            while self.clock.monotonic() - self._asked_at > WATCHED_SECONDS and not self._stop.is_set():
                self.clock.wait(self._wake, None)
                self._wake.clear()

    def _look(self) -> None:
        """A new snapshot; or the last one, with why it is not newer."""
        try:
            self._newest = self._taken()
        except errors.ReconcilerError as error:
            log.warning(events.CONSOLE_FAILED, because=str(error))
            self._stale(f"the account cannot be read: {error}")
        except Exception:
            log.exception(events.CONSOLE_FAILED)
            self._stale("the console has failed to read the account; its log says why")

    def _stale(self, because: str) -> None:
        self._world, place = None, self.stack.target.place
        known = self._newest or Snapshot("", place.stack, place.account, place.region, self.now())
        self._newest = replace(known, problem=because)

    def _taken(self) -> Snapshot:
        self._reload()
        stack, target, depth = self.stack, self.stack.target, self._depth()
        world = self._world = observe(
            stack.aws, stack.kinds, target.place, target.desired, depth=depth, before=self._world
        )
        at = self.clock.monotonic()
        self._read_at |= dict.fromkeys((one for one in Depth if one <= depth), at)
        session = self._session = open_rollouts(stack, world)
        if depth is not Depth.FAST:
            self._journals, self._scheduled = kept(stack), self._schedules(world)
        plan, _ = planned(target, world, stack.kinds, at=self.now())
        previews = session.previews()
        plan, examined = with_attempts(plan, previews), depth is not Depth.FAST

        def status(rollout: object) -> ServiceStatus:
            known = session.prefetched.get(rollout.address, NOTHING)  # type: ignore[attr-defined]
            return service_status(session, rollout, plan, self._journals, known, examined=examined)  # type: ignore[arg-type]

        services = tuple(side_by_side(status, session.rollouts))
        requests = [event_of_request(entry) for entry in reversed(self._journals.requests[-MOST_EVENTS:])]
        return snapshot_of(
            StackFacts(
                target.place.stack, target.place.account, target.place.region, self.now(),
                drivers.driver_state(stack, applied=session.applied),
                identity=stack.identity.who,
                local=is_loopback(stack.identity.endpoint),
                speed=stack.aws.clock.speed,
                applied=session.applied,
                suspended_by=session.suspended_by,
                restored=session.restored,
                unreadable=session.unreadable,
                notes=self._notes(),
                services=services,
                diagnoses=self._diagnoses.of(services),
                missing=session.missing,
                tasks=tuple(task_statuses(target.desired, world)),
                scheduled=self._scheduled,
                plan=plan,
                previews=previews,
                events=tuple(requests),
            )
        )  # fmt: skip

    def _depth(self) -> Depth:
        now = self.clock.monotonic()
        if self._world is None or now - self._read_at.get(Depth.FULL, float("-inf")) >= FULL_SECONDS:
            return Depth.FULL
        due = now - self._read_at.get(Depth.MEDIUM, float("-inf")) >= MEDIUM_SECONDS
        return Depth.MEDIUM if due else Depth.FAST

    def _schedules(self, world: ObservedState) -> tuple[ScheduledTask, ...]:
        tasks = []
        for found in sorted(world.found.get("schedule", ()), key=lambda one: one.address):
            if found.address in self.stack.target.wanted:
                task = self.stack.aws.run(scheduled_task(found, self.now()))
                stops = self._journals.stops_of(str(found.address))
                tasks.append(replace(task, last=kept_run(stops[-1])) if task.last is None and stops else task)
        return tuple(tasks)

    def _write(self, status: ServiceStatus) -> Diagnosis:
        assert self._session is not None
        return self._session.driver.failure_reporter.write(self.stack.aws, status.rollout, status.observed, status.step)

    # -- the specs

    def _reload(self) -> None:
        """Follow the folder: the plan is compared with what stands there now, or stood there before a mistake."""
        from reconciler.spec import discovery
        from reconciler.spec.load import load_sources

        stack, files = self.stack, _files(self.stack.folder)
        if files == self._files or stack.named:
            return
        self._files = files
        sources, findings = discovery.read(stack.folder)
        specs = load_sources(sources, stack.environment, folder=discovery.shown_folder(stack.folder), found=findings)
        if not specs.ok or specs.stack is None or specs.stack_id != stack.target.place.stack:
            self._invalid = next((str(one) for one in specs.diagnostics), "they are of another stack")
            return
        self._invalid, declared = "", specs.stack.guard
        guard = Guard(declared.max_delete, declared.max_delete_percent)
        stack.specs, stack.target = specs, target_of(specs, stack.identity, guard, Consent())
        stack.instead, self._world = "", None

    def _notes(self) -> tuple[Notice, ...]:
        if self._invalid:
            return (Notice(Tone.BAD, f"The specs are invalid, and the last valid ones are compared: {self._invalid}"),)
        if self.stack.instead:
            return (Notice(Tone.WAIT, f"Compared with the specs {self.stack.instead}."),)
        return ()


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What shows that a file of the specs was written."""
    if not folder.is_dir():
        return ()
    found = []
    for file in sorted(folder.rglob("*.y*ml")):
        try:
            stat = file.stat()
        except OSError:
            continue  # it is just being replaced
        found.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(found)
