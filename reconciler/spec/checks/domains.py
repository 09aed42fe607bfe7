"""Checks of the domains of services: the load balancer and listener that serve them, and who has which."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import domains, queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer
from reconciler.spec.domains import HTTPS_PORT, Served
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

RULE = "E4024"


def check(specs: Specs) -> Iterator[Diagnostic]:
    first: dict[str, Served] = {}
    yield from _of_others(specs)
    for balancer in specs.load_balancers:
        added: Served | None = None
        for one in domains.served(specs, balancer):
            if one.traffic.listener not in balancer.listeners:
                continue  # an error of its own
            yield from _balancer(specs, balancer, one)
            yield from _listener(specs, balancer, one)
            if one.listener not in balancer.listeners:
                added = added or one
                yield from _one_added(specs, added, one)
            yield from _matched(specs, one)
            yield from _shared(specs, first.setdefault(one.domain.name, one), one)


def _of_others(specs: Specs) -> Iterator[Diagnostic]:
    """A certificate and a listener for HTTPS are the business of whoever owns the load balancer."""
    for service in specs.services:
        for path, traffic in service.forwardings:
            if traffic.outside and traffic.domain:
                message = "domain: others own the load balancer, and its certificates and records with it"
                hint = "write the domain as `match: {host: …}`, and let its owner serve it"
                yield Diagnostic(RULE, message, specs.where(service, *path, "domain"), hint=hint)


def _balancer(specs: Specs, balancer: LoadBalancer, one: Served) -> Iterator[Diagnostic]:
    if balancer.type == "network":
        message = f"domain: {shown(balancer.name)} is a network load balancer, which serves no HTTPS"
        note = Note("the load balancer", specs.where(balancer, "type"))
        yield Diagnostic(RULE, message, specs.where(one.service, *one.path), notes=(note,))


def _listener(specs: Specs, balancer: LoadBalancer, one: Served) -> Iterator[Diagnostic]:
    place = specs.where(one.service, *one.path)
    if balancer.type == "network" or one.listener == one.traffic.listener:
        return
    if one.listener in balancer.listeners:
        message = f"domain: {one.listener} is the name of the listener for HTTPS beside {one.traffic.listener}"
        note = Note("the listener of that name", specs.where(balancer, "listeners", one.listener, key=True))
        yield Diagnostic(RULE, message, place, hint=f"write listener: {one.listener}, or rename it", notes=(note,))
        return
    for name, listener in balancer.listeners.items():
        if listener.port == HTTPS_PORT:
            own = shown(one.service.name)
            message = f"domain: listener {name} has port {HTTPS_PORT} already, and {own} does not use it"
            note = Note("the listener", specs.where(balancer, "listeners", name, "port"))
            yield Diagnostic(RULE, message, place, hint=f"write listener: {name}", notes=(note,))
            return
    known = specs.security_groups
    if not balancer.security_groups or not all(group in known for group in balancer.security_groups):
        return
    parts = [known[group] for group in balancer.security_groups]
    if any(queries.keeps(part.network, part.it, "ingress") for part in parts):
        return
    rules = [rule for part in parts for rule in part.it.ingress]
    if not any(rule.protocol in ("tcp", "all") and HTTPS_PORT in rule.port for rule in rules):
        groups = joined(balancer.security_groups, "and")
        message = f"domain: HTTPS is unreachable: {groups} allows no inbound traffic on port {HTTPS_PORT}"
        notes = tuple(Note("the security group", part.where(specs)) for part in parts)
        hint = f"add {{port: {HTTPS_PORT}, from: anywhere}} to its ingress"
        yield Diagnostic("E4009", message, place, hint=hint, notes=notes)


def _one_added(specs: Specs, first: Served, one: Served) -> Iterator[Diagnostic]:
    """One listener for HTTPS is added to a load balancer, since a port has one."""
    if first.listener != one.listener:
        listener = first.traffic.listener
        message = (
            f"domain: the listener for HTTPS on port {HTTPS_PORT} is beside {listener}, not {one.traffic.listener}"
        )
        note = Note(f"the domain for which it is added to {listener}", specs.where(first.service, *first.path))
        hint = f"write listener: {listener}, or declare a listener for HTTPS and name it in both services"
        yield Diagnostic(RULE, message, specs.where(one.service, *one.path), hint=hint, notes=(note,))


def _matched(specs: Specs, one: Served) -> Iterator[Diagnostic]:
    """Requests for a domain have its name in `Host`."""
    hosts = one.traffic.match.host
    if hosts and not any(_covers(host, one.domain.name) for host in hosts):
        message = f"domain: the match of {shown(one.service.name)} takes no requests for {one.domain.name}"
        at = one.path[: one.path.index("domain")]
        note = Note("the hosts that it takes", specs.where(one.service, *at, "match", "host"))
        yield Diagnostic(RULE, message, specs.where(one.service, *one.path), notes=(note,))


def _covers(pattern: str, name: str) -> bool:
    """Whether there are requests for the domain that the pattern takes."""
    if pattern == name:
        return True
    head, star, tail = pattern.partition("*")
    if not star:
        return name.startswith("*.") and pattern.endswith(name[1:])
    return name.startswith(head) and name.endswith(tail) if "*" not in tail and "?" not in pattern else True


def _shared(specs: Specs, first: Served, one: Served) -> Iterator[Diagnostic]:
    """A name leads to one load balancer, in one zone."""
    same = first.traffic.load_balancer == one.traffic.load_balancer and first.domain == one.domain
    if not same:
        other = shown(first.service.name)
        message = f"domain: {other} has {one.domain.name} as well, with another load balancer, zone, role or 'adopt'"
        note = Note("the other one", specs.where(first.service, *first.path))
        yield Diagnostic(RULE, message, specs.where(one.service, *one.path), notes=(note,))
