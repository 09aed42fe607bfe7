"""The document of a load balancer that is owned: its listeners, and the rules that belong to no service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.importing.balancing import SECURE, Entry, listener_name, match, stateable
from reconciler.importing.decision import Choice
from reconciler.importing.inventory import Inventory, Thing, sends_to
from reconciler.importing.sign_in import sign_in
from reconciler.importing.tasks import seconds
from reconciler.resources._elb import attributes
from reconciler.resources._elb_actions import Action, read_action
from reconciler.resources._rule_fields import read
from reconciler.resources.listener import read_listener
from reconciler.spec.yaml_text import Block

IDLE: Final = "60"
"""Seconds: `idle_timeout.timeout_seconds` of a new load balancer (ELB user guide, "Connection idle timeout")."""


def balancer_block(inventory: Inventory, choice: Choice, names: Mapping[str, str], taken: Mapping[str, Entry]) -> Block:
    """`taken` are the entries of the services, by the id of the listener or rule."""
    thing = choice.thing
    item, settings = thing.item, attributes(thing.more["attributes"] or {"Attributes": ()})
    block = Block()
    block.put("kind", "LoadBalancer")
    block.put("name", names[thing.id])
    block.put("aws_name", thing.name if thing.name != names[thing.id] else None)
    block.put("adopt", value=True)
    block.put("type", item["Type"] if item["Type"] != "application" else None)
    block.put("scheme", item["Scheme"] if item["Scheme"] != "internet-facing" else None)
    block.put("network", names.get(item["VpcId"], item["VpcId"]))
    subnets = [zone["SubnetId"] for zone in item["AvailabilityZones"]]
    block.put("subnets", sorted(names.get(one, one) for one in subnets))
    groups = sorted(names.get(one, one) for one in item.get("SecurityGroups") or ())
    block.put("security_groups", groups if groups or item["Type"] == "application" else None)
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
    if spec.protocol in SECURE:
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
