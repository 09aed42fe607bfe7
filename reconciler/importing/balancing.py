"""Load balancers and the block `traffic` of a service: how requests reach its tasks.

A service has one place at which its requests come in: a listener, or a rule of one. What else sends requests to its
target group is not stated, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.importing.decision import Choice, managed_by
from reconciler.importing.inventory import Inventory, ServiceFound, Thing, sends_to
from reconciler.importing.sign_in import sign_in
from reconciler.importing.tasks import seconds
from reconciler.model import ownership
from reconciler.model.duration import format as duration_text
from reconciler.resources._elb import attributes
from reconciler.resources._elb_actions import Action, read_action
from reconciler.resources._rule_fields import ListenerRuleSpec, others, read
from reconciler.resources.listener import read_listener
from reconciler.resources.target_group import read_check
from reconciler.spec.documents.service import Traffic
from reconciler.spec.documents.target_group import TargetHealthCheck
from reconciler.spec.yaml_text import Block

USUAL_PORTS: Final = {("HTTP", 80): "http", ("HTTPS", 443): "https"}
IDLE: Final = "60"
"""Seconds: `idle_timeout.timeout_seconds` of a new load balancer (ELB user guide, "Connection idle timeout")."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where requests of a service come in: a listener, and the rule of it, if it is not the default action."""

    listener: Thing
    rule: Thing | None

    @property
    def text(self) -> str:
        place = f"port {self.listener.item['Port']}"
        return place if self.rule is None else f"the rule with priority {self.rule.item['Priority']} of {place}"


def entries(inventory: Inventory, group: str) -> Iterator[Entry]:
    """Every listener and rule that sends requests to a target group, the most likely production first."""
    found = []
    for balancer in inventory.things[group].item.get("LoadBalancerArns") or ():
        for listener in inventory.listeners(balancer):
            if group in sends_to(listener.item["DefaultActions"]):
                found.append(Entry(listener, None))
            found += [
                Entry(listener, rule)
                for rule in inventory.rules(listener.id)
                if group in sends_to(rule.item["Actions"])
            ]
    yield from sorted(found, key=lambda one: (one.listener.item["Protocol"] != "HTTPS", one.rule is not None))


def production(inventory: Inventory, service: ServiceFound, choices: Mapping[str, Choice]) -> tuple[Entry | None, str]:
    """The entry that `traffic` states, or why it is not stated."""
    targets = service.spec.load_balancers or ()
    if not targets:
        return None, ""
    if len(service.target_groups) > 1:
        return None, "its tasks are in several target groups"
    group = inventory.things.get(str(targets[0].target_group))
    if group is None:
        return None, "its target group cannot be read"
    balancers = [inventory.things[arn] for arn in group.item.get("LoadBalancerArns") or () if arn in inventory.things]
    if len(balancers) != 1:
        return None, "no load balancer sends requests to its target group"
    choice = choices[balancers[0].id]
    for entry in entries(inventory, group.id):
        if not _only(entry, group.id) or (entry.rule is not None and not stateable(entry.rule)):
            continue
        if choice.own or not not_referable(inventory, choice, entry, group):
            return entry, ""
    if not choice.own:
        return None, f"the load balancer {choice.thing.name} is not owned: {choice.because}"
    return None, "no single listener or rule that the specs have words for sends requests to its target group alone"


def not_referable(inventory: Inventory, choice: Choice, entry: Entry, *groups: Thing) -> str:
    """Why a service cannot come in there through a load balancer that is not owned; empty if it can.

    The stack owns the rule and the target groups, and nothing else of it.
    """
    if choice.thing.item["Type"] != "application" or entry.rule is None:
        return "the stack writes rules only"
    owner = next((owner for thing in (entry.rule, *groups) if (owner := ownership.owner(thing.tags))), None)
    if owner is not None:
        return f"a rule or target group belongs to the stack {owner}"
    managers = (managed_by(inventory, thing) for thing in (entry.rule, *groups))
    return next((manager for manager in managers if manager), "")


def _only(entry: Entry, group: str) -> bool:
    actions = entry.listener.item["DefaultActions"] if entry.rule is None else entry.rule.item["Actions"]
    return sends_to(actions) == (group,)


def stateable(rule: Thing) -> bool:
    """Whether the specs have words for all conditions of a rule."""
    return not others(rule.item) and bool(rule.item["Conditions"]) and not rule.item.get("Transforms")


def traffic_block(
    inventory: Inventory,
    service: ServiceFound,
    entry: Entry,
    names: Mapping[str, str],
    groups: tuple[str, ...] = (),
    test: Entry | None = None,
    *,
    owned: bool = True,
) -> Block:
    """`groups` and `test` are of a service whose traffic is shifted: both target groups, and where it is tested.
    `owned`: whether there is a document of the load balancer; otherwise it is referred to."""
    target = (service.spec.load_balancers or ())[0]
    group, *others = (inventory.things[arn] for arn in groups or (str(target.target_group),))
    block = Block()
    balancer = inventory.things[entry.listener.item["LoadBalancerArn"]]
    block.put("load_balancer", names[balancer.id] if owned else {"name": balancer.name})
    block.put("container", target.container)
    assert service.definition is not None, "a refused service has no documents"
    ports = [port for port in service.definition.containers[target.container].ports if port.protocol == "tcp"]
    block.put("port", target.port if len(ports) != 1 else None)
    named = ((names[one.id], one.name) for one in (group, *others))
    block.put("target_groups", [name if name == own else {"name": name, "aws_name": own} for name, own in named])
    check = health_check(group)
    block.put("health_check", check or None)
    delay = attributes(group.more["attributes"] or {"Attributes": ()}).get("deregistration_delay.timeout_seconds", "")
    if delay and delay != str(int(Traffic.model_fields["deregistration_delay"].default.total_seconds())):
        block.put("deregistration_delay", seconds(int(delay)))
    for field, place in (("listener", entry), ("test_listener", test)):
        if place is not None:
            block.put(field, listener_name(place.listener) if owned else place.listener.item["Port"])
    if entry.rule is not None:
        block.put("match", match(read(entry.listener.id, entry.rule.item)))
    actions = entry.listener.item["DefaultActions"] if entry.rule is None else entry.rule.item["Actions"]
    for field, value in () if groups else (sign_in(actions) or {}).items():
        block.put(field, value)
    for other in entries(inventory, group.id) if test is None else ():
        if (other.listener.id, other.rule and other.rule.id) != (entry.listener.id, entry.rule and entry.rule.id):
            block.note(f"Sends requests to this service, too, and stays as it is: {other.text}.")
    return block


def health_check(group: Thing) -> dict[str, Any]:
    """The fields that differ from the defaults of the specs."""
    check, found = read_check(group.item), dict[str, Any]()
    usual = TargetHealthCheck()
    if check.path is not None and check.path != usual.path:
        found["path"] = check.path
    for field in ("interval", "timeout"):
        value = getattr(check, field)
        if value is not None and seconds(value) != duration_text(getattr(usual, field)):
            found[field] = seconds(value)
    for field in ("healthy_threshold", "unhealthy_threshold"):
        if getattr(check, field) not in (None, getattr(usual, field)):
            found[field] = getattr(check, field)
    grpc = group.item.get("ProtocolVersion") == "GRPC"
    if check.matcher not in (None, usual.matcher) and not grpc:
        found["matcher"] = check.matcher
    return found


def match(rule: ListenerRuleSpec) -> dict[str, Any]:
    fields = {
        "path": rule.paths,
        "host": rule.hosts,
        "method": rule.methods,
        "header": {name: _one_or_many(values) for name, values in (rule.headers or {}).items()},
        "query": rule.queries,
        "source_ip": rule.sources,
    }
    found = {name: _one_or_many(value) for name, value in fields.items() if value}
    return {**found, "priority": rule.priority}


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, Mapping) else value[0] if len(value) == 1 else list(value)


def listener_name(listener: Thing) -> str:
    protocol, port = listener.item["Protocol"], listener.item["Port"]
    return USUAL_PORTS.get((protocol, port), f"{protocol.lower()}-{port}")


def balancer_block(inventory: Inventory, choice: Choice, names: Mapping[str, str], taken: Mapping[str, Entry]) -> Block:
    """`taken` are the entries of the services, by the id of the listener or rule."""
    thing = choice.thing
    item, settings = thing.item, attributes(thing.more["attributes"] or {"Attributes": ()})
    block = Block()
    block.put("kind", "LoadBalancer")
    block.put("name", names[thing.id])
    block.put("aws_name", thing.name if thing.name != names[thing.id] else None)
    block.put("adopt", value=True)
    block.put("scheme", item["Scheme"] if item["Scheme"] != "internet-facing" else None)
    block.put("network", names.get(item["VpcId"], item["VpcId"]))
    subnets = [zone["SubnetId"] for zone in item["AvailabilityZones"]]
    block.put("subnets", sorted(names.get(one, one) for one in subnets))
    block.put("security_groups", sorted(names.get(one, one) for one in item.get("SecurityGroups") or ()))
    listeners, rules = Block(), Block()
    for listener in inventory.listeners(thing.id):
        name = listener_name(listener)
        listeners.put(name, _listener(listener), beside=_beside(listener, taken))
        for rule in inventory.rules(listener.id):
            if rule.id in taken:
                continue
            found = _rule(rule, name)
            if found is None:
                rules.note(f"The rule with priority {rule.item['Priority']} of `{name}` stays as it is.")
            else:
                rules.put(
                    f"rule-{rule.item['Priority']}" if name in ("http", "https") else f"{name}-{rule.item['Priority']}",
                    found,
                )
    block.put("listeners", listeners)
    if any(key for key, *_ in rules.entries):
        block.put("rules", rules)
    else:
        block.entries += rules.entries
    idle = settings.get("idle_timeout.timeout_seconds", IDLE)
    block.put("idle_timeout", seconds(int(idle)) if idle != IDLE else None)
    block.put("deletion_protection", settings.get("deletion_protection.enabled") == "true" or None)
    return block


def _listener(listener: Thing) -> dict[str, Any]:
    spec = read_listener(listener.item, listener.more["certificates"])
    found: dict[str, Any] = {"port": spec.port}
    if spec.protocol != "HTTP":
        found["protocol"] = spec.protocol
        found["certificates"] = list(map(str, spec.certificates or ()))
        found["ssl_policy"] = spec.ssl_policy
    said = answer(spec.default_action)
    signed = sign_in(listener.item["DefaultActions"]) or {}
    return found | ({} if said is None else {"default_action": {**said, **signed}})


def _beside(listener: Thing, taken: Mapping[str, Entry]) -> str:
    if sends_to(listener.item["DefaultActions"]) and listener.id not in taken:
        return "its default action stays as it is"
    return ""


def _rule(rule: Thing, listener: str) -> dict[str, Any] | None:
    said = answer(read_action(rule.item["Actions"])) if stateable(rule) else None
    signed = sign_in(rule.item["Actions"])
    if said is None or signed is None:
        return None
    return {"listener": listener, "match": match(read(rule.more["listener"], rule.item)), **said, **signed}


def answer(action: Action | None) -> dict[str, Any] | None:
    """A redirect or a fixed response in the words of the specs; None for anything else, or if they lack words."""
    if action is None:
        return None
    if (reply := action.fixed_response) is not None:
        found = {"status": int(reply.status), "content_type": reply.content_type, "body": reply.body}
        usual = {"content_type": "text/plain", "body": ""}
        stated = {key: value for key, value in found.items() if value is not None and value != usual.get(key)}
        return {"fixed_response": stated} if reply.content_type is not None else None
    if (there := action.redirect) is not None:
        port = None if there.port in (None, "#{port}") else there.port
        if port is not None and not re.fullmatch(r"\d+", port):
            return None
        parts: dict[str, Any] = {
            "protocol": there.protocol if there.protocol not in (None, "#{protocol}") else None,
            "port": int(port) if port is not None else None,
            "host": there.host if there.host not in (None, "#{host}") else None,
            "path": there.path if there.path not in (None, "/#{path}") else None,
            "query": there.query if there.query not in (None, "#{query}") else None,
            "status": there.status if there.status != "301" else None,
        }
        if parts["port"] == {"HTTP": 80, "HTTPS": 443}.get(there.protocol or ""):
            parts["port"] = None
        return {"redirect": {key: value for key, value in parts.items() if value is not None}}
    return None
