"""Writes that name their targets deeper than at the top."""

from __future__ import annotations

import pytest

from reconciler.aws.ownership_guard import OwnershipGuard
from reconciler.model.resource import Call


@pytest.mark.parametrize(
    ("names", "may"),
    [
        (("app.example.com", "_reconciler.app.example.com"), True),
        (("app.example.com", "www.example.com"), False),
        (("www.example.com",), False),
    ],
)
def test_a_change_of_records_names_nothing_but_ours(names: tuple[str, ...], may: bool) -> None:
    """A hosted zone has the records of many: it is the names that count, and all of them."""
    guard = OwnershipGuard()
    guard.add("Z1/app.example.com", "app.example.com", "_reconciler.app.example.com")
    changes = [{"Action": "DELETE", "ResourceRecordSet": {"Name": name, "Type": "A"}} for name in names]
    call = Call("route53", "ChangeResourceRecordSets", {"HostedZoneId": "Z1", "ChangeBatch": {"Changes": changes}})
    assert guard.covers(call) is may
