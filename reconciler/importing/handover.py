"""What to paste into another tool, so that it lets go of what the documents own and destroys nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reconciler.importing.decision import Choice, Manager, Tool, manager_of, parts
from reconciler.importing.inventory import Inventory, Thing
from reconciler.model.resource import Observed
from reconciler.model.type_registry import discover

Managed = tuple[Thing, Manager]

GUIDES: Final[Mapping[Tool, str]] = {
    Tool.TERRAFORM: "leave-terraform.md",
    Tool.CLOUDFORMATION: "leave-cloudformation-and-copilot.md",
    Tool.COPILOT: "leave-cloudformation-and-copilot.md",
}


def managed_and_owned(inventory: Inventory, choices: Iterable[Choice]) -> tuple[Managed, ...]:
    """What the documents own although another tool manages it: services with their task definitions, and what is owned
    in spite of it."""
    things = [service.thing for service in inventory.chosen]
    things += [inventory.things[one.revision] for one in inventory.chosen if one.revision in inventory.things]
    for choice in choices:
        if choice.own:
            things += [choice.thing, *parts(inventory, choice.thing)]
    found = ((thing, manager_of(inventory, thing)) for thing in things)
    return tuple((thing, manager) for thing, manager in found if manager is not None)


def handover(managed: Iterable[Managed], observed: Iterable[Observed[Any]]) -> dict[str, str]:
    """Title → text to paste, for each tool that has one."""
    by_id = {(one.address.kind, id): one for one in observed for id in (one.id, one.facts.get("arn")) if id}
    texts: dict[str, list[str]] = {}
    for thing, manager in managed:
        match manager.tool:
            case Tool.TERRAFORM:
                texts.setdefault(f"Terraform ({GUIDES[manager.tool]})", []).extend(_removed(thing, by_id))
            case Tool.CLOUDFORMATION:
                title = f"Template of the CloudFormation stack {manager.stack} ({GUIDES[manager.tool]})"
                texts.setdefault(title, ["Resources:"]).extend(_retained(manager))
            case Tool.COPILOT:
                title = f"Copilot's cfn.patches.yml for the stack {manager.stack} ({GUIDES[manager.tool]})"
                texts.setdefault(title, []).extend(_patched(manager))
    return {title: "\n".join(dict.fromkeys(lines)) for title, lines in texts.items()}


def _removed(thing: Thing, by_id: Mapping[tuple[str, str], Observed[Any]]) -> Iterator[str]:
    """`removed` blocks. Only the state of Terraform has the names."""
    found = by_id.get((thing.kind, thing.id)) or by_id.get((thing.kind, thing.name))
    if found is None:
        return
    for block in discover()[thing.kind].in_terraform(found):
        yield f"removed {{ # {block.id}\n  from = {block.type}.NAME\n  lifecycle {{ destroy = false }}\n}}"


def _retained(manager: Manager) -> Iterator[str]:
    yield f"  {manager.logical or 'LOGICAL_ID'}:\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain"


def _patched(manager: Manager) -> Iterator[str]:
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        yield f"- op: add\n  path: /Resources/{manager.logical or 'LOGICAL_ID'}/{policy}\n  value: Retain"
