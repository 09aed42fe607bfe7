"""What a person needs for commands that act with the person's credentials: the policy of an operator, cut down to them.

A command reads what a pass reads, and what it shows beside that. What it writes is few, and bound closer than an
operator's: requests to the controller are tags, and only the keys of those that the command sends may be set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from reconciler.iam import calls, rules
from reconciler.iam.statement import Condition, Statement
from reconciler.iam.statements import Extras, Maker
from reconciler.model import formats, ownership
from reconciler.model.permissions import Binding, Operation
from reconciler.model.resource import Desired
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import request_tags
from reconciler.reconcile.observe import StackId
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS

QUERIES: Final = calls.modules_in("reconciler.queries")
AROUND: Final = ("reconciler.queries.", "reconciler.diagnosis.", "reconciler.rollout.")
OUTPUT: Final = frozenset({("logs", "GetLogEvents")})

REQUEST: Final = frozenset({KEYS["request"]})
STACK_REQUEST: Final = frozenset({request_tags.REQUEST, request_tags.SUSPEND, request_tags.ACCEPTED})
FORMATS: Final = frozenset({*formats.state_tags(), *formats.stack_tags(), *formats.run_tags()})


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a command, beside what a pass reads.

    `operations` are what it writes. `tags` are the keys that it sets on services
    of the stack; `untags`: it removes them, too. `retries`: it requests another run of a task. `output`: it reads logs.
    `authors`: it asks who has changed something.
    `exec`, `ports`: it goes into tasks. `secrets`: it writes those of the specs. `operates`: it needs all that an
    operator needs.
    """

    operations: frozenset[Operation] = frozenset()
    tags: frozenset[str] = frozenset()
    untags: bool = False
    retries: bool = False
    output: bool = False
    authors: bool = False
    exec: bool = False
    ports: bool = False
    secrets: bool = False
    doctor: bool = False
    operates: bool = False


_ASKS: Final = Needs(tags=REQUEST)

COMMANDS: Final[dict[str, Needs]] = {
    **dict.fromkeys(("tree", "events", "history", "output", "export"), Needs()),
    **dict.fromkeys(("promote", "rollback", "abort", "hold", "extend", "finish", "restart"), _ASKS),
    **dict.fromkeys(("diff", "plan"), Needs(doctor=True, authors=True)),
    "doctor": Needs(doctor=True),
    **dict.fromkeys(("apply", "destroy", "run"), Needs(operates=True)),
    "status": Needs(output=True),
    "logs": Needs(output=True),
    "console": Needs(output=True),
    "retry": Needs(tags=REQUEST, retries=True),
    "suspend": Needs(tags=REQUEST | STACK_REQUEST),
    "resume": Needs(tags=REQUEST | STACK_REQUEST, untags=True),
    "reconcile": Needs(tags=STACK_REQUEST),
    "scale": Needs(tags=frozenset({ownership.HELD_COUNT})),
    "run-task": Needs(operations=frozenset({("ecs", "RunTask"), ("ecs", "StopTask")}), output=True),
    "exec": Needs(exec=True),
    "port-forward": Needs(ports=True),
    "secret": Needs(secrets=True),
}
"""The commands that act in AWS."""

WITHOUT_AWS: Final = frozenset(
    {
        "completion",
        "demo",
        "explain",
        "help",
        "iam-policy",
        "init",
        "local",
        "render",
        "schema",
        "set-image",
        "simulate",
        "validate",
        "version",
    }
)

WITHOUT_SPECS: Final = frozenset({"bootstrap", "import"})
"""What acts in AWS before there are specs: it reads whatever is in the account, or applies other specs."""

SECRET_ACTIONS: Final = {
    "secretsmanager": ("CreateSecret", "DescribeSecret", "PutSecretValue", "TagResource"),
    "ssm": ("AddTagsToResource", "GetParameter", "ListTagsForResource", "PutParameter"),
}


def personal_statements(
    commands: Iterable[str],
    kinds: ResourceTypes,
    desired: Iterable[Desired[Any]],
    deliveries: Iterable[RolloutSpec],
    place: StackId,
    extras: Extras,
    secrets: Iterable[tuple[str, str]] = (),
) -> tuple[Statement, ...]:
    """All that these commands take, without `--now`. `secrets` are the services and ids of those in the specs."""
    needs = tuple(COMMANDS[name] for name in commands)
    maker = _Person(kinds, tuple(desired), tuple(deliveries), place, extras, needs, tuple(secrets))
    return tuple(one for one in maker.all() if one.actions and one.resources)


@dataclass
class _Person(Maker):
    needs: tuple[Needs, ...]
    secrets: tuple[tuple[str, str], ...]

    def all(self) -> Iterator[Statement]:
        if any(need.operates for need in self.needs):
            yield from super().all()
        else:
            for part in (self._reads, self._makes_tasks, self._reads_lease):
                yield from part()
        for part in (self._asks, self._goes_inside, self._writes_secrets):
            yield from part()

    def _operations(self) -> set[Operation]:
        found = super()._operations()
        if not any(need.operates for need in self.needs):
            found = {one for one in found if rules.reads(one) and one not in OUTPUT}
            withheld = {Binding.READ_SECRET_VALUE}
            withheld |= set() if any(need.authors for need in self.needs) else {Binding.READ_EVENTS}
            found = {one for one in found if rules.binding_of(one) not in withheld}
        found |= {one for one in calls.of_modules(QUERIES, AROUND) if rules.reads(one) and one not in OUTPUT}
        for need in self.needs:
            found |= need.operations | (OUTPUT if need.output else frozenset())
        return found

    def _makes_tasks(self) -> Iterator[Statement]:
        """Of `run-task`, which passes the roles of the tasks of services."""
        if any(need.operations for need in self.needs):
            yield from self._makes()
            yield from self._changes()
            yield from (one for one in self._roles() if one.sid == "PassToEcsTasks")

    def _makes(self) -> Iterator[Statement]:
        if any(need.operates for need in self.needs):
            yield from super()._makes()
            return
        yield self._makes_tagged()
        yield from self._tags_in_passing()

    def _on_behalf(self) -> Iterator[Any]:
        if any(need.operates for need in self.needs):
            yield from super()._on_behalf()

    def _asks(self) -> Iterator[Statement]:
        keys = sorted(frozenset().union(*(need.tags for need in self.needs)))
        services = tuple(self._arn("ecs", f"service/{name}") for name in self._service_names())
        ours = {"StringEquals": self._is_ours}
        if keys:
            condition: Condition = {**ours, "ForAllValues:StringEquals": {"aws:TagKeys": sorted({*keys, *FORMATS})}}
            actions = ("ecs:TagResource", *(("ecs:UntagResource",) if any(one.untags for one in self.needs) else ()))
            yield Statement(
                "Ask", "a request is a tag on a service, which the controller answers", actions, services, condition
            )
        if any(need.retries for need in self.needs):
            why = "another run of a one-off task is asked for on the revision of its definition"
            families = tuple(
                self._arn("ecs", f"task-definition/{spec.family}:*") for spec in self._specs("task-definition")
            )
            yield Statement("AskForTasks", why, ("ecs:TagResource",), families, ours)

    def _goes_inside(self) -> Iterator[Statement]:
        clusters = self._clusters()
        tasks = tuple(self._arn("ecs", f"task/{name}/*") for name in clusters)
        if any(need.exec for need in self.needs):
            why = "commands run in tasks of these clusters, whose tasks need not carry tags"
            arns = (*(self._arn("ecs", f"cluster/{name}") for name in clusters), *tasks)
            yield Statement("Execute", why, ("ecs:ExecuteCommand",), arns)
        if any(need.ports for need in self.needs):
            document = self._arn("ssm", "document/AWS-StartPortForwardingSession", "")
            yield Statement("ForwardPorts", "ports of tasks are forwarded", ("ssm:StartSession",), (*tasks, document))

    def _writes_secrets(self) -> Iterator[Statement]:
        if not any(need.secrets for need in self.needs):
            return
        for service, names in SECRET_ACTIONS.items():
            arns = tuple(self._secret(service, id) for of, id in self.secrets if of == service)
            actions = tuple(f"{service}:{name}" for name in names)
            yield Statement(f"Write{service.capitalize()}", "the specs refer to these", actions, arns)

    def _secret(self, service: str, id: str) -> str:
        """The random end of a secret's ARN is not known."""
        if id.startswith("arn:"):
            return id
        if service == "ssm":
            return self._arn("ssm", f"parameter/{id.lstrip('/')}")
        return self._arn("secretsmanager", f"secret:{id}-??????")

    def _reads_lease(self) -> Iterator[Statement]:
        """Who drives the stack; commands that write need the same table as an operator."""
        if self.extras.table is not None:
            reads = tuple(sorted(rules.action(one) for one in calls.of_store() if rules.reads(one)))
            table = (self._arn("dynamodb", f"table/{self.extras.table}"),)
            yield Statement("ReadTheLease", "it shows who drives the stack", reads, table)
