"""A standalone task that is run once for each revision of its task definition.

That it was run is remembered where it cannot be lost: as tags on the revision, because ECS forgets a task an hour after
it stopped. So nothing has to be read to know it, and a new revision, which has no such tags, is what runs the task
again. Where and how often it runs (cluster, network, capacity, count) counts only when it does: changing that alone
runs nothing. Neither does a person who stops the task: it has been run, and that is all that was asked for.

Its owner is that of the task definition. The client token makes one run of what was sent twice; a task that still runs
after its answer was lost is found by who started it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed
from reconciler.model.resource_type import ResourceType, Scope
from reconciler.model.tagging import tag_value
from reconciler.resources import _ecs, _gone
from reconciler.resources._ecs import Network, Strategy, ecs

RUN: Final = "reconciler:run"  # the id of the task; of the first where there are several
RUN_IN: Final = "reconciler:run-in"  # the cluster
RUN_AS: Final = "reconciler:run-as"  # the task's name in the specs
MEMORY: Final = (RUN, RUN_AS, RUN_IN)

BATCH: Final = 100  # tasks a DescribeTasks


class TaskSpec(resource.Spec):
    cluster: Link
    task_definition: Link
    network: Network | None = None
    launch_type: str | None = None
    capacity_provider_strategy: tuple[Strategy, ...] | None = None
    platform_version: str | None = None
    count: int = 1


class Task(ResourceType[TaskSpec]):
    kind: ClassVar[str] = "task"
    Spec = TaskSpec
    creates: ClassVar[tuple[str, ...]] = ("RunTask",)
    permissions: ClassVar[Permissions] = Permissions(passes_roles_to="ecs-tasks.amazonaws.com")
    inside: ClassVar[tuple[str, str] | None] = ("cluster", "cluster")
    depends_on: ClassVar[tuple[str, ...]] = ("route-table", "vpc-endpoint", "nat-gateway", "security-group-rules")
    observe_after: ClassVar[tuple[str, ...]] = ("task-definition",)

    def observe(self, scope: Scope) -> Calls[list[Observed[TaskSpec]]]:
        yield from ()
        wanted = {want.spec.task_definition: want.address for want in scope.wanted}
        return [
            _remembered(one, scope, wanted.get(one.id) or Address(self.kind, one.tags[RUN_AS]))
            for one in scope.ours("task-definition")
            if set(MEMORY) <= one.tags.keys()
        ]

    def create(self, new: Desired[TaskSpec]) -> Calls[str]:
        return (yield from _run(new))

    def update(self, old: Observed[TaskSpec], new: Desired[TaskSpec], changes: tuple[Change, ...]) -> Calls[str]:
        arn = yield from _run(new)
        if old.parent is not None and old.parent != new.spec.task_definition:
            yield from _forget(old.parent)
        return arn

    def delete(self, old: Observed[TaskSpec]) -> Calls[None]:
        stack = ownership.owner(old.tags)
        running = yield from _running(old.spec.cluster, stack, old.address)
        its = [arn for arn, revision in running.items() if _family(revision) == _family(old.spec.task_definition)]
        yield from _stop(its, old.spec.cluster, f"{old.address} was deleted")
        if old.parent is not None:
            yield from _forget(old.parent)

    def update_tags(self, old: Observed[TaskSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """The task definition's tags stand for those of its run."""
        yield from ()


def _remembered(definition: Observed[Any], scope: Scope, address: Address) -> Observed[TaskSpec]:
    """The run that a revision's tags tell of. Which revision was run is all that they say, and all that counts."""
    tags = definition.tags
    return Observed(
        address,
        scope.arn("ecs", f"task/{tags[RUN_IN]}/{tags[RUN]}"),
        TaskSpec(cluster=tags[RUN_IN], task_definition=definition.id),
        tags={**tags, ownership.ADDRESS: tag_value(str(address))},
        parent=definition.id,
        unread=frozenset(TaskSpec.model_fields) - {"task_definition"},
    )


def _run(new: Desired[TaskSpec]) -> Calls[str]:
    """Run it, unless it runs already; remember that; and only then stop what an earlier revision left running."""
    spec, stack = new.spec, new.tags.get(ownership.STACK)
    assert isinstance(spec.cluster, str)
    assert isinstance(spec.task_definition, str)
    running = yield from _running(spec.cluster, stack, new.address)
    arns = [arn for arn, revision in running.items() if revision == spec.task_definition]
    failures: list[dict[str, Any]] = []
    if not arns:
        answer = yield ecs.run_task(
            cluster=spec.cluster,
            taskDefinition=spec.task_definition,
            count=spec.count,
            networkConfiguration=_ecs.network_configuration(spec.network),
            launchType=spec.launch_type,
            capacityProviderStrategy=_ecs.strategy_items(spec.capacity_provider_strategy),
            platformVersion=spec.platform_version,
            startedBy=started_by(stack, new.address),
            tags=_ecs.pairs(new.tags),
            clientToken=new.token(spec.task_definition),
        )
        failures = answer.get("failures") or []
        arns = [task["taskArn"] for task in answer["tasks"]]
        if not arns:
            raise _refusal(failures)
    memory = {RUN: _ecs.last(arns[0]), RUN_IN: _ecs.last(spec.cluster), RUN_AS: new.address.name}
    yield from _ecs.update_tags(spec.task_definition, memory, ())
    former = {arn: revision for arn, revision in running.items() if revision != spec.task_definition}
    yield from _stop(former, spec.cluster, f"{new.address} was run again")
    if failures:
        # Not again: what was started may have done its work.
        raise errors.Quota(f"only {len(arns)} of {spec.count} tasks were started: {_refusal(failures).message}")
    return arns[0]


def started_by(stack: str | None, address: Address) -> str:
    """Who starts the task, in the characters that ECS allows and at most 128 of them."""
    return re.sub(r"[^A-Za-z0-9_/-]", "-", f"reconciler/{stack}/{address.name}")[:128]


def _running(cluster: Link, stack: str | None, address: Address) -> Calls[dict[str, str]]:
    """Which tasks of this resource run: ARN → revision. `startedBy` allows no other filter beside it."""
    try:
        listed = yield ecs.list_tasks(cluster=cluster, startedBy=started_by(stack, address))
    except errors.Gone:
        return {}  # not even the cluster is there
    found: dict[str, str] = {}
    for batch in _ecs.batches(listed["taskArns"], BATCH):
        call = ecs.describe_tasks(cluster=cluster, tasks=list(batch), include=["TAGS"])
        for task in _ecs.found(call, (yield call), "tasks"):
            tags = _ecs.tags_of(task)
            is_this = ownership.owner(tags) == stack and tags.get(ownership.ADDRESS) == tag_value(str(address))
            if is_this and task["desiredStatus"] == "RUNNING":
                found[task["taskArn"]] = task["taskDefinitionArn"]
    return found


def _stop(tasks: Iterable[str], cluster: Link, reason: str) -> Calls[None]:
    for arn in sorted(tasks):
        yield from _gone.let_go(ecs.stop_task(cluster=cluster, task=arn, reason=reason))


def _forget(definition: str) -> Calls[None]:
    yield from _gone.let_go(ecs.untag_resource(resourceArn=definition, tagKeys=list(MEMORY)))


def _family(definition: Link) -> str:
    return str(definition).rpartition(":")[0]


_FOR_A_PERSON: Final = ("limit on the number of", "RESOURCE:ENI-LIMIT")


def _refusal(failures: Sequence[Mapping[str, Any]]) -> errors.AwsError:
    """Why RunTask started nothing, which it answers with status 200: a quota, or something that time may cure."""
    first = failures[0] if failures else {}
    reason = first.get("reason", "")
    text = ": ".join(part for part in (reason, first.get("detail", "")) if part) or "no reason given"
    kind = errors.Quota if any(part in text for part in _FOR_A_PERSON) else errors.Blocked
    return kind(text, call="ecs.RunTask", code=reason)
