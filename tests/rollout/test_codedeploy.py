"""The engine `codedeploy`, from facts: which of CodeDeploy's calls follow, and what CodeDeploy has done by itself."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.rollout.actions import WriteState
from reconciler.rollout.describe import capacity_of
from reconciler.rollout.engine import Phase, RolloutStep, Waiting, engines
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.calls import app_spec
from reconciler.rollout.engines.codedeploy.facts import (
    DeployedService,
    Deployment,
    Stage,
    Status,
    described,
    description,
)
from reconciler.rollout.release import Capacity, Release, RolloutTarget, Version
from reconciler.rollout.requests import Pause, RequestRefusalCode, RequestVerb
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome
from reconciler.rollout.strategy import Share, Strategy
from tests.rollout.facts import CAREFUL, GREEN, HOUR, MINUTE, NOW, due, ill, kinds, marked, said, seen, side, written

ENGINE = engines()["codedeploy"]
POLICY = replace(CAREFUL, engine="codedeploy")
BLUE = side("a", 0, age=48, primary=True)
LIVE = Version("a", BLUE.task_definition)
UP = due(DeadlineKind.UP)
ATTEMPT = str(int(UP.at.timestamp())) if UP.at is not None else ""

INSTALLING = Deployment("d-b", "b", ATTEMPT, Status.IN_PROGRESS, NOW - HOUR / 2)
READY = replace(INSTALLING, status=Status.READY, stage=Stage.TESTABLE, ready_at=NOW - HOUR)
SHIFTING = replace(INSTALLING, stage=Stage.SHIFTING)
KEEPING = replace(INSTALLING, stage=Stage.KEEPING, shifted_at=NOW - HOUR)
ROLLBACK = Deployment("d-r", "", "", Status.IN_PROGRESS, NOW, rolls_back="d-b")
FOREIGN = Deployment("d-x", "", "", Status.READY, NOW)


def facts(
    *sets: TaskSet, active: Deployment | None = None, ours: Deployment | None = None, **more: Any
) -> DeployedService:
    """`green` was created by `d-b`; a version was promoted before."""
    marks = more.pop("marks", marked())
    plain = seen(*(sets or (BLUE,)), marks=replace(marks, live=LIVE), **more)
    values = {one.name: getattr(plain, one.name) for one in fields(ObservedService)}
    own = ours or (active if active is not None and active.release else None)
    return DeployedService(**values, active=active, ours=own, versions=((BLUE.id, "d-a"), (GREEN.id, "d-b")))


def decided(found: DeployedService, policy: Strategy = POLICY) -> RolloutStep:
    return ENGINE.decide(policy, found, NOW)


def both(active: Deployment | None, stage: DeadlineKind, wait: timedelta = HOUR, **more: Any) -> DeployedService:
    """Blue serves, green is there and healthy."""
    weight = 100 if stage in (DeadlineKind.TO, DeadlineKind.AT) else 0
    marks = replace(more.pop("marks", marked()), deadline=due(stage, wait, weight=weight))
    usual: dict[str, Any] = {"looks": 3, "test": (0, 100)}
    return facts(BLUE, GREEN, active=active, marks=marks, **(usual | more))


def switched(stage: DeadlineKind, wait: timedelta = HOUR, **more: Any) -> DeployedService:
    """Green has production, and blue is kept."""
    blue, green = replace(BLUE, primary=False), replace(GREEN, primary=True)
    marks = replace(more.pop("marks", marked()), deadline=due(stage, wait))
    usual: dict[str, Any] = {"looks": 3, "production": (0, 100), "test": (0, 100)}
    return facts(blue, green, active=KEEPING, marks=marks, **(usual | more))


def test_a_release_is_started_by_one_deployment_that_names_the_attempt() -> None:
    """The deadline first: whoever comes after a crash asks for the same attempt again."""
    step = decided(facts())
    write, create = step.decisions
    assert isinstance(write, WriteState)
    assert write.after.deadline is not None
    assert write.after.deadline.at is not None
    assert create == CreateDeployment("b", 1, str(int(write.after.deadline.at.timestamp())))
    again = decided(facts(marks=marked(UP)))
    assert again.decisions == (CreateDeployment("b", 1, ATTEMPT),)


@pytest.mark.parametrize(
    ("test", "bare", "does", "waits"),
    [
        ((100, 0), (), ["WriteState", "CreateDeployment"], False),
        ((100, 0), ("test",), ["SetWeights"], False),  # it names what goes, or one of the two
        (None, ("test",), [], True),
    ],
)
def test_a_deployment_begins_once_the_test_listener_names_nothing_else(
    test: tuple[int, int] | None, bare: tuple[str, ...], does: list[str], waits: bool
) -> None:
    """CodeDeploy would end it at once, and that would count against a version that has not run yet."""
    step = decided(facts(test=test, bare=bare))
    assert kinds(step) == does
    assert (step.waits_for is Waiting.PERSON, step.phase is Phase.IDLE) == (waits, waits)
    assert step.wake_at is not None
    assert kinds(decided(facts(test=test, bare=bare, has_test=False))) == ["WriteState", "CreateDeployment"]


def test_a_service_without_any_task_set_is_not_deployed() -> None:
    """CodeDeploy refuses it whatever the version, which says nothing of that: a person has to act."""
    for marks in (marked(), marked(UP)):
        lost = decided(replace(facts(marks=marks), sets=()))
        assert (kinds(lost), lost.phase, lost.waits_for) == ([], Phase.BLOCKED, Waiting.PERSON)
        assert lost.at_rest


@pytest.mark.parametrize(
    ("active", "does"),
    [
        (INSTALLING, ()),  # its tasks do not show yet
        (ROLLBACK, ()),
        (replace(READY, id="d-c", release="c"), (StopDeployment("d-c"),)),
    ],
)
def test_one_deployment_is_active_at_a_time(active: Deployment, does: tuple[object, ...]) -> None:
    """Ours is waited for, a rollback too; another release's is stopped."""
    step = decided(facts(active=active, marks=marked(UP)))
    assert step.decisions == does
    assert step.wake_at is not None


@pytest.mark.parametrize(
    ("name", "found", "does", "phase"),
    [
        ("tested", both(READY, DeadlineKind.TEST), ["RunTests"], Phase.TESTING),
        ("the gate is shut", both(READY, DeadlineKind.GATE), [], Phase.AWAITING_PROMOTION),
        ("the gate opens", both(READY, DeadlineKind.GATE, -MINUTE), ["WriteState"], Phase.SHIFTING),
        ("promoted", both(READY, DeadlineKind.TO), ["ShiftTraffic"], Phase.SHIFTING),
        ("not ready yet", both(replace(INSTALLING, stage=Stage.TESTABLE), DeadlineKind.TO), [], Phase.SHIFTING),
        ("continued already", both(SHIFTING, DeadlineKind.TO), [], Phase.SHIFTING),
        ("shifted", switched(DeadlineKind.TO), ["WriteState"], Phase.VERIFYING),
        ("watched", switched(DeadlineKind.VERIFY), [], Phase.VERIFYING),
        ("verified", switched(DeadlineKind.VERIFY, -MINUTE), ["WriteState"], Phase.BAKING),
        ("blue is warm", switched(DeadlineKind.WARM), [], Phase.BAKING),
        ("blue is removed", switched(DeadlineKind.WARM, -MINUTE), ["TerminateOriginal", "WriteState"], Phase.TEARDOWN),
        ("an alarm", switched(DeadlineKind.VERIFY, alarms=("x",)), ["StopDeployment", "WriteState"],
         Phase.ROLLING_BACK),
        ("held", switched(DeadlineKind.WARM, -MINUTE, marks=marked(hold=Pause("ana", "b"))), [], Phase.BAKING),
    ],
)  # fmt: skip
def test_a_phase_ends_with_codedeploys_call(name: str, found: DeployedService, does: list[str], phase: Phase) -> None:
    """Green of a deployment that is ready is let in once; what follows is CodeDeploy's, until blue may go."""
    step = decided(found)
    assert (kinds(step), step.phase) == (does, phase), name
    assert step.wake_at is not None


def test_shares_that_codedeploy_gives_are_followed() -> None:
    """Each is noted, without a call; one that is no step of the strategy is not taken for one."""
    policy = replace(POLICY, shares=(Share(20, 5 * MINUTE), Share(40, 5 * MINUTE)))
    shifting = replace(SHIFTING, weights=policy.weights)
    for weight, phase in ((20, Phase.SHIFTING), (40, Phase.SHIFTING), (33, Phase.BLOCKED)):
        marks = marked(due(DeadlineKind.AT, weight=20 if weight != 20 else 10))
        found = facts(BLUE, GREEN, active=shifting, marks=marks, production=(100 - weight, weight), looks=3)
        step = decided(found, policy)
        assert (set(kinds(step)) <= {"WriteState"}, step.phase) == (True, phase), weight


STOPPED = replace(INSTALLING, status=Status.STOPPED, why="an alarm")


@pytest.mark.parametrize(
    ("ours", "outcome", "by", "quarantined"),
    [
        (STOPPED, Outcome.FAILED, Actor.ENGINE, True),
        (replace(STOPPED, stage=Stage.SHIFTING), Outcome.ROLLED_BACK, Actor.ENGINE, True),
        (replace(STOPPED, stage=Stage.KEEPING), Outcome.ROLLED_BACK, Actor.ENGINE, True),
        (replace(STOPPED, status=Status.FAILED, why="timeout"), Outcome.FAILED, Actor.ENGINE, True),
        (replace(STOPPED, status=Status.SUCCEEDED), Outcome.PROMOTED, Actor.TIMER, False),
    ],
)
def test_what_codedeploy_ends_by_itself_is_recorded_once(
    ours: Deployment, outcome: Outcome, by: Actor, quarantined: bool
) -> None:
    """While it rolls back, or after; with its own words."""
    for active in (None, replace(ROLLBACK, rolls_back=ours.id)):
        found = facts(active=active, ours=ours, marks=marked(due(DeadlineKind.GATE)))
        step = decided(found)
        state = written(step)
        assert step.ended is not None
        assert (step.ended.outcome, step.ended.by, state.quarantined("b")) == (outcome, by, quarantined)
        assert state.deadline is None
        if quarantined:
            assert ours.why in step.ended.why
        after = decided(replace(found, marks=state))
        assert after.ended is None


@pytest.mark.parametrize(
    ("active", "does"),
    [
        (replace(READY, status=Status.IN_PROGRESS), [StopDeployment("d-b")]),
        (SHIFTING, [StopDeployment("d-b")]),
        (READY, []),  # it waits for us
    ],
)
def test_a_rollback_right_after_the_promotion_stops_the_deployment(
    active: Deployment, does: list[StopDeployment]
) -> None:
    """CodeDeploy would shift production to it while its connections are drained, and nobody looks."""
    marks = marked(quarantine=("b",))
    step = decided(both(active, DeadlineKind.RETIRE, marks=marks))
    assert list(step.decisions) == does


def test_what_was_not_installed_for_want_of_capacity_is_not_quarantined() -> None:
    """The end is recorded, and not as a verdict."""
    ours = replace(INSTALLING, status=Status.FAILED, code="TIMEOUT", why="not healthy in time", ended_at=NOW)
    assert [one.not_installed for one in (ours, replace(ours, code="ALARM_ACTIVE"), SHIFTING)] == [True, False, False]
    found = facts(ours=ours, lacked="Capacity is unavailable at this time", marks=marked(due(DeadlineKind.GATE)))
    step = decided(found)
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.by) == (Outcome.FAILED, Actor.ENGINE)
    assert (written(step).quarantine, written(step).deadline) == ((), None)


def test_a_version_whose_tasks_were_interrupted_is_taken_back_without_a_verdict() -> None:
    """The listener still sends production traffic there for a moment: that is not noted as new."""
    stopped = replace(KEEPING, status=Status.STOPPED, ended_at=NOW, attempt="1")
    marks = marked(due(DeadlineKind.UP, weight=100))
    for active in (replace(ROLLBACK, rolls_back=stopped.id), None):
        found = replace(switched(DeadlineKind.UP, marks=marks), active=active, ours=stopped)
        found = replace(found, marks=replace(found.marks, deadline=marks.deadline))
        step = decided(found)
        assert (kinds(step), step.phase, step.ended) == ([], Phase.SCALING_UP, None)
        assert step.wake_at is not None


def test_a_request_that_stopped_it_is_its_reason_after_a_crash() -> None:
    """The process was killed between the call and its record."""
    marks = marked(due(DeadlineKind.WARM), request=said(RequestVerb.ROLLBACK))
    step = decided(facts(ours=replace(STOPPED, stage=Stage.KEEPING, why=""), marks=marks))
    assert step.ended is not None
    assert (step.ended.outcome, step.ended.by) == (Outcome.ROLLED_BACK, Actor.PERSON)
    response = written(step).response
    assert response is not None
    assert response.accepted


def test_a_deployment_of_an_earlier_attempt_ends_nothing() -> None:
    """A retry has its own deadline before it has its own deployment."""
    earlier = replace(STOPPED, attempt="1")
    step = decided(facts(ours=earlier, marks=marked(UP)))
    assert step.decisions == (CreateDeployment("b", 1, ATTEMPT),)


def test_somebody_elses_deployment_is_waited_for_or_stopped_on_request() -> None:
    """Whatever is wanted: nothing is decided while it is active."""
    step = decided(facts(active=FOREIGN))
    assert (step.phase, step.decisions) == (Phase.BLOCKED, ())
    asked = facts(active=FOREIGN, marks=marked(request=said(RequestVerb.ABORT, "a")))
    assert kinds(decided(asked)) == ["StopDeployment", "WriteState"]
    offered = ENGINE.allowed_requests(POLICY, facts(active=FOREIGN), NOW)
    assert offered == (RequestVerb.ROLLBACK, RequestVerb.ABORT, RequestVerb.SUSPEND)


@pytest.mark.parametrize("verb", [RequestVerb.HOLD, RequestVerb.EXTEND])
def test_what_codedeploy_shifts_by_itself_is_not_held(verb: RequestVerb) -> None:
    """Also before the first request goes to green: CodeDeploy has been continued, and heeds nobody any more."""
    marks = marked(due(DeadlineKind.TO, weight=100), request=said(verb, "b"))
    step = decided(facts(BLUE, GREEN, active=SHIFTING, marks=marks))
    (written,) = (one for one in step.decisions if isinstance(one, WriteState))
    response = written.after.response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code == "unsupported"


def test_a_version_that_was_aborted_is_not_shifted_to_by_codedeploy() -> None:
    """It has been continued, and gives green production while the connections of green would be drained."""
    aborted = marked(due(DeadlineKind.RETIRE), quarantine=("b",))
    step = decided(facts(BLUE, GREEN, active=SHIFTING, marks=aborted))
    assert kinds(step) == ["StopDeployment"]


def test_production_that_is_not_healthy_enough_is_not_gone_back_to() -> None:
    """As without CodeDeploy: blue has to be able to serve."""
    found = switched(DeadlineKind.VERIFY, alarms=("x",))
    sets = tuple(ill(one) if one.id == BLUE.id else one for one in found.sets)
    assert decided(replace(found, sets=sets)).decisions == ()


@pytest.mark.parametrize(
    ("found", "verb", "seconds", "code"),
    [
        (both(READY, DeadlineKind.GATE), RequestVerb.EXTEND, 5 * 86_400, RequestRefusalCode.TOO_LONG),
        (both(READY, DeadlineKind.GATE), RequestVerb.EXTEND, 3600, None),
        (both(INSTALLING, DeadlineKind.UP), RequestVerb.EXTEND, 3600, RequestRefusalCode.TOO_LONG),
        (switched(DeadlineKind.WARM), RequestVerb.EXTEND, 2 * 86_400, RequestRefusalCode.TOO_LONG),
        (switched(DeadlineKind.WARM), RequestVerb.EXTEND, 3600, None),
        (switched(DeadlineKind.WARM), RequestVerb.FINISH, 0, None),
        (switched(DeadlineKind.WARM), RequestVerb.ABORT, 0, RequestRefusalCode.ALREADY_PROMOTED),
        (both(READY, DeadlineKind.GATE), RequestVerb.PROMOTE, 0, None),
        (both(READY, DeadlineKind.TEST), RequestVerb.PROMOTE, 0, RequestRefusalCode.NOT_TESTED),
    ],
)  # fmt: skip
def test_requests_have_codedeploys_limits(
    found: DeployedService, verb: RequestVerb, seconds: int, code: RequestRefusalCode | None
) -> None:
    """A refusal has a code, and leaves everything else as it was."""
    marks = replace(found.marks, request=said(verb, seconds=seconds))
    response = written(decided(replace(found, marks=marks))).response
    assert response is not None
    assert (None if response.refusal is None else response.refusal.code) is code


def test_while_traffic_is_shifted_only_a_rollback_is_possible() -> None:
    """CodeDeploy's steps cannot be held, extended or hurried."""
    policy = replace(POLICY, shares=(Share(20, 5 * MINUTE),))
    marks = marked(due(DeadlineKind.AT, weight=20))
    found = facts(BLUE, GREEN, active=SHIFTING, marks=marks, production=(80, 20), looks=3)
    offered = ENGINE.allowed_requests(policy, found, NOW)
    assert {RequestVerb.ROLLBACK, RequestVerb.ABORT} <= set(offered)
    assert not {RequestVerb.HOLD, RequestVerb.EXTEND, RequestVerb.PROMOTE} & set(offered)


def test_a_suspended_service_is_left_alone() -> None:
    found = both(READY, DeadlineKind.TO, marks=marked(suspended=Pause("ana")))
    assert decided(found).at_rest


def test_without_tasks_nothing_is_started() -> None:
    """A deployment begins where the primary task set is, so that production stays there until tasks are wanted."""
    empty = replace(BLUE, running=0, healthy=())
    step = decided(facts(empty, desired=0))
    assert (step.decisions, step.waits_for, step.wake_at) == ((), Waiting.SPEC, None)


def test_the_description_tells_release_and_attempt_in_256_characters() -> None:
    """And no other description does."""
    assert described(description("b" * 12, ATTEMPT)) == ("b" * 12, ATTEMPT)
    assert len(description("b" * 12, ATTEMPT)) <= 256
    assert described("release by hand") == ("", "")


def test_the_app_spec_is_the_release() -> None:
    """A previous version keeps the placement of the service, which AWS fills in."""
    arn = "arn:aws:ecs:us-west-2:123456789012"
    release = Release(
        "b", f"{arn}:task-definition/web:2", "web", 80, ("subnet-a",), ("sg-a",), True, None,
        (Capacity("FARGATE_SPOT", 3, 1),), "1.4.0",
    )  # fmt: skip
    subject = RolloutTarget("main", f"{arn}:service/main/web", release)
    service = json.loads(app_spec(subject, "", capacity_of(release)))["Resources"][0]["TargetService"]
    assert service["Type"] == "AWS::ECS::Service"
    assert service["Properties"] == {
        "TaskDefinition": f"{arn}:task-definition/web:2",
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {"Subnets": ["subnet-a"], "SecurityGroups": ["sg-a"], "AssignPublicIp": "ENABLED"}
        },
        "PlatformVersion": "1.4.0",
        "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT", "Weight": 3, "Base": 1}],
    }
    latest = replace(subject, release=replace(release, platform_version=None))
    properties = json.loads(app_spec(latest))["Resources"][0]["TargetService"]["Properties"]
    assert properties["PlatformVersion"] == "LATEST", "left out, it would stay what it is in production"
    on_ec2 = replace(latest, release=replace(latest.release, capacity=(Capacity("my-instances"),)))
    properties = json.loads(app_spec(on_ec2, "", capacity_of(on_ec2.release)))["Resources"][0]["TargetService"][
        "Properties"
    ]
    assert "PlatformVersion" not in properties, "ECS refuses it for tasks that are not on Fargate"
    before = json.loads(app_spec(subject, "web:1"))["Resources"][0]["TargetService"]["Properties"]
    assert before == {
        "TaskDefinition": f"{arn}:task-definition/web:1",
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
    }


def test_what_continues_a_deployment_is_waited_for_until_it_shows() -> None:
    """After a write nothing further is decided before."""
    ready, keeping = both(READY, DeadlineKind.TO), switched(DeadlineKind.WARM)
    assert not ShiftTraffic("d-b").visible(ready)
    assert ShiftTraffic("d-b").visible(both(SHIFTING, DeadlineKind.TO))
    assert not TerminateOriginal("d-b", 0).visible(keeping)
    assert TerminateOriginal("d-b", 0).visible(facts())
    assert not StopDeployment("d-b").visible(ready)
    assert StopDeployment("d-b").visible(facts(active=ROLLBACK))
    assert not CreateDeployment("b", 1, ATTEMPT).visible(facts())
    assert CreateDeployment("b", 1, ATTEMPT).visible(facts(active=INSTALLING))
