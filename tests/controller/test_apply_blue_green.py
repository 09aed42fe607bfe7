"""`apply` in process, of a service that shifts traffic: what it leaves for after a rollout, and what stops it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from reconciler import errors
from reconciler.aws.errors import translate
from reconciler.controller.goals import Applied, RequestHandled
from reconciler.controller.until import Ending
from reconciler.local.faults import Fault
from reconciler.local.scripted import Script
from reconciler.model.plan import RefusalCode, Verb
from reconciler.model.planner import Consent
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.reconcile.executor import Result
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from tests.controller.commands import apply, command
from tests.controller.test_apply import AT_ONCE, CHANGES, GROUP, changed, renamed_group, serve, still_used
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, SHORT, EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def blue_green(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedStack]:
    """A service that shifts traffic between two task sets, serving v1; no other task uses its network."""
    left_out = shutil.ignore_patterns("tasks.yaml", "environments")
    folder = shutil.copytree(SEED, tmp_path_factory.mktemp("blue_green") / "specs", ignore=left_out)
    with emulated_stack(terms=SHORT, folder=Path(folder)) as stage:
        yield serve(stage)


def suspend(stage: EmulatedStack, name: str = SERVICE) -> None:
    ecs = stage.laptop.client("ecs")
    (found,) = ecs.describe_services(cluster=CLUSTER, services=[name])["services"]
    ecs.tag_resource(resourceArn=found["serviceArn"], tags=[{"key": request_tags.SUSPEND, "value": "ana"}])


@pytest.mark.parametrize("change", CHANGES)
def test_blue_keeps_what_it_runs_on_while_green_is_tested(blue_green: EmulatedStack, change: str) -> None:
    """Its security group with its rules, its capacity provider, its subnet with the way out."""
    left = changed(blue_green, change)
    before = still_used(blue_green)
    done = apply(blue_green)
    (result,) = done.results
    assert result.step is not None
    assert result.step.phase is Phase.AWAITING_PROMOTION
    assert (done.ending, done.left) == (Ending.REACHED, left)
    assert still_used(blue_green) == before
    waited = apply(blue_green, wait=True)
    assert (waited.ending, waited.left) == (Ending.REACHED, [])
    assert still_used(blue_green) != before


def test_what_follows_a_long_rollout_has_its_own_time(blue_green: EmulatedStack) -> None:
    """A rollout may take longer than AWS gets for everything else."""
    renamed_group(blue_green)
    done = apply(blue_green, wait=True, patience=60.0)
    assert done.seconds > 120
    assert (done.ending, done.left) == (Ending.REACHED, [])


def test_that_the_plan_is_in_place_is_said_once(blue_green: EmulatedStack) -> None:
    """However often the account is looked at while the rollout goes on, and whatever is done after it."""
    said: list[str] = []
    renamed_group(blue_green)
    assert apply(blue_green, wait=True, settled=lambda: said.append("settled")).ending is Ending.REACHED
    assert said == ["settled"]


def test_a_rollout_that_fails_takes_nothing_away(blue_green: EmulatedStack) -> None:
    """The version before goes on with all it has; what was to go is listed, and the command ends."""
    blue_green.laptop.script(Script(image=f"*{blue_green.digest('v3')}*", exits_after=2.0, exit_code=1))
    blue_green.change({"tag: v1": "tag: v3", "my-app-task-sg": "web-tasks"})
    before = still_used(blue_green)
    done = apply(blue_green, wait=True)
    (result,) = done.results
    assert result.step is not None
    assert result.step.phase is Phase.FAILED
    assert (done.ending, done.left) == (Ending.REACHED, GROUP)
    assert still_used(blue_green) == before
    again = apply(blue_green, wait=True)
    assert (again.ending, again.left) == (Ending.REACHED, GROUP)
    assert again.seconds < AT_ONCE


def test_a_suspension_while_a_person_reads_the_plan_holds(blue_green: EmulatedStack) -> None:
    """A look that is minutes old is not acted on: the account is looked at again first."""

    def meanwhile() -> None:
        blue_green.laptop.advance(120)
        suspend(blue_green)
        blue_green.transport.sent.clear()

    blue_green.change({"tag: v1": "tag: v2"})
    with pytest.raises(errors.Refused) as refused:
        apply(blue_green, meanwhile=meanwhile)
    assert refused.value.code is RefusalCode.SUSPENDED
    assert blue_green.transport.sent["RegisterTaskDefinition"] == 0
    assert blue_green.transport.sent["CreateTaskSet"] == 0


def test_a_suspension_in_mid_rollout_stops_the_command_that_waits_for_it(blue_green: EmulatedStack) -> None:
    """It is noticed within a minute, and the rollout stays where it is."""
    blue_green.change({"tag: v1": "tag: v2"})
    apply(blue_green)
    suspend(blue_green)
    before = blue_green.weights(80)
    with pytest.raises(errors.Refused) as refused:
        apply(blue_green, wait=True)
    assert refused.value.code is RefusalCode.SUSPENDED
    assert blue_green.weights(80) == before


def test_a_suspension_after_it_has_begun_stops_a_command_that_waits(blue_green: EmulatedStack) -> None:
    """Though there is nothing else that it would have looked at the account for."""
    blue_green.change({"tag: v1": "tag: v2"})
    before = blue_green.weights(80)
    with pytest.raises(errors.Refused) as refused:
        apply(blue_green, wait=True, settled=lambda: suspend(blue_green))
    assert refused.value.code is RefusalCode.SUSPENDED
    assert blue_green.weights(80) == before


def test_a_request_on_a_stack_that_was_just_suspended_is_refused(blue_green: EmulatedStack) -> None:
    """It is not waited for until somebody lifts it."""
    suspend(blue_green)
    blue_green.follow()
    goal = RequestHandled(blue_green.last.rollout.address, "i1")
    with pytest.raises(errors.Refused) as refused:
        command(blue_green).run(goal)
    assert refused.value.code is RefusalCode.SUSPENDED


def test_a_request_is_handled_once_the_account_can_be_read_again(blue_green: EmulatedStack) -> None:
    """A listing that fails for a moment is asked for again."""
    blue_green.change({"tag: v1": "tag: v2"})
    apply(blue_green)
    blue_green.follow(lambda result: result.waits)
    blue_green.say(RequestVerb.PROMOTE)
    seen = blue_green.last
    request = blue_green.driver.look(seen.rollout)[0].marks.request
    assert request is not None
    running = command(blue_green)
    blue_green.laptop.aws.faults.add(Fault(kind="unreachable", operation="DescribeTargetGroups", count=8))
    goal = RequestHandled(seen.rollout.address, request.id)
    assert running.run(goal) is Ending.REACHED
    assert goal.answer is not None
    assert goal.answer.accepted


def test_a_request_on_what_is_not_there_any_more_ends(blue_green: EmulatedStack) -> None:
    """The service went away after the request was written."""
    blue_green.follow()
    address = blue_green.last.rollout.address
    ecs = blue_green.laptop.client("ecs")
    ecs.delete_service(cluster=CLUSTER, service=SERVICE, force=True)
    blue_green.laptop.advance(600)
    with pytest.raises(errors.ReconcilerError):
        command(blue_green).run(RequestHandled(address, "i1"))


def refused(call: Call, code: str, status: int) -> errors.AwsError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate(call, ClientError(response, call.operation))


LACKING: dict[str, Callable[[Call], errors.AwsError]] = {
    "unknown operation": lambda call: refused(call, "UnknownOperationException", 400),
    "invalid action": lambda call: refused(call, "InvalidAction", 400),
    "not found": lambda call: refused(call, "404", 404),
    "not implemented": lambda call: refused(call, "InternalFailure", 501),
    "unreachable": lambda call: translate(call, EndpointConnectionError(endpoint_url="http://localhost:1")),
}


@pytest.mark.parametrize("lack", LACKING)
def test_services_of_aws_that_the_stack_does_not_need_need_not_be_there(blue_green: EmulatedStack, lack: str) -> None:
    """An endpoint without autoscaling and schedules: nothing differs, and everything can be destroyed."""

    def lacking(call: Call) -> None:
        if call.service in {"application-autoscaling", "scheduler"}:
            raise LACKING[lack](call)

    blue_green.follow()
    blue_green.transport.before = lacking
    running = command(blue_green)
    assert running.look().plan.actions == ()
    active = running.revisions.active
    assert active is not None
    running.revisions.active = replace(
        active,
        desired_state=replace(active.desired_state, leaving=True, deliveries=(), consent=Consent(delete_images=True)),
    )
    plan = running.look().plan
    assert (plan.refusals, {one.verb for one in plan.actions}) == ((), {Verb.DELETE})
    assert running.run(Applied(patience=2700.0), agreed=plan) is Ending.REACHED


def test_exec_that_ecs_does_not_take_is_noted_and_nothing_fails(blue_green: EmulatedStack) -> None:
    """It is tried once, everything else is applied, and the command ends well; a later process tries it again."""
    asked = []

    def refusing(call: Call) -> None:
        if call.operation == "UpdateService" and "enableExecuteCommand" in call.params:
            asked.append(call.params)
            raise refused(call, "InvalidParameterException", 400)

    blue_green.follow()
    blue_green.transport.before = refusing
    blue_green.change({"desired_count: 1": "desired_count: 2\nexec: true"})
    for tries in (1, 2):
        done = apply(blue_green, wait=True)
        assert (done.ending, done.left) == (Ending.REACHED, [])
        assert [one for each in done.goal.passes for one in each.failed] == []
        outcomes = [one for each in done.goal.passes for one in each.outcomes]
        (noted,) = [one for one in outcomes if isinstance(one.error, errors.Declined)]
        assert (str(noted.step.address), noted.result) == (f"service/{SERVICE}", Result.DONE)
        assert len(asked) == tries
    (service,) = blue_green.laptop.client("ecs").describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    assert (service["enableExecuteCommand"], service["desiredCount"]) == (False, 2)


def test_destroy_in_mid_rollout(blue_green: EmulatedStack) -> None:
    """Everything goes, both versions with it, and they before their service."""
    sent: list[str] = []
    blue_green.change({"tag: v1": "tag: v2"})
    apply(blue_green)
    running = command(blue_green)
    active = running.revisions.active
    assert active is not None
    running.revisions.active = replace(
        active,
        desired_state=replace(active.desired_state, leaving=True, deliveries=(), consent=Consent(delete_images=True)),
    )
    plan = running.look().plan
    assert plan.refusals == ()
    assert {one.verb for one in plan.actions} == {Verb.DELETE}
    goal = Applied(patience=2700.0)
    blue_green.transport.before = lambda call: sent.append(call.operation)
    assert running.run(goal, agreed=plan) is Ending.REACHED
    assert running.look().plan.actions == ()
    about = [operation for operation in sent if operation in {"DeleteTaskSet", "DeleteService"}]
    assert about == ["DeleteTaskSet", "DeleteTaskSet", "DeleteService"]
