"""Checks of regions: the stack's, and that of topics, functions, certificates and keys, which AWS takes from its own.

They may be in another account, whose owner allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.spec import queries, region_names
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import (
    Alarm,
    Cluster,
    DeploymentStrategy,
    LoadBalancer,
    Registry,
    Service,
    Task,
)
from reconciler.spec.documents.base import Document
from reconciler.spec.messages import shown
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    if specs.stack is None:
        return
    ours = specs.stack.region
    place = specs.where(specs.stack, "region")
    if region_names.misspelled(ours):
        yield Diagnostic("E1143", f"region: there is no region {shown(ours)}", place, hint=region_names.hint(ours))
        return
    if not region_names.known(ours):
        message = f"region: this version knows no region {shown(ours)}"
        yield Diagnostic("W1144", message, place, hint=region_names.hint(ours))
    for document in specs.documents:
        for path, arn in _named(document):
            region = "" if arn is None else queries.region_in_arn(arn)
            if arn is not None and region not in ("", ours):
                message = f"{shown(arn)} is in the region {region}, and the stack in {ours}"
                yield Diagnostic("E2016", message, specs.where(document, *path))


def _named(document: Document) -> Iterator[tuple[Path, str | None]]:
    match document:
        case Alarm():
            yield from _several(("notify",), document.notify)
        case DeploymentStrategy():
            for index, hook in enumerate(document.hooks):
                yield ("hooks", index, "function"), hook.function
        case Registry():
            yield ("encryption",), document.encryption
        case Cluster():
            if document.exec_logging is not None:
                yield ("exec_logging", "kms_key"), document.exec_logging.kms_key
        case LoadBalancer():
            for name, listener in document.listeners.items():
                arns = (certificate.arn for certificate in listener.certificates)
                yield from _several(("listeners", name, "certificates"), arns)
        case Service() | Task():
            for name, volume in document.task.volumes.items():
                if volume.ebs is not None:
                    yield ("task", "volumes", name, "ebs", "kms_key"), volume.ebs.kms_key
            if isinstance(document, Service) and document.alarms is not None:
                yield from _several(("alarms", "notify"), document.alarms.notify)


def _several(path: Path, arns: Iterable[str | None]) -> Iterator[tuple[Path, str | None]]:
    for index, arn in enumerate(arns):
        yield (*path, index), arn
