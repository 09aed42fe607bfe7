"""References to what others own, in the place of names of documents: where they are, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.ecr_image import ecr_image
from reconciler.spec import queries
from reconciler.spec.documents import Alarm, Cluster, DeploymentStrategy, LoadBalancer, Service, Task
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.container import LookedUp
from reconciler.spec.documents.logs import CREATED, GROUP, REGION
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
    yield from (Outside(document, *one) for one in _by_name(specs, document))
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


def _by_name(specs: Specs, document: Document) -> Iterator[tuple[Path, str, str]]:
    """What no document of the stack makes, and is named by its name or ARN alone."""
    match document:
        case Alarm():
            yield from (((("notify", index), "topic", topic)) for index, topic in enumerate(document.notify))
        case Cluster() if document.exec_logging is not None and document.exec_logging.log_group is not None:
            yield from _log_group(specs, ("exec_logging", "log_group"), document.exec_logging.log_group)
        case Service() | Task():
            yield from _used_by(specs, document)


def _used_by(specs: Specs, workload: Service | Task) -> Iterator[tuple[Path, str, str]]:
    if isinstance(workload, Service):
        for index, topic in enumerate(() if workload.alarms is None else workload.alarms.notify):
            yield ("alarms", "notify", index), "topic", topic
        if workload.scaling is not None and workload.scaling.backlog is not None:
            yield ("scaling", "backlog", "queue"), "queue", workload.scaling.backlog.queue
    elif workload.run is not None and (queue := workload.run.dead_letter_queue) is not None:
        yield ("run", "dead_letter_queue"), "queue", queue
    for name, container in workload.task.containers.items():
        at = ("task", "containers", name)
        image = ecr_image(container.image.uri or "")
        if image is not None and _here(specs, image.region) and image.repository not in _repositories(specs):
            yield (*at, "image"), "repository", str(container.image.uri)
        options = {} if container.logs is None or not container.logs.stored else container.logs.options
        group = options.get(GROUP)
        if group is not None and options.get(CREATED) != "true" and _here(specs, options.get(REGION, "")):
            yield from _log_group(specs, (*at, "logs", "options", GROUP), group)


def _log_group(specs: Specs, path: Path, name: str) -> Iterator[tuple[Path, str, str]]:
    made = {queries.log_group(one) for one in specs.workloads if queries.has_log_group(one)}
    if name not in made:
        yield path, "log-group", name


def _here(specs: Specs, region: str) -> bool:
    return specs.stack is None or region in ("", specs.stack.region)


def _repositories(specs: Specs) -> set[str]:
    return {registry.name_in_aws for registry in specs.registries}


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
