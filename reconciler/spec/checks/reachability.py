"""Checks of network paths: from the load balancer to the tasks, and from the tasks to images, logs and secrets.

The second is the most common reason why a Fargate task does not start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.ecr_image import ecr_image
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Cluster, Document, Service, Task
from reconciler.spec.documents.network import Subnet
from reconciler.spec.documents.security_group import ANYWHERE, peer_range
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Path
from reconciler.spec.references import Part
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for service in specs.services:
        for _, traffic in service.forwardings:
            yield from _from_balancer(specs, service, traffic)
    for workload in specs.workloads:
        for start in _starts(specs, workload):
            yield from _to_aws(specs, workload, start)
            yield from _https_out(specs, start)


def _from_balancer(specs: Specs, service: Service, traffic: Forwarding) -> Iterator[Diagnostic]:
    known = specs.security_groups
    balancer, port = queries.balancer(specs, traffic), queries.traffic_port(service, traffic)
    inner = service.placement.security_groups
    if balancer is None or port is None or not all(name in known for name in inner):
        return
    outer = balancer.security_groups
    if not all(name in known or queries.is_group_id(name) for name in outer):
        return
    ipv6 = traffic.ip_address_type == "ipv6"
    places = tuple(Note("the tasks' security group", known[name].where(specs)) for name in inner)
    allowed = (
        any(
            rule.protocol in (protocol, "all")
            and port in rule.port
            and (rule.peer in outer or _covers(specs, rule.peer, balancer.subnets, ipv6=ipv6))
            for name in inner
            for rule in known[name].it.ingress
        )
        for protocol in traffic.transports
    )
    if not all(allowed) and not any(queries.keeps(known[name].network, known[name].it, "ingress") for name in inner):
        source = joined(outer) if outer else "its subnets"
        closed = f"{joined(inner, 'and')} does not allow inbound traffic from {source}"
        message = f"port {port} of the tasks is closed to the load balancer: {closed}"
        place = specs.where(service, "placement", "security_groups")
        yield Diagnostic(
            "E4020", message, place, hint=f"add {{port: {port}, from: {outer[0]}}}" if outer else "", notes=places
        )
    if not outer:
        return
    if all(name in known and known[name].it.egress is not None for name in outer) and not all(
        any(
            rule.protocol in (protocol, "all")
            and port in rule.port
            and (rule.peer in inner or _covers(specs, rule.peer, service.placement.subnets, ipv6=ipv6))
            for name in outer
            for rule in known[name].it.egress or ()
        )
        for protocol in traffic.transports
    ):
        closed = f"{joined(outer, 'and')} does not allow outbound traffic to it"
        message = f"the load balancer cannot reach port {port} of the tasks: {closed}"
        notes = tuple(Note("the load balancer's security group", known[name].where(specs)) for name in outer)
        yield Diagnostic("E4020", message, specs.where(service, "placement", "security_groups"), notes=notes)


@dataclass(frozen=True, slots=True)
class _Start:
    """From where images are pulled, secrets read and logs written: the task itself, or the instance that it is on."""

    document: Document
    path: Path
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    public_ip: bool
    who: str


def _starts(specs: Specs, workload: Service | Task) -> Iterator[_Start]:
    placed = workload.placement
    if not queries.on_ec2(specs, workload):
        public = placed.public_ip or queries.keeps(workload, placed, "public_ip")
        yield _Start(workload, ("placement",), placed.subnets, placed.security_groups, public, "a task")
        return
    cluster, names = specs.get(Cluster, workload.cluster), {share.name for share in queries.shares(specs, workload)}
    if cluster is None:
        return
    for index, capacity in enumerate(cluster.ec2_capacity):
        if capacity.name in names:
            who, groups = f"an instance of {capacity.name}", capacity.security_groups
            yield _Start(cluster, ("ec2_capacity", index), capacity.subnets, groups, capacity.public_ip, who)


def needs(specs: Specs, workload: Service | Task) -> dict[str, tuple[str, ...]]:
    """What a task must reach to start, and the VPC endpoints that are enough; for the internet, none are."""
    wanted: dict[str, tuple[str, ...]] = {}
    for container in workload.task.containers.values():
        image = str(container.image)
        private = ecr_image(image)
        here = private is not None and not private.dual_stack and _in_region(specs, private.region)
        if container.image.registry is not None or here:
            wanted["its image (ECR)"] = ("ecr", "s3")
        else:
            wanted[f"its image ({image.partition('/')[0] if '/' in image else 'Docker Hub'})"] = ()
        if container.environment_files:
            wanted["its environment files"] = ("s3",)
    for secret in workload.task.secrets:
        wanted[f"its secrets ({secret.service})"] = (secret.service,)
    if queries.has_log_group(workload):
        wanted["its logs"] = ("logs",)
    if workload.exec:
        wanted["ECS Exec"] = ("ssmmessages",)
    return wanted


def _in_region(specs: Specs, region: str) -> bool:
    """VPC endpoints serve the registries of their own region."""
    return specs.stack is None or specs.stack.region == region


def _to_aws(specs: Specs, workload: Service | Task, start: _Start) -> Iterator[Diagnostic]:
    known, wanted = specs.subnets, needs(specs, workload)
    if start.document is not workload:
        wanted = {"ECS": ("ecs",), **wanted}
    for index, name in enumerate(start.subnets):
        part = known.get(name)
        if part is None or _way_out(part, public_ip=start.public_ip):
            continue
        endpoints: set[str] = set(part.network.endpoint_services)
        missing = {what: those for what, those in wanted.items() if not those or not endpoints.issuperset(those)}
        if missing:
            lacking = sorted({endpoint for those in missing.values() for endpoint in those} - endpoints)
            message = f"from {shown(name)} {start.who} cannot reach {joined(missing, 'and')}"
            place = specs.where(start.document, *start.path, "subnets", index)
            yield Diagnostic(
                "E5017",
                message,
                place,
                hint=_remedy(part, missing, lacking),
                notes=(Note("the subnet", part.where(specs)),),
            )


def _way_out(part: Part[Subnet], *, public_ip: bool) -> bool:
    """What is adopted may have one that its document does not state."""
    network = part.network
    if part.it.access == "public":
        return public_ip
    routed = any(
        route.destination == ANYWHERE and (not route.tables or part.it.table in route.tables)
        for route in network.routes
    )
    return routed or network.nat != "none" or queries.keeps(network, network, "nat")


def _remedy(part: Part[Subnet], missing: dict[str, tuple[str, ...]], lacking: list[str]) -> str:
    way = "public_ip: true" if part.it.access == "public" else f"nat: single in {part.network.name}"
    if all(missing.values()):
        return f"{way}, or endpoints: [{', '.join(lacking)}] in {part.network.name}"
    return way


def _https_out(specs: Specs, start: _Start) -> Iterator[Diagnostic]:
    """Security groups must allow outbound traffic to port 443, over which images, logs and secrets are transferred."""
    known = specs.security_groups
    groups = start.security_groups
    if not all(name in known and known[name].it.egress is not None for name in groups):
        return
    rules = [rule for name in groups for rule in known[name].it.egress or ()]
    if not any(rule.protocol in ("tcp", "all") and 443 in rule.port for rule in rules):
        message = f"{joined(groups, 'and')} allows no outbound traffic on port 443, so {start.who} cannot pull an image"
        notes = tuple(Note("the security group", known[name].where(specs)) for name in groups)
        place = specs.where(start.document, *start.path, "security_groups")
        yield Diagnostic("E5017", message, place, notes=notes)


def _covers(specs: Specs, peer: str, subnets: tuple[str, ...], *, ipv6: bool) -> bool:
    """Whether the range of a rule contains all addresses of the subnets; unknown subnets count as contained. Neither
    what is in a prefix list nor the IPv6 range of a subnet, which AWS chooses, is known."""
    if peer.startswith("pl-"):
        return True
    addresses = peer_range(peer)
    known = specs.subnets
    if addresses is None:
        return False
    if ipv6:
        return peer == "anywhere" or addresses.version == 6
    wanted = [known[name].it.cidr for name in subnets if name in known]
    return all(range_.version == addresses.version and range_.subnet_of(addresses) for range_ in wanted)
