"""Facts about a service on its way from one engine to another. Small and hashable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """`controller` is the deployment controller. Of the ECS controller: `shifted`, whether its strategy shifts traffic;
    `paired`, whether the service names a pair of target groups; `guarded`, whether it has alarms or a circuit breaker.

    `attached` are the slots of the target groups that its tasks are in, None for one that is in neither slot; of a pair
    it says nothing. `live` is the slot that receives all production traffic, if one does. `bare`: the listeners that
    name only one of the two groups, with their weights. `routed`: whether requests come in through a listener at all.
    `busy`: why nothing can be changed now, or "".
    """

    controller: str
    shifted: bool = False
    paired: bool = False
    guarded: bool = False
    attached: tuple[int | None, ...] = ()
    live: int | None = None
    bare: tuple[tuple[str, tuple[int, int]], ...] = ()
    routed: bool = True
    busy: str = ""
