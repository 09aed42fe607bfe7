"""Changes of an ECS service's deployment controller that AWS makes in place."""

from __future__ import annotations

from typing import Final

IN_PLACE: Final = frozenset(
    {("CODE_DEPLOY", "ECS"), ("CODE_DEPLOY", "EXTERNAL"), ("ECS", "EXTERNAL"), ("EXTERNAL", "ECS")}
)
"""From, to. Source: ECS developer guide, "Updating Amazon ECS service parameters", "Deployment controller"."""

SERVICE_CONNECT: Final = "ECS does not give a service that uses Service Connect the deployment controller {}"
LATTICE: Final = "ECS does not give a service that uses VPC Lattice the deployment controller {}"
