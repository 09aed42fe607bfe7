"""The census sees everything, and compares what is the same as the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.harness.account_snapshot import alike, census, count, difference, told
from tests.harness.forked_runs import Account


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


def _vpc(account: Account, **tags: str) -> Any:
    marked = [{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    return account.by_hand("ec2").create_vpc(CidrBlock="10.7.0.0/16", TagSpecifications=marked)["Vpc"]["VpcId"]


def test_what_nobody_named_is_counted(account: Account) -> None:
    """It lists: a thing without a name or a tag of ours is in it."""
    before = census(account.ledger.perform)
    account.by_hand("ec2").create_internet_gateway()
    account.by_hand("logs").create_log_group(logGroupName="whoever")
    after = census(account.ledger.perform)
    assert count(after) - count(before) == {"internet-gateway": 1, "log-group": 1}
    assert set(difference(before, after)) == {"internet-gateway", "log-group"}


def test_made_again_is_another_thing_but_alike(account: Account) -> None:
    """Ids count in the census and not in `alike`, which is for two accounts."""
    tags = {"reconciler:stack": "s", "reconciler:address": "vpc/v"}
    first = _vpc(account, **tags)
    before = census(account.ledger.perform)
    account.by_hand("ec2").delete_vpc(VpcId=first)
    _vpc(account, **tags)
    after = census(account.ledger.perform)
    assert "vpc" in difference(before, after)
    assert alike(before)["vpc"] == alike(after)["vpc"]


def test_alike_still_tells_apart_what_is_not_the_same(account: Account) -> None:
    """Another tag, another number of things, another setting: each shows."""
    before = alike(census(account.ledger.perform))
    vpc = _vpc(account, team="a")
    one = alike(census(account.ledger.perform))
    assert any("vpc:" in text for text in told(before, one))
    account.by_hand("ec2").create_tags(Resources=[vpc], Tags=[{"Key": "team", "Value": "b"}])
    assert told(one, alike(census(account.ledger.perform)))


def test_a_census_of_nothing_new_is_equal(account: Account) -> None:
    """Looking changes nothing, and twice is once."""
    _vpc(account)
    assert census(account.ledger.perform) == census(account.ledger.perform)
    assert all(json.loads(text) for items in census(account.ledger.perform).values() for text in items)
