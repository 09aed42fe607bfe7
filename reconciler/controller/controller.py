"""Controller: fetch, observe, plan, filter, execute, advance the rollouts; repeat until stopped.

    revisions ──► pass (fast, medium or full) ──► rollout queue ──► sleep until something is due

It drives everything that changes AWS: `reconciler run` without end, `apply` until the approved plan is applied, and
`promote --now` until one request is handled. It wakes early for a change of the source, a due rollout or a request. It
needs no memory of earlier passes. The right to write is settled by the lease, and checked by the fence at every write.
A revision that cannot be read or is not valid is reported; the last accepted one remains active, also in a new process.

It is one class because a round is read here from beginning to end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.controller import pass_events
from reconciler.controller.audit import AuditRecorder
from reconciler.controller.drift_recorder import DriftRecorder
from reconciler.controller.event_feed import EventFeed, EventSource, NoEvents
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision, Revisions
from reconciler.controller.rollout_queue import RolloutQueue
from reconciler.controller.schedule import Intervals, PassTimer
from reconciler.controller.stack_requests import StackRequests
from reconciler.controller.until import Ending, Observer, Until
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan, RefusalCode, Verb
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import pass_
from reconciler.reconcile.drift import DriftPolicy
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.observe import observe, owned_ids
from reconciler.reconcile.provenance import with_commit
from reconciler.reconcile.result import PassResult
from reconciler.rollout_driver.driver import RolloutDriver, StepResult
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.leaving import with_lookups
from reconciler.rollout_driver.smoke_tests import SmokeTests

LOOK_SECONDS: Final = 15.0
"""Age up to which a look is acted on. While a person reads the plan, others change the account or suspend it."""


class Controller:
    """Controller of one stack. `reports` receive each pass, `results` each rollout step, `observer` all of the work.

    `begin` binds the fence to the epoch; raising ends this leadership term. Whoever sets `stop` sets `wake` as well.
    """

    def __init__(
        self,
        aws: AwsClient,
        kinds: ResourceTypes,
        revisions: Revisions,
        recorder: EventRecorder,
        smoke: SmokeTests,
        *,
        reports: tuple[Callable[[PassResult], None], ...] = (),
        results: tuple[Callable[[StepResult], None], ...] = (),
        observer: Observer | None = None,
        begin: Callable[[], object] = lambda: None,
        rhythm: Intervals | None = None,
        stop: threading.Event | None = None,
        wake: threading.Event | None = None,
        expectations: Expectations | None = None,
        audit: AuditRecorder | None = None,
        drift: DriftRecorder | None = None,
        source: EventSource | None = None,
    ) -> None:
        self.aws, self.kinds, self.revisions, self.recorder = aws, kinds, revisions, recorder
        self.drift = drift or DriftRecorder(aws, kinds, recorder)
        self.observer, self.begin = observer or Observer(), begin
        self.reports, self.results = (self.drift.on_pass, *reports), (self.drift.on_result, *results)
        self.stop, self.wake = stop or threading.Event(), wake or threading.Event()
        self.last: PassResult | None = None
        self.failure: errors.AwsError | None = None
        """Why the last pass saw nothing."""
        self.audit, self.stack_requests = audit or AuditRecorder(aws, recorder), StackRequests(aws)
        self.timer, self.policy = PassTimer(aws.clock, rhythm or Intervals()), DriftPolicy()
        self.feed = EventFeed(kinds, self.timer, recorder, source or NoEvents())
        self.queue = RolloutQueue(RolloutDriver(aws, smoke, stop=self.stop), recorder, self._on_result)
        self._expectations = Expectations(aws.clock) if expectations is None else expectations
        self._looked: PassResult | None = None
        self._agreed: Plan | None = None
        self._written: set[str] = set()
        self._until, self._number, self._pending = Until(), 0, False

    @property
    def world(self) -> ObservedState | None:
        return None if self.last is None else self.last.world

    # -- lifetime

    def look(self) -> PassResult:
        """Observe and plan; nothing is written. The first pass of `run` executes the plan.
        Raises `errors.AwsError` if AWS cannot be read."""
        self._fetch()
        assert self.revisions.active is not None
        self._looked = self.last = self._observed(self.revisions.active, self.aws.clock.monotonic())
        return self._looked

    def run(
        self, until: Until | None = None, *, agreed: Plan | None = None, lost: threading.Event | None = None
    ) -> Ending:
        """Rounds until `until` is reached, `stop` is set, or `lost` is set because another process leads.

        With `agreed`, the approved plan, only that plan and its remainder is executed. A lost lease may be noticed only
        in the next round; the fence blocks writes before that. Raises `errors.LeaseLost` as soon as a write was blocked
        for it, `errors.Refused` if `agreed` contains a refusal, and what `until` raises.
        """
        if agreed is not None:
            pass_.check_refusals(agreed)
        self._until, self._agreed, self._written = until or Until(), agreed, set()
        self._start()
        while not self.stop.is_set():
            if lost is not None and lost.is_set():
                return Ending.LEASE_LOST
            self.begin()
            self.round()
            if self.stop.is_set():
                break
            ending = self._until.reached(self)
            if ending is not None:
                return ending
            pause = min(self.pause(), self._until.seconds_left(self))
            if pause > 0:
                self.observer.on_wait(self.last, pause)
                self.aws.clock.wait(self.wake, pause)
        return Ending.INTERRUPTED

    def _start(self) -> None:
        """Another process may have led since: nothing is written from earlier knowledge."""
        for forget in (self.revisions.doubt, self.stack_requests.doubt, self.timer.reset, self.queue.clear):
            forget()

    def round(self) -> None:
        """Do everything that is due now."""
        self.wake.clear()
        self._fetch()
        self.drift.take(self.feed.hear(self.queue, self.world))
        self.drift.turn()
        active = self.revisions.active
        if active is not None and self.timer.rest <= 0:
            self._pass(active)
        if self.revisions.active is not None and not self._suspended and self.timer.rest > 0:
            did = self.queue.go_round(self.aws.clock.now(), touched=self.timer.touched)
            self.timer.touched = self.timer.touched or did
            if self.queue.outdated:
                self.timer.requeue_now()

    def pause(self) -> float:
        """Seconds until something is due."""
        if self.revisions.active is None:
            return self.revisions.interval
        result = None if self._suspended else self.queue.rest(self.aws.clock.now())
        return self.timer.rest if result is None else min(self.timer.rest, result)

    @property
    def _suspended(self) -> bool:
        tags = self.stack_requests.tags
        return bool(tags.unreadable) or (bool(tags.suspended) and not self._until.while_suspended)

    # -- revisions

    def _fetch(self) -> None:
        tags, withdrawn = self.stack_requests.tags, self.revisions.withdrawn
        if self.revisions.look(tags.revision or None, tags.accepted) and self.revisions.active is not None:
            active, revision = self.revisions.active, self.revisions.active.revision
            self.queue.driver.failure_reporter = FailureReporter(active.wanted, revision.id, revision.subject)
            self.policy.flaps.forget()
            self.timer.reset()
        elif self.revisions.withdrawn != withdrawn:  # before a timer promotes anything
            self.timer.requeue_now()

    def _withheld(self, active: ActiveRevision, world: ObservedState) -> str:
        """Why the active revision must not be applied, or not before it is known whether it follows the applied one."""
        if self.revisions.restored and not owned_ids(world, active.desired_state.place.stack, {}):
            because = f"nothing of the stack exists, which {active.revision} would create: it was only restored"
            return self._waits(because)
        self._pending = False
        unknown: errors.ReconcilerError | None = self.stack_requests.unread
        if unknown is None:
            try:
                tags = self.stack_requests.tags
                return self.revisions.withheld(tags.revision or None, tags.accepted)
            except errors.StoreUnreachable as error:
                return self._waits(f"{active.revision} is applied once it is stored: {error}")
            except errors.SourcePending as error:
                self._pending = True
                return str(error)
            except errors.SourceUnreachable as error:
                unknown = error
        return self._waits(f"cannot determine whether {active.revision} follows the applied revision: {unknown}")

    def _waits(self, because: str) -> str:
        self.recorder.emit_once("later", events.PASS_FAILED, because)
        return because

    # -- the account

    def _pass(self, active: ActiveRevision) -> None:
        began, calls, writes = self.aws.clock.monotonic(), self.aws.counts.total(), self.aws.writes.total()
        fresh = self.timer.age(began) <= LOOK_SECONDS * self.aws.clock.speed
        report, self._looked = self._looked if fresh else None, None
        stale = report is not None
        if report is None:
            try:
                report = self._observed(active, began)
            except errors.AwsError as error:
                self.failure = error
                self._later(str(error))
                return
        self.last, self.failure = report, None
        self.timer.planned()
        if self.stack_requests.tags.unreadable:  # it is not even known which revision is in place
            pass_events.record_refusals(self.recorder, report.refusals)
            self.timer.requeue()
            self._end(report, began, calls, writes, resolved=True)
            return
        withheld = self._withheld(active, report.world)
        if self.revisions.recorded and not report.suspended:
            self.timer.touched |= self.stack_requests.restored(active.revision.short, self.revisions.restored)
        if withheld and self._pending:
            self.timer.requeue_soon(wrote=False)
        elif withheld:
            self.timer.requeue()  # requests are still read
        else:
            self._applied(active, report, began)
        if not self._suspended:
            self.queue.plan(
                active, report.world, report.outcomes, plan=report.plan,
                only=self._until.services, target=self._until.target,
                attempts=None if self._agreed is None else self._agreed.new_attempts,
                stale=stale or report.depth is Depth.NARROW,
                withheld=withheld, withdrawn=self.revisions.withdrawn, former=self.revisions.former,
            )  # fmt: skip
        self._end(report, began, calls, writes, resolved=not withheld)

    def _applied(self, active: ActiveRevision, report: PassResult, began: float) -> None:
        """Apply the plan, unless the stack is suspended."""
        self.policy.pending = frozenset(one.action.address for one in report.plan.deferred)
        if report.suspended:
            because = f"stack suspended by {self.stack_requests.tags.suspended}"
            self.recorder.emit_once("suspended", events.SUSPENDED, because)
            self.timer.requeue()
        else:
            self.recorder.resolve("suspended", events.RESUMED, self.stack_requests.tags.resumed or "stack resumed")
            if self._until.resources:
                self._carry_out(active, report, began)
            elif report.world.unreadable:
                self.timer.backoff()
            else:
                self.timer.requeue()

    def _observed(self, active: ActiveRevision, now: float) -> PassResult:
        """Observe and plan. Raises `errors.AwsError` if AWS cannot be read."""
        depth = Depth.FULL if self.stack_requests.tags.pending else self.timer.depth(now)
        self._number, desired_state, before = self._number + 1, active.desired_state, self.world
        last = None if self.last is None else self.last.plan
        former = self.revisions.former() if last is not None and (last.refusals or last.deferred) else ()
        world = observe(
            self.aws, self.kinds, desired_state.place, with_lookups(desired_state, former),
            depth=depth, expectations=self._expectations, before=before, leaving=desired_state.leaving,
            named=self.feed.named(depth, now, before, self.stack_requests.service), part=self.timer.part(depth, now),
        )  # fmt: skip
        self.timer.looked(depth, now)
        self.feed.observed(before, world, self.queue, wanted=desired_state.wanted)
        self.aws.mine.add(*sorted(owned_ids(world, desired_state.place.stack, desired_state.wanted)))
        self.stack_requests.read(world, desired_state.place.stack, active.wanted)
        tags = self.stack_requests.tags
        plan, drifts = pass_.planned(
            desired_state, world, self.kinds, at=self.aws.clock.now(), policy=self.policy, now=now, agreed=self._agreed,
            written=frozenset(self._written), suspended_by=tags.suspended, unreadable=tags.unreadable,
        )  # fmt: skip
        return PassResult(self._number, depth, active.revision, world, plan, drifts)

    def _carry_out(self, active: ActiveRevision, report: PassResult, now: float) -> None:
        pass_events.record_refusals(self.recorder, report.refusals)
        if not report.refusals:
            self.revisions.carried_out()
            self.drift.found(report)
            if report.plan.actions:
                report.outcomes = self._act(active, report, now)
            pass_events.record_settled(self.recorder, self._expectations.still_declined())
        if report.failed:
            self._later("some changes failed")
        elif any(one.code is RefusalCode.READ_FAILED for one in report.refusals):
            self.timer.backoff(at_most=self.timer.rhythm.fast)  # requests are still read
        elif report.wrote or report.unfinished:
            self.timer.requeue_soon(wrote=report.wrote)
        else:
            self.timer.requeue()
            if not (report.refusals or report.read_only) and self.revisions.recorded:
                self._in_place(active, report)

    def _act(self, active: ActiveRevision, report: PassResult, now: float) -> tuple[StepOutcome, ...]:
        plan = with_commit(report.plan, self.kinds, active.revision.commit, active.revision.subject)
        outcomes = pass_.act(
            self.aws, self.kinds, active.desired_state, report.world, plan, stop=self.stop,
            on_start=self.observer.on_start, on_end=self.observer.on_end, expectations=self._expectations,
        )  # fmt: skip
        for outcome in outcomes:
            if isinstance(outcome.error, errors.LeaseLost):
                raise outcome.error
        done = [one for one in outcomes if one.result is Result.DONE]
        self.policy.corrected(report.drifts, {one.step.address for one in done}, now)
        self._written |= {one.action.signature for one in done}
        self.queue.driver.fresh |= {one.step.address for one in done if one.action.verb is Verb.CREATE}
        pass_events.record_outcomes(self.recorder, outcomes)
        return outcomes

    def _in_place(self, active: ActiveRevision, report: PassResult) -> None:
        """The whole revision is applied, apart from drift that is only reported."""
        if self.policy.settle(active.wanted):
            report.in_place = True
            rolling = sorted(str(one.address) for one in report.plan.actions if one.only_rolls)
            rest = f"; rolling out {', '.join(rolling)}" if rolling else ""
            self.recorder.emit(events.IN_PLACE, "", f"revision {active.revision} applied{rest}")
        wrote = self.stack_requests.in_place(active.revision.id, active.revision.subject)
        if report.depth is Depth.FULL:
            wrote |= self.stack_requests.answer(active.revision.short)
        self.timer.touched |= wrote

    # -- events

    def _on_result(self, result: StepResult) -> None:
        for tell in (self._until.on_result, self.observer.on_result, self.audit.on_result, *self.results):
            tell(result)

    def _later(self, because: str) -> None:
        self.timer.backoff()
        self.recorder.emit_once("later", events.PASS_FAILED, because)

    def _end(self, report: PassResult, began: float, calls: int, writes: int, *, resolved: bool) -> None:
        report.seconds = self.aws.clock.monotonic() - began
        report.calls, report.writes = self.aws.counts.total() - calls, self.aws.writes.total() - writes
        if resolved and not report.failed:
            self.recorder.clear("later")
        pass_events.record_clock(self.recorder)
        pass_events.log_pass(report)
        for tell in (self._until.on_pass, self.audit.on_pass, *self.reports):
            tell(report)
