"""Everything that can happen to a rollout, walked with the real `step`; and the proof that the walk sees bugs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.rollout import actions, request_handler, stored_state
from reconciler.rollout.blue_green import (
    cleanup,
    context,
    gates,
    health,
    initial,
    machine,
    pre_promotion,
    promotion,
    requests,
    traffic_shift,
    zero,
)
from reconciler.rollout.blue_green.context import RolloutContext
from reconciler.rollout.engine import Engine, Phase, engines
from reconciler.rollout.state import WHOLE
from reconciler.rollout.stored_state import Deadline, StoredState
from reconciler.rollout.strategy import OnNewRevision, Promotion, Strategy
from reconciler.rollout.tracker import RolloutTracker
from tests.promises.conftest import Record
from tests.rollout import world
from tests.rollout.explorer import Report, explore, reached
from tests.rollout.models import model_of, models
from tests.rollout.world import State

TIMED, CANARY = "timed, tested", "canary, nobody asked"
UNDER_ANY_ENGINE = {
    "timed, tested": world.policy(),
    "canary, nobody asked": world.policy(promotion=Promotion.AUTO, shares=world.CANARY, tests=()),
    "manual": world.policy(promotion=Promotion.MANUAL, tests=()),
    "newer versions queue": world.policy(on_new_revision=OnNewRevision.QUEUE, promotion=Promotion.AUTO, tests=()),
    "newer versions are rejected": world.policy(
        on_new_revision=OnNewRevision.REJECT, promotion=Promotion.AUTO, tests=()
    ),
}


def _under(engine: Engine, policy: Strategy) -> Strategy:
    return replace(policy, engine=engine.name, shares=policy.shares[: 1 if engine.limits.fixed_steps else None])


OTHERS = {
    f"{engine.name}: {name}": _under(engine, policy)
    for engine in engines().values()
    if engine.name in models() and not engine.default
    for name, policy in UNDER_ANY_ENGINE.items()
}
POLICIES = UNDER_ANY_ENGINE | OTHERS
"""By their names; those of an engine that is not the default one begin with its name."""
SAMPLED = 1_500
"""States of each engine in `make test`."""


def test_every_engine_of_a_rollout_with_phases_has_a_model() -> None:
    """An engine that shifts traffic is walked like any other as soon as it says what AWS does under it."""
    with_phases = {engine.name for engine in engines().values() if "blue_green" in engine.types}
    assert set(models()) == with_phases


def starts(budget: int, policy: Strategy = UNDER_ANY_ENGINE[TIMED]) -> list[State]:
    """A change of version, and a first deployment."""
    model = model_of(policy)
    return [model.at_rest("B", budget), model.empty("B", budget)]


def _nobodys_fault(event: str) -> bool:
    return any(words in event for words in world.NOBODYS_FAULT)


def _newer_wish(event: str) -> bool:
    return any(words in event for words in world.NEWER_WISHES)


def _somebodys_fault(event: str) -> bool:
    return not _nobodys_fault(event)


def _note(record: Record, what: str, report: Report) -> None:
    print(f"{what}: {report}")
    for promise in ("S4", "S5", "S7", "L4"):
        record(promise, f"the walk: {what}", worlds=report.states, violations=len(report.broken[-1:]))


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_every_promise_holds_in_every_state_that_one_mishap_leads_to(name: str, record: Record) -> None:
    """From everywhere, whatever goes wrong once, at any moment, breaks no promise and comes to rest."""
    report = explore(POLICIES[name], starts(1, POLICIES[name]), only=_somebodys_fault)
    _note(record, name, report)
    assert not report.broken, "\n".join(report.broken)
    assert report.states > 10_000, "the world has become smaller than it was meant to be"


@pytest.mark.parametrize("name", [one for one in POLICIES if one.endswith(TIMED)])
def test_no_promise_is_broken_in_the_first_states(name: str, record: Record) -> None:
    """A part of the same, from the beginning and from where traffic has shifted."""
    policy, most = POLICIES[name], SAMPLED
    for begins in (starts(1, policy), [reached(policy, Phase.BAKING, 1)]):
        report = explore(policy, begins, most=most, only=_somebodys_fault)
        _note(record, name, report)
        assert not report.broken, "\n".join(report.broken)


@pytest.mark.parametrize(
    ("name", "most"), [(CANARY, 6_000), *(pytest.param(one, None, marks=pytest.mark.slow) for one in POLICIES)]
)
def test_no_version_is_blamed_for_what_it_cannot_help(name: str, most: int | None, record: Record) -> None:
    """Counts that change, interruptions and a lack of capacity, at any moment, neither fail nor quarantine anything."""
    model = model_of(POLICIES[name])
    report = explore(POLICIES[name], [model.at_rest("B", 1), model.asleep("B", 1)], most=most, only=_nobodys_fault)
    _note(record, name, report)
    assert not report.broken, "\n".join(report.broken)


@pytest.mark.slow
@pytest.mark.parametrize("wish_first", [True, False])
@pytest.mark.parametrize("name", POLICIES)
def test_what_no_version_can_help_and_a_newer_wish_come_together(name: str, wish_first: bool, record: Record) -> None:
    """One of each, in either order: what is under way goes on to its end, and is not blamed."""
    first, then = (_newer_wish, _nobodys_fault) if wish_first else (_nobodys_fault, _newer_wish)
    report = explore(POLICIES[name], starts(2, POLICIES[name]), only=first, last=then)
    _note(record, name, report)
    assert not report.broken, "\n".join(report.broken)


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_every_promise_holds_after_two_mishaps(name: str, record: Record) -> None:
    """The same for any two mishaps, as far as a million states go, or some of them where the engine is another one."""
    most = 200_000 if name in OTHERS else 1_000_000
    report = explore(POLICIES[name], starts(2, POLICIES[name]), most=most)
    _note(record, name, report)
    assert not report.broken, "\n".join(report.broken)


# -- the drawing


def _arrows(drawing: str) -> set[tuple[Phase, Phase]]:
    """Every arrow of the drawing: `a, b → c → d` are a → c, b → c and c → d."""
    found = set()
    for line in drawing.splitlines():
        stations = re.sub(r"\s{3,}.*", "", line.strip()).split("→")
        names = [[Phase(name.strip()) for name in part.split(",")] for part in stations] if len(stations) > 1 else []
        for origins, targets in itertools.pairwise(names):
            found |= {(origin, target) for origin in origins for target in targets}
    return found


def _usual(event: str) -> bool:
    """Versions, health, people's words; neither crashes nor hands."""
    rare = ("by hand", "killed", "lost", "lag", "meanwhile", "pause", "resume", "not ready", "withdrawn", "taken back")
    return _somebodys_fault(event) and not any(word in event for word in rare)


def _while_tasks_are_wanted(event: str) -> bool:
    return _newer_wish(event) or (_nobodys_fault(event) and event != "no tasks are wanted")


@pytest.mark.slow
def test_the_drawing_shows_exactly_what_happens() -> None:
    """Each change of phase in a usual life is an arrow in the machine's drawing, and each arrow happens."""
    walks = [
        explore(POLICIES["timed, tested"], [*starts(1), _rolled_back(1)], only=_usual),
        explore(POLICIES["canary, nobody asked"], starts(1), only=_usual),
        explore(POLICIES["manual"], starts(0)),
        explore(world.policy(promotion=Promotion.AUTO), starts(0)),
        explore(POLICIES[CANARY], [world.at_rest("B", 1)], only=_while_tasks_are_wanted),
        explore(POLICIES["timed, tested"], [_moved_by_hand(1)], only=lambda event: event.startswith("rollback")),
        explore(
            POLICIES["timed, tested"], _in_production(2), only=lambda event: event in ("B falls ill", "C is wanted")
        ),
    ]
    assert not [walk.broken for walk in walks if walk.broken]
    happened = set().union(*(walk.phases for walk in walks))
    drawn = _arrows(machine.__doc__ or "")
    assert happened == drawn, f"not drawn: {happened - drawn}; never happens: {drawn - happened}"


BEFORE_TRAFFIC = (Phase.SCALING_UP, Phase.AWAITING_PROMOTION)
UNDER_TRAFFIC = (Phase.SHIFTING, Phase.VERIFYING, Phase.BAKING)
PHASES_OF = [
    *((TIMED, phase) for phase in (*BEFORE_TRAFFIC, *UNDER_TRAFFIC[1:])),
    *((CANARY, phase) for phase in UNDER_TRAFFIC),
]


def _both_ill(name: str, phase: Phase, budget: int) -> State:
    """A rollout of B in that phase; neither A nor B has a healthy task any more, which was seen, and D is wanted."""
    policy = POLICIES[name]
    state = reached(policy, phase, budget)
    for one in state.seen.alive:
        state = world.with_set(state, one.id, steady=False, healthy=(("z", 0),), failing=1)
    state = world.blamed(state._replace(queue=(), memory=replace(state.memory, looks=-policy.looks, awaited=())))
    return world.moment(state._replace(seen=replace(state.seen, wanted="D")))


@pytest.mark.parametrize(("name", "phase"), PHASES_OF)
def test_a_fix_starts_at_once_while_neither_version_is_healthy(name: str, phase: Phase) -> None:
    """Nothing gets better, and no clock runs out, until it is there."""
    state, mind, model = _both_ill(name, phase, 1), world.Mind(POLICIES[name]), model_of(POLICIES[name])
    assert state.phase is phase
    for _ in range(20):
        if any(one.release == "D" for one in state.seen.alive):
            break
        if state.queue:
            state = world.performed(state, model.carried_out)
        elif state.lag or state.memory.waiting(world.NOW):
            state = world.moment(state)
        else:
            state = world.look(state, mind, model.view(state)).state
    else:
        raise AssertionError(f"D is not started in {state.phase}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "phase"), PHASES_OF)
def test_no_promise_is_broken_while_a_fix_replaces_two_versions_that_are_ill(
    name: str, phase: Phase, record: Record
) -> None:
    """Whatever goes wrong once on its way, apart from production that somebody moves by hand."""
    report = explore(
        POLICIES[name],
        [_both_ill(name, phase, 1)],
        only=lambda event: _somebodys_fault(event) and "by hand" not in event,
    )
    _note(record, f"{name}, {phase}, both ill", report)
    assert not report.broken, "\n".join(report.broken)


def _in_production(budget: int) -> list[State]:
    """B has production, and A is warm."""
    return [reached(POLICIES["timed, tested"], phase, budget) for phase in (Phase.VERIFYING, Phase.BAKING)]


def _moved_by_hand(budget: int) -> State:
    """A and B share production, and nobody here gave it to them."""
    state = world.at_rest("B", budget)
    sets = (*state.seen.sets, world.a_set("B", 1, rank=1, primary=False))
    return state._replace(seen=replace(state.seen, production=(50, 50), sets=sets), phase=Phase.BLOCKED)


def _rolled_back(budget: int) -> State:
    """A serves, B was rolled back, and is still wanted."""
    state = world.at_rest("B", budget)
    ended = stored_state.RolloutResult("B", stored_state.Outcome.ROLLED_BACK, "x", world.NOW, stored_state.Actor.ENGINE)
    remembered = StoredState(quarantine=("B",), ended=ended)
    return state._replace(
        seen=replace(state.seen, marks=remembered),
        ghosts=state.ghosts._replace(quarantine=frozenset({"B"})),
        phase=Phase.ROLLED_BACK,
    )


# -- seeded bugs

Patch = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, tuple[str, Patch]] = {}
BLAMES: set[str] = set()
"""Bugs that hold against a version what it cannot help."""


def bug(policy: str) -> Callable[[Patch], Patch]:
    def add(patch: Patch) -> Patch:
        BUGS[patch.__name__] = (policy, patch)
        return patch

    return add


@bug(TIMED)
def switches_without_looking_at_health(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gates, "not_ready", lambda s: None)


@bug(TIMED)
def one_good_look_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "confirmed_healthy", lambda policy, seen: seen.looks > 0)


@bug(TIMED)
def no_clock_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deadline, "passed", lambda self, now: True)


@bug(TIMED)
def a_deadline_belongs_to_the_service(patch: pytest.MonkeyPatch) -> None:
    """And not to the release: whatever is brought next inherits it."""
    original, attempt = RolloutContext.mark, pre_promotion.attempt

    def mark(self: RolloutContext, **fields: Any) -> Any:
        kept = {name: value for name, value in fields.items() if name != "deadline" or value is not None}
        return original(self, **kept)

    patch.setattr(RolloutContext, "due", lambda self, release: self.marks.deadline)
    patch.setattr(RolloutContext, "mark", mark)
    patch.setattr(pre_promotion, "attempt", lambda s: s.marks.deadline or attempt(s))


@bug(TIMED)
def shifts_before_anybody_approved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        pre_promotion,
        "_gate",
        lambda s, green, due: s.step(Phase.SHIFTING, "no gate", *pre_promotion.approve(s, green)),
    )


@bug(TIMED)
def approves_what_was_not_tested(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pre_promotion, "_test", lambda s, green, due: pre_promotion._passed(s, green, due, (), "untested"))


@bug(TIMED)
def deletes_the_side_that_has_production(patch: pytest.MonkeyPatch) -> None:
    original = traffic_shift._teardown
    patch.setattr(traffic_shift, "_teardown", lambda s, live, blue: original(s, blue, live))


@bug(CANARY)
def deletes_what_requests_are_under_way_to(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cleanup, "_had_traffic", lambda one, due: False)


@bug(TIMED)
def deletes_the_only_healthy_side(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cleanup, "may_remove", lambda seen, one: True)


@bug(TIMED)
def hears_a_word_about_another_release(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_another", lambda s, request: "")


@bug(TIMED)
def hears_a_word_again_and_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StoredState, "pending_request", property(lambda self: self.request))


@bug(TIMED)
def promotes_green_that_is_ill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(promotion, "_unfit", lambda s, green: None)


@bug(TIMED)
def a_clock_that_starts_anew_is_shorter(patch: pytest.MonkeyPatch) -> None:
    for module in (pre_promotion, traffic_shift):
        patch.setattr(
            module,
            "deadline",
            lambda release, stage, now, wait, *, weight=0: stored_state.deadline(
                release, stage, now, wait / 2, weight=weight
            ),
        )


@bug(TIMED)
def quarantine_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StoredState, "quarantined", lambda self, release: False)


@bug(CANARY)
def what_is_rolled_back_is_not_put_in_quarantine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StoredState, "with_quarantined", lambda self, release: self.quarantine)


@bug(TIMED)
def shares_that_nobody_gave_are_taken_as_ours(patch: pytest.MonkeyPatch) -> None:
    def noticed(s: RolloutContext, green: Any, weight: int) -> Any:
        pause = stored_state.deadline(green.release, stored_state.DeadlineKind.AT, s.now, s.policy.drain, weight=weight)
        return s.step(Phase.SHIFTING, "whatever", *s.mark(deadline=pause))

    patch.setattr(traffic_shift, "_noticed", noticed)


@bug(TIMED)
def blue_goes_while_green_is_ill(patch: pytest.MonkeyPatch) -> None:
    original = traffic_shift._warm
    patch.setattr(
        traffic_shift,
        "_warm",
        lambda s, live, blue, due: original(replace(s, seen=replace(s.seen, looks=1)), live, blue, due),
    )


@bug(TIMED)
def goes_back_to_a_side_that_is_ill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "can_serve", lambda seen, one, instead_of: True)


@bug(TIMED)
def acts_on_reads_that_lag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RolloutTracker, "waiting", lambda self, now: False)


@bug(TIMED)
def a_hold_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RolloutContext, "held", property(lambda self: False))


@bug(TIMED)
def a_pause_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(request_handler, "paused", lambda pause, ordinary: ordinary)


@bug(TIMED)
def autoscaling_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    original = cleanup._tidied
    patch.setattr(
        cleanup,
        "_tidied",
        lambda s, live: tuple(one for one in original(s, live) if not isinstance(one, actions.SuspendScaling)),
    )


@bug(TIMED)
def what_is_left_over_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(context, "_without", lambda some, one: ())


@bug(TIMED)
def no_deadline_is_ever_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = RolloutContext.mark

    def mark(self: RolloutContext, **fields: Any) -> Any:
        kept = {name: value for name, value in fields.items() if name != "deadline" or value is not None}
        return original(self, **kept)

    patch.setattr(RolloutContext, "mark", mark)


@bug(TIMED)
def a_first_deployment_never_gives_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(initial, "_fail", lambda s, by, why: s.step(Phase.INITIAL_DEPLOYMENT, why))


@bug(TIMED)
def the_listener_is_not_read_again_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    original = world.effects.after

    def careless(decision: Any, seen: Any, now: Any) -> Any:
        if isinstance(decision, actions.SetWeights) and decision.listener == "production":
            decision = replace(decision, was=seen.production)
        if isinstance(decision, actions.DeleteTaskSet):
            away = replace(seen, production=(0, WHOLE) if decision.slot == 0 else (WHOLE, 0))
            return replace(original(decision, away, now), production=seen.production)
        return original(decision, seen, now)

    patch.setattr(world.effects, "after", careless)


@bug(TIMED)
def a_version_that_is_not_ready_takes_over(patch: pytest.MonkeyPatch) -> None:
    """What is under way is removed before anything can take its place."""
    patch.setattr(context, "_resumable", lambda marks, flight: False)


@bug("newer versions are rejected")
def a_version_that_is_rejected_takes_the_running_one_along(patch: pytest.MonkeyPatch) -> None:
    original = context._resumable

    def resumable(marks: StoredState, flight: Any) -> bool:
        return original(marks, flight) and not marks.quarantine

    patch.setattr(context, "_resumable", resumable)


@bug(TIMED)
def a_clock_promotes_what_was_withdrawn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gates, "withdrawn", lambda s: None)


@bug(CANARY)
def what_was_withdrawn_is_promoted_without_a_gate(patch: pytest.MonkeyPatch) -> None:
    original = pre_promotion._passed

    def passed(s: RolloutContext, green: Any, due: Any, decisions: Any, because: str) -> Any:
        return original(replace(s, seen=replace(s.seen, withdrawn="")), green, due, decisions, because)

    patch.setattr(pre_promotion, "_passed", passed)


@bug(TIMED)
def who_serves_without_being_primary_is_not_protected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(initial, "_serves", lambda live: False)


def blames(patch: Patch) -> Patch:
    BLAMES.add(patch.__name__)
    return bug(TIMED)(patch)


@blames
def missing_tasks_count_against_a_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "at_fault", lambda seen, one: True)


@blames
def a_lack_of_capacity_stops_no_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "lack", lambda seen: "")


@blames
def interrupted_tasks_are_a_verdict(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(health, "blameless", lambda policy, seen, one, now: False)


@blames
def no_clock_stops_while_no_tasks_are_wanted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(zero, "wait", lambda s, phase, *, begun=True: s.step(phase, "no tasks are wanted"))


def _hunt(policy: Strategy, only: Callable[[str], bool]) -> Report:
    """What one mishap leads to; then two, in the middle of a rollout."""
    report = explore(policy, [*starts(1), _rolled_back(1)], only=only)
    if report.broken:
        return report
    middle = [reached(policy, phase, 2) for phase in (Phase.AWAITING_PROMOTION, Phase.VERIFYING, Phase.BAKING)]
    return explore(policy, middle, most=60_000)


LONG = (
    "no_deadline_is_ever_forgotten",
    "promotes_green_that_is_ill",
    "goes_back_to_a_side_that_is_ill",
    "acts_on_reads_that_lag",
    "blue_goes_while_green_is_ill",
    "switches_without_looking_at_health",
    "one_good_look_is_enough",
    "a_deadline_belongs_to_the_service",
    "the_listener_is_not_read_again_before_it_is_written",
    "deletes_the_only_healthy_side",
    "autoscaling_is_never_given_back",
    "interrupted_tasks_are_a_verdict",
)
"""Bugs that show only after many states: looked for with the slow tests."""


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] if one in LONG else []) for one in BUGS])
def test_a_seeded_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each guard of the machine is one that the walk misses when it is taken away."""
    policy, patch = BUGS[name]
    patch(monkeypatch)
    report = _hunt(POLICIES[policy], _nobodys_fault if name in BLAMES else _somebodys_fault)
    print(f"{name}: {report.broken[-1:]} after {report}")
    assert report.broken, f"{name} broke nothing in {report}"


def test_clocks_of_the_world_are_longer_than_any_haste() -> None:
    """The world's one duration is what the laws take for the policy's."""
    assert timedelta(seconds=1000) == world.LONG
