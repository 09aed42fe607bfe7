"""S1, S10, L1, L2 in breadth: the toy world, with everything that can go wrong going wrong at once."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.reconcile.expectations import Expectations
from tests.harness import fake_types
from tests.harness.crash import Crash, CrashGate, How, Point
from tests.harness.faults import Fault, FaultProxy
from tests.harness.forked_runs import serial
from tests.harness.stale import StaleView
from tests.promises.conftest import Record, sample_or_all

AFTERWARDS = 4
"""Processes, once nothing goes wrong any more, until one finds nothing to do: found and collapsed within two passes."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one world."""

    problems: list[str]
    doubled: int = 0
    passes: int = 0
    afterwards: int = 0


def world(seed: int) -> Told:
    """Processes that crash, over an account that lies, until both stop; then it has to come right."""
    dice = random.Random(seed)
    account, clock = fake_types.Shared(), ManualClock()
    for number in range(dice.randint(0, 3)):
        account.put("shelf", f"s{number}", stack=dice.choice((None, "others")), height=9)
    others = account.others()
    taken = {item["name"] for item in account.things.values()}
    earlier = tuple(each for each in fake_types.random_wish(dice) if not taken & _names(each))
    fake_types.run(account, fake_types.wishing(*earlier), clock=clock)
    wanted = tuple(each for each in fake_types.random_wish(dice) if not taken & _names(each))
    rates = {dice.choice(FAULTS): dice.choice((0.0, 0.1, 0.3)), Fault.THROTTLED: dice.choice((0.0, 0.2))}
    passes = 0
    with StaleView(account, lag=dice.randint(0, 3), seed=seed, copy=fake_types.Then) as view:
        proxy = FaultProxy(view, seed=seed, rates=rates)
        for _ in range(dice.randint(1, 4)):
            gate = CrashGate(proxy, Point(dice.randint(0, 40), dice.choice(list(How))))
            try:
                passes += len(fake_types.run(gate, fake_types.wishing(*wanted), clock=clock).passes)
            except (Crash, errors.AwsError, errors.Refused):
                passes += 1
    doubled = sum(count - 1 for count in Counter((kind, name) for kind, name, _ in account.ours()).values())
    problems, afterwards, resting = [], 0, False
    while not resting and afterwards < AFTERWARDS:
        afterwards += 1
        resting = not any(
            one.outcomes for one in fake_types.run(account, fake_types.wishing(*wanted), clock=clock).passes
        )
    if not resting:
        problems.append("it never came to rest")
    if account.ours() != fake_types.as_wanted(wanted):
        problems.append(f"{account.ours()} is there, and {fake_types.as_wanted(wanted)} is wanted")
    if account.others() != others:
        problems.append("somebody else's things were touched")
    return Told(problems, doubled, passes, afterwards)


FAULTS = (Fault.LOST, Fault.SERVER_ERROR, Fault.RESET, Fault.TIMEOUT, Fault.GARBLED, Fault.DENIED)


def _names(each: object) -> set[str]:
    spec, address = each.spec, each.address  # type: ignore[attr-defined]  # a Desired
    shelf = getattr(spec, "shelf", None)
    return {address.name, shelf.address.name if shelf is not None else address.name}


@pytest.mark.parametrize("worlds", sample_or_all(100, 20_000))
def test_whatever_goes_wrong_it_comes_right_and_touches_nothing_else(record: Record, worlds: int) -> None:
    """Crashes, lost answers, stale reads, throttles and refusals, all at once: in the end what is wanted, once each."""
    with serial():
        told = {seed: world(seed) for seed in range(worlds)}
    wrong = [f"seed {seed}: {text}" for seed, one in told.items() for text in one.problems]
    record(
        "S10",
        "toy worlds: crashes, stale reads, lost answers and refusals together",
        worlds=worlds,
        violations=len(wrong),
        seeds=f"0–{worlds - 1}",
        worlds_with_a_double_on_the_way=sum(one.doubled > 0 for one in told.values()),
        most_runs_afterwards=max(one.afterwards for one in told.values()),
    )
    assert not wrong, "\n".join(wrong[:10])


def one_process(seed: int) -> list[str]:
    """A process that lives on, over an account that lags and loses answers: nothing may be made twice at all."""
    dice = random.Random(seed)
    account, clock = fake_types.Shared(), ManualClock()
    expectations = Expectations(clock)
    wanted = fake_types.random_wish(dice)
    with StaleView(account, lag=dice.randint(1, 3), seed=seed, copy=fake_types.Then, clock=clock) as view:
        proxy = FaultProxy(view, seed=seed, rates={Fault.LOST: dice.choice((0.0, 0.3)), Fault.THROTTLED: 0.1})
        for _ in range(5):
            try:
                fake_types.run(proxy, fake_types.wishing(*wanted), clock=clock, expectations=expectations)
            except (errors.AwsError, errors.Refused):
                continue
    return [f"seed {seed}: {name} was made {count} times" for name, count in account.made.items() if count > 1]


@pytest.mark.parametrize("worlds", sample_or_all(100, 20_000))
def test_a_process_that_lives_makes_nothing_twice(record: Record, worlds: int) -> None:
    """What it wrote itself it does not write again because a read is late or an answer was lost."""
    with serial():
        wrong = [text for seed in range(worlds) for text in one_process(seed)]
    record("S10", "toy worlds: one process, stale reads and lost answers", worlds=worlds, violations=len(wrong),
           seeds=f"0–{worlds - 1}")  # fmt: skip
    assert not wrong, "\n".join(wrong[:10])
