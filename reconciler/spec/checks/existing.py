"""Checks of references to what others own: whether it can be of use, as far as its ARN and the documents say."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Service
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.references import LOOKUP, NAMED
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.documents.values import literal
from reconciler.spec.messages import shown
from reconciler.spec.node import Path, Position
from reconciler.spec.outside import outside
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for document in specs.documents:
        for one in outside(specs, document):
            if one.document is document and one.kind not in ("topic", "queue"):  # which other accounts share
                yield from _place(specs, document, one.path, one.text)
    for service in specs.services:
        for path, traffic in service.forwardings:
            if traffic.outside:
                yield from _traffic(specs, service, traffic, path)


# -- where it is


def _place(specs: Specs, document: Document, path: Path, reference: str) -> Iterator[Diagnostic]:
    """An ARN of another region or account names nothing that the stack can use."""
    elsewhere = queries.elsewhere(specs, reference)
    if elsewhere:
        yield Diagnostic("E2016", f"{shown(reference)} {elsewhere}", specs.where(document, *path))


# -- load balancers


def _traffic(specs: Specs, service: Service, traffic: Forwarding, path: Path) -> Iterator[Diagnostic]:
    balancer = (*path, "load_balancer")
    place = specs.where(service, *balancer)
    yield from _place(specs, service, balancer, traffic.load_balancer)
    if ":loadbalancer/net/" in traffic.load_balancer or traffic.of_connections:
        message = "the listeners of a network load balancer have no rules, so that one of others cannot be shared"
        field = "protocol" if traffic.of_connections else "load_balancer"
        yield Diagnostic("E2006", message, specs.where(service, *path, field), hint="declare a LoadBalancer")
        return
    if not traffic.match.given:
        message = "a listener that others own answers what no rule takes as they say, so the service needs a 'match'"
        hint = "add match: {path: …, priority: …}; or declare a LoadBalancer, with adopt: true if it exists"
        yield Diagnostic("E2006", message, place, hint=hint)
    yield from _listener(specs, service, traffic, path, "listener")
    if isinstance(traffic, Traffic) and "test_listener" in traffic.model_fields_set:
        yield from _listener(specs, service, traffic, path, "test_listener")


def _listener(specs: Specs, service: Service, traffic: Forwarding, path: Path, field: str) -> Iterator[Diagnostic]:
    listener: str = getattr(traffic, field)
    if field not in traffic.model_fields_set:
        message = f"a load balancer that others own needs '{field}': the port of one of its listeners, or its ARN"
        yield Diagnostic("E4025", message, specs.where(service, *path, "load_balancer"), hint=f"add {field}: 443")
        return
    place = specs.where(service, *path, field)
    if not queries.has_listener(specs, traffic, listener):
        message = f"{shown(listener)} is no port and no ARN; a listener that others own has no name"
        yield Diagnostic("E4025", message, place, hint=f"write {field}: 443, or its ARN")
        return
    if listener.isdigit() and int(listener) > 65_535:
        yield Diagnostic("E4025", f"{listener} is no port; ports are from 1 to 65535", place)
    yield from _of_balancer(traffic.load_balancer, listener, place)
    yield from _place(specs, service, (*path, field), listener)


def _of_balancer(balancer: str, listener: str, place: Position) -> Iterator[Diagnostic]:
    """The ARN of a listener has the name and the id of its load balancer."""
    if not queries.is_arn(listener) or literal(balancer, LOOKUP):
        return
    named, found = balancer.removeprefix(NAMED).partition(":loadbalancer/")[2], listener.partition(":listener/")[2]
    mine = found.rpartition("/")[0]
    theirs = named or f"app/{balancer.removeprefix(NAMED)}"
    if mine != theirs and not (literal(balancer, NAMED) and mine.rpartition("/")[0] == theirs):
        message = f"the listener belongs to the load balancer {mine}, not to {theirs}"
        yield Diagnostic("E4025", message, place)
