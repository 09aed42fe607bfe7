"""What IAM knows of each call: its action's name, and by what it can be bound.

Where a type or an engine says nothing else (`Permissions`), a call that makes something is bound to the stack's tag in
its request, and any other write to the stack's tag on what it writes to.

Source: Service Authorization Reference, the pages of each service.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from reconciler.aws.catalogue import service_facts
from reconciler.aws.retry import is_read
from reconciler.model.permissions import Binding, Operation
from reconciler.model.resource import Call
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import discover
from reconciler.rollout.engine import Engine, engines

FREE: Final = frozenset({("sts", "GetCallerIdentity")})
"""What everybody may ask who has credentials at all."""


EVENT_HISTORY: Final = ("cloudtrail", "LookupEvents")


def binding_of(operation: Operation) -> Binding:
    service, name = operation
    if operation == EVENT_HISTORY:
        return Binding.READ_EVENTS
    if operation in _exceptions():
        return _exceptions()[operation]
    if is_read(Call(service, name)):
        return Binding.READ if service_facts(service).regional else Binding.READ_GLOBAL
    if not makes(name):
        return Binding.CHANGE
    return Binding.MAKE_IN_EC2 if name in made_in_ec2() else Binding.MAKE


def reads(operation: Operation) -> bool:
    return is_read(Call(*operation))


def makes(name: str) -> bool:
    """Whether an operation of that name makes something that was not there."""
    return any(name in leaf.creates for leaf in _leaves())


def action(operation: Operation) -> str:
    service, name = operation
    facts = service_facts(service)
    return f"{facts.iam_prefix}:{facts.iam_actions.get(name, name)}"


@cache
def made_in_ec2() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """EC2's creations: what each makes, by the tags it is to have, and what it is made in, by the tags it has."""
    return {
        name: (kind.permissions.ec2, kind.permissions.made_inside)
        for kind in discover().values()
        if kind.permissions.ec2
        for name in kind.creates
    }


@cache
def _exceptions() -> Mapping[Operation, Binding]:
    return {operation: binding for leaf in _leaves() for operation, binding in leaf.permissions.bindings.items()}


def _leaves() -> tuple[ResourceType[Any] | Engine, ...]:
    return (*discover().values(), *engines().values())
