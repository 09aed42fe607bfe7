"""Restart of a service: the same release in a new revision of its task definition, rolled out like a version.

Another revision is what tells its tasks from the present ones, for AWS and for every engine. It is registered before
the restart is accepted, and stored together with the response: a process that is killed in between finds the revision
by the request's id. From then on `restart_id` is the release that the specs want, so that it happens once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.resources.task_definition import lost_with, read_spec, restarted
from reconciler.rollout import state_tags
from reconciler.rollout.actions import RolloutAction, WriteState
from reconciler.rollout.describe import revision_of
from reconciler.rollout.engine import RolloutStep, TrafficShifter
from reconciler.rollout.release import Version, restart_id
from reconciler.rollout.request_handler import who
from reconciler.rollout.requests import RequestRefusal, RequestRefusalCode, Response
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout.strategy import Promotion

ecs = ServiceApi("ecs")


def accepted(decisions: Iterable[RolloutAction]) -> WriteState | None:
    """The write that accepts a restart."""
    writes = (one for one in decisions if isinstance(one, WriteState))
    return next((one for one in writes if "restart" in one.fields and one.after.restart is not None), None)


def checked(
    step: RolloutStep, seen: ObservedService, stack: str | None, *, prepared: bool = False, register: bool = True
) -> Calls[RolloutStep]:
    """`step` with the revision that was registered for a restart, or the refusal; no call if it accepts none.

    `prepared`: the service has a pre-deployment task, which does not run again. Without `register` nothing is written.
    """
    write, request = accepted(step.decisions), seen.marks.pending_request
    if write is None or request is None:
        return step
    assert write.after.restart is not None, "that is what was accepted"
    runs = write.after.restart
    try:
        answer = yield ecs.describe_task_definition(taskDefinition=runs.task_definition, include=["TAGS"])
    except errors.Gone:
        return refused(step, seen, f"ECS does not know {runs.task_definition} any more")
    tags = {tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()}
    if ownership.owner(ownership.without_aws(tags)) != stack:
        return refused(step, seen, f"{runs.task_definition} does not belong to this stack")
    lost = sorted(lost_with(read_spec(answer)))
    if lost:
        return refused(step, seen, f"{runs.task_definition} cannot be registered again with its {lost[0]}")
    if not register:
        return step
    new = Version(runs.release, revision_of((yield from restarted(answer, request.id, who(request)))))
    cleared = seen.marks.with_cleared(restart_id(new)) if prepared else seen.marks.cleared
    stored = replace(write, after=replace(write.after, restart=new, cleared=cleared))
    return replace(step, decisions=tuple(stored if one is write else one for one in step.decisions))


def refused(
    step: RolloutStep, seen: ObservedService, why: str, code: RequestRefusalCode = RequestRefusalCode.NOT_REGISTERED
) -> RolloutStep:
    """`step` with the answer to the request that it would have accepted."""
    request = seen.marks.pending_request
    assert request is not None, "a restart is accepted on request only"
    response = Response(request.id, RequestRefusal(code, why))
    return replace(step, decisions=(WriteState(seen.marks, replace(seen.marks, response=response)),), because=why)


def without_gates(spec: RolloutSpec, service: Observed[Any], wanted: str) -> RolloutSpec:
    """The spec by which a restart is rolled out: the version was tested and promoted, and a person asked for it now.

    Its tasks have to become healthy and stay so in production. Where we decide about traffic, it moves at once, and
    the previous tasks are removed as soon as their connections have ended; ECS keeps to the strategy of the service.
    """
    if KEYS["restart"] not in service.tags:
        return spec
    marks = state_tags.of_tags(ownership.without_aws(service.tags))
    flight = wanted if marks.deadline is None else marks.deadline.release
    if not marks.restarts(wanted) and not marks.restarts(flight):
        return spec
    policy = replace(spec.policy, tests=(), promotion=Promotion.AUTO, promote_after=timedelta(), windows=())
    if spec.engine.shifts_traffic is not TrafficShifter.ECS:
        policy = replace(policy, shares=(), teardown_after=timedelta())
    return replace(spec, policy=policy)
