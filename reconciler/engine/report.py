"""What one pass of the loop saw and did, for whoever counts."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.drift import Drift
from reconciler.engine.execute import Outcome
from reconciler.model.kind import Depth
from reconciler.model.plan import Plan, Refusal
from reconciler.source.base import Revision


@dataclass(slots=True)
class PassReport:
    """`in_place`: with this pass all of the revision is as it should be, for the first time."""

    number: int
    depth: Depth
    revision: Revision
    plan: Plan
    drifts: tuple[Drift, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0
    calls: int = 0
    writes: int = 0
    in_place: bool = False
