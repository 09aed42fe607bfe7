"""What a plan may not do without being asked: delete too much at once."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.plan import Plan, Refusal, RefusalCode


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits from the Stack document. `max_delete_percent` is of everything that the stack owns before the plan."""

    max_delete: int | None = None
    max_delete_percent: int | None = None


def check(plan: Plan, guard: Guard) -> tuple[Refusal, ...]:
    """Refusals that the guard adds to the plan's own.

    Replacements count: for a while, or for ever if the making fails, they are deletions.
    """
    leaving = len(plan.deletions())
    deferred = [one.action for one in plan.deferred]
    owned = plan.unchanged + sum(action.old is not None for action in (*plan.actions, *deferred))
    refusals = []
    if guard.max_delete is not None and leaving > guard.max_delete:
        refusals.append(
            Refusal(
                RefusalCode.GUARD,
                None,
                f"the plan deletes or replaces {leaving} resources, and the stack's guard allows {guard.max_delete}",
                hint=f"if that is meant: `--max-delete {leaving}`",
            )
        )
    percent = guard.max_delete_percent
    if percent is not None and leaving > 1 and leaving * 100 > percent * owned:
        refusals.append(
            Refusal(
                RefusalCode.GUARD,
                None,
                f"the plan deletes or replaces {leaving} of {owned} resources, more than the guard's {percent} %",
                hint=f"if that is meant: `--max-delete {leaving}`",
            )
        )
    return tuple(refusals)
