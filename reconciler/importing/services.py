"""The document of a service: its task, its placement, how requests reach it, and how it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.importing.balancing import Entry, Way, traffic_block, ways
from reconciler.importing.capacity import capacity_fields, instance_choice, launch_members
from reconciler.importing.decision import Choice, managed_by
from reconciler.importing.engines import shifted, shifts
from reconciler.importing.inventory import Inventory, ServiceFound, repository_id
from reconciler.importing.scaling import scaling_block
from reconciler.importing.shared import head
from reconciler.importing.tasks import seconds, task_block
from reconciler.model.ecr_image import ecr_image
from reconciler.resources._service_deployment import Deployment
from reconciler.spec import names
from reconciler.spec.documents.deployment_strategy import ROLLING, Rolling
from reconciler.spec.yaml_text import Block

LIMITS: Final = ("min_percent", "max_percent", "circuit_breaker", "rollback")
"""Settings of a rolling deployment that are stated; others stay as they are."""

LONGEST_GRACE: Final = 86_400
"""Seconds: `grace_period` of a Service."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """What the checks of the specs have found in documents that were written before: services that cannot be written
    down, and other resources that are referred to instead, with the reason, both by id; and roles that need a consent
    to what they allow."""

    services: Mapping[str, str] = field(default_factory=dict)
    referred: Mapping[str, str] = field(default_factory=dict)
    wildcards: frozenset[str] = frozenset()


@dataclass(slots=True)
class Writing:
    """What is being written: names by id, entries of services by the id of a listener or rule, strategies by name."""

    inventory: Inventory
    choices: Mapping[str, Choice]
    names: dict[str, str]
    corrections: Corrections
    taken: dict[str, Entry] = field(default_factory=dict)
    strategies: dict[str, tuple[Mapping[str, Any], Block]] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)
    """Services that cannot be written down, found only with the choices, and why."""

    def owned(self, id: str) -> bool:
        return id in self.choices and self.choices[id].own


def service_block(writing: Writing, service: ServiceFound) -> Block:
    inventory, spec, definition = writing.inventory, service.spec, service.definition
    assert definition is not None, "a refused service has no documents"
    block = Block()
    block.note(f"The service {service.name} of the cluster {_name(service.cluster)}, as it was found in AWS.")
    manager = managed_by(inventory, service.thing)
    if manager:
        block.note(
            f"Before the first `reconciler apply`, take it out of there: {manager}. In CloudFormation, set "
            "`DeletionPolicy: Retain` on the resource, deploy that, and then remove the resource from the template."
            if "CloudFormation" in manager
            else f"Before the first `reconciler apply`, take it out of there: {manager}."
        )
    begin = head("Service", writing.names[service.id], service.name)
    block.entries += begin.entries
    cluster = service.cluster
    owned = writing.owned(cluster)
    why = "" if owned or cluster not in writing.choices else f"not owned: {writing.choices[cluster].because}"
    block.put("cluster", writing.names[cluster] if owned else cluster, above=why)
    block.put("task", _task(writing, service))
    _count(block, writing, service)
    block.put("placement", _placement(writing, service))
    if shifts(service):
        _shifted(block, writing, service)
    else:
        _rolling(block, writing, service)
    grace = spec.grace_period
    block.put("grace_period", seconds(grace) if grace and grace <= LONGEST_GRACE else None)
    block.put("exec", True if spec.exec and definition.task_role else None)
    capacity_fields(block, service)
    return block


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _task(writing: Writing, service: ServiceFound) -> Block:
    definition = service.definition
    assert definition is not None, "a refused service has no documents"
    roles, notes = dict[str, str](), dict[str, str]()
    for field_, arn in (("role", str(definition.task_role)), ("execution_role", str(definition.execution_role))):
        choice = writing.choices.get(arn)
        if choice is not None and choice.own:
            roles[arn] = writing.names[arn]
        elif choice is not None:
            notes[field_] = f"not owned: {choice.because}"
    logs, notes["logs"] = _logs(writing, service)
    registries = dict[str, str]()
    for uri in {str(container.image) for container in definition.containers.values()}:
        image = ecr_image(uri)
        id = "" if image is None else repository_id(image.account, image.region, image.repository)
        registries |= {uri: writing.names[id]} if writing.owned(id) else {}
    said = {key: note for key, note in notes.items() if note}
    block = task_block(definition, writing.inventory.scope, roles, logs, registries, said)
    block.put("aws", launch_members(service) or None)
    return block


def _logs(writing: Writing, service: ServiceFound) -> tuple[dict[str, Any] | None, str]:
    """The log group that the document owns, as it states it, or why it owns none."""
    definition, scope = service.definition, writing.inventory.scope
    assert definition is not None, "a refused service has no documents"
    groups = {str(container.log_group) for container in definition.containers.values()}
    if groups == {""}:
        return None, ""
    kept = "`logs` is not stated, and stays as it is: "
    plain = all(one.log_stream_prefix and one.log_region == scope.region for one in definition.containers.values())
    if len(groups) > 1 or not plain:
        return None, f"{kept}its containers do not all write to one log group of this region."
    (group,) = groups
    choice = writing.choices.get(group)
    if choice is None:
        return None, f"{kept}the log group {group} does not exist."
    if not choice.own:
        return None, f"{kept}the log group {group} is not owned: {choice.because}."
    usual = names.log_group(service.name)
    stated = {"group": group if group != usual else None, "retention_days": choice.thing.item.get("retentionInDays")}
    return {key: value for key, value in stated.items() if value is not None} or {"group": group}, ""


def _count(block: Block, writing: Writing, service: ServiceFound) -> None:
    target = writing.inventory.things.get(service.id.split(":", 5)[5])
    if target is None:
        count = service.spec.desired_count
        block.put("desired_count", count if count != 1 else None)
        return
    stated = scaling_block(target, service.name, writing.inventory.scope)
    if stated is not None:
        block.put("scaling", stated)
        return
    low, high = target.item["MinCapacity"], target.item["MaxCapacity"]
    policies = ", ".join(policy["PolicyName"] for policy in target.more["policies"]) or "none"
    block.note(
        f"`scaling` is not stated, so that autoscaling stays as it is: {low} to {high} tasks, with the policies "
        f"{policies}. Stating it replaces those policies."
    )


def _placement(writing: Writing, service: ServiceFound) -> dict[str, Any]:
    network = service.spec.network
    assert network is not None, "a refused service has no documents"
    found: dict[str, Any] = {
        "subnets": sorted(writing.names.get(str(one), str(one)) for one in network.subnets),
        "security_groups": sorted(writing.names.get(str(one), str(one)) for one in network.security_groups),
    }
    return found | ({"public_ip": True} if network.public_ip else {}) | instance_choice(service.thing.item)


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
    stated = rolling_fields(service.spec.deployment or Deployment())
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


def rolling_fields(deployment: Deployment) -> dict[str, Any]:
    """The settings that differ from the defaults of the specs."""
    usual = Rolling()
    return {
        name: value
        for name in LIMITS
        if (value := getattr(deployment, name)) is not None and value != getattr(usual, name)
    }
