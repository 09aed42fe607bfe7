"""Checks of names in AWS, given or derived: AWS's length limits, and duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from reconciler.model import codedeploy_names
from reconciler.rollout.engine import Controller, TrafficShifter, engines
from reconciler.rollout.fallback_state import PER_GROUP
from reconciler.spec import names, queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Alarm, Network, Service, Store, Task
from reconciler.spec.documents.base import Document, Named
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

_LIMITS = {
    "deployment group": codedeploy_names.LONGEST,
    "alarm": 255,
    "ECS service": 255,
    "IAM role": 64,
    "schedule": 64,
    "scaling policy": 256,
}
"""Maximum length in characters of names that are derived and may therefore be too long."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that a resource will have in AWS, and the position in the specs that it is derived from."""

    what: str
    name: str
    in_aws: str
    place: Position
    derived: bool = True


def check(specs: Specs) -> Iterator[Diagnostic]:
    """The first name of each position that is too long, and the first that each two positions share."""
    first: dict[tuple[str, str, bool], Claim] = {}
    said: set[tuple[Position, ...]] = set()
    for claim in claims(specs):
        limit = _LIMITS.get(claim.what)
        if claim.derived and limit is not None and len(claim.in_aws) > limit and (claim.place,) not in said:
            said.add((claim.place,))
            wanted = shown(claim.in_aws, longest=80)
            message = f"the {claim.what} {wanted} would have {len(claim.in_aws)} characters; AWS allows {limit}"
            yield Diagnostic("E2004", message, claim.place, hint=f"shorten the name by {len(claim.in_aws) - limit}")
        for name, in_aws in ((claim.name, False), (claim.in_aws, True)):
            other = first.setdefault((claim.what, name, in_aws), claim)
            if other is not claim and (claim.place, other.place) not in said:
                said.add((claim.place, other.place))
                rule = "E2005" if claim.derived or other.derived else "E2003"
                message = f"duplicate name: the {claim.what} {shown(name)}"
                yield Diagnostic(rule, message, claim.place, notes=(Note("the other one", other.place),))


def claims(specs: Specs) -> Iterator[Claim]:
    """Every name that must be unique among those of its kind."""
    for what, documents in (
        ("IAM role", specs.roles),
        ("ECS cluster", specs.clusters),
        ("ECR repository", specs.registries),
        ("load balancer", specs.load_balancers),
        ("table", specs.all(Store)),
        ("alarm", specs.all(Alarm)),
    ):
        for document in documents:
            yield _own(specs, what, document, document)
    for cluster in specs.clusters:
        for index, capacity in enumerate(cluster.ec2_capacity):
            place = specs.where(cluster, "ec2_capacity", index, "name")
            yield Claim("capacity provider", capacity.name, capacity.name, place, derived=False)
            if capacity.role is None:
                role = names.instance_role(capacity.name)
                yield Claim("IAM role", role, role, place)
    for network in specs.networks:
        yield from _network(specs, network)
    for workload in specs.workloads:
        yield from _workload(specs, workload)
    for service in specs.services:
        for path, traffic in service.forwardings:
            for index, group in enumerate(traffic.target_groups):
                yield _own(specs, "target group", service, group, *path, "target_groups", index)


def _own(specs: Specs, what: str, document: Document, named: Named, *path: str | int) -> Claim:
    """A name that somebody wrote: that of a document, or of a part at `path`; its `aws_name`, where it has one."""
    given = getattr(named, "aws_name", None) is not None
    place = specs.where(document, *path, "aws_name" if given else "name")
    return Claim(what, named.name, named.name_in_aws, place, derived=given)


def _network(specs: Specs, network: Network) -> Iterator[Claim]:
    for index, subnet in enumerate(network.subnets):
        yield _own(specs, "subnet", network, subnet, "subnets", index)
    for index, group in enumerate(network.security_groups):
        yield _own(specs, "security group", network, group, "security_groups", index)
    if network.interface_endpoints:
        place = specs.where(network, "endpoints", key=True)
        yield _derived("security group", network, names.endpoint_group, place)
    tables: dict[str, int] = {}
    for index, subnet in enumerate(network.subnets):
        tables.setdefault(subnet.table, index)
    for table, index in tables.items():
        place = specs.where(network, "subnets", index, "name")
        yield _derived("route table", network, partial(names.route_table, table=table), place)


def _derived(what: str, document: Document, named: Callable[[str], str], place: Position) -> Claim:
    return Claim(what, named(document.name), named(document.name_in_aws), place)


def _workload(specs: Specs, workload: Service | Task) -> Iterator[Claim]:
    own = specs.where(workload, "name" if workload.aws_name is None else "aws_name")
    yield Claim("task definition", workload.name, workload.name_in_aws, own)
    logs = workload.task.logs
    if logs is not None and logs.group is not None:
        place = specs.where(workload, "task", "logs", "group")
        yield Claim("log group", logs.group, logs.group, place, derived=False)
    elif queries.has_log_group(workload):
        group = names.log_group(workload.name_in_aws)
        yield Claim("log group", group, group, own)
    if workload.task.execution_role is None:
        yield _derived("IAM role", workload, names.execution_role, own)
    if queries.has_generated_role(workload):
        yield _derived("IAM role", workload, names.task_role, own)
    if isinstance(workload, Task):
        if workload.run is not None and not workload.run.once:
            yield Claim("schedule", workload.name, workload.name_in_aws, own)
            yield _derived("IAM role", workload, names.schedule_role, own)
        return
    yield Claim("ECS service", workload.name, workload.name_in_aws, own)
    strategy = queries.strategy(specs, workload)
    by_ecs = strategy is not None and engines()[strategy.driver].shifts_traffic is TrafficShifter.ECS
    for number in range(1, (PER_GROUP if by_ecs else 1) + 1) if workload.spot is not None else ():
        beside = partial(names.on_demand, number=number)
        yield _derived("ECS service", workload, beside, specs.where(workload, "spot", key=True))
    if strategy is not None and engines()[strategy.driver].controller is Controller.CODE_DEPLOY:
        names_of = partial(codedeploy_names.deployment_group, queries.cluster_name(specs, workload))
        yield _derived("deployment group", workload, names_of, own)
        if strategy.role is None:
            yield _derived("IAM role", workload, names.codedeploy_role, own)
    if strategy is not None and by_ecs and workload.traffic is not None and not strategy.role:
        yield _derived("IAM role", workload, names.infrastructure_role, own)
    if strategy is not None and any(hook.role is None for hook in strategy.hooks):
        yield _derived("IAM role", workload, names.hook_role, own)
    if workload.alarms is not None:
        behind = (
            f"{what}-{group}"
            for _, traffic in workload.forwardings
            for group in traffic.target_groups
            for what in queries.standard_target_alarms(traffic)
        )
        for what in ("cpu", "memory", *behind):
            yield _derived("alarm", workload, partial(names.alarm, what=what), own)
    if workload.scaling is not None:
        for metric in (*("cpu", "memory", "requests", "backlog"), *workload.scaling.metrics):
            if getattr(workload.scaling, metric, True) is not None:
                yield _derived("scaling policy", workload, partial(names.scaling_policy, metric=metric), own)
