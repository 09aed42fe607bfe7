"""Rollback target: the revision of the task definition that a rollback needs, which may have been deregistered since.

ECS starts nothing from a deregistered revision, and refuses the same call for ever. It still describes it, so that the
same content is registered again. Where that is not possible, the rollback is refused, or ended, with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Address, Calls, Desired, ServiceApi
from reconciler.resources.task_definition import CONTENT, TaskDefinition, carried, lost_with, read_spec
from reconciler.rollout.actions import WriteState, started_revision
from reconciler.rollout.describe import revision_of
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep
from reconciler.rollout.release import Version
from reconciler.rollout.requests import RequestRefusal, RequestRefusalCode, Response
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult

ecs = ServiceApi("ecs")


def needed(step: RolloutStep, seen: ObservedService) -> Version | None:
    """The version that `step` begins to roll back to, or starts tasks of."""
    for one in step.decisions:
        if isinstance(one, WriteState) and "rollback_target" in one.fields and one.after.rollback_target is not None:
            return one.after.rollback_target
        if started_revision(one):
            return seen.marks.rollback_target
    return None


def checked(
    step: RolloutStep, seen: ObservedService, stack: str | None, now: datetime, *, register: bool = True
) -> Calls[RolloutStep]:
    """`step`, or one that uses a revision registered again, or one that refuses or ends the rollback.

    One call, and none if no rollback is about to begin. Without `register` nothing is written.
    """
    version = needed(step, seen)
    if version is None:
        return step
    try:
        usable = yield from _usable(version, stack, register=register)
    except errors.Gone:
        return _impossible(step, seen, version, f"ECS does not know {version.task_definition} any more", now)
    except errors.Refused as refusal:
        return _impossible(step, seen, version, str(refusal), now)
    return step if usable == version.task_definition else _with(step, seen, version, usable)


def _usable(version: Version, stack: str | None, *, register: bool) -> Calls[str]:
    """The revision, registered again if it was deregistered. Raises `errors.Gone` and `errors.Refused`."""
    answer = yield ecs.describe_task_definition(taskDefinition=version.task_definition, include=["TAGS"])
    item = answer["taskDefinition"]
    tags = ownership.without_aws({tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()})
    if ownership.owner(tags) != stack:
        raise errors.Refused(f"{version.task_definition} does not belong to this stack", code="conflict")
    if item["status"] == "ACTIVE" or not register:
        return version.task_definition
    spec = read_spec(answer)
    lost = sorted(lost_with(spec))
    if lost:
        why = f"{version.task_definition} was deregistered, and cannot be registered again with its {lost[0]}"
        raise errors.Refused(why, code="deregistered")
    content = {name: text for name, text in carried(tags).items() if name != CONTENT}
    again = Desired(Address("task-definition", spec.family), spec.model_copy(update={"active": True}), tags=content)
    return revision_of((yield from TaskDefinition().create(again)))


def _with(step: RolloutStep, seen: ObservedService, version: Version, usable: str) -> RolloutStep:
    """The step that stores the new revision: by itself, unless `step` only stores things anyway."""
    new = Version(version.release, usable)
    if not all(isinstance(one, WriteState) for one in step.decisions):
        again = WriteState(seen.marks, replace(seen.marks, rollback_target=new, previous=_renewed(seen, version, new)))
        return replace(step, decisions=(again,), ended=None)
    stored = (
        replace(one, after=replace(one.after, rollback_target=new, previous=_renewed(seen, version, new)))
        if isinstance(one, WriteState) and one.after.rollback_target == version
        else one
        for one in step.decisions
    )
    return replace(step, decisions=tuple(stored))


def _renewed(seen: ObservedService, version: Version, new: Version) -> Version | None:
    return new if seen.marks.previous == version else seen.marks.previous


def _impossible(step: RolloutStep, seen: ObservedService, version: Version, why: str, now: datetime) -> RolloutStep:
    """Refuse the request that asks for it; a rollback that has begun ends where it is."""
    marks, request = seen.marks, seen.marks.pending_request
    forgotten = None if marks.previous == version else marks.previous
    if request is not None:
        response = Response(request.id, RequestRefusal(RequestRefusalCode.NO_PREVIOUS_VERSION, why))
        refused = WriteState(marks, replace(marks, response=response, previous=forgotten))
        return replace(step, decisions=(refused,), because=why, ended=None)
    ended = RolloutResult(
        seen.wanted,
        Outcome.FAILED,
        Phase.ROLLING_BACK,
        now.replace(microsecond=0),
        Actor.ENGINE,
        f"cannot roll back: {why}",
    )
    given_up = WriteState(marks, replace(marks, rollback_target=None, previous=forgotten, deadline=None, ended=ended))
    return replace(
        step, phase=Phase.FAILED, decisions=(given_up,), because=ended.why, health=RolloutHealth.DEGRADED, ended=ended
    )
