"""The document of a service: its task, its placement, how requests reach it, and how it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from reconciler.importing.balancing import Way, traffic_block, ways
from reconciler.importing.capacity import capacity_fields
from reconciler.importing.engines import shifted, shifts
from reconciler.importing.inventory import ServiceFound
from reconciler.importing.scaling import scaling_of
from reconciler.importing.tasks import seconds
from reconciler.importing.workloads import Writing, begin, last, placement_of, put_cluster, task_of
from reconciler.model import members
from reconciler.resources._service_deployment import Deployment
from reconciler.resources._service_fields import API, balanced, with_deployment
from reconciler.spec.documents.deployment_strategy import ROLLING, Rolling
from reconciler.spec.documents.service import PlatformVersion
from reconciler.spec.yaml_text import Block, lines_of

LIMITS: Final = ("min_percent", "max_percent", "circuit_breaker", "rollback")
"""Settings of a rolling deployment that are stated; others stay as they are."""

STATED: Final = frozenset({"enableECSManagedTags", "deploymentConfiguration"})
"""Members that are stated, of those that no field needs to."""

MOST_ALARMS: Final = 10
"""Names of `rolling.alarms`; more stay as they are."""

LIMITS_ALONE: Final = 2
"""Fields of a block `scaling` that has no metric: `min` and `max`."""

LONGEST_GRACE: Final = 86_400
"""Seconds: `grace_period` of a Service."""


def service_block(writing: Writing, service: ServiceFound) -> Block:
    spec, definition = service.spec, service.definition
    assert definition is not None, "a refused service has no documents"
    block = Block()
    block.note(f"The service {service.name} of the cluster {last(service.cluster)}, as it was found in AWS.")
    begin(block, writing, service, "Service")
    put_cluster(block, writing, service.cluster)
    block.put("task", task_of(writing, service))
    _count(block, writing, service)
    block.put("placement", placement_of(writing, service, service.thing.item))
    if shifts(service):
        _shifted(block, writing, service)
    else:
        _rolling(block, writing, service)
    grace = spec.grace_period if "traffic" in block else None
    block.put("grace_period", seconds(grace) if grace and grace <= LONGEST_GRACE else None)
    block.put("exec", True if spec.exec and definition.task_role else None)
    capacity_fields(block, service)
    _members(block, service)
    return block


def _members(block: Block, service: ServiceFound) -> None:
    """Settings that the specs leave to ECS where they are not stated, and a comment for what is not stated here."""
    item = with_deployment(service.thing.item)
    version = item.get("platformVersion")
    block.put("platform_version", version if version in get_args(PlatformVersion) and version != "LATEST" else None)
    block.put("managed_tags", item.get("enableECSManagedTags") or None)
    propagated = str(item.get("propagateTags", "NONE")).lower()
    block.put("propagate_tags", propagated if propagated != "none" else None)
    if item.get("availabilityZoneRebalancing") == "DISABLED" and balanced(item):
        block.put("availability_zone_rebalancing", value=False)
    others = {".".join(path).partition(".")[0] for path in members.unstated(API, {}, item)}
    connected = (item.get("serviceConnectConfiguration") or {}).get("enabled")
    others |= {"serviceConnectConfiguration"} if connected else set()
    if kept := sorted(others - STATED):
        block.note(f"Kept in the service, as it is: {', '.join(kept)}.")


def _count(block: Block, writing: Writing, service: ServiceFound) -> None:
    target = writing.inventory.things.get(service.scaled)
    if target is None:
        count = service.spec.desired_count
        block.put("desired_count", count if count != 1 else None)
        return
    found = scaling_of(target, service, writing.inventory.scope, _counted(writing, service))
    if found.exact:
        block.put("scaling", found.stated)
        return
    low, high = target.item["MinCapacity"], target.item["MaxCapacity"]
    policies = ", ".join(policy["PolicyName"] for policy in target.more["policies"]) or "none"
    kept = f"`scaling` is not stated, so that autoscaling stays as it is: {low} to {high} tasks, with the policies "
    kept += f"{policies}. " + (f"The block cannot have {', '.join(found.left)}. " if found.left else "")
    if len(found.stated) <= LIMITS_ALONE:
        block.note(f"{kept}Stating it replaces those policies.")
        return
    block.note(f"{kept}To replace those policies, state:", literal=lines_of({"scaling": found.stated}))


def _counted(writing: Writing, service: ServiceFound) -> tuple[str, str] | None:
    """The ARNs of the load balancer and the target group whose requests the document can count."""
    found = () if shifts(service) else ways(writing.inventory, service, writing.choices)
    if isinstance(found, str) or not found:
        return None
    return str(found[0].entry.listener.item["LoadBalancerArn"]), str(found[0].target.target_group)


def _shifted(block: Block, writing: Writing, service: ServiceFound) -> None:
    """Its traffic and the strategy that keeps the engine."""
    found = shifted(writing.inventory, service, writing.choices)
    if isinstance(found, str):
        writing.impossible[service.id] = found
        return
    for entry in (found.production, found.test):
        writing.taken[(entry.rule or entry.listener).id] = entry
    names, inventory = writing.names, writing.inventory
    way = Way((service.spec.load_balancers or ())[0], found.production)
    owned = writing.owned(found.production.listener.item["LoadBalancerArn"])
    block.put("traffic", traffic_block(inventory, service, way, names, found.groups, found.test, owned=owned))
    block.put("deployment", _strategy(writing, found.strategy, found.remark))


def _rolling(block: Block, writing: Writing, service: ServiceFound) -> None:
    found = ways(writing.inventory, service, writing.choices)
    if isinstance(found, str):
        block.note(f"`traffic` is not stated, so that its target groups and listeners stay as they are: {found}.")
    elif found:
        first, *more = (_way(writing, service, way) for way in found)
        block.put("traffic", first)
        block.put("additional_traffic", more or None)
    _deployment(block, writing, service)


def _way(writing: Writing, service: ServiceFound, way: Way) -> Block:
    writing.taken[(way.entry.rule or way.entry.listener).id] = way.entry
    owned = writing.owned(way.entry.listener.item["LoadBalancerArn"])
    return traffic_block(writing.inventory, service, way, writing.names, owned=owned)


def _deployment(block: Block, writing: Writing, service: ServiceFound) -> None:
    """The strategy that keeps ECS's settings; none where those are the defaults of the specs."""
    stated = rolling_fields(
        service.spec.deployment or Deployment(), service.thing.item.get("deploymentConfiguration") or {}
    )
    if not stated:
        block.note(
            "ECS deploys new versions (rolling). To shift traffic instead, name a DeploymentStrategy in `deployment`; "
            'the guide "Change the engine" says how.'
        )
        return
    block.put("deployment", _strategy(writing, {"type": ROLLING, ROLLING: stated}, ""))


def _strategy(writing: Writing, fields: Mapping[str, Any], remark: str) -> str:
    """The name of a DeploymentStrategy with these fields, which services may share."""
    same = (name for name, (known, _) in writing.strategies.items() if known == fields)
    found = next(same, "")
    if not found:
        base = str(fields["type"]).replace("_", "-")
        several = sum(known["type"] == fields["type"] for known, _ in writing.strategies.values())
        found = f"{base}-{several + 1}" if several else base
        block = Block()
        if remark:
            block.note(remark)
        block.put("kind", "DeploymentStrategy")
        block.put("name", found)
        for field_, value in fields.items():
            how = 'for another type or engine, see the guide "Change the engine"' if field_ == "type" else ""
            block.put(field_, value, beside=how)
        writing.strategies[found] = (fields, block)
    return found


def rolling_fields(deployment: Deployment, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from the defaults of the specs; `configuration` is what ECS answered."""
    usual = Rolling()
    found: dict[str, Any] = {
        name: value
        for name in LIMITS
        if (value := getattr(deployment, name)) is not None and value != getattr(usual, name)
    }
    alarms = configuration.get("alarms") or {}
    names = sorted(alarms.get("alarmNames") or ())
    if alarms.get("enable") and 0 < len(names) <= MOST_ALARMS:
        found["alarms"] = names if alarms.get("rollback") else {"names": names, "rollback": False}
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    if breaker.get("resetOnHealthyTask") is False:
        found["reset_on_healthy_task"] = False
    return found | _threshold(breaker.get("thresholdConfiguration") or {})


def _threshold(item: Mapping[str, Any]) -> dict[str, Any]:
    """Half of the desired count, within AWS's limits, is the default."""
    value, kind = item.get("value"), item.get("type")
    if not value or (kind, value) == ("BOUNDED_PERCENT", 50):
        return {}
    stated = {"count": value} if kind == "COUNT" else {"percent": value}
    return {"failure_threshold": stated | ({"bounded": False} if kind == "UNBOUNDED_PERCENT" else {})}
