"""Other values of fields, for what a change of them means (effects.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reconciler.spec.reference import Field, plain

OTHERS: Final[Mapping[str, Any]] = {
    "Cluster.ec2_capacity.security_groups": ["sg-0123456789abcdef0"],
    "LoadBalancer.listeners.port": 8082,
    "LoadBalancer.rules.listener": "plain",
    "LoadBalancer.security_groups": ["balancer", "sg-0123456789abcdef0"],
    "LoadBalancer.subnets": ["public-a", "public-c", "subnet-0123456789abcdef0"],
    "LoadBalancer.network": "vpc-0123456789abcdef0",
    "Network.cidr": "10.0.0.0/17",
    "Network.routes.destination": "10.30.0.0/16",
    "Network.routes.target": "tgw-0123456789abcdef1",
    "Network.security_groups.egress.port": "5000-8080",
    "Network.security_groups.egress.to": "10.0.0.0/16",
    "Network.security_groups.ingress.from": "10.0.0.0/8",
    "Network.security_groups.ingress.port": "8000-9100",
    "Network.subnets.cidr": "10.0.9.0/24",
    "Network.subnets.zone": "us-west-2b",
    "Role.assumed_by": ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com"],
    "Service.capacity_providers.name": "FARGATE_SPOT",
    "Service.cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/other",
    "Service.placement.security_groups": ["sg-0123456789abcdef0"],
    "Service.placement.strategy.spread": "instance",
    "Service.placement.subnets": ["public-a"],
    "Service.task.containers.health_check.command": ["CMD", "true"],
    "Service.task.containers.image.tag": "v2",
    "Service.task.containers.mounts.volume": "themes",
    "Service.task.containers.environment_files.value": "arn:aws:s3:::shop-config/other.env",
    "Service.task.containers.logs.secret_options.value_from": "ssm:/shop/other",
    "Service.task.containers.secrets": {"DB_PASSWORD": "ssm:/shop/other"},
    "Service.task.containers.secrets.value_from": "secretsmanager:shop/other",
    "Service.task.memory": 3072,
    "Service.task.volumes.ebs.snapshot": "snap-0123456789abcdef1",
    "Service.task.volumes.efs.file_system": "fs-0123456789abcdef1",
    "Stack.region": "us-west-1",
    "Task.cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/other",
    "Task.placement.security_groups": ["sg-0123456789abcdef0"],
    "Task.placement.subnets": ["public-c"],
    "Task.run.schedule": "rate(1 hour)",
}
"""Other values of fields for which none can be made up."""


DURATIONS: Final = ("50s", "90s", "7m", "3h")


def of(field: Field, there: Any) -> list[Any]:
    """Values to try in the place of `there`; not all of them are valid."""
    name = ".".join(plain(field.path))
    return [OTHERS[name]] if name in OTHERS else list(_made_up(there, field.choices))


def _made_up(there: Any, choices: Iterable[Any]) -> Iterator[Any]:
    yield from (choice for choice in choices if choice != there)
    match there:
        case bool():
            yield not there
        case int():
            yield from (there + 1, there - 1, there * 2)
        case float():
            yield there + 1
        case str():
            yield from DURATIONS if there[:1].isdigit() and there[-1] in "smh" else ()
            yield from () if choices else (f"{there}x", f"{there}/x", "10:00", "1%")
        case list():
            yield from (there[:-1], there[::-1])
        case dict():
            yield from ({key: value for key, value in there.items() if key != last} for last in there)
