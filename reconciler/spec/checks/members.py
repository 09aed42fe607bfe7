"""Checks of the API members under `aws:`, by the model of the service, which is read where there are some."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.members import FIELD
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Service
from reconciler.spec.node import Mapping, Node, Sequence
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    if any(_has_members(root) for root in specs.nodes.values()):
        yield from _found(specs)


def _has_members(node: Node) -> bool:
    if isinstance(node, Mapping):
        return FIELD in node.entries or any(_has_members(entry.value) for entry in node.entries.values())
    return isinstance(node, Sequence) and any(_has_members(item) for item in node.items)


def _found(specs: Specs) -> Iterator[Diagnostic]:
    from reconciler.spec import member_faults, members

    for document in specs.documents:

        def stated(field: str, root: object = document) -> bool:
            for step in field.split("."):
                root = getattr(root, step, None)
            return root is not None

        for path, block in members.blocks(document):
            refused = _of_deployments(specs, block) if isinstance(block, Service) else {}
            for fault in member_faults.faults(members.api_of(block), getattr(block, FIELD), stated, refused):
                place = specs.where(document, *path, FIELD, *fault.path, key=fault.key)
                yield Diagnostic(fault.rule, fault.message, place, hint=fault.hint)


def _of_deployments(specs: Specs, service: Service) -> dict[str, str]:
    """What a service cannot have because ECS does not control its deployments."""
    from reconciler.resources._service_fields import NOT_UNDER
    from reconciler.rollout.engine import TrafficShifter, engines

    strategy = queries.strategy(specs, service)
    if strategy is None:
        return {}
    engine = engines()[strategy.driver]
    if engine.shifts_traffic is TrafficShifter.ECS:
        return {"deploymentConfiguration.alarms": f"the DeploymentStrategy {strategy.name} decides it"}
    why = f"ECS has it for services with rolling deployments only, and {service.name} is deployed otherwise"
    return dict.fromkeys(NOT_UNDER.get(engine.controller, ()), why)
