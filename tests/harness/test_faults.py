"""FaultProxy fails calls as AWS does, as often as it is told, and the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Call
from tests.harness.faults import Failing, Fault, FaultProxy, fault


class World:
    def __init__(self) -> None:
        self.executed = 0

    def perform(self, call: Call) -> dict[str, Any]:
        self.executed += 1
        return {"Vpcs": []}


CALL = Call("ec2", "CreateVpc")

MEANS: dict[Fault, tuple[type[errors.AwsError], int]] = {
    Fault.THROTTLED: (errors.Throttled, 0),
    Fault.SERVER_ERROR: (errors.Ambiguous, 1),
    Fault.RESET: (errors.Ambiguous, 0),
    Fault.LOST: (errors.Ambiguous, 1),
    Fault.TIMEOUT: (errors.Ambiguous, 1),
    Fault.UNREACHABLE: (errors.Throttled, 0),
    Fault.GARBLED: (errors.Ambiguous, 1),
    Fault.DENIED: (errors.Denied, 0),
    Fault.EXPIRED: (errors.Denied, 0),
    Fault.QUOTA: (errors.Quota, 0),
}


@pytest.mark.parametrize("kind", [kind for kind in Fault if kind is not Fault.EMPTY])
def test_each_fault_is_of_its_class_and_executed_or_not(kind: Fault) -> None:
    """What may have been executed is never said not to have been."""
    world = World()
    expected, executed = MEANS[kind]
    with pytest.raises(expected):
        fault(kind, world, CALL)
    assert world.executed == executed


def test_an_empty_answer_says_nothing() -> None:
    """It is an answer, and no error: what reads it has to notice."""
    assert "Vpcs" not in fault(Fault.EMPTY, World(), CALL)


def _fates(seed: int) -> list[str]:
    proxy, fates = FaultProxy(World(), seed=seed, rates={Fault.THROTTLED: 0.3, Fault.LOST: 0.2}), []
    for _ in range(400):
        try:
            proxy.perform(CALL)
            fates.append("fine")
        except errors.AwsError as error:
            fates.append(type(error).__name__)
    assert sum(proxy.injected.values()) == 400 - fates.count("fine")
    return fates


def test_a_seed_says_what_fails() -> None:
    """The same seed fails the same calls; the rates are about what they say."""
    one = _fates(7)
    assert one == _fates(7)
    assert one != _fates(8)
    assert 80 < one.count("Throttled") < 160
    assert 50 < one.count("Ambiguous") < 110


def test_only_chosen_calls_fail() -> None:
    """All others are answered."""
    failing = Failing(World(), Fault.DENIED, lambda call: call.operation == "CreateVpc")
    assert failing.perform(Call("ec2", "DescribeVpcs")) == {"Vpcs": []}
    with pytest.raises(errors.Denied):
        failing.perform(CALL)
    assert failing.met == 1
