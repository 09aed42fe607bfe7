"""The loop: fetch, look, plan, apply, roll out; and again, for as long as the process lives.

    inbox ──► wish ──► pass (fast, medium or full) ──► rota ──► sleep until something is due

What wakes it before its time: a change in the source, the next moment of a rollout, a person's word. What it knows of
the past it may forget: a restart reads everything and goes on from what is. Only who may write is settled first, by the
lease, and held to at every write by the fence (store/fence.py).

A revision that cannot be read or is wrong is reported, and the last good one stays in force, its drift repaired too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler import errors, events
from reconciler.aws.client import Aws
from reconciler.engine import reconcile
from reconciler.engine.execute import Outcome, Result
from reconciler.engine.expectations import Expectations
from reconciler.engine.inbox import Compile, Desk, Inbox
from reconciler.engine.notice_board import NoticeBoard
from reconciler.engine.obituary import Obituary
from reconciler.engine.observe import observe, owned_ids
from reconciler.engine.repairs import Repairs
from reconciler.engine.report import PassReport
from reconciler.engine.rhythm import Due, Rhythm
from reconciler.engine.rollouts import Rollouts
from reconciler.engine.rota import Rota
from reconciler.engine.smoke import Smoke
from reconciler.engine.telling import Sink, Teller
from reconciler.log import log
from reconciler.model.guard import check
from reconciler.model.kind import Depth, Kinds
from reconciler.model.planner import World
from reconciler.source.base import Source


class Loop:
    """One stack's. `sinks` hear what happens, `reports` what each pass came to.

    `begin` binds the fence to the epoch; what it raises ends the reign. Whoever sets `stop` sets `wake` as well.
    """

    def __init__(
        self,
        aws: Aws,
        kinds: Kinds,
        source: Source,
        compile: Compile,
        smoke: Smoke,
        *,
        sinks: tuple[Sink, ...] = (),
        reports: tuple[Callable[[PassReport], None], ...] = (),
        begin: Callable[[], object] = lambda: None,
        environment: str | None = None,
        rhythm: Rhythm | None = None,
        stop: threading.Event | None = None,
        wake: threading.Event | None = None,
    ) -> None:
        self.aws, self.kinds, self.source = aws, kinds, source
        self.reports, self.begin = reports, begin
        self.stop, self.wake = stop or threading.Event(), wake or threading.Event()
        self.world: World | None = None
        self.teller = Teller(aws.clock, sinks)
        self.inbox = Inbox(source, compile, self.teller, environment)
        self.board = NoticeBoard(aws)
        self.due = Due(aws.clock, rhythm or Rhythm())
        self.repairs = Repairs(kinds, self.teller)
        self.rota = Rota(Rollouts(aws, smoke, stop=self.stop), self.teller)
        self._expectations = Expectations(aws.clock)
        self._number = 0

    # -- for as long as it lives

    def run(self, lost: threading.Event | None = None) -> None:
        """Round after round until `stop` is set, or `lost`: then somebody else is in charge.

        A lost lease may be noticed only at the next round; the fence holds back what would be written before.
        Raises `errors.LeaseLost` as soon as a write was held back because of it.
        """
        self._start()
        while not self.stop.is_set() and not (lost is not None and lost.is_set()):
            self.begin()
            self.round()
            pause = self.pause()
            if pause > 0 and not self.stop.is_set():
                self.aws.clock.wait(self.wake, pause)

    def _start(self) -> None:
        """Somebody else may have been in charge since the last time: nothing is written by what was known then."""
        self.inbox.doubt()
        self.board.doubt()
        self.due.anew()
        self.rota.clear()

    def round(self) -> None:
        """Everything that is due now."""
        self.wake.clear()
        self._fetch()
        desk = self.inbox.desk
        if desk is not None and self.due.rest <= 0:
            self._pass(desk)
        if self.inbox.desk is not None and not self.board.said.suspended:
            did = self.rota.go_round(self.aws.clock.now(), touched=self.due.touched)
            self.due.touched = self.due.touched or did

    def pause(self) -> float:
        """Seconds until something is due."""
        if self.inbox.desk is None:
            return self.source.interval
        turn = None if self.board.said.suspended else self.rota.rest(self.aws.clock.now())
        return self.due.rest if turn is None else min(self.due.rest, turn)

    # -- what is wanted

    def _fetch(self) -> None:
        if self.inbox.look(self.board.said.revision or None) and self.inbox.desk is not None:
            revision = self.inbox.desk.revision
            self.rota.rollouts.obituary = Obituary(self.inbox.desk.wanted, revision.id, revision.subject)
            self.repairs.forget()
            self.due.anew()

    def _follows(self, desk: Desk) -> bool:
        """Whether the desk's revision may come after what is in place. While nobody can say, nothing is applied."""
        unknown: errors.ReconcilerError | None = self.board.unread
        if unknown is None:
            try:
                return self.inbox.follows(self.board.said.revision or None)
            except errors.SourceUnreachable as error:
                unknown = error
        self._later(f"whether {desk.revision} follows what was in place is not known: {unknown}")
        return False

    # -- the account

    def _pass(self, desk: Desk) -> None:
        began, calls, writes = self.aws.clock.monotonic(), self.aws.counts.total(), self.aws.writes.total()
        depth = Depth.FULL if self.board.said.unheard else self.due.depth(began)
        self._number += 1
        try:
            world = observe(
                self.aws, self.kinds, desk.wish.place, desk.wish.desired, depth=depth,
                expectations=self._expectations, before=self.world,
            )  # fmt: skip
        except errors.AwsError as error:
            self._later(str(error))
            return
        self.world = world
        self.due.looked(depth, began)
        self.aws.mine.add(*sorted(owned_ids(world, desk.wish.place.stack, desk.wanted)))
        self.board.listen(world, desk.wish.place.stack, desk.wanted)
        if not self._follows(desk):
            return
        plan = reconcile.planned(desk.wish, world, self.kinds)
        plan, drifts = self.repairs.sort_out(plan, desk.wanted, desk.rules, began)
        refused = (*plan.refusals, *check(plan, desk.wish.guard))
        self.due.planned()
        report = PassReport(self._number, depth, desk.revision, plan=plan, drifts=drifts, refusals=refused)
        if self.board.said.suspended:
            self.teller.once("suspended", events.SUSPENDED, f"{self.board.said.suspended} suspended the stack")
            self.due.as_usual()
        else:
            self.teller.over("suspended", events.RESUMED, "the stack is reconciled again")
            self._carry_out(desk, world, report, began)
        self._end(report, began, calls, writes)

    def _carry_out(self, desk: Desk, world: World, report: PassReport, now: float) -> None:
        if report.refusals:
            because = "; ".join(one.because for one in report.refusals)
            codes = sorted({one.code.value for one in report.refusals})
            self.teller.once("blocked", events.PLAN_BLOCKED, because, details={"codes": codes})
        else:
            self.teller.over("blocked", events.PLAN_FREE, "the plan is not blocked any more")
            self.repairs.tell(report.drifts)
            if report.plan.actions:
                report.outcomes = self._act(desk, world, report, now)
        results = {one.result for one in report.outcomes if not one.action.only_rolls}
        wrote = Result.DONE in results
        if Result.FAILED in results:
            self._later("some of it failed")
        elif wrote or Result.WAITING in results or report.plan.waiting:
            self.due.soon(wrote=wrote)
        else:
            self.due.as_usual()
            if not report.refusals:
                self._in_place(desk, report)
        self.rota.plan(desk, world, report.outcomes)

    def _act(self, desk: Desk, world: World, report: PassReport, now: float) -> tuple[Outcome, ...]:
        done = reconcile.act(
            self.aws, self.kinds, desk.wish, world, report.plan, stop=self.stop, expectations=self._expectations
        )
        for outcome in done.outcomes:
            if isinstance(outcome.error, errors.LeaseLost):
                raise outcome.error
        written = {one.step.address for one in done.outcomes if one.result is Result.DONE}
        self.repairs.carried_out(report.drifts, written, now)
        for one in done.outcomes:
            address = str(one.step.address)
            if one.result is Result.DONE and not one.action.only_rolls:
                self.teller.say(events.CHANGED, address, f"{one.action.verb}: {one.action.because}")
            elif one.result is Result.FAILED:
                self.teller.once(f"failed {one.step}", events.ACTION_FAILED, one.because, address)
        return done.outcomes

    def _in_place(self, desk: Desk, report: PassReport) -> None:
        """All of the revision is as it should be, drift that is only told aside."""
        if self.repairs.settle(desk.wanted):
            report.in_place = True
            rolling = sorted(str(one.address) for one in report.plan.actions if one.only_rolls)
            rest = f"; {', '.join(rolling)} is rolled out next" if rolling else ""
            self.teller.say(events.IN_PLACE, "", f"{desk.revision} is in place{rest}")
        wrote = self.board.in_place(desk.revision.id, desk.revision.subject)
        if report.depth is Depth.FULL:
            wrote |= self.board.answer(desk.revision.short)
        self.due.touched |= wrote

    def _later(self, because: str) -> None:
        self.due.later()
        self.teller.once("later", events.PASS_FAILED, because)

    def _end(self, report: PassReport, began: float, calls: int, writes: int) -> None:
        report.seconds = self.aws.clock.monotonic() - began
        report.calls, report.writes = self.aws.counts.total() - calls, self.aws.writes.total() - writes
        if not any(one.result is Result.FAILED for one in report.outcomes):
            self.teller.forget("later")
        level = log.info if report.writes or report.outcomes else log.debug
        level(
            events.PASS_ENDED, number=report.number, depth=report.depth.name.lower(), seconds=round(report.seconds, 3),
            calls=report.calls, writes=report.writes, changes=len(report.outcomes), drift=len(report.drifts),
            revision=report.revision.short,
        )  # fmt: skip
        for tell in self.reports:
            tell(report)
