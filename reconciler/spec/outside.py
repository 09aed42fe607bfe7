"""References to what others own, in the place of names of documents: where they are, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.spec.documents import Cluster, DeploymentStrategy, LoadBalancer, Service, Task
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.container import LookedUp
from reconciler.spec.documents.references import LOOKUP, NAMED
from reconciler.spec.documents.values import literal
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class Outside:
    """`kind` is the type of what `text` names by its id, ARN or name. `document` and `path` are its place."""

    document: Document
    path: Path
    kind: str
    text: str


def outside(specs: Specs, document: Document) -> Iterator[Outside]:
    """What a document refers to, and the deployment strategy of a service. Load balancers of services are looked up
    with their listeners, and are not among it."""
    for path, kind, text in _references(document):
        if text is not None and literal(text, NAMED, LOOKUP, "arn:", *_IDS.get(kind, ())):
            yield Outside(document, path, kind, text)
    if isinstance(document, Service):
        strategy = specs.get(DeploymentStrategy, document.deployment)
        if strategy is not None:
            yield from outside(specs, strategy)


_IDS = {"subnet": ("subnet-",), "security-group": ("sg-",), "vpc": ("vpc-",)}
"""What the ids of each type begin with; others go by an ARN or a name, and a document may be called `cluster-main`."""

Found = Iterator[tuple[Path, str, str | None]]


def _references(document: Document) -> Found:
    match document:
        case Service() | Task():
            yield from _of_workload(document)
        case Cluster():
            for index, capacity in enumerate(document.ec2_capacity):
                yield ("ec2_capacity", index, "role"), "role", capacity.role
                yield from _several(("ec2_capacity", index), capacity.subnets, capacity.security_groups)
        case LoadBalancer():
            yield ("network",), "vpc", document.network
            yield from _several((), document.subnets, document.security_groups)
        case DeploymentStrategy():
            yield ("role",), "role", document.role
            for index, hook in enumerate(document.hooks):
                yield ("hooks", index, "role"), "role", hook.role


def _of_workload(workload: Service | Task) -> Found:
    for name, container in workload.task.containers.items():
        for variable, value in container.environment.items():
            if isinstance(value, LookedUp):
                yield ("task", "containers", name, "environment", variable), "lookup", value
    yield ("cluster",), "cluster", workload.cluster
    for field in ("role", "execution_role"):
        yield ("task", field), "role", getattr(workload.task, field)
    for name, volume in workload.task.volumes.items():
        if volume.ebs is not None:
            yield ("task", "volumes", name, "ebs", "role"), "role", volume.ebs.role
    yield from _several(("placement",), workload.placement.subnets, workload.placement.security_groups)


def _several(at: Path, subnets: tuple[str, ...], groups: tuple[str, ...]) -> Found:
    for field, kind, names in (("subnets", "subnet", subnets), ("security_groups", "security-group", groups)):
        for index, name in enumerate(names):
            yield (*at, field, index), kind, name
