"""Moves in the specs: `moved_from` of documents and of their named parts, and the specs as they were called before.

What a rename does to the addresses of resources is not told in rules of its own. The documents are given their former
names back, compiled like any others, and what comes out is compared with what is wanted now: so every address that is
made of a name follows it, whichever document it belongs to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.model.resource import Address, Desired, Move
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.base import Block, Document, Named
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

FIELD: Final = "moved_from"

REFERENCES: Final = {
    "cluster": "Cluster",
    "deployment": "DeploymentStrategy",
    "destination": "SecurityGroup",
    "execution_role": "Role",
    "load_balancer": "LoadBalancer",
    "network": "Network",
    "registry": "Registry",
    "role": "Role",
    "security_groups": "SecurityGroup",
    "source": "SecurityGroup",
    "subnets": "Subnet",
}
"""What a field that holds a name, or a list of names, refers to."""

Names = Mapping[str, Mapping[str, str]]
"""Kind of document or part → present name → former name."""


@dataclass(frozen=True, slots=True)
class Rename:
    """One `moved_from`. `kind` is that of the document or part; a listener's has its load balancer behind it."""

    kind: str
    old: str
    new: str
    place: Position
    document: Document
    named: Block


def renames(specs: Specs) -> Iterator[Rename]:
    """Every `moved_from` of the specs, documents first."""
    for document in specs.documents:
        yield from _rename(specs, document, document)
    for network in specs.networks:
        for index, subnet in enumerate(network.subnets):
            yield from _rename(specs, network, subnet, "subnets", index)
        for index, group in enumerate(network.security_groups):
            yield from _rename(specs, network, group, "security_groups", index)
    for service in specs.services:
        for path, traffic in service.forwardings:
            for index, target in enumerate(traffic.target_groups):
                yield from _rename(specs, service, target, *path, "target_groups", index)
    for balancer in specs.load_balancers:
        for name, listener in balancer.listeners.items():
            if listener.moved_from is not None:
                place = specs.where(balancer, "listeners", name, FIELD)
                yield Rename(listeners_of(balancer.name), listener.moved_from, name, place, balancer, listener)


def _rename(specs: Specs, document: Document, named: Named, *path: str | int) -> Iterator[Rename]:
    if named.moved_from is not None:
        place = specs.where(document, *path, FIELD)
        yield Rename(type(named).__name__, named.moved_from, named.name, place, document, named)


def listeners_of(balancer: str) -> str:
    return f"Listener {balancer}"


def former(specs: Specs) -> Specs:
    """The specs with every renamed document and part under its former name; the same where nothing was renamed.

    Documents stand in the same order, and their positions are those of the present ones.
    """
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for rename in renames(specs):
        names[rename.kind][rename.new] = rename.old
    if not names:
        return specs
    documents = tuple(_formerly(document, names) for document in specs.documents)
    nodes = dict(specs.nodes)
    for now, before in zip(specs.documents, documents, strict=True):
        kind = type(now).__name__
        nodes[kind, before.name] = specs.nodes[kind, now.name]
    return replace(specs, documents=documents, nodes=nodes)


def _formerly(document: Document, names: Names) -> Document:
    found: Document = _restored(document, names)
    match found:
        case LoadBalancer():
            old = names.get(listeners_of(document.name), {})
            listeners = {old.get(name, name): listener for name, listener in found.listeners.items()}
            rules = {
                name: rule.model_copy(update={"listener": old.get(rule.listener, rule.listener)})
                for name, rule in found.rules.items()
            }
            return found.model_copy(update={"listeners": listeners, "rules": rules})
        case Service(traffic=traffic) if traffic is not None:
            assert isinstance(document, Service)
            now = (one for _, one in document.forwardings)
            first, *others = (
                _at_former(then, one, names) for (_, then), one in zip(found.forwardings, now, strict=True)
            )
            return found.model_copy(update={"traffic": first, "additional_traffic": tuple(others)})
    return found


def _at_former(then: Forwarding, now: Forwarding, names: Names) -> Forwarding:
    """The traffic `then`, at the former names of the listeners of `now`."""
    old = names.get(listeners_of(now.load_balancer), {})
    given = {name: getattr(then, name) for name in _ENTRIES if name in type(then).model_fields}
    return then.model_copy(update={name: old.get(listener, listener) for name, listener in given.items()})


_ENTRIES: Final = ("listener", "test_listener")


def _restored(value: Any, names: Names) -> Any:
    """`value` with former names in it: its own, and those that it refers to."""
    if isinstance(value, Block):
        update = {}
        for field in type(value).model_fields:
            held = getattr(value, field)
            known = names.get(REFERENCES.get(field, ""), {})
            update[field] = _referring(held, known) if _is_reference(held) else _restored(held, names)
        if isinstance(value, Named) and value.moved_from is not None:
            update["name"] = value.moved_from
        changed = {field: held for field, held in update.items() if held is not getattr(value, field)}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, tuple) and not all(isinstance(item, str) for item in value):
        return tuple(_restored(item, names) for item in value)
    if isinstance(value, dict):
        return {key: _restored(item, names) for key, item in value.items()}
    return value


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(item, str) for item in value))


def _referring(value: Any, known: Mapping[str, str]) -> Any:
    if not known:
        return value
    return known.get(value, value) if isinstance(value, str) else tuple(known.get(item, item) for item in value)


def moved(
    now: Iterable[Desired[Any]], before: Iterable[Desired[Any]], changes: Iterable[Rename]
) -> Iterator[Desired[Any]]:
    """The resources of one document, each with the address that it had before. Both lists come from one compiler.

    Of a type of which there were more or fewer before, none is taken for another: they are created and deleted.
    """
    wanted = tuple(now)
    former: dict[str, list[Address]] = defaultdict(list)
    for want in before:
        former[want.address.kind].append(want.address)
    present: dict[str, list[Address]] = defaultdict(list)
    for want in wanted:
        present[want.address.kind].append(want.address)
    old = {
        new: was
        for kind, addresses in present.items()
        if len(addresses) == len(former[kind])
        for new, was in zip(addresses, former[kind], strict=True)
        if new != was
    }
    several = tuple(changes)
    for want in wanted:
        was = old.get(want.address)
        yield want if was is None else replace(want, moved=_move(want.address, was, several))


def _move(now: Address, before: Address, changes: tuple[Rename, ...]) -> Move:
    """With the rename that explains it: the longest name that left the one address and came into the other."""
    fitting = [one for one in changes if one.new in now.name and one.old in before.name] or list(changes)
    rename = max(fitting, key=lambda one: (len(one.new), one.place))
    return Move(before, rename.new, rename.place.place)
