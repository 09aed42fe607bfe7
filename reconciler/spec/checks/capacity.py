"""Check of free addresses: each task uses one, and a rollout runs the old and the new version side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Service, Task
from reconciler.spec.messages import joined
from reconciler.spec.specs import Specs

RESERVED = 5
"""Addresses that AWS reserves in every subnet (VPC User Guide, Subnet CIDR blocks)."""
BALANCER = 8
"""Free addresses that a load balancer needs in each subnet (ELB User Guide, Subnets for your load balancer)."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    room = _room(specs)
    taken: dict[frozenset[str], int] = defaultdict(int)
    for workload in specs.workloads:
        subnets = frozenset(workload.placement.subnets)
        if not subnets <= room.keys():
            continue
        taken[subnets] += queries.most_tasks(specs, workload)
        free = sum(max(room[name], 0) for name in subnets)
        if taken[subnets] > free:
            yield _full(specs, workload, taken[subnets], free)


def _full(specs: Specs, workload: Service | Task, wanted: int, free: int) -> Diagnostic:
    known = specs.subnets
    names = workload.placement.subnets
    notes = tuple(Note(f"{known[name].it.cidr}", known[name].where(specs, "cidr")) for name in names)
    message = f"{joined(names, 'and')} have {free} free addresses; a rollout of the tasks placed there needs {wanted}"
    return Diagnostic("E5018", message, specs.where(workload, "placement", "subnets"), notes=notes)


def _room(specs: Specs) -> dict[str, int]:
    """Subnet → number of addresses for tasks, without those of AWS, load balancers, NAT gateways and endpoints."""
    room = {name: part.it.cidr.num_addresses - RESERVED for name, part in specs.subnets.items()}
    for balancer in specs.load_balancers:
        for name in balancer.subnets:
            if name in room:
                room[name] -= BALANCER
    for name, part in specs.subnets.items():
        network = part.network
        room[name] -= (network.nat != "none" and part.it.access == "public") + len(network.interface_endpoints)
        room[name] -= "ecr" in network.endpoint_services  # two interfaces
    return room
