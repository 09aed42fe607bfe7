"""What the documents of services and of scheduled tasks share: how they begin, their task, and their placement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.importing.balancing import Entry
from reconciler.importing.capacity import instance_choice, launch_members
from reconciler.importing.decision import Choice, managed_by
from reconciler.importing.inventory import Inventory, ServiceFound, repository_id
from reconciler.importing.shared import head
from reconciler.importing.tasks import task_block
from reconciler.model.ecr_image import ecr_image
from reconciler.spec import names
from reconciler.spec.yaml_text import Block


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


def begin(block: Block, writing: Writing, one: ServiceFound, kind: str) -> None:
    """Its head, and what another tool has to let go of first."""
    manager = managed_by(writing.inventory, one.thing)
    if manager:
        block.note(
            f"Before the first `reconciler apply`, take it out of there: {manager}. In CloudFormation, set "
            "`DeletionPolicy: Retain` on the resource, deploy that, and then remove the resource from the template."
            if "CloudFormation" in manager
            else f"Before the first `reconciler apply`, take it out of there: {manager}."
        )
    block.entries += head(kind, writing.names[one.id], one.name).entries


def put_cluster(block: Block, writing: Writing, cluster: str) -> None:
    owned = writing.owned(cluster)
    why = "" if owned or cluster not in writing.choices else f"not owned: {writing.choices[cluster].because}"
    block.put("cluster", writing.names[cluster] if owned else cluster, above=why)


def last(arn: str) -> str:
    return arn.rpartition("/")[2]


def task_of(writing: Writing, service: ServiceFound) -> Block:
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


def placement_of(writing: Writing, service: ServiceFound, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """`chosen` is how instances are chosen, by ECS's names."""
    network = service.spec.network
    assert network is not None, "a refused service has no documents"
    found: dict[str, Any] = {
        "subnets": sorted(writing.names.get(str(one), str(one)) for one in network.subnets),
        "security_groups": sorted(writing.names.get(str(one), str(one)) for one in network.security_groups),
    }
    return found | ({"public_ip": True} if network.public_ip else {}) | instance_choice(chosen)
