"""The planner's draft in the order of its steps, as a pass executes it where no filter removes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.model import ordering
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.planner import Consent, draft
from reconciler.model.resource import Desired
from reconciler.model.type_registry import ResourceTypes


def plan(
    stack: str,
    desired: Sequence[Desired[Any]],
    world: ObservedState,
    kinds: ResourceTypes,
    *,
    consent: Consent | None = None,
) -> Plan:
    """The plan from `world` to `desired`, for resources that `stack` owns or may adopt.

    Raises `errors.SpecInvalid` for circular references.
    """
    return ordering.ordered(draft(stack, desired, world, kinds, consent=consent), desired, kinds)
