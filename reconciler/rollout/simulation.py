"""Simulation of a rollout: the same `step` that acts on AWS, in a scripted environment with a simulated clock.

Only what AWS and people take is assumed: `Strategy.durations`, and `PERSON_AFTER`. It is one module because what it
plays is one state, which each step changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.model import duration
from reconciler.rollout import effects, pre_deployment
from reconciler.rollout.action_text import BLUE, GREEN, action_text, tasks_text
from reconciler.rollout.actions import (
    RolloutAction,
    RunTask,
    RunTests,
    ScaleTaskSet,
)
from reconciler.rollout.engine import Phase, RolloutStep, TrafficShifter, Waiting, engines
from reconciler.rollout.pre_deployment import Found, PreDeployment
from reconciler.rollout.release import SERVICE_CONNECT, Ports, Version, entrance
from reconciler.rollout.requests import Request, RequestVerb
from reconciler.rollout.state import WHOLE, ObservedService, Scaling, SmokeTestOutcome, TaskSet, all_on
from reconciler.rollout.stored_state import DeadlineKind, StoredState
from reconciler.rollout.strategy import Promotion, Strategy
from reconciler.rollout.tracker import SETTLE, RolloutTracker

FAILS_EVERY: Final = timedelta(seconds=30)
PERSON_AFTER: Final = timedelta(minutes=10)
"""How long the simulation waits before it promotes, if promotion is manual."""

LASTING: Final = (DeadlineKind.GATE, DeadlineKind.AT, DeadlineKind.VERIFY, DeadlineKind.WARM)
"""Deadlines before which nothing happens by itself where nothing fails."""

LONGEST: Final = 20_000
"""Looks after which a rollout that does not end is taken for one that never will."""

FAILS_AT: Final = (
    Phase.PRE_DEPLOYMENT,
    Phase.INITIAL_DEPLOYMENT,
    Phase.SCALING_UP,
    Phase.TESTING,
    Phase.AWAITING_PROMOTION,
    Phase.SHIFTING,
    Phase.VERIFYING,
    Phase.BAKING,
)
"""Phases in which a failure can be simulated."""

MORNING: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Unending(RuntimeError):
    """A simulation that did not come to its end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline. `what` is the action, or empty if only the phase begins."""

    after: timedelta
    phase: Phase
    what: str
    because: str
    release: str = GREEN


def simulate(
    policy: Strategy,
    desired: int = 1,
    *,
    fail_at: Phase | None = None,
    first: bool = False,
    start: datetime = MORNING,
    ports: Ports = (80, 9000),
    task: str = "",
) -> tuple[Row, ...]:
    """The timeline of a new version, from the step that detects it to the last action.

    `first`: nothing is running yet. `ports` are those of the production and of the test listener, `task` is the
    pre-deployment task. Raises `ValueError` for a phase that cannot fail with this strategy.
    """
    before = PreDeployment(task, revision=1) if task else None
    return tuple(Simulation(policy, desired, fail_at, first, start, ports, before).rows())


@dataclass(slots=True)
class Simulation:
    """A scripted environment: what `simulate` says of its arguments holds here too."""

    policy: Strategy
    desired: int
    fail_at: Phase | None = None
    first: bool = False
    start: datetime = MORNING
    ports: Ports = (80, 9000)
    task: PreDeployment | None = None
    now: datetime = field(init=False)
    seen: ObservedService = field(init=False)
    facts: ObservedService = field(init=False)
    stopping: dict[str, datetime] = field(init=False, default_factory=dict)
    sized: dict[str, datetime] = field(init=False, default_factory=dict)
    waiting_since: datetime | None = field(init=False, default=None)
    phase: Phase = field(init=False, default=Phase.IDLE)

    def rows(self) -> Iterator[Row]:
        if self.fail_at is not None and self.fail_at not in FAILS_AT:
            raise ValueError(f"{self.fail_at} cannot fail; choose one of {', '.join(FAILS_AT)}")
        reached, last = False, None
        for step in self.steps():
            reached = reached or step.phase is self.fail_at
            doing = [words for one in step.decisions if (words := action_text(one, self.seen, self.ports, self.task))]
            if step.phase is not last or doing:
                yield Row(self.now - self.start, step.phase, ", ".join(doing), step.because)
                last = step.phase
        if self.fail_at is not None and not reached:
            raise ValueError(f"a rollout with this strategy has no phase {self.fail_at}")

    def steps(self) -> Iterator[RolloutStep]:
        """Each step, before its actions are done; `facts` is what it was decided by, at `now`."""
        engine, memory = engines()[self.policy.engine], RolloutTracker(self.start, began=False)
        self.now, self.seen = self.start, self._beginning()
        for _ in range(LONGEST):
            self._world_goes_on()
            memory, self.facts, free = memory.look(self.seen, self.now)
            if not free:
                self.now += SETTLE
                continue
            step = engine.decide(self.policy, self.facts, self.now)
            starts = engine.starts(step, self.facts)
            step = pre_deployment.step(self.task, self.facts, step, self._run(), self.now, starts=starts)
            self.phase = step.phase
            yield step
            for decision in step.decisions:
                memory = self._done(decision, memory)
            written = tuple(one for one in step.decisions if not isinstance(one, RunTests | RunTask))
            memory = memory.wrote(written, self.now)
            if step.at_rest and self.seen.marks.pending_request is None:
                return
            self._person(step)
            self.now = max(self.now, self._next_event(step))
            if not step.decisions and step.wake_at is None:
                self.now += timedelta(seconds=1)
        raise Unending(f"the rollout is still in {self.phase} after {self.now - self.start}")

    def _next_event(self, step: RolloutStep) -> datetime:
        """When the step asks for the next look; where nothing can happen before, the end of the phase."""
        if step.wake_at is None:
            return self.now
        by_ecs = engines()[self.policy.engine].shifts_traffic is TrafficShifter.ECS  # it promotes by its own timer
        due, asked = self.seen.marks.deadline, self.seen.marks.pending_request is not None
        lasts = due is not None and due.stage in LASTING and not (by_ecs and due.stage is DeadlineKind.GATE)
        quiet = self.fail_at is None and not step.decisions and not asked and lasts
        return step.until if quiet and step.until is not None and step.until > step.wake_at else step.wake_at

    # -- the script

    def _beginning(self) -> ObservedService:
        blue = TaskSet(
            BLUE,
            BLUE,
            0,
            self.start - timedelta(days=1),
            primary=True,
            running=self.desired,
            steady=True,
            healthy=_spread(self.desired),
            task_definition=f"{BLUE}:1",
            state="COMPLETED",
        )
        marks = StoredState() if self.first else StoredState(live=Version(BLUE, f"{BLUE}:1"))
        return ObservedService(
            GREEN,
            self.desired,
            () if self.first else (blue,),
            marks=marks,
            scaling=Scaling.NONE,
            definition=f"{GREEN}:1",
        )

    def _world_goes_on(self) -> None:
        sets = []
        for one in self.seen.sets:
            if one.draining:
                if self.now < self.stopping.setdefault(one.id, self.now) + self.policy.drain:
                    sets.append(one)
            else:
                sets.append(self._task_set(one))
        self.seen = replace(self.seen, sets=tuple(sets), **self._complaints())
        self.seen = engines()[self.policy.engine].simulated(self.seen, self.policy, self.now)
        if engines()[self.policy.engine].shifts_traffic is TrafficShifter.NOBODY:
            self._ecs_deploys()

    def _run(self) -> Found | None:
        """The pre-deployment task, as it is found."""
        run = self.seen.marks.task_run
        if run is None or run.failed:
            return None
        failure = "exit code 1" if self.fail_at is Phase.PRE_DEPLOYMENT else ""
        return Found("task", ended=self.now >= run.at + self.policy.durations.task_run, failure=failure)

    def _task_set(self, one: TaskSet) -> TaskSet:
        if not one.scale or one.id == BLUE:
            return one
        if self._breaks(one):
            since = self.stopping.setdefault(one.id, self.now)
            failed = min(self.policy.max_failed_tasks, 1 + math.floor((self.now - since) / FAILS_EVERY))
            return replace(one, failed=failed, running=0, steady=False, healthy=())
        needed = one.needed(self.desired)
        asked = self.sized.get(one.id, one.born)
        if self.now < asked + self.policy.durations.up:
            return one
        started = asked + self.policy.durations.start
        return replace(one, running=needed, steady=True, healthy=_spread(needed), last_started=started)

    def _breaks(self, one: TaskSet) -> bool:
        if one.release != GREEN or one.id in self.stopping:
            return one.release == GREEN
        if self._bad_in_production():
            return not self.policy.alarms and not self._answers_count()
        by_itself = (Phase.INITIAL_DEPLOYMENT, Phase.SCALING_UP, Phase.AWAITING_PROMOTION, Phase.BAKING)
        return self.fail_at in by_itself and self.phase is self.fail_at

    def _complaints(self) -> dict[str, Any]:
        """What the policy has watched says so; where it watches nothing, the tasks stop."""
        bad = self._bad_in_production()
        answers = bad and not self.policy.alarms and self._answers_count()
        return {"alarms": self.policy.alarms[:1] if bad else (), "errors": float(WHOLE) if answers else None}

    def _answers_count(self) -> bool:
        """Green has some of production, and its 5xx are watched there."""
        green = next((one.slot for one in self.seen.alive if one.release == GREEN), None)
        share = self.seen.production[green] if green is not None and self.seen.production is not None else 0
        return self.policy.max_5xx is not None and share > 0

    def _bad_in_production(self) -> bool:
        due, production = self.seen.marks.deadline, self.seen.production
        shared = production not in (all_on(0), all_on(1))
        if self.fail_at is Phase.VERIFYING:
            return due is not None and due.stage is DeadlineKind.VERIFY
        if self.fail_at is Phase.SHIFTING and due is not None and due.stage in (DeadlineKind.TO, DeadlineKind.AT):
            return shared or not self.policy.shares
        return False

    def _ecs_deploys(self) -> None:
        """ECS's own deployment: done once its tasks are up, or gone back to the one before."""
        primary = next((one for one in self.seen.sets if one.primary), None)
        if primary is None or primary.state != "IN_PROGRESS":
            return
        durations, replaced = self.policy.durations, len(self.seen.sets) > 1
        lasts = durations.up * durations.waves(self.desired)
        if self.now < primary.born + lasts + (self.policy.drain if replaced else timedelta()):
            return
        done = replace(primary, running=self.desired, pending=0, state="COMPLETED", failed=0, steady=True)
        if self.fail_at is Phase.SCALING_UP and primary.release == GREEN and self.first:
            done = replace(primary, state="FAILED", running=0, failed=self.policy.max_failed_tasks)
        elif self.fail_at is Phase.SCALING_UP and primary.release == GREEN:
            before = replace(done, id=f"{BLUE} again", release=BLUE, task_definition=f"{BLUE}:1")
            done = before
        self.seen = replace(self.seen, sets=(done,))

    def _done(self, decision: RolloutAction, memory: RolloutTracker) -> RolloutTracker:
        self.seen = effects.after(decision, self.seen, self.now)
        if isinstance(decision, ScaleTaskSet):
            self.sized[decision.id] = self.now
        if isinstance(decision, RunTests):
            passed = self.fail_at is not Phase.TESTING
            return memory.learnt(SmokeTestOutcome(decision.release, passed, "" if passed else "the tests failed"))
        return memory

    def _person(self, step: RolloutStep) -> None:
        """Where only a person can go on, the person does, after a while."""
        if step.waits_for is not Waiting.PERSON or step.phase is not Phase.AWAITING_PROMOTION:
            return
        self.waiting_since = self.waiting_since or self.now
        if self.now - self.waiting_since >= PERSON_AFTER:
            said = Request(RequestVerb.PROMOTE, step.release, "1", self.now, "simulate")
            self.seen = replace(self.seen, marks=replace(self.seen.marks, request=said))


def _spread(count: int) -> tuple[tuple[str, int], ...]:
    """Two zones, as evenly as ECS spreads tasks."""
    halves = (("a", count - count // 2), ("c", count // 2))
    return tuple((zone, number) for zone, number in halves if number)


def timeline_sentence(policy: Strategy, desired: int, *, ports: Ports = (80, 9000), task: str = "") -> str:
    """The timeline in one line, with its duration if nothing fails."""
    rows = simulate(policy, desired, ports=ports, task=task)
    whole = rows[-1].after
    first = [f"task/{task} succeeds"] if task else []
    if engines()[policy.engine].shifts_traffic is TrafficShifter.NOBODY:
        replaced = f"ECS replaces {tasks_text(desired)}, a few at a time (≈ {duration.approximate(whole)})"
        return " → ".join((*first, replaced))
    healthy = "healthy" if ports[1] == SERVICE_CONNECT else f"healthy on :{ports[1]}"
    parts = [*first, f"green {tasks_text(math.ceil(desired * policy.scale / WHOLE))}", healthy]
    match policy.promotion:
        case Promotion.MANUAL:
            parts.append("promote")
            promoted = next(row.after for row in rows if row.phase is Phase.SHIFTING)
            whole -= promoted
        case Promotion.TIMED:
            parts.append(f"promote or wait {duration.format(policy.promote_after)}")
        case Promotion.AUTO:
            pass
    parts += [f"{share.weight} % of {entrance(ports[0])} for {duration.format(share.pause)}" for share in policy.shares]
    parts += [f"switch {entrance(ports[0])}", f"remove blue {duration.format(policy.teardown_after)} later"]
    from_when = " after promote" if policy.promotion is Promotion.MANUAL else " in all"
    return f"{' → '.join(parts)} (≈ {duration.approximate(whole)}{from_when})"
