"""The proof of an import: what the plan of the documents would change. Nothing but tags, if they say what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.plan import Action, Plan, Verb
from reconciler.rollout.outlook import Outlook, RolloutPreview

NEW_VERSION = frozenset({Outlook.NEW, Outlook.FIRST, Outlook.ENGINE})


@dataclass(frozen=True, slots=True)
class Proof:
    """`tagged` are the resources of which only tags are written. `differing` are the actions that do more."""

    tagged: tuple[Action, ...]
    differing: tuple[Action, ...]
    rollouts: tuple[str, ...]
    blocked: bool

    @property
    def holds(self) -> bool:
        """Whether an apply writes tags, and nothing else."""
        return not (self.differing or self.rollouts or self.blocked)


def proof_of(plan: Plan, previews: tuple[RolloutPreview, ...]) -> Proof:
    every = (*plan.actions, *(one.action for one in plan.deferred))
    tagged = tuple(action for action in every if _only_tags(action))
    return Proof(
        tagged,
        tuple(action for action in every if not _only_tags(action)),
        tuple(_rollouts(previews)),
        bool(plan.refusals or plan.waiting),
    )


def _only_tags(action: Action) -> bool:
    return action.verb in (Verb.ADOPT, Verb.UPDATE) and not action.changes


def _rollouts(previews: tuple[RolloutPreview, ...]) -> Iterator[str]:
    yield from (str(preview.address) for preview in previews if preview.outlook in NEW_VERSION)
