"""The documents of what was read: for each service one file, and one for each sort of what services share.

They say what a person would have written, in the order in which people write it. Under `adopt` everything that they do
not state keeps its value in AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.importing.balancing import Entry, balancer_block, production, traffic_block
from reconciler.importing.decision import Choice, assumed_by, decided, managed_by, refused
from reconciler.importing.inventory import Inventory, ServiceFound
from reconciler.importing.naming import names_of
from reconciler.importing.tasks import seconds, task_block
from reconciler.importing.yaml_text import Block, text
from reconciler.resources._service_deployment import Deployment
from reconciler.spec.documents.deployment_strategy import Rolling

LONGEST_GRACE: Final = 86_400
"""Seconds: `grace_period` of a Service."""


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
    owners: Mapping[str, str]
    """The file of each service: its path → the service's name."""


@dataclass(slots=True)
class _Writing:
    """What is being written: names by id, entries of services by the id of a listener or rule, strategies by name."""

    inventory: Inventory
    choices: Mapping[str, Choice]
    names: dict[str, str]
    taken: dict[str, Entry] = field(default_factory=dict)
    strategies: dict[str, Block] = field(default_factory=dict)

    def owned(self, id: str) -> bool:
        return id in self.choices and self.choices[id].own


def imported(inventory: Inventory, stack: str, own: frozenset[str], without: Mapping[str, str]) -> Imported:
    """The documents for the chosen services. `without` are services that are left out for a reason, by name."""
    why = {service.id: without.get(service.name, "") or refused(service) for service in inventory.chosen}
    services = tuple(
        replace(service, chosen=service.chosen and not why[service.id]) if service.chosen else service
        for service in inventory.services
    )
    inventory = replace(inventory, services=services)
    choices = decided(inventory, own)
    named = [choice.thing for choice in choices.values()]
    names = names_of([service.thing for service in inventory.chosen])
    for kind in ("cluster", "load-balancer"):
        names |= names_of(thing for thing in named if thing.kind == kind)
    names |= names_of(inventory.of("target-group"), r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
    names |= {thing.id: thing.name for thing in named if thing.kind in ("role", "repository")}
    writing = _Writing(inventory, choices, names)
    files: dict[str, list[Block]] = {"stack.yaml": [_stack(inventory, stack)]}
    per_service = {f"services/{names[service.id]}.yaml": [_service(writing, service)] for service in inventory.chosen}
    for name, kind, write in (
        ("cluster.yaml", "cluster", _cluster),
        ("roles.yaml", "role", _role),
        ("registries.yaml", "repository", _registry),
        ("load-balancers.yaml", "load-balancer", _balancer),
    ):
        documents = [write(writing, choice) for choice in choices.values() if choice.thing.kind == kind and choice.own]
        files |= {name: documents} if documents else {}
    if writing.strategies:
        files["deployment.yaml"] = list(writing.strategies.values())
    files |= per_service
    managed = {service.name: managed_by(inventory, service.thing) for service in inventory.chosen}
    return Imported(
        {path: text(documents, COMMENTS.get(path, "")) for path, documents in files.items()},
        tuple(choices.values()),
        inventory.chosen,
        tuple((service.name, why[service.id]) for service in services if why.get(service.id)),
        {name: why for name, why in managed.items() if why},
        {f"services/{names[service.id]}.yaml": service.name for service in inventory.chosen},
    )


COMMENTS: Final = {
    "stack.yaml": "What these specs own in AWS has the tag reconciler:stack with this name.",
    "cluster.yaml": "Where the services run.",
    "roles.yaml": "What the tasks may do. The policies that are not stated stay as they are.",
    "registries.yaml": "Where images are pushed to.",
    "load-balancers.yaml": "Where requests arrive. Attributes that are not stated stay as they are.",
    "deployment.yaml": "How new versions are brought into production.",
}


def _stack(inventory: Inventory, name: str) -> Block:
    block = Block()
    block.put("kind", "Stack")
    block.put("name", name)
    block.put("region", inventory.scope.region)
    block.put("account", f"{inventory.scope.account}", beside="the only account that these specs are for")
    return block


def _head(kind: str, name: str, in_aws: str) -> Block:
    block = Block()
    block.put("kind", kind)
    block.put("name", name)
    block.put("aws_name", in_aws if in_aws != name else None)
    block.put("adopt", value=True)
    return block


def _cluster(writing: _Writing, choice: Choice) -> Block:
    block = _head("Cluster", writing.names[choice.thing.id], choice.thing.name)
    for setting in choice.thing.item.get("settings") or ():
        if setting["name"] == "containerInsights" and setting["value"] != "disabled":
            block.put("container_insights", setting["value"])
    return block


def _role(writing: _Writing, choice: Choice) -> Block:
    thing = choice.thing
    block = _head("Role", writing.names[thing.id], thing.name)
    services = assumed_by(thing)
    block.put("assumed_by", services[0] if len(services) == 1 else list(services))
    policies = [*thing.more["managed"], *thing.more["inline"]]
    if policies:
        block.note(f"Policies, which stay as they are: {', '.join(policies)}.")
    return block


def _registry(writing: _Writing, choice: Choice) -> Block:
    return _head("Registry", writing.names[choice.thing.id], choice.thing.name)


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
    head = _head("Service", writing.names[service.id], service.name)
    block.entries += head.entries
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
    block.put("capacity_providers", [_share(share) for share in shares] or None)
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


def _logs(writing: _Writing, service: ServiceFound) -> tuple[str | None, str]:
    """The log group that the document owns, or why it owns none."""
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
    return (group, "") if choice.own else (None, f"{kept}the log group {group} is not owned: {choice.because}.")


def _count(block: Block, writing: _Writing, service: ServiceFound) -> None:
    target = writing.inventory.things.get(service.id.split(":", 5)[5])
    if target is None:
        count = service.spec.desired_count
        block.put("desired_count", count if count != 1 else None)
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


def _share(share: Any) -> Any:
    found = {"name": share.provider} | ({"weight": share.weight} if share.weight != 1 else {})
    found |= {"base": share.base} if share.base else {}
    return share.provider if len(found) == 1 else found


def _deployment(block: Block, writing: _Writing, service: ServiceFound) -> None:
    """The strategy that keeps ECS's settings; none where those are the defaults of the specs."""
    stated = rolling_fields(service.spec.deployment or Deployment())
    if not stated:
        block.note(
            "ECS deploys new versions (rolling). For another way, state `deployment`: see "
            "docs/guides/change-the-engine.md."
        )
        return
    name = next((name for name, one in writing.strategies.items() if _rolling_of(one) == stated), "")
    if not name:
        name = "rolling" if not writing.strategies else f"rolling-{len(writing.strategies) + 1}"
        strategy = Block()
        strategy.put("kind", "DeploymentStrategy")
        strategy.put("name", name)
        strategy.put("type", "rolling", beside="for another way, see docs/guides/change-the-engine.md")
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
