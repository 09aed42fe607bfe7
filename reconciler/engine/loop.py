"""The loop: fetch, look, plan, apply, roll out; and again, for as long as the process lives.

    source ──► wish ──► pass (fast, medium or full) ──► rollouts ──► sleep until something is due

What wakes it before its time: a change in the source, the next moment of a rollout, a person's word. What it knows of
the past it may forget: a restart reads everything and goes on from what is. Only who may write is settled first, by the
lease, and held to at every write by the fence (store/fence.py).

A revision that cannot be read or is wrong is reported, and the last good one stays in force, its drift repaired too.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from reconciler import errors, events
from reconciler.aws.client import Aws
from reconciler.engine import companions, drift, reconcile
from reconciler.engine.drift import Drift, Flaps, Mode, Rule
from reconciler.engine.execute import Result
from reconciler.engine.expectations import Expectations
from reconciler.engine.obituary import Obituary
from reconciler.engine.observe import observe, owned_ids
from reconciler.engine.reconcile import Wish
from reconciler.engine.report import PassReport
from reconciler.engine.rollouts import Rollouts, Turn
from reconciler.engine.smoke import Smoke
from reconciler.engine.subjects import Job, Missing, jobs_of, known_of
from reconciler.model import words
from reconciler.model.guard import check
from reconciler.model.kind import Depth, Kinds
from reconciler.model.plan import Plan
from reconciler.model.planner import World
from reconciler.model.planner import plan as plan_of
from reconciler.model.resource import Address, Calls, Desired, Service
from reconciler.model.rollout import Known
from reconciler.source.base import Fetched, Revision, Source
from reconciler.spec.diagnostics import Severity
from reconciler.spec.specs import Specs
from reconciler.store.base import Entry

log = structlog.get_logger()
ecs = Service("ecs")

JITTER: Final = 0.1
AGAIN_SECONDS: Final = 2.0
"""After a pass that wrote something, the next comes so soon."""

Sink = Callable[[Entry], None]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds. A fast pass reads what moves by itself, a medium one what people change, a full one everything.

    `first_pause` and `longest_pause` are how long to wait after a pass that failed, doubling in between.
    """

    fast: float = 15.0
    medium: float = 300.0
    full: float = 1800.0
    first_pause: float = 5.0
    longest_pause: float = 300.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What is to be enforced: a revision, and what it compiles to."""

    revision: Revision
    wish: Wish
    rules: tuple[Rule, ...] = ()

    @property
    def wanted(self) -> dict[Address, Desired[Any]]:
        return {want.address: want for want in self.wish.desired}


Compile = Callable[[Specs], tuple[Wish, tuple[Rule, ...]]]
"""Specs without errors to what they want. Raises `errors.ReconcilerError` where they want what this loop may not do."""


@dataclass(slots=True)
class Loop:
    """One stack's. `begin` binds the fence to the epoch; what it raises ends the reign."""

    aws: Aws
    kinds: Kinds
    source: Source
    compile: Compile
    smoke: Smoke
    sinks: tuple[Sink, ...] = ()
    reports: tuple[Callable[[PassReport], None], ...] = ()
    begin: Callable[[], object] = lambda: None
    environment: str | None = None
    rhythm: Rhythm = field(default_factory=Rhythm)
    stop: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    desk: Desk | None = field(init=False, default=None)
    world: World | None = field(init=False, default=None)
    rollouts: Rollouts = field(init=False)
    jobs: tuple[Job, ...] = field(init=False, default=())
    missing: dict[Address, Missing] = field(init=False, default_factory=dict)
    turns: dict[Address, Turn] = field(init=False, default_factory=dict)
    handled: str | None = field(init=False, default=None)
    rejected: str = field(init=False, default="")
    said: words.Words = field(init=False, default_factory=words.Words)
    _expectations: Expectations = field(init=False)
    _flaps: Flaps = field(init=False, default_factory=Flaps)
    _settled: dict[Address, Desired[Any]] | None = field(init=False, default=None)
    _changed: bool = field(init=False, default=True)
    _read_at: dict[Depth, float] = field(init=False, default_factory=dict)
    _due_at: float = field(init=False, default=0.0)
    _failures: int = field(init=False, default=0)
    _touched: bool = field(init=False, default=False)
    _checked: bool = field(init=False, default=False)
    _known: dict[Address, Known] = field(init=False, default_factory=dict)
    _told: dict[str, str] = field(init=False, default_factory=dict)
    _number: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._expectations = Expectations(self.aws.clock)
        self.rollouts = Rollouts(self.aws, self.smoke, stop=self.stop)

    # -- for as long as it lives

    def run(self, lost: threading.Event | None = None) -> None:
        """Round after round until `stop` is set, or `lost`: then somebody else is in charge.

        Raises `errors.LeaseLost` as soon as a write was held back because of it.
        """
        while not self.stop.is_set() and not (lost is not None and lost.is_set()):
            self.begin()
            self.round()
            pause = self.pause()
            self._sleep(pause, lost)

    def round(self) -> None:
        """Everything that is due now."""
        self.wake.clear()
        self._fetch()
        if self.desk is None:
            return
        if self.aws.clock.monotonic() >= self._due_at or self._changed:
            self._pass(self.desk)
        self._roll()

    def pause(self) -> float:
        """Seconds until something is due."""
        now = self.aws.clock.monotonic()
        rest = max(0.0, self._due_at - now) if self.desk is not None else self.source.interval
        day = self.aws.clock.now()
        for turn in self.turns.values():
            if turn.wake_at is not None and not self.said.suspended:
                rest = min(rest, max(0.0, (turn.wake_at - day).total_seconds()))
        return rest

    def _sleep(self, seconds: float, lost: threading.Event | None) -> None:
        """Until then, or until `wake` or `stop` is set; both set `wake`."""
        del lost  # whoever sets it sets `wake`, too
        if seconds > 0 and not self.stop.is_set():
            self.aws.clock.wait(self.wake, seconds)

    # -- what is wanted

    def _fetch(self) -> None:
        """The source's revision of now, if it is another; what is wrong with it is said once."""
        try:
            if self.handled is not None and not self.source.changed(self.handled):
                self._clear("source", events.SOURCE_REACHABLE, self.source.name)
                return
            fetched = self.source.fetch(after=self._applied())
        except errors.SourceUnreachable as error:
            self._once("source", events.SOURCE_UNREACHABLE, str(error))
            return
        except errors.RevisionRejected as error:
            self.handled = error.revision or self.handled
            self._reject(str(error), error.revision)
            return
        self._clear("source", events.SOURCE_REACHABLE, self.source.name)
        if fetched.revision.id == self.handled:
            return
        self.handled = fetched.revision.id
        self._take(fetched)

    def _take(self, fetched: Fetched) -> None:
        specs = fetched.specs(self.environment)
        if not specs.ok:
            wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
            places = "; ".join(str(one) for one in wrong[:5])
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            self._reject(f"{places}{more}", fetched.revision.id)
            return
        try:
            wish, rules = self.compile(specs)
        except errors.ReconcilerError as error:
            self._reject(str(error), fetched.revision.id)
            return
        self.rejected = ""
        self._told.pop("rejected", None)
        first = self.desk is None
        self.desk = Desk(fetched.revision, wish, rules)
        self.rollouts.obituary = Obituary(self.desk.wanted, fetched.revision.id, fetched.revision.subject)
        self._flaps.forget()
        self._changed, self._failures = True, 0
        self._say(events.REVISION_TAKEN, "", f"{'enforcing' if first else 'new revision'} {fetched.revision}")

    def _reject(self, because: str, revision: str) -> None:
        self.rejected = because
        kept = f"; {self.desk.revision} stays in force" if self.desk is not None else "; nothing is enforced"
        self._once("rejected", events.SPEC_REJECTED, f"{revision[:7]}: {because}{kept}")

    def _follows(self) -> bool:
        """At the first look, which is when we learn what was in place last: whether the revision comes after that."""
        if self._settled is not None or self._checked:
            return True
        self._checked = True
        try:
            self.source.fetch(after=self._applied())
        except errors.RevisionRejected as error:
            self.desk = None
            self._reject(str(error), error.revision)
            return False
        except errors.SourceUnreachable:
            self._checked = False  # nothing says that it does not
        return True

    def _applied(self) -> str | None:
        """The revision that was last in place, by this process or by the one before it."""
        return self.said.revision or None

    # -- the account

    def _pass(self, desk: Desk) -> None:
        clock, began = self.aws.clock, self.aws.clock.monotonic()
        calls, writes = self.aws.counts.total(), self.aws.writes.total()
        depth = self._depth(began)
        self._number += 1
        try:
            world = observe(
                self.aws, self.kinds, desk.wish.place, desk.wish.desired, depth=depth,
                expectations=self._expectations, before=self.world,
            )  # fmt: skip
        except errors.AwsError as error:
            self._later(str(error))
            return
        self.world, self._touched = world, False
        for one in (Depth.FULL, Depth.MEDIUM, Depth.FAST):
            if one <= depth:
                self._read_at[one] = began
        self.aws.mine.add(*sorted(owned_ids(world, desk.wish.place.stack, desk.wanted)))
        self._listen(desk, world)
        if not self._follows():
            return
        plan = plan_of(desk.wish.place.stack, desk.wish.desired, world, self.kinds, consent=desk.wish.consent)
        plan = companions.held(plan, world, desk.wish.deliveries, desk.wanted, self.kinds)
        plan, drifts = drift.sort_out(plan, desk.wanted, self._settled, desk.rules, self.kinds)
        plan, drifts = self._contested(plan, drifts, desk, began)
        refused = (*plan.refusals, *check(plan, desk.wish.guard))
        self._changed = False
        report = PassReport(self._number, depth, desk.revision, plan=plan, drifts=drifts, refusals=refused)
        if self.said.suspended:
            self._once("suspended", events.SUSPENDED, f"{self.said.suspended} suspended the stack")
            self._due_at = clock.monotonic() + self._jittered(self.rhythm.fast)
            self._end(report, began, calls, writes)
            return
        self._clear("suspended", events.RESUMED, "the stack is reconciled again")
        made: dict[Address, str] = {}
        if refused:
            self._once("blocked", events.PLAN_BLOCKED, "; ".join(one.because for one in refused))
            self._due_at = clock.monotonic() + self._jittered(self.rhythm.fast)
        else:
            self._clear("blocked", events.PLAN_FREE, "the plan is not blocked any more")
            report.outcomes = self._act(desk, world, plan, drifts, began)
            made = {one.step.address: one.id for one in report.outcomes if one.id}
        self._next(desk, world, plan, report, made)
        self._end(report, began, calls, writes)

    def _depth(self, now: float) -> Depth:
        if self.world is None or self._changed or self.said.unheard:
            return Depth.FULL
        if now - self._read_at.get(Depth.FULL, now) >= self.rhythm.full:
            return Depth.FULL
        if self._touched or now - self._read_at.get(Depth.MEDIUM, now) >= self.rhythm.medium:
            return Depth.MEDIUM
        return Depth.FAST

    def _contested(
        self, plan: Plan, drifts: tuple[Drift, ...], desk: Desk, now: float
    ) -> tuple[Plan, tuple[Drift, ...]]:
        """Without what somebody keeps undoing: after three times a person has to say who is right."""
        found = []
        for one in drifts:
            if one.mode is Mode.ENFORCE and self._flaps.contested(one, now):
                because = f"{one} was undone {drift.REVERTS} times after it was put back; it is left as it is"
                self._once(f"contested {one}", events.CONTESTED, because, str(one.address))
                found.append(one.address)
        if not found:
            return plan, drifts
        rules = tuple(Rule(str(address), Mode.WARN, reason="contested") for address in found)
        left, _ = drift.sort_out(plan, desk.wanted, self._settled, (*rules, *desk.rules), self.kinds)
        told = (replace(one, mode=Mode.WARN, reason="contested") if one.address in found else one for one in drifts)
        return left, tuple(told)

    def _act(self, desk: Desk, world: World, plan: Plan, drifts: tuple[Drift, ...], now: float) -> tuple[Any, ...]:
        for one in drifts:
            if one.reason == "contested":
                continue  # that was said
            name = events.DRIFT_REPAIRED if one.mode is Mode.ENFORCE else events.DRIFT_FOUND
            reason = f" ({one.reason})" if one.reason else ""
            self._once(f"drift {one}", name, f"{one}{reason}", str(one.address), again=one.mode is Mode.ENFORCE)
        if not plan.actions:
            return ()
        done = reconcile.act(
            self.aws, self.kinds, desk.wish, world, plan, stop=self.stop, expectations=self._expectations
        )
        for outcome in done.outcomes:
            if isinstance(outcome.error, errors.LeaseLost):
                raise outcome.error
        written = {one.step.address for one in done.outcomes if one.result is Result.DONE}
        for one in drifts:
            if one.mode is Mode.ENFORCE and one.address in written:
                self._flaps.put_back(one, now)
        for outcome in done.outcomes:
            if outcome.result is Result.DONE and not outcome.action.only_rolls:
                self._say(events.CHANGED, str(outcome.step.address), f"{outcome.action.verb}: {outcome.action.because}")
            elif outcome.result is Result.FAILED:
                key = f"failed {outcome.step}"
                self._once(key, events.ACTION_FAILED, outcome.because, str(outcome.step.address))
        return done.outcomes

    def _next(self, desk: Desk, world: World, plan: Plan, report: PassReport, made: dict[Address, str]) -> None:
        """When the next pass is due; and what can be rolled out now."""
        clock = self.aws.clock
        results = [one.result for one in report.outcomes if not one.action.only_rolls]
        wrote = Result.DONE in results
        if Result.FAILED in results:
            self._later("some of it failed")
        elif wrote or Result.WAITING in results or plan.waiting:
            self._failures = 0
            self._touched = True
            self._due_at = clock.monotonic() + (AGAIN_SECONDS if wrote else self.rhythm.first_pause)
        else:
            self._failures = 0
            self._due_at = clock.monotonic() + self._jittered(self.rhythm.fast)
            if not report.refusals:
                self._in_place(desk, report)
        undone = {one.step.address for one in report.outcomes if one.result is not Result.DONE}
        jobs, self.missing = jobs_of(
            desk.wish.deliveries, desk.wish.desired, world, desk.wish.place.stack, made=made,
            commit=desk.revision.id,
        )  # fmt: skip
        if world.unreadable:  # what cannot be read now was there a moment ago: its rollout goes on
            known = {job.address: job for job in self.jobs}
            kept = [known[address] for address in self.missing if address in known]
            self.missing = {address: lack for address, lack in self.missing.items() if address not in known}
            jobs = (*jobs, *kept)
        held = {address for address in (job.address for job in jobs) if _stands_on(desk.wanted, address, undone)}
        self.jobs = tuple(job for job in jobs if job.address not in held)
        self.turns = {address: turn for address, turn in self.turns.items() if address in {j.address for j in jobs}}
        self._known = {job.address: known_of(job, world) for job in self.jobs if not made and not wrote}

    def _in_place(self, desk: Desk, report: PassReport) -> None:
        """All of the revision is as it should be, drift that is only told aside."""
        first = self._settled is None or self._settled != desk.wanted
        self._settled = desk.wanted
        if first:
            report.in_place = True
            rolling = sorted(str(one.address) for one in report.plan.actions if one.only_rolls)
            rest = f"; {', '.join(rolling)} is rolled out next" if rolling else ""
            self._say(events.IN_PLACE, "", f"{desk.revision} is in place{rest}")
        service = self._notice_board(desk)
        if service is not None and self.said.revision != desk.revision.id:
            self._tag(service, {words.REVISION: words.in_place(desk.revision.id, desk.revision.subject)})
        if service is not None and self.said.unheard and report.depth is Depth.FULL:
            self._tag(service, {words.POKED: words.poked(self.said.poke, desk.revision.short)})

    # -- rollouts

    def _roll(self) -> None:
        """A turn for each service whose time has come, or whose tags were just read."""
        if self.said.suspended:
            return
        now = self.aws.clock.now()
        due = [job for job in self.jobs if job.address in self._known or self._is_due(job, now)]
        known = {
            address: told
            for address, told in self._known.items()
            if (last := self.turns.get(address)) is None or (last.at_rest and not self._touched)
        }
        self._known = {}
        for turn in self.rollouts.turns(due, known):
            self._turned(turn)

    def _is_due(self, job: Job, now: datetime) -> bool:
        last = self.turns.get(job.address)
        return last is None or last.job != job or (last.wake_at is not None and now >= last.wake_at)

    def _turned(self, turn: Turn) -> None:
        before = self.turns.get(turn.job.address)
        self.turns[turn.job.address] = turn
        self._touched = self._touched or bool(turn.done)
        address = str(turn.job.address)
        if turn.error is not None and turn.stuck:
            self._once(f"refused {address}", events.ROLLOUT_REFUSED, str(turn.error), address)
        if turn.step is None:
            return
        was = before.step.phase if before is not None and before.step is not None else None
        if turn.step.phase is not was and (was is not None or not turn.at_rest):
            details = {"phase": turn.step.phase.value, "release": turn.step.release, "was": was.value if was else ""}
            self._say(events.ROLLOUT_PHASE, address, f"{turn.step.phase}: {turn.step.because}", details)
        if turn.step.ended is not None and turn.error is None:
            ended = turn.step.ended
            details = {"release": ended.release, "outcome": ended.outcome.value, "phase": str(ended.phase)}
            if turn.diagnosis is not None:
                details["cause"] = turn.diagnosis.finding.text
            self._say(events.ROLLOUT_ENDED, address, f"{ended.outcome}{f': {ended.why}' if ended.why else ''}", details)

    # -- words

    def _listen(self, desk: Desk, world: World) -> None:
        service = self._notice_board(desk, world)
        self.said = words.of_tags({} if service is None else service[1])

    def _notice_board(self, desk: Desk, world: World | None = None) -> tuple[str, dict[str, str]] | None:
        """ARN and tags of the first of the stack's services."""
        found = world or self.world
        if found is None:
            return None
        ours = [
            one
            for one in found.found.get("service", ())
            if one.address in desk.wanted and not one.facts.get("deleting") and one.id.startswith("arn:")
        ]
        first = min(ours, key=lambda one: one.address.name, default=None)
        return None if first is None else (first.id, dict(first.tags))

    def _tag(self, service: tuple[str, dict[str, str]], tags: dict[str, str]) -> None:
        try:
            self.aws.run(_tagged(service[0], tags))
        except errors.LeaseLost:
            raise
        except errors.ReconcilerError as error:
            log.warning(events.ACTION_FAILED, address=service[0], because=str(error))
        else:
            self.said = words.of_tags({**service[1], **tags})
            self._touched = True

    def _later(self, because: str) -> None:
        pause = min(self.rhythm.longest_pause, self.rhythm.first_pause * 2**self._failures)
        self._failures += 1
        self._touched = True
        self._due_at = self.aws.clock.monotonic() + self._jittered(pause)
        self._once("later", events.PASS_FAILED, because)

    def _jittered(self, seconds: float) -> float:
        return seconds * random.uniform(1 - JITTER, 1 + JITTER)

    # -- telling

    def _end(self, report: PassReport, began: float, calls: int, writes: int) -> None:
        report.seconds = self.aws.clock.monotonic() - began
        report.calls, report.writes = self.aws.counts.total() - calls, self.aws.writes.total() - writes
        if not any(one.result is Result.FAILED for one in report.outcomes):
            self._told.pop("later", None)
        level = log.info if report.writes or report.outcomes else log.debug
        level(
            events.PASS_ENDED, number=report.number, depth=report.depth.name.lower(), seconds=round(report.seconds, 3),
            calls=report.calls, writes=report.writes, changes=len(report.outcomes), drift=len(report.drifts),
            revision=report.revision.short,
        )  # fmt: skip
        for tell in self.reports:
            tell(report)

    def _once(self, key: str, name: str, message: str, address: str = "", *, again: bool = False) -> None:
        """Say it when it begins, and not at every pass."""
        if self._told.get(key) == message and not again:
            return
        self._told[key] = message
        self._say(name, address, message)

    def _clear(self, key: str, name: str, message: str) -> None:
        if self._told.pop(key, None) is not None:
            self._say(name, "", message)

    def _say(self, name: str, address: str, message: str, details: dict[str, Any] | None = None) -> None:
        revision = "" if self.desk is None else self.desk.revision.short
        log.info(name, address=address, message=message, revision=revision, **(details or {}))
        entry = Entry(self.aws.clock.now(), name, address, message, revision, details or {})
        for sink in self.sinks:
            sink(entry)


def _tagged(arn: str, tags: dict[str, str]) -> Calls[None]:
    yield ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in sorted(tags.items())])


def _stands_on(wanted: dict[Address, Desired[Any]], address: Address, undone: Iterable[Address]) -> bool:
    """Whether something that `address` needs, directly or not, could not be done."""
    missing, seen, todo = set(undone), set[Address](), [address]
    while todo and missing:
        at = todo.pop()
        if at in missing:
            return True
        if at not in seen and at in wanted:
            seen.add(at)
            todo += [*wanted[at].refs(), *wanted[at].after]
    return False
