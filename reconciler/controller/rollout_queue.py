"""Work queue of service rollouts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler import errors, events
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.resource import Address
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.pass_ import DesiredState
from reconciler.rollout import describe, read_only
from reconciler.rollout.engine import Phase, Prefetched
from reconciler.rollout.engine_change import TakeStep
from reconciler.rollout.fallback import SetCount
from reconciler.rollout_driver import restarts
from reconciler.rollout_driver.driver import RolloutDriver, StepResult, count_waiting, wake_at
from reconciler.rollout_driver.leaving import every_rollout
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, known_of, restricted

OWN: Final = {errors.SafetyBreach: events.SAFETY_BREACHED, errors.Contested: events.CONTESTED}
"""The events of errors that are not AWS's."""


@dataclass(slots=True)
class RolloutQueue:
    """`rollouts` are the services to roll out, `results` the last result of each.

    `missing` is why others have no rollout yet.
    """

    driver: RolloutDriver
    recorder: EventRecorder
    on_result: Callable[[StepResult], None]
    rollouts: tuple[ServiceRollout, ...] = field(init=False, default=())
    missing: dict[Address, NotReady] = field(init=False, default_factory=dict)
    results: dict[Address, StepResult] = field(init=False, default_factory=dict)
    _known: dict[Address, Prefetched] = field(init=False, default_factory=dict)
    _leaving: frozenset[Address] = field(init=False, default=frozenset())
    _hurried: set[Address] = field(init=False, default_factory=set)

    @property
    def moving(self) -> tuple[Address, ...]:
        """The services whose rollout is not at rest."""
        return tuple(address for address, result in self.results.items() if not result.at_rest)

    def hurry(self, addresses: Iterable[Address]) -> None:
        """Look at these services now: an event says that something of them has changed."""
        self._hurried.update(addresses)

    def plan(
        self,
        active: ActiveRevision,
        world: ObservedState,
        outcomes: Collection[StepOutcome],
        *,
        plan: Plan,
        only: Collection[Address] | None = None,
        target: Callable[[ServiceRollout], ServiceRollout] = lambda rollout: rollout,
        attempts: Collection[Address] | None = None,
        stale: bool = False,
        withheld: str = "",
        withdrawn: str = "",
        former: Callable[[], Sequence[DesiredState]] = tuple,
    ) -> None:
        """Update the queue after a pass that observed `world` and had `outcomes`.

        `plan` is that of the pass: if it is refused, nothing of it was done. `only` restricts the queue to some
        services, `target` says what each is to reach. `attempts` are those of which a quarantined release may be tried
        again, if an approved plan says so. `stale`: `world` was observed a while ago. `withheld`: why the active
        revision must not be applied. `withdrawn`: why the releases under way are not in the specs any more. `former`:
        the specs that were carried out last.

        A release whose dependency failed waits; what is under way continues. A service that cannot be read now existed
        a moment ago, so its rollout continues.
        """
        made = {one.step.address: one.id for one in outcomes if one.id}
        undone = {one.step.address for one in outcomes if one.result is not Result.DONE}
        wrote = any(one.result is Result.DONE and not one.action.only_rolls for one in outcomes)
        rollouts, missing = every_rollout(
            active.desired_state,
            world,
            former=former,
            made=made,
            undone=undone,
            plan=plan,
            commit=active.revision.commit,
            withheld=withheld,
            withdrawn=withdrawn,
        )
        if world.unreadable:
            before = {
                rollout.address: restricted(rollout, withheld=withheld, withdrawn=withdrawn)
                for rollout in self.rollouts
            }
            rollouts = (*rollouts, *(before[address] for address in missing if address in before))
            missing = {address: lack for address, lack in missing.items() if address not in before}
        if only is not None:
            rollouts = tuple(rollout for rollout in rollouts if rollout.address in only)
        rollouts = tuple(target(rollout) for rollout in rollouts)
        rollouts = tuple(
            replace(rollout, new_attempts=attempts is None or rollout.address in attempts) for rollout in rollouts
        )
        there = {rollout.address for rollout in rollouts}
        self._leaving = frozenset(there - {one.service for one in active.desired_state.deliveries})
        self.missing = missing
        self.rollouts = rollouts
        self.results = {address: result for address, result in self.results.items() if address in there}
        self._known = {} if made or wrote or stale else known_of(self.rollouts, world)

    def clear(self) -> None:
        """Another process may have led since: nothing continues before the next pass."""
        self.rollouts, self.missing, self.results, self._known, self._hurried = (), {}, {}, {}, set()
        self.driver.forget()

    @property
    def outdated(self) -> bool:
        """Whether only another pass can say what is to be done with a service, such as the release of a restart, or
        one that leaves once another one has begun to serve.
        """
        results = self.results.values()
        begun = bool(self._leaving) and any(map(_has_begun_to_serve, results))
        return begun or any(result.outdated or restarts.accepted(result.done) is not None for result in results)

    @property
    def declared(self) -> tuple[ServiceRollout, ...]:
        """Without those of services that the specs leave out."""
        return tuple(one for one in self.rollouts if one.address not in self._leaving)

    def rest(self, now: datetime) -> float | None:
        """Seconds until the next step; None if none is due."""
        if any(rollout.address in self._hurried for rollout in self.rollouts):
            return 0.0
        waiting = count_waiting(self.results.values())
        wakes = [wake for result in self.results.values() if (wake := wake_at(result, waiting)) is not None]
        return max(0.0, (min(wakes) - now).total_seconds()) if wakes else None

    def go_round(self, now: datetime, *, touched: bool) -> bool:
        """One result for each service that is due or has news. True if anything was done.

        `touched`: something was written since the last pass, so its observation is used only for a first result.
        """
        waiting = count_waiting(self.results.values())
        due = [rollout for rollout in self.rollouts if self._has_news(rollout) or self._is_due(rollout, waiting, now)]
        known = {
            address: prefetched
            for address, prefetched in self._known.items()
            if (last := self.results.get(address)) is None or (last.at_rest and not touched)
        }
        self._known, self._hurried = {}, set()
        results = self.driver.advance(due, known)
        for result in results:
            self._record(result)
            self.on_result(result)
        return any(result.done for result in results)

    def _is_due(self, rollout: ServiceRollout, waiting: int, now: datetime) -> bool:
        last = self.results.get(rollout.address)
        if last is None or last.rollout != rollout or rollout.address in self._hurried:
            return True
        wake = wake_at(last, waiting)
        return wake is not None and now >= wake

    def _has_news(self, rollout: ServiceRollout) -> bool:
        """Whether the pass read tags that differ from those of the last result, for example a request."""
        known, last = self._known.get(rollout.address), self.results.get(rollout.address)
        if known is None:
            return False
        if known.service is None or last is None or last.seen is None or not last.waits:
            return True
        return describe.remembered(known.service, rollout.subject) != last.seen.marks

    def _record(self, result: StepResult) -> None:
        """Store the result and record new events."""
        before = self.results.get(result.rollout.address)
        self.results[result.rollout.address] = result
        address = str(result.rollout.address)
        if result.error is not None and result.stuck:
            name = OWN.get(type(result.error), events.ROLLOUT_REFUSED)
            details = {"code": result.error.code} if result.error.code != errors.ReconcilerError.code else {}
            self.recorder.emit_once(f"refused {address}", name, str(result.error), address, details)
        if result.step is None or result.seen is None:
            return
        self._read_only(address, result.seen.marks.unreadable)
        for action in result.done:
            if isinstance(action, TakeStep):
                self.recorder.emit(events.ENGINE_STEP, address, action.message, action.details)
            if isinstance(action, SetCount):
                self.recorder.emit(events.FALLBACK, address, action.message, action.details)
        was = before.step.phase if before is not None and before.step is not None else None
        quiet = bool(result.seen.marks.unreadable) or (was is None and result.at_rest)
        if result.step.phase is not was and not quiet:
            details = {
                "phase": result.step.phase.value,
                "release": result.step.release,
                "was": was.value if was else "",
            }
            self.recorder.emit(events.ROLLOUT_PHASE, address, f"{result.step.phase}: {result.step.because}", details)
        if result.step.ended is not None and result.error is None:
            ended = result.step.ended
            details = {
                "release": ended.release,
                "outcome": ended.outcome.value,
                "phase": str(ended.phase),
                "by": ended.by.value,
            }
            if result.diagnosis is not None:
                details["cause"] = result.diagnosis.finding.text
                details["changed"] = result.diagnosis.story.where
            why = f": {ended.why}" if ended.why else ""
            self.recorder.emit(events.ROLLOUT_ENDED, address, f"{ended.outcome}{why}", details)

    def _read_only(self, address: str, because: str) -> None:
        if because:
            details = {"code": read_only.CODE}
            self.recorder.emit_once(f"read-only {address}", events.READ_ONLY, because, address, details)
        else:
            self.recorder.resolve(f"read-only {address}", events.WRITABLE, f"{address} is no longer read-only")


def _has_begun_to_serve(result: StepResult) -> bool:
    step = result.step
    first = step is not None and step.phase is Phase.INITIAL_DEPLOYMENT and step.ended is not None
    return first and bool(result.done)
