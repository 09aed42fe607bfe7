"""The engine `ecs_native` while something happens that it has not asked for: production that somebody moves, tasks that
are interrupted, a request that comes too late, a service that is suspended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.rollout import taken_back
from reconciler.rollout.actions import SetWeights, SuspendScaling, WriteState
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.ecs_native.actions import StartDeployment
from reconciler.rollout.engines.ecs_native.facts import Status
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, RequestVerb
from reconciler.rollout.state import WHOLE, Scaling
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome, RolloutResult
from reconciler.rollout.strategy import Strategy
from reconciler.rollout.tracker import LATEST
from tests.rollout.facts import GREEN, HOUR, MINUTE, NOW, due, kinds, marked, only, said, written
from tests.rollout.test_ecs_native import (
    AT_HOOKS,
    BAKING,
    BLUE,
    ENGINE,
    SCALING,
    SHIFTING,
    STARTED,
    TESTED,
    TIMED,
    UNDOING,
    both,
    decided,
    facts,
    switched,
)

SECOND = timedelta(seconds=1)


def test_the_end_of_a_deployment_has_a_reason() -> None:
    """Also one that ends well."""
    over = replace(BAKING, status=Status.SUCCESSFUL, finished=NOW)
    assert decided(facts(deployment=over, marks=marked(due(DeadlineKind.WARM), started=STARTED))).because


@pytest.mark.parametrize("verb", [RequestVerb.ROLLBACK, RequestVerb.ABORT])
def test_a_request_to_stop_what_has_succeeded_is_not_accepted_with_its_end(verb: RequestVerb) -> None:
    """It is answered once the end is recorded: a rollback by another deployment, an abort by a refusal."""
    over = replace(BAKING, status=Status.SUCCESSFUL, finished=NOW)
    marks = marked(due(DeadlineKind.WARM), started=STARTED, request=said(verb))
    step = decided(facts(deployment=over, marks=marks))
    assert step.ended is not None
    assert (step.ended.outcome, written(step).response) == (Outcome.PROMOTED, None)


def test_a_request_for_another_version_is_more_than_the_end() -> None:
    """The deployment that it had stopped has ended; the version that was asked for is still to come."""
    marks = marked(due(DeadlineKind.WARM), request=said(RequestVerb.ROLLBACK, to="old"))
    assert written(decided(facts(deployment=UNDOING, marks=marks))).response is None


def test_nothing_is_recorded_of_a_service_that_is_suspended() -> None:
    """What has ended is recorded once the service is resumed."""
    over = replace(BAKING, status=Status.SUCCESSFUL, finished=NOW)
    marks = marked(due(DeadlineKind.WARM), started=STARTED, suspended=Pause("ana"))
    found = facts(deployment=over, marks=marks)
    assert decided(found).decisions == ()
    assert decided(replace(found, marks=replace(found.marks, suspended=None))).ended is not None


@pytest.mark.parametrize(
    ("longer", "policy"),
    [(timedelta(), TIMED), (HOUR, TIMED), (timedelta(), replace(TIMED, healthy_within=TIMED.healthy_within / 4))],
    ids=["as it began", "extended", "with less time for the next one"],
)
def test_an_attempt_is_known_by_its_beginning(longer: timedelta, policy: Strategy) -> None:
    """Its deadline is moved by `extend`, and says less once the strategy has changed."""
    begun = written(decided(facts(definition=GREEN.task_definition)))
    assert begun.deadline is not None
    assert begun.deadline.at is not None
    marks = replace(begun, deadline=replace(begun.deadline, at=begun.deadline.at + longer))
    ended = replace(SCALING, born=NOW + SECOND, status=Status.ROLLBACK_SUCCESSFUL, finished=NOW + MINUTE)
    found = facts(deployment=ended, marks=marks, definition=GREEN.task_definition)
    step = ENGINE.decide(policy, found, NOW + 2 * MINUTE)
    assert step.ended is not None
    assert written(step).quarantined("b")
    earlier = replace(found, deployment=replace(ended, born=NOW - HOUR, finished=NOW - MINUTE))
    assert kinds(ENGINE.decide(policy, earlier, NOW + 2 * MINUTE)) == [StartDeployment.__name__]


# -- production that somebody has moved


@pytest.mark.parametrize("stage", [DeadlineKind.GATE, DeadlineKind.TO])
def test_production_that_was_taken_back_in_the_bake_time_is_a_rollback(stage: DeadlineKind) -> None:
    """ECS would remove blue at the end of it. Until a read of the listener must show what ECS has shifted, it waits."""
    baking = replace(BAKING, updated=NOW - LATEST)
    step = decided(both(baking, stage))
    assert (step.phase, written(step).quarantined("b")) == (Phase.ROLLING_BACK, True)
    for early in (replace(baking, updated=NOW - LATEST + SECOND), replace(baking, updated=None), SHIFTING):
        assert decided(both(early, stage)).ended is None


def test_a_version_that_lost_production_is_stopped_at_once() -> None:
    """ECS sees to the requests under way. It would remove blue, which has production, if its bake time ended first."""
    step = decided(both(BAKING, DeadlineKind.RETIRE, marks=marked(quarantine=("b",))))
    assert kinds(step)[0] == "StopDeployment"


def test_a_first_version_that_lost_production_gets_it_back() -> None:
    """ECS has shifted it and does not do so again; there is no other version that production could go to."""
    alone = replace(BAKING, updated=NOW - LATEST)
    marks = marked(due(DeadlineKind.UP), started=STARTED)
    step = decided(facts(GREEN, deployment=alone, marks=marks, live=STARTED, looks=3))
    assert [one.weights for one in step.decisions if isinstance(one, SetWeights)] == [(0, WHOLE)]
    others = decided(both(replace(BAKING, updated=NOW), DeadlineKind.TO))
    assert not [one for one in others.decisions if isinstance(one, SetWeights)]


def test_scaling_in_is_suspended_again_while_ecs_finishes() -> None:
    """Blue's time is over by our clock, and not by ECS's."""
    assert only(decided(switched(DeadlineKind.WARM, -MINUTE, scaling=Scaling.ACTIVE))) == SuspendScaling(suspend=True)
    assert decided(switched(DeadlineKind.WARM, -MINUTE, scaling=Scaling.SUSPENDED)).decisions == ()


# -- tasks that are interrupted


def test_a_version_whose_tasks_were_interrupted_is_brought_up_again() -> None:
    """It gave way, which is no rollback: ECS takes it back, and then it is started once more."""
    later = TIMED.healthy_within
    marks = marked(replace(due(DeadlineKind.UP, later), weight=WHOLE), started=STARTED)
    taken_back = replace(UNDOING, born=NOW - HOUR)
    waits = decided(facts(BLUE, GREEN, deployment=taken_back, marks=marks, production=(90, 10), looks=-3))
    gave_way = facts(deployment=taken_back, marks=marks, definition=GREEN.task_definition)
    gone = replace(taken_back, status=Status.ROLLBACK_SUCCESSFUL, finished=NOW)
    for step in (waits, decided(gave_way)):
        assert (step.phase, step.decisions, step.ended) == (Phase.SCALING_UP, (), None)
    assert kinds(decided(replace(gave_way, deployment=gone))) == [StartDeployment.__name__]


def test_a_version_that_ecs_rolls_back_before_anybody_looks_has_failed() -> None:
    """The deadline is that of its own start: nobody has made it give way."""
    first = marked(due(DeadlineKind.UP, TIMED.healthy_within), started=Version("b", GREEN.task_definition))
    step = decided(facts(deployment=replace(UNDOING, born=NOW), marks=first))
    assert step.ended is not None
    assert step.ended.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize(("stopped", "outcome"), [(True, Outcome.SUPERSEDED), (False, Outcome.FAILED)])
def test_a_version_that_was_stopped_for_a_newer_one_has_not_failed(stopped: bool, outcome: Outcome) -> None:
    """The process was killed between the call and its record. What ECS rolls back by itself has failed all the same."""
    undone = replace(TESTED, status=Status.ROLLBACK_IN_PROGRESS, stopped=stopped)
    step = decided(facts(deployment=undone, wanted="c", marks=marked(due(DeadlineKind.GATE), started=STARTED)))
    assert step.ended is not None
    assert (step.ended.outcome, written(step).quarantined("b")) == (outcome, not stopped)


# -- what ECS has of the pair, and is not there any more


@pytest.mark.parametrize("lost", ["", "the test listener or its rule were created again"])
def test_what_ecs_could_deploy_no_version_with_is_no_fault_of_this_one(lost: str) -> None:
    """It waits then, and is not quarantined. Once production has moved, ECS has another reason."""
    gone = replace(SCALING, status=Status.ROLLBACK_SUCCESSFUL, finished=NOW, why="One or more rules not found")
    marks = marked(due(DeadlineKind.UP, TIMED.healthy_within / 2), started=STARTED)
    found = replace(facts(deployment=gone, marks=marks), lost=lost)
    step = decided(found)
    assert step.ended is not None
    assert written(step).quarantined("b") is not bool(lost)
    shifted = decided(replace(found, deployment=replace(UNDOING, finished=NOW)))
    assert written(shifted).quarantined("b")


LOST = "the test listener or its rule were deleted"


def test_what_cannot_be_tested_any_more_is_taken_back_and_not_blamed() -> None:
    """ECS would keep it waiting for its tests until their time is over."""
    waits = both(AT_HOOKS, DeadlineKind.TEST, lost=LOST)
    step = decided(waits)
    assert kinds(step) == ["StopDeployment", "WriteState"]
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.by, step.ended.why) == (Outcome.FAILED, Actor.ENGINE, LOST)
    after = written(step)
    assert (after.quarantine, after.deadline, after.started) == ((), None, None)
    assert "StopDeployment" not in kinds(decided(replace(waits, lost="")))


@pytest.mark.parametrize("status", [Status.ROLLBACK_IN_PROGRESS, Status.ROLLBACK_FAILED])
def test_a_process_that_ended_in_between_blames_nobody_either(status: Status) -> None:
    """The deployment was stopped, and that is not recorded yet."""
    stopped = replace(AT_HOOKS, status=status, stopped=True, finished=NOW)
    step = decided(both(stopped, DeadlineKind.TEST, lost=LOST, waits=LOST))
    assert step.ended is not None
    assert (step.ended.outcome, written(step).quarantine) == (Outcome.FAILED, ())


def test_what_was_tested_goes_on_without_the_test_listener() -> None:
    """ECS shifts production all the same, and a person may promote what is not tested."""
    gate = both(TESTED, DeadlineKind.GATE, lost=LOST)
    assert decided(gate).phase is Phase.AWAITING_PROMOTION
    asked = both(AT_HOOKS, DeadlineKind.TEST, lost=LOST, marks=marked(request=said(RequestVerb.PROMOTE)))
    assert "StopDeployment" not in kinds(decided(asked))


def test_a_rollback_that_ecs_gave_up_says_what_to_do() -> None:
    """Nothing of it is tried again meanwhile, and nothing is written."""
    over = replace(AT_HOOKS, status=Status.ROLLBACK_FAILED, finished=NOW, why="rules not found")
    found = facts(BLUE, GREEN, deployment=over, lost=LOST, waits=LOST, stranded=True)
    step = decided(found)
    assert (step.phase, step.decisions) == (Phase.BLOCKED, ())
    assert "rules not found" in step.because
    assert LOST in step.because
    assert LOST not in decided(replace(found, stranded=False)).because


@pytest.mark.parametrize("lost", ["", "target groups were created again"])
def test_no_rollback_is_begun_that_ecs_would_roll_back(lost: str) -> None:
    """The previous version would be started by another deployment."""
    marks = marked(previous=Version("p", "web:1"), request=said(RequestVerb.ROLLBACK, release="a"))
    response = written(decided(replace(facts(marks=marks, wanted="a"), lost=lost))).response
    assert response is not None
    assert response.accepted is not bool(lost)


def test_a_first_version_that_ecs_took_back_starts_again_without_hooks() -> None:
    """Nobody is served, so that nothing is tested and no gate is waited for."""
    gone = replace(SCALING, status=Status.ROLLBACK_SUCCESSFUL, finished=NOW - HOUR)
    found = facts(deployment=gone, live=STARTED, definition=STARTED.task_definition, production=(0, WHOLE))
    found = replace(found, sets=())
    (start,) = (one for one in decided(found).decisions if isinstance(one, StartDeployment))
    assert start.hooks == ()


@pytest.mark.parametrize("lacked", ["", "Capacity is unavailable at this time"])
def test_what_ecs_found_no_room_for_is_tried_again(lacked: str) -> None:
    """A lack of capacity is no verdict on the version; tasks that failed by themselves are."""
    undone = replace(AT_HOOKS, status=Status.ROLLBACK_IN_PROGRESS, why="the circuit breaker threshold was exceeded")
    step = decided(both(undone, DeadlineKind.GATE, lacked=lacked))
    assert step.ended is not None
    (write,) = [one for one in step.decisions if isinstance(one, WriteState)]
    assert write.after.quarantined("b") is not bool(lacked)


@pytest.mark.parametrize(("minutes", "quarantined", "waits"), [(9, False, True), (10, False, False), (9, True, False)])
def test_what_is_tried_again_waits_for_a_while(minutes: int, quarantined: bool, waits: bool) -> None:
    """ECS would find no room a moment later either."""
    ended = RolloutResult("b", Outcome.FAILED, Phase.SCALING_UP, NOW - minutes * MINUTE, Actor.ENGINE, "no room")
    found = facts(marks=marked(ended=ended, quarantine=("b",) if quarantined else ()))
    because = "ECS took it back, and it is not to blame; it starts again at " if waits else ""
    assert taken_back.soon(found, NOW, "ECS").startswith(because)
    assert bool(taken_back.soon(found, NOW, "ECS")) is waits
