"""What a service's rollout has ahead of it, as a dry run found it. Small to import: every view of a plan shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model.resource import Address

if TYPE_CHECKING:
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.state import ObservedService


class Outlook(StrEnum):
    REST = "rest"  # what runs is what is wanted
    NEW = "new"  # a new version begins with the next apply
    FIRST = "first"  # nothing runs yet
    UNDER_WAY = "under-way"
    GIVEN_UP = "given-up"  # the wanted version failed or was rolled back, and is not tried again
    WAITS = "waits"  # there is nothing to roll out yet
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class RolloutPreview:
    """One service's. `then` is the timeline of a new version, in one sentence; `because` finishes one."""

    address: Address
    outlook: Outlook
    because: str = ""
    then: str = ""
    way: str = ""
    where: str = ""
    step: RolloutStep | None = None
    seen: ObservedService | None = None

    @property
    def told(self) -> bool:
        """It is worth a line."""
        return self.outlook is not Outlook.REST

    @property
    def pending(self) -> bool:
        """What the specs want is not there, and nothing that has begun will bring it."""
        unbegun = self.outlook is Outlook.FIRST and self.seen is not None and not self.seen.sets
        return unbegun or self.outlook in (Outlook.NEW, Outlook.GIVEN_UP)

    @property
    def due(self) -> bool:
        """There is something to be done for it now."""
        return self.step is not None and bool(self.step.decisions)
