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
from reconciler.model.resource import Address, Call, Desired, Observed
from reconciler.resources._ecs import Network, Strategy
from reconciler.resources.task import RUN, RUN_AS, RUN_IN, Task, TaskSpec, started_by
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


def memory(task_id: str) -> dict[str, str]:
    return {RUN: task_id, RUN_IN: "c", RUN_AS: "hello"}


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


def test_a_new_revision_is_a_change_and_nothing_else_is() -> None:
    """Where and how often a task runs counts only when it runs."""
    old = observe(revision(1, memory("abc")))[0]
    moved = SPEC.model_copy(
        update={"cluster": "d", "network": None, "count": 5, "launch_type": None, "platform_version": "1.4.0"}
    )
    assert not diff(old, moved)

    newer = SPEC.model_copy(update={"task_definition": f"{ECS}:task-definition/hello:2"})
    assert [str(change) for change in diff(old, newer)] == ["task_definition"]


# -- running


def test_it_is_run_once_and_that_is_remembered() -> None:
    """The memory is written right after the run, with the token that makes one run of what is sent twice."""
    talk = Tasks({})

    assert talk.hold(Task().create(DESIRED)) == f"{ECS}:task/c/new"

    assert talk.operations() == ["ListTasks", "RunTask", "TagResource"]
    run = talk.params("RunTask")[0]
    assert run["clientToken"] == DESIRED.token(REVISION)
    assert run["startedBy"] == "reconciler/ours/hello"
    assert run["count"] == 1
    assert talk.params("TagResource") == [
        {"resourceArn": REVISION, "tags": lower_pairs(dict(sorted(memory("new").items())))}
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
    started = [{"taskArn": f"{ECS}:task/c/one"}]
    talk = Tasks({}, RunTask={"tasks": started, "failures": [{"reason": "RESOURCE:CPU"}]})
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
