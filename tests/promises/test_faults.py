"""L2, S9: throttles and lost answers slow it down and change nothing; what has no token is sent once a decision."""

from __future__ import annotations

import statistics
from contextlib import suppress
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.retry import is_read
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.reconcile.pass_ import act, look
from tests.harness.account_snapshot import told
from tests.harness.crash import Crash
from tests.harness.faults import Fault, FaultProxy
from tests.harness.forked_runs import EVERY_TYPE, SEED, Account, Stack, apart, boto, run, stack, until_settled
from tests.harness.http_recorder import Decisions, Wire
from tests.promises.conftest import Record, mostly_slow, sample_or_all
from tests.promises.scenarios import Reference, reference

RUNS = 60
"""Processes until all is done: one that gets an empty answer plans nothing, and of fifty reads in a look one is empty
every other time."""

SETTINGS = {
    "30 % throttled": {Fault.THROTTLED: 0.3},
    "30 % lost answers": {Fault.LOST: 0.3},
    "all at once": {
        Fault.THROTTLED: 0.1,
        Fault.SERVER_ERROR: 0.1,
        Fault.RESET: 0.05,
        Fault.TIMEOUT: 0.05,
        Fault.GARBLED: 0.05,
        Fault.EMPTY: 0.02,
        Fault.UNREACHABLE: 0.03,
    },
}


def bad_day(
    account: Account, wanted: Stack, right: Reference, seed: int, rates: dict[Fault, float]
) -> tuple[list[str], int, float, int]:
    """What is wrong at the end of a bad day, passes, calls in proportion to a good day's, most sendings a decision."""
    proxy = FaultProxy(account, seed=seed, rates=rates)
    wire = Decisions(proxy)
    _, passes = until_settled(lambda: wire, wanted, runs=RUNS, clock=ManualClock())
    problems = told(dict(right.final), account.final())
    lasting = account.lasting()
    problems += [f"{name}: {count} too many" for name, count in (lasting - right.lasting).items()]
    problems += [f"{name}: {count} too few" for name, count in (right.lasting - lasting).items()]
    if wire.most > 1:
        problems.append(f"a creation without token was sent {wire.most} times in one decision")
    assert proxy.injected, "nothing went wrong: it proves nothing"
    return problems, passes, proxy.calls / right.calls, wire.most


@pytest.mark.parametrize("setting", mostly_slow(SETTINGS, "all at once"))
@pytest.mark.parametrize("seeds", sample_or_all(1, 50))
def test_a_bad_day_ends_as_a_good_one(account: Account, record: Record, setting: str, seeds: int) -> None:
    """Every seed comes right, with as many creations as when nothing goes wrong."""
    wanted = stack()
    right = reference(account, wanted)
    told_of = [
        apart(lambda number=seed: bad_day(account, wanted, right, number, SETTINGS[setting]))  # type: ignore[misc]
        for seed in range(seeds)
    ]
    problems = [f"seed {seed}: {text}" for seed, one in enumerate(told_of) for text in one[0]]
    passes, more = [one[1] for one in told_of], [one[2] for one in told_of]
    record(
        "L2",
        setting,
        worlds=seeds,
        violations=len(problems),
        seeds=f"0–{seeds - 1}",
        passes_p50=statistics.median(passes),
        passes_max=max(passes),
        call_amplification=round(statistics.mean(more), 2),
    )
    record("S9", f"{setting}: creations without token", worlds=seeds,
           most_a_decision=max(one[3] for one in told_of))  # fmt: skip
    assert not problems, "\n".join(problems)


class DiesOften:
    """A process that dies after so many writes that it gets executed."""

    def __init__(self, inner: Any, writes: int) -> None:
        self.inner, self.left = inner, writes

    def perform(self, call: Call) -> dict[str, Any]:
        if self.left == 0:
            raise Crash
        answer: dict[str, Any] = self.inner.perform(call)
        self.left -= not is_read(call)
        return answer


@pytest.mark.parametrize("writes", sample_or_all(12, 3))
def test_progress_is_made_although_the_process_dies_again_and_again(
    account: Account, record: Record, writes: int
) -> None:
    """Three writes a life are enough to come to the end, and to the same end."""
    wanted = stack()
    right = reference(account, wanted)
    lives, done = 0, False
    while not done and lives < 60:
        lives += 1
        with suppress(Crash):
            run(DiesOften(account, writes), wanted)
            done = True
    problems = told(dict(right.final), account.final())
    problems += [f"{name}: {count} too many" for name, count in (account.lasting() - right.lasting).items()]
    record("L2", f"killed after every {writes} writes", worlds=1, violations=len(problems), lives=lives)
    assert not problems, "\n".join(problems)
    assert done
    assert lives > 2


def sendings(account: Account, wanted: Stack, operation: str) -> int:
    """How often one pass sends `operation` over the wire when the answer to it is lost every time."""
    wire = Wire(boto(), loses=lambda name, _: name == operation)
    for service in ("ec2", "elbv2", "iam", "ecr", "logs", "ecs"):
        wire.watch(service)
    aws = AwsClient(account, clock=ManualClock())
    act(aws, wanted.kinds, wanted.desired_state, *look(aws, wanted.kinds, wanted.desired_state))
    return wire.sent[operation]


CREATES = {
    "CreateVpc": SEED,
    "CreateInternetGateway": SEED,
    "AllocateAddress": EVERY_TYPE,
    "CreateNatGateway": EVERY_TYPE,
    "CreateVpcEndpoint": EVERY_TYPE,
    "CreateLoadBalancer": SEED,
    "CreateCluster": SEED,
    "CreateRepository": SEED,
}
"""Of which each stack wants one."""


@pytest.mark.parametrize("operation", mostly_slow(CREATES, "CreateVpc", "CreateLoadBalancer"))
def test_a_creation_whose_answer_is_lost_leaves_once(account: Account, record: Record, operation: str) -> None:
    """Counted as HTTP requests below botocore, whose own retries would send it again."""
    sent = apart(lambda: sendings(account, stack(CREATES[operation]), operation))
    record("S9", f"wire: {operation}", worlds=1, most_a_decision=sent)
    assert sent == 1


def test_what_the_counter_counts(account: Account) -> None:
    """The wire counter sees a creation that is sent again after its answer was lost."""
    wire = Decisions(FaultProxy(account, seed=1, rates={Fault.LOST: 1.0}))
    call = Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"})
    for _ in range(2):
        with pytest.raises(errors.Ambiguous):
            wire.perform(call)
    assert wire.most == 2
