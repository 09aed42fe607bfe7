"""The engine over task sets: few reads when nothing happens, and each decision one write that AWS would take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler import errors
from reconciler.rollout import observe_task_sets
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    RunTests,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
    UpdateService,
    WriteState,
)
from reconciler.rollout.engine import NOTHING, Prefetched, engines
from reconciler.rollout.engines.task_sets import TaskSets
from reconciler.rollout.listener_weights import weights_of
from reconciler.rollout.release import Capacity, Release, TrafficEntry
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import ObservedService, Scaling
from reconciler.rollout.stored_state import DeadlineKind, StoredState
from reconciler.rollout.strategy import Strategy
from tests.resources.talk import Talk
from tests.rollout import answers
from tests.rollout.answers import GROUPS, PRODUCTION, RULE, SERVICE, SUBJECT, forward, listeners, service, task_set
from tests.rollout.facts import NOW, due, marked

BLUE = task_set("a", 0, status="PRIMARY")
GREEN = task_set("b", 1)
REST: dict[str, Any] = {
    "DescribeServices": service(task_set("b", 0, status="PRIMARY")),
    "DescribeListeners": listeners(),
    "DescribeTargetGroups": answers.target_groups(),
    "DescribeScalableTargets": answers.scalable(),
}
MOVING: dict[str, Any] = {
    **REST,
    "DescribeServices": service(BLUE, GREEN),
    "DescribeTargetHealth": answers.by_group(answers.targets(_1="healthy"), answers.targets(_2="healthy")),
    "ListTasks": answers.by_status(answers.arns(answers.task(1, "a"), answers.task(2, "b")), answers.arns()),
    "DescribeTasks": answers.tasks(answers.task(1, "a"), answers.task(2, "b")),
}


def see(
    policy: Strategy | None = None, known: Prefetched = NOTHING, subject: Any = SUBJECT, **more: Any
) -> tuple[ObservedService, Talk]:
    talk = Talk(**more)
    return talk.hold(TaskSets().observe(subject, policy or Strategy(), NOW, known)), talk


def perform(decision: RolloutAction, subject: Any = SUBJECT, **more: Any) -> Talk:
    talk = Talk(**more)
    talk.hold(TaskSets().apply(decision, subject))
    return talk


# -- reading


def test_a_service_at_rest_is_read_in_one_round() -> None:
    """Service, listeners, groups, scaling: nothing of tasks and targets."""
    seen, talk = see(**REST)
    assert sorted(talk.operations()) == [
        "DescribeListeners",
        "DescribeScalableTargets",
        "DescribeServices",
        "DescribeTargetGroups",
    ]
    (only,) = seen.sets
    assert (only.release, only.slot, only.primary, only.steady, only.healthy) == ("b", 0, True, True, None)
    assert (seen.production, seen.test, seen.scaling) == ((100, 0), (100, 0), Scaling.ACTIVE)


def test_what_a_pass_has_read_is_not_read_again() -> None:
    """Handed in, a service at rest costs one call, and none where it does not scale."""
    known = Prefetched(
        service=REST["DescribeServices"]["services"][0],
        actions={item["ListenerArn"]: item["DefaultActions"] for item in listeners()["Listeners"]},
        groups={item["TargetGroupArn"]: item for item in answers.target_groups()["TargetGroups"]},
    )
    assert see(known=known, **REST)[1].operations() == ["DescribeScalableTargets"]
    assert see(known=known, subject=replace(SUBJECT, scalable=None))[1].operations() == []


@pytest.mark.parametrize(
    ("sets", "tags", "production"),
    [
        ((BLUE, GREEN), {}, (100, 0)),
        ((BLUE,), {}, (100, 0)),
        ((GREEN,), {}, (100, 0)),
        ((task_set("b", 0, status="PRIMARY"),), {}, (0, 100)),
        ((task_set("b", 0, status="PRIMARY"),), {"reconciler:deadline": "b:warm:1"}, (100, 0)),
        ((task_set("b", 0, status="PRIMARY"),), {"reconciler:request": "suspend:-:1:1:ana"}, (100, 0)),
        ((BLUE,), {"reconciler:quarantine": "b", "reconciler:rollback-target": "old:web:7"}, (100, 0)),
        ((), {}, (100, 0)),
    ],
)
def test_what_moves_is_looked_at_closely(
    sets: tuple[dict[str, Any], ...], tags: dict[str, str], production: tuple[int, int]
) -> None:
    """A rollout under way, one to begin, a word to answer."""
    more = {**MOVING, "DescribeServices": service(*sets, tags=tags), "DescribeListeners": listeners(production)}
    _, talk = see(**more)
    assert talk.operations().count("DescribeTargetHealth") == 2
    assert talk.operations().count("ListTasks") == 2


def test_a_service_that_keeps_still_in_quarantine_is_not_looked_at_closely() -> None:
    """It may stay so for weeks."""
    seen, talk = see(**{**REST, "DescribeServices": service(BLUE, tags={"reconciler:quarantine": "b"})})
    assert "ListTasks" not in talk.operations()
    assert seen.marks.quarantined("b")


def test_a_healthy_target_counts_if_it_is_a_running_task_of_that_set() -> None:
    """Not an address that was somebody else's, not a task of another revision, not one that stops."""
    running = [
        answers.task(1, "a"),
        answers.task(2, "b"),
        answers.task(3, "b", availabilityZone="us-west-2c"),
        answers.task(4, "b", lastStatus="DEPROVISIONING"),
        answers.task(5, "b", taskDefinitionArn="arn:aws:ecs:us-west-2:123456789012:task-definition/web:9"),
        answers.task(6, "b"),
        answers.task(7, "b", attachments=[], containers=[{"networkInterfaces": [{"privateIpv4Address": "10.0.0.7"}]}]),
    ]
    more = {
        **MOVING,
        "ListTasks": answers.by_status(answers.arns(*running), answers.arns()),
        "DescribeTasks": answers.tasks(*running),
        "DescribeTargetHealth": answers.by_group(
            answers.targets(_1="healthy", _99="draining"),
            answers.targets(
                _2="healthy", _3="healthy", _4="healthy", _5="healthy", _6="unhealthy", _7="healthy", _8="initial"
            ),
        ),
    }
    seen, _ = see(**more)
    blue, green = seen.sets
    assert blue.healthy == (("us-west-2a", 1),)
    assert green.healthy == (("us-west-2a", 2), ("us-west-2c", 1))
    assert seen.strangers == (0, 3), "4, 5 and 8 are not running tasks of green"


def test_the_last_start_is_that_of_a_healthy_task() -> None:
    """Tasks that are not healthy have time to become it; those of the other version are its own."""
    early, late = NOW - timedelta(minutes=2), NOW - timedelta(minutes=1)
    running = [
        answers.task(1, "a", startedAt=NOW),
        answers.task(2, "b", startedAt=early),
        answers.task(3, "b", startedAt=late),
        answers.task(4, "b", startedAt=NOW),
    ]
    more = {
        **MOVING,
        "ListTasks": answers.by_status(answers.arns(*running), answers.arns()),
        "DescribeTasks": answers.tasks(*running),
        "DescribeTargetHealth": answers.by_group(
            answers.targets(_1="unhealthy"), answers.targets(_2="healthy", _3="healthy", _4="initial")
        ),
    }
    seen, _ = see(**more)
    assert [one.last_started for one in seen.sets] == [None, late]


def test_only_failures_that_speak_against_the_version_count() -> None:
    """An exit, a start that failed, a health check that failed; not Spot, not hands, not the end of a machine."""

    def stopped(number: int, code: str, reason: str = "", of: str = "b") -> dict[str, Any]:
        return answers.task(number, of, lastStatus="STOPPED", stopCode=code, stoppedReason=reason)

    ends = [
        stopped(10, "EssentialContainerExited"),
        stopped(11, "TaskFailedToStart"),
        stopped(12, "ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group x)"),
        stopped(13, "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)"),
        stopped(14, "SpotInterruption"),
        stopped(15, "UserInitiated"),
        stopped(16, "TerminationNotice"),
        stopped(17, "EssentialContainerExited", of="a"),
    ]
    more = {
        **MOVING,
        "ListTasks": answers.by_status(answers.arns(), answers.arns(*ends)),
        "DescribeTasks": answers.tasks(*ends),
    }
    seen, _ = see(**more)
    assert [one.failed for one in seen.sets] == [1, 3]


def test_many_tasks_are_described_in_hundreds() -> None:
    """ECS takes no more at once."""
    many = [answers.task(number, "b") for number in range(250)]
    more = {
        **MOVING,
        "ListTasks": answers.by_status(answers.arns(*many), answers.arns()),
        "DescribeTasks": answers.tasks(),
    }
    _, talk = see(**more)
    assert [len(one["tasks"]) for one in talk.params("DescribeTasks")] == [100, 100, 50]


def test_alarms_and_answers_are_read_where_the_policy_asks() -> None:
    """Answers only of a version that has production."""
    watching = Strategy(alarms=("errors", "slow"), max_5xx=0.5)
    more = {
        **MOVING,
        "DescribeAlarms": {"MetricAlarms": [{"AlarmName": "slow"}], "CompositeAlarms": []},
        "GetMetricData": {
            "MetricDataResults": [{"Id": "all", "Values": [150.0, 50.0]}, {"Id": "bad", "Values": [3.0]}]
        },
    }
    waiting, talk = see(watching, **more)
    assert (waiting.alarms, waiting.errors) == (("slow",), None)
    assert "GetMetricData" not in talk.operations()
    seen, talk = see(watching, **{**more, "DescribeListeners": listeners((50, 50))})
    assert seen.errors == 1.5
    (asked,) = talk.params("GetMetricData")
    dimensions = asked["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"]
    assert [one["Value"] for one in dimensions] == ["app/alb/1234", "targetgroup/web-2/bbbb"]


def test_a_set_elsewhere_is_counted_and_left_alone() -> None:
    """Somebody made it by hand, in a group that is not the service's."""
    foreign = task_set("x", 0, loadBalancers=[{"targetGroupArn": "arn:aws:elasticloadbalancing:x:1:targetgroup/y/z"}])
    more = {**MOVING, "DescribeServices": service(BLUE, GREEN, foreign)}
    seen, _ = see(**more)
    assert [one.release for one in seen.sets] == ["a", "b"]
    assert seen.others == 1


def test_a_health_check_that_differs_is_seen_group_by_group() -> None:
    """Each side is judged by its own release's."""
    seen, _ = see(**{**REST, "DescribeTargetGroups": answers.target_groups("/", "/old")})
    assert seen.tuned == (True, False)


def test_a_service_that_is_not_there_is_an_error_and_not_an_empty_one() -> None:
    """Unknown is not absent, and absent is not empty."""
    gone = {"services": [], "failures": [{"arn": SERVICE, "reason": "MISSING"}]}
    with pytest.raises(errors.Gone):
        see(**{**REST, "DescribeServices": gone})
    unclear = {"services": [], "failures": [{"arn": SERVICE, "reason": "ODD"}]}
    with pytest.raises(errors.Ambiguous):
        see(**{**REST, "DescribeServices": unclear})


@pytest.mark.parametrize(
    ("actions", "weights", "whole"),
    [
        (forward((GROUPS[0], 100), (GROUPS[1], 0)), (100, 0), True),
        (forward((GROUPS[1], 999), (GROUPS[0], 1)), (1, 99), True),
        (forward((GROUPS[0], 1), (GROUPS[1], 1)), (50, 50), True),
        (forward((GROUPS[0], 1)), (100, 0), False),
        ([{"Type": "forward", "TargetGroupArn": GROUPS[1]}], (0, 100), False),
        (forward((GROUPS[0], 0), (GROUPS[1], 0)), (0, 0), True),
        (forward((GROUPS[0], 50), ("arn:other", 50)), None, False),
        ([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}], None, False),
        ([{"Type": "authenticate-oidc"}, *forward((GROUPS[0], 1))], (100, 0), False),
        ([*forward((GROUPS[0], 1)), *forward((GROUPS[1], 1))], None, False),
        (forward((GROUPS[0], 1), (GROUPS[1], 2)), (33, 67), True),
    ],
)
def test_weights_are_shares_in_percent(
    actions: list[dict[str, Any]], weights: tuple[int, int] | None, whole: bool
) -> None:
    """Whatever unit somebody wrote them in; and what is not ours alone is not ours."""
    assert weights_of(actions, GROUPS) == (weights, whole)


@pytest.mark.parametrize(
    ("actions", "weights"),
    [
        (forward((GROUPS[0], 100), ("arn:former", 0)), (100, 0)),
        (forward((GROUPS[0], 0), (GROUPS[1], 100), ("arn:former", 0)), (0, 100)),
        (forward((GROUPS[0], 0), ("arn:former", 100)), (100, 0)),
        (forward((GROUPS[0], 50), ("arn:former", 50)), None),
        (forward((GROUPS[0], 100), ("arn:other", 0)), None),
    ],
)
def test_groups_that_the_service_had_before_are_named_until_the_next_write(
    actions: list[dict[str, Any]], weights: tuple[int, int] | None
) -> None:
    """What they alone receive is what the first version of the service receives once it is healthy."""
    assert weights_of(actions, GROUPS, frozenset({"arn:former"})) == (weights, False)


def test_rules_are_read_and_written_as_listeners_are() -> None:
    """Where several services share a listener, each has rules of its own."""
    rules = {
        "Rules": [{"RuleArn": RULE, "Actions": forward((GROUPS[0], 100), (GROUPS[1], 0))}],
    }
    by_rule = replace(SUBJECT, production=TrafficEntry(PRODUCTION, RULE), test=None)
    more = {key: value for key, value in REST.items() if key != "DescribeListeners"}
    seen, _ = see(subject=by_rule, **more, DescribeRules=rules)
    assert (seen.production, seen.test, seen.has_test) == ((100, 0), None, False)
    talk = perform(SetWeights("production", (0, 100), (100, 0)), by_rule, DescribeRules=rules)
    assert talk.operations() == ["DescribeRules", "ModifyRule"]


def test_a_sign_in_stays_before_the_weights() -> None:
    """What comes before the forward, and whether clients stay with a group, are as somebody has set them. AWS does not
    show the client secret, and takes the action without it only where it is told to keep the one that it has."""
    endpoints = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")
    config = dict.fromkeys(endpoints, "https://login.example.com") | {"ClientId": "web"}
    sign_in = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config}
    (last,) = forward((GROUPS[0], 100), (GROUPS[1], 0))
    last["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
    answer = {"Listeners": [{"ListenerArn": PRODUCTION, "DefaultActions": [last | {"Order": 2}, sign_in]}]}
    talk = perform(SetWeights("production", (0, 100), (100, 0)), SUBJECT, DescribeListeners=answer)
    (sent,) = talk.params("ModifyListener")
    first, second = sent["DefaultActions"]
    assert (first["Type"], first["Order"], second["Order"]) == ("authenticate-oidc", 1, 2)
    assert first["AuthenticateOidcConfig"] == {**config, "UseExistingClientSecret": True}
    assert second["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}
    assert [one["Weight"] for one in second["ForwardConfig"]["TargetGroups"]] == [0, 100]


# -- writing


def test_a_task_set_is_asked_for_with_everything_in_one_call() -> None:
    """Release, network, group, size, tags and a token that the same attempt always has."""
    talk = perform(CreateTaskSet("b", 1, 50, "1767225600"))
    (asked,) = talk.params("CreateTaskSet")
    assert asked["externalId"] == "b"
    assert asked["loadBalancers"] == [{"targetGroupArn": GROUPS[1], "containerName": "web", "containerPort": 80}]
    assert asked["scale"] == {"value": 50.0, "unit": "PERCENT"}
    assert asked["launchType"] == "FARGATE"
    assert {tag["key"]: tag["value"] for tag in asked["tags"]} == {
        "reconciler:stack": "ours",
        "reconciler:release": "b",
        "reconciler:commit": "4f1c2ab",
    }
    again = perform(CreateTaskSet("b", 1, 50, "1767225600")).params("CreateTaskSet")[0]
    assert asked["clientToken"] == again["clientToken"]
    for other in (CreateTaskSet("b", 1, 50, "1767225601"), CreateTaskSet("b", 0, 50, "1767225600")):
        assert perform(other).params("CreateTaskSet")[0]["clientToken"] != asked["clientToken"]


def test_capacity_providers_take_the_place_of_a_launch_type() -> None:
    """ECS takes one or the other."""
    spot = replace(SUBJECT, release=replace(SUBJECT.release, capacity=(Capacity("FARGATE_SPOT", 2),)))
    (asked,) = perform(CreateTaskSet("b", 1, 100, "1"), spot).params("CreateTaskSet")
    assert "launchType" not in asked
    assert asked["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 2, "base": 0}]


def test_going_back_runs_the_revision_that_ran() -> None:
    """The revision is what it was, not what is wanted now."""
    (asked,) = perform(CreateTaskSet("old", 1, 100, "1", "web:7"), **REST).params("CreateTaskSet")
    assert (asked["externalId"], asked["taskDefinition"]) == ("old", "web:7")
    assert not [tag for tag in asked["tags"] if tag["key"] == "reconciler:commit"]


def test_going_back_needs_nothing_of_the_wanted_release() -> None:
    """Network, placement and container are those of the version in production, while the wanted one is not ready."""
    network = {"awsvpcConfiguration": {"subnets": ["subnet-x"], "securityGroups": ["sg-9"]}}
    like = {"networkConfiguration": network, "launchType": "FARGATE", "platformVersion": "1.4.0"}
    unknown = replace(SUBJECT, release=Release(""), not_ready="web:v9 has not been pushed yet")
    described = service(task_set("b", 0, status="PRIMARY", **like))
    talk = perform(CreateTaskSet("old", 1, 100, "1", "web:7"), unknown, DescribeServices=described)
    (asked,) = talk.params("CreateTaskSet")
    assert {name: asked[name] for name in like} == like
    assert asked["loadBalancers"] == [{"targetGroupArn": GROUPS[1], "containerName": "web", "containerPort": 80}]


def test_nobody_goes_back_once_production_is_gone() -> None:
    """Without a version in production there is nothing to start the previous one like."""
    with pytest.raises(errors.StalePlan):
        perform(CreateTaskSet("old", 1, 100, "1", "web:7"), DescribeServices=service())


@pytest.mark.parametrize(
    ("decision", "operations"),
    [
        (WriteState(StoredState(), marked(due(DeadlineKind.UP))), ["TagResource"]),
        (WriteState(marked(due(DeadlineKind.UP)), StoredState()), ["UntagResource"]),
        (WriteState(marked(due(DeadlineKind.UP)), marked(suspended=Pause("ana"))), ["TagResource", "UntagResource"]),
        (SuspendScaling(suspend=True), ["RegisterScalableTarget"]),
        (UpdateHealthCheck(1), ["ModifyTargetGroup"]),
        (ScaleTaskSet("ecs-svc/b", 0), ["UpdateTaskSet"]),
        (SetPrimary("ecs-svc/b"), ["UpdateServicePrimaryTaskSet"]),
        (SetWeights("production", (0, 100), (100, 0)), ["DescribeListeners", "ModifyListener"]),
        (SetWeights("test", (0, 100), (100, 0)), ["DescribeListeners", "ModifyListener"]),
        (DeleteTaskSet("ecs-svc/b", 1), ["DescribeListeners", "DeleteTaskSet"]),
    ],
)
def test_a_decision_is_one_write_that_aws_takes(decision: RolloutAction, operations: list[str]) -> None:
    """Checked against AWS's own description of each call; writes name the service or its listener."""
    talk = perform(decision, DescribeListeners=listeners())
    assert talk.operations() == operations
    for call in talk.said:
        if not call.operation.startswith("Describe"):
            named = {value for value in call.params.values() if isinstance(value, str)}
            assert named & {SERVICE, PRODUCTION, answers.TEST, GROUPS[1], "service/apps/web"}


def test_both_groups_stay_named_whatever_their_weight() -> None:
    """The one with nothing keeps its place."""
    (asked,) = perform(SetWeights("production", (0, 100), (100, 0)), DescribeListeners=listeners()).params(
        "ModifyListener"
    )
    assert asked["DefaultActions"] == forward((GROUPS[0], 0), (GROUPS[1], 100))


@pytest.mark.parametrize("now_at", [(90, 10), (0, 100)])
def test_a_listener_that_moved_meanwhile_is_not_written_to(now_at: tuple[int, int]) -> None:
    """It is read again right before."""
    talk = Talk(DescribeListeners=listeners(now_at))
    with pytest.raises(errors.StalePlan):
        talk.hold(TaskSets().apply(SetWeights("production", (0, 100), (100, 0)), SUBJECT))
    assert talk.operations() == ["DescribeListeners"]


@pytest.mark.parametrize("now_at", [(90, 10), (0, 100)])
def test_tasks_that_production_refers_to_by_now_are_not_stopped(now_at: tuple[int, int]) -> None:
    """The last look is right before."""
    talk = Talk(DescribeListeners=listeners(now_at))
    with pytest.raises(errors.StalePlan):
        talk.hold(TaskSets().apply(DeleteTaskSet("ecs-svc/b", 1), SUBJECT))
    assert talk.operations() == ["DescribeListeners"]


def test_a_set_that_is_gone_is_deleted() -> None:
    """Somebody was quicker."""
    gone = errors.Gone("gone", call="ecs.DeleteTaskSet", code="TaskSetNotFoundException")
    talk = perform(DeleteTaskSet("ecs-svc/b", 1), DescribeListeners=listeners(), DeleteTaskSet=gone)
    assert talk.operations()[-1] == "DeleteTaskSet"


@pytest.mark.parametrize("decision", [RunTests("b", ()), UpdateService("web:2")])
def test_what_is_not_this_engines_is_refused(decision: RolloutAction) -> None:
    """Loudly: it would otherwise be taken for done."""
    with pytest.raises(TypeError):
        perform(decision)


def test_engines_are_found_by_name() -> None:
    """A module each, and no list of them."""
    assert set(engines()) == {"codedeploy", "ecs_native", "rolling", "task_sets"}


def test_quiet_is_said_of_nothing_that_is_being_deleted() -> None:
    """Its end is looked at."""
    seen, _ = see(**{**MOVING, "DescribeServices": service(task_set("b", 0, status="PRIMARY"), status="DRAINING")})
    assert seen.deleting
    assert not observe_task_sets.quiet(seen)
