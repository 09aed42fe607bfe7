"""Selection of resources by `--only`, for `diff` and `apply` (reconcile/selection.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.plan import Plan
    from reconciler.rollout.outlook import RolloutPreview

MOST_NEAR = 3


def select(stack: Stack, only: tuple[str, ...]) -> None:
    """Restrict what the stack wants to these patterns, if there are any."""
    stack.target = replace(stack.target, only=only)


def check(stack: Stack, world: ObservedState) -> None:
    """Raises `click.UsageError` for a pattern that stands for nothing, with what is spelt like it."""
    from reconciler.reconcile.selection import candidates, matching, workloads

    if not stack.target.only:
        return
    desired = stack.target.current(world).wanted
    known = candidates(desired, world, stack.target.place.stack)
    names = workloads(known, stack.target.deliveries, stack.kinds)
    for pattern in stack.target.only:
        if matching(pattern, known, names):
            continue
        listed = sorted({*map(str, known), *names})
        near = get_close_matches(pattern, listed, n=MOST_NEAR)
        close = [text for text in listed if text.endswith(f"/{pattern}")] if "/" not in pattern else []
        meant = list(dict.fromkeys([*close, *near]))[:MOST_NEAR]
        hint = f"Did you mean {' or '.join(meant)}?" if meant else "`reconciler tree` lists the resources."
        raise click.UsageError(f"--only {pattern}: there is no such resource in the specs or in the stack. {hint}")


def shown(previews: Iterable[RolloutPreview], plan: Plan) -> tuple[RolloutPreview, ...]:
    """The rollouts of what the plan is restricted to."""
    return tuple(one for one in previews if plan.only is None or one.address in plan.only)
