"""A rollout is not held up by its failure report: what cannot be read is left out, and said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.resource import Address, Call
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult, StoredState
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.targets import ServiceRollout
from tests.rollout import answers
from tests.rollout.facts import BLUE, GREEN, NOW, seen

JOB = ServiceRollout(RolloutSpec(Address("service", "web"), Address("task-definition", "web")), answers.SUBJECT)
ENDED = RolloutResult("b", Outcome.FAILED, "scaling_up", NOW, Actor.ENGINE, "tasks failed")
STEP = RolloutStep(Phase.FAILED, release="b", ended=ENDED)


class Refusing:
    """Answers of a service that is well, but for the operations that nobody may call."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation in self.refused:
            raise errors.Denied("not authorized", call=f"{call.service}.{call.operation}", code="AccessDenied")
        match call.operation:
            case "DescribeServices":
                return answers.service(events=[])
            case "DescribeTaskDefinition":
                container = {"name": "web", "image": f"image-of-{call.params['taskDefinition']}"}
                return {"taskDefinition": {"family": "web", "status": "ACTIVE", "containerDefinitions": [container]}}
            case "ListTasks":
                return {"taskArns": []}
            case _:
                return {"TargetHealthDescriptions": []}


def written(*refused: str) -> Diagnosis:
    aws = AwsClient(Refusing(*refused), clock=ManualClock())
    return FailureReporter(commit="4f1c2ab").write(aws, JOB, seen(BLUE, GREEN), STEP)


def test_it_says_which_fields_the_failed_version_changed() -> None:
    """By name, with the commit that changed them; everything could be read."""
    found = written()
    assert [(one.path, one.commit) for one in found.story.changed] == [("containers.web.image", "4f1c2ab")]
    assert found.unread == ()


def test_it_says_so_also_once_the_failed_version_is_gone() -> None:
    """`status` is asked later, when green has been removed: the declared revision is compared."""
    subject = replace(answers.SUBJECT, release=replace(answers.SUBJECT.release, id="b", task_definition="web:9"))
    aws = AwsClient(Refusing(), clock=ManualClock())
    found = FailureReporter(commit="4f1c2ab").write(aws, replace(JOB, subject=subject), seen(BLUE), STEP)
    assert [(one.path, one.commit) for one in found.story.changed] == [("containers.web.image", "4f1c2ab")]


def test_the_newest_commit_is_not_blamed_for_an_earlier_release() -> None:
    """The specs have moved on since the failed version: the fields are still named, without commit and position."""
    newer = replace(JOB, subject=replace(answers.SUBJECT, release=replace(answers.RELEASE, id="c")))
    found = FailureReporter(commit="4f1c2ab").write(
        AwsClient(Refusing(), clock=ManualClock()), newer, seen(BLUE, GREEN, wanted="c"), STEP
    )
    assert [(one.path, one.commit) for one in found.story.changed] == [("containers.web.image", "")]


@pytest.mark.parametrize(
    ("refused", "what"),
    [("DescribeServices", "service events"), ("DescribeTaskDefinition", "changed fields")],
)
def test_it_says_what_it_could_not_read(refused: str, what: str) -> None:
    """The rest of the evidence is there all the same."""
    found = written(refused)
    assert what in [one.what for one in found.unread]
    assert bool(found.story.changed) is (refused != "DescribeTaskDefinition")
    assert found.story.happened == "tasks failed"


def test_a_version_in_quarantine_is_not_told_of_with_another_ones_ending() -> None:
    """The last rollout that ended was of another release: how that ended says nothing of this one."""
    other = replace(ENDED, release="c", outcome=Outcome.ROLLED_BACK, why="c was slow")
    facts = seen(BLUE, GREEN, marks=StoredState(quarantine=("b",), ended=other))
    aws = AwsClient(Refusing(), clock=ManualClock())
    found = FailureReporter().write(aws, JOB, facts, RolloutStep(Phase.FAILED, because="b is in quarantine"))
    assert (found.story.release, found.story.happened) == ("b", "b is in quarantine")


def test_a_lost_read_of_one_thing_hides_no_other() -> None:
    """Each is tried, whatever became of the one before."""
    found = written("DescribeServices", "DescribeTaskDefinition", "ListTasks")
    assert {"service events", "changed fields"} <= {one.what for one in found.unread}


class OfTwoVersions(Refusing):
    """Tasks of the version that failed and of an earlier one have stopped, each for a reason of its own."""

    def perform(self, call: Call) -> dict[str, Any]:
        match call.operation:
            case "ListTasks" if call.params["desiredStatus"] == "STOPPED":
                return {"taskArns": ["arn:aws:ecs:::task/c/earlier", "arn:aws:ecs:::task/c/newer"]}
            case "DescribeTasks":
                return {
                    "tasks": [
                        self._task("earlier", "arn:earlier"),
                        self._task("newer", answers.RELEASE.task_definition),
                    ]
                }
        return super().perform(call)

    def _task(self, name: str, definition: str) -> dict[str, Any]:
        return {"taskArn": f"arn:aws:ecs:::task/c/{name}", "lastStatus": "STOPPED", "taskDefinitionArn": definition,
                "stoppedReason": f"CannotPullContainerError: {name}"}  # fmt: skip


def test_tasks_of_an_earlier_version_do_not_explain_what_has_gone_already() -> None:
    """ECS has rolled back by itself, and its deployment is gone: the tasks of the version's revision are meant."""
    aws = AwsClient(OfTwoVersions(), clock=ManualClock())
    found = FailureReporter().write(aws, JOB, seen(BLUE), STEP)
    assert [fold.ids for fold in found.tasks] == [("newer",)]
