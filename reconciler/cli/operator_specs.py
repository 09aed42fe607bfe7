"""Specs of a controller on Fargate: ordinary documents, generated for the stack that it reconciles. Pure.

There is one task, never two: a new version starts when the old one has stopped. Two would be harmless, since only the
holder of the lease writes, but the second would only wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from reconciler import errors
from reconciler.spec.documents.deployment_strategy import ROLLING

LISTEN: Final = "127.0.0.1:9090"
USER: Final = "10001"
"""User of the image; see Dockerfile."""

CIDR: Final = "10.255.255.0/28"
"""The smallest network that AWS allows; nothing else is in it."""

_ECR: Final = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)(?::(?P<tag>[\w.-]+))?$"
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Settings of one controller. `stack` is the stack it reconciles; without `subnets` it gets its own network."""

    name: str
    stack: str
    region: str
    account: str
    image: str
    source: str
    table: str
    environment: str | None = None
    cluster: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = True
    zone: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    notify: tuple[str, ...] = ()
    notify_link: str = ""
    inside: bool = False
    """Whether its documents are part of the specs that it reconciles."""
    renamed: bool = False
    """Whether the Stack of these specs has a prefix or suffix: its table and its image are named by their AWS names."""


def files(operator: Operator, policy: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """File name → text. `policy`: the statements of its role, in IAM's format."""
    found = {
        "role.yaml": _file("Its minimal permissions, as printed by `reconciler iam-policy`.", _role(operator, policy)),
        "store.yaml": _file("The table of its lease, and of the last accepted revision.", _store(operator)),
        "service.yaml": _file("One task, never two.", _strategy(operator), _service(operator)),
    }
    if not operator.inside:
        comment = f"The stack of the controller that reconciles the stack {operator.stack}."
        found["stack.yaml"] = _file(comment, _stack(operator))
    if registry(operator) is not None:
        found["registry.yaml"] = _file("The registry of its image.", _registry(operator))
    if operator.cluster is None:
        cluster = {"kind": "Cluster", "name": operator.name, "capacity_providers": ["FARGATE"]}
        found["cluster.yaml"] = _file("The cluster that it runs in.", cluster)
    if not operator.subnets:
        comment = "Its own network: egress to Git and AWS, no ingress."
        found["network.yaml"] = _file(comment, _network(operator))
    return dict(sorted(found.items()))


def registry(operator: Operator) -> tuple[str, str] | None:
    """Repository and tag of an image in this account's registry; None for a public image.

    Raises `errors.SpecInvalid` for an image that its tasks could not pull.
    """
    found = _ECR.match(operator.image)
    if found is None:
        if ".dkr.ecr." in operator.image:
            raise errors.SpecInvalid(f"{operator.image!r} is not a tagged ECR image: …/NAME:TAG")
        return None
    if (found["account"], found["region"]) != (operator.account, operator.region):
        raise errors.SpecInvalid(
            f"the image is in account {found['account']}, {found['region']}, but the controller runs in "
            f"{operator.account}, {operator.region}; push the image to a registry there"
        )
    if found["tag"] is None:
        raise errors.SpecInvalid(f"{operator.image!r} has no tag")
    return found["name"], found["tag"]


def account_of(image: str) -> str | None:
    """The account whose registry an image is in."""
    found = _ECR.match(image)
    return found["account"] if found is not None else None


def _stack(operator: Operator) -> dict[str, Any]:
    return {"kind": "Stack", "name": operator.name, "region": operator.region, "account": operator.account}


def _registry(operator: Operator) -> dict[str, Any]:
    found = registry(operator)
    assert found is not None
    return {
        "kind": "Registry",
        **_named(operator, found[0]),
        "immutable_tags": True,
        "scan_on_push": True,
        "keep_images": 10,
    }


def _store(operator: Operator) -> dict[str, Any]:
    return {"kind": "Store", **_named(operator, operator.table)}


def _named(operator: Operator, name: str) -> dict[str, Any]:
    return {"name": name, "aws_name": name} if operator.renamed else {"name": name}


def _network(operator: Operator) -> dict[str, Any]:
    return {
        "kind": "Network",
        "name": operator.name,
        "cidr": CIDR,
        "subnets": [
            {
                "name": f"{operator.name}-public",
                "zone": operator.zone or f"{operator.region}a",
                "cidr": CIDR,
                "access": "public",
            }
        ],
        "security_groups": [{"name": operator.name, "ingress": []}],
    }


def _role(operator: Operator, policy: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "kind": "Role",
        "name": operator.name,
        "assumed_by": "ecs-tasks.amazonaws.com",
        "allow_wildcards": True,
        "policies": [{"name": "operate", "statements": [_statement(one) for one in policy]}],
    }


def _statement(one: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"actions": one["Action"], "resources": one["Resource"]}
    return made | ({"condition": one["Condition"]} if "Condition" in one else {})


def _strategy(operator: Operator) -> dict[str, Any]:
    rolling = {"min_percent": 0, "max_percent": 100, "circuit_breaker": True, "rollback": True}
    return {"kind": "DeploymentStrategy", "name": operator.name, "type": ROLLING, ROLLING: rolling}


def _service(operator: Operator) -> dict[str, Any]:
    image = registry(operator)
    container: dict[str, Any] = {
        "image": operator.image if image is None else {"registry": image[0], "tag": image[1]},
        "command": _command(operator),
        "environment": {"RECONCILER_STORE": f"dynamodb:{operator.table}"},
        "secrets": dict(operator.secrets),
        "health_check": {
            "command": ["CMD", "python", "-m", "reconciler.server.probe", f"http://{LISTEN}/healthz"],
            "interval": "30s",
            "timeout": "10s",
            "retries": 3,
            "start_period": "300s",
        },
        "user": USER,
        "readonly_root": True,
        "stop_timeout": "30s",
    }
    return {
        "kind": "Service",
        "name": operator.name,
        "cluster": operator.name if operator.cluster is None else operator.cluster,
        "task": {
            "cpu": 256,
            "memory": 512,
            "role": operator.name,
            "containers": {"operator": {key: value for key, value in container.items() if value}},
            "logs": {"retention_days": 30},
        },
        "desired_count": 1,
        "placement": {
            "subnets": list(operator.subnets) or [f"{operator.name}-public"],
            "security_groups": list(operator.security_groups) or [operator.name],
            "public_ip": operator.public_ip,
        },
        "deployment": operator.name,
    }


def _command(operator: Operator) -> list[str]:
    """`--stack` and `--region` are for a start without the source: the disk of the task before is gone."""
    command = ["run", "--source", operator.source, "--listen", LISTEN]
    command += ["--stack", operator.stack, "--region", operator.region]
    if operator.environment is not None:
        command += ["--environment", operator.environment]
    for one in operator.notify:
        command += ["--notify", one]
    if operator.notify_link:
        command += ["--notify-link", operator.notify_link]
    return command


class _Plain(yaml.SafeDumper):
    """YAML with short lists on one line, and without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _sequence(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    short = all(isinstance(item, str | int) for item in items) and sum(len(str(item)) + 2 for item in items) < 90
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Plain.add_representer(list, _sequence)


def _file(comment: str, *documents: Mapping[str, Any]) -> str:
    texts = (yaml.dump(dict(one), Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True) for one in documents)
    return f"# {comment}\n" + "---\n".join(texts)
