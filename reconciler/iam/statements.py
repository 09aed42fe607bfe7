"""From operations and specs to the statements of a policy. Pure.

What is written to is bound to the stack three ways: by the tag that a creation must carry, by the tag that stands on
what is changed, and by name where there is one and tags do not serve. Only reading is free, and that in one region.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from reconciler.iam import calls, rules
from reconciler.iam.rules import Sort, action
from reconciler.model import ownership
from reconciler.model.resource import Desired, Ref
from reconciler.model.resource_type import ResourceTypes
from reconciler.model.tagging import tag_value
from reconciler.reconcile.observe import StackId
from reconciler.rollout.engine import engines
from reconciler.rollout.spec import RolloutSpec

Condition = Mapping[str, Mapping[str, Any]]
EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class Extras:
    """What the operator is configured to do beside the specs.

    `table` holds its lease; `topics` are SNS ARNs that it tells things to; `repository` is the ARN of the CodeCommit
    repository with its specs. `all_types`: whatever a later specification may ask for.
    """

    table: str | None = None
    topics: tuple[str, ...] = ()
    repository: str | None = None
    all_types: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """`why` finishes the sentence "it may, because …" for whoever reads the policy."""

    sid: str
    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = EVERYTHING
    condition: Condition = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources) if self.resources != EVERYTHING else "*",
        }
        return said | (
            {"Condition": {test: dict(keys) for test, keys in self.condition.items()}} if self.condition else {}
        )


def document(given: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement.document() for statement in given]}


def statements(
    kinds: ResourceTypes,
    desired: Iterable[Desired[Any]],
    deliveries: Iterable[RolloutSpec],
    place: StackId,
    extras: Extras | None = None,
) -> tuple[Statement, ...]:
    """All that operating these specs takes. `place.account` may be `*` where it is not known."""
    wanted = tuple(desired)
    return tuple(_Maker(kinds, wanted, tuple(deliveries), place, extras or Extras()).all())


class _Maker:
    def __init__(
        self,
        kinds: ResourceTypes,
        wanted: tuple[Desired[Any], ...],
        deliveries: tuple[RolloutSpec, ...],
        place: StackId,
        extras: Extras,
    ) -> None:
        self.kinds, self.wanted, self.place, self.extras = kinds, wanted, place, extras
        self.stack = tag_value(place.stack)
        self.used = {want.address.kind for want in wanted if not kinds[want.address.kind].lookup}
        if extras.all_types:
            self.used = {name for name, kind in kinds.items() if not kind.lookup}
        self.engines = {delivery.policy.engine for delivery in deliveries}
        self.sorted = self._sorted()

    def all(self) -> Iterator[Statement]:
        for part in (self._reads, self._makes, self._changes, self._roles, self._configured):
            yield from (one for one in part() if one.actions and one.resources)

    def _sorted(self) -> dict[Sort, tuple[rules.Operation, ...]]:
        """Reads of every type, since what nobody wants any more has to be found, too; writes of those in use."""
        found: set[rules.Operation] = set()
        for name, kind in self.kinds.items():
            found |= {one for one in calls.of_kind(kind) if name in self.used or _reads(one)}
        for name, engine in engines().items():
            if name in self.engines or self.extras.all_types:
                found |= calls.of_engine(engine)
        found |= {one for one in calls.of_loop() if self.engines or self.extras.all_types or _reads(one)}
        sorts: dict[Sort, list[rules.Operation]] = defaultdict(list)
        for one in sorted(found - rules.FREE):
            sorts[rules.sort_of(one)].append(one)
        return {sort: tuple(ones) for sort, ones in sorts.items()}

    def _actions(self, *sorts: Sort) -> tuple[str, ...]:
        return tuple(sorted(action(one) for sort in sorts for one in self.sorted.get(sort, ())))

    # -- conditions and names

    @property
    def _asked_as_ours(self) -> dict[str, str]:
        return {f"aws:RequestTag/{ownership.STACK}": self.stack}

    @property
    def _is_ours(self) -> dict[str, str]:
        return {f"aws:ResourceTag/{ownership.STACK}": self.stack}

    def _arn(self, service: str, resource: str, *, region: bool = True) -> str:
        where = f"{self.place.region if region else ''}:{self.place.account}"
        return f"arn:{self.place.partition}:{service}:{where}:{resource}"

    def _specs(self, kind: str) -> list[Any]:
        return [want.spec for want in self.wanted if want.address.kind == kind]

    def _named(self) -> tuple[str, ...]:
        """The ARNs of what can be named before it is made. A new log group's is checked with something behind it."""
        return (
            *(self._arn("dynamodb", f"table/{spec.name}") for spec in self._specs("table")),
            *(self._arn("ecr", f"repository/{spec.name}") for spec in self._specs("repository")),
            *(self._role(spec) for spec in self._specs("role")),
            *(self._arn("logs", f"log-group:{spec.name}") for spec in self._specs("log-group")),
            *(self._arn("logs", f"log-group:{spec.name}:*") for spec in self._specs("log-group")),
            *(self._arn("scheduler", f"schedule-group/{spec.name}") for spec in self._specs("schedule")),
        )

    def _role(self, spec: Any) -> str:
        return self._arn("iam", f"role{spec.path or '/'}{spec.name}", region=False)

    # -- statements

    def _reads(self) -> Iterator[Statement]:
        here = {"StringEquals": {"aws:RequestedRegion": self.place.region}}
        yield Statement("Look", "it compares what there is with the specs", self._actions(Sort.READ), condition=here)
        roles = self._actions(Sort.READ_ROLES)
        yield Statement("LookAtRoles", "IAM answers for all roles at once, and is in no region", roles)
        groups = tuple(self._arn("logs", f"log-group:{spec.name}:log-stream:*") for spec in self._specs("log-group"))
        output = self._actions(Sort.READ_OUTPUT)
        yield Statement("ReadOutput", "a version that fails is reported with its last words", output, groups)

    def _makes(self) -> Iterator[Statement]:
        ours = {"StringEquals": self._asked_as_ours}
        made = self._actions(Sort.MAKE)
        yield Statement("Make", "what it makes carries the stack's tag", made, condition=ours)
        by_name = {one for one in self.sorted.get(Sort.MAKE_BY_NAME, ()) if self._specs(_KIND_OF[one[0]])}
        tagging = {(service, rules.TAGGED_BY_NAME[service]) for service, _ in by_name}
        actions = tuple(sorted(action(one) for one in by_name | tagging))
        why = "these have their names in the specs, and are made and tagged under no other"
        yield Statement("MakeByName", why, actions, self._named(), ours)
        yield from self._makes_in_ec2(ours)
        yield from self._tags_in_passing()
        if "vpc-endpoint" in self.used:
            why = "an endpoint's private name is set up in the caller's name"
            yield Statement("NameEndpoints", why, ("route53:AssociateVPCWithHostedZone",))

    def _makes_in_ec2(self, ours: Condition) -> Iterator[Statement]:
        made = [name for _, name in self.sorted.get(Sort.MAKE_IN_EC2, ())]
        new = {rules.IN_EC2[name][0] for name in made}
        resources = tuple(self._arn("ec2", f"{one}/*") for one in sorted(new))
        actions = tuple(f"ec2:{name}" for name in sorted(made))
        yield Statement("MakeInEc2", "what it makes carries the stack's tag", actions, resources, ours)
        inside = {name: rules.IN_EC2[name][1] for name in made if rules.IN_EC2[name][1]}
        resources = tuple(
            self._arn("ec2", f"{one}/*") for one in sorted({one for all_ in inside.values() for one in all_})
        )
        actions = tuple(f"ec2:{name}" for name in sorted(inside))
        why = "and is made inside what is the stack's already"
        yield Statement("MakeInside", why, actions, resources, {"StringEquals": self._is_ours})

    def _tags_in_passing(self) -> Iterator[Statement]:
        made = [one for sort in (Sort.MAKE, Sort.MAKE_IN_EC2, Sort.TASK_SETS) for one in self.sorted.get(sort, ())]
        for service, tagging in sorted(rules.TAGGED_IN_PASSING.items()):
            names = sorted(name for of, name in made if of == service and rules.makes(name))
            if names:
                key = f"{rules.PREFIX.get(service, service)}:CreateAction"
                condition = {"StringEquals": {key: names, **self._asked_as_ours}}
                sid = f"TagNewIn{service.removesuffix('v2').capitalize()}"
                yield Statement(
                    sid, "tags are set as part of a creation", (action((service, tagging)),), condition=condition
                )

    def _changes(self) -> Iterator[Statement]:
        ours = {"StringEquals": self._is_ours}
        why = "what carries the stack's tag is the stack's"
        yield Statement("Change", why, self._actions(Sort.CHANGE), condition=ours)
        clusters = sorted({_cluster(spec.cluster) for spec in self._specs("service")})
        inside = {"ArnEquals": {"ecs:cluster": [self._arn("ecs", f"cluster/{name}") for name in clusters]}}
        why = "IAM knows task sets by their cluster"
        yield Statement("RollOut", why, self._actions(Sort.TASK_SETS), condition=inside)
        why = "IAM cannot bind it; the product itself lets go of nothing but the stack's revisions"
        yield Statement("LetGoOfRevisions", why, self._actions(Sort.UNBOUND))
        schedules = tuple(self._arn("scheduler", f"schedule/{spec.name}/*") for spec in self._specs("schedule"))
        why = "schedules carry no tags, and lie in a group of their own name"
        yield Statement("Schedule", why, self._actions(Sort.SCHEDULES), schedules)
        scaled = {"StringEquals": {"application-autoscaling:service-namespace": "ecs"}}
        why = "only ECS services are scaled"
        yield Statement("Scale", why, self._actions(Sort.AUTOSCALING), condition=scaled)
        if "scaling" in self.used:
            alarms = (self._arn("cloudwatch", "alarm:TargetTracking-*"),)
            actions = ("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm")
            yield Statement("ScaleByAlarm", "a scaling policy's alarms are set in the caller's name", actions, alarms)

    def _roles(self) -> Iterator[Statement]:
        managed = sorted({arn for spec in self._specs("role") for arn in spec.managed or ()})
        if managed:
            named: Condition = {"StringEquals": self._is_ours, "ArnEquals": {"iam:PolicyARN": managed}}
            why = "only the managed policies that the specs name are attached"
            yield Statement("AttachPolicies", why, self._actions(Sort.ATTACH), condition=named)
        for service, roles in sorted(self._passed().items()):
            sid = "PassTo" + "".join(word.capitalize() for word in service.split(".")[0].split("-"))
            to = {"StringEquals": {"iam:PassedToService": service}}
            why = "tasks and schedules run as the roles that the specs name"
            yield Statement(sid, why, ("iam:PassRole",), tuple(sorted(roles)), to)
        linked = sorted({rules.LINKED[kind] for kind in self.used & rules.LINKED.keys()})
        if linked:
            for_them = {"StringEquals": {"iam:AWSServiceName": linked}}
            arn = f"arn:{self.place.partition}:iam::{self.place.account}:role/aws-service-role/*"
            why = "AWS makes the roles of these services when an account first uses them"
            yield Statement("LetServicesStart", why, ("iam:CreateServiceLinkedRole",), (arn,), for_them)

    def _passed(self) -> dict[str, set[str]]:
        own = {want.address: self._role(want.spec) for want in self.wanted if want.address.kind == "role"}
        found: dict[str, set[str]] = defaultdict(set)
        for want in self.wanted:
            service = rules.PASSED_TO.get(want.address.kind)
            for link in _links(want.spec) if service is not None else ():
                if isinstance(link, Ref) and link.address in own:
                    found[service or ""].add(own[link.address])
                elif isinstance(link, str) and ":role/" in link and link.startswith("arn:"):
                    found[service or ""].add(link)
        return found

    def _configured(self) -> Iterator[Statement]:
        if self.extras.table is not None:
            arn = (self._arn("dynamodb", f"table/{self.extras.table}"),)
            keys = [f"{self.place.stack}.{self.place.account}.{self.place.region}#*"]
            condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
            actions = tuple(sorted(map(action, calls.of_store())))
            yield Statement("HoldTheLease", "one operator writes at a time", actions, arn, condition)
        yield Statement("Tell", "it tells people", ("sns:Publish",), self.extras.topics)
        if self.extras.repository is not None:
            yield Statement("FetchSpecs", "the specs lie there", ("codecommit:GitPull",), (self.extras.repository,))


_KIND_OF = {"dynamodb": "table", "ecr": "repository", "iam": "role", "logs": "log-group", "scheduler": "schedule"}


def _reads(operation: rules.Operation) -> bool:
    return rules.sort_of(operation) in (Sort.READ, Sort.READ_ROLES, Sort.READ_OUTPUT)


def _cluster(link: Any) -> str:
    return link.address.name if isinstance(link, Ref) else str(link).rpartition("/")[2]


def _links(value: Any) -> Iterator[Any]:
    """Every reference and every text in a spec."""
    if isinstance(value, Ref | str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _links(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _links(item)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _links(getattr(value, name))
