"""What ECS examples stand on: a network with a name, a cluster, a task definition; and ECS's own spelling of tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.resource import Desired
from reconciler.resources._ecs import Network
from reconciler.resources.cluster import ClusterSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.task_definition import Container, Port, TaskDefinitionSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import ref, wish

ECS = "arn:aws:ecs:us-west-2:123456789012"


def network(name: str, cidr: str = "10.0") -> tuple[Desired[Any], ...]:
    """A VPC with one subnet and one security group."""
    return (
        wish(f"vpc/{name}", VpcSpec(cidr=f"{cidr}.0.0/20", dns_support=True, dns_hostnames=True)),
        wish(f"subnet/{name}", SubnetSpec(vpc=ref(f"vpc/{name}"), cidr=f"{cidr}.0.0/24", zone="us-west-2a")),
        wish(
            f"security-group/{name}",
            SecurityGroupSpec(vpc=ref(f"vpc/{name}"), group_name=name, description="of the tasks"),
        ),
    )


def placed(name: str, *, public_ip: bool = True) -> Network:
    return Network(
        subnets=(ref(f"subnet/{name}"),), security_groups=(ref(f"security-group/{name}"),), public_ip=public_ip
    )


def cluster(name: str, **fields: Any) -> Desired[Any]:
    return wish(f"cluster/{name}", ClusterSpec(name=name, **fields))


def container(**fields: Any) -> Container:
    return Container(**{"image": "nginx:1", "cpu": 256, "memory": 512, "ports": (Port(port=80),), **fields})


def definition(name: str, **fields: Any) -> Desired[Any]:
    containers = {"web": container(**fields)}
    spec = TaskDefinitionSpec(family=name, cpu=256, memory=512, containers=containers)
    return wish(f"task-definition/{name}", spec)


def lower_pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
