"""CloudFormation's stacks: which of them still lists a resource.

Its tags stay on what a stack has retained, and cannot be removed: they do not tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler import errors
from reconciler.importing.inventory import Thing
from reconciler.model.resource import Calls, ServiceApi
from reconciler.model.type_registry import discover

cloudformation = ServiceApi("cloudformation")

LEFT: Final = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})
"""Of a resource that a stack does not manage any more: deleted, or retained."""


def listed_by_stacks(things: Iterable[Thing]) -> Calls[tuple[dict[str, str], dict[str, str], str]]:
    """Id → the stack that lists it, id → its logical id there, and why CloudFormation could not be asked."""
    listed: dict[str, str] = {}
    logical: dict[str, str] = {}
    for thing in things:
        kind = discover()[thing.kind]
        if kind.adopted_by_id and not kind.owned_as:
            continue  # a part of a network, which is owned with its VPC
        physical = thing.name if kind.listed_by_name else thing.id
        try:
            answer = yield cloudformation.describe_stack_resources(PhysicalResourceId=physical)
        except (errors.Denied, errors.Unserved) as error:
            return listed, logical, str(error)
        except errors.Invalid:
            continue  # no stack has ever had it
        for resource in answer["StackResources"]:
            if resource.get("PhysicalResourceId") == physical and resource.get("ResourceStatus") not in LEFT:
                listed[thing.id], logical[thing.id] = resource["StackName"], resource["LogicalResourceId"]
    return listed, logical, ""
