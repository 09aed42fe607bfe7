"""Standalone tasks: the law example, what is run how often, and what is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.formats import RUN_KEY as FORMAT
from reconciler.model.resource import Address, Call, Desired, Observed, ResourceHealth
from reconciler.resources._ecs import Network, Strategy
from reconciler.resources.task import (
    OUTCOME,
    RECORDED,
    RETRY,
    RUN,
    RUN_AS,
    RUN_IN,
    Task,
    TaskSpec,
    failure_of,
    request_retry,
    started_by,
    token,
)
from tests.conftest import ACCOUNT
from tests.laws.account import Stack
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import STACK, Talk, scope, tagged
from tests.resources.workload import ECS, cluster, definition, lower_pairs, network, placed


def task(name: str) -> TaskSpec:
    return TaskSpec(
        cluster=ref(f"cluster/{name}"),
        task_definition=ref(f"task-definition/{name}"),
        network=placed(name),
        launch_type="FARGATE",
    )


EXAMPLE = Example(
    wish("task/hello", task("hello")),
    needs=(*network("hello"), cluster("hello"), definition("hello"), definition("again", image="nginx:2")),
    edits=(
        Edit({"task_definition": ref("task-definition/again")}, "task_definition"),
        Edit({"count": 3}),
        Edit({"network": placed("hello", public_ip=False)}),
    ),
    taggable=False,
    decoys=(*network("decoy", "10.1"), cluster("decoy"), definition("decoy"), wish("task/decoy", task("decoy"))),
)

REVISION = f"{ECS}:task-definition/hello:1"
SPEC = TaskSpec(
    cluster="c",
    task_definition=REVISION,
    network=Network(subnets=("subnet-1",), security_groups=("sg-1",)),
    launch_type="FARGATE",
)
DESIRED = wish("task/hello", SPEC)
DESIRED = replace(DESIRED, tags=tagged(DESIRED))


def revision(number: int, tags: Mapping[str, str] | None = None, stack: str = STACK) -> Observed[Any]:
    """A task definition as it was read before."""
    want = definition("hello")
    return Observed(
        want.address, f"{ECS}:task-definition/hello:{number}", want.spec, {**tagged(want, stack), **(tags or {})}
    )


def started(task_id: str) -> dict[str, str]:
    """What is remembered of a run whose outcome has not been stored."""
    return {RUN: task_id, RUN_IN: "c", RUN_AS: "hello", FORMAT: "1"}


def memory(task_id: str, outcome: str = "succeeded") -> dict[str, str]:
    return {**started(task_id), OUTCOME: outcome}


def stopped(
    *codes: int | None, stop_code: str = "EssentialContainerExited", reason: str = "", status: str = "STOPPED"
) -> dict[str, Any]:
    """A task as DescribeTasks shows it, with a container for each exit code."""
    return {
        "taskArn": f"{ECS}:task/c/abc",
        "lastStatus": status,
        "stopCode": stop_code,
        "stoppedReason": reason,
        "containers": [
            {"name": f"c{number}", **({} if code is None else {"exitCode": code})} for number, code in enumerate(codes)
        ],
        "tags": [],
    }


def looked(item: dict[str, Any] | None, tags: Mapping[str, str], spec: TaskSpec = SPEC) -> Observed[TaskSpec]:
    """The run of revision 1, where ECS answers `item`."""
    missing = [{"arn": "x", "reason": "MISSING"}]
    talk = Talk(DescribeTasks={"tasks": [] if item is None else [item], "failures": missing if item is None else []})
    seen = {"task-definition": (revision(1, tags),)}
    (found,) = talk.hold(Task().observe(scope(replace(DESIRED, spec=spec), seen=seen)))
    return found


def observe(*seen: Observed[Any], wanted: tuple[Desired[Any], ...] = (DESIRED,)) -> list[Observed[TaskSpec]]:
    talk = Talk()
    found = talk.hold(Task().observe(scope(*wanted, seen={"task-definition": seen})))
    assert talk.said == [], "what was run is known without asking"
    return found


class Tasks(Talk):
    """The tasks that ECS still knows, by id: revision, and what it would stop and start."""

    def __init__(self, running: Mapping[str, int], **more: Any) -> None:
        self.running = dict(running)
        answers = {
            "ListTasks": self._list,
            "DescribeTasks": self._describe,
            "RunTask": {"tasks": [{"taskArn": f"{ECS}:task/c/new"}], "failures": []},
        }
        super().__init__(**{**answers, **more})

    def _list(self, call: Call) -> dict[str, Any]:
        return {"taskArns": [f"{ECS}:task/c/{one}" for one in self.running]}

    def _describe(self, call: Call) -> dict[str, Any]:
        return {"tasks": [self._one(arn) for arn in call.params["tasks"]], "failures": []}

    def _one(self, arn: str) -> dict[str, Any]:
        number = self.running[arn.rpartition("/")[2]]
        return {
            "taskArn": arn,
            "taskDefinitionArn": f"{ECS}:task-definition/hello:{abs(number)}",
            "desiredStatus": "RUNNING" if number > 0 else "STOPPED",
            "tags": lower_pairs(DESIRED.tags),
        }

    def stopped(self) -> list[str]:
        return [params["task"].rpartition("/")[2] for params in self.params("StopTask")]


# -- knowing what was run


def test_what_was_run_is_known_from_the_revision() -> None:
    """The revision's tags say that it was run, when ECS has long forgotten the task."""
    found = observe(revision(1, memory("abc")))

    assert [one.id for one in found] == [f"{ECS}:task/c/abc"]
    assert found[0].parent == REVISION
    assert ownership.owner(found[0].tags) == STACK
    assert not diff(found[0], SPEC)


def test_what_was_not_run_is_absent() -> None:
    """A new revision has no memory of a run, and is what has to be run."""
    assert observe(revision(2)) == []
    assert observe(revision(2, {RUN: "abc"})) == [], "half a memory is none"
    assert observe(revision(2, memory("abc"), stack="theirs")) == [], "somebody else's run is not ours"


@pytest.mark.parametrize("tags", [memory("abc"), {RUN: "abc"}, {}, {"reconciler:run-2": "abc"}])
def test_a_run_in_an_unknown_format_is_not_run_again(tags: dict[str, str]) -> None:
    """It is not known whether it ran, nor how it ended: no known key is needed, and none is believed."""
    (found,) = observe(revision(1, {**tags, FORMAT: "2"}))
    assert (found.address, found.health) == (Address("task", "hello"), ResourceHealth.DEGRADED)
    assert FORMAT in found.reason
    assert not diff(found, WANTED)
    assert "running" not in found.facts["unreadable"]


def test_a_new_revision_is_a_change_and_nothing_else_is() -> None:
    """Where and how often a task runs counts only when it runs."""
    old = observe(revision(1, memory("abc")))[0]
    moved = SPEC.model_copy(
        update={"cluster": "d", "network": None, "count": 5, "launch_type": None, "platform_version": "1.4.0"}
    )
    assert not diff(old, moved)

    newer = SPEC.model_copy(update={"task_definition": f"{ECS}:task-definition/hello:2"})
    assert [str(change) for change in diff(old, newer)] == ["task_definition"]


def test_members_of_a_run_are_sent_with_it_and_start_none() -> None:
    """A run that has been is not compared with them."""
    aws = {
        "overrides": {"containerOverrides": [{"name": "c0", "command": ["migrate"]}]},
        "propagateTags": "TASK_DEFINITION",
    }
    spec = SPEC.model_copy(update={"aws": aws})
    assert not diff(observe(revision(1, memory("abc")))[0], spec)
    tasks = Tasks({})
    tasks.hold(Task().create(replace(DESIRED, spec=spec)))
    (sent,) = tasks.params("RunTask")
    assert (sent["overrides"], sent["propagateTags"]) == (aws["overrides"], "TASK_DEFINITION")


# -- the outcome

WANTED = SPEC.model_copy(update={"outcome": RECORDED})


def test_a_task_that_runs_is_in_progress_and_nothing_is_to_do() -> None:
    """Until it ends there is nothing to store."""
    found = looked(stopped(None, status="RUNNING"), started("abc"))

    assert found.health is ResourceHealth.PROGRESSING
    assert not diff(found, WANTED)


@pytest.mark.parametrize(
    ("item", "outcome"),
    [
        (stopped(0), "succeeded"),
        (stopped(1), "failed: exit code 1"),
        (stopped(0, 3), "failed: exit code 3 of c1"),
        (stopped(0, None), "failed: no exit code of c1"),
        (
            stopped(None, stop_code="TaskFailedToStart", reason="CannotPullContainerError: not found"),
            "failed: CannotPullContainerError: not found",
        ),
        (stopped(137, stop_code="UserInitiated", reason="stopped by ana"), "failed: exit code 137"),
    ],
)
def test_its_exit_code_is_its_outcome_and_is_stored(item: dict[str, Any], outcome: str) -> None:
    """ECS forgets a stopped task within the hour; the tag on the revision stays."""
    found = looked(item, started("abc"))

    assert (found.health is ResourceHealth.DEGRADED) == (outcome != "succeeded")
    changes = diff(found, WANTED)
    assert [(str(change), change.event) for change in changes] == [("outcome", True)]
    talk = Talk()
    assert talk.hold(Task().update(found, replace(DESIRED, spec=WANTED), changes)) == found.id
    assert talk.operations() == ["TagResource"], "nothing is run again"
    assert talk.params("TagResource")[0] == {
        "resourceArn": REVISION,
        "tags": [{"key": FORMAT, "value": "1"}, {"key": OUTCOME, "value": outcome}],
    }


@pytest.mark.parametrize("outcome", ["succeeded", "failed: exit code 1"])
def test_a_stored_outcome_is_known_without_asking(outcome: str) -> None:
    """A pass at rest makes no call for it."""
    (found,) = observe(revision(1, memory("abc", outcome)))

    assert (found.health, found.reason) == (
        (ResourceHealth.READY, "") if outcome == "succeeded" else (ResourceHealth.DEGRADED, outcome)
    )
    assert not diff(found, WANTED)


def test_a_task_that_ecs_has_forgotten_is_not_a_success() -> None:
    """Nobody looked in time: the outcome is unknown, which is said, and not stored, because it may yet be seen."""
    found = looked(None, started("abc"))

    assert found.health is ResourceHealth.DEGRADED
    assert not diff(found, WANTED)


def test_containers_that_are_not_essential_do_not_count() -> None:
    """A sidecar is stopped with the task, and exits as a signal makes it."""
    assert failure_of([stopped(0, 143)], {"c1"}) == ""
    assert failure_of([stopped(0, 143)]) == "exit code 143 of c1"


def test_a_request_to_retry_runs_it_again_with_a_token_of_its_own() -> None:
    """The first run's token would give back the first run's task."""
    (failed,) = observe(revision(1, memory("abc", "failed: exit code 1")))
    asking = Talk()
    asking.hold(request_retry(failed, "5b1e", "ana"))
    (found,) = observe(revision(1, {**memory("abc", "failed: exit code 1"), RETRY: "5b1e:ana"}))
    talk = Tasks({})

    talk.hold(Task().update(found, replace(DESIRED, spec=WANTED), diff(found, WANTED)))

    assert asking.params("TagResource")[0]["tags"] == [
        {"key": FORMAT, "value": "1"},
        {"key": RETRY, "value": "5b1e:ana"},
    ]
    assert talk.operations() == ["ListTasks", "RunTask", "TagResource", "UntagResource"]
    assert talk.params("RunTask")[0]["clientToken"] == token(STACK, "task/hello", REVISION, "5b1e:ana")
    assert talk.params("UntagResource")[0]["tagKeys"] == sorted((OUTCOME, RETRY))


# -- running


def test_a_run_that_nobody_knows_any_more_is_run_again_with_other_parameters() -> None:
    """Its tags were removed and ECS has forgotten it, but not its token."""
    answers = [
        errors.Exists("the token is in use with other parameters"),
        {"tasks": [{"taskArn": f"{ECS}:task/c/new"}], "failures": []},
    ]
    talk = Tasks({}, RunTask=answers)

    assert talk.hold(Task().create(DESIRED)) == f"{ECS}:task/c/new"

    first, second = (params["clientToken"] for params in talk.params("RunTask"))
    assert first == token(STACK, "task/hello", REVISION, "")
    assert second == token(STACK, "task/hello", REVISION, "", SPEC.model_dump_json())


def test_it_is_run_once_and_that_is_remembered() -> None:
    """The memory is written right after the run, with the token that makes one run of what is sent twice."""
    talk = Tasks({})

    assert talk.hold(Task().create(DESIRED)) == f"{ECS}:task/c/new"

    assert talk.operations() == ["ListTasks", "RunTask", "TagResource"]
    run = talk.params("RunTask")[0]
    assert run["clientToken"] == token(STACK, "task/hello", REVISION, "")
    assert run["startedBy"] == "reconciler/ours/hello"
    assert run["count"] == 1
    assert talk.params("TagResource") == [
        {"resourceArn": REVISION, "tags": lower_pairs(dict(sorted(started("new").items())))}
    ]


def test_a_run_whose_answer_was_lost_is_not_repeated() -> None:
    """A task of this revision that still runs is the run; only the memory of it is missing."""
    talk = Tasks({"lost": 1})

    assert talk.hold(Task().create(DESIRED)) == f"{ECS}:task/c/lost"

    assert "RunTask" not in talk.operations()
    assert talk.stopped() == []


def test_an_earlier_run_is_stopped_after_the_new_one_began() -> None:
    """First the new one, then the memory, and last the end of what an earlier revision left running."""
    talk = Tasks({"old": 1, "done": -1})
    old = observe(revision(1, memory("old")))[0]
    new = replace(DESIRED, spec=SPEC.model_copy(update={"task_definition": f"{ECS}:task-definition/hello:2"}))

    talk.hold(Task().update(old, new, diff(old, new.spec)))

    assert talk.operations() == ["ListTasks", "DescribeTasks", "RunTask", "TagResource", "StopTask", "UntagResource"]
    assert talk.stopped() == ["old"]
    assert talk.params("UntagResource")[0]["resourceArn"] == REVISION


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ({"reason": "Capacity is unavailable at this time. Please try again later."}, errors.Blocked),
        ({"reason": "RESOURCE:MEMORY", "arn": "x"}, errors.Blocked),
        ({"reason": "SOMETHING_NEW"}, errors.Blocked),
        ({"reason": "You've reached the limit on the number of vCPUs you can run concurrently"}, errors.Quota),
    ],
)
def test_a_run_that_did_not_start_is_an_error(failure: dict[str, str], error: type[errors.AwsError]) -> None:
    """RunTask answers failures with status 200; nothing is remembered then."""
    talk = Tasks({}, RunTask={"tasks": [], "failures": [failure]})

    with pytest.raises(error, match=failure["reason"][:20]):
        talk.hold(Task().create(DESIRED))

    assert "TagResource" not in talk.operations()


def test_a_run_that_started_in_part_is_said_and_not_repeated() -> None:
    """What was started may have done its work, so it counts as run; that some are missing is an error."""
    talk = Tasks({}, RunTask={"tasks": [{"taskArn": f"{ECS}:task/c/one"}], "failures": [{"reason": "RESOURCE:CPU"}]})
    three = replace(DESIRED, spec=SPEC.model_copy(update={"count": 3}))

    with pytest.raises(errors.Quota, match="only 1 of 3 tasks were started: RESOURCE:CPU"):
        talk.hold(Task().create(three))

    assert "TagResource" in talk.operations()


def test_capacity_providers_go_along() -> None:
    """A strategy takes the place of the launch type."""
    spot = SPEC.model_copy(
        update={"launch_type": None, "capacity_provider_strategy": (Strategy(provider="FARGATE_SPOT"),)}
    )
    talk = Tasks({})

    talk.hold(Task().create(replace(DESIRED, spec=spot)))

    run = talk.params("RunTask")[0]
    assert run["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]
    assert "launchType" not in run


def test_who_started_it_is_written_in_the_characters_that_ecs_takes() -> None:
    """Letters, digits, - _ and / only, at most 128."""
    assert started_by("my stack", Address("task", "höllo.1")) == "reconciler/my-stack/h-llo-1"
    assert len(started_by("s" * 100, Address("task", "n" * 100))) == 128


# -- deleting


def test_deleting_stops_what_runs_and_forgets_it() -> None:
    """Running tasks of this resource end; the memory goes, or it would still be there."""
    old = observe(revision(1, memory("old")), wanted=())[0]
    talk = Tasks({"old": 1, "done": -1})

    talk.hold(Task().delete(old))

    assert talk.stopped() == ["old"]
    assert talk.operations()[-1] == "UntagResource"


def test_tasks_that_only_look_like_it_are_left_alone() -> None:
    """Another stack may have started a task under the same name, and another family's run is its own."""
    old = observe(revision(1, memory("old")), wanted=())[0]
    foreign = Tasks({"old": 1})
    foreign.answers["DescribeTasks"] = {
        "tasks": [
            {
                "taskArn": f"{ECS}:task/c/theirs",
                "taskDefinitionArn": REVISION,
                "desiredStatus": "RUNNING",
                "tags": lower_pairs(tagged(DESIRED, "theirs")),
            },
            {
                "taskArn": f"{ECS}:task/c/other",
                "taskDefinitionArn": f"{ECS}:task-definition/other:1",
                "desiredStatus": "RUNNING",
                "tags": lower_pairs(DESIRED.tags),
            },
        ],
        "failures": [],
    }

    foreign.hold(Task().delete(old))

    assert foreign.stopped() == []


def test_deleting_without_a_cluster_or_a_revision_succeeds() -> None:
    """What is gone cannot run anything and needs no forgetting."""
    old = observe(revision(1, memory("old")), wanted=())[0]
    talk = Talk(ListTasks=errors.Gone("Cluster not found."), UntagResource=errors.Gone("gone"))

    talk.hold(Task().delete(old))


def test_running_it_again_makes_no_second_run(aws: AwsClient) -> None:
    """A creation whose answer was lost is done again, and there is one task."""
    ours = Stack(aws, "ours")
    first = ours.make(*EXAMPLE.needs, EXAMPLE.desired)

    assert ours.make(EXAMPLE.desired) == first
    assert [call.operation for call in ours.calls].count("RunTask") == 1
    assert f":{ACCOUNT}:task/hello/" in first


def test_a_task_that_runs_uses_its_subnet_and_security_groups() -> None:
    """Its document may name others by now; what has stopped uses nothing."""
    details = [{"name": "subnetId", "value": "subnet-9"}, {"name": "networkInterfaceId", "value": "eni-1"}]
    item = stopped(None, status="RUNNING") | {
        "attachments": [{"type": "ElasticNetworkInterface", "details": details}],
        "tags": [{"key": "reconciler:run-security-groups", "value": "sg-7 sg-8"}],
    }
    assert Task().in_use(looked(item, started("abc"))) == {"subnet-9", "sg-7", "sg-8"}
    assert Task().in_use(looked(item | {"lastStatus": "STOPPED"}, started("abc"))) == frozenset()
    assert Task().in_use(looked(None, memory("abc"))) == frozenset()


def test_a_task_is_started_with_its_security_groups_in_a_tag() -> None:
    talk = Talk(ListTasks={"taskArns": []}, RunTask={"tasks": [{"taskArn": f"{ECS}:task/c/abc"}], "failures": []})
    talk.hold(Task().create(DESIRED))
    (sent,) = talk.params("RunTask")
    assert {"key": "reconciler:run-security-groups", "value": "sg-1"} in sent["tags"]
