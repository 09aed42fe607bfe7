"""S2, S14, S1: killed at any call, or robbed of any answer, and then started anew: the same as if nothing had been."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

import pytest

from reconciler.model.resource import Call
from tests.harness.account_snapshot import told
from tests.harness.crash import Crash, CrashGate, Everywhere, How, Point, every_point
from tests.harness.decoys import Decoys
from tests.harness.forked_runs import Account, run
from tests.promises.conftest import Record, sample_or_all
from tests.promises.scenarios import Scenario, reference, scenario, violations

SEED = 20261123
NAMES = ["apply", "update", "destroy"]


def points(calls: int, number: int | None, seed: int = SEED) -> list[Point]:
    every = list(every_point(calls))
    return every if number is None else sorted(random.Random(seed).sample(every, number))


def crashed(account: Account, what: Scenario, number: int | None, *, twice: bool = False) -> tuple[int, list[str]]:
    """Run `what` and crash it at `number` of its points, each in a world of its own: how many worlds there were, and
    what was wrong in which of them."""
    decoys = Decoys(account)
    what.before(account)
    right, before = reference(account, what.wanted), account.lasting()
    chosen = points(right.calls, number, SEED + twice)

    def aftermath(point: Point, at: Call) -> list[str]:
        if not twice:
            return violations(account, what.wanted, right, before, decoys)
        dice = random.Random(f"{SEED} {point}")
        second = Point(dice.randrange(right.calls), dice.choice(list(How)))
        with suppress(Crash):
            run(CrashGate(account, second), what.wanted)
        return [f"{text} (then {second})" for text in violations(account, what.wanted, right, before, decoys)]

    gate = Everywhere(account, chosen, aftermath)
    said = gate.over(lambda transport: run(transport, what.wanted))
    assert len(said) == len(chosen), "the run has fewer calls than its reference"
    return len(said), [f"{what.name}, {point} ({call}): {text}" for point, call, found in said for text in found]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", sample_or_all(3, None))
def test_a_run_crashed_at_a_call_ends_as_if_it_had_not_been(
    account: Account, record: Record, name: str, number: int | None
) -> None:
    """Same census, same number of creations and deletions, decoys as they were: at every call, before it, with its
    answer lost, and after it."""
    worlds, found = crashed(account, scenario(name), number)
    record("S2", f"{name}, crashed once", worlds=worlds, violations=len(found), seeds=SEED)
    if name == "destroy":
        record("S14", "destroy, crashed once", worlds=worlds, violations=len(found), seeds=SEED)
    assert not found, f"seed {SEED}:\n" + "\n".join(found)


def test_a_destroy_leaves_nothing_of_ours_and_everything_of_others(account: Account, record: Record) -> None:
    """What every interrupted destroy is held against: the account as it was before the stack was made."""
    decoys, before = Decoys(account), account.final()
    what = scenario("destroy")
    what.before(account)
    run(account, what.wanted)
    problems = told(before, account.final()) + decoys.changes()
    record("S14", "destroy of the seed stack among decoys", worlds=1, violations=len(problems))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("name", "number"),
    [pytest.param("apply", 3, id="sample")]
    + [pytest.param(name, 110, id=f"all-{name}", marks=pytest.mark.slow) for name in NAMES],
)
def test_a_run_crashed_twice_ends_as_if_it_had_not_been(
    account: Account, record: Record, name: str, number: int
) -> None:
    """The process that comes after the crash is crashed too, at a call of its own, and the third one ends it."""
    worlds, found = crashed(account, scenario(name), number, twice=True)
    record("S2", f"{name}, crashed twice", worlds=worlds, violations=len(found), seeds=SEED)
    assert not found, f"seed {SEED}:\n" + "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apply every type", "destroy every type"])
def test_every_type_survives_a_crash(account: Account, record: Record, name: str) -> None:
    """The same over a stack with one of every type in it."""
    worlds, found = crashed(account, scenario(name), None)
    record("S2", f"{name}, crashed once", worlds=worlds, violations=len(found), seeds=SEED)
    assert not found, f"seed {SEED}:\n" + "\n".join(found)


def test_points_are_of_all_three_sorts() -> None:
    """Before, lost and after, at each call."""
    assert Counter(point.how for point in every_point(5)) == {How.BEFORE: 5, How.LOST: 5, How.AFTER: 5}
