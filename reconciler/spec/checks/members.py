"""Checks of the API members under `aws:`, by the model of the service."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.members import FIELD
from reconciler.resources._service_fields import NOT_UNDER
from reconciler.rollout.engine import Controller, engines
from reconciler.spec import member_faults, members, queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Block, Document, Service
from reconciler.spec.documents.load_balancer import Listener
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for document in specs.documents:

        def stated(field: str, root: object = document) -> bool:
            for step in field.split("."):
                root = getattr(root, step, None)
            return root is not None

        for path, block in members.blocks(document):
            refused = _refused(specs, document, path, block)
            for fault in member_faults.faults(members.api_of(block), getattr(block, FIELD), stated, refused):
                place = specs.where(document, *path, FIELD, *fault.path, key=fault.key)
                yield Diagnostic(fault.rule, fault.message, place, hint=fault.hint)


def _refused(specs: Specs, document: Document, path: members.Path, block: Block) -> dict[str, str]:
    """What cannot be set here because of something else in the specs."""
    if isinstance(block, Service):
        return _of_deployments(specs, block)
    if isinstance(block, Listener):
        name = str(path[-1])
        takers = (one for one in specs.services if _takes_all(one, document.name, name))
        for service in takers:
            why = f"requests that no rule takes go to {service.address}"
            return {f"DefaultActions.{member}": why for member in ("RedirectConfig", "FixedResponseConfig")}
    return {}


def _takes_all(service: Service, balancer: str, listener: str) -> bool:
    traffic = service.traffic
    return (
        traffic is not None
        and not traffic.match.given
        and traffic.load_balancer == balancer
        and listener in (traffic.listener, traffic.test_listener)
    )


def _of_deployments(specs: Specs, service: Service) -> dict[str, str]:
    """What a service cannot have because ECS does not control its deployments."""
    strategy = queries.strategy(specs, service)
    controller = Controller.ECS if strategy is None else engines()[strategy.driver].controller
    why = f"ECS has it for services with rolling deployments only, and {service.name} is deployed otherwise"
    return dict.fromkeys(NOT_UNDER.get(controller, ()), why)
