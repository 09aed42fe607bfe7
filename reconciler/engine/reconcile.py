"""One pass: observe, plan, guard, execute. And `converge`: passes until nothing is left that waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import Aws
from reconciler.engine import companions
from reconciler.engine.execute import Outcome, Result, execute
from reconciler.engine.expectations import Expectations
from reconciler.engine.observe import Place, made_meanwhile, observe, owned_ids
from reconciler.log import log
from reconciler.model.delivery import Delivery
from reconciler.model.guard import Guard, check
from reconciler.model.kind import Depth, Kinds
from reconciler.model.plan import Action, Plan, Refusal, Step, Verb
from reconciler.model.planner import Consent, World, plan
from reconciler.model.resource import Address, Desired

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything that a pass is asked for. `leaving`: all of it is to go, and `desired` only says where to look.

    `deliveries` are the services whose versions are rolled out once what they stand on is there (rollouts.py).
    """

    place: Place
    desired: tuple[Desired[Any], ...]
    guard: Guard = field(default_factory=Guard)
    consent: Consent = field(default_factory=Consent)
    leaving: bool = False
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass saw, meant to do, and did."""

    world: World
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result is Result.FAILED)

    @property
    def unfinished(self) -> bool:
        """Another pass, a little later, would get further."""
        return bool(self.plan.waiting) or any(outcome.result is Result.WAITING for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Report:
    """How `converge` ended. `timed_out` says that something still waits and the patience is over.

    `world` is as the last look saw it, after everything that was done; None where that was not looked at.
    """

    passes: tuple[Pass, ...]
    timed_out: bool = False
    interrupted: bool = False
    world: World | None = None

    @property
    def last(self) -> Pass:
        return self.passes[-1]

    @property
    def made(self) -> dict[Address, str]:
        """The ids of what was made or revised, by address."""
        return {one.step.address: one.id for each in self.passes for one in each.outcomes if one.id}


def look(aws: Aws, kinds: Kinds, wish: Wish, *, expectations: Expectations | None = None) -> tuple[World, Plan]:
    """Observe and plan. Writes nothing.

    `expectations`: what this process has written before; without them it believes what it reads.
    """
    world = observe(aws, kinds, wish.place, wish.desired, depth=Depth.FULL, expectations=expectations)
    found = planned(wish, world, kinds)
    refused = () if wish.leaving else check(found, wish.guard)
    if refused:
        found = replace(found, refusals=(*found.refusals, *refused))
    log.debug(events.PLANNED, actions=len(found.actions), refusals=len(found.refusals), digest=found.digest[:7])
    return world, found


def planned(wish: Wish, world: World, kinds: Kinds) -> Plan:
    """What makes `world` what `wish` says; what goes out with a version waits for it. The guard is not asked yet."""
    wanted = () if wish.leaving else wish.desired
    found = plan(wish.place.stack, wanted, world, kinds, consent=wish.consent)
    return companions.held(found, world, wish.deliveries, {want.address: want for want in wanted}, kinds)


def act(
    aws: Aws,
    kinds: Kinds,
    wish: Wish,
    world: World,
    todo: Plan,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[Step, Action], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
    expectations: Expectations | None = None,
) -> Pass:
    """Carry out `todo`, which was made from `world`.

    Raises `errors.Refused` when the plan holds a refusal: nothing is written then.
    """
    if todo.refusals:
        raise errors.Refused("; ".join(refusal.because for refusal in todo.refusals))
    adopting = {} if wish.leaving else {want.address: want for want in wish.desired}
    aws.mine.add(*sorted(owned_ids(world, wish.place.stack, adopting)))

    def again(want: Desired[Any]) -> bool:
        return made_meanwhile(aws, kinds, wish.place, world, want)

    outcomes = execute(
        todo,
        aws,
        kinds,
        stop=stop,
        on_start=on_start,
        on_end=on_end,
        expectations=expectations,
        made_meanwhile=again,
    )
    return Pass(world, todo, outcomes)


def converge(
    aws: Aws,
    kinds: Kinds,
    wish: Wish,
    first: tuple[World, Plan],
    *,
    patience_seconds: float,
    stop: threading.Event,
    on_start: Callable[[Step, Action], None] | None = None,
    on_end: Callable[[Outcome], None] | None = None,
    on_wait: Callable[[Pass, float], None] | None = None,
    expectations: Expectations | None = None,
) -> Report:
    """Pass after pass, from the plan that was agreed to, until nothing waits and AWS shows what was written, or until
    all that is left has failed, or patience ends.

    The guard was satisfied by the first plan; what later passes do is the rest of that work, and for anything that they
    would delete beyond it the guard holds again. A later pass that AWS does not let us look for waits like any other.
    """
    told = expectations if expectations is not None else Expectations(aws.clock)
    passes: list[Pass] = []
    world, todo = first
    started, pause = aws.clock.monotonic(), FIRST_PAUSE_SECONDS
    while True:
        passes.append(
            act(aws, kinds, wish, world, todo, stop=stop, on_start=on_start, on_end=on_end, expectations=told)
        )
        last = passes[-1]
        if stop.is_set():
            return Report(tuple(passes), interrupted=True)
        if not last.unfinished:
            if last.failed or not last.outcomes:
                return Report(tuple(passes), world=None if last.outcomes else world)
            again = _look_again(aws, kinds, wish, first[1], told)
            if again is not None and not _more(again[1], wish):
                return Report(tuple(passes), world=again[0])
            if again is not None:
                world, todo = again
                continue
        while True:
            if aws.clock.monotonic() - started + pause > patience_seconds:
                return Report(tuple(passes), timed_out=True)
            if on_wait is not None:
                on_wait(last, pause)
            if aws.clock.wait(stop, pause):
                return Report(tuple(passes), interrupted=True)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            again = _look_again(aws, kinds, wish, first[1], told)
            if again is not None:
                world, todo = again
                break


PASSING = (errors.Ambiguous, errors.Blocked, errors.Propagating, errors.Throttled)
"""Why a read fails that will not fail for ever."""


def _look_again(
    aws: Aws, kinds: Kinds, wish: Wish, agreed: Plan, expectations: Expectations
) -> tuple[World, Plan] | None:
    """What is left to do, or None where AWS could not be read and may be in a moment."""
    try:
        world, found = look(aws, kinds, replace(wish, guard=Guard()), expectations=expectations)
    except PASSING as error:
        log.debug(events.AWS_RETRY, call=error.call, code=error.code)
        return None
    if world.unreadable and all(isinstance(error, PASSING) for error in world.unreadable.values()):
        return None
    refused = () if wish.leaving else _unasked(agreed, found, wish.guard)
    return world, replace(found, refusals=(*found.refusals, *refused)) if refused else found


def _more(found: Plan, wish: Wish) -> bool:
    """Whether there is anything left of what was begun: AWS does not show it yet, or there are two of something.

    Not whether anything differs: what AWS spells back in another way would be written again for ever.
    """
    wanted = {want.address for want in wish.desired} if not wish.leaving else set()
    spare = any(action.verb is Verb.DELETE and action.address in wanted for action in found.actions)
    return bool(found.waiting) or spare


def _unasked(agreed: Plan, found: Plan, guard: Guard) -> tuple[Refusal, ...]:
    """Refusals for what `found` deletes beyond what was agreed to, all of it together held against the guard."""
    leaving = {action.old.id for action in agreed.actions if action.verb in _LEAVING and action.old is not None}
    more = [
        action
        for action in found.actions
        if action.verb in _LEAVING and action.old is not None and action.old.id not in leaving
    ]
    return check(replace(agreed, actions=(*agreed.actions, *more)), guard) if more else ()


_LEAVING = frozenset({Verb.DELETE, Verb.REPLACE})
