"""What the tasks of a service with several versions may need, in any of these versions. Pure.

ECS shows networks and task sets of every version, and the revisions that they run. It shows target groups of a rolling
service's newest deployment only: of such a service, every group that no other service uses may be one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from reconciler.model import ordering
from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.rollout.fallback_state import PER_GROUP, on_demand
from reconciler.rollout.stored_state import KEYS


def needed(
    services: Iterable[Observed[Any]],
    uses: Mapping[str, frozenset[str]],
    world: Iterable[Observed[Any]],
    also: Iterable[str] = (),
) -> frozenset[str] | None:
    """The ids of what `services` use, of `also`, and of what these refer to; None if it cannot be told.

    `uses` are the ids that each service of the stack runs on, by the service's id.
    """
    several, others = tuple(services), tuple(world)
    revisions = {one.id: frozenset(ordering.links(one)) for one in others if one.address.kind == "task-definition"}
    for one in others:
        revisions |= one.facts.get("earlier", {})
    flying = {one.id for one in several}
    settled = frozenset(name for id, names in uses.items() if id not in flying for name in names)
    found = set(also)
    for service in several:
        named = service.facts["task_definitions"]
        if any(name not in revisions for name in named):
            return None
        found |= uses[service.id].union(*(revisions[name] for name in named))
        if len(service.facts.get("deployments", ())) > 1:
            found |= {one.id for one in others if one.address.kind == "target-group"} - settled
    links = {one.id: ordering.links(one) for one in others}
    todo = list(found)
    while todo:
        new = links.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return frozenset(found)


def lacking(beside: Observed[Any], services: Iterable[Observed[Any]], staying: Container[Address]) -> Address | None:
    """The service that stays and lacks tasks, which `beside`, one that leaves, runs on demand. One whose traffic ECS
    shifts may lack them in production until all of its tasks are those of one version.
    """
    if KEYS["fallback"] not in beside.tags:
        return None
    numbers = range(1, PER_GROUP + 1)
    mains = (
        one
        for one in services
        if one.address in staying and beside.address in [on_demand(one.address, number) for number in numbers]
    )
    return next((one.address for one in mains if one.facts["running"] < one.facts["desired"] or _shifts(one)), None)


def _shifts(service: Observed[Any]) -> bool:
    paired = any(one.get("advancedConfiguration") for one in service.facts["item"].get("loadBalancers") or ())
    return paired and service.health is not ResourceHealth.READY
