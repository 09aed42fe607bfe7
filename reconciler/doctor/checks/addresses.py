"""Addresses: whether the subnets have enough free ones for the tasks that run at once, and for load balancers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import ClassVar, Final

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.doctor.workloads import Workload
from reconciler.model.resource import Calls, Link, Ref, ServiceApi

ec2 = ServiceApi("ec2")

RESERVED: Final = 5
"""Addresses of each subnet that AWS keeps (VPC user guide, "Subnet CIDR blocks")."""

OF_A_BALANCER: Final = 8
"""Free addresses that a load balancer asks for in each of its subnets (ELB user guide, "Subnets")."""


class Addresses(Check):
    title: ClassVar[str] = "free addresses"
    cheap: ClassVar[bool] = True

    def findings(self, case: Case) -> Calls[list[Finding]]:
        workloads = [one for one in case.workloads if one.want.spec.network is not None]
        balancers = case.created("load-balancer")
        links = {link for one in workloads for link in one.want.spec.network.subnets}
        links |= {link for want in balancers for link in want.spec.subnets}
        free = yield from _free(case, links)
        found = [
            Finding(
                Severity.ERROR,
                "no-addresses",
                str(want.address),
                f"{_name(case, link)} has {free[link]} free addresses, and {count} new load balancers take {taken}",
                "choose a larger subnet, or another one for each",
                want.where,
            )
            for link in sorted({link for want in balancers for link in want.spec.subnets}, key=str)
            if (count := sum(link in want.spec.subnets for want in balancers))
            and free.get(link, taken := count * OF_A_BALANCER) < taken
            for want in [next(want for want in balancers if link in want.spec.subnets)]
        ]
        return found + list(_crowded(case, workloads, free))


def _crowded(case: Case, workloads: Iterable[Workload], free: Mapping[Link, int]) -> Iterable[Finding]:
    """By the subnets that a workload is placed in: all that is placed in a part of these counts."""
    groups: dict[frozenset[Link], list[Workload]] = defaultdict(list)
    for one in workloads:
        groups[frozenset(one.want.spec.network.subnets)].append(one)
    for subnets, own in groups.items():
        inside = [one for part, several in groups.items() if part <= subnets for one in several]
        starting = sum(one.more for one in inside if one.starts)
        resting = sum(one.surge for one in inside if not one.starts)
        there = sum(free.get(link, 0) for link in subnets)
        if not subnets <= free.keys() or starting + resting <= there:
            continue
        names = ", ".join(sorted(_name(case, link) for link in subnets))
        about = next((one for one in own if one.starts), own[0])
        fails = starting > there
        tasks = f"the plan starts {starting} tasks there" if fails else f"the next releases start {resting} tasks there"
        yield Finding(
            Severity.ERROR if fails else Severity.WARNING,
            "no-addresses",
            str(about.address),
            f"{names} have {there} free addresses, and {tasks} before old ones stop",
            "add a subnet to its `placement`, or lower `desired_count` or `green.scale`",
            about.want.where,
        )


def _free(case: Case, links: Iterable[Link]) -> Calls[dict[Link, int]]:
    """Free addresses by subnet; of one that is to be created, all that AWS leaves. It has none for a subnet whose id is
    looked up and cannot be read."""
    free: dict[Link, int] = {}
    known: dict[str, Link] = {}
    for link in sorted(links, key=str):
        if identifier := case.id_of(link):
            known[identifier] = link
        elif isinstance(link, Ref) and link.address.kind == "subnet" and link.address in case.wanted:
            free[link] = ip_network(case.wanted[link.address].spec.cidr).num_addresses - RESERVED
    if known:
        filters = [{"Name": "subnet-id", "Values": sorted(known)}]
        answer = yield ec2.describe_subnets(Filters=filters)
        free |= {known[item["SubnetId"]]: item["AvailableIpAddressCount"] for item in answer["Subnets"]}
    return free


def _name(case: Case, link: Link) -> str:
    if isinstance(link, Ref):
        return str(link)
    return next((str(address) for address, one in case.found.items() if one.id == link), f"subnet {link}")
