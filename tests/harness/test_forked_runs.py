"""Worlds: forks that keep to themselves, a ledger that misses nothing, an engine without threads."""

from __future__ import annotations

import threading

import pytest
from moto import mock_aws

from reconciler.model.resource import Call
from reconciler.reconcile import executor
from tests.harness.forked_runs import Account, apart, serial, stack, until_settled

GROUP = Call("logs", "CreateLogGroup", {"logGroupName": "g"})
GROUPS = Call("logs", "DescribeLogGroups", {})


def test_what_happens_apart_stays_there() -> None:
    """The result of a fork arrives, its doings do not, and its failure is one."""
    with mock_aws():
        account = Account()

        def work() -> int:
            account.perform(GROUP)
            return len(account.perform(GROUPS)["logGroups"])

        assert apart(work) == 1
        assert account.perform(GROUPS)["logGroups"] == []
        with pytest.raises(AssertionError, match="forked world"):
            apart(lambda: 1 // 0)


def test_the_ledger_counts_what_lasts() -> None:
    """Creations and deletions, whoever did them; setting something a second time is not one."""
    with mock_aws():
        account = Account()
        account.perform(GROUP)
        account.perform(Call("logs", "PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": 7}))
        account.by_hand("logs").delete_log_group(logGroupName="g")
        assert account.lasting() == {"logs.CreateLogGroup": 1, "logs.DeleteLogGroup": 1}


def test_what_is_remembered_is_forgotten_with_a_write() -> None:
    """The same question twice is asked of moto once, until something is written."""
    with mock_aws():
        account = Account()
        assert account.perform(GROUPS)["logGroups"] == []
        account.perform(GROUP)
        assert len(account.perform(GROUPS)["logGroups"]) == 1


def test_a_serial_engine_starts_no_thread_and_repeats_itself() -> None:
    """The same world makes the same calls in the same order, so that a call's number means something."""

    def calls() -> list[str]:
        with mock_aws():
            account, seen = Account(), []
            perform = account.perform

            class Seen:
                def perform(self, call: Call) -> dict[str, object]:
                    seen.append(f"{call} {sorted(call.params)}")
                    return perform(call)

            until_settled(Seen, stack())
            return seen

    with serial():
        before = threading.active_count()
        first = calls()
        assert threading.active_count() == before
        assert first == calls()
    assert executor.ThreadPoolExecutor.__name__ == "ThreadPoolExecutor"
