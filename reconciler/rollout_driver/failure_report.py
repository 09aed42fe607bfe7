"""Failure report of a rollout, written in the observation that finds the failure, before the evidence is gone.

ECS forgets stopped tasks within the hour, and green is removed next. What cannot be read is left out and reported.
Failure reporting is best effort and never blocks the rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.diagnosis.evidence import Question, diagnose
from reconciler.diagnosis.observations import Unread, plain
from reconciler.diagnosis.report import Changed, Diagnosis, Known, Story
from reconciler.model.diff import diff
from reconciler.model.resource import Address, Calls, Desired, Observed, ServiceApi
from reconciler.resources.task_definition import TaskDefinitionSpec, read_spec
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.release import entrance
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Outcome
from reconciler.rollout_driver.targets import ServiceRollout

T = TypeVar("T")
ecs = ServiceApi("ecs")

BEFORE_PRODUCTION: Final = frozenset({Phase.PRE_DEPLOYMENT, Phase.SCALING_UP, Phase.TESTING, Phase.AWAITING_PROMOTION})
JUDGING: Final = frozenset({Phase.TESTING, Phase.SHIFTING, Phase.VERIFYING})


@dataclass(frozen=True, slots=True)
class FailureReporter:
    """`desired`: the desired resources, for the positions of changed fields. `commit` and `subject`: the commit."""

    desired: Mapping[Address, Desired[Any]] = field(default_factory=dict)
    commit: str = ""
    subject: str = ""

    def write(self, aws: AwsClient, rollout: ServiceRollout, seen: ObservedService, step: RolloutStep) -> Diagnosis:
        """The report for the release that `step` ended, or the quarantined one. Raises no `errors.AwsError`."""
        ended = step.ended or seen.marks.ended_of(seen.wanted)
        release = ended.release if ended is not None else seen.wanted
        run = seen.marks.task_run
        if run is not None and run.id and run.release == release:
            return aws.run(_of_task(rollout, run.id, self._story(rollout.delivery, seen, step, None, ())))
        green = next((one for one in reversed(seen.alive) if one.release == release), None)
        blue = next((one for one in seen.alive if one.release != release), None)
        unread: list[Unread] = []
        events = _tried(lambda: aws.run(_events(rollout)), "service events", unread)
        newest = release == rollout.subject.release.id  # an earlier one was declared by another commit
        reporter = self if newest else FailureReporter()
        declared = rollout.subject.release.task_definition if newest else ""  # also once its tasks are gone
        definition = green.task_definition if green is not None else declared
        changed = _tried(lambda: reporter._changed(aws, rollout.delivery, blue, definition), "changed fields", unread)
        question = Question(
            cluster=rollout.subject.cluster,
            service=rollout.subject.service.rpartition("/")[2],
            started_by=frozenset() if green is None else frozenset({green.id}),
            definition=declared if green is None else "",
            target_groups=() if green is None or not rollout.subject.groups else (rollout.subject.groups[green.slot],),
            events=events,
            since=None if green is None else green.born,
            rollout="" if green is None else green.reason,
            known=_known(rollout.delivery),
        )
        found = aws.run(diagnose(question, self._story(rollout.delivery, seen, step, blue, changed)))
        return replace(found, unread=(*found.unread, *unread))

    def _story(
        self,
        delivery: RolloutSpec,
        seen: ObservedService,
        step: RolloutStep,
        blue: TaskSet | None,
        changed: tuple[Changed, ...],
    ) -> Story:
        ended = step.ended or seen.marks.ended_of(seen.wanted)
        phase = str(step.phase) if ended is None else ended.phase
        outcome = "failed" if ended is None or ended.outcome is Outcome.FAILED else "was rolled back"
        return Story(
            address=str(delivery.service),
            release=ended.release if ended is not None else seen.wanted,
            phase=phase,
            happened=ended.why if ended is not None else step.because,
            outcome=outcome,
            production=_production(delivery, phase, blue),
            done="" if blue is None else _done(seen, blue),
            changed=changed,
            next=(f"reconciler logs {delivery.name} --previous",),
            judged=phase in JUDGING,
        )

    def _changed(
        self, aws: AwsClient, delivery: RolloutSpec, blue: TaskSet | None, definition: str
    ) -> tuple[Changed, ...]:
        """The fields in which the two task definitions differ: names and positions, no values."""
        if blue is None or "" in (blue.task_definition, definition):
            return ()
        old, new = (aws.run(read_definition(one)) for one in (blue.task_definition, definition))
        want = self.desired.get(delivery.task_definition)
        found = []
        for change in diff(Observed(delivery.task_definition, blue.task_definition, old), new):
            path = str(change)
            found.append(Changed(path, _place(want, path), self.commit, self.subject))
        return tuple(found)


def _of_task(rollout: ServiceRollout, id: str, story: Story) -> Calls[Diagnosis]:
    """The report for a pre-deployment task, which failed before a task of the release started."""
    before = rollout.pre_deployment
    known = rollout.subject.cluster if before is None or before.desired.refs() else str(before.desired.spec.cluster)
    question = replace(
        story,
        production="Production was not touched",
        next=(f"reconciler retry {rollout.delivery.name}",),
        of_service=False,
    )
    return task_failure(known, id, question)


def task_failure(cluster: str, id: str, story: Story) -> Calls[Diagnosis]:
    """The report for a single task. Raises no `errors.AwsError`."""
    return diagnose(Question(cluster, task_ids=(id,)), story)


def _tried(read: Callable[[], tuple[T, ...]], what: str, unread: list[Unread]) -> tuple[T, ...]:
    """The result of a read; empty, with the reason recorded, if it fails."""
    try:
        return read()
    except errors.AwsError as refusal:
        unread.append(Unread(what, plain(str(refusal))))
        return ()


def _place(want: Desired[Any] | None, path: str) -> str:
    if want is None:
        return ""
    while path:
        if path in want.origins:
            return want.origins[path]
        path = path.rpartition(".")[0]
    return want.where


def _events(rollout: ServiceRollout) -> Calls[tuple[Mapping[str, Any], ...]]:
    answer = yield ecs.describe_services(cluster=rollout.subject.cluster, services=[rollout.subject.service])
    return tuple(answer["services"][0].get("events") or ()) if answer.get("services") else ()


def read_definition(revision: str) -> Calls[TaskDefinitionSpec]:
    answer = yield ecs.describe_task_definition(taskDefinition=revision)
    return read_spec(answer)


def _known(delivery: RolloutSpec) -> Known:
    check = delivery.health
    return Known(
        path=check.path if check is not None else "",
        matcher=check.matcher if check is not None else "",
        port=str(delivery.port) if delivery.port else "",
    )


def _production(delivery: RolloutSpec, phase: str, blue: TaskSet | None) -> str:
    where = f"Production {entrance(delivery.ports[0])}" if delivery.moves_traffic else "Production"
    if blue is None:
        return f"{where} has no healthy version"
    if phase in BEFORE_PRODUCTION and delivery.moves_traffic:
        return f"{where} was not touched"
    return f"{where} returns to {blue.task_definition or blue.release}"


def _done(seen: ObservedService, blue: TaskSet) -> str:
    healthy = f", {blue.well} of them healthy" if blue.healthy is not None else ""
    return f"{blue.task_definition or blue.release} serves with {blue.running} of {seen.desired} tasks{healthy}"
