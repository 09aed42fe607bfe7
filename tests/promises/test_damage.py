"""L1: from any damage to what we own, back to what is wanted, and then not a write more."""

from __future__ import annotations

import json
import random
import re

import pytest

from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.reconcile.pass_ import look
from tests.harness.account_snapshot import told
from tests.harness.drift_injection import Damage, inflict, possible
from tests.harness.forked_runs import EVERY_TYPE, SEED, Account, Stack, apart, run, stack, until_settled
from tests.promises.conftest import Record, sample_or_all

PASSES = 8
"""Within how many passes everything has to be back; deleting a VPC with all that is in it is the longest way."""

DICE = 7


def final(account: Account) -> dict[str, list[str]]:
    """The account without what grows with every rebuilding: revisions, deployments, tasks that were run once more."""
    taken = account.final()
    services = [{**json.loads(text), "deployments": []} for text in taken["service"]]
    taken["service"] = [json.dumps(service, sort_keys=True) for service in services]
    return {
        kind: [re.sub(r"(task-definition/[\w-]+):\d+", r"\1:…", text) for text in items]
        for kind, items in taken.items()
        if kind not in {"task", "task-definition"}
    }


def repaired(account: Account, wanted: Stack, damages: list[Damage]) -> tuple[list[str], int, int]:
    """What is wrong after the repair, the passes it took, and how much damage AWS let happen."""
    right = final(account)
    done = inflict(account, wanted, damages)
    try:
        _, passes = until_settled(lambda: account, wanted, clock=ManualClock())
    except AssertionError as error:
        return [str(error)], 0, done
    problems = told(right, final(account))
    before = account.ledger.executed.copy()
    run(account, wanted)
    problems += (
        [f"still writing: {dict(account.ledger.executed - before)}"] if account.ledger.executed != before else []
    )
    _, plan = look(AwsClient(account, clock=ManualClock()), wanted.kinds, wanted.desired_state)
    left = [one for one in plan.actions if not one.changes or not all(change.event for change in one.changes)]
    problems += [f"still wants {action.verb} {action.address}" for action in left]  # moto ends tasks as they are read
    problems += [f"{passes} passes"] if passes > PASSES else []
    return problems, passes, done


def repairs(account: Account, wanted: Stack, sets: list[list[Damage]]) -> tuple[list[str], int, int]:
    problems, most, inflicted = [], 0, 0
    for damages in sets:
        found, passes, done = apart(lambda these=damages: repaired(account, wanted, these))  # type: ignore[misc]
        problems += [f"{', '.join(map(str, damages))}: {text}" for text in found]
        most, inflicted = max(most, passes), inflicted + (done > 0)
    return problems, most, inflicted


@pytest.mark.parametrize(
    ("folder", "number"),
    [
        pytest.param(SEED, 3, id="sample"),
        pytest.param(SEED, None, id="all of the seed stack", marks=pytest.mark.slow),
        pytest.param(EVERY_TYPE, None, id="all of every type", marks=pytest.mark.slow),
    ],
)
def test_every_single_damage_is_put_right(account: Account, record: Record, folder: object, number: int | None) -> None:
    """Each resource deleted, and each field that can be changed changed, one at a time."""
    wanted = stack(folder)  # type: ignore[arg-type]
    run(account, wanted)
    every = possible(account, wanted)
    chosen = every if number is None else random.Random(DICE).sample(every, number)
    problems, most, inflicted = repairs(account, wanted, [[damage] for damage in chosen])
    record(
        "L1",
        f"{wanted.desired_state.place.stack}: every resource deleted or changed, singly",
        worlds=len(chosen),
        inflicted=inflicted,
        violations=len(problems),
        passes_max=most,
        seeds=DICE,
    )
    assert inflicted
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("number", sample_or_all(1, 100))
def test_any_set_of_damages_is_put_right(account: Account, record: Record, number: int) -> None:
    """Two to six damages at once, at random."""
    wanted = stack()
    run(account, wanted)
    every = possible(account, wanted)
    dice = random.Random(DICE)
    sets = [dice.sample(every, dice.randint(2, 6)) for _ in range(number)]
    problems, most, inflicted = repairs(account, wanted, sets)
    record(
        "L1",
        "seed stack: random sets of two to six damages",
        worlds=number,
        inflicted=inflicted,
        violations=len(problems),
        passes_max=most,
        seeds=DICE,
    )
    assert not problems, f"seed {DICE}:\n" + "\n".join(problems)
