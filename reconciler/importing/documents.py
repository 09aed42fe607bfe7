"""The documents of what was read: for each service one file, and one for each sort of what services share.

They say what a person would have written, in the order in which people write it. Under `adopt` everything that they do
not state keeps its value in AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.importing.balancing import Entry, balancer_block, production, traffic_block
from reconciler.importing.decision import Choice, decided, managed_by, refused
from reconciler.importing.inventory import Inventory, ServiceFound
from reconciler.importing.naming import names_of
from reconciler.importing.scaling import scaling_block
from reconciler.importing.shared import cluster_block, head, registry_block, role_block, share, stack_block
from reconciler.importing.tasks import seconds, task_block
from reconciler.importing.yaml_text import Block, text
from reconciler.resources._service_deployment import Deployment
from reconciler.spec import names
from reconciler.spec.documents.deployment_strategy import Rolling

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


@dataclass(frozen=True, slots=True)
class Imported:
    """What import writes: the texts of the files by their path, the choices, and the services that it leaves out."""

    files: Mapping[str, str]
    choices: tuple[Choice, ...]
    services: tuple[ServiceFound, ...]
    refused: tuple[tuple[str, str], ...]
    """Services without documents, and why."""
    managed: Mapping[str, str]
    """Services that another tool still manages, by name."""
    sources: Mapping[str, tuple[str, ...]]
    """The ids of what the documents of each file stand for, in their order."""


@dataclass(slots=True)
class _Writing:
    """What is being written: names by id, entries of services by the id of a listener or rule, strategies by name."""

    inventory: Inventory
    choices: Mapping[str, Choice]
    names: dict[str, str]
    corrections: Corrections
    taken: dict[str, Entry] = field(default_factory=dict)
    strategies: dict[str, Block] = field(default_factory=dict)

    def owned(self, id: str) -> bool:
        return id in self.choices and self.choices[id].own


def imported(
    inventory: Inventory, stack: str, own: frozenset[str] = frozenset(), corrections: Corrections | None = None
) -> Imported:
    """The documents for the chosen services. `own` are types that are owned whatever speaks against it."""
    fixed = corrections or Corrections()
    why = {service.id: fixed.services.get(service.id, "") or refused(service) for service in inventory.chosen}
    services = tuple(
        replace(service, chosen=service.chosen and not why.get(service.id)) for service in inventory.services
    )
    inventory = replace(inventory, services=services)
    choices = decided(inventory, own, fixed.referred)
    writing = _Writing(inventory, choices, _names(inventory, choices), fixed)
    scope = inventory.scope
    files: dict[str, list[tuple[str, Block]]] = {"stack.yaml": [("", stack_block(stack, scope.region, scope.account))]}
    per_service = {
        f"services/{writing.names[service.id]}.yaml": [(service.id, _service(writing, service))]
        for service in inventory.chosen
    }
    for name, kind, write in (
        ("cluster.yaml", "cluster", _cluster),
        ("roles.yaml", "role", _role),
        ("registries.yaml", "repository", _registry),
        ("load-balancers.yaml", "load-balancer", _balancer),
    ):
        owned = [choice for choice in choices.values() if choice.thing.kind == kind and choice.own]
        files |= {name: [(one.thing.id, write(writing, one)) for one in owned]} if owned else {}
    if writing.strategies:
        files["deployment.yaml"] = [("", strategy) for strategy in writing.strategies.values()]
    files |= per_service
    managed = {service.name: managed_by(inventory, service.thing) for service in inventory.chosen}
    return Imported(
        {path: text([block for _, block in rows], COMMENTS.get(path, "")) for path, rows in files.items()},
        tuple(choices.values()),
        inventory.chosen,
        tuple((service.name, why[service.id]) for service in services if why.get(service.id)),
        {name: by for name, by in managed.items() if by},
        {path: tuple(id for id, _ in rows) for path, rows in files.items()},
    )


def _names(inventory: Inventory, choices: Mapping[str, Choice]) -> dict[str, str]:
    named = [choice.thing for choice in choices.values()]
    names = names_of(service.thing for service in inventory.chosen)
    for kind in ("cluster", "load-balancer"):
        names |= names_of(thing for thing in named if thing.kind == kind)
    names |= names_of(inventory.of("target-group"), r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
    return names | {thing.id: thing.name for thing in named if thing.kind in ("role", "repository")}


COMMENTS: Final = {
    "stack.yaml": "What these specs own in AWS has the tag reconciler:stack with this name.",
    "cluster.yaml": "Where the services run.",
    "roles.yaml": "What the tasks may do.",
    "registries.yaml": "Where images are pushed to.",
    "load-balancers.yaml": "Where requests arrive. Attributes that are not stated stay as they are.",
    "deployment.yaml": "How new versions are brought into production.",
}


def _cluster(writing: _Writing, choice: Choice) -> Block:
    return cluster_block(choice.thing, writing.names[choice.thing.id])


def _role(writing: _Writing, choice: Choice) -> Block:
    id = choice.thing.id
    return role_block(choice.thing, writing.names[id], wildcards=id in writing.corrections.wildcards)


def _registry(writing: _Writing, choice: Choice) -> Block:
    return registry_block(choice.thing, writing.names[choice.thing.id])


def _balancer(writing: _Writing, choice: Choice) -> Block:
    return balancer_block(writing.inventory, choice, writing.names, writing.taken)


# -- services


def _service(writing: _Writing, service: ServiceFound) -> Block:
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
    block.put("placement", _placement(service))
    entry, why = production(inventory, service, writing.choices)
    if entry is not None:
        writing.taken[(entry.rule or entry.listener).id] = entry
        block.put("traffic", traffic_block(inventory, service, entry, writing.names))
    elif why:
        block.note(f"`traffic` is not stated, so that its target groups and listeners stay as they are: {why}.")
    _deployment(block, writing, service)
    grace = spec.grace_period
    block.put("grace_period", seconds(grace) if grace and grace <= LONGEST_GRACE else None)
    block.put("exec", True if spec.exec and definition.task_role else None)
    shares = spec.capacity_provider_strategy or ()
    block.put("capacity_providers", [share(one) for one in shares] or None)
    return block


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _task(writing: _Writing, service: ServiceFound) -> Block:
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
    return task_block(
        definition, writing.inventory.scope, roles, logs, {key: note for key, note in notes.items() if note}
    )


def _logs(writing: _Writing, service: ServiceFound) -> tuple[dict[str, Any] | None, str]:
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


def _count(block: Block, writing: _Writing, service: ServiceFound) -> None:
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


def _placement(service: ServiceFound) -> dict[str, Any]:
    network = service.spec.network
    assert network is not None, "a refused service has no documents"
    found: dict[str, Any] = {
        "subnets": sorted(map(str, network.subnets)),
        "security_groups": sorted(map(str, network.security_groups)),
    }
    return found | ({"public_ip": True} if network.public_ip else {})


def _deployment(block: Block, writing: _Writing, service: ServiceFound) -> None:
    """The strategy that keeps ECS's settings; none where those are the defaults of the specs."""
    stated = rolling_fields(service.spec.deployment or Deployment())
    if not stated:
        block.note(
            "ECS deploys new versions (rolling). To shift traffic instead, name a DeploymentStrategy in `deployment`; "
            'the guide "Change the engine" says how.'
        )
        return
    name = next((name for name, one in writing.strategies.items() if _rolling_of(one) == stated), "")
    if not name:
        name = "rolling" if not writing.strategies else f"rolling-{len(writing.strategies) + 1}"
        strategy = Block()
        strategy.put("kind", "DeploymentStrategy")
        strategy.put("name", name)
        strategy.put("type", "rolling", beside='for another type, see the guide "Change the engine"')
        strategy.put("rolling", stated)
        writing.strategies[name] = strategy
    block.put("deployment", name)


def _rolling_of(strategy: Block) -> Any:
    return next(value for key, value, *_ in strategy.entries if key == "rolling")


def rolling_fields(deployment: Deployment) -> dict[str, Any]:
    """The settings that differ from the defaults of the specs."""
    usual = Rolling()
    return {
        name: value
        for name in Rolling.model_fields
        if (value := getattr(deployment, name)) is not None and value != getattr(usual, name)
    }
