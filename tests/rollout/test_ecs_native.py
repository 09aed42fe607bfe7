"""The engine `ecs_native`, from facts: which of ECS's calls follow, and what ECS has done by itself."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.rollout.actions import SetWeights, WriteState
from reconciler.rollout.engine import Phase, RolloutStep, Waiting, engines
from reconciler.rollout.engines.ecs_native import hooks
from reconciler.rollout.engines.ecs_native.actions import ContinueDeployment, StartDeployment, StopDeployment
from reconciler.rollout.engines.ecs_native.facts import (
    PAUSED_FOR,
    TESTED_WITHIN,
    Deployment,
    Hook,
    HookAction,
    NativeService,
    PauseHook,
    Status,
)
from reconciler.rollout.engines.ecs_native.hooks import GATE
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, RequestRefusalCode, RequestVerb
from reconciler.rollout.state import UNNAMED, ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome
from reconciler.rollout.strategy import Promotion, Share, SmokeTest, Strategy
from reconciler.rollout.windows import Window
from tests.rollout.facts import CAREFUL, GREEN, HOUR, MINUTE, NOW, due, ill, kinds, marked, said, seen, side, written

ENGINE = engines()["ecs_native"]
TIMED = replace(CAREFUL, engine="ecs_native")
MANUAL = replace(TIMED, promotion=Promotion.MANUAL, promote_after=timedelta())
AUTO = replace(TIMED, promotion=Promotion.AUTO, promote_after=timedelta())
BLUE = side("a", 0, age=48, primary=True)
LIVE, STARTED = Version("a", BLUE.task_definition), Version("b", GREEN.task_definition)

TESTS, AT_GATE = (one for one in hooks.declared(TIMED))
BORN = NOW - HOUR / 2
SCALING = Deployment(
    "d-b", "b", Status.IN_PROGRESS, BORN, stage="SCALE_UP", target=GREEN.id, task_definition=GREEN.task_definition,
    declared=hooks.declared(TIMED),
)  # fmt: skip


def waiting(declared: tuple[PauseHook, ...], *done: str, reached: timedelta = HOUR / 4) -> Deployment:
    """At its hooks; `done` are those that have completed, by their place in the declaration."""
    shown = tuple(
        Hook(str(number), one.then, BORN + reached + one.minutes * MINUTE, str(number) not in done, str(number) in done)
        for number, one in enumerate(declared)
    )
    return replace(SCALING, stage="POST_TEST_TRAFFIC_SHIFT", hooks=shown, declared=declared)


AT_HOOKS, TESTED = waiting(hooks.declared(TIMED)), waiting(hooks.declared(TIMED), "0")
SHIFTING = replace(waiting(hooks.declared(TIMED), "0", "1"), stage="PRODUCTION_TRAFFIC_SHIFT")
BAKING = replace(SHIFTING, stage="BAKE_TIME")
UNDOING = replace(BAKING, status=Status.ROLLBACK_IN_PROGRESS, why="an alarm")
FOREIGN = replace(AT_HOOKS, id="d-x", release=UNNAMED, target="ecs-svc/x")


def facts(*sets: TaskSet, deployment: Deployment | None = None, **more: Any) -> NativeService:
    """A version was promoted before."""
    marks = more.pop("marks", marked())
    live = more.pop("live", LIVE)
    lost = more.pop("lost", "")
    plain = seen(*(sets or (BLUE,)), marks=replace(marks, live=live), **more)
    values = {one.name: getattr(plain, one.name) for one in fields(ObservedService)}
    return NativeService(**values, deployment=deployment, lost=lost)


def decided(found: NativeService, policy: Strategy = TIMED) -> RolloutStep:
    return ENGINE.decide(policy, found, NOW)


def both(deployment: Deployment, stage: DeadlineKind, wait: timedelta = HOUR, **more: Any) -> NativeService:
    """Blue serves, green is there and healthy."""
    weight = 100 if stage in (DeadlineKind.TO, DeadlineKind.AT) else 0
    marks = replace(more.pop("marks", marked()), deadline=due(stage, wait, weight=weight), started=STARTED)
    usual: dict[str, Any] = {"looks": 3, "test": (0, 100)}
    return facts(BLUE, GREEN, deployment=deployment, marks=marks, **(usual | more))


def switched(stage: DeadlineKind, wait: timedelta = HOUR, **more: Any) -> NativeService:
    """Green has production, and blue is kept."""
    deployment = more.pop("deployment", BAKING)
    marks = replace(more.pop("marks", marked()), deadline=due(stage, wait), started=STARTED)
    usual: dict[str, Any] = {"looks": 3, "production": (0, 100), "test": (0, 100)}
    return facts(BLUE, GREEN, deployment=deployment, marks=marks, **(usual | more))


# -- hooks


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (TIMED, (PauseHook(7, HookAction.ROLLBACK), PauseHook(120, HookAction.CONTINUE))),
        (MANUAL, (PauseHook(7, HookAction.ROLLBACK), PauseHook(20_160, HookAction.ROLLBACK))),
        (AUTO, (PauseHook(7, HookAction.ROLLBACK),)),
        (replace(AUTO, tests=()), ()),
        (replace(TIMED, tests=(), windows=(Window(NOW.time(), NOW.time()),)), (GATE,)),
    ],
)
def test_a_strategy_has_at_most_two_hooks(policy: Strategy, wanted: tuple[PauseHook, ...]) -> None:
    """One for its tests, one for its gate; deployment windows are kept by us, so ECS opens no gate then."""
    assert hooks.declared(policy) == wanted


@pytest.mark.parametrize("reached", [timedelta(), 6 * timedelta(days=1)])
@pytest.mark.parametrize("policy", [TIMED, MANUAL])
@pytest.mark.parametrize("minutes", [1, int(TESTED_WITHIN / MINUTE)])
def test_the_two_hooks_are_told_apart_in_any_order(policy: Strategy, reached: timedelta, minutes: int) -> None:
    """By what ECS does when they expire and by when that is, however late the deployment has come to them."""
    declared = (PauseHook(minutes, HookAction.ROLLBACK), *hooks.declared(policy)[1:])
    found = waiting(declared, reached=reached)
    for one in (found, replace(found, hooks=found.hooks[::-1])):
        first, second = hooks.tests(one), hooks.gate(one)
        assert (first and first.id, second and second.id) == ("0", "1")
    assert hooks.gate(waiting(declared, "1", reached=reached)) is None
    left = hooks.tests(waiting(declared, "1", reached=reached))
    assert left is not None
    assert left.id == "0"


def test_the_gate_of_a_person_is_the_longest_wait() -> None:
    assert GATE.minutes * MINUTE == PAUSED_FOR


# -- a rollout


def test_a_release_is_started_with_its_hooks_and_known_by_its_revision() -> None:
    """What was started is stored first: whoever comes after a crash asks for the same again."""
    step = decided(facts(definition=GREEN.task_definition))
    write, start = step.decisions
    assert isinstance(write, WriteState)
    assert write.after.started == STARTED
    assert isinstance(start, StartDeployment)
    assert (start.release, start.task_definition, start.hooks) == ("b", "", hooks.declared(TIMED))
    again = decided(facts(definition=GREEN.task_definition, marks=write.after))
    assert again.decisions == (start,)


@pytest.mark.parametrize(
    ("name", "found", "does", "phase"),
    [
        ("scaling up", both(SCALING, DeadlineKind.UP, looks=0), [], Phase.SCALING_UP),
        ("not tested yet", both(AT_HOOKS, DeadlineKind.UP, looks=1), [], Phase.SCALING_UP),
        ("tested", both(AT_HOOKS, DeadlineKind.TEST), ["RunTests"], Phase.TESTING),
        ("tests have passed", both(AT_HOOKS, DeadlineKind.GATE), ["ContinueDeployment"], Phase.AWAITING_PROMOTION),
        ("the gate is shut", both(TESTED, DeadlineKind.GATE), [], Phase.AWAITING_PROMOTION),
        ("promoted", both(TESTED, DeadlineKind.TO), ["ContinueDeployment"], Phase.SHIFTING),
        ("continued already", both(SHIFTING, DeadlineKind.TO), [], Phase.SHIFTING),
        ("ECS opened the gate", both(SHIFTING, DeadlineKind.GATE), [], Phase.SHIFTING),
        ("shifted", switched(DeadlineKind.TO), ["WriteState"], Phase.VERIFYING),
        ("watched", switched(DeadlineKind.VERIFY), [], Phase.VERIFYING),
        ("verified", switched(DeadlineKind.VERIFY, -MINUTE), ["WriteState"], Phase.BAKING),
        ("blue is warm", switched(DeadlineKind.WARM), [], Phase.BAKING),
        ("our clock is ahead", switched(DeadlineKind.WARM, -MINUTE), [], Phase.BAKING),
        ("an alarm", switched(DeadlineKind.VERIFY, alarms=("x",)), ["StopDeployment", "WriteState"],
         Phase.ROLLING_BACK),
        ("blue goes", switched(DeadlineKind.WARM, deployment=replace(BAKING, stage="CLEAN_UP")), [], Phase.TEARDOWN),
        ("a stage of the future", both(replace(SCALING, stage="PRE_FLIGHT"), DeadlineKind.UP, looks=0), [],
         Phase.SCALING_UP),
    ],
)  # fmt: skip
def test_a_phase_ends_with_ecs_call(name: str, found: NativeService, does: list[str], phase: Phase) -> None:
    """What ECS does by itself is no call, and blue's end is ECS's."""
    step = decided(found)
    assert (kinds(step), step.phase) == (does, phase), name
    assert step.wake_at is not None
    assert not any(isinstance(one, SetWeights) for one in step.decisions)


def test_promotion_completes_what_still_waits() -> None:
    """Without a gate the tests' hook is the last one, and it is continued when everything else holds."""
    auto = waiting(hooks.declared(AUTO))
    step = decided(both(auto, DeadlineKind.TO), AUTO)
    assert step.decisions == (ContinueDeployment("d-b", "0", at_gate=False),)
    assert decided(both(auto, DeadlineKind.TO, alarms=("x",)), AUTO).decisions == ()
    step = decided(both(waiting(hooks.declared(MANUAL)), DeadlineKind.TO), MANUAL)
    assert step.decisions == tuple(ContinueDeployment("d-b", str(number), bool(number)) for number in (0, 1))


def test_the_gate_is_ecs_own_timer() -> None:
    """Until the hook expires, and not from when the tests have passed: status says when ECS promotes."""
    step = decided(both(TESTED, DeadlineKind.GATE, 5 * HOUR))
    assert step.until == TESTED.hooks[1].expires


@pytest.mark.parametrize("stage", [DeadlineKind.UP, DeadlineKind.GATE])
def test_ecs_timer_promotes_no_version_that_has_become_ill(stage: DeadlineKind) -> None:
    """It is stopped right before; one that is healthy, or has more time, is not."""
    soon = TESTED.hooks[1]
    late = replace(TESTED, hooks=(TESTED.hooks[0], replace(soon, expires=NOW + MINUTE / 2)))
    found = both(late, stage, looks=-1)
    sets = tuple(ill(one) if one.id == GREEN.id else one for one in found.sets)
    step = decided(replace(found, sets=sets))
    assert (kinds(step), step.phase) == (["StopDeployment", "WriteState"], Phase.FAILED)
    assert written(step).quarantined("b")
    assert "StopDeployment" not in kinds(decided(found))
    assert "StopDeployment" not in kinds(decided(replace(found, sets=sets, deployment=TESTED)))


def test_a_strategy_that_changes_meanwhile_is_that_of_the_next_deployment() -> None:
    """The hooks of this one stay as they are, and so does what is said of it."""
    step = decided(both(TESTED, DeadlineKind.GATE), MANUAL)
    assert (step.decisions, step.until) == ((), TESTED.hooks[1].expires)
    manual = waiting(hooks.declared(MANUAL), "0")
    assert decided(both(manual, DeadlineKind.TO), TIMED).decisions == (ContinueDeployment("d-b", "1", at_gate=True),)


def test_shares_that_ecs_gives_are_followed() -> None:
    """Each is noted, without a call; one that is no step of the deployment is not taken for one."""
    shares = (Share(20, 5 * MINUTE), Share(40, 5 * MINUTE))
    moving = replace(SHIFTING, shares=shares)
    for weight, phase in ((20, Phase.SHIFTING), (40, Phase.SHIFTING), (33, Phase.BLOCKED)):
        marks = marked(due(DeadlineKind.AT, weight=20 if weight != 20 else 10))
        found = facts(BLUE, GREEN, deployment=moving, marks=marks, production=(100 - weight, weight), looks=3)
        step = decided(found)
        assert (set(kinds(step)) <= {"WriteState"}, step.phase) == (True, phase), weight


@pytest.mark.parametrize(
    ("deployment", "does"),
    [
        (SCALING, ()),  # its tasks do not show yet
        (replace(UNDOING, id="d-c", release="c"), ()),
        (replace(SCALING, id="d-c", release="c", target="ecs-svc/c"), ("StartDeployment",)),
    ],
)
def test_one_deployment_is_active_at_a_time(deployment: Deployment, does: tuple[str, ...]) -> None:
    """Ours is waited for, a rollback too; another release's is superseded."""
    step = decided(facts(deployment=deployment, marks=marked(due(DeadlineKind.UP), started=STARTED)))
    assert tuple(one for one in kinds(step) if one != "WriteState") == does
    assert step.wake_at is not None


def test_a_rollback_after_the_end_has_no_hooks() -> None:
    """It was tested and promoted before, and ECS finishes it whoever is down."""
    back = Version("old", "web:7")
    step = decided(facts(marks=marked(quarantine=("b",), rollback_target=back)))
    start = next(one for one in step.decisions if isinstance(one, StartDeployment))
    assert (start.release, start.task_definition, start.hooks) == ("old", "web:7", ())


# -- ends


@pytest.mark.parametrize(
    ("status", "deployment", "outcome", "by", "quarantined"),
    [
        (Status.SUCCESSFUL, BAKING, Outcome.PROMOTED, Actor.TIMER, False),
        (Status.ROLLBACK_REQUESTED, SCALING, Outcome.FAILED, Actor.ENGINE, True),
        (Status.ROLLBACK_SUCCESSFUL, TESTED, Outcome.FAILED, Actor.ENGINE, True),
        (Status.ROLLBACK_IN_PROGRESS, SHIFTING, Outcome.ROLLED_BACK, Actor.ENGINE, True),
        (Status.ROLLBACK_SUCCESSFUL, BAKING, Outcome.ROLLED_BACK, Actor.ENGINE, True),
        (Status.ROLLBACK_FAILED, BAKING, Outcome.ROLLED_BACK, Actor.ENGINE, True),
        (Status.STOP_REQUESTED, SCALING, Outcome.SUPERSEDED, Actor.SPECS, False),
        (Status.STOPPED, SCALING, Outcome.SUPERSEDED, Actor.SPECS, False),
    ],
)
def test_what_ecs_ends_by_itself_is_recorded_once(
    status: Status, deployment: Deployment, outcome: Outcome, by: Actor, quarantined: bool
) -> None:
    """With its own words, whatever stage it shows in the end. A deployment that was superseded has not failed."""
    over = replace(deployment, status=status, stage="CLEAN_UP", finished=NOW, why="what ECS says")
    found = facts(deployment=over, marks=marked(due(DeadlineKind.GATE), started=STARTED))
    step = decided(found)
    state = written(step)
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.by, state.quarantined("b")) == (outcome, by, quarantined)
    assert (state.deadline, state.started) == (None, None)
    assert not quarantined or over.why in step.ended.why
    assert decided(replace(found, marks=state)).ended is None
    if outcome is Outcome.PROMOTED:
        assert (state.live, state.previous) == (STARTED, LIVE)


def test_a_request_that_stopped_it_is_its_reason_after_a_crash() -> None:
    """The process was killed between the call and its record."""
    marks = marked(due(DeadlineKind.WARM), request=said(RequestVerb.ROLLBACK))
    step = decided(facts(deployment=UNDOING, marks=marks))
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.by) == (Outcome.ROLLED_BACK, Actor.PERSON)
    response = written(step).response
    assert response is not None
    assert response.accepted


def test_a_deployment_of_an_earlier_attempt_ends_nothing() -> None:
    """A retry has its own deadline before it has its own deployment."""
    earlier = replace(UNDOING, status=Status.ROLLBACK_SUCCESSFUL, finished=NOW - HOUR)
    marks = marked(due(DeadlineKind.UP, TIMED.healthy_within), started=STARTED)
    assert kinds(decided(facts(deployment=earlier, marks=marks, definition=GREEN.task_definition))) == [
        "StartDeployment"
    ]


def test_a_rollback_that_failed_needs_a_person() -> None:
    """Rules and both versions are shown; nothing is decided until one version is left."""
    failed = replace(BAKING, status=Status.ROLLBACK_FAILED, finished=NOW, why="The rule is gone.")
    found = facts(BLUE, GREEN, deployment=failed, marks=marked(quarantine=("b",)), production=(40, 60))
    step = decided(found)
    assert (step.phase, step.decisions, step.waits_for) == (Phase.BLOCKED, (), Waiting.PERSON)
    for said_there in ("The rule is gone.", "40 %", "60 %", BLUE.task_definition, GREEN.task_definition):
        assert said_there in step.because
    assert decided(facts(deployment=failed, marks=marked(quarantine=("b",)))).phase is not Phase.BLOCKED


def test_somebody_elses_deployment_is_waited_for_or_stopped_on_request() -> None:
    """Whatever is wanted: nothing is decided while it is active."""
    other = side("x", 1)
    step = decided(facts(BLUE, other, deployment=FOREIGN))
    assert (step.phase, step.decisions) == (Phase.BLOCKED, ())
    asked = facts(BLUE, other, deployment=FOREIGN, marks=marked(request=said(RequestVerb.ABORT, "a")))
    assert kinds(decided(asked)) == ["StopDeployment", "WriteState"]
    offered = ENGINE.allowed_requests(TIMED, facts(BLUE, other, deployment=FOREIGN), NOW)
    assert offered == (RequestVerb.ROLLBACK, RequestVerb.ABORT)


def test_the_same_version_again_is_somebody_elses() -> None:
    """A restart in the console is not undone."""
    again = replace(side("a", 1), id="ecs-svc/again")
    restart = replace(AT_HOOKS, release="a", target=again.id)
    assert decided(facts(BLUE, again, wanted="a", deployment=restart)).phase is Phase.BLOCKED


def test_production_that_is_not_healthy_enough_is_not_gone_back_to() -> None:
    """As without ECS: blue has to be able to serve."""
    found = switched(DeadlineKind.VERIFY, alarms=("x",))
    sets = tuple(ill(one) if one.id == BLUE.id else one for one in found.sets)
    assert decided(replace(found, sets=sets)).decisions == ()


@pytest.mark.parametrize(
    ("found", "policy", "verb", "code"),
    [
        (both(TESTED, DeadlineKind.GATE), TIMED, RequestVerb.HOLD, RequestRefusalCode.UNSUPPORTED),
        (both(waiting(hooks.declared(MANUAL), "0"), DeadlineKind.GATE), MANUAL, RequestVerb.HOLD, None),
        (both(waiting(hooks.declared(AUTO)), DeadlineKind.TEST), AUTO, RequestVerb.HOLD,
         RequestRefusalCode.UNSUPPORTED),
        (switched(DeadlineKind.WARM), TIMED, RequestVerb.HOLD, RequestRefusalCode.UNSUPPORTED),
        (both(TESTED, DeadlineKind.GATE), TIMED, RequestVerb.EXTEND, RequestRefusalCode.UNSUPPORTED),
        (switched(DeadlineKind.WARM), TIMED, RequestVerb.EXTEND, RequestRefusalCode.UNSUPPORTED),
        (both(SCALING, DeadlineKind.UP), TIMED, RequestVerb.EXTEND, None),
        (switched(DeadlineKind.WARM), TIMED, RequestVerb.FINISH, RequestRefusalCode.UNSUPPORTED),
        (switched(DeadlineKind.WARM), TIMED, RequestVerb.ABORT, RequestRefusalCode.ALREADY_PROMOTED),
        (switched(DeadlineKind.WARM), TIMED, RequestVerb.ROLLBACK, None),
        (switched(DeadlineKind.WARM, deployment=replace(BAKING, stage="CLEAN_UP")), TIMED, RequestVerb.ROLLBACK,
         RequestRefusalCode.CLEANING_UP),
        (both(TESTED, DeadlineKind.GATE), TIMED, RequestVerb.PROMOTE, None),
        (both(AT_HOOKS, DeadlineKind.TEST), TIMED, RequestVerb.PROMOTE, RequestRefusalCode.NOT_TESTED),
    ],
)  # fmt: skip
def test_requests_have_ecs_limits(
    found: NativeService, policy: Strategy, verb: RequestVerb, code: RequestRefusalCode | None
) -> None:
    """A refusal has a code, and leaves everything else as it was; what is refused is not offered."""
    assert (verb in ENGINE.allowed_requests(policy, found, NOW)) is (code is None)
    marks = replace(found.marks, request=said(verb, seconds=3600))
    response = written(decided(replace(found, marks=marks), policy)).response
    assert response is not None
    assert (None if response.refusal is None else response.refusal.code) is code


def test_a_suspended_service_is_left_alone() -> None:
    """ECS is not, and goes on."""
    step = decided(both(TESTED, DeadlineKind.TO, marks=marked(suspended=Pause("ana"))))
    assert step.at_rest
    assert "by itself" in step.because


def test_without_tasks_nothing_is_started() -> None:
    """Production stays where it is until tasks are wanted."""
    empty = replace(BLUE, running=0, healthy=())
    step = decided(facts(empty, desired=0))
    assert (step.decisions, step.waits_for, step.wake_at) == ((), Waiting.SPEC, None)


def test_a_first_version_is_tested_by_nobody() -> None:
    """No users are served yet, so its deployment has no hooks."""
    step = decided(facts(live=None, production=(100, 0), definition="web:2"))
    assert all(one.hooks == () for one in step.decisions if isinstance(one, StartDeployment))


def test_what_moves_a_deployment_on_is_waited_for_until_it_shows() -> None:
    """After a write nothing further is decided before."""
    waits = both(AT_HOOKS, DeadlineKind.GATE)
    assert not ContinueDeployment("d-b", "0", at_gate=False).visible(waits)
    assert ContinueDeployment("d-b", "0", at_gate=False).visible(both(TESTED, DeadlineKind.GATE))
    assert not StopDeployment("d-b").visible(waits)
    assert StopDeployment("d-b").visible(facts(deployment=UNDOING))
    assert StopDeployment("d-b").visible(facts())
    start = StartDeployment("b", 1, "1")
    assert not start.visible(facts())
    assert not start.visible(facts(deployment=replace(UNDOING, status=Status.ROLLBACK_SUCCESSFUL)))
    assert start.visible(facts(deployment=SCALING))


def test_smoke_tests_may_take_a_week() -> None:
    """Otherwise their hook might expire as late as the gate's."""
    slow = replace(MANUAL, tests=(SmokeTest("/", within=TESTED_WITHIN),))
    first, second = hooks.declared(slow)
    assert first.minutes * MINUTE < second.minutes * MINUTE - timedelta(days=6)
