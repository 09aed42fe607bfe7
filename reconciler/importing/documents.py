"""The documents of what was read: for each service one file, and one for each sort of what services share.

They say what a person would have written, in the order in which people write it. Under `adopt` everything that they do
not state keeps its value in AWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from reconciler.importing.alarms import alarm_block
from reconciler.importing.decision import Choice, decided, managed_by, refused
from reconciler.importing.handover import Managed, managed_and_owned
from reconciler.importing.inventory import Inventory, ServiceFound
from reconciler.importing.load_balancers import balancer_block
from reconciler.importing.naming import names_of
from reconciler.importing.network import network_block, network_names
from reconciler.importing.scheduled import SCHEDULE
from reconciler.importing.services import service_block
from reconciler.importing.shared import cluster_block, registry_block, role_block, stack_block
from reconciler.importing.task_documents import task_document
from reconciler.importing.workloads import Corrections, Writing
from reconciler.spec.yaml_text import Block, text


@dataclass(frozen=True, slots=True)
class Imported:
    """What import writes: the texts of the files by their path, the choices, and the services that it leaves out."""

    files: Mapping[str, str]
    choices: tuple[Choice, ...]
    services: tuple[ServiceFound, ...]
    tasks: tuple[ServiceFound, ...]
    """Scheduled tasks with documents."""
    refused: tuple[tuple[str, str], ...]
    """Services and schedules without documents, and why."""
    managed: Mapping[str, str]
    """Services and scheduled tasks that another tool still manages, by name."""
    sources: Mapping[str, tuple[str, ...]]
    """The ids of what the documents of each file stand for, in their order."""
    impossible: Mapping[str, str]
    """Services and scheduled tasks for which no valid document was written, by id, and why."""
    owned_elsewhere: tuple[Managed, ...] = ()
    """What the documents own, and another tool still manages."""


def imported(
    inventory: Inventory, stack: str, own: frozenset[str] = frozenset(), corrections: Corrections | None = None
) -> Imported:
    """The documents for the chosen services. `own` are types that are owned whatever speaks against it."""
    fixed = corrections or Corrections()
    why = {service.id: fixed.services.get(service.id, "") or refused(service) for service in inventory.chosen}
    services = tuple(
        replace(service, chosen=service.chosen and not why.get(service.id)) for service in inventory.services
    )
    inventory = replace(inventory, services=services)
    choices = decided(inventory, own, fixed.referred)
    writing = Writing(inventory, choices, _names(inventory, choices), fixed)
    scope = inventory.scope
    files: dict[str, list[tuple[str, Block]]] = {"stack.yaml": [("", stack_block(stack, scope.region, scope.account))]}
    scheduled = tuple(one for one in inventory.chosen if one.thing.kind == SCHEDULE)
    running = tuple(one for one in inventory.chosen if one.thing.kind != SCHEDULE)
    per_workload = {
        f"services/{writing.names[one.id]}.yaml": [(one.id, service_block(writing, one))] for one in running
    } | {f"tasks/{writing.names[one.id]}.yaml": [(one.id, task_document(writing, one))] for one in scheduled}
    for name, kind, write in (
        ("network.yaml", "vpc", _network),
        ("cluster.yaml", "cluster", _cluster),
        ("roles.yaml", "role", _role),
        ("registries.yaml", "repository", _registry),
        ("load-balancers.yaml", "load-balancer", _balancer),
        ("alarms.yaml", "alarm", _alarm),
    ):
        owned = [choice for choice in choices.values() if choice.thing.kind == kind and choice.own]
        files |= {name: [(one.thing.id, write(writing, one)) for one in owned]} if owned else {}
    if writing.strategies:
        files["deployment.yaml"] = [("", block) for _, block in writing.strategies.values()]
    files |= per_workload
    managed = {service.name: managed_by(inventory, service.thing) for service in inventory.chosen}
    return Imported(
        {path: text([block for _, block in rows], COMMENTS.get(path, "")) for path, rows in files.items()},
        tuple(choices.values()),
        running,
        scheduled,
        (*((one.name, why[one.id]) for one in services if why.get(one.id)), *_schedules(services, why)),
        {name: by for name, by in managed.items() if by},
        {path: tuple(id for id, _ in rows) for path, rows in files.items()},
        writing.impossible,
        managed_and_owned(inventory, choices.values()),
    )


def _schedules(services: tuple[ServiceFound, ...], why: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those in the clusters of what is imported, where only services were asked for."""
    clusters = {service.cluster for service in services if service.chosen}
    for one in services:
        if one.thing.kind == SCHEDULE and one.cluster in clusters and not one.chosen and one.id not in why:
            yield one.name, "it is a schedule, which goes on as it is; without --service, schedules are imported, too"


def _names(inventory: Inventory, choices: Mapping[str, Choice]) -> dict[str, str]:
    named = [choice.thing for choice in choices.values()]
    names = names_of(service.thing for service in inventory.chosen)
    for kind in ("cluster", "load-balancer"):
        names |= names_of(thing for thing in named if thing.kind == kind)
    names |= names_of(inventory.of("target-group"), r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
    for vpc in (choice.thing for choice in choices.values() if choice.thing.kind == "vpc" and choice.own):
        names |= network_names(inventory, vpc)
    return names | {thing.id: thing.name for thing in named if thing.kind in ("role", "repository")}


COMMENTS: Final = {
    "stack.yaml": "What these specs own in AWS has the tag reconciler:stack with this name.",
    "network.yaml": "The network, by the ids of what is there.",
    "cluster.yaml": "Where the services run.",
    "roles.yaml": "What the tasks may do.",
    "registries.yaml": "Where images are pushed to.",
    "load-balancers.yaml": "Where requests arrive. Attributes that are not stated stay as they are.",
    "alarms.yaml": "What fails a deployment.",
    "deployment.yaml": "How new versions are brought into production.",
}


def _network(writing: Writing, choice: Choice) -> Block:
    return network_block(writing.inventory, choice.thing, writing.names)


def _cluster(writing: Writing, choice: Choice) -> Block:
    return cluster_block(choice.thing, writing.names[choice.thing.id])


def _role(writing: Writing, choice: Choice) -> Block:
    id = choice.thing.id
    return role_block(choice.thing, writing.names[id], wildcards=id in writing.corrections.wildcards)


def _registry(writing: Writing, choice: Choice) -> Block:
    return registry_block(choice.thing, writing.names[choice.thing.id])


def _alarm(writing: Writing, choice: Choice) -> Block:  # noqa: ARG001 (as the others)
    return alarm_block(choice.thing.item)


def _balancer(writing: Writing, choice: Choice) -> Block:
    return balancer_block(writing.inventory, choice, writing.names, writing.taken)
