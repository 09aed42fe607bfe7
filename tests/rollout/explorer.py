"""Walks breadth first through everything that can happen to a rollout, and holds the promises against each step of it.

The step function is the real one; only AWS is abstract (`world`). From every state the faults are also stopped, to see
whether it comes to rest where it should, or says for whom it waits.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.strategy import Promotion, Strategy
from tests.rollout import laws, world
from tests.rollout.laws import Broken
from tests.rollout.models import model_of
from tests.rollout.world import State

LONGEST_WAY_HOME = 150
"""Events from any state to rest, once nothing goes wrong any more."""


@dataclass
class Report:
    """How far the walk went. `broken` is the shortest way to a broken promise, if there is one."""

    states: int = 0
    transitions: int = 0
    homeward: int = 0
    longest: int = 0
    seconds: float = 0.0
    phases: set[tuple[Phase, Phase]] = field(default_factory=set)
    rests: set[Phase] = field(default_factory=set)
    broken: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.transitions} transitions, {self.homeward} of them homeward "
            f"(at most {self.longest} to rest), {self.seconds:.1f} s"
        )


def explore(
    policy: Strategy,
    starts: Iterable[State],
    *,
    most: int | None = None,
    only: Callable[[str], bool] | None = None,
    last: Callable[[str], bool] | None = None,
) -> Report:
    """Every state that can be reached within the budget; stops at the first broken promise, or at `most` states.

    `only`: which of the events that cost something may happen, by their names. `last`: the same, for the last of them.
    """
    return _Walk(policy, most, only or (lambda name: True), last).walk(starts)


def reached(policy: Strategy, phase: Phase, budget: int) -> State:
    """The first state of a change of version that is in `phase`, when nothing went wrong on the way."""
    walk = _Walk(policy, None, lambda name: True)
    state: State | None = walk.model.at_rest("B", 0)
    while state is not None and state.phase is not phase:
        state, _ = walk.calmly(state)
    assert state is not None, f"a rollout under this policy is never in {phase}"
    return state._replace(budget=budget)


class _Walk:
    def __init__(
        self,
        policy: Strategy,
        most: int | None,
        only: Callable[[str], bool],
        last: Callable[[str], bool] | None = None,
    ) -> None:
        self.policy, self.most, self.only, self.last = policy, most, only, last or only
        self.mind, self.model = world.Mind(policy), model_of(policy)
        self.report = Report()
        self.came: dict[State, tuple[State, str] | None] = {}
        self.home: dict[State, int] = {}  # events to rest, for states that are known to come home
        self.edge: deque[State] = deque()

    def walk(self, starts: Iterable[State]) -> Report:
        started = time.perf_counter()
        for start in starts:
            self.came[start] = None
            self.edge.append(start)
        here, event = None, ""
        try:
            while self.edge and (self.most is None or len(self.came) < self.most):
                here = self.edge.popleft()
                for event, after in self._events(here):
                    self.report.transitions += 1
                    laws.after(after)
                    if after not in self.came:
                        self.came[after] = (here, event)
                        self.edge.append(after)
                event = "and nothing goes wrong any more"
                self._go_home(here)
                event = ""
        except Broken as broken:
            assert here is not None
            self.report.broken = (*self._way(here), event, str(broken))
        self.report.states = len(self.came)
        self.report.seconds = time.perf_counter() - started
        return self.report

    def _events(self, state: State) -> Iterator[tuple[str, State]]:
        paid = state._replace(budget=state.budget - 1)
        may = self.only if paid.budget else self.last
        if state.queue:
            after = self._performed(state)
            yield f"{type(state.queue[0]).__name__}", after
            if state.budget:
                mishaps = self.model.mishaps(paid, after._replace(budget=paid.budget))
                yield from ((name, state) for name, state in mishaps if may(name))
            return
        yield "look", self._look(state)
        if state.lag or state.memory.waiting(world.NOW):
            yield "a moment", world.moment(state)
        if world.running_clock(state) is not None:
            yield "the deadline comes", self.model.due(state)
        yield from self.model.progress(state)
        yield from self.model.timers(state, lambda: self._idle(state))
        yield from world.late(state)
        yield from world.wanted_again(state)
        if state.seen.alarms:
            yield "the alarm stops", world.quiet(state)
        if state.budget:
            yield from ((name, state) for name, state in self.model.disturbances(paid) if may(name))

    def _performed(self, state: State) -> State:
        """What AWS refuses breaks no promise."""
        after = world.performed(state, self.model.carried_out)
        if after.seen is not state.seen:
            for action in self.model.amounts_to(self.policy, state, state.queue[0]):
                laws.before(self.policy, state, action)
        return after

    def _look(self, state: State) -> State:
        looked = world.look(state, self.mind, self.model.view(state))
        if looked.step is None:
            return looked.state
        laws.looked(self.policy, state, looked.seen, looked.step)
        if looked.step.phase is not state.phase:
            self.report.phases.add((state.phase, looked.step.phase))
        return looked.state

    def _idle(self, state: State) -> bool:
        """Whether our process has looked, and neither does anything nor counts on."""
        if state.lag or state.memory.waiting(world.NOW):
            return False
        looked = world.look(state, self.mind, self.model.view(state))
        return looked.step is not None and not looked.step.decisions and looked.state.memory == state.memory

    # -- liveness

    def _go_home(self, state: State) -> None:
        """From here, without faults: to rest, on what is wanted or with a reason. What is known is not walked."""
        way: list[State] = []
        seen: set[State] = set()
        while state not in self.home:
            if state in seen or len(way) > LONGEST_WAY_HOME:
                raise Broken(f"L1: it never comes to rest: {_tail(way)}")
            seen.add(state)
            way.append(state)
            after, step = self.calmly(state)
            self.report.homeward += 1
            if after is None:
                assert step is not None
                self._rests_well(state, step)
                break
            laws.after(after)
            state = after
        distance = self.home.get(state, 0)
        for one in reversed(way):
            distance = distance if one is state and state not in self.home else distance + 1
            self.home[one] = distance
        self.report.longest = max(self.report.longest, distance)

    def calmly(self, state: State) -> tuple[State | None, RolloutStep | None]:
        """The next event when nothing goes wrong; None at rest, with what the last look said."""
        if state.queue:
            return self._performed(state), None
        if state.lag or state.memory.waiting(world.NOW):
            return world.moment(state), None
        better = state
        if better.seen.alarms:
            better = world.quiet(better)
        while True:
            event = next(self.model.progress(better), None)
            if event is None:
                break
            better = event[1]
        if better != state:
            return better, None
        looked = world.look(state, self.mind, self.model.view(state))
        if looked.step is not None and looked.step.decisions:
            return looked.state, None
        if looked.state.memory.looks != state.memory.looks or looked.state.memory.of != state.memory.of:
            return looked.state, None
        if world.running_clock(state) is not None:
            return self.model.due(state), None
        assert looked.step is not None, "a settled process may decide"
        events = [self.model.timers(state, lambda: True)]
        if looked.step.waits_for is Waiting.NOBODY:
            events.append(self.model.at_last(state))
        event = next(itertools.chain(*events), None)
        return (None, looked.step) if event is None else (event[1], None)

    def _rests_well(self, state: State, step: RolloutStep) -> None:
        self.report.rests.add(step.phase)
        marks, seen = state.seen.marks, self.model.view(state)
        live = [one for one in seen.alive if seen.production is not None and seen.production[one.slot] == 100]
        if not seen.desired and step.health is RolloutHealth.SUSPENDED:
            return  # until tasks are wanted again
        if seen.waits or marks.rejection_of(seen.wanted):
            _went_on(state)
        if step.waits_for is Waiting.PERSON:
            ended = step.phase in (Phase.FAILED, Phase.ROLLED_BACK) and marks.quarantined(seen.wanted)
            manual = step.phase is Phase.AWAITING_PROMOTION and self.policy.promotion is Promotion.MANUAL
            stopped = marks.suspended is not None or marks.hold is not None or bool(seen.withdrawn)
            if stopped or step.phase is Phase.BLOCKED or ended or manual:
                return
            raise Broken(f"L1: it waits for a person and nobody asked it to: {step.phase}, {step.because}")
        right = any(one.release == seen.wanted and one.primary for one in live)
        if seen.waits:
            if step.waits_for is not Waiting.DEPENDENCY:
                raise Broken(f"L5: {step.phase} waits for {step.waits_for}, and the wanted version is not ready")
            right = True
            if step.phase is Phase.INITIAL_DEPLOYMENT:
                return
        if step.phase is not Phase.IDLE or not right:
            raise Broken(f"L1: it rests as {step.phase} ({step.because}), and {seen.wanted} is wanted")
        extra = [one for one in seen.sets if one not in live]
        if extra:
            raise Broken(f"L1: it rests and leaves {extra[0].id} behind")

    def _way(self, state: State) -> list[str]:
        way: list[str] = []
        at: State | None = state
        while at is not None:
            origin = self.came[at]
            if origin is None:
                break
            way.append(origin[1])
            at = origin[0]
        return way[::-1]


def _went_on(state: State) -> None:
    """What was under way when a version was wanted that cannot be started went on to its end."""
    kept, marks = state.ghosts.kept, state.seen.marks
    stopped = marks.hold is not None or marks.suspended is not None or bool(state.seen.withdrawn)
    there = any(one.release == kept for one in state.seen.alive)
    if kept and not there and not stopped and kept not in {state.ghosts.interrupted, *state.ghosts.quarantine}:
        raise Broken(f"L5: {kept} was abandoned for a version that cannot be started")


def _tail(way: list[State]) -> str:
    last = []
    for state in way[-8:]:
        due = state.seen.marks.deadline
        sets = " ".join(f"{one.release}@{one.slot} {one.well}/{one.scale}" for one in state.seen.sets)
        queue = ", ".join(type(one).__name__ for one in state.queue) or "nothing"
        clock = due.text() if due is not None else "no clock"
        last.append(f"[{state.phase}, production {state.seen.production}, {sets}, {clock}, to do: {queue}]")
    return " → ".join(last)
