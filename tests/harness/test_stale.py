"""StaleView shows what was, as old as it is told to, and never for a write."""

from __future__ import annotations

from typing import Any

import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from tests.harness import fake_types
from tests.harness.forked_runs import Account
from tests.harness.stale import StaleView


def _names(transport: Any) -> list[str]:
    answer = transport.perform(Call("toy", "ListThings", {"kind": "shelf"}))
    return [item["name"] for item in answer["things"]]


def _make(transport: Any, name: str) -> None:
    transport.perform(Call("toy", "CreateThing", {"kind": "shelf", "name": name, "spec": {}, "tags": {}}))


def test_a_read_is_as_many_writes_old_as_it_is_told() -> None:
    """One write old lacks the last write; no copy is older than the lag."""
    with StaleView(fake_types.Shared(), lag=2, copy=fake_types.Then) as view:
        for name in "abc":
            _make(view, name)
        shown = {}
        for age in (0, 1, 2, 9):
            view.age = lambda _, __, age=age: age  # type: ignore[misc]
            shown[age] = _names(view)
    assert shown == {0: ["a", "b", "c"], 1: ["a", "b"], 2: ["a"], 9: ["a"]}
    assert view.stale == 3


def test_it_catches_up_with_time_and_when_told() -> None:
    """No copy lags for longer than AWS's would."""
    clock = ManualClock()
    with StaleView(
        fake_types.Shared(), lag=3, copy=fake_types.Then, clock=clock, seconds=45, age=lambda _, known: known
    ) as view:
        _make(view, "a")
        assert _names(view) == []
        clock.advance(46)
        assert _names(view) == ["a"]
        _make(view, "b")
        assert _names(view) == ["a"]
        view.settle()
        assert _names(view) == ["a", "b"]


def test_the_same_seed_shows_the_same() -> None:
    """What is stale is decided by the seed alone."""

    def shown(seed: int) -> list[list[str]]:
        with StaleView(fake_types.Shared(), lag=3, seed=seed, copy=fake_types.Then) as view:
            found = []
            for name in "abcdefgh":
                _make(view, name)
                found.append(_names(view))
            return found

    assert shown(3) == shown(3)
    assert len({str(shown(seed)) for seed in range(5)}) > 1


def test_a_copy_of_moto_is_a_process_that_ends() -> None:
    """The fork answers reads from the account as it was, errors included, and is gone afterwards."""
    with mock_aws():
        account = Account()
        with StaleView(account, lag=1, age=lambda _, known: known) as view:
            group = Call("logs", "CreateLogGroup", {"logGroupName": "g"})
            listing = Call("logs", "DescribeLogGroups", {})
            view.perform(group)
            assert view.perform(listing)["logGroups"] == []
            with pytest.raises(errors.Gone):
                view.perform(Call("ecr", "DescribeRepositories", {"repositoryNames": ["none"]}))
            assert len(account.ledger.perform(listing)["logGroups"]) == 1
        assert len(view.perform(listing)["logGroups"]) == 1
