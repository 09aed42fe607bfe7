"""Requirement: what has to hold of something that others own, so that a resource can use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.resource import Address, Link, Observed, Ref


@dataclass(frozen=True, slots=True)
class Requirement:
    """A fact of what is looked up, and the values of it with which it can be used.

    The fact `fact` of the resource at `of` has to be one of `allowed`. `because` says otherwise, with `{}` for what was
    found. `where` is the place in the specs that refers to it.
    """

    of: Address
    fact: str
    allowed: tuple[Link, ...]
    because: str
    where: str = ""

    def broken(self, found: Observed[Any], ids: Mapping[Address, str]) -> str:
        """Why it does not hold; empty if it does. A resource without an id is none that exists."""
        value = str(found.facts.get(self.fact, ""))
        allowed = (ids.get(link.address) if isinstance(link, Ref) else link for link in self.allowed)
        return "" if value in allowed else self.because.replace("{}", value)
