"""What is only looked up: whether it is there, and as the resources need it that use it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.plan import Refusal, RefusalCode
from reconciler.model.resource import Address, Desired, Observed, Ref, ResourceHealth
from reconciler.model.type_registry import ResourceTypes


@dataclass(frozen=True, slots=True)
class Lookups:
    """`ids` are those that are known now; the mapping is the planner's own, which fills it."""

    desired: Mapping[Address, Desired[Any]]
    found: Mapping[Address, Observed[Any]]
    kinds: ResourceTypes
    ids: Mapping[Address, str]

    def missing(self, address: Address) -> bool:
        """Whether it is only looked up, and not there or of no use."""
        found = self.found.get(address)
        return found is not None and self.kinds[address.kind].lookup and found.health is ResourceHealth.DEGRADED

    def names(self) -> dict[str, Address]:
        """The address of each resource by its id; not of values, which something else may have, too."""
        return {one.id: at for at, one in self.found.items() if not self.kinds[at.kind].id_is_value}

    def follows(self, address: Address) -> bool:
        """Whether it is missing because something that it is looked up in is, which is reported for that."""
        return any(map(self.missing, self.desired[address].refs()))

    def among_others(self, address: Address) -> bool:
        """Whether it is part of something that others own."""
        return any(self.kinds[ref.kind].of_others for ref in self.desired[address].refs())

    def refusal(self, want: Desired[Any]) -> Refusal | None:
        """Why `want` would fail for what it uses; None if all of that is there and fits."""
        compared = {link.address for one in want.requires for link in one.allowed if isinstance(link, Ref)}
        missing = next((need for need in sorted(want.refs() | want.after | compared) if self.missing(need)), None)
        if missing is not None:
            return self._missing(want, missing)
        for requirement in want.requires:
            there = self.found.get(requirement.of)
            because = "" if there is None else requirement.broken(there, self.ids)
            if because:
                return Refusal(RefusalCode.UNFIT, want.address, because, where=requirement.where)
        return None

    def _missing(self, want: Desired[Any], missing: Address) -> Refusal:
        """Of what others own it is the same for everything that uses it: of itself, at the place that refers to it."""
        if not self.kinds[missing.kind].of_others:
            return Refusal(RefusalCode.MISSING, want.address, self.found[missing].reason, where=want.where)
        cause = next((ref for ref in sorted(self.desired[missing].refs()) if self.missing(ref)), missing)
        return Refusal(RefusalCode.MISSING, cause, self.found[cause].reason, where=self.desired[cause].where)
