"""ECS deploys by itself; what it really did is told from the revision that runs, never from its being stable."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from reconciler import errors
from reconciler.rollout.actions import UpdateService, WriteState
from reconciler.rollout.attempts import Retry
from reconciler.rollout.engine import Phase, Prefetched, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.rolling import PATIENCE, RETRY_FIRST, RETRY_MOST, Rolling
from reconciler.rollout.release import Capacity, Release, Version
from reconciler.rollout.requests import Pause, RequestRefusalCode, RequestVerb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, StoredState
from reconciler.rollout.strategy import Strategy
from reconciler.rollout.tracker import RolloutTracker
from reconciler.rollout.windows import Window
from tests.resources.talk import Talk
from tests.rollout.answers import ARN, BORN, RELEASE, SERVICE, SUBJECT
from tests.rollout.facts import MINUTE, NOW, due, kinds, marked, only, said, written

ENGINE = Rolling()
POLICY = Strategy(engine="rolling")
SPEC = replace(SUBJECT, groups=(), production=None, test=None)
NETWORK = {
    "awsvpcConfiguration": {
        "subnets": ["subnet-c", "subnet-a"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "ENABLED",
    }
}
ASKED = due(DeadlineKind.ROLL, PATIENCE, weight=2)
RAN = marked(live=Version("a", "web:1"))


def deployment(revision: int, status: str = "PRIMARY", state: str = "COMPLETED", **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": f"ecs-svc/{revision}{status}",
        "status": status,
        "taskDefinition": f"{ARN.format('ecs')}task-definition/web:{revision}",
        "rolloutState": state,
        "networkConfiguration": NETWORK,
        "runningCount": 2,
        "pendingCount": 0,
        "createdAt": BORN,
    }
    return usual | fields


def service(*deployments: dict[str, Any], marks: StoredState | None = None, **fields: Any) -> dict[str, Any]:
    from reconciler.rollout.state_tags import written as tags_of

    tags, _ = tags_of(StoredState(), marks or StoredState())
    usual: dict[str, Any] = {
        "serviceArn": SERVICE,
        "status": "ACTIVE",
        "desiredCount": 2,
        "deployments": list(deployments),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    return usual | fields


def seen(
    *deployments: dict[str, Any], marks: StoredState | None = None, subject: Any = SPEC, **fields: Any
) -> ObservedService:
    known = Prefetched(service=service(*deployments, marks=marks, **fields))
    talk = Talk(ListTasks={"taskArns": []})
    found = talk.hold(ENGINE.observe(subject, POLICY, NOW, known))
    assert set(talk.operations()) <= {"ListTasks"}, "the pass has read the service already"
    return found


def step(
    *deployments: dict[str, Any], marks: StoredState | None = None, policy: Strategy = POLICY, **fields: Any
) -> RolloutStep:
    return ENGINE.decide(policy, seen(*deployments, marks=marks, **fields), NOW)


OLD = deployment(1)
NEW = deployment(2)
COMING = deployment(2, state="IN_PROGRESS", runningCount=0)
GOING = deployment(1, "ACTIVE", "COMPLETED")


def test_it_is_read_in_one_call() -> None:
    """And a service that is not there is an error."""
    talk = Talk(DescribeServices={"services": [service(NEW)], "failures": []})
    found = talk.hold(ENGINE.observe(SPEC, POLICY, NOW))
    assert talk.operations() == ["DescribeServices"]
    assert [one.release for one in found.sets] == ["b"]
    gone = Talk(DescribeServices={"services": [], "failures": [{"reason": "MISSING"}]})
    with pytest.raises(errors.Gone):
        gone.hold(ENGINE.observe(SPEC, POLICY, NOW))


def test_a_new_version_is_asked_for_and_then_noted() -> None:
    """In that order: noted and never asked for would look like rolled back."""
    found = step(OLD, marks=RAN)
    assert kinds(found) == ["UpdateService", "WriteState"]
    assert found.decisions[0] == UpdateService("", ())
    assert written(found).deadline == ASKED


def test_asked_and_not_noted_is_noted() -> None:
    """Whoever comes next sees what ECS does."""
    found = step(COMING, GOING, marks=RAN)
    assert (found.phase, written(found).deadline) == (Phase.SCALING_UP, ASKED)


def test_a_lack_of_capacity_is_named_and_is_no_failure() -> None:
    """However long ECS waits for it."""
    event = {"createdAt": NOW, "message": "(service web) was unable to place a task. Reason: RESOURCE:MEMORY."}
    late = replace(RAN, deadline=due(DeadlineKind.ROLL, -MINUTE, weight=2))
    found = step(COMING, GOING, marks=late, events=[event])
    assert (found.phase, found.health, found.decisions) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED, ())
    assert "RESOURCE:MEMORY" in found.because


def test_while_ecs_works_nothing_is_written() -> None:
    """However long it takes; and after an hour that is said."""
    noted = replace(RAN, deadline=ASKED)
    assert not step(COMING, GOING, marks=noted).decisions
    late = step(COMING, GOING, marks=replace(RAN, deadline=due(DeadlineKind.ROLL, -MINUTE)))
    assert not late.decisions
    assert late.health is RolloutHealth.DEGRADED
    assert "longer than expected" in late.because


def test_another_revision_of_the_release_is_asked_for_as_well() -> None:
    """What it stands on was deleted and made anew while it was on its way: nobody has gone back."""
    for runs in ((OLD,), (COMING, GOING)):
        noted = replace(RAN, deadline=due(DeadlineKind.ROLL, PATIENCE, weight=1 if runs == (OLD,) else 2))
        subject = replace(SPEC, release=replace(RELEASE, task_definition=f"{ARN.format('ecs')}task-definition/web:3"))
        found = ENGINE.decide(POLICY, seen(*runs, marks=noted, subject=subject), NOW)
        assert found.phase is Phase.SCALING_UP
        assert kinds(found) == ["UpdateService", "WriteState"]
        assert written(found).deadline == due(DeadlineKind.ROLL, PATIENCE, weight=3)


def test_what_was_noted_without_a_revision_is_of_the_one_that_is_wanted() -> None:
    """An earlier version of this program noted none."""
    found = step(OLD, marks=replace(RAN, deadline=due(DeadlineKind.ROLL, PATIENCE)))
    assert found.phase is Phase.ROLLED_BACK


def test_done_is_done_when_ours_runs_alone() -> None:
    """All tasks, one deployment, completed; then it is known as what to go back to."""
    noted = replace(RAN, deadline=ASKED)
    assert step(NEW, GOING, marks=noted).phase is Phase.SCALING_UP
    assert step(deployment(2, runningCount=1), marks=noted).phase is Phase.SCALING_UP
    found = step(NEW, marks=noted)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.PROMOTED, Actor.ENGINE)
    after = written(found)
    assert (after.live, after.previous, after.deadline) == (Version("b", "web:2"), Version("a", "web:1"), None)
    rest = step(NEW, marks=after)
    assert (rest.at_rest, rest.health) == (True, RolloutHealth.HEALTHY)


def test_ecs_going_back_is_rolled_back_and_never_done() -> None:
    """Everything is stable, one deployment, all tasks run: and it is the wrong revision."""
    found = step(OLD, marks=replace(RAN, deadline=ASKED))
    assert (found.phase, found.health) == (Phase.ROLLED_BACK, RolloutHealth.DEGRADED)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.ROLLED_BACK, Actor.ENGINE)
    after = written(found)
    assert after.quarantine == ("b",)
    rest = step(OLD, marks=replace(after, deadline=None))
    assert (rest.phase, rest.waits_for) == (Phase.ROLLED_BACK, Waiting.PERSON)
    assert rest.at_rest


def test_what_failed_while_nobody_looked_is_not_tried_again() -> None:
    """ECS still shows the deployment that failed, with the reason."""
    failed = deployment(2, "ACTIVE", "FAILED", rolloutStateReason="tasks failed to start.")
    found = step(OLD, failed, marks=RAN)
    assert found.phase is Phase.ROLLED_BACK
    assert found.because == "tasks failed to start."


def test_failed_without_a_way_back_is_failed() -> None:
    """Where the circuit breaker only gives up."""
    found = step(
        deployment(2, state="FAILED", rolloutStateReason="tasks failed"), GOING, marks=replace(RAN, deadline=ASKED)
    )
    assert (found.phase, written(found).quarantine) == (Phase.FAILED, ("b",))


def test_a_hundred_looks_after_a_failure_write_nothing() -> None:
    """Until the content changes, or retry."""
    quarantined = replace(RAN, quarantine=("b",))
    assert all(step(OLD, marks=quarantined).at_rest for _ in range(100))
    assert step(OLD, marks=quarantined).because.count("quarantined") == 1
    newer = replace(SPEC, release=replace(RELEASE, id="c", task_definition=RELEASE.task_definition[:-1] + "3"))
    facts = seen(OLD, marks=quarantined, subject=newer)
    assert kinds(ENGINE.decide(POLICY, facts, NOW)) == ["UpdateService", "WriteState"]


@pytest.mark.parametrize(
    ("facts", "differs"),
    [
        ({}, ()),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-1"]}}},
            ("networkConfiguration",),
        ),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
            ("capacityProviderStrategy",),
        ),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}, ()),
    ],
)
def test_more_than_the_revision_may_differ(facts: dict[str, Any], differs: tuple[str, ...]) -> None:
    """A change of network is a new version, too; and only what differs is sent."""
    found = seen(deployment(2, **facts))
    assert found.differs == differs
    first = ENGINE.decide(POLICY, found, NOW).decisions
    assert (UpdateService("", differs) in first) is bool(differs)


def test_a_window_holds_it_up() -> None:
    """Starting is what a window is about."""
    closed = replace(POLICY, windows=(Window(time(20), time(21)),))
    found = step(OLD, marks=RAN, policy=closed)
    assert not found.decisions
    assert found.health is RolloutHealth.SUSPENDED
    assert found.wake_at == NOW.replace(hour=20)


@pytest.mark.parametrize(
    ("deployments", "marks", "back"),
    [
        ((COMING, GOING), replace(RAN, deadline=ASKED), Version("a", "web:1")),
        ((NEW,), marked(live=Version("b", "web:2"), previous=Version("a", "web:1")), Version("a", "web:1")),
    ],
)
def test_rollback_declares_what_ran_before(
    deployments: tuple[dict[str, Any], ...], marks: StoredState, back: Version
) -> None:
    """In mid-flight and afterwards alike; and it is over when that runs again."""
    found = step(*deployments, marks=replace(marks, request=said(RequestVerb.ROLLBACK)))
    after = written(found)
    assert (after.rollback_target, after.quarantine) == (back, ("b",))
    assert after.ended is not None
    assert (after.ended.outcome, after.ended.by) == (Outcome.ROLLED_BACK, Actor.PERSON)
    assert after.response is not None
    assert after.response.accepted
    answered = replace(after, request=None)
    following = step(*deployments, marks=answered)
    assert (following.phase, only(following)) == (Phase.ROLLING_BACK, UpdateService("web:1"))
    assert step(OLD, marks=replace(answered, deadline=None)).phase is Phase.ROLLED_BACK
    going = step(deployment(1, state="IN_PROGRESS", runningCount=0), deployment(2, "ACTIVE"), marks=answered)
    assert (going.phase, going.decisions) == (Phase.ROLLING_BACK, ())


@pytest.mark.parametrize(
    ("verb", "release", "code", "named"),
    [
        (RequestVerb.PROMOTE, "b", Code.UNSUPPORTED, ""),
        (RequestVerb.HOLD, "b", Code.UNSUPPORTED, ""),
        (RequestVerb.ROLLBACK, "x", Code.OTHER_RELEASE, "b"),
        (RequestVerb.ROLLBACK, "b", Code.NO_PREVIOUS_VERSION, ""),
        (RequestVerb.RETRY, "b", Code.NOT_QUARANTINED, "b"),
        (RequestVerb.RESUME, "-", Code.NOT_SUSPENDED, ""),
    ],
)
def test_what_ecs_cannot_do_is_refused_with_the_reason(verb: RequestVerb, release: str, code: Code, named: str) -> None:
    """The same verbs as everywhere; and an answer to each."""
    found = step(COMING, GOING, marks=marked(ASKED, request=said(verb, release)))
    response = written(found).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is code
    assert named in response.refusal.why.split() if named else response.refusal.why


def test_a_pause_holds_back_retry() -> None:
    """As with every engine: whoever paused the service resumes it first."""
    found = step(OLD, marks=replace(RAN, quarantine=("b",), suspended=Pause("bob"), request=said(RequestVerb.RETRY)))
    response = written(found).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.SUSPENDED


def test_retry_and_pause_are_heeded() -> None:
    """Quarantine lifted; or nothing done at all."""
    quarantined = replace(RAN, quarantine=("b",), request=said(RequestVerb.RETRY))
    assert written(step(OLD, marks=quarantined)).quarantine == ()
    paused = step(OLD, marks=replace(RAN, suspended=Pause("bob")))
    assert (paused.decisions, paused.health) == ((), RolloutHealth.SUSPENDED)
    facts = seen(OLD, marks=replace(RAN, quarantine=("b",)))
    assert ENGINE.allowed_requests(POLICY, facts, NOW) == (RequestVerb.RETRY, RequestVerb.SUSPEND)


def test_performing_sends_only_what_differs() -> None:
    """Each call as AWS describes it."""
    spot = replace(SPEC, release=replace(RELEASE, capacity=(Capacity("FARGATE_SPOT"),)))
    talk = Talk()
    talk.hold(ENGINE.apply(UpdateService("", ("networkConfiguration", "capacityProviderStrategy")), spot))
    talk.hold(ENGINE.apply(UpdateService("web:1"), SPEC))
    talk.hold(ENGINE.apply(WriteState(StoredState(), RAN), SPEC))
    first, second = talk.params("UpdateService")
    assert set(first) == {
        "cluster",
        "service",
        "taskDefinition",
        "networkConfiguration",
        "capacityProviderStrategy",
        "forceNewDeployment",
    }
    assert set(second) == {"cluster", "service", "taskDefinition"}
    assert talk.operations()[-1] == "TagResource"


def test_a_request_is_waited_for_until_ecs_shows_it() -> None:
    """A read from before it would look like ECS having gone back."""
    memory = RolloutTracker(NOW, began=False).wrote((UpdateService(),), NOW)
    assert not memory.look(seen(OLD), NOW)[2]
    assert memory.look(seen(COMING, GOING), NOW)[2]


def test_a_deadline_of_another_release_says_nothing() -> None:
    """What was asked for then was something else."""
    other = Deadline("x", DeadlineKind.ROLL, NOW)
    assert kinds(step(OLD, marks=replace(RAN, deadline=other))) == ["UpdateService", "WriteState"]


# -- a newer version that is not ready


UNKNOWN = replace(SPEC, release=Release(""), not_ready="web:v9 has not been pushed yet")


def waiting(*deployments: dict[str, Any], marks: StoredState) -> RolloutStep:
    return ENGINE.decide(POLICY, seen(*deployments, marks=marks, subject=UNKNOWN), NOW)


def test_a_deployment_goes_on_while_a_newer_version_is_not_ready() -> None:
    """What ECS was asked to run last counts: it is watched, and its end is recorded."""
    asked = replace(RAN, deadline=ASKED)
    assert waiting(COMING, GOING, marks=asked).phase is Phase.SCALING_UP
    done = waiting(NEW, marks=asked)
    assert done.ended is not None
    assert (done.ended.release, done.ended.outcome) == ("b", Outcome.PROMOTED)
    back = waiting(OLD, marks=asked)
    assert back.ended is not None
    assert (back.ended.release, back.ended.outcome) == ("b", Outcome.ROLLED_BACK)


def test_a_deployment_can_be_rolled_back_while_a_newer_version_is_not_ready() -> None:
    """The request names what is under way."""
    asked = replace(RAN, deadline=ASKED, request=said(RequestVerb.ROLLBACK))
    after = written(waiting(COMING, GOING, marks=asked))
    assert after.rollback_target == Version("a", "web:1")
    assert only(waiting(COMING, GOING, marks=after)) == UpdateService("web:1")


def test_a_service_at_rest_says_what_its_new_version_waits_for() -> None:
    """Nothing is requested from ECS."""
    found = waiting(OLD, marks=RAN)
    assert found.at_rest
    assert (found.phase, found.waits_for) == (Phase.IDLE, Waiting.DEPENDENCY)


# -- protected tasks


def protection(*ids: str) -> dict[str, Any]:
    rows = [{"taskArn": f"task/apps/{id}", "protectionEnabled": True, "expirationDate": NOW} for id in ids]
    return {"protectedTasks": [*rows, {"taskArn": "task/apps/free", "protectionEnabled": False}], "failures": []}


@pytest.mark.parametrize(
    ("primary", "previous", "asked"),
    [
        pytest.param({"runningCount": 2}, {"runningCount": 1}, True, id="all new tasks run"),
        pytest.param({"runningCount": 0}, {"runningCount": 4}, True, id="there is no room for new ones"),
        pytest.param({"runningCount": 2}, {"runningCount": 0}, False, id="the previous ones are gone"),
        pytest.param({"runningCount": 1}, {"runningCount": 2}, False, id="new ones are still started"),
        pytest.param({"runningCount": 1, "pendingCount": 1}, {"runningCount": 3}, False, id="new ones are starting"),
        pytest.param(
            {"runningCount": 2, "createdAt": NOW - MINUTE}, {"runningCount": 2}, False, id="it has just begun"
        ),
        pytest.param({"runningCount": 2, "rolloutState": "FAILED"}, {"runningCount": 1}, False, id="it has failed"),
        pytest.param({"runningCount": 3, "rolloutState": "COMPLETED"}, {"runningCount": 0}, True, id="scaled in"),
    ],
)
def test_protection_is_asked_for_only_where_tasks_should_stop(
    primary: dict[str, Any], previous: dict[str, Any], asked: bool
) -> None:
    """Two calls while ECS cannot stop tasks, none otherwise."""
    running = {"taskArns": [f"task/apps/{name}" for name in ("one", "two", "free")]}
    none = {"tasks": [], "failures": []}
    talk = Talk(ListTasks=running, GetTaskProtection=protection("one", "two"), DescribeTasks=none)
    marks = replace(RAN, deadline=ASKED)
    item = service(deployment(2, state="IN_PROGRESS") | primary, GOING | previous, marks=marks)
    found = talk.hold(ENGINE.observe(SPEC, POLICY, NOW, Prefetched(service=item)))
    assert talk.operations().count("GetTaskProtection") == asked
    names = [name for one in found.sets for name, _ in one.protected]
    assert names == (["one", "two"] if asked else [])
    assert ("tasks one and two are protected" in ENGINE.decide(POLICY, found, NOW).because) is asked


# -- without capacity

LACK = "Capacity is unavailable at this time"
TRIPPED = deployment(2, "ACTIVE", "FAILED", runningCount=0, createdAt=NOW - MINUTE)
GAVE_UP = replace(RAN, deadline=replace(ASKED, at=NOW + PATIENCE - 10 * MINUTE))


def placing(age: Any = MINUTE) -> list[dict[str, Any]]:
    return [{"createdAt": NOW - age, "message": f"(service web) was unable to place a task. Reason: {LACK}."}]


def stopped(code: str, reason: str, revision: int = 2, age: Any = MINUTE) -> dict[str, Any]:
    return {
        "taskArn": f"task/apps/{code}",
        "taskDefinitionArn": f"{ARN.format('ecs')}task-definition/web:{revision}",
        "createdAt": NOW - age,
        "stopCode": code,
        "stoppedReason": reason,
    }


NO_ROOM = stopped("TaskFailedToStart", f"{LACK}. Please try again later.")
CRASHED = stopped("EssentialContainerExited", "Essential container in task exited")


def gave_up(*tasks: dict[str, Any], marks: StoredState = GAVE_UP, now: Any = NOW, **fields: Any) -> RolloutStep:
    """The step after ECS gave up the deployment of `b`."""
    deployments = fields.pop("deployments", (OLD, TRIPPED))
    talk = Talk(
        ListTasks={"taskArns": [one["taskArn"] for one in tasks]}, DescribeTasks={"tasks": list(tasks), "failures": []}
    )
    known = Prefetched(service=service(*deployments, marks=marks, **fields))
    return ENGINE.decide(POLICY, talk.hold(ENGINE.observe(SPEC, POLICY, now, known)), now)


@pytest.mark.parametrize(
    ("tasks", "events"),
    [
        pytest.param((), placing(), id="no task was placed"),
        pytest.param((NO_ROOM,), [], id="its tasks found no capacity"),
        pytest.param((NO_ROOM, stopped("EssentialContainerExited", "x", revision=1)), [], id="another version failed"),
        pytest.param((stopped("SpotInterruption", "Your Spot Task was interrupted."),), placing(), id="interrupted"),
        pytest.param((stopped("EssentialContainerExited", "x", age=30 * MINUTE),), placing(), id="an earlier attempt"),
    ],
)
@pytest.mark.parametrize("deployments", [(OLD, TRIPPED), (OLD,), (TRIPPED | {"status": "PRIMARY"}, GOING)])
def test_a_deployment_that_ecs_gave_up_without_capacity_is_no_verdict(
    tasks: tuple[dict[str, Any], ...], events: list[dict[str, Any]], deployments: tuple[dict[str, Any], ...]
) -> None:
    """It is neither failed nor quarantined, whether or not ECS went back, and says what it waits for."""
    found = gave_up(*tasks, events=events, deployments=deployments)
    assert (found.phase, found.health, found.ended) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED, None)
    assert LACK in found.because
    after = written(found)
    assert (after.quarantine, after.deadline) == ((), None)
    assert after.retry == Retry("b", 1, NOW + RETRY_FIRST)


@pytest.mark.parametrize(
    ("tasks", "events"),
    [
        pytest.param((CRASHED,), placing(), id="one of its tasks exited"),
        pytest.param((NO_ROOM, CRASHED), [], id="some found no capacity, one exited"),
        pytest.param((), [], id="nothing is known"),
        pytest.param((), placing(20 * MINUTE), id="the lack was before it was asked for"),
    ],
)
def test_a_task_that_failed_by_itself_is_a_verdict(
    tasks: tuple[dict[str, Any], ...], events: list[dict[str, Any]]
) -> None:
    """Also where others found no capacity."""
    found = gave_up(*tasks, events=events)
    assert found.phase is Phase.ROLLED_BACK
    assert written(found).quarantine == ("b",)


def test_it_is_started_again_later_and_ever_more_seldom() -> None:
    """It waits without a call, twice as long after each attempt, and an hour at most."""
    retry = Retry("b", 1, NOW + RETRY_FIRST)
    waiting = replace(RAN, retry=retry)
    found = step(OLD, marks=waiting)
    assert (found.phase, found.health, found.decisions) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED, ())
    assert found.wake_at == retry.at
    talk = Talk()
    known = Prefetched(service=service(OLD, TRIPPED, marks=waiting, events=placing()))
    talk.hold(ENGINE.observe(SPEC, POLICY, NOW, known))
    assert not talk.said
    again = ENGINE.decide(POLICY, seen(OLD, marks=waiting), retry.at)
    assert kinds(again) == ["UpdateService", "WriteState"]
    late = replace(RAN, retry=Retry("b", 9, NOW), deadline=GAVE_UP.deadline)
    after = written(gave_up(marks=late, events=placing(2 * 60 * MINUTE)))
    assert after.retry == Retry("b", 10, NOW + RETRY_MOST)


def test_a_deployment_that_ecs_only_gave_up_is_forced_to_start_again() -> None:
    """The service has the revision already, so that ECS would do nothing."""
    marks = replace(RAN, retry=Retry("b", 1, NOW))
    failed = TRIPPED | {"status": "PRIMARY"}
    found = step(failed, GOING, marks=marks)
    assert found.decisions[0] == UpdateService("", ("forceNewDeployment",))
    talk = Talk()
    talk.hold(ENGINE.apply(found.decisions[0], SPEC))
    assert talk.params("UpdateService")[0]["forceNewDeployment"] is True


def test_the_retry_is_forgotten_with_its_end() -> None:
    """Once the version runs, or has failed after all."""
    marks = replace(GAVE_UP, retry=Retry("b", 2, NOW))
    assert written(step(NEW, marks=marks)).retry is None
    assert written(gave_up(CRASHED, marks=marks)).retry is None
