"""Part of an update that is carried out now, and the rest of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from reconciler.model.diff import Change, diff
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Consequence, Verb


def after(action: Action) -> Any:
    """The spec of a resource once the action is done; what the rollout does of it is not."""
    assert action.old is not None
    assert action.new is not None
    fields = {change.field for change in action.changes if not change.rolls}
    return action.old.spec.model_copy(update={name: getattr(action.new.spec, name) for name in fields})


def declared(action: Action, changes: Iterable[Change]) -> tuple[Change, ...]:
    """As `action` has them, without changes of fields that it leaves alone, because of a drift rule."""
    assert action.old is not None
    assert action.new is not None
    left_alone = {str(one) for one in diff(action.old, action.new.spec)} - {str(one) for one in action.changes}
    marked = tuple(next((known for known in action.changes if _same(known, one)), one) for one in changes)
    return tuple(one for one in marked if str(one) not in left_alone)


def _same(one: Change, other: Change) -> bool:
    return (one.path, one.old, one.new) == (other.path, other.old, other.new)


def rest(action: Action, done: Collection[Change]) -> Action:
    """What of an update is left for later; its tags are written with what is `done` now."""
    left = tuple(change for change in action.changes if change not in done)
    return replace(action, verb=Verb.UPDATE, changes=left, tags=TagChange({}, ()), consequence=Consequence.IN_PLACE)
