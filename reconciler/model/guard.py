"""Deletion guard: limits on how much a plan may delete without confirmation."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.plan import Plan, Refusal, RefusalCode


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits from the Stack document. `max_delete_percent` is of everything that the stack owns before the plan."""

    max_delete: int | None = None
    max_delete_percent: int | None = None


def check(plan: Plan, guard: Guard) -> tuple[Refusal, ...]:
    """Refusals that the guard adds to the plan.

    Replacements count as deletions, because they delete for a while, or permanently if the creation fails.
    """
    leaving = len(plan.deletions())
    every = (*plan.actions, *(one.action for one in plan.deferred))
    owned = plan.unchanged + len({action.old.id for action in every if action.old is not None})
    refusals = []
    if guard.max_delete is not None and leaving > guard.max_delete:
        refusals.append(
            Refusal(
                RefusalCode.GUARD,
                None,
                f"the plan deletes or replaces {leaving} resources, and the stack's guard allows {guard.max_delete}",
                hint=f"to allow this, pass `--max-delete {leaving}`",
            )
        )
    percent = guard.max_delete_percent
    if percent is not None and leaving > 1 and leaving * 100 > percent * owned:
        refusals.append(
            Refusal(
                RefusalCode.GUARD,
                None,
                f"the plan deletes or replaces {leaving} of {owned} resources, more than the guard's {percent} %",
                hint=f"to allow this, pass `--max-delete {leaving}`",
            )
        )
    return tuple(refusals)
