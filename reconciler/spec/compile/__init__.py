"""Compiler from documents to desired resources.

Below this package nothing knows documents, and above it nothing writes AWS fields. One module per kind of document,
each a function from the document to resources without AWS access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from reconciler.errors import SpecInvalid
from reconciler.model.resource import Address, Desired
from reconciler.spec import moves
from reconciler.spec.compile import (
    alarm,
    cluster,
    events,
    existing,
    load_balancer,
    network,
    registry,
    role,
    service,
    store,
    task,
)
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.delivery import compile_deliveries
from reconciler.spec.documents import Alarm, Document, Stack, Store
from reconciler.spec.specs import Specs

Resources = Iterable[Desired[Any]]


def compile_specs(specs: Specs, *, account: str, partition: str = "aws") -> tuple[Desired[Any], ...]:
    """Every resource that the specs want, in the order of their documents.

    `specs` must be `ok`. Raises `errors.SpecInvalid` where two documents want one and the same resource differently.
    """
    if specs.stack is None:
        raise SpecInvalid("the specs contain no Stack")
    context = Context(specs, specs.stack, account, partition)
    before, renames = moves.former(specs), tuple(moves.renames(specs))
    earlier = {now.address: was for now, was in zip(specs.documents, before.documents, strict=True)}
    found: dict[Address, Desired[Any]] = {}
    for document, step in _steps(specs):
        wants = step(context, document)
        if renames:
            wants = moves.moved(wants, step(replace(context, specs=before), earlier[document.address]), renames)
        for want in existing.with_lookups(context, document, wants):
            first = found.setdefault(want.address, want)
            if first.spec != want.spec:
                raise SpecInvalid(f"{want.where} and {first.where} declare {want.address} differently")
    return tuple(found.values())


def compile_each(specs: Specs) -> Iterator[tuple[Document, Desired[Any]]]:
    """Every resource with its document. Its ARNs are of no account. `specs` must be `ok` and contain a Stack."""
    assert specs.stack is not None, "the caller has checked it"
    context = Context(specs, specs.stack, account="", partition="")
    for document, step in _steps(specs):
        yield from ((document, want) for want in step(context, document))


def _steps(specs: Specs) -> Iterator[tuple[Any, Callable[[Context, Any], Resources]]]:
    steps: tuple[tuple[Iterable[Any], Callable[[Context, Any], Resources]], ...] = (
        (specs.networks, network.compile_network),
        (specs.registries, registry.compile_registry),
        (specs.roles, role.compile_role),
        (specs.all(Store), store.compile_store),
        (specs.all(Alarm), alarm.compile_alarm),
        (specs.clusters, cluster.compile_cluster),
        (specs.load_balancers, load_balancer.compile_load_balancer),
        (specs.services, service.compile_service),
        (specs.tasks, task.compile_task),
        (specs.all(Stack), events.compile_events),
    )
    return ((document, step) for documents, step in steps for document in documents)


__all__ = ["compile_deliveries", "compile_each", "compile_specs"]
