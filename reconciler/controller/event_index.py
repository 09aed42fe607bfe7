"""Event index: which resources of the stack an event of AWS is about. Pure.

    an API call     the types that call the operation themselves, or name it (`changed_by`), and of these the
                    resources whose names stand in what was asked or answered
    another event   the types that have it in `event_types`, and the resources that they find in it (`named_in`)

What an event says of a resource is not believed: it is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.catalogue import service_facts
from reconciler.aws.ownership_guard import aliases
from reconciler.iam import calls
from reconciler.iam.rules import reads
from reconciler.model.aws_event import AwsEvent, source_of
from reconciler.model.named_by_events import EventType
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Observed
from reconciler.model.type_registry import ResourceTypes

Named = Mapping[str, frozenset[str]]
"""Type → ids of its resources that are to be read."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Which types an event may be about. `calls`: by the service, as CloudTrail calls it, and the operation."""

    calls: Mapping[tuple[str, str], frozenset[str]]
    types: Mapping[EventType, frozenset[str]]
    services: Mapping[str, frozenset[str]]
    """Services, as CloudTrail calls them, with their names in ARNs."""

    @classmethod
    def of(cls, kinds: ResourceTypes) -> Writers:
        """Reads the source of the types, which takes a moment."""
        by_call: dict[tuple[str, str], set[str]] = defaultdict(set)
        by_type: dict[EventType, set[str]] = defaultdict(set)
        services: dict[str, set[str]] = defaultdict(set)
        for name, kind in kinds.items():
            own = () if kind.lookup else calls.of_kind(kind)
            for service, operation in (*own, *kind.changed_by):
                if not reads((service, operation)):
                    by_call[source_of(service), operation].add(name)
                    services[source_of(service)].add(service_facts(service).arn_namespace)
            for event_type in kind.event_types:
                by_type[event_type].add(name)
        return cls(_frozen(by_call), _frozen(by_type), _frozen(services))


@dataclass(frozen=True, slots=True)
class EventIndex:
    """`named` maps what resources are called to their types and ids."""

    kinds: ResourceTypes
    writers: Writers
    named: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)

    def updated(self, world: ObservedState) -> EventIndex:
        """The index of what `world` has found."""
        named: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for one in world:
            for text in self._names(one):
                named[text].add((one.address.kind, one.id))
        return EventIndex(self.kinds, self.writers, _frozen(named))

    def _names(self, one: Observed[Any]) -> Iterator[str]:
        kind = self.kinds[one.address.kind]
        yield from kind.event_names(one)
        if not kind.id_is_value:
            ids = (one.id, one.parent, one.facts.get("arn"), *one.facts.get("ids", ()))
            yield from (text for id in ids if id for text in aliases(id))

    def concerned(self, event: AwsEvent) -> Named:
        """The resources that an event is about; none if it is about nothing of the stack."""
        if event.operation is None:
            found: dict[str, set[str]] = defaultdict(set)
            for name in self.writers.types.get(event.type, ()):
                for kind, id in self._called(self.kinds[name].named_in(event)):
                    if kind == name:
                        found[kind].add(id)
            return _frozen(found)
        types = self.writers.calls.get(event.operation, frozenset())
        if not types or event.failed:
            return {}
        named = defaultdict(set)
        spaces = self.writers.services[event.operation[0]]
        texts = event.texts
        for kind, id in self._called([*texts, *(f"{space}:{text}" for space in spaces for text in texts)]):
            if kind in types:
                named[kind].add(id)
        return _frozen(named)

    def _called(self, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
        for text in texts:
            yield from self.named.get(text, ())


def merged(one: Named, other: Named) -> dict[str, frozenset[str]]:
    """The resources of both."""
    return {kind: one.get(kind, frozenset()) | other.get(kind, frozenset()) for kind in one.keys() | other.keys()}


def _frozen(found: Mapping[Any, set[Any]]) -> dict[Any, frozenset[Any]]:
    return {key: frozenset(values) for key, values in found.items()}
