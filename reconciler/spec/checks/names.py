"""Checks of derived names: AWS's length limits, and duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.spec import names
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Network, Service, Task
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

_LIMITS = {"IAM role": 64, "schedule": 64, "scaling policy": 256}
"""Longest names in characters, where a derived one can be too long."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that will have a name in AWS, and the place in the specs that it comes from."""

    what: str
    name: str
    place: Position
    derived: bool = True


def check(specs: Specs) -> Iterator[Diagnostic]:
    """Of each place the first name that is too long, and of each two places the first name that they share."""
    first: dict[tuple[str, str], Claim] = {}
    said: set[tuple[Position, ...]] = set()
    for claim in claims(specs):
        limit = _LIMITS.get(claim.what)
        if claim.derived and limit is not None and len(claim.name) > limit and (claim.place,) not in said:
            said.add((claim.place,))
            wanted = shown(claim.name, longest=80)
            message = f"the {claim.what} {wanted} would have {len(claim.name)} characters; AWS allows {limit}"
            yield Diagnostic("E2004", message, claim.place, hint=f"shorten the name by {len(claim.name) - limit}")
        other = first.setdefault((claim.what, claim.name), claim)
        if other is not claim and (claim.place, other.place) not in said:
            said.add((claim.place, other.place))
            rule = "E2005" if claim.derived or other.derived else "E2003"
            message = f"duplicate name: the {claim.what} {shown(claim.name)}"
            yield Diagnostic(rule, message, claim.place, notes=(Note("the other one", other.place),))


def claims(specs: Specs) -> Iterator[Claim]:
    """Every name that must be unlike the others of its sort; kinds whose own name is AWS's are unique as they stand."""
    for role in specs.roles:
        yield Claim("IAM role", role.name, specs.where(role), derived=False)
    for network in specs.networks:
        yield from _network(specs, network)
    for workload in specs.workloads:
        yield from _workload(specs, workload)
    for service in specs.services:
        for index, group in enumerate(service.traffic.target_groups if service.traffic else ()):
            place = specs.where(service, "traffic", "target_groups", index)
            yield Claim("target group", group, place, derived=False)


def _network(specs: Specs, network: Network) -> Iterator[Claim]:
    for index, subnet in enumerate(network.subnets):
        yield Claim("subnet", subnet.name, specs.where(network, "subnets", index, "name"), derived=False)
    for index, group in enumerate(network.security_groups):
        yield Claim("security group", group.name, specs.where(network, "security_groups", index, "name"), derived=False)
    if network.interface_endpoints:
        yield Claim("security group", names.endpoint_group(network.name), specs.where(network, "endpoints", key=True))
    tables: dict[str, int] = {}
    for index, subnet in enumerate(network.subnets):
        tables.setdefault(subnet.table, index)
    for table, index in tables.items():
        place = specs.where(network, "subnets", index, "name")
        yield Claim("route table", names.route_table(network.name, table), place)


def _workload(specs: Specs, workload: Service | Task) -> Iterator[Claim]:
    own = specs.where(workload)
    yield Claim("task definition", workload.name, own)
    logs = workload.task.logs
    if logs is not None and logs.group is not None:
        yield Claim("log group", logs.group, specs.where(workload, "task", "logs", "group"), derived=False)
    elif logs is not None:
        yield Claim("log group", names.log_group(workload.name), own)
    if workload.task.execution_role is None:
        yield Claim("IAM role", names.execution_role(workload.name), own)
    if workload.task.role is None and workload.exec:
        yield Claim("IAM role", names.task_role(workload.name), own)
    if isinstance(workload, Task):
        if workload.run is not None and not workload.run.once:
            yield Claim("schedule", workload.name, own)
            yield Claim("IAM role", names.schedule_role(workload.name), own)
        return
    if workload.scaling is not None:
        for metric in ("cpu", "memory", "requests"):
            if getattr(workload.scaling, metric) is not None:
                yield Claim("scaling policy", names.scaling_policy(workload.name, metric), own)
