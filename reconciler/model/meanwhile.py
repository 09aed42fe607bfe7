"""What is wanted until something else exists, such as a listener that answers by HTTP until there is one for HTTPS."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from reconciler.model.resource import Address, Desired


def current(desired: Iterable[Desired[Any]], present: Container[Address]) -> tuple[Desired[Any], ...]:
    """`desired` as it is wanted while just what is `present` exists."""
    return tuple(
        want
        if (other := want.meanwhile) is None or other.until in present
        else replace(want, spec=other.spec, meanwhile=None, held_until=other.until)
        for want in desired
    )
