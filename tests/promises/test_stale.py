"""S10: a stale read never makes a second VPC, gateway or address stay."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.retry import has_token
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.reconcile.pass_ import look
from tests.harness.account_snapshot import told
from tests.harness.crash import Crash, CrashGate, How, Point
from tests.harness.driving import converge
from tests.harness.forked_runs import EVERY_TYPE, Account, Stack, apart, run, stack
from tests.harness.stale import StaleView
from tests.promises.conftest import Record
from tests.promises.scenarios import Noting, Reference, reference
from tests.toy import want

NETWORK = {"vpc", "internet-gateway", "subnet", "elastic-ip", "nat-gateway", "route-table", "vpc-endpoint"}
NETWORK |= {"security-group", "security-group-rules"}


DOUBLES = frozenset(name for kind in discover().values() if kind.may_duplicate for name in kind.creates)


def may_double(call: Call) -> bool:
    return call.operation in DOUBLES and not has_token(call)


def network() -> Stack:
    """Everything that AWS would make twice, and what it needs."""
    whole = stack(EVERY_TYPE)
    kept = tuple(each for each in whole.desired_state.desired if each.address.kind in NETWORK)
    return replace(whole, desired_state=replace(whole.desired_state, desired=kept))


def doubling(account: Account, wanted: Stack) -> list[tuple[int, str]]:
    """The calls of a run that AWS would execute twice: number and name."""

    def work() -> list[tuple[int, str]]:
        noting = Noting(account)
        run(noting, wanted)
        return [(number, call.operation) for number, call in enumerate(noting.calls) if may_double(call)]

    return apart(work)


def restarted(account: Account, wanted: Stack, right: Reference, at: int, lag: int) -> tuple[list[str], int, int]:
    """Die right after a creation, come back to an account that shows nothing of the last writes, then to one that does.

    What is wrong in the end, how many passes it took once the reads were right, and how many things had been doubled.
    """
    clock, problems = ManualClock(), []
    with StaleView(account, lag=lag, clock=clock) as view:
        view.age = lambda *_: 0
        with suppress(Crash):
            run(CrashGate(view, Point(at, How.AFTER)), wanted, clock=clock)
        view.age = lambda _, known: known
        with suppress(errors.Refused, errors.AwsError):
            report = run(view, wanted, clock=clock)
            problems += [f"{one.step} failed: {one.because}" for one in report.last.failed]
    doubled = sum(
        account.lasting()[name] - right.lasting[name]
        for name in account.lasting()
        if name.partition(".")[2] in DOUBLES and account.lasting()[name] > right.lasting[name]
    )
    passes = 0
    for _ in range(3):
        report = run(account, wanted, clock=clock)
        if not any(one.outcomes for one in report.passes):
            break
        passes += len(report.passes)
    return problems + told(dict(right.final), account.final()), passes, doubled


@pytest.mark.parametrize(
    ("operations", "lags"),
    [
        pytest.param({"CreateInternetGateway"}, (1,), id="sample"),
        pytest.param(DOUBLES, (1, 2, 3, 5), id="all", marks=pytest.mark.slow),
    ],
)
def test_what_was_made_twice_is_one_again_within_two_passes(
    account: Account, record: Record, operations: set[str], lags: tuple[int, ...]
) -> None:
    """After a crash and a stale read there may be two for a moment; the spare one goes, and nothing is left of both."""
    wanted = network()
    right = reference(account, wanted)
    problems, most, doubled, worlds = [], 0, 0, 0
    chosen = {operation: number for number, operation in reversed(doubling(account, wanted))}
    for operation, number in sorted((name, at) for name, at in chosen.items() if name in operations):
        for lag in lags:
            found, passes, twice = apart(lambda at=number, by=lag: restarted(account, wanted, right, at, by))  # type: ignore[misc]
            worlds, most, doubled = worlds + 1, max(most, passes), doubled + twice
            problems += [f"{operation}, lag {lag}: {text}" for text in found]
            problems += [f"{operation}, lag {lag}: {passes} passes"] if passes > 2 else []
    record(
        "S10",
        "moto: killed after each creation that AWS would double, then stale reads",
        worlds=worlds,
        violations=len(problems),
        doubled_on_the_way=doubled,
        most_passes_to_one=most,
    )
    assert doubled, "the harness made no double: it proves nothing"
    assert not problems, "\n".join(problems)


def looked_again(account: Account, wanted: Stack, at: int) -> Counter[str]:
    """Die right after a creation, come back, and look at an account that does not show it; then it does. What was
    made, deleted or made again in all."""
    clock = ManualClock()
    with StaleView(account, lag=1, clock=clock) as view:
        view.age = lambda *_: 0
        with suppress(Crash):
            run(CrashGate(view, Point(at, How.AFTER)), wanted, clock=clock)
        aws = AwsClient(view, clock=clock)
        view.age = lambda _, known: known
        first = look(aws, wanted.kinds, wanted.desired_state)
        view.age = lambda *_: 0
        converge(aws, wanted.kinds, wanted.desired_state, first, patience_seconds=1800.0, stop=threading.Event())
    return account.lasting()


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param(frozenset({"CreateInternetGateway"}), id="sample"),
        pytest.param(DOUBLES, id="all", marks=pytest.mark.slow),
    ],
)
def test_what_would_double_is_looked_for_right_before_it_is_made(
    account: Account, record: Record, operations: frozenset[str]
) -> None:
    """A plan from a stale look does not make a second one: right before making it, it is looked for once more."""
    wanted = network()
    right = reference(account, wanted)
    chosen = {operation: number for number, operation in reversed(doubling(account, wanted)) if operation in operations}
    problems = [
        f"{operation}: {name} {count} times too often"
        for operation, number in sorted(chosen.items())
        for name, count in (apart(lambda at=number: looked_again(account, wanted, at)) - right.lasting).items()  # type: ignore[misc]
    ]
    record("S10", "moto: killed after a creation, a stale look, then fresh reads", worlds=len(chosen),
           violations=len(problems))  # fmt: skip
    assert not problems, "\n".join(problems)


def test_the_same_wish_has_the_same_token_whoever_asks() -> None:
    """What a process asks for again, not knowing that an earlier one did, AWS knows by its token; another wish has
    another."""
    one, again = (want("box", "b", shelf="s", size=1) for _ in range(2))
    assert one.token() == again.token()
    assert len({one.token(), one.token("salt"), want("box", "b", shelf="s", size=2).token()}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("lag", [1, 3])
def test_a_process_that_lives_doubles_nothing_under_stale_reads(account: Account, record: Record, lag: int) -> None:
    """One process over moto whose reads lag by several writes: as many creations as without."""
    wanted = stack(EVERY_TYPE)
    right = reference(account, wanted)

    def world(seed: int) -> list[str]:
        clock = ManualClock()
        with StaleView(account, lag=lag, seed=seed, clock=clock) as view:
            report = run(view, wanted, clock=clock)
            assert view.stale
        problems = [f"{one.step} failed: {one.because}" for one in report.last.failed]
        problems += [f"{name}: {n} too many" for name, n in (account.lasting() - right.lasting).items()]
        return problems + told(dict(right.final), account.final())

    seeds = range(10)
    problems = [
        f"seed {seed}: {text}"
        for seed in seeds
        for text in apart(lambda number=seed: world(number))  # type: ignore[misc]
    ]
    record("S10", f"moto: one process, reads up to {lag} writes old", worlds=len(seeds), violations=len(problems))
    assert not problems, "\n".join(problems)
