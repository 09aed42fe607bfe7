"""Damage is really done, and everything that can be damaged is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from reconciler.model.resource import Address
from tests.harness.account_snapshot import census, difference
from tests.harness.drift_injection import Damage, altered, inflict, possible
from tests.harness.forked_runs import Account, Stack, run, serial, stack


@pytest.fixture
def made() -> Iterator[tuple[Account, Stack]]:
    with serial(), mock_aws():
        account, wanted = Account(), stack()
        run(account, wanted)
        yield account, wanted


def test_everything_that_is_owned_can_be_damaged(made: tuple[Account, Stack]) -> None:
    """Each resource of the stack is in the list of what can be deleted, and many fields in that of what can change."""
    account, wanted = made
    every = possible(account, wanted)
    owned = {want.address for want in wanted.desired_state.desired if not wanted.kinds[want.address.kind].lookup}
    assert {damage.address for damage in every if not damage.field} == owned
    assert len([damage for damage in every if damage.field]) > 10


def test_damage_shows_in_the_account(made: tuple[Account, Stack]) -> None:
    """A deletion takes what stands in its way along; a change changes; what is gone already is not damaged again."""
    account, wanted = made
    before = census(account.ledger.perform)
    cluster = Damage(Address("cluster", "my-app-cluster"))
    assert inflict(account, wanted, [cluster]) == 1
    went = difference(before, census(account.ledger.perform))
    assert {"cluster", "service"} <= set(went)
    assert inflict(account, wanted, [cluster]) == 0
    assert inflict(account, wanted, [Damage(Address("vpc", "my-workspace"), "dns_hostnames")]) == 1


@pytest.mark.parametrize(
    ("value", "declared", "other"),
    [
        (True, True, False),
        (3, 3, 4),
        ({"a": 1, "b": 2}, {"a": 1}, {"b": 2}),
        (("a", "b"), ("a",), ("b",)),
        ("text", "text", None),
        (3, None, None),
        ((), (), None),
    ],
)
def test_altered_is_another_value_of_the_same_sort(value: object, declared: object, other: object) -> None:
    """Or nothing, where there is nothing to alter."""
    assert altered(value, declared) == other
