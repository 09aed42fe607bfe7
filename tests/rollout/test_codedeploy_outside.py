"""The engine `codedeploy` and what it did not do: other people's deployments, ends and stops, alarms, late reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.rollout import describe, safety
from reconciler.rollout.actions import DeleteTaskSet, EngineAction, SetPrimary, SetWeights
from reconciler.rollout.contest import Contest
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.facts import MANUAL_STOP, DeployedService, Deployment, Stage, Status
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, RequestRefusalCode, RequestVerb
from reconciler.rollout.state import WHOLE
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome, RolloutResult
from reconciler.rollout.strategy import Share
from tests.rollout.facts import GREEN, HOUR, MINUTE, NOW, due, ill, kinds, marked, said, written
from tests.rollout.test_codedeploy import (
    BLUE,
    ENGINE,
    FOREIGN,
    INSTALLING,
    POLICY,
    READY,
    ROLLBACK,
    SHIFTING,
    STOPPED,
    both,
    decided,
    facts,
    switched,
)

BY_HAND = replace(STOPPED, code=MANUAL_STOP, why="The deployment was stopped")
FAILED = RolloutResult("b", Outcome.FAILED, "scaling_up", NOW - HOUR, Actor.ENGINE, "stopped")


# -- another's deployment


@pytest.mark.parametrize(
    ("verb", "to", "code"),
    [
        (RequestVerb.PROMOTE, "", RequestRefusalCode.TRAFFIC_CHANGED),
        (RequestVerb.FINISH, "", RequestRefusalCode.TRAFFIC_CHANGED),
        (RequestVerb.HOLD, "", RequestRefusalCode.TRAFFIC_CHANGED),
        (RequestVerb.EXTEND, "", RequestRefusalCode.TRAFFIC_CHANGED),
        (RequestVerb.ROLLBACK, "z", RequestRefusalCode.TRAFFIC_CHANGED),
        (RequestVerb.RETRY, "", RequestRefusalCode.NOT_QUARANTINED),
        (RequestVerb.SUSPEND, "", None),
    ],
)
def test_a_request_during_anothers_deployment_is_answered_at_once(
    verb: RequestVerb, to: str, code: RequestRefusalCode | None
) -> None:
    """And not kept until that is over."""
    step = decided(facts(active=FOREIGN, marks=marked(request=said(verb, to=to))))
    response = written(step).response
    assert response is not None
    assert (None if response.refusal is None else response.refusal.code) is code
    assert kinds(step) == ["WriteState"]
    assert step.phase is Phase.BLOCKED


def test_an_expired_request_stops_no_deployment() -> None:
    step = decided(facts(active=FOREIGN, marks=marked(request=said(RequestVerb.ABORT, at=NOW - 2 * HOUR))))
    response = written(step).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.EXPIRED
    assert kinds(step) == ["WriteState"]


def test_anothers_deployment_is_not_stopped_if_nobody_would_be_served() -> None:
    """It has given production to its tasks, and the ones before are ill."""
    theirs = replace(FOREIGN, id="d-b", status=Status.IN_PROGRESS)
    marks = marked(request=said(RequestVerb.ABORT))
    found = facts(ill(BLUE), GREEN, active=theirs, production=(0, 100), marks=marks)
    response = written(decided(found)).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.UNHEALTHY
    well = decided(facts(BLUE, GREEN, active=theirs, production=(0, 100), marks=marks))
    assert kinds(well) == ["StopDeployment", "WriteState"]


# -- how ours has ended


def test_a_stop_for_a_newer_version_is_superseded_after_a_crash() -> None:
    """AWS gives a reason for every stop; that of a stop on request says nothing against the version."""
    step = decided(facts(ours=BY_HAND, marks=marked(due(DeadlineKind.GATE)), wanted="c"))
    assert step.ended is not None
    assert step.ended.outcome is Outcome.SUPERSEDED
    assert not written(step).quarantined("b")


def test_a_stop_on_request_of_somebody_is_a_failure_without_codedeploys_words() -> None:
    step = decided(facts(ours=BY_HAND, marks=marked(due(DeadlineKind.GATE))))
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.why) == (Outcome.FAILED, "the deployment was stopped in CodeDeploy")


@pytest.mark.parametrize(
    ("ours", "to"), [(replace(STOPPED, status=Status.SUCCEEDED, stage=Stage.KEEPING), ""), (BY_HAND, "z")]
)
def test_a_rollback_that_asks_for_more_is_not_answered_by_the_end(ours: Deployment, to: str) -> None:
    """The version was promoted meanwhile, or another one is to be gone back to: that is still to be done."""
    asked = said(RequestVerb.ROLLBACK, to=to)
    step = decided(facts(ours=ours, marks=marked(due(DeadlineKind.WARM), request=asked)))
    state = written(step)
    assert step.ended is not None
    assert state.response is None
    assert state.pending_request == asked


def test_nothing_is_recorded_of_a_suspended_service() -> None:
    found = facts(ours=STOPPED, marks=marked(due(DeadlineKind.GATE), suspended=Pause("ana")))
    assert decided(found).decisions == ()


def test_what_is_offered_after_the_end_is_what_is_accepted_then() -> None:
    """Also before the end is recorded: a deployment that is over can neither be promoted nor held."""
    found = facts(BLUE, GREEN, ours=STOPPED, marks=marked(due(DeadlineKind.GATE)), looks=3, test=(0, 100))
    offered = ENGINE.allowed_requests(POLICY, found, NOW)
    recorded = replace(found, marks=written(decided(found)))
    assert offered == ENGINE.allowed_requests(POLICY, recorded, NOW)
    assert not {RequestVerb.PROMOTE, RequestVerb.HOLD, RequestVerb.EXTEND} & set(offered)


def test_an_end_is_recorded_with_the_phase_that_it_came_in() -> None:
    for stage, phase in ((DeadlineKind.UP, Phase.SCALING_UP), (DeadlineKind.GATE, Phase.AWAITING_PROMOTION)):
        of = replace(STOPPED, attempt=str(int((NOW + HOUR).timestamp())))
        step = decided(facts(ours=of, marks=marked(due(stage))))
        assert step.ended is not None
        assert step.ended.phase == phase


# -- tasks that a deployment has left behind


def left_behind(ended: RolloutResult = FAILED, active: Deployment | None = None) -> DeployedService:
    marks = marked(ended=ended, quarantine=("b",), deadline=due(DeadlineKind.RETIRE, -MINUTE))
    return facts(BLUE, GREEN, marks=marks, active=active)


def test_tasks_that_a_deployment_has_left_behind_are_removed() -> None:
    """It was stopped without a rollback, or its group was deleted: nothing of CodeDeploy does it any more."""
    step = decided(left_behind())
    assert DeleteTaskSet(GREEN.id, GREEN.slot) in step.decisions


@pytest.mark.parametrize("active", [None, ROLLBACK])
def test_a_rollback_of_codedeploy_is_waited_for(active: Deployment | None) -> None:
    """It begins one after the end; and nothing is written meanwhile."""
    just_now = replace(FAILED, at=NOW - timedelta(seconds=5))
    step = decided(left_behind(just_now, active))
    assert step.decisions == ()
    assert step.wake_at is not None


def test_the_primary_task_set_is_put_right_between_deployments_only() -> None:
    """CodeDeploy begins a deployment where the primary one is."""
    blue, green = replace(BLUE, primary=False), replace(GREEN, primary=True)
    marks = marked(ended=FAILED, quarantine=("b",))
    assert SetPrimary(BLUE.id) in decided(facts(blue, green, marks=marks)).decisions
    assert decided(facts(blue, green, active=ROLLBACK, marks=marks)).decisions == ()


# -- alarms


def test_no_version_starts_while_an_alarm_is_active() -> None:
    """CodeDeploy would stop its deployment at once, and it would count as failed."""
    step = decided(facts(alarms=("errors",)))
    assert (step.phase, step.decisions) == (Phase.IDLE, ())
    assert "errors" in step.because
    assert step.wake_at is not None


def test_an_alarm_does_not_keep_anyone_from_going_back() -> None:
    """It may be the reason."""
    marks = marked(quarantine=("b",), rollback_target=Version("a", "web:1"))
    green = replace(GREEN, primary=True)
    step = decided(facts(green, production=(0, 100), marks=marks, alarms=("errors",)))
    assert any(isinstance(one, CreateDeployment) and one.task_definition == "web:1" for one in step.decisions)


# -- what is shifted


def test_a_step_of_another_configuration_is_no_change_from_outside() -> None:
    """The strategy has other steps than the deployment that is under way."""
    policy = replace(POLICY, shares=(Share(50, MINUTE),))
    shifting = replace(SHIFTING, weights=(10, 20, 30, 60, 100))
    for weight, stage, of in ((20, DeadlineKind.AT, 10), (60, DeadlineKind.TO, 50), (10, DeadlineKind.TO, 100)):
        marks = marked(due(stage, weight=of))
        found = facts(BLUE, GREEN, active=shifting, marks=marks, production=(100 - weight, weight), looks=3)
        step = decided(found, policy)
        assert (step.phase, set(kinds(step)) <= {"WriteState"}) == (Phase.SHIFTING, True), weight


def test_the_waits_are_those_that_the_deployment_began_with() -> None:
    """The group was changed by hand."""
    short = replace(READY, ready_for=timedelta(hours=1, minutes=30), ready_at=NOW)
    step = decided(both(short, DeadlineKind.GATE))
    assert f"{NOW + timedelta(hours=1, minutes=30):%H:%M}" in step.because
    asked = both(short, DeadlineKind.GATE, marks=marked(request=said(RequestVerb.EXTEND, seconds=3600)))
    response = written(decided(asked)).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.TOO_LONG


# -- the safety check


def breach(found: DeployedService, action: EngineAction) -> str:
    return safety.breach(POLICY, found, (action,), NOW)


SHIFT, STOP, TERMINATE = ShiftTraffic("d-b"), StopDeployment("d-b"), TerminateOriginal("d-b", 0)


def test_a_continuation_that_must_not_be_is_a_breach() -> None:
    """Green is not healthy, not looked at often enough, not approved, quarantined, or not there."""
    fine = both(READY, DeadlineKind.TO)
    assert not breach(fine, SHIFT)
    assert breach(replace(fine, sets=(BLUE, ill(GREEN))), SHIFT)
    assert breach(replace(fine, looks=2), SHIFT)
    assert breach(both(READY, DeadlineKind.GATE), SHIFT)
    assert breach(replace(fine, marks=replace(fine.marks, quarantine=("b",))), SHIFT)
    assert breach(replace(fine, sets=(BLUE,)), SHIFT)
    assert breach(replace(fine, production=None), SHIFT)
    assert not breach(replace(fine, sets=(ill(BLUE), GREEN), marks=marked(due(DeadlineKind.GATE))), SHIFT)


def test_an_end_of_blue_that_must_not_be_is_a_breach() -> None:
    """Its time is not over, or green cannot serve; unless a fix is about to take its place."""
    over = switched(DeadlineKind.WARM, -MINUTE)
    assert not breach(over, TERMINATE)
    early = switched(DeadlineKind.WARM)
    assert breach(early, TERMINATE)
    ill_green = tuple(ill(one) if one.id == GREEN.id else one for one in over.sets)
    assert breach(replace(over, sets=ill_green), TERMINATE)
    assert breach(replace(over, production=(50, 50)), TERMINATE)
    both_ill = tuple(map(ill, early.sets))
    assert not breach(replace(early, sets=both_ill, wanted="c"), TERMINATE)


def test_a_stop_that_must_not_be_is_a_breach() -> None:
    """Production would go to tasks that are ill. Before it was shifted, a stop takes nothing from anyone."""
    kept = switched(DeadlineKind.VERIFY)
    assert not breach(kept, STOP)
    ill_blue = tuple(ill(one) if one.id == BLUE.id else one for one in kept.sets)
    assert breach(replace(kept, sets=ill_blue), STOP)
    assert not breach(replace(both(READY, DeadlineKind.GATE), sets=(ill(BLUE), GREEN)), STOP)
    assert not breach(facts(active=INSTALLING), STOP)


def test_what_codedeploy_moves_is_not_taken_for_somebody_else() -> None:
    """The test listener was ours between deployments."""
    ours = SetWeights("test", (WHOLE, 0), (0, WHOLE))
    contest = Contest("b")
    for turn in range(6):
        there, now = facts(test=(WHOLE, 0)), NOW + turn * MINUTE
        contest = contest.wrote((ours,), there).look(there, now)
        contest = contest.wrote((CreateDeployment("b", 1, str(turn)),), there).look(facts(test=(0, WHOLE)), now)
    assert not contest.of((ours,))


def test_what_is_offered_during_anothers_deployment_is_accepted() -> None:
    """And everything else is not offered."""
    found = facts(active=FOREIGN)
    offered = ENGINE.allowed_requests(POLICY, found, NOW)
    for verb in RequestVerb:
        response = written(decided(replace(found, marks=replace(found.marks, request=said(verb))))).response
        assert response is not None
        assert response.accepted is (verb in offered), verb


@pytest.mark.parametrize("by", ["CODE_DEPLOY", "CodeDeploy"])
def test_a_task_set_of_codedeploy_is_named_by_its_revision(by: str) -> None:
    """Its external id is a deployment's, and no release."""
    item = {"startedBy": by, "externalId": "d-ABC", "taskDefinition": "arn:aws:ecs:x:1:task-definition/web:2"}
    assert describe.release_of(item, {"web:2": "b"}) == "b"
    assert describe.release_of(item, {}) == ""
