"""Executor: runs each step of a plan as soon as the steps it needs are done, several in parallel.

A failed step stops the steps that depend on it and nothing else. A step that AWS is not ready for is not a failure: it
is left *waiting* for the next pass, which reads again; only what is waiting because others still use a part of it holds
none of them up. Only a write to a resource that the stack does not own stops
everything, because it shows that the observed state is wrong.

It is one class because the outcome of each step decides about the others.
"""

from __future__ import annotations

import contextlib
import graphlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.aws.retry import READ, has_token
from reconciler.log import log
from reconciler.model import ownership
from reconciler.model.members import FIELD
from reconciler.model.obstacles import foreign
from reconciler.model.plan import Action, Plan, PlanStep, Verb
from reconciler.model.resource import Address, Call, Desired, Observed
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.expectations import TRIES, Expectations

WIDTH = 8  # steps running in parallel


class Result(StrEnum):
    DONE = "done"
    WAITING = "waiting"  # AWS is not ready, or did not respond: the next pass reads again
    FAILED = "failed"
    SKIPPED = "skipped"  # a step that it depends on failed or is waiting


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Outcome of one step. `because` is the reason, and empty if all of it is done; of a step that is done, it says
    which change AWS has declined.

    `held_by` is the step whose outcome kept this one from starting. `id` is what was created or revised.
    """

    step: PlanStep
    action: Action
    result: Result
    because: str = ""
    error: errors.ReconcilerError | None = None
    held_by: Address | None = None
    id: str = ""


MadeMeanwhile = Callable[..., Observed[Any] | None]
"""What is by now in the place of a desired resource; the second argument is what is to become it, or None."""


def execute(
    plan: Plan,
    aws: AwsClient,
    kinds: ResourceTypes,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[PlanStep, Action], None] | None = None,
    on_end: Callable[[StepOutcome], None] | None = None,
    expectations: Expectations | None = None,
    made_meanwhile: MadeMeanwhile | None = None,
) -> tuple[StepOutcome, ...]:
    """Execute every action of `plan`; one outcome for each step, in the order in which they ended.

    `expectations` records every write. `made_meanwhile` is called before a create that AWS would execute twice, and
    when AWS answers that a resource exists.
    """
    expected = expectations if expectations is not None else Expectations(aws.clock)
    return _Execution(plan, aws, kinds, stop or threading.Event(), on_start, on_end, expected, made_meanwhile).run()


class _Execution:
    def __init__(
        self,
        plan: Plan,
        aws: AwsClient,
        kinds: ResourceTypes,
        stop: threading.Event,
        on_start: Callable[[PlanStep, Action], None] | None,
        on_end: Callable[[StepOutcome], None] | None,
        expectations: Expectations,
        made_meanwhile: MadeMeanwhile | None,
    ) -> None:
        self.plan, self.aws, self.kinds, self.stop = plan, aws, kinds, stop
        self.on_start, self.on_end = on_start, on_end
        self.expectations, self.made_meanwhile = expectations, made_meanwhile
        self.breached = False
        self.actions = {step: action for action in plan.actions for step in action.steps()}
        self.ids: dict[Address, str] = {address: identifier for identifier, address in plan.names.items()}
        self.made: set[Address] = set()
        self.outcomes: dict[PlanStep, StepOutcome] = {}

    def run(self) -> tuple[StepOutcome, ...]:
        sorter = graphlib.TopologicalSorter(self.plan.after)
        sorter.prepare()
        running: dict[Future[StepOutcome], PlanStep] = {}
        with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="apply") as pool:
            while sorter.is_active():
                for step in sorted(sorter.get_ready(), key=str):
                    early = self._not_now(step)
                    if early is not None:
                        self._end(early)
                        sorter.done(step)
                        continue
                    if self.on_start is not None:
                        self.on_start(step, self.actions[step])
                    running[pool.submit(self._perform, step)] = step
                if not running:
                    continue
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._end(future.result())
                    sorter.done(running.pop(future))
        return tuple(self.outcomes.values())

    def _end(self, outcome: StepOutcome) -> None:
        self.outcomes[outcome.step] = outcome
        name = {
            Result.DONE: events.ACTION_DONE,
            Result.WAITING: events.ACTION_WAITING,
            Result.FAILED: events.ACTION_FAILED,
            Result.SKIPPED: events.ACTION_SKIPPED,
        }[outcome.result]
        log.debug(name, address=str(outcome.step.address), verb=outcome.action.verb, because=outcome.because)
        if self.on_end is not None:
            self.on_end(outcome)

    def _not_now(self, step: PlanStep) -> StepOutcome | None:
        action = self.actions[step]
        if self.breached:
            return StepOutcome(
                step, action, Result.SKIPPED, "a write to a resource that the stack does not own was blocked"
            )
        if self.stop.is_set():
            return StepOutcome(step, action, Result.SKIPPED, "interrupted")
        for need in sorted(self.plan.after[step], key=str):
            before = self.outcomes[need]
            if before.result is Result.WAITING and not isinstance(before.error, errors.InUse):
                return StepOutcome(step, action, Result.WAITING, f"needs {need.address} first", held_by=need.address)
            if before.result not in (Result.DONE, Result.WAITING):
                because = f"{need.address} failed or was skipped"
                return StepOutcome(step, action, Result.SKIPPED, because, held_by=need.address)
            kind = self.kinds[need.address.kind]
            if kind.slow_to_delete and need.part == "drop":
                return StepOutcome(
                    step, action, Result.WAITING, f"{need.address} is still being deleted", held_by=need.address
                )
            slow = kind.slow_to_create and need.part == "make" and before.action.verb in _MAKING
            if slow and need.address in _refs(action):
                because = f"{need.address} is not ready yet"
                return StepOutcome(step, action, Result.WAITING, because, held_by=need.address)
        return None

    def _perform(self, step: PlanStep) -> StepOutcome:
        action = self.actions[step]
        log.debug(events.ACTION_STARTED, address=str(step.address), verb=action.verb)
        try:
            if step.part == "drop":
                self._drop(action)
            else:
                self._make(action)
        except errors.Declined as error:
            return StepOutcome(step, action, Result.DONE, str(error), error)
        except (errors.Blocked, errors.Propagating, errors.Throttled) as error:
            return StepOutcome(step, action, Result.WAITING, str(error), error)
        except errors.Ambiguous as error:
            return self._lost(step, action, error)
        except errors.Exists as error:
            return self._exists(step, action, error)
        except errors.ReconcilerError as error:
            self.breached |= isinstance(error, errors.OwnershipBreach)
            return StepOutcome(step, action, Result.FAILED, str(error), error)
        self.expectations.answered(step)
        made = self.ids[action.address] if step.part == "make" and action.address in self.made else ""
        return StepOutcome(step, action, Result.DONE, id=made)

    def _lost(self, step: PlanStep, action: Action, error: errors.Ambiguous) -> StepOutcome:
        """Read again in the next pass, which repeats the step if it had no effect; but not without limit."""
        if not READ.match(error.call.rpartition(".")[2]) and self.expectations.unanswered(step, _said(action)):
            because = f"no response from AWS after {TRIES} attempts, and the change is not visible ({error})"
            return StepOutcome(step, action, Result.FAILED, because, error)
        return StepOutcome(step, action, Result.WAITING, f"no response from AWS ({error}); reading again", error)

    def _exists(self, step: PlanStep, action: Action, error: errors.Exists) -> StepOutcome:
        """What is in the way may be the stack's own, made by a create whose answer was lost: the next pass reads it.

        What is somebody else's stays where it is, and waiting for it has no end.
        """
        assert action.new is not None
        holder = None
        if self.made_meanwhile is not None:
            try:
                holder = self.made_meanwhile(action.new.resolved(self.ids), action.old)
            except errors.AwsError as unread:
                log.debug(events.ACTION_WAITING, address=str(step.address), because=str(unread))
        if holder is not None and ownership.owner(holder.tags) != self.plan.stack:
            because = f"{holder.id} is in the way and {foreign(holder.tags)} ({error})"
            return StepOutcome(step, action, Result.FAILED, because, error)
        if self.expectations.unanswered(step, _said(action)):
            because = f"AWS says that it exists and does not show it, after {TRIES} attempts ({error})"
            return StepOutcome(step, action, Result.FAILED, because, error)
        return StepOutcome(step, action, Result.WAITING, f"created in the meantime ({error}); reading again", error)

    def _drop(self, action: Action) -> None:
        assert action.old is not None
        with contextlib.suppress(errors.Gone):
            self.aws.run(self.kinds[action.address.kind].delete(action.old))
        self.expectations.deleted(action.old)

    def _make(self, action: Action) -> None:
        assert action.new is not None
        kind, new = self.kinds[action.address.kind], action.new.resolved(self.ids)
        unknown = sorted(new.refs())
        if unknown:
            raise errors.ReconcilerError(f"{unknown[0]} has no id")
        if action.verb in _MAKING:
            self._create(action, kind, new)
        else:
            self._change(action, kind, new)

    def _create(self, action: Action, kind: ResourceType[Any], new: Desired[Any]) -> None:
        if self.made_meanwhile is not None and _may_double(kind, new):
            there = self.made_meanwhile(new)
            if there is not None and there.address == new.address and ownership.owner(there.tags) == self.plan.stack:
                raise errors.Exists("it was found when read again")
        wrote: list[Call] = []
        try:
            identifier = self.aws.run(kind.create(new), creating=kind.creates, wrote=wrote.append)
        except errors.ReconcilerError:
            if wrote and not kind.revisions:
                self.expectations.uncertain(new)
            raise
        self.aws.mine.add(identifier)
        self._has_id(action.address, identifier)
        if not kind.revisions:
            self.expectations.created(new, identifier)

    def _change(self, action: Action, kind: ResourceType[Any], new: Desired[Any]) -> None:
        old = action.old
        assert old is not None
        changes = tuple(change for change in action.changes if not change.rolls)  # the rollout creates those
        wrote: list[Call] = []
        declined: frozenset[str] = frozenset()
        try:
            first, last = action.tags.in_order()
            if first:
                self.aws.run(kind.update_tags(old, first.put, first.drop), wrote=wrote.append)
            if changes:
                updating = kind.update(old, new, changes)
                identifier = self.aws.run(
                    updating, creating=kind.creates if kind.revisions else None, fresh=True, wrote=wrote.append
                )
                if identifier is not None:
                    self.aws.mine.add(identifier)
                    self._has_id(action.address, identifier)
            rolled = any(change.rolls and change.field == FIELD for change in action.changes)
            if last and not rolled and not (changes and kind.revisions):
                self.aws.run(kind.update_tags(old, last.put, last.drop), wrote=wrote.append)
        except errors.Declined as error:
            declined = error.fields
            self.expectations.declined(old, declined)
            raise
        finally:
            if wrote and not kind.revisions:
                done = tuple(change for change in changes if change.field not in declined)
                self.expectations.updated(old, new, done, action.tags)

    def _has_id(self, address: Address, identifier: str) -> None:
        self.ids[address] = identifier
        self.made.add(address)


def _said(action: Action) -> str:
    """What the action writes, to tell one write for a step from another."""
    return repr((action.verb, action.changes, action.tags, action.new and action.new.spec))


def _refs(action: Action) -> frozenset[Address]:
    """The references of the action's resource; resolved references follow the plan's edges."""
    return action.new.refs() if action.new is not None else frozenset()


def _may_double(kind: ResourceType[Any], new: Desired[Any]) -> bool:
    """Whether its first call is one that AWS would execute twice. Nothing is sent."""
    if not kind.may_duplicate:
        return False
    conversation = kind.create(new)
    said = next(conversation, None)
    conversation.close()
    return isinstance(said, Call) and said.operation in kind.creates and not has_token(said)


_MAKING = frozenset({Verb.CREATE, Verb.REPLACE})


def summary(outcomes: tuple[StepOutcome, ...]) -> Mapping[Result, int]:
    """Number of actions by result; an action counts as the worse of its steps.

    Actions that a rollout performs are not counted as done.
    """
    worst: dict[Address, Result] = {}
    rank = [Result.DONE, Result.WAITING, Result.SKIPPED, Result.FAILED]
    for outcome in outcomes:
        if outcome.action.only_rolls and outcome.result is Result.DONE:
            continue
        now = worst.get(outcome.step.address, Result.DONE)
        worst[outcome.step.address] = max(now, outcome.result, key=rank.index)
    return {result: sum(one is result for one in worst.values()) for result in Result}
