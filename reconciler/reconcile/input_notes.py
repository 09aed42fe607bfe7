"""Notes on what tasks read when they start: what has a new version since when, and what a release may lose. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any

from reconciler.model import input_version
from reconciler.model.diff import Change
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Note, Plan
from reconciler.model.resource import Address, Observed
from reconciler.resources._definition import rotates
from reconciler.resources.secret_version import SecretVersion
from reconciler.resources.task_definition import TaskDefinition


def rotations(plan: Plan, world: ObservedState) -> Iterator[Note]:
    """Since when there is each new version that the plan brings, by whom, and whether a rollback takes it back."""
    found = {str(one.address): one for one in world.found.get(SecretVersion.kind, ())}
    actions: Iterable[Action] = (*plan.actions, *(one.action for one in plan.deferred))
    for action in actions:
        for change in filter(rotates, action.changes):
            known = found.get(change.origin)
            at = None if known is None else known.facts["changed_at"]
            since = "" if at is None else f" at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            by = known.facts["changed_by"] if known is not None else ""
            text = f"{_name(change)} has a new version{since and f', changed{since}'}{by and f' by {by}'}"
            if not input_version.read(change.new).pinned:
                text += "; a rollback does not take it back, because tasks read the latest one"
            yield Note(action.address, text)


def _name(change: Change) -> str:
    """The variable, or the reference of what has none."""
    return change.path[3] if change.path[2] == "secrets" and len(change.path) > 3 else change.path[-1]


def lost(world: ObservedState, only: Address | None = None) -> Iterator[Note]:
    """Pinned versions without labels: Secrets Manager may delete them, and then no further task starts."""
    labelled: dict[str, frozenset[str]] = {}
    for one in world.found.get(SecretVersion.kind, ()):
        if one.facts.get("labelled"):
            labelled[input_version.read(one.id).source] = frozenset(one.facts["labelled"])
    for definition in world.found.get(TaskDefinition.kind, ()):
        if only in (None, definition.address):
            yield from _lost_of(definition, labelled)


def _lost_of(definition: Observed[Any], labelled: Mapping[str, frozenset[str]]) -> Iterator[Note]:
    for container in definition.spec.containers.values():
        for variable, reference in container.secrets.items():
            pinned = input_version.read(str(reference))
            known = labelled.get(pinned.source) if pinned.pinned else None
            if known is not None and pinned.version not in known:
                yield Note(
                    definition.address,
                    f"{variable} is pinned to the version {pinned.version}, which has no label any more: "
                    "Secrets Manager may delete it, and tasks of this revision do not start then",
                )


def not_taken_back(definition: Observed[Any] | None) -> tuple[str, ...]:
    """What a rollback of a service leaves as it is: its tasks read the latest version of it."""
    if definition is None:
        return ()
    found = []
    for container in definition.spec.containers.values():
        found += [name for name, value in container.secrets.items() if not input_version.read(str(value)).pinned]
        found += list(container.versions or ())
    return tuple(dict.fromkeys(found))
