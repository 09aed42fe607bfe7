"""Specs: all documents of a folder, with the positions of their fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from reconciler.spec import node
from reconciler.spec.diagnostics import Diagnostic, Severity
from reconciler.spec.documents import (
    KINDS,
    Cluster,
    DeploymentStrategy,
    Document,
    LoadBalancer,
    Network,
    Registry,
    Role,
    Service,
    Stack,
    Task,
)
from reconciler.spec.documents.network import Subnet
from reconciler.spec.documents.security_group import SecurityGroup
from reconciler.spec.documents.stack import Quotas
from reconciler.spec.naming import Naming
from reconciler.spec.node import Position
from reconciler.spec.references import Part, by_name

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Specs:
    """What a person declared. Only `ok` specs may be compiled; others hold the documents that are valid on their own.

    `broken` are the kinds of which a document could not be read: a reference to one of them may be right after all.
    `shares_name`: the environment leaves the Stack the name that it has in the base.
    """

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    environment: str | None = None
    shares_name: bool = False
    nodes: Mapping[tuple[str, str], node.Mapping] = field(default_factory=dict, repr=False)
    broken: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return not any(found.severity is Severity.ERROR for found in self.diagnostics)

    @property
    def stack(self) -> Stack | None:
        return next(iter(self.all(Stack)), None)

    @property
    def stack_id(self) -> str:
        """What tells the stack apart from others of its account and region, in the tag `reconciler:stack` of all that
        it owns and in the key of its lease: the Stack's name, and the environment where that leaves it the base's."""
        assert self.stack is not None, "the caller has checked it"
        return f"{self.stack.name}@{self.environment}" if self.shares_name else self.stack.name

    @property
    def naming(self) -> Naming:
        return Naming() if self.stack is None else self.stack.naming

    @property
    def quotas(self) -> Quotas:
        return Quotas() if self.stack is None else self.stack.quotas

    @property
    def networks(self) -> tuple[Network, ...]:
        return self.all(Network)

    @property
    def registries(self) -> tuple[Registry, ...]:
        return self.all(Registry)

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        return self.all(Cluster)

    @property
    def load_balancers(self) -> tuple[LoadBalancer, ...]:
        return self.all(LoadBalancer)

    @property
    def services(self) -> tuple[Service, ...]:
        return self.all(Service)

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.all(Task)

    @property
    def strategies(self) -> tuple[DeploymentStrategy, ...]:
        return self.all(DeploymentStrategy)

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.all(Role)

    @property
    def workloads(self) -> tuple[Service | Task, ...]:
        """Everything that runs containers."""
        return (*self.services, *self.tasks)

    def all(self, kind: type[D]) -> tuple[D, ...]:
        return self._by_kind.get(kind.__name__, ())  # type: ignore[return-value]  # by its own name

    def get(self, kind: type[D], name: str | None) -> D | None:
        found = self._index.get((kind.__name__, name or ""))
        return found if isinstance(found, kind) else None

    def where(self, document: Document, *path: str | int, key: bool = False) -> Position:
        """The place of a value, or of its key; where it is not written out, of the nearest thing round it.

        Path steps are the names of the YAML: `specs.where(network, "security_groups", 0, "ingress", 1, "from")`.
        Without a path: the document's name.
        """
        root = self.nodes[type(document).__name__, document.name]
        return node.locate(root, path or ("name",), key=key)

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Document, ...]]:
        found: dict[str, list[Document]] = {}
        for document in self.documents:
            found.setdefault(type(document).__name__, []).append(document)
        return {name: tuple(several) for name, several in found.items()}

    @cached_property
    def subnets(self) -> dict[str, Part[Subnet]]:
        """All subnets of all networks, by name."""
        return by_name(
            Part(network, index, it) for network in self.networks for index, it in enumerate(network.subnets)
        )

    @cached_property
    def security_groups(self) -> dict[str, Part[SecurityGroup]]:
        """All security groups of all networks, by name."""
        numbered = (
            (network, index, it) for network in self.networks for index, it in enumerate(network.security_groups)
        )
        return by_name(Part(*found) for found in numbered)

    @cached_property
    def digest(self) -> str:
        """sha256 of what the documents say, in hexadecimal: comments, order, spelling and files do not count."""
        said = [document.model_dump(mode="json", by_alias=True, exclude_defaults=True) for document in self.documents]
        kinds = [type(document).__name__ for document in self.documents]
        text = json.dumps(
            list(zip(kinds, said, strict=True)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _index(self) -> dict[tuple[str, str], Document]:
        return {(type(document).__name__, document.name): document for document in self.documents}


def ordered(documents: Iterable[Document]) -> tuple[Document, ...]:
    """By kind, in the order in which a newcomer would read them, then by name."""
    kinds = list(KINDS)
    return tuple(sorted(documents, key=lambda document: (kinds.index(type(document).__name__), document.name)))
