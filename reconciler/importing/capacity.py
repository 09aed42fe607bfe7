"""What a document says of where tasks run: Fargate, or EC2 instances that others have set up.

Auto Scaling groups, launch templates and capacity providers are not imported. A cluster that has them is referred to,
so that nothing of the documents detaches them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.importing.inventory import ServiceFound
from reconciler.importing.shared import share
from reconciler.resources._service_fields import placement_strategy
from reconciler.spec.compile.workload import INSTANCE_FIELDS
from reconciler.spec.documents.task_definition import DISTINCT
from reconciler.spec.yaml_text import Block

EC2: Final = "EC2"
_SPREADS: Final = {field: word for word, field in INSTANCE_FIELDS.items()}


def capacity_fields(block: Block, service: ServiceFound) -> None:
    """`launch` of EC2, or `capacity_providers`; on Fargate alone neither."""
    spec = service.spec
    shares = spec.capacity_provider_strategy or ()
    block.put("launch", EC2 if spec.launch_type == EC2 and not shares else None)
    block.put("capacity_providers", [share(one) for one in shares] or None)


def instance_choice(item: Mapping[str, Any]) -> dict[str, Any]:
    """`strategy` and `constraints` of `placement`, as ECS answers them."""
    strategy = [_choice(one) for one in placement_strategy(item)]
    constraints = [
        DISTINCT if one["type"] == "distinctInstance" else one["expression"]
        for one in item.get("placementConstraints") or ()
    ]
    found = {"strategy": strategy, "constraints": constraints}
    return {key: value for key, value in found.items() if value}


def _choice(item: Mapping[str, str]) -> Any:
    field = item.get("field", "")
    match item["type"]:
        case "random":
            return "random"
        case "binpack":
            return {"binpack": field}
        case _:
            return {"spread": _SPREADS.get("instanceId" if field == "host" else field, field)}


def launch_members(service: ServiceFound) -> dict[str, Any]:
    """Members of the task definition without which the documents would register another one for instances."""
    assert service.definition is not None, "a refused service has no documents"
    launched = service.definition.other.get("requiresCompatibilities", ["FARGATE"])
    return {"requiresCompatibilities": launched} if service.on_ec2 and launched != [EC2] else {}
