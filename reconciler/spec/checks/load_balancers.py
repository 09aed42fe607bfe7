"""Checks of load balancers: zones, subnets, listeners."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import domains, queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer, Network
from reconciler.spec.documents.values import literal
from reconciler.spec.messages import joined, raised, shown
from reconciler.spec.specs import Specs

_OWN_FIELDS = {"idle_timeout.timeout_seconds": "idle_timeout", "deletion_protection.enabled": "deletion_protection"}


def check(specs: Specs) -> Iterator[Diagnostic]:
    for balancer in specs.load_balancers:
        yield from _zones(specs, balancer)
        yield from _network(specs, balancer)
        yield from _listeners(specs, balancer)
        for key, field in _OWN_FIELDS.items():
            if key in balancer.attributes:
                place = specs.where(balancer, "attributes", key, key=True)
                yield Diagnostic("E4015", f"{key} has a field of its own", place, hint=f"write {field}: …")


def _zones(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    known = specs.subnets
    zones: dict[str, int] = {}
    for index, name in enumerate(balancer.subnets):
        part = known.get(name)
        if part is None:
            continue
        place = specs.where(balancer, "subnets", index)
        first = zones.setdefault(part.it.zone, index)
        if first != index:
            note = Note("the other one", specs.where(balancer, "subnets", first))
            message = f"{shown(name)} is the second subnet in {part.it.zone}; a load balancer takes one per zone"
            yield Diagnostic("E4002", message, place, notes=(note,))
        if balancer.scheme == "internet-facing" and part.it.access == "private":
            message = f"{shown(name)} is private; an internet-facing load balancer is not reachable there"
            yield Diagnostic("E4003", message, place, notes=(Note("the subnet", part.where(specs)),))
    all_known = all(name in known for name in balancer.subnets)
    least = 2 if balancer.type == "application" else 1
    if len(balancer.subnets) < least or (all_known and len(zones) < least):
        there = f"only in {next(iter(zones))}" if zones else "in no zone"
        wanted = "at least two zones" if least == 2 else "a zone"
        message = f"a load balancer needs subnets in {wanted}; these are {there}"
        yield Diagnostic("E4001", message, specs.where(balancer, "subnets"))


def _network(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    known = specs.subnets
    if balancer.network is None and balancer.subnets and all(map(queries.is_subnet_id, balancer.subnets)):
        message = f"load balancer {shown(balancer.name)} needs 'network', because its subnets are outside the specs"
        yield Diagnostic("E4019", message, specs.where(balancer, "subnets"), hint="write network: vpc-…")
    if balancer.network is None:
        return
    for index, name in enumerate(balancer.subnets):
        part = known.get(name)
        outside = queries.is_vpc_id(balancer.network) or specs.get(Network, balancer.network) is not None
        if part is not None and outside and part.network.name != balancer.network:
            message = f"{shown(name)} is a subnet of {shown(part.network.name)}, not of {shown(balancer.network)}"
            yield Diagnostic("E3014", message, specs.where(balancer, "subnets", index))


def _listeners(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    if not balancer.listeners:
        message = f"load balancer {shown(balancer.name)} has no listeners"
        yield Diagnostic("E4007", message, specs.where(balancer, "listeners", key=True))
    if len(balancer.listeners) > (most := specs.quotas.listeners_per_load_balancer):
        message = f"{len(balancer.listeners)} listeners; AWS allows {most}"
        place = specs.where(balancer, "listeners", key=True)
        yield Diagnostic("E4012", message, place, hint=raised("listeners_per_load_balancer"))
    ports: dict[int, str] = {}
    for name, listener in balancer.listeners.items():
        place = specs.where(balancer, "listeners", name, "port")
        first = ports.setdefault(listener.port, name)
        if first != name:
            note = Note(f"{first} already uses this port", specs.where(balancer, "listeners", first, "port"))
            message = f"two listeners on port {listener.port}: {first} and {name}"
            yield Diagnostic("E4005", message, place, notes=(note,))
        if listener.secure and not listener.certificates and not domains.served_at(specs, balancer, name):
            message = f"listener {name} uses {listener.protocol} and needs 'certificates'"
            hint = "or a service with a 'domain'" if listener.protocol == "HTTPS" else ""
            yield Diagnostic("E4006", message, specs.where(balancer, "listeners", name, "protocol"), hint=hint)
        if not listener.secure and (listener.certificates or listener.ssl_policy):
            field = "certificates" if listener.certificates else "ssl_policy"
            place = specs.where(balancer, "listeners", name, field, key=True)
            message = f"listener {name} uses {listener.protocol} and does not take '{field}'"
            meant = {"HTTP": "HTTPS", "TCP": "TLS"}.get(listener.protocol)
            yield Diagnostic("E4006", message, place, hint=f"protocol: {meant}?" if meant else "")
        for index, arn in enumerate(certificate.arn for certificate in listener.certificates):
            if arn is not None and (not literal(arn, "arn:") or (":acm:" not in arn and ":iam:" not in arn)):
                place = specs.where(balancer, "listeners", name, "certificates", index)
                hint = "an ARN, or {domain: example.com}"
                yield Diagnostic("E4006", f"{shown(arn)} is not the ARN of a certificate", place, hint=hint)
        yield from _closed(specs, balancer, name)


def _closed(specs: Specs, balancer: LoadBalancer, name: str) -> Iterator[Diagnostic]:
    """A listener whose port no security group of the load balancer allows."""
    known = specs.security_groups
    if not balancer.security_groups or not all(group in known for group in balancer.security_groups):
        return
    port = balancer.listeners[name].port
    groups_of = [known[group] for group in balancer.security_groups]
    if any(queries.keeps(part.network, part.it, "ingress") for part in groups_of):
        return
    rules = [rule for part in groups_of for rule in part.it.ingress]
    wanted = {"UDP": ("udp",), "TCP_UDP": ("tcp", "udp")}.get(balancer.listeners[name].protocol, ("tcp",))
    if not all(any(rule.protocol in (one, "all") and port in rule.port for rule in rules) for one in wanted):
        groups = joined(balancer.security_groups, "and")
        message = f"listener {name} is unreachable: {groups} allows no inbound traffic on port {port}"
        notes = tuple(Note("the security group", known[group].where(specs)) for group in balancer.security_groups)
        yield Diagnostic("E4009", message, specs.where(balancer, "listeners", name, "port"), notes=notes)
