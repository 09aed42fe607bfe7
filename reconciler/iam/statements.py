"""From operations and specs to the statements of a policy. Pure.

What is written to is bound to the stack three ways: by the tag that a creation must carry, by the tag that stands on
what is changed, and by name where there is one and tags do not serve. Only reading is free, and that in one region.

It is one module because all statements are bound to the names of the same specs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.aws.catalogue import service_facts, services
from reconciler.aws.cloudtrail import HOME_REGIONS
from reconciler.iam import calls, rules, zones
from reconciler.iam.rules import action
from reconciler.iam.statement import EVERYTHING, Condition, Statement
from reconciler.model import ownership
from reconciler.model.permissions import Binding, NamedArn, OnBehalf, Operation
from reconciler.model.resource import Address, Desired, Ref
from reconciler.model.tagging import tag_value
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.observe import StackId
from reconciler.rollout.engine import engines
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class Extras:
    """What the operator is configured to do beside the specs.

    `table` holds its lease; `topics` are SNS ARNs that it tells things to; `repository` is the ARN of the CodeCommit
    repository with its specs. `all_types`: whatever a later specification may ask for. `boundary` is the permissions
    boundary that the Stack names for its roles. `doctor` is what the checks before an apply read. `console`: it shows
    the console, whose pages read what `tree`, `history`, `events`, `logs` and the charts do.
    """

    table: str | None = None
    topics: tuple[str, ...] = ()
    repository: str | None = None
    all_types: bool = False
    boundary: str | None = None
    doctor: frozenset[Operation] = frozenset()
    console: bool = False


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
    return tuple(Maker(kinds, wanted, tuple(deliveries), place, extras or Extras()).all())


@dataclass
class Maker:
    """Statements for specs. What a person needs for single commands is less (people.py)."""

    kinds: ResourceTypes
    wanted: tuple[Desired[Any], ...]
    deliveries: tuple[RolloutSpec, ...]
    place: StackId
    extras: Extras

    def __post_init__(self) -> None:
        self.stack = tag_value(self.place.stack)
        self.used = {want.address.kind for want in self.wanted if not self.kinds[want.address.kind].lookup}
        if self.extras.all_types:
            self.used = {name for name, kind in self.kinds.items() if not kind.lookup}
        self.engines = {delivery.policy.engine for delivery in self.deliveries}
        self.bound = self._bound()

    def all(self) -> Iterator[Statement]:
        for part in (self._reads, self._makes, self._changes, self._records, self._roles, self._configured):
            for statement in part():
                yield from (one for one in self._within_boundary(statement) if one.actions and one.resources)

    def _within_boundary(self, statement: Statement) -> Iterator[Statement]:
        """Where the Stack names a permissions boundary, roles without one of the specs' boundaries are not written to.

        It bounds what whoever writes the specs can reach: no role can be given more than the boundary allows.
        """
        operations = {one for kind in self.kinds.values() for one in kind.permissions.within_boundary}
        bounded = {action(one) for one in operations}.intersection(statement.actions) if self.extras.boundary else set()
        rest = tuple(one for one in statement.actions if one not in bounded)
        yield replace(statement, actions=rest)
        test, key = "StringEquals", {"iam:PermissionsBoundary": list(self._boundaries)}
        condition = {**statement.condition, test: {**statement.condition.get(test, {}), **key}}
        why = "roles of the stack are written to within its permissions boundary only"
        yield Statement(f"{statement.sid}Bounded", why, tuple(sorted(bounded)), statement.resources, condition)

    @property
    def _boundaries(self) -> tuple[str, ...]:
        named = {spec.permissions_boundary for spec in self._specs("role")} | {self.extras.boundary}
        return tuple(sorted(filter(None, named)))

    def _operations(self) -> set[Operation]:
        """Reads of every type, since what nobody wants any more has to be found, too; writes of those in use."""
        found: set[Operation] = set()
        for name, kind in self.kinds.items():
            found |= {one for one in calls.of_kind(kind) if name in self.used or rules.reads(one)}
        for name, engine in engines().items():
            if name in self.engines or self.extras.all_types:
                found |= calls.of_engine(engine)
        found |= {one for one in calls.of_loop() if self.engines or self.extras.all_types or rules.reads(one)}
        return found | (calls.of_queries() if self.extras.console else frozenset())

    def _bound(self) -> dict[Binding, tuple[Operation, ...]]:
        bound: dict[Binding, list[Operation]] = defaultdict(list)
        for one in sorted(self._operations() - rules.FREE):
            bound[rules.binding_of(one)].append(one)
        return {binding: tuple(ones) for binding, ones in bound.items()}

    def _actions(self, *bindings: Binding) -> tuple[str, ...]:
        return tuple(sorted(action(one) for binding in bindings for one in self.bound.get(binding, ())))

    # -- conditions and names

    @property
    def _asked_as_ours(self) -> dict[str, str]:
        return {f"aws:RequestTag/{ownership.STACK}": self.stack}

    @property
    def _is_ours(self) -> dict[str, str]:
        return {f"aws:ResourceTag/{ownership.STACK}": self.stack}

    def _arn(self, service: str, resource: str, account: str | None = None) -> str:
        region = self.place.region if service_facts(service).regional else ""
        of = self.place.account if account is None else account
        return f"arn:{self.place.partition}:{service}:{region}:{of}:{resource}"

    def _specs(self, kind: str) -> list[Any]:
        return [want.spec for want in self.wanted if want.address.kind == kind]

    def _named(self, binding: Binding) -> tuple[str, ...]:
        """The ARNs that the specs' resources are known by, for what IAM binds to names."""
        return tuple(arn for want in self.wanted for arn in self._arns_of(want, binding))

    def _arns_of(self, want: Desired[Any], binding: Binding) -> tuple[str, ...]:
        names: tuple[NamedArn, ...] = self.kinds[want.address.kind].arns(want.spec).get(binding, ())
        return tuple(self._arn(*name) for name in names)

    def _clusters(self) -> list[str]:
        return sorted({name.partition("/")[0] for name in self._service_names()})

    def _service_names(self) -> list[str]:
        """Each service with its cluster before it."""
        names = {want.address: want.spec.name for want in self.wanted if want.address.kind == "cluster"}
        return sorted(f"{_cluster(spec.cluster, names)}/{spec.name}" for spec in self._specs("service"))

    # -- statements

    def _reads(self) -> Iterator[Statement]:
        here = {"StringEquals": {"aws:RequestedRegion": self.place.region}}
        yield Statement("Look", "it compares what there is with the specs", self._actions(Binding.READ), condition=here)
        yield from self._reads_roles()
        regions = sorted({self.place.region, HOME_REGIONS.get(self.place.partition, self.place.region)})
        asked = {"StringEquals": {"aws:RequestedRegion": regions}}
        why = "it names who has changed something, and finds what no event has reported; IAM's are in one region"
        yield Statement("NameAuthors", why, self._actions(Binding.READ_EVENTS), condition=asked)
        output, groups = self._actions(Binding.READ_OUTPUT), self._named(Binding.READ_OUTPUT)
        yield from self._examines(here)
        values, published = self._actions(Binding.READ_BY_NAME), self._named(Binding.READ_BY_NAME)
        yield Statement("LookUpValues", "the specs name these values of others", values, published)
        why = "client secrets of sign-ins are written to the load balancer"
        read = self._actions(Binding.READ_SECRET, Binding.READ_PARAMETER, Binding.READ_SECRET_VALUE)
        yield Statement("ReadSecrets", why, read, self._named(Binding.READ_SECRET_VALUE))
        why = "a new version of what tasks read is a release; no value is read"
        yield Statement("DescribeSecrets", why, self._actions(Binding.READ_SECRET), self._named(Binding.READ_SECRET))
        listed, params = self._actions(Binding.READ_BUCKET), self._actions(Binding.READ_PARAMETERS)
        every = EVERYTHING if self._named(Binding.READ_PARAMETERS) else ()
        yield Statement("DescribeParameters", f"{why}, and IAM cannot bind it", params, every, here)
        yield Statement("ListFiles", why, listed, self._named(Binding.READ_BUCKET))
        yield Statement("ReadOutput", "a version that fails is reported with its last words", output, groups)

    def _examines(self, here: Condition) -> Iterator[Statement]:
        """What is read beside that before an apply."""
        free = (Binding.READ, Binding.READ_GLOBAL, Binding.READ_ACCOUNT)
        more = self.extras.doctor - rules.FREE - {one for binding in free for one in self.bound.get(binding, ())}
        regional = tuple(sorted(action(one) for one in more if service_facts(one[0]).regional))
        others = tuple(sorted(action(one) for one in more if not service_facts(one[0]).regional))
        why = "it looks for what would make an apply fail"
        yield Statement("Examine", why, regional, condition=here)
        yield Statement("ExamineRoles", f"{why}, and IAM is in no region", others)

    def _reads_roles(self) -> Iterator[Statement]:
        """All roles of the account, or those below the path of the stack's roles."""
        path, why = (self.place.role_path or "/").strip("/"), "IAM is in no region"
        if not path:
            free = Binding.READ_GLOBAL, Binding.READ_ACCOUNT, Binding.READ_ROLE
            yield Statement("LookAtRoles", f"{why}, and answers for all roles at once", self._actions(*free))
            return
        yield Statement("LookAtRoles", why, self._actions(Binding.READ_GLOBAL, Binding.READ_PATH))
        bound = self._actions(Binding.READ_BELOW_PATH, Binding.READ_ROLE)
        yield Statement("LookIntoRoles", "the stack's are below it", bound, (self._arn("iam", f"role/{path}/*"),))
        why = "roles of others that the specs name are looked up"
        yield Statement("LookAtNamedRoles", why, self._actions(Binding.READ_ROLE), self._named(Binding.READ_ROLE))

    def _makes(self) -> Iterator[Statement]:
        ours = {"StringEquals": self._asked_as_ours}
        yield self._makes_tagged()
        by_name: set[Operation] = set()
        for name in sorted({want.address.kind for want in self.wanted if self._arns_of(want, Binding.MAKE_BY_NAME)}):
            kind = self.kinds[name]
            made_by_name = {one for one in calls.of_kind(kind) if rules.binding_of(one) is Binding.MAKE_BY_NAME}
            by_name |= made_by_name | {(service, kind.permissions.tagging) for service, _ in made_by_name}
        actions = tuple(sorted(map(action, by_name)))
        why = "these have their names in the specs, and are made and tagged under no other"
        yield Statement("MakeByName", why, actions, self._named(Binding.MAKE_BY_NAME), ours)
        yield from self._makes_in_ec2(ours)
        yield from self._tags_in_passing()

    def _makes_tagged(self) -> Statement:
        made = self._actions(Binding.MAKE)
        return Statement(
            "Make", "what it makes carries the stack's tag", made, condition={"StringEquals": self._asked_as_ours}
        )

    def _makes_in_ec2(self, ours: Condition) -> Iterator[Statement]:
        made = {name: rules.made_in_ec2()[name] for _, name in self.bound.get(Binding.MAKE_IN_EC2, ())}
        resources = tuple(self._arn("ec2", f"{one}/*") for one in sorted({new for new, _ in made.values()}))
        actions = tuple(f"ec2:{name}" for name in sorted(made))
        yield Statement("MakeInEc2", "what it makes carries the stack's tag", actions, resources, ours)
        around = {one for _, inside in made.values() for one in inside}
        resources = tuple(self._arn("ec2", f"{one}/*") for one in sorted(around))
        actions = tuple(f"ec2:{name}" for name, (_, inside) in sorted(made.items()) if inside)
        why = "and is made inside what is the stack's already"
        yield Statement("MakeInside", why, actions, resources, {"StringEquals": self._is_ours})

    def _tags_in_passing(self) -> Iterator[Statement]:
        bindings = (Binding.MAKE, Binding.MAKE_IN_EC2, Binding.TASK_SETS)
        made = [one for binding in bindings for one in self.bound.get(binding, ())]
        for service in services():
            tagging = service_facts(service).tagging_on_creation
            names = sorted(name for of, name in made if of == service and rules.makes(name))
            if names and tagging:
                key = f"{service_facts(service).iam_prefix}:CreateAction"
                condition = {"StringEquals": {key: names, **self._asked_as_ours}}
                sid = f"TagNewIn{service.removesuffix('v2').capitalize()}"
                tags = (action((service, tagging)),)
                yield Statement(sid, "tags are set as part of a creation", tags, condition=condition)

    def _changes(self) -> Iterator[Statement]:
        ours = {"StringEquals": self._is_ours}
        why = "what carries the stack's tag is the stack's"
        yield Statement("Change", why, self._actions(Binding.CHANGE), condition=ours)
        inside = {"ArnEquals": {"ecs:cluster": [self._arn("ecs", f"cluster/{name}") for name in self._clusters()]}}
        why = "IAM knows task sets by their cluster"
        yield Statement("RollOut", why, self._actions(Binding.TASK_SETS), condition=inside)
        arns = tuple(self._arn("ecs", f"service-deployment/{one}/*") for one in self._service_names())
        yield Statement("MoveOn", "these carry no tags", self._actions(Binding.SERVICE_DEPLOYMENTS), arns)
        why = "IAM cannot bind it; the product itself lets go of nothing but the stack's revisions"
        yield Statement("LetGoOfRevisions", why, self._actions(Binding.UNBOUND))
        why = "schedules carry no tags, and lie in a group of their own name"
        yield Statement("Schedule", why, self._actions(Binding.SCHEDULES), self._named(Binding.SCHEDULES))
        why = "deployments carry no tags, and belong to a deployment group of the stack"
        yield Statement("Deploy", why, self._actions(Binding.DEPLOYMENTS), self._named(Binding.DEPLOYMENTS))
        scaled = {"StringEquals": {"application-autoscaling:service-namespace": "ecs"}}
        why = "only ECS services are scaled"
        yield Statement("Scale", why, self._actions(Binding.AUTOSCALING), condition=scaled)
        for one in self._on_behalf():
            account = "" if one.public else self.place.account
            arns = tuple(self._arn(arn[0], arn[1], arn[2] if len(arn) == 3 else account) for arn in one.arns)
            arns = arns or EVERYTHING if one.named is None else self._named(one.named)
            bound = (self._is_ours if one.ours else {}) | (
                {"aws:RequestedRegion": self.place.region} if one.here else {}
            )
            condition = {**one.condition, **({"StringEquals": bound} if bound else {})}
            yield Statement(one.sid, one.why, one.actions, arns, condition)

    def _records(self) -> Iterator[Statement]:
        """Writes of the names of domains only, in their zones; those of other accounts by the roles of the specs."""
        yield from zones.statements(self.kinds, self.wanted, self.place.partition, self._actions(Binding.READ_ZONES))

    def _on_behalf(self) -> Iterable[OnBehalf]:
        """Each once; two types may share one."""
        every = (one for name in sorted(self.used) for one in self.kinds[name].permissions.on_behalf)
        return {one.sid: one for one in every}.values()

    def _roles(self) -> Iterator[Statement]:
        managed = sorted({arn for spec in self._specs("role") for arn in spec.managed or ()})
        if managed:
            named: Condition = {"StringEquals": self._is_ours, "ArnEquals": {"iam:PolicyARN": managed}}
            why = "only the managed policies that the specs name are attached"
            yield Statement("AttachPolicies", why, self._actions(Binding.ATTACH), condition=named)
        if self._boundaries:
            bound: Condition = {"StringEquals": {**self._is_ours, "iam:PermissionsBoundary": list(self._boundaries)}}
            why = "only the permissions boundaries that the specs name are set"
            yield Statement("BoundRoles", why, self._actions(Binding.BOUND), condition=bound)
        for service, roles in sorted(self._passed().items()):
            sid = "PassTo" + "".join(word.capitalize() for word in service.split(".")[0].split("-"))
            to = {"StringEquals": {"iam:PassedToService": service}}
            why = "tasks and schedules run as the roles that the specs name"
            yield Statement(sid, why, ("iam:PassRole",), tuple(sorted(roles)), to)
        linked = sorted({role for kind in self.used if (role := self.kinds[kind].permissions.linked_role)})
        if linked:
            for_them = {"StringEquals": {"iam:AWSServiceName": linked}}
            arn = f"arn:{self.place.partition}:iam::{self.place.account}:role/aws-service-role/*"
            why = "AWS makes the roles of these services when an account first uses them"
            yield Statement("LetServicesStart", why, ("iam:CreateServiceLinkedRole",), (arn,), for_them)

    def _passed(self) -> dict[str, set[str]]:
        own = {want.address: self._arns_of(want, Binding.MAKE_BY_NAME) for want in self.wanted}
        found: dict[str, set[str]] = defaultdict(set)
        for want in self.wanted:
            for name, service in self.kinds[want.address.kind].permissions.passes.items():
                for link in _links(want.spec, name.split(".")):
                    if isinstance(link, Ref):
                        found[service].update(arn for arn in own.get(link.address, ()) if ":role/" in arn)
                    else:
                        found[service].add(link)
        return found

    def _configured(self) -> Iterator[Statement]:
        if self.extras.table is not None:
            arn = (self._arn("dynamodb", f"table/{self.extras.table}"),)
            keys = [f"{self.place.stack}.{self.place.account}.{self.place.region}#*"]
            condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
            actions = tuple(sorted(map(action, calls.of_store())))
            why = "one operator writes at a time, and stores the last accepted revision"
            yield Statement("HoldTheLease", why, actions, arn, condition)
        yield Statement("Tell", "it tells people", ("sns:Publish",), self.extras.topics)
        if self.extras.repository is not None:
            yield Statement("FetchSpecs", "the specs lie there", ("codecommit:GitPull",), (self.extras.repository,))


def _cluster(link: Any, names: Mapping[Address, str]) -> str:
    return names[link.address] if isinstance(link, Ref) else str(link).rpartition("/")[2]


def _links(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands at a path in a spec, in each item of the tuples on the way."""
    if isinstance(value, tuple):
        for item in value:
            yield from _links(item, path)
    elif path and value is not None:
        yield from _links(getattr(value, path[0]), path[1:])
    elif value:
        yield value
