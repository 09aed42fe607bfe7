"""Compilation of a LoadBalancer and its listeners: where requests arrive, and which service receives them.

The default action of a listener serves the one service that receives all requests; services with a match have their own
rules (service.py). Each listener always names both target groups of a service, one of them with weight 0, because ECS
refuses a target group that no listener names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model import elb_actions
from reconciler.model.members import FIELD, stated_tag
from reconciler.model.resource import Address, Desired, Keep, Link, Meanwhile, Path, Ref
from reconciler.resources._elb_actions import NOBODY, NOT_FOUND, TO_HTTPS, Action, FixedResponse, Forward, Redirect
from reconciler.resources.certificate import CertificateSpec
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.resources.load_balancer import ADDRESSES, IDLE_TIMEOUT, LoadBalancerSpec
from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import domains, members
from reconciler.spec.compile import sign_in as sign_ins
from reconciler.spec.compile.context import Context, seconds, unstated
from reconciler.spec.compile.policy import compile_policy
from reconciler.spec.documents import DeploymentStrategy, LoadBalancer, Service
from reconciler.spec.documents.listener_rule import Answer, Match
from reconciler.spec.documents.load_balancer import CertificateReference
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.documents.sign_in import SignIn

STATED: Final[Mapping[str, Path]] = {"ip_address_type": ADDRESSES, "idle_timeout": IDLE_TIMEOUT}
"""What each field of a load balancer is known by to have been stated."""
HTTP_PORT: Final = 80


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
    for name, listener in domains.listeners(context.specs, balancer).items():
        for index, certificate in enumerate(listener.certificates):
            if certificate.domain is not None:
                path = ("listeners", name, "certificates", index)
                shown = CertificateSpec(domain=certificate.domain)
                yield context.desired(balancer, certificate_address(certificate.domain), shown, *path)
        added, sign_in = domains.served_at(context.specs, balancer, name), None
        if listener.default_action is not None:
            sign_in = listener.default_action.sign_in
            yield from sign_ins.secrets(context, balancer, sign_in, ("listeners", name, "default_action", "sign_in"))
        elif (taker := _takes_all(context, balancer, name)) is not None:
            sign_in = taker[1].sign_in_at(name)
        spec = ListenerSpec(
            load_balancer=Ref(address),
            port=listener.port,
            protocol=listener.protocol,
            certificates=(*map(_certificate, listener.certificates), *(Ref(one.certificate) for one in added)) or None,
            ssl_policy=listener.tls_policy,
            sign_in=sign_ins.compile_sign_in(sign_in),
            aws=_beyond(members.said(listener), "DefaultActions"),
            **default_action(context, balancer, name),
        )
        want = context.desired(
            balancer,
            listener_address(balancer.name, name),
            spec,
            "listeners",
            name,
            tags=stated_tag(sign_ins.stated(sign_in)),
            kept=unstated(listener, protocol="protocol", ssl_policy="ssl_policy")
            | sign_ins.kept(sign_in)
            | (
                {}
                if listener.default_action or _takes_all(context, balancer, name)
                else {("default_action",): Keep.VALUE}
            ),
            meanwhile=_until_secure(context, balancer, name, spec),
        )
        first = added[0] if name not in balancer.listeners else None
        yield want if first is None else replace(want, where=context.specs.where(first.service, *first.path).place)
    for name, rule in balancer.rules.items():
        yield from sign_ins.secrets(context, balancer, rule.sign_in, ("rules", name, "sign_in"))
        yield context.desired(
            balancer,
            Address("listener-rule", f"{balancer.name}-{name}"),
            ListenerRuleSpec(
                listener=Ref(listener_address(balancer.name, rule.listener)),
                action=answer(rule),
                sign_in=sign_ins.compile_sign_in(rule.sign_in),
                **conditions(rule.match),
            ),
            "rules",
            name,
            kept=unstated_conditions(rule.match) | sign_ins.kept(rule.sign_in),
            tags=stated_fields(rule.match, rule.sign_in),
        )


def _until_secure(context: Context, balancer: LoadBalancer, name: str, spec: ListenerSpec) -> Meanwhile | None:
    """What a listener for HTTP does until requests come in by HTTPS."""
    secure = _secure_beside(context, balancer, name)
    if secure is None or spec.default_action != TO_HTTPS:
        return None
    sent = _sends_all(context, balancer, name)
    if sent is not None and changes_listeners(context, sent[0]):
        actions = {"default_action": None, **_forwarded(context, *sent)}
    else:
        actions = {"default_action": Action(fixed_response=NOBODY)}
    return Meanwhile(listener_address(balancer.name, secure), spec.model_copy(update=actions))


def changes_listeners(context: Context, service: Service) -> bool:
    """Whether the requests of a service can come in by another listener while it is deployed by its engine."""
    strategy = None if service.deployment is None else context.specs.get(DeploymentStrategy, service.deployment)
    return engines()[compile_policy(strategy, service).engine].shifts_traffic is not TrafficShifter.ECS


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


def stated_fields(match: Match, sign_in: SignIn | None) -> dict[str, str]:
    """The tag of a rule that has regular expressions or a sign-in, so that they go when their line does."""
    regexes: dict[Path, Keep] = {(FIELD, "Conditions"): Keep.STATED} if match.regexes else {}
    return stated_tag({**regexes, **sign_ins.stated(sign_in)})


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
        and listener in (domains.secure(context.specs, traffic), getattr(traffic, "test_listener", None))
    ]


def default_action(context: Context, balancer: LoadBalancer, listener: str) -> dict[str, Any]:
    """The field of a listener that says it: its first action only, where a rollout moves the traffic afterwards."""
    found, block = _takes_all(context, balancer, listener), balancer.listeners.get(listener)
    if block is not None and block.default_action is not None:
        return {"default_action": answer(block.default_action)}
    if found is not None:
        return _forwarded(context, *found)
    if _secure_beside(context, balancer, listener) is not None:
        return {"default_action": TO_HTTPS}
    named = users(context, balancer, listener) or any(
        one.traffic.listener == listener for one in domains.served(context.specs, balancer)
    )
    return {"default_action": Action(fixed_response=NOT_FOUND if named else NOBODY)}


def _secure_beside(context: Context, balancer: LoadBalancer, name: str) -> str | None:
    """The listener for HTTPS to which a listener for HTTP sends all requests that no rule catches: those of its only
    service, or, on port 80, those of browsers that ask first for a domain of the load balancer."""
    block = balancer.listeners.get(name)
    if block is None or block.secure or block.default_action is not None:
        return None
    served = list(domains.served(context.specs, balancer))
    own = [one for one in served if one.traffic.listener == name]
    if own:
        return next((one.listener for one in own if not one.traffic.match.given), None)
    ports = domains.listeners(context.specs, balancer)
    used = users(context, balancer, name) or block.port != HTTP_PORT
    https = (one.listener for one in served if one.listener in ports and ports[one.listener].port == domains.HTTPS_PORT)
    return None if used else next(https, None)


def _sends_all(context: Context, balancer: LoadBalancer, listener: str) -> tuple[Service, Forwarding] | None:
    """The service whose requests a listener for HTTP sends to HTTPS, if these are all that no rule catches."""
    for one in domains.served(context.specs, balancer):
        if one.traffic.listener == listener != one.listener and not one.traffic.match.given:
            return one.service, one.traffic
    return None


def _forwarded(context: Context, service: Service, traffic: Forwarding) -> dict[str, Any]:
    """The fields of a listener that say that a service has its requests."""
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
