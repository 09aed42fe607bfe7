"""Checks of sign-ins: the listener, the way to the provider, how the service is deployed, and where the secret is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model import secrecy
from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.sign_in import SignIn
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Path, Position
from reconciler.spec.specs import Specs

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class _Place:
    """A sign-in, with the load balancer and the name of the listener at which users come in."""

    document: Document
    path: Path
    sign_in: SignIn
    balancer: LoadBalancer | None
    listener: str

    def at(self, specs: Specs) -> Position:
        return specs.where(self.document, *self.path, key=True)


def check(specs: Specs) -> Iterator[Diagnostic]:
    for one in _places(specs):
        yield from _secret(specs, one)
        yield from _shown(specs, one)
        if one.balancer is not None and one.balancer.type == "application":
            yield from _listener(specs, one, one.balancer)
            yield from _way_out(specs, one, one.balancer)
    yield from _deployed(specs)


def _places(specs: Specs) -> Iterator[_Place]:
    for service in specs.services:
        for path, traffic in service.forwardings:
            if traffic.sign_in is not None:
                balancer = queries.balancer(specs, traffic)
                yield _Place(service, (*path, "sign_in"), traffic.sign_in, balancer, traffic.listener)
    for balancer in specs.load_balancers:
        for name, listener in balancer.listeners.items():
            action = listener.default_action
            if action is not None and action.sign_in is not None:
                at: Path = ("listeners", name, "default_action", "sign_in")
                yield _Place(balancer, at, action.sign_in, balancer, name)
        for name, rule in balancer.rules.items():
            if rule.sign_in is not None:
                yield _Place(balancer, ("rules", name, "sign_in"), rule.sign_in, balancer, rule.listener)


def _listener(specs: Specs, one: _Place, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    """Of a service with a domain, the listener that it names has to be that for HTTPS, and not one beside it."""
    declared = balancer.listeners.get(one.listener)
    if declared is not None and declared.protocol != "HTTPS":
        message = f"users sign in by HTTPS only, and listener {one.listener} uses {declared.protocol}"
        note = Note("the listener", specs.where(balancer, "listeners", one.listener, key=True))
        hint = "declare a listener with protocol: HTTPS and port: 443, and name it in `listener`"
        yield Diagnostic("E4031", message, one.at(specs), hint=hint, notes=(note,))


def _way_out(specs: Specs, one: _Place, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    """The load balancer itself asks the provider for tokens and for claims."""
    known = specs.security_groups
    groups = balancer.security_groups
    if not groups or not all(name in known and known[name].it.egress is not None for name in groups):
        return
    rules = [rule for name in groups for rule in known[name].it.egress or ()]
    if not any(rule.protocol in ("tcp", "all") and HTTPS_PORT in rule.port for rule in rules):
        closed = f"{joined(groups, 'and')} allows no outbound traffic on port {HTTPS_PORT}"
        message = f"{closed}, so the load balancer cannot reach the provider"
        notes = tuple(Note("the security group", known[name].where(specs)) for name in groups)
        hint = f"add {{port: {HTTPS_PORT}, to: anywhere}} to its egress"
        yield Diagnostic("E4033", message, one.at(specs), hint=hint, notes=notes)


def _secret(specs: Specs, one: _Place) -> Iterator[Diagnostic]:
    """A secret may be shared by another account, and a parameter is not."""
    if one.sign_in.oidc is None or not (secret := one.sign_in.oidc.client_secret).arn:
        return
    elsewhere = queries.elsewhere(specs, secret.arn, accounts=secret.service == "ssm")
    if elsewhere:
        place = specs.where(one.document, *one.path, "oidc", "client_secret")
        yield Diagnostic("E2016", f"{shown(secret.written)} {elsewhere}", place)


def _shown(specs: Specs, one: _Place) -> Iterator[Diagnostic]:
    """Further parameters are in the address that browsers are sent to."""
    for name, value in one.sign_in.extra_params.items():
        if secrecy.secret(name, value):
            message = f"the value of {shown(name)} looks like a secret; every browser that signs in sees it"
            place = specs.where(one.document, *one.path, "extra_params", name)
            yield Diagnostic("E7001", message, place, hint="the client secret is written as client_secret")


def _deployed(specs: Specs) -> Iterator[Diagnostic]:
    """AWS writes the actions of the listener or rule where it shifts the traffic."""
    for service in specs.services:
        strategy = queries.switching(specs, service)
        if strategy is None or service.traffic is None or service.traffic.sign_in is None:
            continue
        shifter = engines()[strategy.driver].shifts_traffic
        if shifter not in (TrafficShifter.ECS, TrafficShifter.CODEDEPLOY):
            continue
        what = "supports no sign-in" if shifter is TrafficShifter.ECS else "may remove the sign-in as it rolls back"
        who = "ECS" if shifter is TrafficShifter.ECS else "AWS CodeDeploy"
        message = f"{who} shifts the traffic of {shown(service.name)}, and {what}"
        note = Note("the deployment", specs.where(strategy, "engine"))
        hint = "deploy it with engine: task_sets, or by a rolling deployment"
        place = specs.where(service, "traffic", "sign_in", key=True)
        yield Diagnostic("E4032", message, place, hint=hint, notes=(note,))
