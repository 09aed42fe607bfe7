"""Load balancers and the block `traffic` of a service: how requests reach its tasks.

A service has one place at which its requests come in: a listener, or a rule of one. What else sends requests to its
target group is not stated, and stays as it is.
"""

from __future__ import annotations

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
from reconciler.resources._rule_fields import ListenerRuleSpec, others, read
from reconciler.resources._service_fields import Target
from reconciler.resources.target_group import CONNECTIONS, read_check
from reconciler.spec.documents.service import Traffic
from reconciler.spec.documents.target_group import TargetHealthCheck
from reconciler.spec.yaml_text import Block

USUAL_PORTS: Final = {("HTTP", 80): "http", ("HTTPS", 443): "https"}
SECURE: Final = frozenset({"HTTPS", "TLS"})
GRPC_PATH: Final = "/AWS.ALB/healthcheck"
GRPC_OK: Final = "12"
"""What a health check by GRPC has that states nothing else (ELB user guide, "Health check settings")."""
MOST_WAYS: Final = 5
"""Target groups of a service (ECS developer guide, "Registering multiple target groups with a service")."""


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
    yield from sorted(found, key=_likeliness)


def _likeliness(entry: Entry) -> tuple[bool, bool]:
    return entry.listener.item["Protocol"] not in SECURE, entry.rule is not None


@dataclass(frozen=True, slots=True)
class Way:
    """How requests reach one port of a service's tasks: the target group that it is registered in, and its entry."""

    target: Target
    entry: Entry


def ways(inventory: Inventory, service: ServiceFound, choices: Mapping[str, Choice]) -> tuple[Way, ...] | str:
    """The ways that `traffic` and `additional_traffic` state, production first; or why none is stated.

    All are stated or none: a service whose document states some is registered in those alone.
    """
    targets = service.spec.load_balancers or ()
    if len(targets) > MOST_WAYS:
        return f"its tasks are in {len(targets)} target groups, and the specs have up to {MOST_WAYS}"
    if len({str(one.target_group) for one in targets}) < len(targets):
        return "a target group has several of its ports"
    found = []
    for target in targets:
        entry = _entry(inventory, target, choices)
        if isinstance(entry, str):
            several = len(targets) > 1
            return f"of the target group {_name(inventory, target)}, {entry}" if several else entry
        found.append(Way(target, entry))
    return tuple(sorted(found, key=lambda way: _likeliness(way.entry)))


def _entry(inventory: Inventory, target: Target, choices: Mapping[str, Choice]) -> Entry | str:
    """The entry of a target group, or why it is not stated."""
    group = inventory.things.get(str(target.target_group))
    if group is None:
        return "its target group cannot be read"
    balancers = [inventory.things[arn] for arn in group.item.get("LoadBalancerArns") or () if arn in inventory.things]
    if len(balancers) != 1:
        return "no load balancer sends requests to its target group"
    choice = choices[balancers[0].id]
    for entry in entries(inventory, group.id):
        if not _only(entry, group.id) or (entry.rule is not None and not stateable(entry.rule)):
            continue
        if choice.own or not not_referable(inventory, choice, entry, group):
            return entry
    if not choice.own:
        return f"the load balancer {choice.thing.name} is not owned: {choice.because}"
    return "no single listener or rule that the specs have words for sends requests to its target group alone"


def _name(inventory: Inventory, target: Target) -> str:
    group = inventory.things.get(str(target.target_group))
    return str(target.target_group) if group is None else group.name


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
    way: Way,
    names: Mapping[str, str],
    groups: tuple[str, ...] = (),
    test: Entry | None = None,
    *,
    owned: bool = True,
) -> Block:
    """`groups` and `test` are of a service whose traffic is shifted: both target groups, and where it is tested.
    `owned`: whether there is a document of the load balancer; otherwise it is referred to."""
    target, entry = way.target, way.entry
    group, *others = (inventory.things[arn] for arn in groups or (str(target.target_group),))
    block = Block()
    balancer = inventory.things[entry.listener.item["LoadBalancerArn"]]
    block.put("load_balancer", names[balancer.id] if owned else {"name": balancer.name})
    block.put("container", target.container)
    assert service.definition is not None, "a refused service has no documents"
    ports = {port.port for port in service.definition.containers[target.container].ports}
    block.put("port", target.port if ports != {target.port} else None)
    named = ((names[one.id], one.name) for one in (group, *others))
    block.put("target_groups", [name if name == own else {"name": name, "aws_name": own} for name, own in named])
    for field, member in (("protocol", "Protocol"), ("protocol_version", "ProtocolVersion")):
        value = group.item.get(member)
        block.put(field, value if value != Traffic.model_fields[field].default else None)
    block.put("health_check", health_check(group) or None)
    for field, value in target_attributes(attributes(group.more["attributes"] or {"Attributes": ()})).items():
        block.put(field, value)
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
    check, usual = read_check(group.item), TargetHealthCheck()
    grpc = group.item.get("ProtocolVersion") == "GRPC"
    found: dict[str, Any] = {}
    if check.protocol != ("TCP" if group.item["Protocol"] in CONNECTIONS else "HTTP"):
        found["protocol"] = check.protocol
    if check.protocol != "TCP" and check.path not in (None, GRPC_PATH if grpc else "/"):
        found["path"] = check.path
    if check.port not in (None, usual.port):
        found["port"] = int(check.port)
    for field in ("interval", "timeout"):
        value = getattr(check, field)
        if value is not None and seconds(value) != duration_text(getattr(usual, field)):
            found[field] = seconds(value)
    for field in ("healthy_threshold", "unhealthy_threshold"):
        if getattr(check, field) not in (None, getattr(usual, field)):
            found[field] = getattr(check, field)
    if check.protocol != "TCP" and check.matcher not in (None, GRPC_OK if grpc else "200"):
        found["matcher"] = check.matcher
    return found


def target_attributes(settings: Mapping[str, str]) -> dict[str, Any]:
    """The fields for the attributes of a target group that are not those of a new one; others stay as they are."""
    found: dict[str, Any] = {}
    delay = settings.get("deregistration_delay.timeout_seconds", "")
    if delay and delay != str(int(Traffic.model_fields["deregistration_delay"].default.total_seconds())):
        found["deregistration_delay"] = seconds(int(delay))
    kind = settings.get("stickiness.type", "")
    if settings.get("stickiness.enabled") == "true" and kind in ("lb_cookie", "app_cookie"):
        cookie = settings.get("stickiness.app_cookie.cookie_name")
        stated = {"cookie": cookie} if kind == "app_cookie" else {}
        found["stickiness"] = stated | {"duration": seconds(int(settings[f"stickiness.{kind}.duration_seconds"]))}
    slow = settings.get("slow_start.duration_seconds", "0")
    found |= {"slow_start": seconds(int(slow))} if slow != "0" else {}
    algorithm = settings.get("load_balancing.algorithm.type", "round_robin")
    found |= {"algorithm": algorithm} if algorithm != "round_robin" else {}
    if settings.get("load_balancing.algorithm.anomaly_mitigation") == "on":
        found["anomaly_mitigation"] = True
    zones = settings.get("load_balancing.cross_zone.enabled")
    return found | ({"cross_zone": zones == "true"} if zones in ("true", "false") else {})


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
