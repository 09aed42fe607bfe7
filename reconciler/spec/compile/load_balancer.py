"""Compilation of a LoadBalancer and its listeners: where requests arrive, and which service receives them.

The default action of a listener serves the one service that receives all requests; services with a match have their own
rules (service.py). Each listener always names both target groups of a service, one of them with weight 0, because ECS
refuses a target group that no listener names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.model import elb_actions
from reconciler.model.members import FIELD, stated_tag
from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources._elb_actions import NOBODY, NOT_FOUND, Action, FixedResponse, Forward, Redirect
from reconciler.resources.certificate import CertificateSpec
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.resources.load_balancer import ADDRESSES, IDLE_TIMEOUT, LoadBalancerSpec
from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import members
from reconciler.spec.compile.context import Context, seconds, unstated
from reconciler.spec.compile.policy import compile_policy
from reconciler.spec.documents import DeploymentStrategy, LoadBalancer, Service
from reconciler.spec.documents.listener_rule import Answer, Match
from reconciler.spec.documents.load_balancer import CertificateReference
from reconciler.spec.documents.service import Forwarding

STATED: Final[Mapping[str, Path]] = {"ip_address_type": ADDRESSES, "idle_timeout": IDLE_TIMEOUT}
"""What each field of a load balancer is known by to have been stated."""


def compile_load_balancer(context: Context, balancer: LoadBalancer) -> Iterator[Desired[Any]]:
    attributes = dict(balancer.attributes)
    if balancer.idle_timeout is not None:
        attributes["idle_timeout.timeout_seconds"] = str(seconds(balancer.idle_timeout))
    attributes["deletion_protection.enabled"] = "true" if balancer.deletion_protection else "false"
    address = Address("load-balancer", balancer.name)
    stated = [path for field, path in STATED.items() if getattr(balancer, field) is not None]
    yield context.desired(
        balancer,
        address,
        LoadBalancerSpec(
            name=balancer.name_in_aws,
            scheme=balancer.scheme,
            type=balancer.type,
            subnets=context.subnets(balancer.subnets),
            security_groups=context.security_groups(balancer.security_groups),
            ip_address_type=balancer.ip_address_type,
            attributes=attributes,
            aws=members.said(balancer),
        ),
        tags=stated_tag(dict.fromkeys(stated, Keep.STATED)),
        kept=unstated(
            balancer, scheme="scheme", type="type", deletion_protection=("attributes", "deletion_protection.enabled")
        ),
    )
    for name, listener in balancer.listeners.items():
        for index, certificate in enumerate(listener.certificates):
            if certificate.domain is not None:
                spec = CertificateSpec(domain=certificate.domain)
                path = ("listeners", name, "certificates", index)
                yield context.desired(balancer, certificate_address(certificate.domain), spec, *path)
        yield context.desired(
            balancer,
            listener_address(balancer.name, name),
            ListenerSpec(
                load_balancer=Ref(address),
                port=listener.port,
                protocol=listener.protocol,
                certificates=tuple(map(_certificate, listener.certificates)) or None,
                ssl_policy=listener.tls_policy,
                aws=_beyond(members.said(listener), "DefaultActions"),
                **default_action(context, balancer, name),
            ),
            "listeners",
            name,
            kept=unstated(listener, protocol="protocol", ssl_policy="ssl_policy")
            | (
                {}
                if listener.default_action or _takes_all(context, balancer, name)
                else {("default_action",): Keep.VALUE}
            ),
        )
    for name, rule in balancer.rules.items():
        yield context.desired(
            balancer,
            Address("listener-rule", f"{balancer.name}-{name}"),
            ListenerRuleSpec(
                listener=Ref(listener_address(balancer.name, rule.listener)),
                action=answer(rule),
                **conditions(rule.match),
            ),
            "rules",
            name,
            kept=unstated_conditions(rule.match),
            tags=stated_regexes(rule.match),
        )


def conditions(match: Match) -> dict[str, Any]:
    """The fields of a listener rule that say which requests it takes, and its priority."""
    assert match.priority is not None, "checked: a rule has a priority"
    return {
        "priority": match.priority,
        "paths": match.path,
        "hosts": match.host,
        "methods": match.method,
        "headers": dict(match.header),
        "queries": match.query,
        "sources": tuple(map(str, match.source_ip)),
        "aws": _with_regexes(_beyond(members.said(match), "Actions"), match),
    }


def _with_regexes(said: dict[str, Any], match: Match) -> dict[str, Any]:
    """The members of a rule with its regular expressions, which AWS keeps as conditions of their own."""
    found: list[dict[str, Any]] = []
    if match.path_regex:
        found.append({"Field": "path-pattern", "PathPatternConfig": {"RegexValues": sorted(match.path_regex)}})
    if match.host_regex:
        found.append({"Field": "host-header", "HostHeaderConfig": {"RegexValues": sorted(match.host_regex)}})
    for name, values in sorted(match.header_regex.items()):
        config = {"HttpHeaderName": name, "RegexValues": sorted(values)}
        found.append({"Field": "http-header", "HttpHeaderConfig": config})
    return {**said, "Conditions": [*found, *said.get("Conditions", ())]} if found else said


def stated_regexes(match: Match) -> dict[str, str]:
    """The tag of a rule that has regular expressions, so that they go when their line does."""
    return stated_tag({(FIELD, "Conditions"): Keep.STATED}) if match.regexes else {}


def unstated_conditions(match: Match) -> dict[Path, Keep]:
    fields = {"path": "paths", "host": "hosts", "method": "methods", "header": "headers", "query": "queries"}
    return unstated(match, **fields, source_ip="sources")


def answer(given: Answer) -> Action:
    """The action of a redirect or a fixed response. A protocol brings its port along."""
    there, reply = given.redirect, given.fixed_response
    if there is not None:
        port = there.port or {"HTTP": 80, "HTTPS": 443, None: None}[there.protocol]
        return Action(
            redirect=Redirect(
                status=there.status,
                protocol=there.protocol or "#{protocol}",
                port="#{port}" if port is None else str(port),
                host=there.host or "#{host}",
                path=there.path or "/#{path}",
                query="#{query}" if there.query is None else there.query,
            )
        )
    assert reply is not None, "one of the two is given"
    return Action(
        fixed_response=FixedResponse(status=str(reply.status), content_type=reply.content_type, body=reply.body or None)
    )


def certificate_address(domain: str) -> Address:
    return Address("certificate", domain)


def _certificate(certificate: CertificateReference) -> Link:
    return Ref(certificate_address(certificate.domain)) if certificate.domain is not None else str(certificate.arn)


def listener_address(balancer: str, name: str) -> Address:
    return Address("listener", f"{balancer}-{name}")


def users(context: Context, balancer: LoadBalancer, listener: str) -> list[tuple[Service, Forwarding]]:
    """The services that one listener serves, with their traffic there."""
    return [
        (service, traffic)
        for service in context.specs.services
        for _, traffic in service.forwardings
        if traffic.load_balancer == balancer.name
        and listener in (traffic.listener, getattr(traffic, "test_listener", None))
    ]


def default_action(context: Context, balancer: LoadBalancer, listener: str) -> dict[str, Any]:
    """The field of a listener that says it: its first action only, where a rollout moves the traffic afterwards."""
    found, declared = _takes_all(context, balancer, listener), balancer.listeners[listener].default_action
    if declared is not None:
        return {"default_action": answer(declared)}
    if found is None:
        served = users(context, balancer, listener)
        return {"default_action": Action(fixed_response=NOT_FOUND if served else NOBODY)}
    service, traffic = found
    strategy = None if service.deployment is None else context.specs.get(DeploymentStrategy, service.deployment)
    engine = engines()[compile_policy(strategy, service).engine]
    if engine.shifts_traffic is TrafficShifter.NOBODY:
        return {"default_action": forward(traffic)}
    return shifted(traffic, strategy)


def shifted(traffic: Forwarding, strategy: DeploymentStrategy | None) -> dict[str, Any]:
    """The fields of a listener or a rule whose traffic a rollout shifts."""
    sticky = strategy is not None and strategy.stickiness is not None
    return {"initial_action": forward(traffic), **({"sticky": True} if sticky else {})}


def _beyond(said: dict[str, Any], member: str) -> dict[str, Any]:
    """The members of a listener or a rule, with what they say of its actions as AWS shows it."""
    actions = said.get(member)
    return said if actions is None else {**said, member: elb_actions.beyond(actions)}


def _takes_all(context: Context, balancer: LoadBalancer, listener: str) -> tuple[Service, Forwarding] | None:
    """The service that receives what no rule of a listener catches."""
    for service, traffic in users(context, balancer, listener):
        if not traffic.match.given:
            return service, traffic
    return None


def forward(traffic: Forwarding) -> Action:
    """All to the first target group; the second stays named with weight 0."""
    first, *others = traffic.target_groups
    idle = [Forward(target_group=_group(other.name), weight=0) for other in others]
    return Action(forward=(Forward(target_group=_group(first.name), weight=100), *idle))


def _group(name: str) -> Ref:
    return Ref(Address("target-group", name))
