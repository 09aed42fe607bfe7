"""A standalone task that is run once for each revision of its task definition.

That it was run, and how it ended, is remembered where it cannot be lost: as tags on the revision, because ECS forgets a
task an hour after it stopped. Once the outcome is stored, nothing has to be read to know it. A new revision, which has
no such tags, is what runs the task again; so does a request to retry, which is another of these tags. Where and how
often it runs (cluster, network, capacity, count) counts only when it does: changing that alone runs nothing.

A task that failed stays failed: it is DEGRADED, and is not run again by itself. One that did not even start because its
role was too new is run again, as if somebody had asked for it.

Its owner is that of the task definition. The client token makes one run of what was sent twice; a task that still runs
after its answer was lost is found by who started it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import formats, ownership, resource
from reconciler.model.aws_event import AwsEvent
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.named_by_events import EventType
from reconciler.model.new_roles import refused_as_new
from reconciler.model.other_tools import CLOUDFORMATION, TERRAFORM
from reconciler.model.resource import Address, Call, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.tagging import TagRules, escaped, tag_value, unescaped
from reconciler.resources import _ecs, _gone, _task_runs
from reconciler.resources._ecs import Network, Strategy, ecs
from reconciler.resources._task_runs import TOKEN, described, failure_of, family_of, find, start, started_by, token

__all__ = [
    "TOKEN",
    "Task",
    "TaskSpec",
    "described",
    "failure_of",
    "family_of",
    "find",
    "run_call",
    "start",
    "started_by",
    "token",
]

API: Final = ApiMembers(
    "ecs",
    create="RunTask",
    described="Task",
    words={
        "cluster": "cluster",
        "count": "count",
        "taskDefinition": "task",
        **dict.fromkeys(("networkConfiguration", "placementStrategy", "placementConstraints"), "placement"),
        "launchType": "launch",
        "capacityProviderStrategy": "capacity_providers",
        "platformVersion": "platform_version",
        "tags": "the document's `tags`",
    },
    owned=dict.fromkeys(("clientToken", "startedBy"), "it tells which run a task belongs to"),
    counts="next run",
)

RUN: Final = "reconciler:run"  # the id of the task; of the first where there are several
RUN_IN: Final = "reconciler:run-in"  # the cluster
RUN_AS: Final = "reconciler:run-as"  # the task's name in the specs
OUTCOME: Final = "reconciler:run-outcome"  # why it failed, or SUCCEEDED
RETRY: Final = "reconciler:run-retry"  # a request to run it again: its id and who made it
MEMORY: Final = (RUN, RUN_AS, RUN_IN)

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
RECORDED: Final = "recorded"
NEW_ROLE: Final = "it could not start because its role had just been created"


class TaskSpec(resource.Spec):
    """`outcome` is always declared as `RECORDED`, and differs while there is something to store, or to run again."""

    api: ClassVar[ApiMembers] = API

    cluster: Link
    task_definition: Link
    network: Network | None = None
    launch_type: str | None = None
    capacity_provider_strategy: tuple[Strategy, ...] | None = None
    platform_version: str | None = None
    placement_strategy: tuple[dict[str, str], ...] | None = None
    placement_constraints: tuple[dict[str, str], ...] | None = None
    count: int = 1
    outcome: Annotated[str | None, FieldMark.EVENT] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Task(ResourceType[TaskSpec]):
    kind: ClassVar[str] = "task"
    Spec = TaskSpec
    not_exported: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (TERRAFORM, CLOUDFORMATION), "a task that ran once is nothing that they manage; its task definition is"
    )
    creates: ClassVar[tuple[str, ...]] = ("RunTask",)
    tag_rules: ClassVar[TagRules] = TagRules(added=2)  # which run it belongs to, and its security groups
    event_types: ClassVar[tuple[EventType, ...]] = (_ecs.TASK_STATE,)
    inside: ClassVar[tuple[str, str] | None] = ("cluster", "cluster")
    depends_on: ClassVar[tuple[str, ...]] = (
        "route-table",
        "vpc-endpoint",
        "nat-gateway",
        "security-group-rules",
        "cluster-capacity",
    )
    observe_after: ClassVar[tuple[str, ...]] = ("task-definition", "role")
    runs_to_completion: ClassVar[bool] = True

    def named_in(self, event: AwsEvent) -> Set[str]:
        return _ecs.stopped_task(event)

    def observe(self, scope: Scope) -> Calls[list[Observed[TaskSpec]]]:
        wanted = {want.spec.task_definition: want for want in scope.wanted}
        found = []
        for definition in scope.ours("task-definition"):
            want, unknown = wanted.get(definition.id), formats.unknown_run(definition.tags)
            if unknown and (want is not None or RUN_AS in definition.tags):
                found.append(_unreadable(definition, want, unknown))
            elif set(MEMORY) <= definition.tags.keys():
                found.append((yield from _remembered(definition, scope, want)))
        return found

    def in_use(self, found: Observed[TaskSpec]) -> frozenset[str]:
        return frozenset(found.facts["network"])

    def create(self, new: Desired[TaskSpec]) -> Calls[str]:
        return (yield from _run(new))

    def update(self, old: Observed[TaskSpec], new: Desired[TaskSpec], changes: tuple[Change, ...]) -> Calls[str]:
        again = any(change.field == "task_definition" for change in changes)
        retry = "" if again else old.facts["retry"]
        if not again and not retry:
            outcome = {OUTCOME: escaped(old.facts["outcome"])} | formats.run_tags()
            yield from _ecs.update_tags(str(old.parent), outcome, ())
            return old.id
        arn = yield from _run(new, retry)
        if old.parent is not None and old.parent != new.spec.task_definition:
            yield from _forget(old.parent)
        return arn

    def delete(self, old: Observed[TaskSpec]) -> Calls[None]:
        stack = ownership.owner(old.tags)
        running = yield from _running(old.spec.cluster, stack, old.address)
        its = [arn for arn, revision in running.items() if family_of(revision) == family_of(old.spec.task_definition)]
        yield from _stop(its, old.spec.cluster, f"{old.address} was deleted")
        if old.parent is not None:
            yield from _forget(old.parent)

    def update_tags(self, old: Observed[TaskSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """The task definition's tags stand for those of its run."""
        yield from ()


def request_retry(old: Observed[TaskSpec], id: str, by: str) -> Calls[None]:
    """Store a request to run it again."""
    yield from _ecs.update_tags(str(old.parent), {RETRY: escaped(f"{id}:{by}")} | formats.run_tags(), ())


def _unreadable(definition: Observed[Any], wanted: Desired[TaskSpec] | None, because: str) -> Observed[TaskSpec]:
    """A run of which a newer version has stored something else: it is not known whether it ran, so it counts as run."""
    address = Address("task", definition.tags[RUN_AS]) if wanted is None else wanted.address
    return Observed(
        address,
        definition.id,
        TaskSpec(cluster="", task_definition=definition.id, outcome=RECORDED),
        tags={**definition.tags, ownership.ADDRESS: tag_value(str(address))},
        health=ResourceHealth.DEGRADED,
        reason=f"read-only: {because}",
        parent=definition.id,
        unread=frozenset(TaskSpec.model_fields) - {"task_definition", "outcome"},
        facts={"outcome": SUCCEEDED, "cluster": "", "task": "", "network": [], "retry": "", "unreadable": because},
    )


def _remembered(definition: Observed[Any], scope: Scope, wanted: Desired[TaskSpec] | None) -> Calls[Observed[TaskSpec]]:
    """The run that a revision's tags tell of. ECS is asked only until the outcome is stored.

    The revision says which resource it is a run of, because the document may have been renamed since.
    """
    tags = definition.tags
    ran_as, cluster = Address("task", tags[RUN_AS]), tags[RUN_IN]
    address = ran_as if wanted is None else wanted.address
    recorded, retry = tags.get(OUTCOME), tags.get(RETRY)
    failure, known = (None if recorded in (None, SUCCEEDED) else unescaped(recorded)), recorded is not None
    network: set[str] = set()
    if not known and retry is None:
        items = yield from _tasks(definition, ran_as, scope.stack, 1 if wanted is None else wanted.spec.count)
        optional = {name for name, one in definition.spec.containers.items() if not one.essential}
        why = failure_of(items, optional) if items else None
        created_at = {role.id: role.facts.get("created_at") for role in scope.ours("role")}
        if why and all(refused_as_new(item, created_at) for item in items):
            retry = f"{tags[RUN]}:{NEW_ROLE}"
        known = why is not None
        network = {used for item in items if item.get("lastStatus") != "STOPPED" for used in _task_runs.network(item)}
        failure = why or (None if items else "its outcome is not known, because ECS does not know the task any more")
    outcome = RECORDED if known == (recorded is not None) else "not stored yet"
    health, reason = ResourceHealth.READY, ""
    if retry is not None:
        outcome = f"retry requested by {unescaped(retry.partition(':')[2])}" if RETRY in tags else NEW_ROLE
        health, reason = ResourceHealth.PROGRESSING, outcome
    elif failure is not None:
        health, reason = ResourceHealth.DEGRADED, f"{FAILED}: {failure.removeprefix(f'{FAILED}: ')}"
    elif not known:
        health, reason = ResourceHealth.PROGRESSING, f"running (task {tags[RUN][:8]})"
    return Observed(
        address,
        scope.arn("ecs", f"task/{cluster}/{tags[RUN]}"),
        TaskSpec(cluster=cluster, task_definition=definition.id, outcome=outcome),
        tags={**tags, ownership.ADDRESS: tag_value(str(address))},
        health=health,
        reason=reason,
        parent=definition.id,
        unread=frozenset(TaskSpec.model_fields) - {"task_definition", "outcome"},
        facts={
            "outcome": reason if failure is not None else SUCCEEDED,
            "cluster": cluster,
            "task": tags[RUN],
            "network": sorted(network),
            "retry": retry or "",
        },
    )


def _tasks(definition: Observed[Any], address: Address, stack: str, count: int) -> Calls[list[dict[str, Any]]]:
    tags = definition.tags
    first = yield from described(tags[RUN_IN], [tags[RUN]])
    if count == 1 or not first:
        return first
    run = _ecs.tags_of(first[0]).get(TOKEN, "")
    return (yield from find(tags[RUN_IN], family_of(definition.id), stack, address, run)) or first


def run_call(spec: TaskSpec, by: str, token: str, tags: Mapping[str, str]) -> Call:
    return ecs.run_task(
        cluster=spec.cluster,
        taskDefinition=spec.task_definition,
        count=spec.count,
        networkConfiguration=_ecs.network_configuration(spec.network),
        launchType=spec.launch_type,
        capacityProviderStrategy=_ecs.strategy_items(spec.capacity_provider_strategy),
        platformVersion=spec.platform_version,
        placementStrategy=_ecs.listed(spec.placement_strategy),
        placementConstraints=_ecs.listed(spec.placement_constraints),
        startedBy=by,
        tags=_ecs.pairs({**tags, **_groups(spec), TOKEN: token}),
        clientToken=token,
        **spec.aws,
    )


def _groups(spec: TaskSpec) -> dict[str, str]:
    groups = () if spec.network is None else spec.network.security_groups
    return {_task_runs.SECURITY_GROUPS: " ".join(map(str, groups))} if groups else {}


def _run(new: Desired[TaskSpec], retry: str = "") -> Calls[str]:
    """Run it, unless it runs already; remember that; and only then stop what an earlier revision left running."""
    spec, stack = new.spec, new.tags.get(ownership.STACK)
    assert isinstance(spec.cluster, str)
    assert isinstance(spec.task_definition, str)
    running = yield from _running(spec.cluster, stack, new.address)
    arns = [arn for arn, revision in running.items() if revision == spec.task_definition]
    failures: list[dict[str, Any]] = []
    if not arns:
        run, by = (str(stack), str(new.address), spec.task_definition, retry), started_by(stack, new.address)
        try:
            call = run_call(spec, by, token(*run), new.tags)
            arns, failures = yield from start(call, new.address, stack)
        except errors.Exists:  # an earlier run is not known any more: neither by the revision's tags nor to ECS
            call = run_call(spec, by, token(*run, spec.model_dump_json()), new.tags)
            arns, failures = yield from start(call, new.address, stack)
    memory = {RUN: _ecs.last(arns[0]), RUN_IN: _ecs.last(spec.cluster), RUN_AS: new.address.name}
    memory |= formats.run_tags()
    yield from _ecs.update_tags(spec.task_definition, memory, ())
    yield from _ecs.update_tags(spec.task_definition, {}, (OUTCOME, RETRY) if retry else ())
    former = {arn: revision for arn, revision in running.items() if revision != spec.task_definition}
    yield from _stop(former, spec.cluster, f"{new.address} was run again")
    if failures:
        # Not again: what was started may have done its work.
        missing = _task_runs.refusal(failures).message
        raise errors.Quota(f"only {len(arns)} of {spec.count} tasks were started: {missing}")
    return arns[0]


def _running(cluster: Link, stack: str | None, address: Address) -> Calls[dict[str, str]]:
    """Which tasks of this resource run: ARN → revision. `startedBy` allows no other filter beside it."""
    try:
        listed = yield ecs.list_tasks(cluster=cluster, startedBy=started_by(stack, address))
    except errors.Gone:
        return {}  # not even the cluster is there
    items = yield from described(cluster, listed["taskArns"])
    return {
        item["taskArn"]: item["taskDefinitionArn"]
        for item in items
        if _task_runs.is_of(item, stack, address) and item["desiredStatus"] == "RUNNING"
    }


def _stop(tasks: Iterable[str], cluster: Link, reason: str) -> Calls[None]:
    for arn in sorted(tasks):
        yield from _gone.let_go(ecs.stop_task(cluster=cluster, task=arn, reason=reason))


def _forget(definition: str) -> Calls[None]:
    keys = [*MEMORY, OUTCOME, RETRY, formats.RUN_KEY]
    yield from _gone.let_go(ecs.untag_resource(resourceArn=definition, tagKeys=keys))
