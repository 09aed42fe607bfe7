"""From one engine to another on a service that lives: which steps are left, and the next one. Pure.

    any other controller ──► ECS, rolling ──► a pair of target groups ──► ECS shifts traffic
                                  ▲   ▲                │                        │
    ECS, rolling ◄─ one group ────┴───┴────────────────┴────────────────────────┘
          │
          └──► without alarms and circuit breaker ──► EXTERNAL          CODE_DEPLOY ──► EXTERNAL

Every state on the way serves, and says by itself what is left: nothing is remembered. A step is taken only while
nothing of the service is under way, and the next one once AWS shows that it was taken. What runs stays the version
that it is; another one that is declared is rolled out by the new engine, afterwards. Source: ECS developer guide,
"Updating Amazon ECS service parameters" and "Migrating from rolling updates to Amazon ECS blue/green".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.model.controller_changes import IN_PLACE
from reconciler.rollout import windows
from reconciler.rollout.actions import EngineAction, RolloutAction, WriteState
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY
from reconciler.rollout.change_facts import ChangeFacts
from reconciler.rollout.engine import Controller, Engine, Phase, RolloutHealth, RolloutStep, TrafficShifter, Waiting
from reconciler.rollout.release import Ports, Version
from reconciler.rollout.state import UNNAMED, ObservedService
from reconciler.rollout.stored_state import EngineChange
from reconciler.rollout.strategy import Strategy

AT_REST: Final = frozenset({Phase.IDLE, Phase.FAILED, Phase.ROLLED_BACK})
"""Phases in which nothing of a rollout is under way, whatever its outcome."""

OVER_ROLLING: Final = "change the engine to `rolling` in a commit of its own, and change it back in the next one"
"""How ECS is given another pair of target groups, listeners or rules."""

A_STEP: Final = timedelta(seconds=15)
"""Roughly for how long a step lasts that starts no task."""


class Step(StrEnum):
    """One change of the service, or of a listener; each is one write."""

    NAME_PRODUCTION = "name-production"
    NAME_TEST = "name-test"
    STOP_SHIFTING = "stop-shifting"
    ATTACH = "attach"
    DISARM = "disarm"
    CONTROLLER = "controller"
    PAIR = "pair"
    SHIFT = "shift"

    @property
    def deploys(self) -> bool:
        """Whether ECS replaces the tasks, by a rolling deployment of the version that runs."""
        return self in (Step.ATTACH, Step.PAIR)


TEXTS: Final = {
    Step.NAME_PRODUCTION: "naming both target groups in the production listener",
    Step.NAME_TEST: "naming both target groups in the test listener",
    Step.STOP_SHIFTING: "setting ECS's deployment strategy to ROLLING",
    Step.ATTACH: "attaching the tasks to the target group that serves, by a rolling deployment",
    Step.DISARM: "switching off ECS's alarms and circuit breaker",
    Step.CONTROLLER: "changing the deployment controller",
    Step.PAIR: "giving ECS the pair of target groups, by a rolling deployment",
    Step.SHIFT: "setting ECS's deployment strategy to one that shifts traffic",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """`was` and `engine` are the names of the engines. `lasts` is how long a rolling deployment takes, roughly. `lack`:
    what has to exist first, or "". `names` are the ids of releases under the former engines, and under the new one.
    """

    was: str
    engine: str
    controller: str
    shifted: bool
    lasts: timedelta = timedelta(minutes=3)
    lack: str = ""
    names: tuple[tuple[str, str], ...] = ()

    @property
    def way(self) -> str:
        return f"{self.was} → {self.engine}"


def style(engine: Engine) -> tuple[str, bool]:
    """The controller of the services of an engine, and whether ECS shifts their traffic."""
    return str(engine.controller), engine.shifts_traffic is TrafficShifter.ECS


def possible(was: str, will: str) -> bool:
    """Whether AWS changes the deployment controller in place."""
    return was == will or (was, will) in IN_PLACE


def remaining(goal: Goal, facts: ChangeFacts) -> tuple[Step, ...]:
    """The steps that are left, in their order. What only matters on the way is not gone back to once it is behind."""
    by_ecs = facts.controller == Controller.ECS
    steps: list[Step] = []
    if goal.shifted:
        bare = {name for name, _ in facts.bare}
        steps += [Step.NAME_PRODUCTION] if "production" in bare else []
        steps += [Step.NAME_TEST] if "test" in bare else []
    elif by_ecs:
        steps += [Step.STOP_SHIFTING] if facts.shifted else []
        several = len(facts.attached) > 1 and goal.controller != Controller.ECS
        steps += [Step.ATTACH] if facts.paired or several else []
        steps += [Step.DISARM] if goal.controller != Controller.ECS and facts.guarded and not facts.shifted else []
    steps += [Step.CONTROLLER] if facts.controller != goal.controller else []
    if goal.shifted:
        steps += [] if by_ecs and (facts.paired or not facts.routed) else [Step.PAIR]
        steps += [] if by_ecs and facts.shifted else [Step.SHIFT]
    return tuple(steps)


def lasts(goal: Goal, steps: tuple[Step, ...]) -> timedelta:
    """How long the steps take together, roughly."""
    return sum((goal.lasts if one.deploys else A_STEP for one in steps), timedelta())


@dataclass(frozen=True, slots=True)
class TakeStep(EngineAction):
    """Take one step. Refused if AWS shows meanwhile that it is not the next one any more.

    `stranded`: it is taken although tasks are left of a version that AWS has given up taking back.
    """

    step: Step
    goal: Goal
    stranded: bool = False

    @property
    def message(self) -> str:
        return f"{self.goal.way}: {TEXTS[self.step]}"

    @property
    def details(self) -> dict[str, str]:
        return {"step": str(self.step), "was": self.goal.was, "engine": self.goal.engine}

    def visible(self, seen: ObservedService) -> bool:
        return seen.change is None or self.step not in remaining(self.goal, seen.change)

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        assert seen.change is not None, "the step was decided from these facts"
        return replace(seen, change=taken(self.step, self.goal, seen.change))

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return TEXTS[self.step]


def taken(step: Step, goal: Goal, facts: ChangeFacts) -> ChangeFacts:
    """The facts once a step was taken, and the deployment that it starts is over."""
    match step:
        case Step.NAME_PRODUCTION | Step.NAME_TEST:
            name = "production" if step is Step.NAME_PRODUCTION else "test"
            return replace(facts, bare=tuple(one for one in facts.bare if one[0] != name))
        case Step.STOP_SHIFTING:
            return replace(facts, shifted=False, guarded=facts.guarded and goal.controller == Controller.ECS)
        case Step.ATTACH:
            return replace(facts, paired=False, attached=(facts.live,))
        case Step.DISARM:
            return replace(facts, guarded=False)
        case Step.CONTROLLER:
            return replace(facts, controller=goal.controller)
        case Step.PAIR:
            return replace(facts, paired=True)
        case Step.SHIFT:
            return replace(facts, shifted=True, guarded=True)


def misrouted(facts: ChangeFacts) -> str:
    """Why it is not known which target group serves, or "". Of a pair, the listener alone tells."""
    if not facts.routed or (facts.shifted and not facts.paired and not facts.attached):
        return ""  # no requests, or only those by Service Connect
    if facts.live is None:
        return "the production listener does not send everything to one of the service's two target groups"
    if facts.paired or facts.attached == (facts.live,):
        return ""
    between = facts.controller == Controller.ECS and None not in facts.attached and facts.live in facts.attached
    return "" if between else "production traffic does not go to a target group that the tasks are in"


def step(goal: Goal, policy: Strategy, ordinary: RolloutStep, seen: ObservedService, now: datetime) -> RolloutStep:
    """The next step of the change, in place of `ordinary`, what the present engine would do. That goes on with what is
    under way, and answers requests, until nothing of it is left.
    """
    facts, marks = seen.change, seen.marks
    assert facts is not None, "observed for every service whose engine changes"
    ended = ordinary.phase in AT_REST or seen.stranded
    resting = not ordinary.decisions and ended and ordinary.ended is None
    if not resting or marks.suspended is not None or marks.pending_request is not None or marks.unreadable:
        return ordinary
    todo = remaining(goal, facts)
    if not todo:
        return _told(goal, ordinary, "read again", now + LOOK_EVERY)
    if facts.busy and not seen.stranded:
        return _told(goal, ordinary, facts.busy, now + POLL_EVERY)
    stopped = goal.lack or misrouted(facts) or _attached(goal, facts)
    if stopped:
        return _told(goal, ordinary, stopped, now + POLL_EVERY, RolloutHealth.SUSPENDED, Waiting.DEPENDENCY)
    if not windows.open_at(policy.windows, now):
        opens = windows.opens_at(policy.windows, now)
        because = "no deployment window is open"
        return _told(goal, ordinary, because, opens or now + POLL_EVERY, RolloutHealth.SUSPENDED)
    recorded = _recorded(goal, seen, now)
    if recorded:
        return replace(_told(goal, ordinary, "recording the version that runs", now), decisions=recorded)
    return replace(_told(goal, ordinary, TEXTS[todo[0]], now), decisions=(TakeStep(todo[0], goal, seen.stranded),))


def _attached(goal: Goal, facts: ChangeFacts) -> str:
    """Why ECS cannot shift what comes in by Service Connect alone: it takes no target groups without a pair."""
    if not goal.shifted or facts.routed or not facts.attached:
        return ""
    return (
        "its tasks are in target groups, which the specs do not name; remove 'traffic' under the engine rolling first"
    )


def _recorded(goal: Goal, seen: ObservedService, now: datetime) -> tuple[RolloutAction, ...]:
    """The version that runs is stored, since the next engine may know it by its revision only; all releases under the
    names that they have with that engine; and that the engine changes, which AWS does not show afterwards.
    """
    after, known = seen.marks, seen.marks.engine_change
    if known is None or known.engine != goal.engine:  # once for a change: its steps look like one from another engine
        after = replace(after, engine_change=EngineChange(goal.was, goal.engine, now.replace(microsecond=0)))
    (only,) = seen.alive if len(seen.alive) == 1 else (None,)
    if only is not None and only.task_definition:
        names = dict(goal.names)
        release = UNNAMED if only.release == only.task_definition else names.get(only.release, only.release)
        after = replace(after.named(names), live=Version(release, only.task_definition))
    return () if after == seen.marks else (WriteState(seen.marks, after),)


def _told(
    goal: Goal,
    ordinary: RolloutStep,
    because: str,
    wake_at: datetime,
    health: RolloutHealth = RolloutHealth.PROGRESSING,
    waits_for: Waiting = Waiting.NOBODY,
) -> RolloutStep:
    return replace(
        ordinary,
        phase=Phase.CHANGING_ENGINE,
        decisions=(),
        wake_at=wake_at,
        because=f"{goal.way}: {because}",
        health=health,
        until=None,
        waits_for=waits_for,
    )


def outlook(goal: Goal, facts: ChangeFacts) -> str:
    """Which way it goes, and how long it takes, in one line."""
    todo = remaining(goal, facts)
    minutes = max(1, round(lasts(goal, todo) / timedelta(minutes=1)))
    deployments = sum(one.deploys for one in todo)
    tasks = "the tasks that run stay" if not deployments else "the tasks are replaced by a rolling deployment"
    steps = "one step" if len(todo) == 1 else f"{len(todo)} steps"
    return f"in place: {goal.way} in {steps}, ≈ {minutes} min; {tasks}"
