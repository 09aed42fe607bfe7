"""Result of one pass: what was observed, planned and done."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import DeferralCode, Plan, Refusal, RefusalCode
from reconciler.model.resource_type import Depth
from reconciler.reconcile.drift import Drift
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.source.base import Revision


@dataclass(slots=True)
class PassResult:
    """`in_place`: with this pass the revision is applied as a whole, for the first time."""

    number: int
    depth: Depth
    revision: Revision
    world: ObservedState
    plan: Plan
    drifts: tuple[Drift, ...] = ()
    outcomes: tuple[StepOutcome, ...] = ()
    seconds: float = 0.0
    calls: int = 0
    writes: int = 0
    in_place: bool = False

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        return self.plan.refusals

    @property
    def suspended(self) -> bool:
        return any(one.code is RefusalCode.SUSPENDED for one in self.plan.refusals)

    @property
    def read_only(self) -> bool:
        """Whether changes were left out because the state of their service cannot be read."""
        return any(one.code is DeferralCode.UNKNOWN_FORMAT for one in self.plan.deferred)

    @property
    def failed(self) -> tuple[StepOutcome, ...]:
        return tuple(one for one in self.outcomes if one.result is Result.FAILED)

    @property
    def wrote(self) -> bool:
        """Whether something was written that the next pass may show; rollout actions do not count."""
        return any(one.result is Result.DONE and not one.action.only_rolls for one in self.outcomes)

    @property
    def unfinished(self) -> bool:
        """Whether another pass, a little later, would make progress."""
        return bool(self.plan.waiting) or any(one.result is Result.WAITING for one in self.outcomes)
