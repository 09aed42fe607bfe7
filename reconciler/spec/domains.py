"""Listeners of domains: by which of them a service is reached that has a domain.

If its listener uses HTTPS, it is that one, which gets the certificates of the domains. If it uses HTTP, there is one
more for HTTPS, and the other one sends its requests there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.model.resource import Address
from reconciler.spec import queries
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.domain import Domain
from reconciler.spec.documents.load_balancer import Listener
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.specs import Specs

HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class Served:
    """A domain of a service, with the path to it and the listener by which it is served."""

    service: Service
    traffic: Forwarding
    path: tuple[str | int, ...]
    domain: Domain
    listener: str

    @property
    def certificate(self) -> Address:
        return Address("domain-certificate", self.domain.slug)

    @property
    def zone(self) -> Address:
        return Address("hosted-zone", self.domain.slug)

    @property
    def record(self) -> Address:
        return Address("dns-record", self.domain.slug)


def secure(specs: Specs, traffic: Forwarding) -> str:
    """The name of the listener at which requests of users come in."""
    balancer = queries.balancer(specs, traffic)
    declared = None if balancer is None else balancer.listeners.get(traffic.listener)
    return (
        derived(traffic.listener)
        if traffic.domain and declared is not None and not declared.secure
        else traffic.listener
    )


def derived(listener: str) -> str:
    """The name of the listener for HTTPS beside one for HTTP."""
    return f"{listener}-https"


def served(specs: Specs, balancer: LoadBalancer) -> Iterator[Served]:
    for service in specs.services:
        for path, traffic in service.forwardings:
            if traffic.load_balancer != balancer.name:
                continue
            for number, domain in enumerate(traffic.domain):
                yield Served(service, traffic, (*path, "domain", number), domain, secure(specs, traffic))


def listeners(specs: Specs, balancer: LoadBalancer) -> dict[str, Listener]:
    """The listeners of a load balancer, with those for HTTPS that its domains add."""
    added = {one.listener for one in served(specs, balancer)} - balancer.listeners.keys()
    https = Listener(port=HTTPS_PORT, protocol="HTTPS")
    return {**balancer.listeners, **dict.fromkeys(sorted(added), https)}


def served_at(specs: Specs, balancer: LoadBalancer, listener: str) -> list[Served]:
    """The domains of one listener, each once, in the order of the documents."""
    found: dict[str, Served] = {}
    for one in served(specs, balancer):
        if one.listener == listener:
            found.setdefault(one.domain.name, one)
    return list(found.values())
