"""Checks of `moved_from`: the former name is free, is given up once, and the AWS name stays what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.spec import moves
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import DeploymentStrategy, Network, Service, Stack, Task
from reconciler.spec.documents.base import NamedInAws
from reconciler.spec.messages import shown
from reconciler.spec.moves import Rename
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

_WORKLOADS = frozenset({Service.__name__, Task.__name__})
Place = tuple[str, str]
"""The kind of a document or part, and its name."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    present, renames = dict(_names(specs)), tuple(moves.renames(specs))
    former = {_place(one.kind, one.new): _place(one.kind, one.old) for one in renames}
    first: dict[Place, Rename] = {}
    for rename in renames:
        if isinstance(rename.named, Stack):
            message = "moved_from: a stack cannot be renamed, because its name is in the tags of all that it owns"
            yield Diagnostic("E2010", message, rename.place)
            continue
        if isinstance(rename.named, DeploymentStrategy):
            message = "moved_from: a deployment strategy is nothing in AWS, and takes any name"
            yield Diagnostic("W2001", message, rename.place, hint="remove the line")
            continue
        old = _place(rename.kind, rename.old)
        other = first.setdefault(old, rename)
        if old in present:
            note = Note("it is defined here", present[old])
            yield Diagnostic("E2007", _still_there(rename, former), rename.place, notes=(note,))
        elif other is not rename:
            message = f"moved_from: {shown(rename.old)} has moved to {shown(other.new)} already"
            yield Diagnostic("E2008", message, rename.place, notes=(Note("the other one", other.place),))
        elif isinstance(rename.named, NamedInAws) and _needs_aws_name(rename):
            message = f"moved_from: AWS cannot rename {shown(rename.old)}, so it has to keep that name there"
            kept = rename.named.model_copy(update={"name": rename.old}).name_in_aws
            hint = f"add aws_name: {kept} (or the aws_name that it had)"
            yield Diagnostic("E2009", message, rename.place, hint=hint)


def _still_there(rename: Rename, former: Mapping[Place, Place]) -> str:
    if rename.old == rename.new:
        return f"moved_from: {shown(rename.old)} is its present name"
    start = _place(rename.kind, rename.new)
    path = [start]
    while path[-1] in former and path[-1] not in path[:-1]:
        path.append(former[path[-1]])
    if len(path) > 2 and path[-1] == start:
        return f"moved_from: {' from '.join(shown(name) for _, name in path)} is circular"
    return f"moved_from: {shown(rename.old)} still exists"


def _needs_aws_name(rename: Rename) -> bool:
    """Whether something of it is found by a name in AWS; of a network it is the group of its endpoints."""
    if isinstance(rename.named, Network) and not rename.named.interface_endpoints:
        return False
    return "aws_name" in type(rename.named).model_fields and getattr(rename.named, "aws_name", None) is None


def _place(kind: str, name: str) -> Place:
    """Services and tasks share the names of what they are made of."""
    return "workload" if kind in _WORKLOADS else kind, name


def _names(specs: Specs) -> Iterator[tuple[Place, Position]]:
    """Every document and named part, and where its name stands."""
    for document in specs.documents:
        yield _place(type(document).__name__, document.name), specs.where(document)
    for subnet in specs.subnets.values():
        yield _place(type(subnet.it).__name__, subnet.it.name), subnet.where(specs)
    for part in specs.security_groups.values():
        yield _place(type(part.it).__name__, part.it.name), part.where(specs)
    for service in specs.services:
        for path, traffic in service.forwardings:
            for index, group in enumerate(traffic.target_groups):
                yield _place(type(group).__name__, group.name), specs.where(service, *path, "target_groups", index)
    for balancer in specs.load_balancers:
        for name in balancer.listeners:
            place = specs.where(balancer, "listeners", name, key=True)
            yield _place(moves.listeners_of(balancer.name), name), place
