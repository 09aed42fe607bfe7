"""Schedules: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources._ecs import Network, Strategy
from reconciler.resources.schedule import Schedule, ScheduleSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ECS = "arn:aws:ecs:us-west-2:123456789012"
ROLE = "arn:aws:iam::123456789012:role/scheduler"
GROUP = "arn:aws:scheduler:us-west-2:123456789012:schedule-group/nightly"
SOMEWHERE = Network(subnets=("subnet-a", "subnet-b"), security_groups=("sg-a",), public_ip=True)


def schedule(name: str, **fields: Any) -> Desired[Any]:
    said = {
        "name": name,
        "expression": "cron(0 3 * * ? *)",
        "time_zone": "Asia/Tokyo",
        "cluster": "web",
        "task_definition": f"{ECS}:task-definition/job:1",
        "role": ROLE,
        "network": SOMEWHERE,
        "launch_type": "FARGATE",
        "platform_version": "1.4.0",
        "count": 1,
        "retry_attempts": 185,
        "max_event_age": 86_400,
        "dead_letter_queue": "",
        "enabled": True,
    }
    return wish(f"schedule/{name}", ScheduleSpec(**(said | fields)))


EXAMPLE = Example(
    schedule("nightly"),
    edits=(
        Edit({"expression": "rate(1 hour)"}, "expression"),
        Edit({"time_zone": "UTC"}, "time_zone"),
        Edit({"task_definition": f"{ECS}:task-definition/job:2"}, "task_definition"),
        Edit({"cluster": "other"}, "cluster"),
        Edit({"role": f"{ROLE}2"}, "role"),
        Edit({"network": SOMEWHERE.model_copy(update={"public_ip": False})}, "network.public_ip"),
        Edit({"retry_attempts": 3, "max_event_age": 3600}, "max_event_age", "retry_attempts"),
        Edit({"dead_letter_queue": "arn:aws:sqs:us-west-2:123456789012:failed"}, "dead_letter_queue"),
        Edit({"count": 2, "enabled": False}, "count", "enabled"),
    ),
    unique=True,
    decoys=(schedule("decoy"),),
)

WANT = schedule("nightly")


def answer(**fields: Any) -> dict[str, Any]:
    """What GetSchedule says of `WANT`."""
    parameters = {
        "TaskDefinitionArn": f"{ECS}:task-definition/job:1",
        "LaunchType": "FARGATE",
        "PlatformVersion": "1.4.0",
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": ["subnet-b", "subnet-a"],
                "SecurityGroups": ["sg-a"],
                "AssignPublicIp": "ENABLED",
            }
        },
    }
    return {
        "Name": "nightly",
        "GroupName": "nightly",
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "ScheduleExpressionTimezone": "Asia/Tokyo",
        "State": "ENABLED",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"{ECS}:cluster/web", "RoleArn": ROLE, "EcsParameters": parameters},
    } | fields


def talk(state: str = "ACTIVE", **more: Any) -> Talk:
    groups = [{"Name": "default", "Arn": "arn:default", "State": "ACTIVE"}]
    groups += [{"Name": "nightly", "Arn": GROUP, "State": state}, {"Name": "x", "Arn": "arn:x", "State": "ACTIVE"}]
    answers = {
        "ListScheduleGroups": {"ScheduleGroups": groups},
        "ListTagsForResource": {"Tags": pairs(tagged(WANT))},
        "GetScheduleGroup": groups[1],
        "GetSchedule": answer(),
    }
    return Talk(**(answers | more))


def observe(told: Talk, want: Desired[Any] = WANT, **more: Any) -> list[Observed[Any]]:
    return told.hold(Schedule().observe(scope(want, **more)))


def test_only_what_may_be_ours_is_looked_into() -> None:
    """Other people's groups cost no further call."""
    told = talk()

    (found,) = observe(told)

    assert not diff(found, WANT.spec)
    assert told.params("GetSchedule") == [{"GroupName": "nightly", "Name": "nightly"}]
    assert told.params("ListTagsForResource") == [{"ResourceArn": GROUP}]


def test_an_update_keeps_what_the_specs_do_not_say() -> None:
    """AWS puts back its default wherever something is left out."""
    kept = {"Description": "by hand", "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}}
    target = answer()["Target"] | {"RetryPolicy": {"MaximumRetryAttempts": 3}}
    target["EcsParameters"] |= {"PropagateTags": "TASK_DEFINITION"}
    (old,) = observe(talk(GetSchedule=answer(**kept, Target=target)))
    undeclared = dict.fromkeys(("time_zone", "enabled", "retry_attempts", "max_event_age", "dead_letter_queue"))
    new = schedule("nightly", expression="rate(1 hour)", **undeclared)
    told = Talk()

    told.hold(Schedule().update(old, new, diff(old, new.spec)))

    (sent,) = told.params("UpdateSchedule")
    assert {key: sent[key] for key in kept} == kept
    assert sent["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 3}
    assert sent["Target"]["EcsParameters"]["PropagateTags"] == "TASK_DEFINITION"
    assert (sent["ScheduleExpression"], sent["ScheduleExpressionTimezone"]) == ("rate(1 hour)", "Asia/Tokyo")
    assert "CreationDate" not in sent


def test_nothing_is_said_with_a_token() -> None:
    """AWS answers one that comes again as the first time: what was deleted, or changed twice, would not be put back."""
    (old,) = observe(talk())
    new, told = schedule("nightly", expression="rate(1 hour)"), Talk()

    told.hold(Schedule().create(WANT))
    told.hold(Schedule().update(old, new, diff(old, new.spec)))

    assert told.operations() == ["CreateScheduleGroup", "CreateSchedule", "UpdateSchedule"]
    assert not any("ClientToken" in call.params for call in told.said)


def test_a_strategy_takes_the_place_of_a_launch_type() -> None:
    """AWS takes one of the two."""
    (old,) = observe(talk())
    new = schedule("nightly", launch_type=None, capacity_provider_strategy=(Strategy(provider="FARGATE_SPOT"),))
    told = Talk()

    told.hold(Schedule().update(old, new, diff(old, new.spec)))

    (sent,) = told.params("UpdateSchedule")
    parameters = sent["Target"]["EcsParameters"]
    assert "LaunchType" not in parameters
    assert [item["capacityProvider"] for item in parameters["CapacityProviderStrategy"]] == ["FARGATE_SPOT"]


def test_a_cluster_may_be_named_by_its_arn() -> None:
    """A cluster outside the specs is written as an ARN, and compared as one."""
    want = schedule("nightly", cluster=f"{ECS}:cluster/web")

    (found,) = observe(talk(), want)

    assert not diff(found, want.spec)


def test_a_group_without_its_schedule_gets_it() -> None:
    """A creation that stopped half-way is finished as an update."""
    (old,) = observe(talk(GetSchedule=errors.Gone("no such schedule")))
    told = Talk()

    told.hold(Schedule().update(old, WANT, diff(old, WANT.spec)))

    assert told.operations() == ["CreateSchedule"]
    assert told.params("CreateSchedule")[0]["Target"]["Arn"] == f"{ECS}:cluster/web"


def test_one_that_is_still_being_deleted_stands_in_the_way() -> None:
    """Its name is free only when its group has gone; nobody who does not want the name has to know."""
    (found,) = observe(talk("DELETING"))
    assert (found.health, found.facts["deleting"]) == (ResourceHealth.PROGRESSING, True)

    assert observe(talk("DELETING"), schedule("other"), swept={GROUP: {}}) == []


def test_a_group_of_somebody_else_under_our_name_is_shown() -> None:
    """It is a conflict, and no absence."""
    (found,) = observe(talk(ListTagsForResource={"Tags": []}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)


def test_the_schedule_goes_before_its_group() -> None:
    """A group that is being deleted may still start tasks."""
    (old,) = observe(talk())

    told = talk()
    told.hold(Schedule().delete(old))
    assert told.operations() == ["DeleteSchedule", "GetScheduleGroup", "DeleteScheduleGroup"]

    told = talk(GetScheduleGroup={"State": "DELETING"}, DeleteSchedule=errors.Gone("no such schedule"))
    told.hold(Schedule().delete(old))
    assert "DeleteScheduleGroup" not in told.operations()


def test_a_group_made_before_is_adopted_and_a_taken_name_is_not() -> None:
    """A creation whose answer was lost goes on with its own group."""
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    exists = errors.Exists("the schedule group already exists", code="ConflictException")

    told = talk(CreateScheduleGroup=exists, CreateSchedule=exists)
    assert told.hold(Schedule().create(new)) == "nightly"
    told = talk(CreateScheduleGroup=exists, ListTagsForResource={"Tags": []})
    with pytest.raises(errors.Exists):
        told.hold(Schedule().create(new))
    assert "CreateSchedule" not in told.operations()
