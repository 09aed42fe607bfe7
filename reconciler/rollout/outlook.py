"""Outlook of a service's rollout, as found by a dry run. Small to import, because every view of a plan shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model.resource import Address

if TYPE_CHECKING:
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.state import ObservedService


class Outlook(StrEnum):
    REST = "rest"  # up to date
    NEW = "new"  # the next apply starts a new version
    FIRST = "first"  # the initial deployment: nothing is running yet
    UNDER_WAY = "under-way"
    GIVEN_UP = "given-up"  # the wanted version failed or was rolled back, and is quarantined
    WAITS = "waits"  # the wanted version cannot be rolled out yet
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class RolloutPreview:
    """Outlook of one service. `then` is the timeline of a new version in one line; `because` is a status message.

    `new_attempt`: the wanted version has failed, or may fail, by what is declared otherwise now, and is tried again.
    """

    address: Address
    outlook: Outlook
    because: str = ""
    then: str = ""
    way: str = ""
    where: str = ""
    step: RolloutStep | None = None
    seen: ObservedService | None = None
    new_attempt: bool = False

    @property
    def told(self) -> bool:
        """Whether a view of the plan shows it."""
        return self.outlook is not Outlook.REST

    @property
    def deployed(self) -> bool:
        """Whether a version of the service has been deployed."""
        return self.seen is not None and any(one.scale for one in self.seen.sets)

    @property
    def pending(self) -> bool:
        """Whether the wanted version is not in production, and no rollout of it is in progress."""
        unbegun = self.outlook is Outlook.FIRST and self.seen is not None and not self.seen.sets
        return unbegun or self.outlook in (Outlook.NEW, Outlook.GIVEN_UP)

    @property
    def due(self) -> bool:
        """Whether an action is due now."""
        return self.step is not None and bool(self.step.decisions)
