"""A service whose traffic ECS shifts: one service deployment at a time, which goes on by itself and waits at hooks.

The truth is the newest service deployment and the tasks; what a read shows of them is told by the engine's own
observation. Times that ECS keeps run out after ours or before: a timed gate opens, a share gets larger, the bake time
ends. At a price nobody is there when the tests' hook expires, people do what the console offers (they continue a hook,
roll back at one, stop a deployment, start another one), ECS gives up, or cannot roll back.

Not in it: hooks that call functions, and strategies that change on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, ClassVar

from reconciler import errors
from reconciler.rollout import describe, effects, observe_task_sets
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    WriteState,
)
from reconciler.rollout.blue_green.context import FIRST_STAGES
from reconciler.rollout.engines.ecs_native import endings, observation
from reconciler.rollout.engines.ecs_native.actions import ContinueDeployment, StartDeployment, StopDeployment
from reconciler.rollout.engines.ecs_native.facts import (
    PAUSED_FOR,
    Deployment,
    Hook,
    HookAction,
    NativeService,
    PauseHook,
    Status,
)
from reconciler.rollout.release import Version
from reconciler.rollout.state import UNNAMED, WHOLE, ObservedService, TaskSet, all_on, shared
from reconciler.rollout.stored_state import DeadlineKind
from tests.rollout import world
from tests.rollout.laws import Broken
from tests.rollout.models import Model
from tests.rollout.world import AGO, BORN, GOOD, MOST_FAILED, NOW, PENDING, State

SOON = NOW + timedelta(seconds=30)
AFTERWARDS = NOW + timedelta(seconds=10)
"""When a deployment ends that is under way; one that has ended before the present attempt began did so at `BORN`."""
MEANWHILE = NOW - timedelta(seconds=100)
"""When a deployment began that was there before the deadline was stored."""
SCALE_UP, AT_HOOKS, SHIFT, BAKE, CLEAN_UP = (
    "SCALE_UP",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
)
TESTS, GATE = "tests", "gate"
"""The hooks' ids, by what they are for."""


@dataclass(frozen=True, slots=True)
class Truth(NativeService):
    """`configured`: the hooks of the service, which the next deployment gets unless it is started with others."""

    configured: tuple[PauseHook, ...] = ()

    @property
    def green(self) -> TaskSet | None:
        """The tasks of the active deployment's target, also while it is rolled back."""
        return next((one for one in self.sets if self.active is not None and one.id == self.active.target), None)

    @property
    def blue(self) -> TaskSet | None:
        """The tasks that have production, or had it before the active deployment began."""
        others = [one for one in self.alive if one is not self.green]
        return next((one for one in others if one.primary), others[0] if others else None)


class EcsNative(Model):
    engine: ClassVar[str] = "ecs_native"
    lags: ClassVar[tuple[str, ...]] = (*world.LAGS, "deployment")

    # -- beginnings

    def at_rest(self, wanted: str, budget: int) -> State:
        return _serving(world.at_rest(wanted, budget))

    def asleep(self, wanted: str, budget: int) -> State:
        return _serving(world.asleep(wanted, budget))

    def empty(self, wanted: str, budget: int) -> State:
        """ECS starts the first version with the service, behind the group that production does not use."""
        state = world.empty(wanted, budget)
        return state._replace(seen=_started(_truth(state.seen), self.policy.shares, wanted, f"{wanted}:1", ()))

    # -- reads

    def view(self, state: State) -> ObservedService:
        """As observation.see puts it together from the answers."""
        truth = world.view(state)
        assert isinstance(truth, Truth)
        names = describe.by_revision(truth.marks)
        if truth.wanted:
            names = {f"{truth.wanted}:1": truth.wanted} | names
        deployment, started = truth.deployment, truth.marks.started
        if deployment is not None:
            known = names.get(deployment.task_definition, UNNAMED)
            if started is not None and started.task_definition == deployment.task_definition:
                known = started.release
            deployment = replace(deployment, release=known)
        sets = tuple(
            replace(
                one,
                release=names.get(one.task_definition, UNNAMED),
                steady=one.running == one.needed(truth.desired) and not one.draining,
            )
            for one in truth.sets
        )
        plain = _plain(replace(truth, sets=sets, definition=f"{truth.wanted}:1" if truth.wanted else ""))
        if (settled := _settled(plain, truth.active)) is not None:
            return settled
        if deployment is not None:
            sets = tuple(replace(one, release=deployment.release) if one.id == deployment.target else one
                         for one in sets)  # fmt: skip
        seen = replace(plain, sets=sets, deployment=deployment)
        return observation._reached(replace(seen, sets=observation._traffic(seen, _slots(sets))))

    # -- writes

    def carried_out(self, state: State, decision: RolloutAction) -> ObservedService:
        truth = _of(state)
        match decision:
            case StartDeployment(release, _, _, definition, hooks):
                active, revision = truth.active, definition or f"{release}:1"
                if active is not None and active.task_definition == revision and not active.going_back:
                    if not state.lag:
                        raise Broken(f"C3: {release} is started again and again while {active.id} is active")
                    raise errors.StalePlan(f"{active.id} has begun already")
                _leaves_alone(truth)
                return _started(truth, self.policy.shares, release, revision, hooks)
            case ContinueDeployment(identifier, hook):
                return _continued(truth, _active(truth, identifier), hook)
            case StopDeployment(identifier):
                _leaves_alone(truth)
                return _with(truth, replace(_active(truth, identifier), status=Status.ROLLBACK_REQUESTED))
            case SetWeights() if truth.connected:
                raise Broken(f"calls: {decision.listener} is written to, and there is no load balancer")
            case SetWeights() if truth.active is not None and truth.active.stage not in (BAKE, CLEAN_UP):
                raise Broken(f"calls: {decision.listener} is written to while {truth.active.id} is active")
            case CreateTaskSet() | ScaleTaskSet() | SetPrimary() | DeleteTaskSet():
                raise Broken(f"calls: a service with the ECS controller takes no {type(decision).__name__}")
            case WriteState():
                return _kept(_noted(replace(truth, marks=decision.on(truth.marks)), decision))
            case _:
                return _kept(effects.after(decision, truth, NOW))

    def amounts_to(self, policy: Any, state: State, decision: RolloutAction) -> Iterable[RolloutAction]:
        """What ECS does at once when it is asked. What it does on its own account is not ours to answer for."""
        truth = _of(state)
        active, green, blue = truth.active, truth.green, truth.blue
        match decision:
            case StartDeployment(release, slot, attempt, definition):
                served = green is not None and truth.production is not None and truth.production[green.slot]
                if green is not None and served and truth.production != all_on(green.slot):
                    yield DeleteTaskSet(green.id, green.slot)
                yield CreateTaskSet(release, slot, WHOLE, attempt, definition)
            case ContinueDeployment(_, hook):
                assert active is not None
                assert green is not None
                _may_complete(state, active, green, hook)
                if not any(one.waits and one.id != hook for one in active.hooks):
                    weights = shared(green.slot, policy.weights[0])
                    yield SetWeights("production", weights, truth.production)
            case StopDeployment() if active is not None and active.stage != CLEAN_UP and green is not None:
                yield from _taken_back(truth, green, blue, state.ghosts.undrained)
            case StopDeployment():
                return
            case _:
                yield decision

    # -- what happens by itself

    def due(self, state: State) -> State:
        """A deployment that was there before the deadline was stored stays older than it."""
        found = state.seen.deployment if isinstance(state.seen, Truth) else None
        if found is not None and found.born == MEANWHILE and state.seen.marks.ended_of(found.release) is None:
            state = state._replace(seen=_with(_of(state), replace(found, born=BORN)))
        return world.due(state)

    def progress(self, state: State) -> Iterator[tuple[str, State]]:
        yield from world.progress(state)
        truth = _of(state)
        if truth.active is not None:
            after = _next(truth, truth.active)
            if after is not truth:
                yield f"ECS goes on with {truth.active.id}", _interrupted(state, _moved(state, after))

    def timers(self, state: State, idle: Callable[[], bool]) -> Iterator[tuple[str, State]]:
        truth = _of(state)
        active, green = truth.active, truth.green
        if active is None or active.going_back or active.stage == CLEAN_UP or green is None:
            return
        if truth.alarms:
            yield f"ECS rolls {active.id} back for an alarm", _undone(state, _going_back(truth, active))
        if green.failed >= MOST_FAILED:
            yield f"ECS rolls {active.id} back for failed tasks", _undone(state, _going_back(truth, active))
        for hook in active.hooks:
            if hook.waits and hook.then is HookAction.CONTINUE:
                yield _gate_opens(state, truth, active, green, hook, idle)
        match active.stage:
            case "PRODUCTION_TRAFFIC_SHIFT" if truth.production is not None and truth.production[green.slot] > 0:
                yield "ECS shifts more of production", _moved(state, _shifted(truth, active, green))
            case "BAKE_TIME":
                _before_blue_goes(truth, green, idle)
                yield "ECS's bake time is over", _moved(state, _cleaning_up(truth, active))

    def at_last(self, state: State) -> Iterator[tuple[str, State]]:
        """What ends a wait for which nobody is there."""
        yield from _expiries(state)

    # -- at a price

    def disturbances(self, state: State) -> Iterator[tuple[str, State]]:
        for event, after in world.disturbances(state):
            yield event, _interrupted(state, after)
        state = world.not_only_a_wish(state)
        yield from _expiries(state)
        truth = _of(state)
        active = truth.active
        hooks = truth.configured
        shares = self.policy.shares
        foreign = _started(truth, shares, UNNAMED, "X:1", hooks)
        yield "somebody deploys by hand", world.blamed(_moved(state, foreign))
        live = truth.blue if active is None else None
        if live is not None:
            again = _started(truth, shares, live.release, live.task_definition, hooks)
            yield f"somebody deploys {live.release} again", world.blamed(_moved(state, again))
        if active is None:
            return
        if active.going_back:
            stuck = _with(truth, replace(active, status=Status.ROLLBACK_FAILED, finished=AFTERWARDS, why="a rule"))
            yield f"ECS cannot roll {active.id} back", world.blamed(_moved(state, stuck))
            return
        if active.stage != CLEAN_UP:
            stopped = _with(truth, replace(active, status=Status.ROLLBACK_REQUESTED))
            yield f"somebody stops {active.id} by hand", _undone(state, stopped)
        if active.stage in (SCALE_UP, SHIFT):
            yield f"ECS gives {active.id} up in {active.stage}", _undone(state, _going_back(truth, active))
        for hook in active.hooks:
            if hook.waits:
                yield f"somebody continues {hook.id} by hand", _vouched(state, truth, active, hook)
                yield f"somebody rolls back at {hook.id} by hand", _undone(state, _going_back(truth, active))


def _interrupted(state: State, after: State) -> State:
    """Once production has moved, ECS takes back a version without tasks as a whole, and it is started again while it is
    wanted.
    """
    green = _of(after).green
    if green is None or not _is_empty_in_production(after) or _is_empty_in_production(state):
        return after
    return after._replace(ghosts=after.ghosts._replace(interrupted=green.release))


def _is_empty_in_production(state: State) -> bool:
    truth = _of(state)
    green, production = truth.green, truth.production
    return green is not None and not green.well and production is not None and production[green.slot] > 0


def _serving(state: State) -> State:
    marks = replace(state.seen.marks, live=Version("A", "A:1"))
    return state._replace(seen=_truth(replace(state.seen, marks=marks)))


def _truth(seen: ObservedService) -> Truth:
    return Truth(**{one.name: getattr(seen, one.name) for one in fields(ObservedService)})


def _of(state: State) -> Truth:
    assert isinstance(state.seen, Truth)
    return state.seen


# -- what a read shows


_PLAIN = tuple(one.name for one in fields(NativeService))


def _plain(truth: Truth) -> NativeService:
    return NativeService(**{name: getattr(truth, name) for name in _PLAIN})


def _slots(sets: Iterable[TaskSet]) -> dict[str, int | None]:
    return {one.id: one.slot for one in sets}


def _settled(seen: NativeService, active: Deployment | None) -> NativeService | None:
    """As observation._settled, of a service whose only deployment is completed."""
    if len(seen.sets) != 1 or active is not None or seen.marks.live is None:
        return None
    if seen.production not in (all_on(0), all_on(1)):
        return None
    (only,) = seen.sets
    only = replace(only, slot=seen.production.index(WHOLE), primary=True)
    found = replace(seen, sets=(only,), deployment=None)
    recorded = seen.marks.live == Version(only.release, only.task_definition)
    return found if recorded and observe_task_sets.quiet(found) else None


# -- what we ask for


def _may_complete(state: State, active: Deployment, green: TaskSet, hook: str) -> None:
    """The tests' hook once they have passed, the gate's once promotion is stored. Where there is no load balancer, the
    first one is there without tests, and is continued once green was found healthy."""
    alone = _of(state).connected
    if hook == TESTS and not alone and green.id not in state.ghosts.tested:
        raise Broken(f"S4: the tests' hook of {green.release} is continued, and it was not tested")
    due = state.seen.marks.deadline
    approved = due is not None and (due.release, due.stage) == (green.release, DeadlineKind.TO)
    if (hook == GATE or alone) and not approved:
        raise Broken(f"S4: the gate of {green.release} is opened, and it was not approved")


def _leaves_alone(truth: Truth) -> None:
    """Somebody else's deployment is stopped on request only, and not superseded. Before a first version was promoted
    any deployment is taken for an attempt at it.
    """
    active, asked = truth.active, truth.marks.pending_request
    if active is None or active.going_back or active.release != UNNAMED or truth.marks.live is None:
        return
    if asked is None or asked.verb not in endings.UNDOING:
        raise Broken(f"outside: {active.id}, which somebody else has started, is undone, and nobody asked for it")


def _active(truth: Truth, identifier: str) -> Deployment:
    found = truth.active
    if found is None or found.id != identifier or found.going_back:
        raise errors.StalePlan(f"{identifier} is not there yet, or not any more")
    return found


def _taken_back(truth: Truth, green: TaskSet, blue: TaskSet | None, served: frozenset[str]) -> Iterator[RolloutAction]:
    """A rollback: production goes to blue, if green has some of it, and green goes."""
    if truth.production is None:
        return
    if blue is not None and truth.production[green.slot]:
        yield SetWeights("production", all_on(blue.slot), truth.production)
    elif green.well and green.id not in served:  # the requests under way are for ECS to see to
        yield DeleteTaskSet(green.id, green.slot)


def _started(truth: Truth, shares: tuple[Any, ...], release: str, revision: str, hooks: tuple[PauseHook, ...]) -> Truth:
    """A new deployment; one that is active is superseded, and its tasks go, unless production is theirs."""
    kept, serving = truth.blue, 0 if truth.production is None else truth.production.index(max(truth.production))
    if truth.active is not None and truth.green is not None and truth.production == all_on(truth.green.slot):
        kept = truth.green
    if kept is not None:
        serving = kept.slot
    for one in truth.alive:
        truth = truth if one is kept else _draining(truth, one.id)
    if truth.production is not None and 0 not in truth.production:
        truth = replace(truth, production=all_on(serving))
    name = release if release != UNNAMED else "x"
    taken = {one.id for one in truth.sets} | {truth.deployment.target if truth.deployment is not None else ""}
    identifier = next(f"{name}-{n}" for n in range(9) if f"{name}-{n}" not in taken)
    green = TaskSet(identifier, release, 1 - serving, NOW, healthy=(), task_definition=revision)
    made = Deployment(f"d-{identifier}", release, Status.IN_PROGRESS, NOW, SCALE_UP, identifier, revision)
    made = replace(made, declared=hooks, shares=shares)
    return _kept(replace(truth, sets=(*truth.sets, green), deployment=made, configured=hooks))


def _continued(truth: Truth, active: Deployment, identifier: str) -> Truth:
    if not any(one.id == identifier and one.waits for one in active.hooks):
        raise errors.StalePlan(f"{identifier} does not wait")
    hooks = tuple(replace(one, waits=False, passed=True) if one.id == identifier else one for one in active.hooks)
    return _with(truth, replace(active, hooks=hooks))


def _noted(truth: Truth, decision: WriteState) -> Truth:
    """Whatever has ended did so before a later attempt, and what has a result began before that."""
    found, due = truth.deployment, decision.after.deadline
    if found is None:
        return truth
    if "deadline" in decision.fields and due is not None and due.stage is DeadlineKind.UP:
        found = replace(found, born=min(found.born, MEANWHILE), finished=BORN if found.finished else None)
    if "ended" in decision.fields:
        found = replace(found, born=BORN)
    return replace(truth, deployment=found)


# -- what ECS does


def _with(truth: Truth, deployment: Deployment) -> Truth:
    return replace(truth, deployment=deployment)


def _over(truth: Truth, active: Deployment, status: Status, why: str = "") -> Truth:
    return _with(truth, replace(active, status=status, finished=AFTERWARDS, why=why or active.why))


def _draining(truth: Truth, identifier: str) -> Truth:
    gone: dict[str, Any] = {"draining": True, "primary": False, "steady": False, "running": 0, "healthy": ()}
    return replace(truth, sets=tuple(replace(one, **gone) if one.id == identifier else one for one in truth.sets))


def _going_back(truth: Truth, active: Deployment) -> Truth:
    """The hooks that wait fail. Without another version there is nothing to go back to, and the new tasks stop."""
    hooks = tuple(replace(one, waits=False) for one in active.hooks)
    if truth.blue is None:
        return _over(_draining(truth, active.target), replace(active, hooks=hooks), Status.ROLLBACK_FAILED)
    return _with(truth, replace(active, status=Status.ROLLBACK_IN_PROGRESS, hooks=hooks))


def _cleaning_up(truth: Truth, active: Deployment) -> Truth:
    for one in truth.alive:
        truth = truth if one.id == active.target else _draining(truth, one.id)
    return _with(truth, replace(active, stage=CLEAN_UP))


def _next(truth: Truth, active: Deployment) -> Truth:
    """The next thing that ECS does without waiting for anybody; else the same."""
    green = truth.green
    match active:
        case Deployment(stage="CLEAN_UP", status=Status.IN_PROGRESS | Status.ROLLBACK_REQUESTED):
            return _over(truth, active, Status.SUCCESSFUL) if len(truth.sets) == 1 else truth
        case Deployment(status=Status.ROLLBACK_REQUESTED):
            return _going_back(truth, active)
        case Deployment(status=Status.ROLLBACK_IN_PROGRESS):
            return _rolling_back(truth, active)
    if green is None:
        return truth
    match active.stage:
        case "SCALE_UP" if truth.production is None or 0 not in truth.production:
            return _going_back(truth, active)  # "exactly one of the two target groups at non-zero weight"
        case "SCALE_UP" if world.complete(green, truth.desired):
            hooks = tuple(_hook(one) for one in active.declared)
            reached = replace(active, stage=AT_HOOKS if hooks else SHIFT, hooks=hooks)
            return replace(_with(truth, reached), test=all_on(green.slot))
        case "POST_TEST_TRAFFIC_SHIFT" if not any(one.waits for one in active.hooks):
            return _with(truth, replace(active, stage=SHIFT))
        case "PRODUCTION_TRAFFIC_SHIFT" if truth.production is None:
            return _going_back(truth, active)
        case "PRODUCTION_TRAFFIC_SHIFT" if not truth.production[green.slot]:
            return _shifted(truth, active, green)
    return truth


def _hook(declared: PauseHook) -> Hook:
    if declared.then is HookAction.CONTINUE:
        return Hook(GATE, declared.then, PENDING)
    if declared.minutes * timedelta(minutes=1) == PAUSED_FOR:
        return Hook(GATE, declared.then, NOW + PAUSED_FOR)
    return Hook(TESTS, declared.then, PENDING)


def _shifted(truth: Truth, active: Deployment, green: TaskSet) -> Truth:
    """The next share; with all of it the bake time begins."""
    assert truth.production is not None
    had = truth.production[green.slot]
    share = next((one.weight for one in active.shares if one.weight > had), WHOLE)
    moved = replace(truth, production=shared(green.slot, share))
    return moved if share < WHOLE else _with(moved, replace(active, stage=BAKE, updated=AGO))


def _rolling_back(truth: Truth, active: Deployment) -> Truth:
    """Traffic first, then the new tasks go."""
    green, blue = truth.green, truth.blue
    if green is None:
        return _over(truth, active, Status.ROLLBACK_SUCCESSFUL)
    if blue is None:
        return _over(truth, active, Status.ROLLBACK_FAILED)
    there = all_on(blue.slot)
    if truth.production is not None and truth.production[green.slot]:
        return replace(truth, production=there, test=there)
    if not green.draining:
        return _draining(replace(truth, test=there), green.id)
    return truth


def _gate_opens(
    state: State, truth: Truth, active: Deployment, green: TaskSet, hook: Hook, idle: Callable[[], bool]
) -> tuple[str, State]:
    """First it is about to, so that whoever looks can stop it for a version that is ill."""
    if hook.expires > SOON:
        hooks = tuple(replace(one, expires=SOON) if one is hook else one for one in active.hooks)
        return "the gate is about to open", state._replace(seen=_with(truth, replace(active, hooks=hooks)))
    due, tested = truth.marks.deadline, not any(one.waits and one is not hook for one in active.hooks)
    ours = due is not None and due.release == green.release and due.stage in FIRST_STAGES
    left_alone = truth.marks.suspended is not None or not truth.desired
    if green.failing and ours and tested and not left_alone and idle():
        raise Broken(f"S4: ECS is about to promote {green.release}, which fails, and nobody stops it")
    return "ECS opens the gate", _opened(state, _continued(truth, active, hook.id), green)


def _before_blue_goes(truth: Truth, green: TaskSet, idle: Callable[[], bool]) -> None:
    """ECS does not look at the listener; whoever looks sees that blue has production again."""
    left_alone = truth.marks.suspended is not None or truth.marks.live is None or not truth.desired
    others = [one for one in truth.alive if one is not green and one.well]
    taken_back = truth.production is not None and not truth.production[green.slot]
    if green.release != UNNAMED and others and taken_back and not left_alone and idle():
        raise Broken(f"S5: ECS is about to remove {others[0].release}, which has production, and nobody stops it")


def _opened(state: State, after: Truth, green: TaskSet) -> State:
    """The clock of the gate has run its full time, or somebody has opened it."""
    due = after.marks.deadline
    if due is not None and due.release == green.release and due.stage in FIRST_STAGES:
        ghosts = state.ghosts._replace(elapsed=(green.release, DeadlineKind.GATE, 0))
        state = state._replace(ghosts=ghosts)
    return _moved(state, after)


def _vouched(state: State, truth: Truth, active: Deployment, hook: Hook) -> State:
    green = truth.green
    assert green is not None
    tested = state.ghosts.tested | {green.id}
    state = world.blamed(state._replace(ghosts=state.ghosts._replace(tested=tested)))
    return _opened(state, _continued(truth, active, hook.id), green)


def _expiries(state: State) -> Iterator[tuple[str, State]]:
    """Hooks that roll back when nobody continues them."""
    truth = _of(state)
    active = truth.active
    if active is None or active.going_back:
        return
    for hook in active.hooks:
        if hook.waits and hook.then is HookAction.ROLLBACK:
            yield f"nobody continues {hook.id} of {active.id}", _undone(state, _going_back(truth, active))


def _undone(state: State, after: Truth) -> State:
    """Whoever ends a deployment of ours before it has succeeded does not want it once more; a first version that is
    live is started again all the same, because nothing else serves.
    """
    active = _of(state).active
    assert active is not None
    ghosts, live = state.ghosts, _of(state).marks.live
    first = live is not None and live.release == active.release
    if active.release in GOOD and truth_names(_of(state), active) and not first:
        ghosts = ghosts._replace(quarantine=ghosts.quarantine | {active.release})
    return world.blamed(_moved(state._replace(ghosts=ghosts), after))


def truth_names(truth: Truth, active: Deployment) -> bool:
    """Whether it is the deployment whose rollout is stored."""
    due = truth.marks.deadline
    return due is not None and due.release == active.release and due.stage is not DeadlineKind.RETIRE


def _moved(state: State, after: Truth) -> State:
    """As after a write of ours: requests are under way to where production goes."""
    before, after = state.seen, _kept(after)
    if after.production is not None and (after.production, after.sets) != (before.production, before.sets):
        state = state._replace(ghosts=world.moved(state.ghosts, after))
    return state._replace(seen=after)


def _kept(seen: ObservedService) -> Truth:
    """Without what makes no difference; the one in production is called primary, as a read would."""
    truth = world.canonical(seen)
    assert isinstance(truth, Truth)
    return replace(truth, sets=observation._traffic(truth, _slots(truth.sets)))
