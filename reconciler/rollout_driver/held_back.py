"""What holds a new version back: something that it builds on is not as the specs declare it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.plan import Plan, RefusalCode
from reconciler.model.resource import Address, Desired
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.resolution import ResolutionContext

REFUSED: Final = "the plan is refused: {}"


def refused_in(plan: Plan | None) -> dict[Address, str]:
    """Why the plan was refused, by resources. Of what is missing, an image say, the release says more."""
    refusals = () if plan is None else plan.refusals
    several = (one for one in refusals if one.code is not RefusalCode.MISSING)
    return {one.address: REFUSED.format(one.because) for one in several if one.address is not None}


def refusal_of(plan: Plan | None) -> str:
    """Why nothing of a plan is done, or ""."""
    return "" if plan is None or not plan.refusals else REFUSED.format(plan.refusals[0].because)


def left_by(plan: Plan | None) -> dict[Address, str]:
    """What a refused plan leaves as it is, with the reason."""
    because = refusal_of(plan)
    if plan is None or not because:
        return {}
    return {one.address: because for one in plan.actions if not one.only_notes}


def held_by(declared: RolloutSpec, context: ResolutionContext, left: Mapping[Address, str]) -> str:
    """Why nothing new is started: a refused plan would have changed something that the new version builds on."""
    several = (blocking_dependency(context.wanted, one, left) for one in (declared.service, declared.task_definition))
    return next((left[one] for one in several if one is not None), "")


def blocking_dependency(
    wanted: Mapping[Address, Desired[Any]], address: Address, undone: Iterable[Address]
) -> Address | None:
    """A resource in `undone` that `address` depends on, directly or indirectly."""
    missing, seen, todo = set(undone), set[Address](), [address]
    while todo and missing:
        at = todo.pop()
        if at in missing:
            return at
        if at not in seen and at in wanted:
            seen.add(at)
            todo += sorted(wanted[at].refs() | wanted[at].after, reverse=True)
    return None
