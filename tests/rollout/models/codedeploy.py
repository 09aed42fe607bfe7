"""A service that CodeDeploy deploys: one deployment at a time, which goes on by itself, waits, is stopped, rolls back.

The truth is the list of deployments; what a read shows of it is told by the engine's own observation. People do what
the console offers: they continue a deployment, stop it with or without a rollback, create another one. Times that
CodeDeploy keeps (an hour for an installation, 119 hours at Ready) run out at a price.

Not in it: hooks, and task sets that somebody deletes through the ECS API.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

from reconciler import errors
from reconciler.rollout import effects
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    WriteState,
)
from reconciler.rollout.engines.codedeploy import observation
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage, Status
from reconciler.rollout.release import Version
from reconciler.rollout.state import UNNAMED, WHOLE, ObservedService, TaskSet, all_on, shared
from reconciler.rollout.stored_state import DeadlineKind
from reconciler.rollout.strategy import Strategy
from tests.rollout import world
from tests.rollout.laws import Broken
from tests.rollout.models import Model
from tests.rollout.world import BORN, EARLIER, LONG, NOW, PENDING, State

AFTER_THE_END = NOW + timedelta(seconds=10)
"""Deployments that were created after the last result was stored are younger than it; results are stored `NOW`."""
AN_EARLIER_ATTEMPT = "0"
TIMED_OUT = "it has timed out"


@dataclass(frozen=True, slots=True)
class Truth(DeployedService):
    """`deployments`: those that still matter, oldest first. `stopping`: whether the active one is being stopped, and
    whether it is rolled back then."""

    deployments: tuple[Deployment, ...] = ()
    stopping: bool | None = None

    @property
    def running(self) -> Deployment | None:
        return next((one for one in self.deployments if one.active), None)


class CodeDeployed(Model):
    engine: ClassVar[str] = "codedeploy"
    lags: ClassVar[tuple[str, ...]] = (*world.LAGS, "deployments", "versions")

    # -- beginnings

    def at_rest(self, wanted: str, budget: int) -> State:
        return _serving(world.at_rest(wanted, budget))

    def asleep(self, wanted: str, budget: int) -> State:
        return _serving(world.asleep(wanted, budget))

    def empty(self, wanted: str, budget: int) -> State:
        """ECS starts the first version with the service, and calls it primary at once."""
        state = world.empty(wanted, budget)
        none: dict[str, Any] = {"running": 0, "healthy": (), "steady": False}
        return state._replace(seen=_truth(replace(state.seen, sets=(world.a_set(wanted, 0, **none),))))

    # -- reads

    def view(self, state: State) -> ObservedService:
        """As observation.see puts it together from the answers."""
        truth = world.view(state)
        assert isinstance(truth, Truth)
        seen = replace(truth, deployments=(), stopping=None)
        if observation._settled(seen):
            return seen
        return observation._gated(observation._with_deployments(seen, _listed(truth)))

    # -- writes

    def carried_out(self, state: State, decision: RolloutAction) -> ObservedService:
        truth = _of(state)
        match decision:
            case CreateDeployment(release, _, attempt, definition):
                if truth.running is not None and not state.lag:
                    raise Broken(
                        f"C3: a second deployment is asked for again and again while {truth.running.id} is active"
                    )
                if truth.running is not None:
                    raise errors.StalePlan(f"{truth.running.id} is active")
                return _created(truth, release, attempt, (WHOLE,) if definition else self.policy.weights)
            case ShiftTraffic(identifier):
                found = _active(truth, identifier, lambda one: one.ready and truth.stopping is None)
                return _with(truth, replace(found, status=Status.IN_PROGRESS, stage=Stage.SHIFTING, ready_at=None))
            case TerminateOriginal(identifier, slot):  # the listener is read again right before
                served = truth.production is not None and not truth.production[slot]
                found = _active(truth, identifier, lambda one: one.keeps and served and truth.stopping is None)
                return _terminated(truth, found)
            case StopDeployment(identifier):
                _active(truth, identifier, lambda one: True)
                return replace(truth, stopping=True)
            case CreateTaskSet() | ScaleTaskSet():
                raise Broken(f"calls: CodeDeploy's service takes no {type(decision).__name__}")
            case DeleteTaskSet() | SetPrimary() if truth.running is not None:
                raise Broken(f"calls: {type(decision).__name__} while {truth.running.id} is active")
            case WriteState():
                return world.canonical(_noted(replace(truth, marks=decision.on(truth.marks)), decision))
            case _:
                return effects.after(decision, truth, NOW)

    def amounts_to(self, policy: Strategy, state: State, decision: RolloutAction) -> Iterable[RolloutAction]:
        """What CodeDeploy does at once when it is asked. What it does on its own account is not ours to answer for."""
        truth = _of(state)
        match decision:
            case CreateDeployment(release, slot, attempt, definition):
                yield CreateTaskSet(release, slot, WHOLE, attempt, definition)
            case ShiftTraffic(identifier):
                green, first = truth.created_by(identifier), policy.weights[0]
                if green is not None and truth.production is not None:
                    yield SetWeights("production", shared(green.slot, first), truth.production)
            case TerminateOriginal(identifier):
                gone = [one for one in truth.alive if one is not truth.created_by(identifier)]
                if any(one.well for one in gone):  # nothing is lost by the end of one that serves nobody
                    yield from (DeleteTaskSet(one.id, one.slot) for one in gone)
            case StopDeployment(identifier):
                yield from _taken_back(truth, identifier, state.ghosts.undrained)
            case _:
                yield decision

    # -- what happens by itself

    def due(self, state: State) -> State:
        """An attempt is known by the time of its deadline, which is another one once it has passed."""
        deadline = state.seen.marks.deadline
        assert deadline is not None
        truth, was, becomes = _of(state), str(int(PENDING.timestamp())), str(int(EARLIER.timestamp()))
        renamed = tuple(
            replace(one, attempt=becomes) if (one.release, one.attempt) == (deadline.release, was) else one
            for one in truth.deployments
        )
        return world.due(state._replace(seen=replace(truth, deployments=renamed)))

    def progress(self, state: State) -> Iterator[tuple[str, State]]:
        yield from world.progress(state)
        truth = _of(state)
        active = truth.running
        if active is None:
            return
        if truth.stopping is not None:
            yield f"CodeDeploy has stopped {active.id}", _moved(state, _ended(truth, Status.STOPPED, truth.stopping))
        elif active.rolls_back:
            yield f"CodeDeploy goes on with {active.id}", _moved(state, _rolling_back(truth, active))
        elif truth.alarms and truth.created_by(active.id) is not None:
            after = _moved(state, _ended(truth, Status.STOPPED, True, "an alarm"))
            yield f"CodeDeploy stops {active.id} for an alarm", world.blamed(after)
        else:
            after = _next(truth, active)
            if after is not truth:
                yield f"CodeDeploy goes on with {active.id}", _moved(state, after)

    # -- at a price

    def disturbances(self, state: State) -> Iterator[tuple[str, State]]:
        yield from world.disturbances(state)
        state = world.not_only_a_wish(state)
        truth = _of(state)
        for event, after in _from_outside(truth):
            yield event, world.blamed(_without_a_retry(_moved(state, after), truth.running))


def _without_a_retry(state: State, active: Deployment | None) -> State:
    """Whoever ends a deployment of ours before it has succeeded does not want it once more."""
    truth = _of(state)
    ended = [one for one in truth.deployments if one.id == (active.id if active is not None else "")]
    kept = ended and ended[0].active and truth.stopping is None
    if active is None or not active.release or kept or (ended and ended[0].status is Status.SUCCEEDED):
        return state
    quarantine = state.ghosts.quarantine | {active.release}
    return state._replace(ghosts=state.ghosts._replace(quarantine=quarantine))


def _from_outside(truth: Truth) -> Iterator[tuple[str, Truth]]:
    """What people do in CodeDeploy's console, and times of CodeDeploy's own that run out."""
    active = truth.running
    if active is None:
        yield "somebody deploys by hand", _created(truth, "", "", (WHOLE,))
        return
    if truth.stopping is not None:
        return
    yield f"somebody stops {active.id} by hand", replace(truth, stopping=True)
    if active.rolls_back:
        return
    yield f"somebody stops {active.id} by hand, without a rollback", replace(truth, stopping=False)
    match active:
        case Deployment(status=Status.READY):
            shifting = replace(active, status=Status.IN_PROGRESS, stage=Stage.SHIFTING, ready_at=None)
            yield f"somebody continues {active.id} by hand", _with(truth, shifting)
            yield f"{active.id} has waited for 119 hours", _ended(truth, Status.STOPPED, True, TIMED_OUT)
        case Deployment(stage=Stage.KEEPING):
            yield f"somebody ends the wait of {active.id} by hand", _terminated(truth, active)
        case Deployment(stage=Stage.INSTALLING) if truth.created_by(active.id) is not None:
            yield f"{active.id} has installed for an hour", _ended(truth, Status.FAILED, True, TIMED_OUT)
        case Deployment(stage=Stage.SHIFTING):
            yield f"{active.id} cannot shift", _ended(truth, Status.FAILED, True, "a listener")


def _serving(state: State) -> State:
    marks = replace(state.seen.marks, live=Version("A", "A:1"))
    return state._replace(seen=_truth(replace(state.seen, marks=marks)))


def _truth(seen: ObservedService) -> Truth:
    return Truth(**{one.name: getattr(seen, one.name) for one in fields(ObservedService)})


def _of(state: State) -> Truth:
    assert isinstance(state.seen, Truth)
    return state.seen


def _active(truth: Truth, identifier: str, fits: Any) -> Deployment:
    found = truth.running
    if found is None or found.id != identifier or not fits(found):
        raise errors.StalePlan(f"{identifier} is not there yet, or not any more")
    return found


def _moved(state: State, after: Truth) -> State:
    """As after a write of ours: requests are under way to where production goes."""
    before, after_ = state.seen, world.canonical(after)
    assert isinstance(after_, Truth)
    if after_.production is not None and (after_.production, after_.sets) != (before.production, before.sets):
        state = state._replace(ghosts=world.moved(state.ghosts, after_))
    return state._replace(seen=_kept(after_))


# -- deployments


def _listed(truth: Truth) -> tuple[Deployment, ...]:
    """Which deployments are asked for: the active one, those that made the task sets, and else the newest ones."""
    active = truth.running
    by = {deployment for _, deployment in truth.versions}
    also = {"" if active is None else active.rolls_back}
    newest = active is None and truth.marks.deadline is not None
    return tuple(one for one in truth.deployments if newest or one.active or one.id in by or one.id in also)


@cache
def _born(rank: int, *, recorded: bool) -> Any:
    return (BORN if recorded else AFTER_THE_END) + timedelta(seconds=rank)


def _kept(truth: Truth) -> Truth:
    """Without deployments and names that nothing depends on any more; ages only as far as they are compared."""
    ids = {one.id for one in truth.sets}
    versions = tuple(pair for pair in truth.versions if pair[0] in ids)
    needed = {deployment for _, deployment in versions} | {one.rolls_back for one in truth.deployments if one.active}
    newest = {one.release: one.id for one in truth.deployments if one.release}
    kept = tuple(
        one
        for one in truth.deployments
        if one.active or one.id in needed or (one.id == newest.get(one.release) and not _is_recorded(truth, one))
    )
    ranked = tuple(replace(one, born=_born(rank, recorded=one.born < AFTER_THE_END)) for rank, one in enumerate(kept))
    return replace(truth, versions=versions, deployments=ranked)


def _is_recorded(truth: Truth, one: Deployment) -> bool:
    return truth.marks.ended_of(one.release) is not None and one.born < AFTER_THE_END


def _noted(truth: Truth, decision: WriteState) -> Truth:
    """Later attempts are other ones, and what has a result is older than it."""
    deployments, due = truth.deployments, decision.after.deadline
    if "deadline" in decision.fields and due is not None and due.stage is DeadlineKind.UP:
        deployments = tuple(
            replace(one, attempt=AN_EARLIER_ATTEMPT) if one.release == due.release else one for one in deployments
        )
    if "ended" in decision.fields:
        deployments = tuple(replace(one, born=_born(rank, recorded=True)) for rank, one in enumerate(deployments))
    return _kept(replace(truth, deployments=deployments))


def _created(truth: Truth, release: str, attempt: str, weights: tuple[int, ...]) -> Truth:
    taken = {one.id for one in truth.deployments} | {one.id for one in truth.sets}
    name = next(f"d-{release or 'x'}{n}" for n in range(9) if f"d-{release or 'x'}{n}" not in taken)
    recorded = truth.marks.ended is None
    born = _born(len(truth.deployments), recorded=recorded)
    made = Deployment(name, release, attempt, Status.CREATED, born, weights=weights)
    return _kept(replace(truth, deployments=(*truth.deployments, made)))


def _with(truth: Truth, changed: Deployment) -> Truth:
    return replace(truth, deployments=tuple(changed if one.id == changed.id else one for one in truth.deployments))


def _ended(truth: Truth, status: Status, roll_back: bool, why: str = "") -> Truth:
    """The active deployment is over; where it is rolled back, by a deployment of its own."""
    active = truth.running
    assert active is not None
    over = replace(_with(truth, replace(active, status=status, ready_at=None, why=why)), stopping=None)
    if not roll_back or active.rolls_back or truth.created_by(active.id) is None:
        return over
    back = Deployment(f"{active.id}r", "", "", Status.IN_PROGRESS, active.born, rolls_back=active.id)
    return replace(over, deployments=(*over.deployments, back))


def _rolling_back(truth: Truth, active: Deployment) -> Truth:
    """Traffic first, then the replacement tasks go."""
    green = truth.created_by(active.rolls_back)
    blue = next((one for one in truth.alive if one is not green and (green is None or one.slot != green.slot)), None)
    if blue is None or truth.production is None:
        return _ended(truth, Status.FAILED, False, "a listener")
    there = all_on(blue.slot)
    if (truth.production, truth.test) != (there, there) or not blue.primary:
        sets = tuple(replace(one, primary=one.id == blue.id) for one in truth.sets)
        return replace(truth, production=there, test=there, sets=sets)
    return _ended(_draining(truth, green), Status.SUCCEEDED, False)


def _draining(truth: Truth, gone: TaskSet | None) -> Truth:
    return replace(
        truth,
        sets=tuple(
            replace(one, draining=True, primary=False, steady=False, running=0, healthy=())
            if gone is not None and one.id == gone.id
            else one
            for one in truth.sets
        ),
    )


def _terminated(truth: Truth, active: Deployment) -> Truth:
    green = truth.created_by(active.id)
    for one in truth.alive:
        truth = truth if one is green else _draining(truth, one)
    return _kept(_ended(truth, Status.SUCCEEDED, False))


def _next(truth: Truth, active: Deployment) -> Truth:
    """The next thing that CodeDeploy does for a deployment that is neither stopped nor a rollback; else the same."""
    green = truth.created_by(active.id)
    if green is None:
        return _begun(truth, active)
    match active:
        case Deployment(status=Status.READY):
            shifting = replace(active, status=Status.IN_PROGRESS, stage=Stage.SHIFTING, ready_at=None)
            return truth if active.release else _with(truth, shifting)  # whoever has made it continues it
        case Deployment(stage=Stage.INSTALLING):
            if green.needed(truth.desired) and not world.complete(green, truth.desired):
                return truth
            return _with(replace(truth, test=all_on(green.slot)), replace(active, stage=Stage.TESTABLE))
        case Deployment(stage=Stage.TESTABLE):
            return _with(truth, replace(active, status=Status.READY, ready_at=NOW))
        case Deployment(stage=Stage.SHIFTING):
            return _shifted(truth, active, green)
        case _:
            return truth if active.release else _terminated(truth, active)


def _begun(truth: Truth, active: Deployment) -> Truth:
    """Before it creates tasks, CodeDeploy looks at the listeners, and fails without a rollback if it cannot go on."""
    primary = next((one for one in truth.alive if one.primary), None)
    if primary is None or truth.production != all_on(primary.slot):
        return _ended(truth, Status.FAILED, False, "a listener")
    name = active.release or UNNAMED
    green = TaskSet(active.id, name, 1 - primary.slot, NOW, healthy=(), task_definition=f"{active.release or 'X'}:1")
    made = replace(truth, sets=(*truth.sets, green), versions=(*truth.versions, (green.id, active.id)))
    return _with(made, replace(active, status=Status.IN_PROGRESS))


def _shifted(truth: Truth, active: Deployment, green: TaskSet) -> Truth:
    if truth.production is None:
        return _ended(truth, Status.FAILED, True, "a listener")
    share = next((one for one in active.weights or () if one > truth.production[green.slot]), WHOLE)
    moved = replace(truth, production=shared(green.slot, share))
    if share < WHOLE:
        return moved
    sets = tuple(replace(one, primary=one.id == green.id) for one in moved.sets)
    return _with(replace(moved, sets=sets), replace(active, stage=Stage.KEEPING, shifted_at=NOW - LONG))


def _taken_back(truth: Truth, identifier: str, served: frozenset[str]) -> Iterator[RolloutAction]:
    """A stop with a rollback: production goes to blue, if green has some of it, and green goes."""
    green = truth.created_by(identifier)
    blue = next((one for one in truth.alive if one is not green), None)
    if green is None or blue is None or truth.production is None:
        return
    if truth.production[green.slot]:
        yield SetWeights("production", all_on(blue.slot), truth.production)
    elif green.well and green.id not in served:  # the requests under way are for CodeDeploy to see to
        yield DeleteTaskSet(green.id, green.slot)
