"""Work queue of service rollouts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler import errors, events
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.rollout import describe, read_only
from reconciler.rollout.engine import Prefetched
from reconciler.rollout_driver.driver import RolloutDriver, StepResult, count_waiting, wake_at
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, jobs_of, known_of, restricted

OWN: Final = {errors.SafetyBreach: events.SAFETY_BREACHED, errors.Contested: events.CONTESTED}
"""The events of errors that are not AWS's."""


@dataclass(slots=True)
class RolloutQueue:
    """`jobs` are the services to roll out, `turns` the last result of each.

    `missing` is why others have no rollout yet.
    """

    rollouts: RolloutDriver
    recorder: EventRecorder
    on_turn: Callable[[StepResult], None]
    jobs: tuple[ServiceRollout, ...] = field(init=False, default=())
    missing: dict[Address, NotReady] = field(init=False, default_factory=dict)
    turns: dict[Address, StepResult] = field(init=False, default_factory=dict)
    _known: dict[Address, Prefetched] = field(init=False, default_factory=dict)

    def plan(
        self,
        active: ActiveRevision,
        world: ObservedState,
        outcomes: Collection[StepOutcome],
        *,
        refused: Collection[Address] = (),
        only: Collection[Address] | None = None,
        target: Callable[[ServiceRollout], ServiceRollout] = lambda rollout: rollout,
        attempts: Collection[Address] | None = None,
        stale: bool = False,
        withheld: str = "",
        withdrawn: str = "",
    ) -> None:
        """Update the queue after a pass that observed `world` and had `outcomes`.

        `refused` are the resources that the plan was refused for. `only` restricts the queue to some services, `target`
        says what each is to reach. `attempts` are those of which a quarantined release may be tried again, if an
        approved plan says so. `stale`: `world` was observed a while ago. `withheld`: why the active revision must
        not be applied. `withdrawn`: why the releases under way are not in the specs any more.

        A release whose dependency failed waits; what is under way continues. A service that cannot be read now existed
        a moment ago, so its rollout continues.
        """
        made = {one.step.address: one.id for one in outcomes if one.id}
        undone = {one.step.address for one in outcomes if one.result is not Result.DONE} | set(refused)
        wrote = any(one.result is Result.DONE and not one.action.only_rolls for one in outcomes)
        wish = active.wish
        jobs, missing = jobs_of(
            wish.deliveries,
            wish.desired,
            world,
            wish.place.stack,
            made=made,
            undone=undone,
            commit=active.revision.id,
            withheld=withheld,
            withdrawn=withdrawn,
        )
        if world.unreadable:
            before = {job.address: restricted(job, withheld=withheld, withdrawn=withdrawn) for job in self.jobs}
            jobs = (*jobs, *(before[address] for address in missing if address in before))
            missing = {address: lack for address, lack in missing.items() if address not in before}
        if only is not None:
            jobs = tuple(job for job in jobs if job.address in only)
        jobs = tuple(target(job) for job in jobs)
        jobs = tuple(replace(job, new_attempts=attempts is None or job.address in attempts) for job in jobs)
        there = {job.address for job in jobs}
        self.missing = missing
        self.jobs = jobs
        self.turns = {address: turn for address, turn in self.turns.items() if address in there}
        self._known = {} if made or wrote or stale else known_of(self.jobs, world)

    def clear(self) -> None:
        """Another process may have led since: nothing continues before the next pass."""
        self.jobs, self.missing, self.turns, self._known = (), {}, {}, {}
        self.rollouts.forget()

    def rest(self, now: datetime) -> float | None:
        """Seconds until the next turn; None if none is due."""
        waiting = count_waiting(self.turns.values())
        wakes = [wake for turn in self.turns.values() if (wake := wake_at(turn, waiting)) is not None]
        return max(0.0, (min(wakes) - now).total_seconds()) if wakes else None

    def go_round(self, now: datetime, *, touched: bool) -> bool:
        """One turn for each service that is due or has news. True if anything was done.

        `touched`: something was written since the last pass, so its observation is used only for a first turn.
        """
        waiting = count_waiting(self.turns.values())
        due = [job for job in self.jobs if self._has_news(job) or self._is_due(job, waiting, now)]
        known = {
            address: told
            for address, told in self._known.items()
            if (last := self.turns.get(address)) is None or (last.at_rest and not touched)
        }
        self._known = {}
        turns = self.rollouts.turns(due, known)
        for turn in turns:
            self._turned(turn)
            self.on_turn(turn)
        return any(turn.done for turn in turns)

    def _is_due(self, job: ServiceRollout, waiting: int, now: datetime) -> bool:
        last = self.turns.get(job.address)
        if last is None or last.job != job:
            return True
        wake = wake_at(last, waiting)
        return wake is not None and now >= wake

    def _has_news(self, job: ServiceRollout) -> bool:
        """Whether the pass read tags that differ from those of the last turn, for example a request."""
        known, last = self._known.get(job.address), self.turns.get(job.address)
        if known is None:
            return False
        if known.service is None or last is None or last.seen is None or not last.waits:
            return True
        return describe.remembered(known.service) != last.seen.marks

    def _turned(self, turn: StepResult) -> None:
        """Store the result and record new events."""
        before = self.turns.get(turn.job.address)
        self.turns[turn.job.address] = turn
        address = str(turn.job.address)
        if turn.error is not None and turn.stuck:
            name = OWN.get(type(turn.error), events.ROLLOUT_REFUSED)
            details = {"code": turn.error.code} if turn.error.code != errors.ReconcilerError.code else {}
            self.recorder.emit_once(f"refused {address}", name, str(turn.error), address, details)
        if turn.step is None or turn.seen is None:
            return
        self._read_only(address, turn.seen.marks.unreadable)
        was = before.step.phase if before is not None and before.step is not None else None
        quiet = bool(turn.seen.marks.unreadable) or (was is None and turn.at_rest)
        if turn.step.phase is not was and not quiet:
            details = {"phase": turn.step.phase.value, "release": turn.step.release, "was": was.value if was else ""}
            self.recorder.emit(events.ROLLOUT_PHASE, address, f"{turn.step.phase}: {turn.step.because}", details)
        if turn.step.ended is not None and turn.error is None:
            ended = turn.step.ended
            details = {
                "release": ended.release,
                "outcome": ended.outcome.value,
                "phase": str(ended.phase),
                "by": ended.by.value,
            }
            if turn.diagnosis is not None:
                details["cause"] = turn.diagnosis.finding.text
            why = f": {ended.why}" if ended.why else ""
            self.recorder.emit(events.ROLLOUT_ENDED, address, f"{ended.outcome}{why}", details)

    def _read_only(self, address: str, because: str) -> None:
        if because:
            details = {"code": read_only.CODE}
            self.recorder.emit_once(f"read-only {address}", events.READ_ONLY, because, address, details)
        else:
            self.recorder.resolve(f"read-only {address}", events.WRITABLE, f"{address} is no longer read-only")
