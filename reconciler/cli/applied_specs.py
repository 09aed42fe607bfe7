"""Specs that were applied last, from the history of their folder: they tell drift from changes of the specs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from reconciler.notifications.commit_status import is_commit

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.plan import Plan
    from reconciler.reconcile.origins import Origins


@dataclass(frozen=True, slots=True)
class Applied:
    """`origins` of the changes of a plan, or `because` of what they are not known; neither, if nothing was applied."""

    origins: Origins | None = None
    because: str = ""


def applied_specs(stack: Stack, plan: Plan, world: ObservedState, base: str | None, recorded: str) -> Applied:
    """`base` names the commit, else it is the one that a controller has `recorded` in the account.

    Raises `click.UsageError` if `base` is not in the repository.
    """
    from reconciler.cli.session import target_of
    from reconciler.reconcile.origins import origins
    from reconciler.source import git_history

    commit = base or recorded
    if base is None and not is_commit(recorded):
        return Applied()  # nothing is recorded, or a folder's hash
    fetched = git_history.at(stack.folder, commit)
    if fetched is None and base is not None:
        raise click.UsageError(f"--base {base}: the repository of {stack.folder} has no such commit")
    if fetched is None:
        return Applied(because=f"{commit[:7]}, which was applied last, is not in this clone")
    specs = fetched.specs(stack.environment)
    if not specs.ok:
        return Applied(because=f"the specs of {fetched.revision.short} are not valid for this version")
    before = target_of(specs, stack.identity, stack.target.guard, stack.target.consent)
    wanted = stack.target.current(world).wanted
    return Applied(origins(plan, wanted, before.current(world).wanted, fetched.revision))
