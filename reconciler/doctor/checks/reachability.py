"""Reachability: whether tasks can pull images, read secrets and write logs, by the live network around them.

`validate` judges the specs; this sees what others have changed, and networks that the specs only refer to. A network
that the plan changes is left to the specs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.doctor.network_paths import Live, closed_by_acl, egress_closed, no_endpoint, no_way_out, vpcs
from reconciler.doctor.secret_uses import secrets_of
from reconciler.doctor.workloads import Workload
from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource import Batch, Calls, ServiceApi

ec2 = ServiceApi("ec2")

REGISTRY: Final = ("ecr.api", "ecr.dkr", "s3")
"""What pulling an image of ECR takes; its layers are in S3."""


class Reachability(Check):
    title: ClassVar[str] = "the network of the tasks"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        placed = [one for one in case.workloads if one.want.spec.network is not None and one.fargate]
        if not placed or case.changes(_of_ec2(case)):
            return []
        live = yield from _live(case, placed)
        return [finding for one in placed for finding in _unreached(case, live, one)]


def _of_ec2(case: Case) -> frozenset[str]:
    """Types of what EC2 makes, and what is a part of it: the network, and what starts instances in it."""
    made = {name for name, kind in case.kinds.items() if kind.permissions.ec2}
    return frozenset(made | {name for name, kind in case.kinds.items() if kind.inside and kind.inside[1] in made})


def _live(case: Case, placed: list[Workload]) -> Calls[Live]:
    ids = {case.id_of(link) for one in placed for link in one.want.spec.network.subnets} - {""}
    answer = (yield ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": sorted(ids)}])) if ids else {}
    if not answer.get("Subnets"):
        return Live({})  # the plan says which of them does not exist, or cannot be read
    here = [{"Name": "vpc-id", "Values": list(vpcs(answer["Subnets"]))}]
    tables, acls, gateways, points, subnets = yield Batch.of(
        (
            ec2.describe_route_tables(Filters=here),
            ec2.describe_network_acls(Filters=here),
            ec2.describe_nat_gateways(Filters=here),
            ec2.describe_vpc_endpoints(Filters=here),
            ec2.describe_subnets(Filters=here),
        )
    )
    groups = {case.id_of(link) for one in placed for link in one.want.spec.network.security_groups} - {""}
    groups |= {group["GroupId"] for one in points["VpcEndpoints"] for group in one.get("Groups", ())}
    rules: list[Any] = []
    if groups:
        filters = [{"Name": "group-id", "Values": sorted(groups)}]
        rules = (yield ec2.describe_security_group_rules(Filters=filters))["SecurityGroupRules"]
    return Live(
        {item["SubnetId"]: item for item in subnets["Subnets"]},
        tuple(tables["RouteTables"]),
        tuple(acls["NetworkAcls"]),
        tuple(rules),
        tuple(points["VpcEndpoints"]),
        {item["NatGatewayId"]: item for item in gateways["NatGateways"]},
    )


def _unreached(case: Case, live: Live, workload: Workload) -> Iterator[Finding]:
    network = workload.want.spec.network
    groups = [group for link in network.security_groups if (group := case.id_of(link))]
    needs = dict(_needs(case, workload))
    if needs and live.subnets and (closed := egress_closed(live, groups)):
        fix = "allow outbound traffic to port 443 in it"
        yield _finding(workload, f"tasks cannot reach {', '.join(needs)}: {closed}", fix)
        return
    for link in network.subnets:
        subnet = case.id_of(link)
        if subnet not in live.subnets:
            continue
        way = no_way_out(live, subnet, public_ip=network.public_ip)
        acl = closed_by_acl(live, subnet)
        lacking = {what: why for what, services in needs.items()
                   if (why := _why(case, live, subnet, services, groups, way, acl))}  # fmt: skip
        if lacking:
            cause = f"from the subnet {subnet} tasks cannot reach {', '.join(lacking)}: {next(iter(lacking.values()))}"
            yield _finding(workload, cause, _fix(acl, way))


def _why(case: Case, live: Live, subnet: str, services: tuple[str, ...], groups: list[str], way: str, acl: str) -> str:
    """Why none of the ways leads there: neither the internet nor, where there are any, the endpoints."""
    if not way and not acl:
        return ""
    suffix = "amazonaws.com.cn" if case.place.partition == "aws-cn" else "amazonaws.com"
    prefix = ".".join(reversed(suffix.split("."))) + f".{case.place.region}."
    missing = [no_endpoint(live, subnet, prefix + service, groups) for service in services]
    if acl and _closed_inside(live, subnet):
        return acl
    if services and not any(missing):
        return ""
    if not services:
        return way or acl
    return f"{way or acl}, and {next(filter(None, missing))}"


def _closed_inside(live: Live, subnet: str) -> str:
    """What the network ACL closes of traffic to the endpoints, whose addresses are in the subnet or beside it."""
    return closed_by_acl(live, subnet, live.subnets[subnet]["CidrBlock"])


def _needs(case: Case, workload: Workload) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a task must reach to start, and the endpoints that are enough for it; none are for other registries."""
    for container in workload.definition.spec.containers.values():
        link = container.image
        image = ecr_image(str(case.id_of(link) or link))
        here = image is not None and image.region == case.place.region and not image.dual_stack
        yield ("its image", REGISTRY) if here else (f"its image {str(link).partition('@')[0]}", ())
        if container.log_group:
            yield "its logs", ("logs",)
    for use in secrets_of(workload, case.place.region):
        if use.region == case.place.region:
            yield f"its secrets ({use.service})", (use.service,)
    if getattr(workload.want.spec, "exec", None):
        yield "ECS Exec", ("ssmmessages",)


def _finding(workload: Workload, cause: str, fix: str) -> Finding:
    severity = Severity.ERROR if workload.starts or workload.count else Severity.WARNING
    return Finding(severity, "unreachable", str(workload.address), cause, fix, workload.want.where)


def _fix(acl: str, way: str) -> str:
    if acl:
        return "allow it in the network ACL: aws ec2 describe-network-acls shows its entries"
    if "no public address" in way:
        return "set `public_ip: true` in its `placement`, or route the subnet to a NAT gateway"
    return "restore the route, or add the endpoints to the network"
