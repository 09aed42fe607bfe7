"""Outlook of a service's rollout, as found by a dry run. Small to import, because every view of a plan shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reconciler.model.resource import Address

if TYPE_CHECKING:
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.forecast import Forecast
    from reconciler.rollout.state import ObservedService


class Outlook(StrEnum):
    REST = "rest"  # up to date
    NEW = "new"  # the next apply starts a new version
    FIRST = "first"  # the initial deployment: nothing is running yet
    UNDER_WAY = "under-way"
    ENGINE = "engine"  # the service changes in place to the engine that it declares
    GIVEN_UP = "given-up"  # the wanted version failed or was rolled back, and is quarantined
    WAITS = "waits"  # the wanted version cannot be rolled out yet
    UNREAD = "unread"


MOVED: Final = frozenset({"verifying", "baking", "teardown", "blocked"})
"""Phases in which production stays where it is, as text, because the phases are not loaded for each view."""


@dataclass(frozen=True, slots=True)
class RolloutPreview:
    """Outlook of one service. `then` is the timeline of a new version in one line; `because` is a status message.

    `new_attempt`: the wanted version has failed, or may fail, by what is declared otherwise now, and is tried again.
    `established`: a version was in place, of a service that was not observed. `forecast` is that of a version that the
    next apply starts.
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
    established: bool = False
    forecast: Forecast | None = None

    @property
    def shown(self) -> bool:
        """Whether a view of the plan shows it."""
        return self.outlook is not Outlook.REST

    @property
    def deployed(self) -> bool:
        """Whether a version of the service has been deployed."""
        return self.established or (self.seen is not None and any(one.scale for one in self.seen.sets))

    @property
    def pending(self) -> bool:
        """Whether the wanted version is not in production, and no rollout of it is in progress."""
        unbegun = self.outlook is Outlook.FIRST and self.seen is not None and not self.seen.sets
        return unbegun or self.outlook is Outlook.NEW or self.quarantined

    @property
    def quarantined(self) -> bool:
        """Whether the wanted version is not rolled out any more, although another one may be on its way."""
        if self.seen is None or self.outlook is Outlook.NEW:
            return self.outlook is Outlook.GIVEN_UP
        return self.outlook is Outlook.GIVEN_UP or self.seen.marks.quarantined(self.seen.wanted)

    @property
    def suspended(self) -> bool:
        """Whether a person has suspended the service, so that nothing of it is rolled out."""
        return self.seen is not None and self.seen.marks.suspended is not None

    @property
    def rolling_back(self) -> bool:
        """Whether an earlier version takes the place of the wanted one."""
        if self.outlook is not Outlook.UNDER_WAY or self.step is None or self.seen is None:
            return False
        back = self.seen.marks.rollback_target
        return self.step.phase == "rolling_back" or (back is not None and back.release == self.step.release)

    @property
    def moving(self) -> bool:
        """Whether production is yet to move to another version than the wanted one."""
        leaves = self.outlook is Outlook.UNDER_WAY and (self.quarantined or self.rolling_back)
        return leaves and self.step is not None and self.step.phase not in MOVED

    @property
    def due(self) -> bool:
        """Whether an action is due now."""
        return self.step is not None and bool(self.step.decisions)
