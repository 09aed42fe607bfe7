"""Images that have not been pushed: everything else is made, and nothing is started from them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import Ending, Observer
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase
from tests.cli.cli_runner import onstage
from tests.controller.commands import apply
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import PUBLIC, PUSHED

URI = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/{SERVICE}:v1"
ROLLING = {
    "deployment: careful": "",
    "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]",
    "run: once": 'run: {schedule: "rate(1 hour)"}',
    PUBLIC: PUSHED,
}
STARTS = ("CreateService", "UpdateService", "CreateTaskSet", "RunTask", "CreateSchedule", "UpdateSchedule")

pytestmark = pytest.mark.apart


def started(stage: EmulatedStack) -> dict[str, int]:
    return {name: stage.transport.sent[name] for name in STARTS if stage.transport.sent[name]}


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    """A rolling service and a scheduled task, of an image of the stack."""
    with emulated_stack(ROLLING, SHORT) as found:
        yield found


class Pushing(Observer):
    """Somebody who pushes the image while an apply waits for it."""

    def __init__(self, stage: EmulatedStack, after: float) -> None:
        self.stage, self.at, self.pushed = stage, stage.laptop.clock.monotonic() + after, False

    def on_wait(self, last: PassResult | None, seconds: float) -> None:
        if not self.pushed and self.stage.laptop.clock.monotonic() >= self.at:
            self.stage.push("v1")
            self.pushed = True
            assert not started(self.stage)


def test_the_first_apply_makes_the_rest_and_one_that_waits_waits_for_the_push(stage: EmulatedStack) -> None:
    """Exit 0, with the image to push. With --wait the service is created once it is there, and waited for."""
    with onstage(stage) as type_:
        ran = type_("apply", "-y")
    assert ran.code == Exit.DONE, ran.err
    assert f"Push the image {URI}; " in ran.err
    assert started(stage) == {}
    assert stage.transport.sent["CreateRepository"] == stage.transport.sent["CreateLoadBalancer"] == 1

    somebody = Pushing(stage, after=60)
    done = apply(stage, wait=True, observer=somebody)
    assert (somebody.pushed, done.ending, done.left) == (True, Ending.REACHED, [])
    assert started(stage) == {"CreateService": 1, "CreateSchedule": 1}
    (result,) = done.results
    assert result.step is not None
    assert (result.step.phase, stage.service()["runningCount"]) == (Phase.IDLE, 1)


@pytest.mark.slow
def test_an_image_that_is_deleted_later_is_not_rolled_out(stage: EmulatedStack) -> None:
    """The running version and the schedule keep theirs, and the new release waits until it is pushed again."""
    stage.infrastructure()
    stage.push("v1")
    apply(stage, wait=True)
    before = stage.service()["taskDefinition"]
    stage.laptop.client("ecr").batch_delete_image(
        repositoryName=SERVICE, imageIds=[{"imageDigest": stage.digest("v1")}]
    )
    stage.transport.sent.clear()
    stage.change({"GREETING: Hello World": "GREETING: Hello"})
    apply(stage)
    assert (started(stage), stage.service()["taskDefinition"]) == ({}, before)
    stage.push("v1", content="v1 again")
    apply(stage, wait=True)
    assert started(stage) == {"UpdateService": 1, "UpdateSchedule": 1}
