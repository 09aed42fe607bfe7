"""Checks of names in AWS, given or derived: AWS's length limits, and duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from reconciler.model import codedeploy_names
from reconciler.rollout.engine import Controller, TrafficShifter, engines
from reconciler.rollout.fallback_state import PER_GROUP
from reconciler.spec import names, queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Alarm, Network, Service, Store, Task
from reconciler.spec.documents.base import Document, NamedInAws
from reconciler.spec.documents.values import NameRule
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

_LIMITS = {
    "deployment group": codedeploy_names.LONGEST,
    "alarm": 255,
    "event rule": 64,
    "ECS service": 255,
    "IAM role": 64,
    "schedule": 64,
    "scaling policy": 256,
}
"""Maximum length in characters of names that are derived and may therefore be too long. Those of names that documents
have are in their fields."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that a resource will have in AWS, and the position in the specs that it is derived from.

    `rule`: of the name of a document or part, to which the Stack's prefix and suffix were applied.
    """

    what: str
    name: str
    in_aws: str
    place: Position
    derived: bool = True
    rule: NameRule | None = None


def check(specs: Specs) -> Iterator[Diagnostic]:
    """The first name of each position that is too long, and the first that each two positions share."""
    first: dict[tuple[str, str, bool], Claim] = {}
    said: set[tuple[Position, ...]] = set()
    for claim in claims(specs):
        if (claim.place,) not in said and (found := _refused(specs, claim)) is not None:
            said.add((claim.place,))
            yield found
        for name, in_aws in ((claim.name, False), (claim.in_aws, True)):
            other = first.setdefault((claim.what, name, in_aws), claim)
            if other is not claim and (claim.place, other.place) not in said:
                said.add((claim.place, other.place))
                rule = "E2005" if claim.derived or other.derived else "E2003"
                message = f"duplicate name: the {claim.what} {shown(name)}"
                yield Diagnostic(rule, message, claim.place, notes=(Note("the other one", other.place),))


def _refused(specs: Specs, claim: Claim) -> Diagnostic | None:
    """Why AWS does not take a name that nobody wrote like this."""
    limit = _LIMITS.get(claim.what) if claim.derived else None
    limit = limit if claim.rule is None else claim.rule.longest
    wanted, length = shown(claim.in_aws, longest=80), len(claim.in_aws)
    if limit is not None and length > limit:
        message = f"the {claim.what} {wanted} would have {length} characters; AWS allows {limit}"
        notes = _of_stack(specs, claim)
        hint = f"shorten the name{' or what is added to it' if notes else ''} by {length - limit}"
        return Diagnostic("E2004", message, claim.place, hint=hint, notes=notes)
    if claim.rule is not None and not claim.rule.fits(claim.in_aws):
        message = f"the {claim.what} would be {wanted}: {claim.rule.rule}"
        hint = "change the prefix or suffix, or set aws_name"
        return Diagnostic("E2029", message, claim.place, hint=hint, notes=_of_stack(specs, claim))
    return None


def _of_stack(specs: Specs, claim: Claim) -> tuple[Note, ...]:
    """Where the prefix and suffix in a name stand."""
    stack = specs.stack
    if stack is None or (claim.in_aws == claim.name and claim.rule is None):
        return ()
    given: dict[tuple[str, ...], str] = {("name_prefix",): stack.name_prefix, ("name_suffix",): stack.name_suffix}
    given |= {("roles", "name_suffix"): stack.roles.name_suffix} if claim.what == "IAM role" else {}
    return tuple(Note(f"the {path[-1]}", specs.where(stack, *path)) for path, text in given.items() if text)


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
            place = specs.where(cluster, "ec2_capacity", index, "name" if capacity.aws_name is None else "aws_name")
            yield _own(specs, "capacity provider", cluster, capacity, "ec2_capacity", index)
            if capacity.role is None:
                yield _role(capacity, names.instance_role, place)
    namespaces = {one.namespace.name: one for one in reversed(specs.clusters) if one.namespace is not None}
    for cluster in namespaces.values():  # which may share one
        assert cluster.namespace is not None, "it has one"
        yield _own(specs, "namespace", cluster, cluster.namespace, "namespace")
    for network in specs.networks:
        yield from _network(specs, network)
    for workload in specs.workloads:
        yield from _workload(specs, workload)
    if specs.stack is not None and specs.stack.events is not None and specs.stack.events.queue is None:
        name = names.event_queue(specs.stack_id)
        yield Claim("event rule", name, name, specs.where(specs.stack, "events"))
    for service in specs.services:
        for path, traffic in service.forwardings:
            for index, group in enumerate(traffic.target_groups):
                yield _own(specs, "target group", service, group, *path, "target_groups", index)


def _own(specs: Specs, what: str, document: Document, named: NamedInAws, *path: str | int) -> Claim:
    """The name of a document, or of a part at `path`; its `aws_name`, where it has one."""
    given = getattr(named, "aws_name", None) is not None
    place = specs.where(document, *path, "aws_name" if given else "name")
    applied = not given and named.name_in_aws != named.name
    rule = _rule(type(named)) if applied else None
    return Claim(what, named.name, named.name_in_aws, place, derived=given or applied, rule=rule)


def _rule(kind: type[NamedInAws]) -> NameRule | None:
    """What AWS takes as the name of one."""
    checks = (getattr(one, "func", None) for one in kind.model_fields["name"].metadata)
    return next((check for check in checks if isinstance(check, NameRule)), None)


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


def _role(owner: NamedInAws, named: Callable[[str], str], place: Position) -> Claim:
    return Claim("IAM role", named(owner.name), owner.role_in_aws(named), place)


def _workload(specs: Specs, workload: Service | Task) -> Iterator[Claim]:
    own = specs.where(workload, "name" if workload.aws_name is None else "aws_name")
    yield replace(_own(specs, "task definition", workload, workload), derived=True)
    logs = workload.task.logs
    if logs is not None and logs.group is not None:
        place = specs.where(workload, "task", "logs", "group")
        yield Claim("log group", logs.group, logs.group, place, derived=False)
    elif queries.has_log_group(workload):
        yield _derived("log group", workload, names.log_group, own)
    if workload.task.execution_role is None:
        yield _role(workload, names.execution_role, own)
    if queries.has_generated_role(workload):
        yield _role(workload, names.task_role, own)
    if isinstance(workload, Task):
        if workload.run is not None and not workload.run.once:
            yield Claim("schedule", workload.name, workload.name_in_aws, own)
            yield _role(workload, names.schedule_role, own)
        return
    yield replace(_own(specs, "ECS service", workload, workload), derived=True)
    strategy = queries.strategy(specs, workload)
    by_ecs = strategy is not None and engines()[strategy.driver].shifts_traffic is TrafficShifter.ECS
    for number in range(1, (PER_GROUP if by_ecs else 1) + 1) if workload.spot is not None else ():
        beside = partial(names.on_demand, number=number)
        yield _derived("ECS service", workload, beside, specs.where(workload, "spot", key=True))
    if strategy is not None and engines()[strategy.driver].controller is Controller.CODE_DEPLOY:
        names_of = partial(codedeploy_names.deployment_group, queries.cluster_name(specs, workload))
        yield _derived("deployment group", workload, names_of, own)
        if strategy.role is None:
            yield _role(workload, names.codedeploy_role, own)
    if strategy is not None and by_ecs and workload.traffic is not None and not strategy.role:
        yield _role(workload, names.infrastructure_role, own)
    if any(volume.ebs is not None and volume.ebs.role is None for volume in workload.task.volumes.values()):
        yield _role(workload, names.volume_role, own)
    if strategy is not None and any(hook.role is None for hook in strategy.hooks):
        yield _role(workload, names.hook_role, own)
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
