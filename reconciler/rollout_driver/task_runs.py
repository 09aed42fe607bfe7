"""Pre-deployment tasks in AWS: from the spec to ids, starting one, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.new_roles import refused_as_new
from reconciler.model.resource import Calls, Desired, ResourceHealth
from reconciler.resources import task as tasks
from reconciler.resources.task import TaskSpec
from reconciler.rollout import new_attempt, pre_deployment
from reconciler.rollout.actions import RunTask
from reconciler.rollout.attempts import TaskRun
from reconciler.rollout.engine import RolloutStep
from reconciler.rollout.pre_deployment import Found, PreDeployment
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService
from reconciler.rollout_driver.judges import judges_of_task

if TYPE_CHECKING:
    from reconciler.rollout_driver.resolution import ResolutionContext
    from reconciler.rollout_driver.targets import ServiceRollout


@dataclass(frozen=True, slots=True)
class TaskTarget:
    """The pre-deployment task of one service, in AWS ids as far as they are known.

    `family` is that of its task definition, `optional` are the containers that are not essential.
    """

    task: PreDeployment
    desired: Desired[TaskSpec]
    family: str
    optional: frozenset[str] = frozenset()

    @property
    def stack(self) -> str | None:
        return self.desired.tags.get(ownership.STACK)


def target_of(delivery: RolloutSpec, context: ResolutionContext) -> TaskTarget | None:
    """None if the service has no pre-deployment task."""
    want = delivery.pre_deployment
    if want is None:
        return None
    address = want.spec.task_definition.address
    definition = context.wanted[address].resolved(context.ids)
    family, service = definition.spec.family, context.wanted[delivery.service].spec
    optional = frozenset(name for name, one in definition.spec.containers.items() if not one.essential)
    count = service.initial_count if service.desired_count is None else service.desired_count
    known = PreDeployment(want.address.name, tasks=count or 0, judges=judges_of_task(want, context))
    images = (*delivery.images, *sorted(ref for ref in context.wanted[address].refs() if ref.kind == "image"))
    for image in images:
        found = context.found.get(image)
        if found is None or found.health is not ResourceHealth.READY:
            lacks = f"{image} could not be looked up" if found is None else found.reason
            return TaskTarget(replace(known, lacks=lacks), want, family, optional)
    revision = context.made.get(address, "")
    current = context.found.get(address)
    if not revision and not definition.refs() and current is not None and not diff(current, definition.spec):
        revision = current.id
    if not revision:
        lacks = f"{address} is not registered yet"
        return TaskTarget(replace(known, lacks=lacks, planned=True), want, family, optional)
    known = replace(known, revision=int(revision.rpartition(":")[2]))
    new = want.resolved({**context.ids, address: revision})
    if new.refs():
        lacks = f"{min(new.refs())} does not exist yet"
        return TaskTarget(replace(known, lacks=lacks, planned=True), want, family, optional)
    return TaskTarget(known, new, family, optional)


@dataclass(slots=True)
class TaskRuns:
    """`started` and `refused`: the task of each run that this process started, or why ECS did not; may be lost."""

    started: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def step(
        self, aws: AwsClient, rollout: ServiceRollout, seen: ObservedService, ordinary: RolloutStep, now: datetime
    ) -> RolloutStep:
        """`ordinary`, or the step of a new attempt or of the pre-deployment task that has to come before it."""
        ordinary = new_attempt.step(seen, ordinary, now) if rollout.new_attempts else ordinary
        target, record, found = rollout.pre_deployment, seen.marks.task_run, None
        if record is not None and not record.failed:
            try:
                found = aws.run(self._found(rollout, record), urgent=True)
            except errors.AwsError as unread:
                found = None if record.id else Found(refused=str(unread))
        task = None if target is None else target.task
        starts = rollout.engine.starts(ordinary, seen)
        return pre_deployment.step(task, seen, ordinary, found, now, starts=starts, attempts=rollout.new_attempts)

    def start(self, aws: AwsClient, rollout: ServiceRollout, decision: RunTask) -> None:
        """Start the task. Raises `errors.AwsError` if it is not certain that ECS has not, or it will in a moment."""
        target, run = rollout.pre_deployment, _token(rollout, decision.run)
        assert target is not None, "only a declared task is started"
        address, stack = target.desired.address, target.stack
        call = tasks.run_call(target.desired.spec, tasks.started_by(stack, address), run, target.desired.tags)
        try:
            arns, _ = aws.run(tasks.start(call, address, stack), creating=("RunTask",), urgent=True)
        except (errors.Ambiguous, errors.LeaseLost, errors.Propagating, errors.Throttled):
            raise
        except errors.AwsError as refusal:
            self.refused[run] = str(refusal)
            return
        self.refused.pop(run, None)
        self.started[run] = arns[0].rpartition("/")[2]

    def _found(self, rollout: ServiceRollout, record: TaskRun) -> Calls[Found]:
        target, run = rollout.pre_deployment, _token(rollout, record)
        cluster, optional = rollout.subject.cluster, frozenset[str]()
        if target is not None:
            cluster = str(target.desired.spec.cluster if not target.desired.refs() else cluster)
            optional = target.optional
        id = record.id or self.started.get(run, "")
        items: list[dict[str, Any]] = []
        if id:
            items = yield from tasks.described(cluster, [id])
        elif target is not None:
            items = yield from tasks.find(cluster, target.family, target.stack, target.desired.address, run)
        if not items:
            return Found(refused=self.refused.get(run, ""))
        failure = tasks.failure_of(items, optional)
        if failure and all(refused_as_new(item, dict(rollout.subject.roles)) for item in items):
            return Found(refused=failure, again=True)
        return Found(items[0]["taskArn"].rpartition("/")[2], failure is not None, failure or "")


def _token(rollout: ServiceRollout, record: TaskRun) -> str:
    return tasks.token(rollout.subject.service, record.release, str(record.revision), str(int(record.at.timestamp())))
