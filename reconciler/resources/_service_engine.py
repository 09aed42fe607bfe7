"""What changes of a service with the engine that deploys it, which the rollout does step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model.controller_changes import IN_PLACE
from reconciler.model.diff import Change
from reconciler.model.resource import Desired, Observed
from reconciler.resources._service_deployment import ROLLING

WITH_IT: Final = frozenset({"controller", "deployment", "load_balancers"})
"""Fields that mean something else to another engine."""


def rolled_out(found: Observed[Any], new: Desired[Any], changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """`changes`, where the engine is among them with what the rollout does; in place, if AWS can."""
    changes = (*changes, *_back_to_rolling(found, new))
    moved = next((one for one in changes if one.field == "controller"), None)
    if moved is not None and (moved.old, moved.new) not in IN_PLACE:
        return changes
    if moved is None and not _strategy_changes(changes) and not _pair_is_left(found, changes):
        return changes
    return tuple(replace(one, immutable=False, rolls=True) if one.field in WITH_IT else one for one in changes)


def _back_to_rolling(found: Observed[Any], new: Desired[Any]) -> tuple[Change, ...]:
    """A rolling deployment states no strategy of ECS, and takes the place of one that shifts traffic."""
    have, want = found.spec.deployment, new.spec.deployment
    shifts = have is not None and have.strategy not in (None, ROLLING)
    if not shifts or want is None or want.strategy is not None or new.spec.load_balancers is None:
        return ()
    return (Change(("deployment", "strategy"), have.strategy, ROLLING),)


def _strategy_changes(changes: tuple[Change, ...]) -> bool:
    """Whether ECS is to shift traffic that it does not shift now, or not to any more."""
    strategies = (one for one in changes if one.path == ("deployment", "strategy"))
    return any((one.old or ROLLING) != (one.new or ROLLING) and ROLLING in (one.old, one.new) for one in strategies)


def _pair_is_left(found: Observed[Any], changes: tuple[Change, ...]) -> bool:
    """Whether target groups are declared in place of a pair that ECS still has, after its strategy was changed back."""
    item: Mapping[str, Any] = found.facts.get("item") or {}
    pair = any((one.get("advancedConfiguration") or {}).get("roleArn") for one in item.get("loadBalancers") or ())
    strategy = (item.get("deploymentConfiguration") or {}).get("strategy") or ROLLING
    return pair and strategy == ROLLING and any(one.field in WITH_IT for one in changes)
