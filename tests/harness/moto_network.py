"""What moto gets wrong of IPv6 ranges of subnets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.ec2.models.subnets import Subnet


def _ranges(subnet: Subnet) -> list[dict[str, Any]]:
    return [
        {**one, "ipv6CidrBlockState": {"state": one["ipv6CidrBlockState"]["State"]}}
        for one in subnet.ipv6_cidr_block_associations.values()
        if one["ipv6CidrBlockState"]["State"] == "associated"
    ]


@contextmanager
def moto_network() -> Iterator[None]:
    """The state of a range is a word, and not a structure as Python writes it."""
    with patch.object(Subnet, "ipv6_cidr_block_association_set", property(_ranges)):
        yield
