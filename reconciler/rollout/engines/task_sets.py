"""Engine that shifts traffic itself: an ECS service with the EXTERNAL deployment controller, and its task sets.

ECS only runs tasks here. It neither fails a version nor rolls back; tests, promotion, verification and rollback are
done by the state machine (blue_green/machine.py). Each action is one write, preceded by a read where the write could do
harm if AWS has changed in the meantime.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import TOKEN_LENGTH, Calls
from reconciler.model.service_description import with_task_sets
from reconciler.model.tagging import tag_value
from reconciler.rollout import describe, observe_task_sets, task_set_calls
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
)
from reconciler.rollout.blue_green import machine, requests
from reconciler.rollout.blue_green.engine import BlueGreenEngine
from reconciler.rollout.describe import ecs
from reconciler.rollout.engine import NOTHING, Controller, Prefetched, RolloutStep, TrafficShifter
from reconciler.rollout.release import Release, RolloutTarget
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Strategy

RELEASE = "reconciler:release"
COMMIT = "reconciler:commit"


class TaskSets(BlueGreenEngine):
    name: ClassVar[str] = "task_sets"
    default: ClassVar[bool] = True
    controller: ClassVar[Controller] = Controller.EXTERNAL
    shifts_traffic: ClassVar[TrafficShifter] = TrafficShifter.US
    creates: ClassVar[tuple[str, ...]] = ("CreateTaskSet",)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("ecs", name): Binding.TASK_SETS for name in ("CreateTaskSet", "DeleteTaskSet", "UpdateTaskSet")}
    )

    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        return observe_task_sets.see(subject, policy, now, known)

    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        return machine.step(policy, seen, now)

    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        return requests.verbs(policy, seen, machine.step(policy, seen, now), now)

    def carry_out(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        match decision:
            case CreateTaskSet():
                yield from _create(decision, subject)
            case ScaleTaskSet():
                yield ecs.update_task_set(
                    cluster=subject.cluster,
                    service=subject.service,
                    taskSet=decision.id,
                    scale={"value": float(decision.scale), "unit": "PERCENT"},
                )
            case SetPrimary():
                yield from task_set_calls.make_primary(decision, subject)
            case DeleteTaskSet():
                yield from task_set_calls.delete(decision, subject)
            case _:
                raise TypeError(f"the task_sets engine makes no AWS call for {type(decision).__name__}")


def _create(decision: CreateTaskSet, subject: RolloutTarget) -> Calls[None]:
    """A previous version starts like the one in production, whether or not the wanted release is ready."""
    release = subject.release
    tags = {**dict(subject.stack_tags), RELEASE: decision.release}
    if decision.task_definition:
        like = yield from _placement_in_production(subject)
    else:
        like = _placement(release)
        if release.commit:
            tags[COMMIT] = tag_value(release.commit)
    balancer = {**like.pop("loadBalancers")[0], "targetGroupArn": subject.groups[decision.slot]}
    yield ecs.create_task_set(
        **like,
        cluster=subject.cluster,
        service=subject.service,
        externalId=decision.release,
        taskDefinition=decision.task_definition or release.task_definition,
        loadBalancers=[balancer],
        scale={"value": float(decision.scale), "unit": "PERCENT"},
        clientToken=_token(subject.service, decision.release, decision.salt, str(decision.slot)),
        tags=describe.pairs(tags),
    )


def _placement(release: Release) -> dict[str, Any]:
    return {
        "networkConfiguration": describe.network_of(release),
        "loadBalancers": [{"containerName": release.container, "containerPort": release.port}],
        "launchType": None if release.capacity else release.launch_type,
        "capacityProviderStrategy": describe.capacity_of(release) or None,
        "platformVersion": release.platform_version,
        "serviceRegistries": json.loads(release.members or "{}").get("serviceRegistries"),
    }


def _placement_in_production(subject: RolloutTarget) -> Calls[dict[str, Any]]:
    """The same of the primary task set. Raises `errors.StalePlan` if there is none any more."""
    listed = describe.listed((yield describe.described(subject.cluster, [subject.service])))
    (item,) = yield from with_task_sets(listed)
    primary = next((one for one in item.get("taskSets") or () if one["status"] == "PRIMARY"), None)
    if primary is None:
        raise errors.StalePlan("no task set is in production any more; nothing was created")
    return {name: primary.get(name) or None for name in _placement(subject.release)}


def _token(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:TOKEN_LENGTH]
