"""What the transport of an emulated stack answers from memory is what AWS would answer at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.faults import Fault
from reconciler.model.resource import Call
from tests.harness.emulated_stack import SHORT, EmulatedStack, InProcess, emulated_stack

LISTING = Call("ecs", "ListClusters")


class Doubting(InProcess):
    """Asks the emulator as well, whatever is answered, and compares."""

    compared: int = 0

    def perform(self, call: Call) -> dict[str, Any]:
        before = len(self.laptop.aws.calls)
        answer = super().perform(call)
        if len(self.laptop.aws.calls) == before:
            self.compared += 1
            fresh = InProcess(self.laptop).perform(call)
            assert _said(answer) == _said(fresh), f"{call} {call.params}"
        return answer


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack(terms=SHORT) as found:
        found.transport = Doubting(found.laptop)
        found.restart()
        yield found


def test_nothing_is_answered_that_has_changed(stage: EmulatedStack) -> None:
    """From an empty account through a rollout to rest, every answer from memory is the one of now."""
    stage.serving()
    stage.spec(v1="v2")
    assert not stage.apply(has_ended).went_wrong
    stage.laptop.advance(7200)
    stage.infrastructure()
    stage.follow()
    assert isinstance(stage.transport, Doubting)
    assert stage.transport.compared > 100


def test_what_is_asked_again_is_not_sent_until_something_happens(stage: EmulatedStack) -> None:
    transport = InProcess(stage.laptop)
    calls = stage.laptop.aws.calls

    def sent() -> bool:
        before = len(calls)
        transport.perform(LISTING)
        return len(calls) > before

    assert [sent(), sent()] == [True, False]
    stage.laptop.client("ecs").create_cluster(clusterName="other")
    assert [sent(), sent()] == [True, False]
    stage.laptop.aws.faults.add(Fault(kind="error", operation="DescribeServices"))
    assert [sent(), sent()] == [True, True]
