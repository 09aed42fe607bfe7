"""Drift as the loop meets it: told, put back, and left alone where somebody keeps undoing it (drift.py has the rules).

What is drift and what a new spec wants is told apart by what was wanted when all of it was in place. A process that has
just begun does not know that, so it finds no drift: it carries out what the specs say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler import events
from reconciler.engine import drift
from reconciler.engine.drift import Drift, Flaps, Mode, Rule
from reconciler.engine.telling import Teller
from reconciler.model.kind import Kinds
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Desired


@dataclass(slots=True)
class Repairs:
    kinds: Kinds
    teller: Teller
    _settled: dict[Address, Desired[Any]] | None = field(init=False, default=None)
    _flaps: Flaps = field(init=False, default_factory=Flaps)

    def sort_out(
        self, plan: Plan, wanted: dict[Address, Desired[Any]], rules: tuple[Rule, ...], now: float
    ) -> tuple[Plan, tuple[Drift, ...]]:
        """The plan with only what is to be carried out, and the drift that was found.

        Left out is what somebody keeps undoing, too: after three times a person has to say who is right.
        """
        left, drifts = drift.sort_out(plan, wanted, self._settled, rules, self.kinds)
        contested = [one for one in drifts if one.mode is Mode.ENFORCE and self._flaps.contested(one, now)]
        if not contested:
            return left, drifts
        for one in contested:
            because = f"{one} was undone {drift.REVERTS} times after it was put back; it is left as it is"
            self.teller.once(f"contested {one}", events.CONTESTED, because, str(one.address))
        alone = {one.address for one in contested}
        yielding = tuple(Rule(str(address), Mode.WARN) for address in sorted(alone))
        left, _ = drift.sort_out(left, wanted, self._settled, (*yielding, *rules), self.kinds)
        told = (replace(one, mode=Mode.WARN, contested=True) if one.address in alone else one for one in drifts)
        return left, tuple(told)

    def tell(self, drifts: Iterable[Drift]) -> None:
        """What is found each time is told each time only where it is put back each time."""
        for one in drifts:
            if one.contested:
                continue  # that was said
            name = events.DRIFT_REPAIRED if one.mode is Mode.ENFORCE else events.DRIFT_FOUND
            reason = f" ({one.reason})" if one.reason else ""
            again = one.mode is Mode.ENFORCE
            self.teller.once(f"drift {one}", name, f"{one}{reason}", str(one.address), again=again)

    def carried_out(self, drifts: Iterable[Drift], written: Collection[Address], now: float) -> None:
        """Of the drift, what is at `written` was put back."""
        for one in drifts:
            if one.mode is Mode.ENFORCE and one.address in written:
                self._flaps.put_back(one, now)

    def settle(self, wanted: dict[Address, Desired[Any]]) -> bool:
        """All of it is in place, from here on all else is drift; whether it is for the first time."""
        first = self._settled is None or self._settled != wanted
        self._settled = wanted
        return first

    def forget(self) -> None:
        """The specs have changed: who undid what was put back may mean something else now."""
        self._flaps.forget()
