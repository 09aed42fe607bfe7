"""Queries that several checks share: resolving references, deployment of a service, its listeners."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from reconciler.spec import names
from reconciler.spec.documents import Cluster, DeploymentStrategy, LoadBalancer, Network, Service, Task
from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.cluster import CapacityShare
from reconciler.spec.documents.container import Container
from reconciler.spec.documents.deployment_strategy import ROLLING, Rolling
from reconciler.spec.documents.logs import FIRELENS, ContainerLogs, Logs
from reconciler.spec.documents.network import NetworkEndpoint
from reconciler.spec.documents.references import LOOKUP, NAMED
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.documents.service_connect import ConnectedService
from reconciler.spec.documents.values import literal
from reconciler.spec.specs import Specs

LONGEST_PORT_NAME: Final = 64

SPOT: Final = "FARGATE_SPOT"
"""The capacity provider of a service that prefers Spot capacity."""


def is_subnet_id(reference: str) -> bool:
    return literal(reference, "subnet-", LOOKUP)


def is_group_id(reference: str) -> bool:
    return literal(reference, "sg-", LOOKUP)


def is_vpc_id(reference: str) -> bool:
    return literal(reference, "vpc-", LOOKUP)


def is_arn(reference: str) -> bool:
    return literal(reference, "arn:")


def is_outside(reference: str) -> bool:
    """Whether a reference is no name of a document, but the ARN or the name in AWS of something that others own."""
    return literal(reference, "arn:", NAMED)


def strategy(specs: Specs, service: Service) -> DeploymentStrategy | None:
    """How a service is deployed; None for the rolling default and for one that no document defines."""
    return specs.get(DeploymentStrategy, service.deployment)


def rolling(specs: Specs, service: Service) -> Rolling | None:
    """The rolling deployment's figures; None where the service is deployed in another way."""
    if service.deployment is None:
        return Rolling()
    found = strategy(specs, service)
    return found.rolling if found is not None and found.type == ROLLING else None


def switching(specs: Specs, service: Service) -> DeploymentStrategy | None:
    """The strategy, where it moves traffic between two target groups; None for rolling."""
    found = strategy(specs, service)
    return found if found is not None and found.type != ROLLING else None


def most_tasks(specs: Specs, workload: Service | Task) -> int:
    """How many tasks run at most, in the middle of a rollout at the highest scale."""
    if isinstance(workload, Task):
        return workload.count
    highest = max(workload.desired_count, workload.scaling.max if workload.scaling else 0)
    figures, on_demand = rolling(specs, workload), highest if workload.spot is not None else 0
    return highest * 2 if figures is None else math.floor(highest * figures.max_percent / 100) + on_demand


def pre_deployment(specs: Specs, service: Service) -> Task | None:
    """The task that runs before each release of a service; there is one at most."""
    return next((task for task in specs.tasks if task.before == service.name), None)


def balancer(specs: Specs, traffic: Forwarding | None) -> LoadBalancer | None:
    return specs.get(LoadBalancer, traffic.load_balancer) if traffic is not None else None


def entries(specs: Specs, traffic: Forwarding) -> dict[str, str]:
    """The listeners that have a rule or the requests of the service, by the field that names each."""
    fields = ("listener", "test_listener") if isinstance(traffic, Traffic) else ("listener",)
    found: dict[str, str] = {}
    for field in fields:
        listener = getattr(traffic, field)
        if has_listener(specs, traffic, listener) and listener not in found.values():
            found[field] = listener
    return found


def has_listener(specs: Specs, traffic: Forwarding, name: str) -> bool:
    """Whether the load balancer of some traffic has a listener of that name; of one that others own, whether it is
    named by its port or its ARN, by which it is looked up."""
    if traffic.outside:
        return name.isdigit() or literal(name, "arn:", LOOKUP)
    found = balancer(specs, traffic)
    return found is not None and name in found.listeners


def listeners(specs: Specs, service: Service, traffic: Forwarding) -> tuple[str, ...]:
    """The listeners that requests arrive at: with a test listener, where versions are tested before production."""
    if not isinstance(traffic, Traffic) or switching(specs, service) is None:
        return (traffic.listener,)
    return tuple(dict.fromkeys((traffic.listener, traffic.test_listener)))


def served_by_listener(specs: Specs) -> dict[tuple[str, str], list[Service]]:
    """The services that users reach through a listener, by its load balancer and its name."""
    found: dict[tuple[str, str], list[Service]] = {}
    for service in specs.services:
        if service.traffic is not None:
            found.setdefault((service.traffic.load_balancer, service.traffic.listener), []).append(service)
    return found


def cluster_name(specs: Specs, workload: Service | Task) -> str:
    """The name in AWS of a workload's cluster."""
    declared = specs.get(Cluster, workload.cluster)
    return name_in_arn(workload.cluster) if declared is None else declared.name_in_aws


def name_in_arn(reference: str) -> str:
    """The name in AWS of what a reference names by its ARN or its name."""
    return reference.removeprefix(NAMED).rpartition("/")[2] if is_outside(reference) else reference


def region_in_arn(reference: str) -> str:
    """The region in an ARN; empty if it has none, or is no ARN."""
    parts = reference.split(":")
    return parts[3] if is_arn(reference) and len(parts) > 5 else ""


def elsewhere(specs: Specs, reference: str, *, accounts: bool = True) -> str:
    """Where an ARN is, if that is another region than the stack's, or with `accounts` another account; else empty."""
    stack = specs.stack
    if stack is None or not is_arn(reference):
        return ""
    _, _, _, region, account, _ = reference.split(":", 5)
    for what, theirs, ours in (
        ("region", region, stack.region),
        ("account", account if accounts else "", stack.account),
    ):
        if theirs and ours is not None and theirs != ours:
            return f"is in the {what} {theirs}, and the stack in {ours}"
    return ""


def standard_target_alarms(traffic: Forwarding) -> tuple[str, ...]:
    """The alarms that a service with standard alarms has for each target group. Connections have no responses."""
    return ("unhealthy",) if traffic.of_connections else ("5xx", "unhealthy")


def providers(cluster: Cluster) -> tuple[str, ...]:
    """The capacity providers of a cluster, by name."""
    return (*cluster.capacity_providers, *(capacity.name for capacity in cluster.ec2_capacity))


def shares(specs: Specs, workload: Service | Task) -> tuple[CapacityShare, ...]:
    """The capacity providers of a workload: its own, or its cluster's default ones; none for plain Fargate."""
    if isinstance(workload, Service) and workload.spot is not None:
        return (CapacityShare(name=SPOT),)
    if workload.capacity_providers or workload.launch is not None:
        return workload.capacity_providers
    cluster = specs.get(Cluster, workload.cluster)
    return () if cluster is None else cluster.default_strategy


def on_ec2(specs: Specs, workload: Service | Task) -> bool:
    """Whether the tasks of a workload run on EC2 instances; of a cluster outside the specs by the names alone."""
    if workload.launch == "EC2":
        return True
    cluster = specs.get(Cluster, workload.cluster)
    known = None if cluster is None else {capacity.name for capacity in cluster.ec2_capacity}
    return any(share.on_ec2 if known is None else share.name in known for share in shares(specs, workload))


def traffic_port(service: Service, traffic: Forwarding) -> int | None:
    """The container port that requests go to; None where it is not clear, which is an error elsewhere."""
    container = service.task.containers.get(traffic.container)
    if container is None:
        return None
    ports = traffic.ports_of(container)
    if traffic.port is not None:
        return traffic.port if traffic.port in ports else None
    return ports[0] if len(ports) == 1 else None


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port of a container under the name that Service Connect knows it by; `protocol` as ECS has it."""

    container: str
    port: int
    name: str
    protocol: str | None


def connected_port(service: Service, one: ConnectedService) -> NamedPort | None:
    """The port that `service_connect` means; None where it is not clear, which is an error elsewhere."""
    containers = service.task.containers
    name = one.container or (next(iter(containers)) if len(containers) == 1 else "")
    if name not in containers:
        return None
    ports = [port for port in containers[name].all_ports if port.protocol == "tcp" and one.port in (None, port.port)]
    if len(ports) != 1:
        return None
    known = ports[0].name or f"{name.lower()[: LONGEST_PORT_NAME - 6]}-{ports[0].port}"
    return NamedPort(name, ports[0].port, known, None if one.protocol == "tcp" else one.protocol)


def connected_ports(workload: Service | Task, container: str) -> dict[int, NamedPort]:
    """The ports of a container that have a name in a namespace, by their number."""
    if not isinstance(workload, Service) or workload.service_connect is None:
        return {}
    found = [connected_port(workload, one) for one in workload.service_connect.services]
    return {one.port: one for one in found if one is not None and one.container == container}


def log_group(workload: Service | Task) -> str:
    """The name of the log group that a workload writes to, if it has logs."""
    logs = workload.task.logs
    return logs.group if logs is not None and logs.group is not None else names.log_group(workload.name_in_aws)


def has_log_group(workload: Service | Task) -> bool:
    """Whether a log group is created for a workload."""
    return workload.task.logs is not None and workload.task.logs.stored


def has_generated_role(workload: Service | Task) -> bool:
    """Whether the application runs as a role that is generated for it."""
    return workload.task.role is None and (
        workload.exec or bool(workload.task.role_statements) or bool(authorised_mounts(workload))
    )


def authorised_mounts(workload: Service | Task) -> dict[str, bool]:
    """The volumes of EFS that tasks mount with the permissions of their role: name → whether files are written."""
    mounts = [one for container in workload.task.containers.values() for one in container.mounts]
    return {
        name: any(one.volume == name and not one.read_only for one in mounts)
        for name, volume in workload.task.volumes.items()
        if volume.efs is not None and volume.efs.iam
    }


def expiring(specs: Specs, workload: Service | Task) -> list[str]:
    """The repositories of the stack that a workload takes images from and in which images expire, sorted."""
    names = {container.image.registry for container in workload.task.containers.values()}
    return sorted(one.name_in_aws for one in specs.registries if one.name in names and one.keep_images is not None)


def by_ipv6(endpoint: NetworkEndpoint) -> bool:
    """Whether a VPC endpoint has IPv6 addresses."""
    return endpoint.ip_address_type not in (None, "ipv4")


def endpoint_subnets(network: Network, endpoint: NetworkEndpoint) -> list[str]:
    """Private ones where there are any, and of these one with an IPv6 range, if the endpoint needs it; AWS takes one
    subnet a zone for an interface endpoint.
    """
    private = [subnet for subnet in network.subnets if subnet.access == "private"] or [*network.subnets]
    usable = sorted(private, key=lambda one: one.ipv6 is None) if by_ipv6(endpoint) else private
    zones: dict[str, str] = {}
    for subnet in usable:
        zones.setdefault(subnet.zone, subnet.name)
    return list(zones.values())


def keeps(document: Document, block: Block, field: str) -> bool:
    """Whether an adopted resource keeps what it has there, because its document does not state the field."""
    return document.adopt is not None and field not in block.model_fields_set


def logs_of(task: Logs | None, container: Container) -> ContainerLogs | None:
    """Where the container's output goes. That of a log router does not go to itself."""
    if container.logs is not None:
        return container.logs
    return None if task is None or (task.driver == FIRELENS and container.firelens is not None) else task
