"""S13: `validate` calls nobody, `diff` writes nothing, and nothing is defined twice."""

from __future__ import annotations

import json
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from moto import mock_aws

from reconciler.aws.retry import is_read
from reconciler.clock import ManualClock
from reconciler.spec.rules import catalogue
from tests.harness import fake_types
from tests.harness.account_snapshot import census
from tests.harness.cli import recorded, run
from tests.harness.forked_runs import EVERY_TYPE, SEED, Account, serial, stack
from tests.harness.forked_runs import run as live
from tests.promises.conftest import Record, sample_or_all
from tests.spec import folder

FORMATS = ("text", "json", "markdown", "github")


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects to anything fails."""

    def connect(*_: object) -> NoReturn:
        raise AssertionError("something was called")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)


def _examples(place: Path) -> list[Path]:
    """Every folder of specs that there is: ours, and what `explain` shows, right and wrong."""
    found = [Path(shutil.copytree(SEED, place / "seed")), Path(shutil.copytree(EVERY_TYPE, place / "every"))]
    for rule in catalogue().values():
        for which, text in (("good", rule.good), ("bad", rule.bad)):
            if text:
                one = place / f"{rule.id}-{which}"
                one.mkdir()
                (one / "base.yaml").write_text(folder.BASE, encoding="utf-8")
                (one / "more.yaml").write_text(f"{text}\n", encoding="utf-8")
                found.append(one)
    return found


@pytest.mark.parametrize("every", sample_or_all(30, 1))
def test_validate_calls_nobody(unplugged: None, record: Record, tmp_path: Path, every: int) -> None:
    """Over every example that there is, right or wrong, in every format: no call, and no connection."""
    examples = _examples(tmp_path)[::every]
    formats = (*FORMATS, "sarif", "junit")
    with recorded() as calls:
        for number, one in enumerate(examples):
            ran = run("validate", one, "-o", formats[number % len(formats)])
            assert ran.code in (0, 1), ran.err
    record("S13", "validate over every example", worlds=len(examples), violations=len(calls), calls=len(calls))
    assert calls == []


@pytest.mark.parametrize(
    ("specs", "formats"),
    [
        pytest.param(SEED, 1, id="sample"),
        pytest.param(SEED, 4, id="seed", marks=pytest.mark.slow),
        pytest.param(EVERY_TYPE, 4, id="every type", marks=pytest.mark.slow),
    ],
)
def test_diff_writes_nothing(record: Record, specs: Path, formats: int, account: Account) -> None:
    """Over an empty account, a full one and a damaged one, in every format: reads, and the account as it was."""
    written, worlds = 0, 0
    for state in (None, *_states(account, specs)):
        if state is not None:
            state()
        for form in FORMATS[:formats]:
            before = census()
            with recorded() as calls:
                ran = run("diff", specs, "-o", form, "-vv")
            assert ran.code in (0, 2), ran.err
            assert calls
            written += sum(not is_read(call) for call in calls) + (census() != before)
            worlds += 1
    record("S13", f"diff of {_name(specs)}: empty, full, damaged × formats", worlds=worlds, violations=written)
    assert written == 0


def _name(specs: Path) -> str:
    return "the seed stack" if specs == SEED else "every type"


def _states(account: Account, specs: Path) -> tuple[Callable[[], object], ...]:
    def damaged() -> None:
        for group in account.by_hand("logs").describe_log_groups()["logGroups"]:
            account.by_hand("logs").delete_log_group(logGroupName=group["logGroupName"])

    return lambda: live(account, stack(specs)), damaged


@pytest.mark.parametrize("worlds", sample_or_all(60, 10_000))
def test_a_second_pass_writes_nothing(record: Record, worlds: int) -> None:
    """Any specs, whatever was there before: the process that comes after finds nothing to do."""
    again = []
    with serial():
        for seed in range(worlds):
            dice = random.Random(seed)
            account, clock = fake_types.Shared(), ManualClock()
            fake_types.run(account, fake_types.wishing(*fake_types.random_wish(dice)), clock=clock)
            wanted = fake_types.random_wish(dice)
            fake_types.run(account, fake_types.wishing(*wanted), clock=clock)
            before = json.dumps(account.things, sort_keys=True)
            calls = len(account.calls)
            fake_types.run(account, fake_types.wishing(*wanted), clock=clock)
            wrote = [call for call in account.calls[calls:] if not call.operation.startswith(("List", "Get"))]
            if wrote or json.dumps(account.things, sort_keys=True) != before:
                again.append(f"seed {seed}: {wrote}")
    record("S13", "generated specs: the second pass", worlds=worlds, violations=len(again))
    assert not again, "\n".join(again[:10])


@pytest.mark.parametrize("specs", [pytest.param(SEED, id="seed"), pytest.param(EVERY_TYPE, id="every type")])
def test_a_second_pass_over_moto_writes_nothing(record: Record, specs: Path) -> None:
    """The whole stack, of every type: made once, and then left alone."""
    with serial(), mock_aws():
        account = Account()
        live(account, stack(specs))
        before, executed = census(account.ledger.perform), account.ledger.executed.copy()
        live(account, stack(specs))
        wrote = account.ledger.executed - executed
        same = census(account.ledger.perform) == before
    record("S13", f"{_name(specs)}: the second pass over moto", worlds=1, violations=sum(wrote.values()) + (not same))
    assert not wrote
    assert same
