"""The evidence is collected in few calls, from this rollout's tasks alone; a failing read costs no more than itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.diagnosis import evidence, observations, root_cause
from reconciler.diagnosis.evidence import Question, gather
from reconciler.diagnosis.observations import Unread
from reconciler.diagnosis.report import Known, KnownContainer, Story
from reconciler.model.resource import Call
from tests.diagnosis.aws import BLUE, DEFINITION, GREEN, GROUP, NOON, definition, event, stopped, task_id, unhealthy
from tests.resources.talk import Talk

KNOWN = Known(containers={"web": KnownContainer("api:17", log_group="/ecs/api", log_prefix="api")}, path="/ready")
ASKED = Question("my-app", "api", frozenset({GREEN}), (GROUP,), known=KNOWN)
STORY = Story("service/api", "8d02c1f0", "scaling_up")
LINES = {"events": [{"message": "starting\n"}, {"message": 'OperationalError: no host "db-new"\n'}]}


def world(*tasks: dict[str, Any], **more: Any) -> Talk:
    answers: dict[str, Any] = {
        "ListTasks": {"taskArns": [task["taskArn"] for task in tasks]},
        "DescribeTasks": {"tasks": list(tasks)},
        "DescribeTargetHealth": {"TargetHealthDescriptions": [unhealthy(1)]},
        "GetLogEvents": LINES,
        "DescribeTaskDefinition": definition(),
    }
    return Talk(**{**answers, **more})


def test_a_failing_service_costs_four_calls() -> None:
    """Stopped tasks, target health and the last log lines are all that is asked for."""
    talk = world(stopped(1), stopped(2))

    seen = talk.hold(gather(ASKED))

    assert talk.operations() == ["ListTasks", "DescribeTasks", "DescribeTargetHealth", "GetLogEvents"]
    assert talk.params("ListTasks") == [{"cluster": "my-app", "serviceName": "api", "desiredStatus": "STOPPED"}]
    assert [task.id for task in seen.tasks] == [task_id(1), task_id(2)]
    assert seen.unread == ()


def test_the_log_is_that_of_the_newest_task_that_failed() -> None:
    """The last twenty lines come from the container that ended the newest failing task, not from a meant stop."""
    meant = stopped(
        1, exit_code=143, stopCode="ServiceSchedulerInitiated", stoppedReason="Scaling activity initiated by x"
    )
    talk = world(stopped(3), meant, stopped(2))

    seen = talk.hold(gather(ASKED))

    assert talk.params("GetLogEvents") == [
        {
            "logGroupName": "/ecs/api",
            "logStreamName": f"api/web/{task_id(2)}",
            "limit": 20,
            "startFromHead": False,
        }
    ]
    assert seen.log_of == f"web of {task_id(2)[:4]}"
    assert seen.log[-1].startswith("OperationalError")


def test_other_deployments_tasks_are_not_blamed_on_this_one() -> None:
    """Only tasks that this deployment or task set started are evidence."""
    talk = world(stopped(1, started_by=BLUE), stopped(2))

    assert [task.id for task in talk.hold(gather(ASKED)).tasks] == [task_id(2)]


def test_events_of_earlier_rollouts_are_left_out() -> None:
    """What ECS said before this rollout began is not about it."""
    events = (event("was unable to place a task.", 9), event("is unable to consistently start tasks successfully.", 1))

    seen = world().hold(gather(replace(ASKED, events=events, since=NOON - timedelta(minutes=5))))

    assert [one.message for one in seen.events] == ["(service api) is unable to consistently start tasks successfully."]


def test_an_unknown_task_definition_is_read_once() -> None:
    """Without the specs' word the definition says which containers are essential and where they log."""
    talk = world(stopped(1))

    seen = talk.hold(gather(replace(ASKED, known=Known())))

    assert talk.params("DescribeTaskDefinition") == [{"taskDefinition": DEFINITION}]
    assert seen.known.essential == {"web"}
    assert seen.known.role.endswith("api-execution")
    assert seen.log


def test_tasks_that_run_without_getting_healthy_are_looked_at_where_none_stopped() -> None:
    """A green that hangs has no stopped task; the log of one that runs may say why."""
    running = stopped(1, exit_code=None, lastStatus="RUNNING", stopCode="", stoppedReason="", stoppedAt=None)
    talk = world(running, ListTasks=[{"taskArns": []}, {"taskArns": [running["taskArn"]]}])

    seen = talk.hold(gather(ASKED))

    assert [call["desiredStatus"] for call in talk.params("ListTasks")] == ["STOPPED", "RUNNING"]
    assert seen.log
    assert root_cause.conclude(seen, STORY).finding.id == "lb-error"
    assert len(talk.said) == 5


def test_a_task_that_never_ran_has_no_log() -> None:
    """Nothing is asked of CloudWatch for a container that was never started."""
    failed = stopped(
        1, exit_code=None, stopCode="TaskFailedToStart", stoppedReason="CannotPullContainerError: x", startedAt=None
    )
    talk = world(failed)

    seen = talk.hold(gather(ASKED))

    assert "GetLogEvents" not in talk.operations()
    assert seen.unread == ()


REFUSED = errors.Denied("not authorized", call="x.Y", code="AccessDenied")


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ("ListTasks", "stopped tasks"),
        ("DescribeTasks", "stopped tasks"),
        ("DescribeTargetHealth", "target health"),
        ("GetLogEvents", "last log"),
        ("DescribeTaskDefinition", "task definition"),
    ],
)
@pytest.mark.parametrize(
    "refusal",
    [
        REFUSED,
        errors.Throttled("slow", call="x.Y"),
        errors.Ambiguous("reset", call="x.Y"),
        errors.Invalid("no", call="x.Y"),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_a_read_that_fails_costs_its_own_part_and_nothing_else(
    operation: str, what: str, refusal: errors.AwsError
) -> None:
    """A diagnosis is made of what could be read, and says what could not, and why."""
    question = replace(ASKED, known=Known()) if operation == "DescribeTaskDefinition" else ASKED
    talk = world(stopped(1), **{operation: refusal})

    seen = talk.hold(gather(question))
    found = root_cause.conclude(seen, STORY)

    assert Unread(what, str(refusal)) in seen.unread
    assert found.finding.id in ("lb-error", "exit-1")
    assert found.unread == seen.unread


def test_nothing_can_be_read_and_still_there_is_a_diagnosis() -> None:
    """With every read refused the cause is unknown, and the reasons are told."""
    refused = dict.fromkeys(("ListTasks", "DescribeTasks", "DescribeTargetHealth", "GetLogEvents"), REFUSED)

    found = root_cause.conclude(Talk(**refused).hold(gather(ASKED)), STORY)

    assert not found.finding.known
    assert [one.what for one in found.unread] == ["stopped tasks", "target health"]


@pytest.mark.parametrize("answer", [errors.Gone("no stream", call="logs.GetLogEvents"), {"events": []}])
def test_a_container_that_wrote_nothing_is_said_to_have(answer: Any) -> None:
    """A missing log stream is silence, not a fault."""
    seen = world(stopped(1), GetLogEvents=answer).hold(gather(ASKED))

    assert seen.unread == (Unread("last log", f"web of {task_id(1)[:4]} wrote nothing"),)


def test_a_container_without_a_log_group_is_said_to_have_none() -> None:
    """Where the output goes nowhere, nothing is asked for."""
    talk = world(stopped(1))

    seen = talk.hold(gather(replace(ASKED, known=Known(containers={"web": KnownContainer("api:17")}))))

    assert "GetLogEvents" not in talk.operations()
    assert [one.what for one in seen.unread] == ["last log"]


@pytest.mark.parametrize(
    "junk", [{}, {"tasks": [{}]}, {"tasks": [{"containers": [{}], "attachments": [{}]}]}, {"tasks": None}]
)
def test_answers_with_holes_are_read(junk: dict[str, Any]) -> None:
    """A member that is missing costs itself alone."""
    seen = world(stopped(1), DescribeTasks=junk).hold(gather(ASKED))

    assert root_cause.conclude(seen, STORY).finding.id == "lb-error"


def test_no_value_of_the_environment_is_in_a_diagnosis() -> None:
    """Overrides and definitions hold environments; none of it is taken out of the answers."""
    seen = world(stopped(1)).hold(gather(replace(ASKED, known=Known())))

    assert "hunter2" not in str(seen)
    assert "hunter2" not in repr(root_cause.conclude(seen, STORY))


def test_more_tasks_than_one_call_takes_are_cut() -> None:
    """DescribeTasks is asked once, for a hundred."""
    talk = world(stopped(1), ListTasks={"taskArns": [f"arn:aws:ecs:us-west-2:1:task/my-app/{n}" for n in range(150)]})

    talk.hold(observations.tasks_of("my-app", "api"))

    assert [len(call["tasks"]) for call in talk.params("DescribeTasks")] == [100]


class Refusing:
    """An AWS that lets nobody read anything."""

    def perform(self, call: Call) -> dict[str, Any]:
        raise errors.Denied("not authorized", call=str(call), code="AccessDenied")


def test_the_engine_holds_the_conversation() -> None:
    """Over a client that is refused every read there is still a diagnosis, and nothing was written."""
    aws = AwsClient(Refusing())

    found = aws.run(evidence.diagnose(ASKED, STORY))
    aws.close()

    assert not found.finding.known
    assert [one.what for one in found.unread] == ["stopped tasks", "target health"]
    assert not aws.writes
