"""Decisions of import, from what was read alone: which services can be imported, and for everything that they use,
whether the documents own it or refer to it.

What another tool still manages is referred to, because two owners would undo each other's changes; and so is what
services use that are not imported, because the stack's `destroy` would take it away from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from reconciler.importing.alarms import not_sayable
from reconciler.importing.inventory import Inventory, ServiceFound, Thing
from reconciler.importing.scheduled import SCHEDULE, scheduled_refusals
from reconciler.model import ownership
from reconciler.model.type_registry import discover

CONSOLE_ROLE: Final = "ecsTaskExecutionRole"
"""The execution role that the ECS console creates once in each account, for all services (ECS developer guide)."""

CLOUDFORMATION: Final = "aws:cloudformation:stack-name"
COPILOT: Final = "copilot-application"


class Tool(StrEnum):
    """Tools that manage resources, and that import recognizes."""

    TERRAFORM = "Terraform"
    CLOUDFORMATION = "CloudFormation"
    COPILOT = "Copilot"
    PULUMI = "Pulumi"


@dataclass(frozen=True, slots=True)
class Manager:
    """The tool that manages a resource, and why that is known. `stack` and `logical` are those of CloudFormation."""

    tool: Tool
    because: str
    stack: str = ""
    logical: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a resource gets a document of its own, and why."""

    thing: Thing
    own: bool
    because: str


def ownable() -> dict[str, str]:
    """Types of resources that services use and that documents may own, and what `--own` calls them. A network is owned
    with its VPC."""
    return {name: kind.owned_as for name, kind in sorted(discover().items()) if kind.owned_as}


def decided(
    inventory: Inventory, own: frozenset[str] = frozenset(), referred: Mapping[str, str] | None = None
) -> dict[str, Choice]:
    """The choice for each resource that documents may own, by its id. `own` are types that are owned whatever speaks
    against it. `referred` are those that no valid document can be written for, and why."""
    return {
        thing.id: _choice(inventory, thing, own, (referred or {}).get(thing.id, ""))
        for kind in ownable()
        for thing in inventory.of(kind)
        if _is_used(inventory, thing)
    }


def _is_used(inventory: Inventory, thing: Thing) -> bool:
    if thing.kind == "vpc":
        return True
    if thing.kind == "load-balancer":
        return any(service.chosen for group in inventory.receivers(thing.id) for service in inventory.attached(group))
    return any(service.chosen for service in inventory.users(thing.id))


def _choice(inventory: Inventory, thing: Thing, own: frozenset[str], invalid: str) -> Choice:
    impossible = invalid or next(_impossible(inventory, thing), "")
    if impossible:
        return Choice(thing, own=False, because=impossible)
    against = next(_against(inventory, thing), "")
    if not against:
        return Choice(thing, own=True, because="only the imported services use it, and no other tool manages it")
    if ownable()[thing.kind] in own:
        return Choice(thing, own=True, because=f"--own {ownable()[thing.kind]}, although {against}")
    return Choice(thing, own=False, because=against)


def _impossible(inventory: Inventory, thing: Thing) -> Iterator[str]:
    owner = ownership.owner(thing.tags)
    if owner is not None:
        yield f"it belongs to the stack {owner}"
    if thing.kind == "role" and thing.item.get("Path", "/").startswith("/aws-service-role/"):
        yield "AWS manages it"
    if thing.kind == "cluster" and any(service.chosen and service.on_ec2 for service in inventory.users(thing.id)):
        yield "it has EC2 instances, which are not imported"
    if thing.kind == "role" and not assumed_by(thing):
        yield "its trust policy says more than a Role document can"
    if thing.kind == "alarm" and (unsaid := next(not_sayable(thing.item), "")):
        yield unsaid
    if thing.kind == "load-balancer" and thing.item["Type"] not in ("application", "network"):
        yield f"it is a {thing.item['Type']} load balancer"


def _against(inventory: Inventory, thing: Thing) -> Iterator[str]:
    """Reasons not to own it, the strongest first."""
    manager = managed_by(inventory, thing)
    if manager:
        yield manager
    for part in parts(inventory, thing):
        if manager := managed_by(inventory, part):
            yield f"of its {part.kind} {part.name}: {manager}"
    if thing.kind == "vpc":
        yield "a network is usually shared"
    if thing.kind == "role" and thing.name == CONSOLE_ROLE:
        yield "the console gives this role to every service of the account"
    others = sorted(service.name for service in _users(inventory, thing) if not service.chosen)
    if others:
        yield f"it is used by what is not imported: {', '.join(others)}"
    if thing.kind == "load-balancer":
        strangers = [group for group in inventory.receivers(thing.id) if not inventory.attached(group)]
        if strangers:
            names = sorted(group.split("/")[-2] for group in strangers)
            yield f"it sends requests to target groups of something else: {', '.join(names)}"


def parts(inventory: Inventory, thing: Thing) -> Iterator[Thing]:
    """What a document owns with it."""
    if thing.kind != "load-balancer":
        return
    yield from inventory.listeners(thing.id)
    yield from (inventory.things[group] for group in sorted(inventory.receivers(thing.id)) if group in inventory.things)


def _users(inventory: Inventory, thing: Thing) -> Iterator[ServiceFound]:
    if thing.kind == "load-balancer":
        yield from (service for group in inventory.receivers(thing.id) for service in inventory.attached(group))
    else:
        yield from inventory.users(thing.id)


def managed_by(inventory: Inventory, thing: Thing) -> str:
    """The other tool that still manages a resource, in words; empty if there is none."""
    manager = manager_of(inventory, thing)
    return "" if manager is None else manager.because


def manager_of(inventory: Inventory, thing: Thing) -> Manager | None:
    """The other tool that still manages a resource.

    CloudFormation is asked which stack lists it, because its tags stay on what a stack has retained. Copilot works
    through CloudFormation, so its tag alone says nothing either.
    """
    stack = inventory.listed.get(thing.id)
    if stack is None and inventory.unasked:
        stack = thing.tags.get(CLOUDFORMATION)
    application, logical = thing.tags.get(COPILOT), inventory.logical.get(thing.id, "")
    if stack is not None and application:
        why = f"Copilot's application {application} manages it with the CloudFormation stack {stack}"
        return Manager(Tool.COPILOT, why, stack, logical)
    if stack is not None:
        return Manager(Tool.CLOUDFORMATION, f"the CloudFormation stack {stack} manages it", stack, logical)
    if inventory.unasked and application:
        return Manager(Tool.COPILOT, f"Copilot's application {application} manages it")
    for key, value in sorted(thing.tags.items()):
        if "terraform" in f"{key} {value}".lower() and value.lower() not in ("false", "no"):
            return Manager(Tool.TERRAFORM, f"its tag {key} says that Terraform manages it")
        if key.lower().startswith("pulumi:"):
            return Manager(Tool.PULUMI, f"its tag {key} says that Pulumi manages it")
    return None


def assumed_by(role: Thing) -> tuple[str, ...]:
    """The AWS services that may assume a role; none where its trust policy says anything else."""
    found: list[str] = []
    document: Mapping[str, Any] = role.item.get("AssumeRolePolicyDocument") or {}
    statements = document.get("Statement", ())
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        principal = statement.get("Principal")
        plain = {key for key in statement if key != "Sid"} == {"Effect", "Principal", "Action"}
        if (
            not plain
            or statement["Effect"] != "Allow"
            or statement["Action"] not in ("sts:AssumeRole", ["sts:AssumeRole"])
        ):
            return ()
        if not isinstance(principal, Mapping) or set(principal) != {"Service"}:
            return ()
        services = principal["Service"]
        found += [services] if isinstance(services, str) else services
    return tuple(dict.fromkeys(found)) if len(statements) == 1 or isinstance(statements, Mapping) else ()


def refused(service: ServiceFound) -> str:
    """Why no documents can be written for a service; empty if they can."""
    return next(_refusals(service), "")


def _refusals(service: ServiceFound) -> Iterator[str]:
    item, spec, definition = service.thing.item, service.spec, service.definition
    if service.thing.kind == SCHEDULE:
        yield from scheduled_refusals(service)
    owner = ownership.owner(service.thing.tags)
    if owner is not None:
        yield f"it belongs to the stack {owner} already"
    if item.get("resourceManagementType") == "ECS":
        yield "it is a service of ECS Express Mode, whose resources ECS manages"
    if spec.controller == "EXTERNAL":
        yield "its deployment controller is EXTERNAL, so that another program deploys it"
    if item.get("schedulingStrategy", "REPLICA") != "REPLICA":
        yield f"its scheduling strategy is {item['schedulingStrategy']}, and the specs have REPLICA only"
    if spec.launch_type == "EXTERNAL":
        yield "it runs on servers outside of AWS (ECS Anywhere)"
    if definition is None:
        yield "its task definition cannot be read"
    elif "networkMode" in definition.other:
        yield f"the network mode of its tasks is {definition.other['networkMode']}, and the specs have awsvpc only"
    if spec.network is None or not spec.network.security_groups:
        yield "it names no security groups, so that ECS uses the default one of the VPC; name one in the service first"
