"""A first apply in a real account: everything is a second old, and AWS refuses calls that name what was just made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import events
from reconciler.cli.output.exits import Exit
from reconciler.local.timings import Timings
from reconciler.model.resource import Call
from reconciler.reconcile.executor import Result
from tests.cli.cli_runner import onstage
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import SEED, SHORT, EmulatedStack, emulated_stack
from tests.harness.unpropagated import Unpropagated

FOREVER = float("inf")
SCHEDULED = {"run: once": 'run: {schedule: "cron(0 3 * * ? *)", time_zone: Asia/Tokyo}'}


def unpropagated(stage: EmulatedStack, **how: Any) -> Unpropagated:
    """The account from now on; the image is pushed as soon as its repository is there."""

    def pushed(call: Call) -> None:
        if call.operation == "CreateRepository":
            stage.push("v1")

    found = stage.transport = Unpropagated(stage.laptop, after=pushed, **how)
    stage.restart()
    return found


@pytest.fixture(params=["once", "scheduled"])
def stage(request: pytest.FixtureRequest) -> Iterator[EmulatedStack]:
    with emulated_stack(SCHEDULED if request.param == "scheduled" else None, terms=SHORT) as found:
        yield found


@pytest.mark.parametrize("by_operation", [False, True], ids=["since it was made", "since it was first named"])
def test_a_first_apply_succeeds_while_aws_does_not_know_what_was_made(
    stage: EmulatedStack, *, by_operation: bool
) -> None:
    """Ten seconds for each role and five for each network resource: exit code 0 the first time."""
    aws = unpropagated(stage, by_operation=by_operation)
    with onstage(stage) as typed:
        ran = typed("apply", "-y")
        assert ran.code == Exit.DONE, (ran.out, ran.err)
        assert aws.refused
        if by_operation:
            assert aws.refused.keys() >= {"CreateSubnet", "CreateLoadBalancer", "RegisterTaskDefinition"}
        assert typed("diff").code == Exit.DONE


def test_the_controllers_first_pass_waits_for_propagation_and_fails_nothing(
    stage: EmulatedStack, tmp_path: Path
) -> None:
    """`run` on an empty account: nothing fails, and the first version serves."""
    unpropagated(stage, by_operation=True)
    files = Files(Path(shutil.copytree(SEED, tmp_path / "specs")))
    for old, new in stage.texts.items():
        files.edit("tasks.yaml", old, new)
    running = Running(stage, files)
    running.go(300)
    failed = [one.because for each in running.passes for one in each.outcomes if one.result is Result.FAILED]
    assert failed == []
    assert running.said(events.PASS_FAILED) == []
    assert running.said(events.IN_PLACE)
    assert [status for status, _ in stage.sets()] == ["PRIMARY"]
    assert sum(stage.weights(80).values()) == 100


LASTING = {
    "a task definition": {"roles": FOREVER, "only": ["ecs"]},
    "a load balancer": {"ec2": FOREVER, "only": ["elbv2"]},
    "EC2 itself": {"ec2": FOREVER, "only": ["ec2"]},
    "IAM itself": {"roles": FOREVER, "only": ["iam"]},
}


@pytest.mark.parametrize("refuses", LASTING)
def test_a_refusal_that_does_not_pass_is_told_as_what_it_is(refuses: str) -> None:
    """After two minutes apply fails with AWS's own error and the time; the calls are few."""
    with emulated_stack(terms=SHORT) as stage, onstage(stage) as typed:
        aws = unpropagated(stage, **LASTING[refuses])
        began = stage.laptop.clock.monotonic()
        ran = typed("apply", "-y")
        assert ran.code == Exit.FAILED
        assert "(retried for 2m)" in ran.err
        assert 120 <= stage.laptop.clock.monotonic() - began < 300
        assert max(aws.refused.values()) <= 50


@pytest.mark.slow
def test_a_schedule_whose_role_is_refused_for_ever_fails_and_is_completed_by_the_next_apply() -> None:
    """The schedule group that was made on the way is the stack's own: the next apply puts the schedule into it."""
    with emulated_stack(SCHEDULED, terms=SHORT) as stage, onstage(stage) as typed:
        aws = unpropagated(stage, roles=FOREVER, only=["scheduler"])
        ran = typed("apply", "-y")
        assert ran.code == Exit.FAILED
        assert "must allow AWS EventBridge Scheduler to assume the role" in ran.err
        assert aws.refused["CreateSchedule"] <= 25
        aws.known_at = 0.0
        assert typed("apply", "-y").code == Exit.DONE
        assert typed("diff").code == Exit.DONE


def test_the_role_of_an_earlier_process_is_as_old_as_aws_says() -> None:
    """A process that has made no role itself waits for one that AWS says is two minutes old."""
    with emulated_stack(terms=SHORT) as stage, onstage(stage) as typed:
        aws = unpropagated(stage, roles=FOREVER, by_operation=True, only=["ecs"])
        assert typed("apply", "-y").code == Exit.FAILED
        before = aws.refused["RegisterTaskDefinition"]
        aws.known_at = stage.laptop.clock.monotonic() + 30
        assert typed("apply", "-y").code == Exit.DONE
        assert aws.refused["RegisterTaskDefinition"] > before


def test_a_role_that_has_long_been_there_is_refused_at_once() -> None:
    """Not to be allowed to pass a role that is a week old is a lack of permission, and is not waited for."""
    with emulated_stack(terms=SHORT) as stage, onstage(stage) as typed:
        aws = unpropagated(stage)
        assert typed("apply", "-y").code == Exit.DONE
        stage.laptop.advance(7 * 86_400)
        aws.roles = FOREVER
        stage.spec(v1="v2")
        stage.push("v2")
        began, before = stage.laptop.clock.monotonic(), aws.refused["RegisterTaskDefinition"]
        ran = typed("apply", "-y")
        assert (ran.code, aws.refused["RegisterTaskDefinition"] - before) == (Exit.FAILED, 1)
        assert stage.laptop.clock.monotonic() - began < 5


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(30, id="for a while"), pytest.param(FOREVER, id="for ever", marks=pytest.mark.slow)],
)
def test_tasks_that_could_not_start_with_a_new_role_are_started_again(seconds: float) -> None:
    """ECS accepts them, and its fleet cannot assume the role yet; for how long it is believed has an end."""
    with emulated_stack(terms=SHORT, timings=Timings(iam_propagation=min(seconds, 1e6))) as stage:
        unpropagated(stage, roles=0, ec2=0)
        with onstage(stage) as typed:
            ran = typed("apply", "-y", "--wait")
            assert ran.code == (Exit.ROLLED_BACK if seconds == FOREVER else Exit.DONE), (ran.out, ran.err)
        assert stage.laptop.clock.monotonic() < 900
        assert stage.transport.sent["RunTask"] < 100
