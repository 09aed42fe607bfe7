"""Plan filter for what a newer version, or somebody, has stored in a way that this version cannot read. Pure.

What the state says decides what may be done to a service: how far its rollout has come, what it goes back to, and
whether anything may happen at all. So nothing of the service is changed, nor of what its rollout writes to; everything
else of the plan goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model import formats
from reconciler.model.plan import Action, DeferralCode, Deferred, Plan, Refusal, RefusalCode
from reconciler.model.resource import Address, Observed
from reconciler.reconcile.followers import followers
from reconciler.rollout import state_tags
from reconciler.rollout.spec import RolloutSpec

HINT: Final = "nothing is deleted with it: what stands around it would be missing"


def unreadable(world: Iterable[Observed[Any]]) -> dict[Address, str]:
    """Why the state of each resource that has one cannot be read."""
    found = {one.address: _why(one) for one in world}
    return {address: because for address, because in found.items() if because}


def _why(one: Observed[Any]) -> str:
    if one.address.kind == "service":
        return state_tags.of_tags(one.tags).unreadable
    return formats.unknown_run(one.tags)


def read_only(
    plan: Plan, world: Iterable[Observed[Any]], deliveries: Iterable[RolloutSpec], *, leaving: bool = False
) -> Plan:
    """The plan without what would write to these resources; with `leaving`, one that is refused for them."""
    found = unreadable(world)
    if not found:
        return plan
    if leaving:
        refusals = (Refusal(RefusalCode.UNKNOWN_FORMAT, one, f"{one}: {why}", HINT) for one, why in found.items())
        return replace(plan, refusals=(*plan.refusals, *refusals))
    concerned = found | {one: f"{service}: {why}" for service, one, why in _written(found, deliveries)}
    held = [action for action in plan.actions if action.address in concerned]
    left = tuple(action for action in plan.actions if action.address not in concerned)
    deferred = tuple(_deferred(action, concerned[action.address]) for action in held)
    return replace(plan, actions=left, deferred=(*plan.deferred, *deferred))


def _written(found: Mapping[Address, str], deliveries: Iterable[RolloutSpec]) -> Iterator[tuple[Address, Address, str]]:
    """What belongs to the rollouts of these services: service, address, reason."""
    for delivery in deliveries:
        if delivery.service not in found:
            continue
        parts = (*followers(delivery), delivery.task_definition, delivery.production, delivery.test, *delivery.groups)
        for one in parts:
            if one is not None and one != delivery.service:
                yield delivery.service, one, found[delivery.service]


def _deferred(action: Action, because: str) -> Deferred:
    return Deferred(action, DeferralCode.UNKNOWN_FORMAT, f"read-only: {because}")
