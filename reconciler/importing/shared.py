"""The documents of what services share: the stack, clusters, roles and registries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from reconciler.importing.decision import assumed_by
from reconciler.importing.inventory import Thing
from reconciler.resources.cluster import read_cluster
from reconciler.resources.repository import RepositorySpec, read_lifecycle, read_repository
from reconciler.spec.compile.registry import keep_newest
from reconciler.spec.compile.role import VERSION
from reconciler.spec.documents import Cluster, Registry
from reconciler.spec.documents.role import PolicyName
from reconciler.spec.yaml_text import Block

_POLICY_NAMES: Final = TypeAdapter(PolicyName)
_SAID: Final = frozenset({"Effect", "Action", "Resource", "Condition"})
"""Members of a policy's statement that a Role document has words for."""


def head(kind: str, name: str, in_aws: str) -> Block:
    """What every document begins with."""
    block = Block()
    block.put("kind", kind)
    block.put("name", name)
    block.put("aws_name", in_aws if in_aws != name else None)
    block.put("adopt", value=True)
    return block


def share(one: Any) -> Any:
    """A share of a capacity provider; its name alone means weight 1."""
    found = {"name": one.provider} | ({"weight": one.weight} if one.weight != 1 else {})
    found |= {"base": one.base} if one.base else {}
    return one.provider if len(found) == 1 else found


def stack_block(name: str, region: str, account: str) -> Block:
    block = Block()
    block.put("kind", "Stack")
    block.put("name", name)
    block.put("region", region)
    block.put("account", account, beside="the only account that these specs are for")
    return block


def cluster_block(thing: Thing, name: str) -> Block:
    block, spec = head("Cluster", name, thing.name), read_cluster(thing.item)
    providers = spec.capacity_providers or ()
    known = {"FARGATE", "FARGATE_SPOT"}
    if set(providers) - known or {one.provider for one in spec.default_strategy or ()} - known:
        block.note(f"Its capacity providers stay as they are: {', '.join(providers)}.")
    else:
        usual = set(Cluster.model_fields["capacity_providers"].default)
        block.put("capacity_providers", sorted(providers) if set(providers) not in (usual, set()) else None)
        block.put("default_strategy", [share(one) for one in spec.default_strategy or ()] or None)
    if spec.container_insights not in (None, "disabled"):
        block.put("container_insights", spec.container_insights)
    return block


def registry_block(thing: Thing, name: str) -> Block:
    block, spec = head("Registry", name, thing.name), read_repository(thing.item, None)
    for field in ("immutable_tags", "scan_on_push"):
        value = getattr(spec, field)
        block.put(field, value if value != Registry.model_fields[field].default else None)
    encryption = spec.kms_key or spec.encryption
    block.put("encryption", encryption if encryption != Registry.model_fields["encryption"].default else None)
    lifecycle = read_lifecycle(thing.more["lifecycle"])
    kept = next((count for count in _counts(lifecycle) if _same(lifecycle, count)), None)
    block.put("keep_images", kept)
    if lifecycle and kept is None:
        block.note("Its lifecycle policy stays as it is.")
    return block


def _counts(lifecycle: Mapping[str, Any]) -> Iterable[int]:
    return (rule["selection"].get("countNumber", 0) for rule in lifecycle.get("rules", ()))


def _same(lifecycle: Mapping[str, Any], count: int) -> bool:
    wanted = RepositorySpec(name="any", lifecycle=keep_newest(count)).lifecycle
    return bool(wanted == lifecycle)


# -- roles


def role_block(thing: Thing, name: str, *, wildcards: bool) -> Block:
    """`wildcards`: the checks of the specs want a consent to what its policies allow."""
    block = head("Role", name, thing.name)
    services = assumed_by(thing)
    block.put("assumed_by", services[0] if len(services) == 1 else list(services))
    path = thing.item.get("Path", "/")
    block.put("path", path if path != "/" else None)
    boundary = (thing.item.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    block.put("permissions_boundary", boundary)
    inline: Mapping[str, Mapping[str, Any]] = thing.more["inline"]
    stated = {policy: policy_statements(document) for policy, document in inline.items()}
    unstated = sorted(policy for policy, statements in stated.items() if statements is None or not _valid(policy))
    managed = sorted(thing.more["managed"])
    if unstated:
        block.note(f"Its policies stay as they are, because the specs have no words for all of {', '.join(unstated)}.")
    elif stated or managed:
        own = [{"name": policy, "statements": statements} for policy, statements in sorted(stated.items())]
        block.put("policies", [*managed, *own])
        block.put("allow_wildcards", wildcards or None)
    return block


def policy_statements(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The statements of a policy in the words of the specs; None where they lack words for it."""
    given = document.get("Statement", ())
    statements = [given] if isinstance(given, Mapping) else list(given)
    if document.get("Version") != VERSION or not statements or set(document) - {"Version", "Statement"}:
        return None
    found = []
    for statement in statements:
        if set(statement) - _SAID or not {"Effect", "Action", "Resource"} <= set(statement):
            return None
        said: dict[str, Any] = {} if statement["Effect"] == "Allow" else {"effect": statement["Effect"]}
        said |= {"actions": statement["Action"], "resources": statement["Resource"]}
        if statement.get("Condition"):
            said["condition"] = statement["Condition"]
        found.append(said)
    return found


def _valid(policy: str) -> bool:
    try:
        _POLICY_NAMES.validate_python(policy)
    except ValidationError:
        return False
    return True
