"""The world that the explorer walks through: one service, its tasks, its listeners, people, a clock, and our process.

What AWS does under one engine is that engine's model (tests/rollout/models/); the functions here are the world of task
sets, on which the models of other engines build.

Time has only what matters: a deadline is pending or has passed, a write is visible or lags behind. Everything that may
happen is an event; those that go wrong cost something from a budget, so that the world stays finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from reconciler import errors
from reconciler.rollout import effects, observe_task_sets
from reconciler.rollout.actions import CreateTaskSet, RolloutAction, RunTests, SetWeights, WriteState
from reconciler.rollout.engine import Phase, RolloutStep, engines
from reconciler.rollout.requests import Request, RequestRefusal, RequestRefusalCode, RequestVerb, Response
from reconciler.rollout.state import ObservedService, Scaling, SmokeTestOutcome, TaskSet, all_on
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, StoredState
from reconciler.rollout.strategy import Promotion, Share, SmokeTest, Strategy
from reconciler.rollout.tracker import SETTLE, RolloutTracker
from reconciler.rollout_driver import restarts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(seconds=1)
LONG = timedelta(seconds=1000)
AGO = NOW - LONG
"""When whatever has ended has ended."""
PENDING = NOW + LONG
BORN = NOW - timedelta(days=1)
GOOD = ("A", "B", "D")
BAD = "C"  # never becomes healthy
MOST_FAILED = 3

FRESH = RolloutTracker(NOW)
SETTLED = RolloutTracker(NOW - 2 * SETTLE, began=False)


def policy(**fields: Any) -> Strategy:
    """All clocks run for the same time, and two looks are enough."""
    usual: dict[str, Any] = {
        "healthy_within": LONG,
        "max_failed_tasks": MOST_FAILED,
        "tests": (SmokeTest("/", within=LONG),),
        "promotion": Promotion.TIMED,
        "promote_after": LONG,
        "verify_for": LONG,
        "teardown_after": LONG,
        "drain": LONG,
        "looks": 2,
    }
    return Strategy(**(usual | fields))


CANARY = (Share(10, LONG), Share(50, LONG))


class Ghosts(NamedTuple):
    """What the laws need to know and the machine does not: what really happened."""

    elapsed: tuple[str, DeadlineKind, int] | None = None  # the clock written last, once it ran its full time
    tested: frozenset[str] = frozenset()  # sets that passed their tests
    undrained: frozenset[str] = frozenset()  # sets to which requests may be under way
    known: tuple[int, int] | None = None  # where production was, as far as we could know
    quarantine: frozenset[str] = frozenset()
    heard: frozenset[str] = frozenset()  # intents that were accepted
    rewritten: frozenset[str] = frozenset()  # sets whose creation could not be asked for with the same token any more
    streak: tuple[str, int] = ("", 0)  # looks in a row that found the newest set well
    asked: int = 0  # intents so far
    kept: str = ""  # the release that was under way when one was wanted that is not ready
    interrupted: str = ""  # the release that its engine takes back because all its tasks were taken away
    blamed: bool = False  # something happened that may be held against a version


class State(NamedTuple):
    seen: ObservedService
    memory: RolloutTracker
    queue: tuple[RolloutAction, ...] = ()
    sent: tuple[RolloutAction, ...] = ()
    lag: tuple[tuple[str, Any], ...] = ()  # what reads still show of fields that were written
    ghosts: Ghosts = Ghosts()
    budget: int = 0
    phase: Phase = Phase.IDLE


def a_set(release: str, slot: int, *, rank: int = 0, **fields: Any) -> TaskSet:
    usual: dict[str, Any] = {
        "primary": True,
        "running": 1,
        "steady": True,
        "healthy": (("z", 1),),
        "task_definition": f"{release}:1",
    }
    return TaskSet(f"{release}-0", release, slot, BORN + timedelta(seconds=rank), **(usual | fields))


def at_rest(wanted: str, budget: int, *, scaling: Scaling = Scaling.ACTIVE) -> State:
    """A serves, and something is wanted."""
    seen = ObservedService(wanted, 1, (a_set("A", 0),), scaling=scaling)
    return State(seen, SETTLED, ghosts=Ghosts(undrained=frozenset({"A-0"})), budget=budget)


def asleep(wanted: str, budget: int) -> State:
    """A has no tasks, because none are wanted, and something new is."""
    resting = at_rest(wanted, budget, scaling=Scaling.NONE)
    return resting._replace(seen=_sized(resting.seen, 0))


def empty(wanted: str, budget: int) -> State:
    return State(ObservedService(wanted, 1, scaling=Scaling.ACTIVE), SETTLED, budget=budget)


# -- what our process sees and does


def view(state: State) -> ObservedService:
    """What a read answers now."""
    seen = replace(state.seen, **dict(state.lag)) if state.lag else state.seen
    waits = observe_task_sets.waits(seen.wanted, seen.sets, seen.waits)
    return seen if waits == seen.waits else replace(seen, waits=waits)


class Mind:
    """Our process under one policy. What it concludes from equal facts is equal, so that it is asked only once."""

    def __init__(self, policy: Strategy) -> None:
        self.policy, self.engine = policy, engines()[policy.engine]
        self._known: dict[
            tuple[RolloutTracker, ObservedService], tuple[RolloutTracker, ObservedService, RolloutStep | None]
        ] = {}

    def look(
        self, memory: RolloutTracker, facts: ObservedService
    ) -> tuple[RolloutTracker, ObservedService, RolloutStep | None]:
        known = self._known.get((memory, facts))
        if known is None:
            after, seen, free = memory.look(facts, NOW)
            after = _in_bounds(after, self.policy)
            seen = seen if seen.looks == after.looks else replace(seen, looks=after.looks)
            known = after, seen, self.engine.decide(self.policy, seen, NOW) if free else None
            self._known[memory, facts] = known
        return known


@dataclass(frozen=True, slots=True)
class Looked:
    """One look: the state after it, what was seen, and what was concluded; None while a write is waited for."""

    state: State
    seen: ObservedService
    step: RolloutStep | None


def look(state: State, mind: Mind, read: ObservedService) -> Looked:
    """`read` is what a read answers now."""
    memory, seen, step = mind.look(state.memory, read)
    ghosts = state.ghosts._replace(streak=_streak(state, seen, mind.policy))
    if state.seen.production is not None:
        ghosts = moved(ghosts, state.seen)  # what people did and undid between two looks, nobody can know
    state = state._replace(memory=memory, ghosts=ghosts)
    if step is None:
        return Looked(state, seen, None)
    step = _registered(step)
    return Looked(state._replace(queue=step.decisions, sent=(), phase=step.phase), seen, step)


def _registered(step: RolloutStep) -> RolloutStep:
    """A restart is stored with the revision that the driver has registered; here its release is never wanted."""
    write = restarts.accepted(step.decisions)
    if write is None or write.after.restart is None:
        return step
    new = replace(write.after.restart, task_definition=f"{write.after.restart.task_definition}0")
    stored = replace(write, after=replace(write.after, restart=new))
    return replace(step, decisions=tuple(stored if one is write else one for one in step.decisions))


def _in_bounds(memory: RolloutTracker, policy: Strategy) -> RolloutTracker:
    """Further looks of the same sort change nothing; and looks are always far enough apart."""
    looks = max(-policy.looks, min(policy.looks, memory.looks))
    # late reads are in tests/promises/test_late_reads.py
    memory = replace(memory, kept=(), production=None, moved=None, started=None, shape=None)
    since = NOW if memory.waiting(NOW) else NOW - 2 * SETTLE
    if (looks, since, None) == (memory.looks, memory.since, memory.looked_at):
        return memory
    return replace(memory, looks=looks, looked_at=None, since=since, rereads=min(memory.rereads, 3))


def complete(one: TaskSet, desired: int) -> bool:
    """As many healthy tasks as are wanted, and no other."""
    needed = one.needed(desired)
    return one.steady and not one.failing and one.running == needed == one.well


def _streak(state: State, seen: ObservedService, policy: Strategy) -> tuple[str, int]:
    newest = seen.newest
    if newest is None or not newest.needed(seen.desired) or not complete(newest, seen.desired):
        return "", 0
    was, count = state.ghosts.streak
    return newest.id, min(policy.looks, (count if was == newest.id else 0) + 1)


CarryOut: TypeAlias = Callable[[State, RolloutAction], ObservedService]


def performed(state: State, carry_out: CarryOut) -> State:
    """The next decision carried out, as AWS does it. A refusal ends the step."""
    decision, *rest = state.queue
    try:
        seen = carry_out(state, decision)
    except errors.StalePlan:
        return _ended(state._replace(queue=()))
    ghosts = _noted(state, decision, seen)
    memory = state.memory
    if isinstance(decision, RunTests):
        passed = decision.release != BAD
        memory = memory.learnt(SmokeTestOutcome(decision.release, passed, "" if passed else "no"))
        if passed:
            ghosts = ghosts._replace(tested=ghosts.tested | {one.id for one in seen.alive if one.release in GOOD})
    after = state._replace(seen=seen, memory=memory, ghosts=ghosts, queue=tuple(rest), sent=(*state.sent, decision))
    return after if rest else _ended(after)


LAGS = ("production", "test", "marks", "sets", "scaling")


def lagging(state: State, after: State, names: tuple[str, ...]) -> State:
    """As `after`, and reads do not show it for a moment."""
    old = dict(state.lag)
    for name in names:
        if getattr(after.seen, name) != getattr(state.seen, name):
            old.setdefault(name, getattr(state.seen, name))
    return after._replace(lag=tuple(sorted(old.items())))


def crashed(state: State) -> State:
    """The process is killed, and the next one knows nothing."""
    return state._replace(memory=FRESH, queue=(), sent=(), ghosts=state.ghosts._replace(streak=("", 0)))


def unanswered(state: State, after: State) -> State:
    """The answer was lost: the process looks again, and takes the write for possible."""
    decision = state.queue[0]
    sent = (*state.sent, decision)
    return after._replace(queue=(), sent=(), memory=_in_memory(state.memory.wrote(sent, NOW)))


def _ended(state: State) -> State:
    return state._replace(sent=(), memory=_in_memory(state.memory.wrote(state.sent, NOW)))


def _in_memory(memory: RolloutTracker) -> RolloutTracker:
    """Marks are remembered by what they wrote."""
    awaited = tuple(
        replace(one, before=_plain(one.before), after=_plain(one.after)) if isinstance(one, WriteState) else one
        for one in memory.awaited
        if not isinstance(one, RunTests)
    )
    return replace(memory, awaited=awaited)


def carried_out(state: State, decision: RolloutAction) -> ObservedService:
    if isinstance(decision, CreateTaskSet):
        name = f"{decision.release}-{decision.salt}"
        twins = (one for one in state.seen.sets if one.id.startswith(name) and one.slot == decision.slot)
        twin = next(twins, None)
        if twin is not None and twin.id in state.ghosts.rewritten:
            decision = replace(decision, salt=f"{decision.salt}{'x' * len(state.seen.sets)}")
    seen = effects.after(decision, state.seen, NOW)
    if isinstance(decision, CreateTaskSet) and len(seen.sets) > len(state.seen.sets):
        seen = replace(seen, sets=(*seen.sets[:-1], replace(seen.sets[-1], born=NOW)))
    return canonical(seen)


def canonical(seen: ObservedService) -> ObservedService:
    """Times and words that make no difference are all the same."""
    ordered = sorted(seen.sets, key=lambda one: (one.born, one.id))
    ranks = [BORN + timedelta(seconds=rank) for rank in range(len(ordered))]
    sets = tuple(one if one.born == rank else replace(one, born=rank) for one, rank in zip(ordered, ranks, strict=True))
    marks = _plain(seen.marks)
    return seen if sets == seen.sets and marks == seen.marks else replace(seen, sets=sets, marks=marks)


@cache
def _plain(marks: StoredState) -> StoredState:
    due, ended, response = marks.deadline, marks.ended, marks.response
    if due is not None and due.at is not None:
        due = replace(due, at=PENDING if due.at > NOW else EARLIER)
    return replace(
        marks,
        deadline=due,
        ended=None if ended is None else replace(ended, at=AGO, by=Actor.ENGINE, why="", phase="x"),
        response=None if response is None or marks.request is None else _answered(response),
        quarantine=tuple(sorted(marks.quarantine)),
        verdicts=tuple(replace(one, at=AGO) for one in marks.verdicts),
    )


def _answered(response: Response) -> Response:
    return response if response.accepted else replace(response, refusal=RequestRefusal(RequestRefusalCode.EXPIRED, ""))


def _noted(state: State, decision: RolloutAction, after: ObservedService) -> Ghosts:
    ghosts = state.ghosts
    match decision:
        case WriteState():
            ghosts = _noted_mark(state, decision)
        case SetWeights(listener="production") if after.production is not None:
            ghosts = moved(ghosts, after)
    return ghosts


def without(state: State, one: TaskSet) -> State:
    """It is gone, and another of its name would be another."""
    seen = canonical(replace(state.seen, sets=tuple(other for other in state.seen.sets if other is not one)))
    ids, ghosts = {other.id for other in seen.sets}, state.ghosts
    return state._replace(
        seen=seen,
        ghosts=ghosts._replace(
            tested=ghosts.tested & ids,
            undrained=ghosts.undrained & ids,
            rewritten=ghosts.rewritten & ids,
        ),
    )


def moved(ghosts: Ghosts, after: ObservedService) -> Ghosts:
    """Production goes elsewhere, or something comes where it goes: requests are under way there from now on."""
    assert after.production is not None
    now = {one.id for one in after.sets if after.production[one.slot]}
    return ghosts._replace(undrained=ghosts.undrained | now, known=after.production)


def _noted_mark(state: State, decision: WriteState) -> Ghosts:
    ghosts, fields = state.ghosts, decision.fields
    due = decision.after.deadline
    if "deadline" in fields:
        ghosts = ghosts._replace(elapsed=None)
        if due is not None and due.stage is DeadlineKind.UP:
            again = {one.id for one in state.seen.sets if one.release == due.release}
            ghosts = ghosts._replace(rewritten=ghosts.rewritten | again)
    if "quarantine" in fields:
        ghosts = ghosts._replace(quarantine=frozenset(decision.after.quarantine))
    if "response" in fields and decision.after.response is not None and decision.after.response.accepted:
        ghosts = ghosts._replace(heard=ghosts.heard | {decision.after.response.id})
    if "request" in fields and decision.after.request is None:
        ghosts = ghosts._replace(heard=frozenset(), asked=0)
    return ghosts


# -- what happens by itself


def moment(state: State) -> State:
    """Time enough for every write to be visible."""
    memory = replace(state.memory, since=NOW - 2 * SETTLE, rereads=3 if state.memory.awaited else 0)
    return state._replace(lag=(), memory=replace(memory, began=False))


def due(state: State) -> State:
    """The stored clock runs out."""
    deadline = state.seen.marks.deadline
    assert deadline is not None
    passed = replace(deadline, at=EARLIER)
    ghosts = state.ghosts
    elapsed = (deadline.release, deadline.stage, deadline.weight)
    undrained = ghosts.undrained
    if deadline.stage in (DeadlineKind.RETIRE, DeadlineKind.WARM) and ghosts.known is not None:
        undrained = frozenset(one.id for one in state.seen.sets if one.id in undrained and ghosts.known[one.slot])
    green = next((one for one in state.seen.alive if one.release == deadline.release), None)
    late = deadline.stage in (DeadlineKind.UP, DeadlineKind.TO) and green is not None and not green.unplaced
    blamed = ghosts.blamed or (late and green is not None and not complete(green, state.seen.desired))
    ghosts = ghosts._replace(elapsed=elapsed, undrained=undrained, blamed=blamed)
    seen = replace(state.seen, marks=replace(state.seen.marks, deadline=passed))
    return moment(state._replace(seen=seen, ghosts=ghosts))


def running_clock(state: State) -> Deadline | None:
    deadline = state.seen.marks.deadline
    return deadline if deadline is not None and deadline.at is not None and deadline.at > NOW else None


def with_set(state: State, identifier: str, **fields: Any) -> State:
    sets = tuple(replace(one, **fields) if one.id == identifier else one for one in state.seen.sets)
    return state._replace(seen=replace(state.seen, sets=sets))


def progress(state: State) -> Iterator[tuple[str, State]]:
    """What AWS does next for each set."""
    for one in state.seen.sets:
        if one.draining:
            yield f"{one.release} is gone", without(state, one)
        elif one.scale and one.release == BAD and one.failed < MOST_FAILED and state.seen.desired:
            ill: dict[str, Any] = {"running": 1, "healthy": (("z", 0),), "failing": 1}
            yield f"{one.release} fails", with_set(state, one.id, failed=MOST_FAILED, **ill)
        elif one.unplaced:
            memory = replace(state.memory, missing_since=NOW if state.memory.missing_since is not None else None)
            yield (
                f"there is capacity for {one.release} again",
                with_set(state, one.id, unplaced="")._replace(memory=memory),
            )
        elif one.scale and (one.release != BAD or not state.seen.desired) and not complete(one, state.seen.desired):
            needed = one.needed(state.seen.desired)
            healthy = (("z", needed),) if needed else ()
            up: dict[str, Any] = {"running": needed, "healthy": healthy, "failing": 0, "steady": True}
            yield f"{one.release} is up", with_set(state, one.id, **up)


def late(state: State) -> Iterator[tuple[str, State]]:
    """Missing tasks are missing for as long as the policy gives them."""
    if state.memory.missing_since == NOW:
        after = state._replace(memory=replace(state.memory, missing_since=NOW - LONG))
        newest = state.seen.newest
        yield "missing tasks are late", after if newest is not None and newest.unplaced else blamed(after)


def wanted_again(state: State) -> Iterator[tuple[str, State]]:
    if not state.seen.desired:
        yield "tasks are wanted again", state._replace(seen=_sized(state.seen, 1))


def _sized(seen: ObservedService, desired: int) -> ObservedService:
    """Another number of tasks is wanted; those that are too many are gone at once."""
    sets = []
    for one in seen.sets:
        needed = one.needed(desired)
        if one.draining or needed > one.running:
            sets.append(replace(one, steady=False))
            continue
        healthy = (("z", min(one.well, needed)),) if needed else ()
        sets.append(replace(one, running=needed, healthy=healthy, failing=min(one.failing, needed)))
    return replace(seen, desired=desired, sets=tuple(sets))


def blamed(state: State) -> State:
    return state._replace(ghosts=state.ghosts._replace(blamed=True))


# -- what goes wrong, and what people do


def disturbances(state: State) -> Iterator[tuple[str, State]]:
    """Everything that may happen between two steps of ours, at a price, under any engine."""
    yield from newer_wishes(state)
    yield from nobodys_fault(state)
    state = not_only_a_wish(state)
    seen = state.seen
    for one in seen.alive:
        if one.well:
            ill: dict[str, Any] = {"steady": False, "healthy": (("z", 0),), "failing": one.running}
            yield f"{one.release} falls ill", blamed(with_set(state, one.id, **ill))
        if one.scale and one.failed < MOST_FAILED and one.release != BAD:
            yield f"{one.release} keeps stopping", blamed(with_set(state, one.id, failed=MOST_FAILED))
    for to in (all_on(0), all_on(1), (50, 50), (10, 90), None):
        if to != seen.production:
            after = replace(seen, production=to)
            yield f"production to {to} by hand", blamed(state._replace(seen=after))
    if not seen.alarms:
        yield "an alarm fires", blamed(state._replace(seen=replace(seen, alarms=("errors",))))
    for wanted in ("A", "B", "C", "D"):
        if wanted != seen.wanted:
            new = wanted not in {one.release for one in seen.alive} and any(one.primary for one in seen.alive)
            kept = state.ghosts._replace(kept=_under_way(seen) if new else "")
            yield f"{wanted} is wanted", state._replace(seen=replace(seen, wanted=wanted, waits=""), ghosts=kept)
    if seen.marks.deadline is not None:
        lost = replace(seen, marks=replace(seen.marks, deadline=None))
        yield "the deadline's tag is lost", state._replace(seen=lost)
    if seen.marks.hold is not None or seen.marks.response is not None:
        lost = replace(seen, marks=replace(seen.marks, hold=None, response=None, request=None))
        yield "other tags are lost", state._replace(seen=lost)
    if seen.scaling is Scaling.SUSPENDED:
        yield "scaling resumed by hand", state._replace(seen=replace(seen, scaling=Scaling.ACTIVE))
    if seen.marks.pending_request is None:
        yield from intents(state)
    yield "killed", crashed(state)


def not_only_a_wish(state: State) -> State:
    """Whatever happens to what is under way from now on, the newer wish is not the only cause."""
    return state if not state.ghosts.kept else state._replace(ghosts=state.ghosts._replace(kept=""))


def by_hand(state: State) -> Iterator[tuple[str, State]]:
    """What people can do to the task sets of a service with the EXTERNAL controller."""
    state = not_only_a_wish(state)
    for one in state.seen.alive:
        yield f"{one.release} deleted by hand", blamed(without(state, one))
        if one.scale and any(other.primary for other in state.seen.alive):
            none: dict[str, Any] = {"scale": 0, "running": 0, "healthy": (), "failing": 0}
            yield f"{one.release} scaled to 0 by hand", blamed(with_set(state, one.id, **none))


NEWER_WISHES = ("not ready", "is ready", "withdrawn", "taken back")


def newer_wishes(state: State) -> Iterator[tuple[str, State]]:
    """A version is wanted that cannot be started, or what is wanted cannot be, or was withdrawn."""
    seen = state.seen
    kept = state._replace(ghosts=state.ghosts._replace(kept=_under_way(seen)))
    if not seen.waits:
        yield "a version that is not ready is wanted", kept._replace(seen=replace(seen, wanted="", waits="no image"))
        yield "what is wanted is not ready", kept._replace(seen=replace(seen, waits="no role"))
    else:
        ready = replace(seen, wanted=seen.wanted or "D", waits="")
        yield "what is wanted is ready", state._replace(seen=ready, ghosts=state.ghosts._replace(kept=""))
    gone = "" if seen.withdrawn else "withdrawn"
    yield gone or "taken back", state._replace(seen=replace(seen, withdrawn=gone))


def _under_way(seen: ObservedService) -> str:
    """The release whose clock runs, if it has tasks and can still come through."""
    due = seen.marks.deadline
    if due is None or due.stage is DeadlineKind.RETIRE or due.release not in GOOD:
        return ""
    wanted = not seen.marks.quarantined(due.release) and due.release == seen.wanted
    well = [one for one in seen.alive if one.release == due.release and one.scale and one.failed < MOST_FAILED]
    lost = _had_production_and_lost_it(due, well[-1], seen) if well else True
    return due.release if wanted and not lost else ""


def _had_production_and_lost_it(due: Deadline, one: TaskSet, seen: ObservedService) -> bool:
    later = due.stage in (DeadlineKind.AT, DeadlineKind.VERIFY, DeadlineKind.WARM)
    return later and (seen.production is None or not seen.production[one.slot])


NOBODYS_FAULT = ("tasks are wanted", "one task is wanted", "is interrupted", "there is no capacity")


def nobodys_fault(state: State) -> Iterator[tuple[str, State]]:
    """What no version can help: another number of tasks is wanted, tasks are taken away, AWS has no room."""
    seen = state.seen
    if seen.desired == 1:
        yield "two tasks are wanted", state._replace(seen=_sized(seen, 2))
    if seen.desired == 2:
        yield "one task is wanted", state._replace(seen=_sized(seen, 1))
    if seen.desired:
        yield "no tasks are wanted", state._replace(seen=_sized(seen, 0))
    for one in seen.alive:
        gone: dict[str, Any] = {"running": 0, "healthy": (), "failing": 0, "steady": False}
        if one.well:
            yield f"{one.release} is interrupted", with_set(state, one.id, **gone)
        if one.scale and seen.desired and not one.unplaced:
            yield f"there is no capacity for {one.release}", with_set(state, one.id, unplaced="no capacity", **gone)


def intents(state: State) -> Iterator[tuple[str, State]]:
    seen = state.seen
    releases = sorted({one.release for one in seen.alive} | {seen.wanted})
    for verb in RequestVerb:
        if verb in (RequestVerb.SUSPEND, RequestVerb.RESUME):
            about = ["-"]
        elif verb in (RequestVerb.PROMOTE, RequestVerb.ROLLBACK, RequestVerb.RETRY):
            about = [*releases, "Z"]
        else:
            about = releases
        for release in about:
            said = Request(verb, release, f"{verb}-{release}-{state.ghosts.asked}", NOW, "ana", seconds=60)
            if verb is not RequestVerb.EXTEND:
                said = replace(said, seconds=0)
            marks = replace(seen.marks, request=said)
            ghosts = state.ghosts._replace(asked=state.ghosts.asked + 1)
            yield f"{verb} {release}", state._replace(seen=replace(seen, marks=marks), ghosts=ghosts)


def mishaps(state: State, after: State, lags: tuple[str, ...] = LAGS) -> Iterator[tuple[str, State]]:
    """What may go wrong in the middle of a step, at a price; `after` is when nothing does."""
    yield "killed before the call", crashed(state)
    yield "killed after the call", crashed(after)
    yield "the answer is lost", unanswered(state, after)
    yield "the request is lost", unanswered(state, state)
    yield "reads lag", lagging(state, after, lags)
    if isinstance(state.queue[0], RunTests):
        failed = SmokeTestOutcome(state.queue[0].release, False, "no")
        yield "the tests fail", _ended(blamed(state)._replace(queue=(), memory=state.memory.learnt(failed)))
    production = state.seen.production
    other = all_on(0) if production != all_on(0) else all_on(1)
    seen = replace(state.seen, production=other)
    yield "production moved by hand meanwhile", blamed(state._replace(seen=seen))


def quiet(state: State) -> State:
    """The alarm stops: nobody pays for what gets better."""
    return state._replace(seen=replace(state.seen, alarms=()))
