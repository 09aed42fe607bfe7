"""Observation of a service whose traffic ECS shifts.

Nothing happening: what the pass has read anyway, and nothing of deployments. Otherwise the newest service deployment
and the service revisions, which say behind which target group each version runs: ECS chooses that, and the target group
that the service names is not the one that receives production traffic.

Without a load balancer there are no target groups, and the deployment itself says how much of the requests by Service
Connect its new version receives. Slot 1 is the new version's then, and slot 0 that of whatever else runs.

It is one module because each answer is read with what the one before has shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from reconciler.model.resource import Calls
from reconciler.rollout import capacity, describe, observe_task_sets, prefetch, taken_back, task_protection
from reconciler.rollout.describe import ecs, revision_of
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.engines.ecs_native import pair
from reconciler.rollout.engines.ecs_native.calls import PAUSE
from reconciler.rollout.engines.ecs_native.facts import (
    CLEAN_UP,
    MINUTE,
    SHIFTED,
    SHIFTING,
    WITH_TEST_TRAFFIC,
    Deployment,
    FunctionCall,
    Hook,
    HookAction,
    NativeService,
    PauseHook,
    Status,
    native,
)
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.state import UNNAMED, WHOLE, ObservedService, TaskSet, Weights, all_on, shared
from reconciler.rollout.stored_state import StoredState
from reconciler.rollout.strategy import Share, Strategy

LONGEST: Final = timedelta(days=31)
"""Age of the oldest deployment that a rollout may have been; ECS ends one after 30 days."""

LISTED: Final = 100  # ListServiceDeployments

NUMBERED: Final = "ecs-svc/"


def see(subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched) -> Calls[ObservedService]:
    (found,) = yield from prefetch.prefetch_missing([(subject, known)])
    item = found.service
    assert item is not None
    first = native(observe_task_sets.first_look(subject, found, now))
    if not subject.groups:
        first = replace(first, production=all_on(0), connected=True)
    items = [one for one in item.get("deployments") or () if one["status"] != "INACTIVE"]
    settled = _settled(subject, first, items, now, item)
    if settled is not None:
        sets = yield from task_protection.read(subject.cluster, settled.sets, observe_task_sets.kept(settled))
        return replace(settled, sets=sets)
    deployment = yield from _newest(subject, item, now)
    revisions = yield from _revisions(subject, items, deployment)
    seen = _with_versions(subject, first, items, item, _named(subject, first.marks, deployment, revisions), now)
    slots: Mapping[str, int | None] = {one: _slot(subject, revisions.get(one)) for one in revisions}
    if seen.connected:
        slots, production = _connected(seen, deployment)
        seen = replace(seen, production=production)
    seen = replace(seen, sets=_traffic(seen, slots))
    seen = _reached(replace(seen, stranded=_stranded(seen)))
    seen = native((yield from observe_task_sets.closely(subject, policy, now, seen, found)))
    return replace(seen, lacked=(yield from _lacked(subject, seen, item.get("events") or (), now)))


def _settled(
    subject: RolloutTarget,
    seen: NativeService,
    items: list[Mapping[str, Any]],
    now: datetime,
    item: Mapping[str, Any],
) -> NativeService | None:
    """The service, if no rollout is in progress or due as far as DescribeServices and the stored state tell."""
    if len(items) != 1 or items[0].get("rolloutState") != "COMPLETED" or seen.marks.live is None:
        return None
    if seen.production not in (all_on(0), all_on(1)):
        return None
    found = _with_versions(subject, seen, items, item, None, now)
    (only,) = found.sets
    assert found.production is not None
    only = replace(only, slot=found.production.index(WHOLE), primary=True)
    found = replace(found, sets=(only,))
    recorded = found.marks.live == Version(only.release, only.task_definition)
    return found if recorded and observe_task_sets.quiet(found) else None


# -- the deployment and the revisions


def _newest(subject: RolloutTarget, item: Mapping[str, Any], now: datetime) -> Calls[Mapping[str, Any] | None]:
    """The active deployment, or else the last one."""
    arn = item.get("currentServiceDeployment")
    if not arn:
        answer = yield ecs.list_service_deployments(
            service=subject.service, cluster=subject.cluster, createdAt={"after": now - LONGEST}, maxResults=LISTED
        )
        newest = max(answer["serviceDeployments"], key=lambda one: one["createdAt"], default=None)
        if newest is None:
            return None
        arn = newest["serviceDeploymentArn"]
    described = yield ecs.describe_service_deployments(serviceDeploymentArns=[arn])
    found: Mapping[str, Any] | None = next(iter(described["serviceDeployments"]), None)
    return found


def _revisions(
    subject: RolloutTarget, items: Iterable[Mapping[str, Any]], deployment: Mapping[str, Any] | None
) -> Calls[dict[str, Mapping[str, Any]]]:
    """The service revisions of what runs and of the deployment's target, by the ids of their task sets."""
    base = subject.service.replace(":service/", ":service-revision/")
    arns = {f"{base}/{one['id'].removeprefix(NUMBERED)}" for one in items}
    target = ((deployment or {}).get("targetServiceRevision") or {}).get("arn")
    wanted = sorted(arns | ({target} if target else set()))
    if not wanted:
        return {}
    answer = yield ecs.describe_service_revisions(serviceRevisionArns=wanted)
    return {_id(one["serviceRevisionArn"]): one for one in answer["serviceRevisions"]}


def _id(revision: str) -> str:
    """ECS numbers deployments and revisions alike, and tasks say the number in `startedBy`."""
    return f"{NUMBERED}{revision.rpartition('/')[2]}"


def _slot(subject: RolloutTarget, revision: Mapping[str, Any] | None) -> int | None:
    if revision is None:
        return None
    balancers = (revision.get("resolvedConfiguration") or {}).get("loadBalancers") or ()
    arn = next((one.get("targetGroupArn") for one in balancers), None)
    return subject.groups.index(arn) if arn in subject.groups else None


def _named(
    subject: RolloutTarget,
    marks: StoredState,
    item: Mapping[str, Any] | None,
    revisions: Mapping[str, Mapping[str, Any]],
) -> Deployment | None:
    """The deployment with its release: the one that was started, if it has its revision; else what is known of that."""
    if item is None:
        return None
    target = _id((item.get("targetServiceRevision") or {}).get("arn", ""))
    revision = revision_of(revisions.get(target, {}).get("taskDefinition", ""))
    started = marks.started
    names = _names(subject, marks)
    release = names.get(revision, UNNAMED)
    if started is not None and started.task_definition == revision:
        release = started.release
    configuration = item.get("deploymentConfiguration") or {}
    return Deployment(
        id=item["serviceDeploymentArn"],
        release=release,
        status=Status(item["status"]),
        born=item["createdAt"],
        stage=item.get("lifecycleStage") or "",
        target=target,
        task_definition=revision,
        hooks=tuple(_hooks(item)),
        declared=tuple(_declared(configuration)),
        functions=tuple(_functions(item, configuration)),
        shares=_shares(configuration),
        updated=item.get("updatedAt"),
        taken_back=(item.get("rollback") or {}).get("startedAt"),
        finished=item.get("finishedAt"),
        stopped=item.get("stoppedAt") is not None,
        why=item.get("statusReason") or (item.get("rollback") or {}).get("reason") or "",
    )


def _hooks(item: Mapping[str, Any]) -> Iterable[Hook]:
    for one in item.get("lifecycleHookDetails") or ():
        if one.get("targetType") == PAUSE and one.get("expiresAt") is not None:
            then = HookAction(one.get("timeoutAction", "ROLLBACK"))
            status = one.get("status")
            passed = status == "SUCCEEDED" or (status == "TIMED_OUT" and then is HookAction.CONTINUE)
            yield Hook(one["hookId"], then, one["expiresAt"], status == "AWAITING_ACTION", passed)


def _functions(item: Mapping[str, Any], configuration: Mapping[str, Any]) -> Iterable[FunctionCall]:
    declared = [one for one in configuration.get("lifecycleHooks") or () if one.get("targetType") != PAUSE]
    for one in item.get("lifecycleHookDetails") or ():
        if one.get("targetType") != PAUSE:
            arn, status = one.get("targetArn") or "", one.get("status")
            stages = chain.from_iterable(hook["lifecycleStages"] for hook in declared if hook["hookTargetArn"] == arn)
            failed = status == "FAILED" or (status == "TIMED_OUT" and one.get("timeoutAction") != HookAction.CONTINUE)
            yield FunctionCall(arn, tuple(stages), status == "IN_PROGRESS", failed)


def _declared(configuration: Mapping[str, Any]) -> Iterable[PauseHook]:
    for one in configuration.get("lifecycleHooks") or ():
        if one.get("targetType") == PAUSE:
            timeout = one.get("timeoutConfiguration") or {}
            yield PauseHook(timeout.get("timeoutInMinutes", 1440), HookAction(timeout.get("action", "ROLLBACK")))


def _shares(configuration: Mapping[str, Any]) -> tuple[Share, ...]:
    canary, linear = configuration.get("canaryConfiguration"), configuration.get("linearConfiguration")
    match configuration.get("strategy"):
        case "CANARY" if canary:
            return (Share(round(canary["canaryPercent"]), canary["canaryBakeTimeInMinutes"] * MINUTE),)
        case "LINEAR" if linear:
            size, pause = round(linear["stepPercent"]), linear["stepBakeTimeInMinutes"] * MINUTE
            return tuple(Share(weight, pause) for weight in range(size, WHOLE, size))
        case _:
            return ()


def _names(subject: RolloutTarget, marks: StoredState) -> dict[str, str]:
    names = {revision_of(subject.release.task_definition): subject.release.id} if subject.release.id else {}
    return names | describe.by_revision(marks)


# -- versions


def _with_versions(
    subject: RolloutTarget,
    seen: NativeService,
    items: Iterable[Mapping[str, Any]],
    service: Mapping[str, Any],
    deployment: Deployment | None,
    now: datetime,
) -> NativeService:
    """`seen` with ECS's deployments as task sets, by their releases; their slots are not known yet."""
    names = _names(subject, seen.marks)
    target = deployment.target if deployment is not None else ""
    events = service.get("events") or ()

    def version(one: Mapping[str, Any]) -> TaskSet:
        ran = revision_of(one.get("taskDefinition", ""))
        release = deployment.release if deployment is not None and one["id"] == target else names.get(ran, UNNAMED)
        running, pending, desired = one.get("runningCount", 0), one.get("pendingCount", 0), one.get("desiredCount", 0)
        found = TaskSet(
            id=one["id"],
            release=release,
            slot=0,
            born=one["createdAt"],
            running=running,
            pending=pending,
            steady=running == desired == service["desiredCount"] and not pending,
            task_definition=ran,
            subnets=describe.subnets_of(one),
            draining=bool(service["desiredCount"]) and not desired and one["status"] != "PRIMARY",
            reason=one.get("rolloutStateReason", "") if one.get("rolloutState") == "FAILED" else "",
        )
        return capacity.with_lack(found, service["desiredCount"], events, now)

    sets = tuple(version(one) for one in items)
    lost = pair.lost(subject, service)
    undone = deployment is not None and (deployment.going_back or deployment.status is Status.ROLLBACK_FAILED)
    started = tuple(one for one in sets if not (undone and lost and one.id == target))
    waits = observe_task_sets.waits(
        seen.wanted, started, subject.not_ready or lost or taken_back.soon(seen, now, "ECS")
    )
    definition = revision_of(subject.release.task_definition)
    return replace(seen, sets=sets, deployment=deployment, waits=waits, lost=lost, definition=definition)


def _traffic(seen: NativeService, slots: Mapping[str, int | None]) -> tuple[TaskSet, ...]:
    """The task sets in their slots. The one in production is primary, and while traffic is shared, the older one; no
    version is before the first was promoted.
    """
    target = seen.active.target if seen.active is not None else ""
    serving = 0 if seen.production is None else seen.production.index(max(seen.production))

    def placed(one: TaskSet) -> TaskSet:
        slot = slots.get(one.id)
        if slot is None:  # ECS has not resolved it yet: the new tasks come behind the group without production
            slot = 1 - serving if one.id == target and len(seen.sets) > 1 else serving
        return replace(one, slot=slot)

    sets = tuple(map(placed, seen.sets))
    production = seen.production or (0, 0)
    on = sorted((one for one in sets if production[one.slot] and not one.draining), key=lambda one: (one.born, one.id))
    primary = on[0] if on and seen.marks.live is not None else None
    return tuple(replace(one, primary=one is primary) for one in sets)


def _connected(seen: NativeService, item: Mapping[str, Any] | None) -> tuple[Mapping[str, int | None], Weights]:
    """The slots of the task sets, and how requests by Service Connect are divided between them."""
    target = seen.deployment.target if seen.deployment is not None else ""
    several = len(seen.sets) > 1 and any(one.id == target for one in seen.sets)
    if not several or item is None or seen.deployment is None:
        return {one.id: 0 for one in seen.sets}, all_on(0)
    weight = (item.get("targetServiceRevision") or {}).get("requestedProductionTrafficWeight")
    if weight is None:
        weight = WHOLE if seen.deployment.has_production else 0
    return {one.id: int(one.id == target) for one in seen.sets}, shared(1, round(weight))


def _lacked(
    subject: RolloutTarget, seen: NativeService, events: Sequence[Mapping[str, Any]], now: datetime
) -> Calls[str]:
    """The lack of capacity for which alone ECS takes the deployment back, or has done so before that was recorded, or
    "": none of its tasks failed by itself.
    """
    found, due = seen.deployment, seen.marks.deadline
    if found is None or found.stopped or found.status is Status.SUCCESSFUL or (found.active and not found.going_back):
        return ""
    reported = taken_back.reported_between(events, found.born, found.taken_back or found.finished or now)
    target = next((one for one in seen.sets if one.id == found.target), None)
    if target is not None and found.going_back:
        return "" if target.failed or target.failing else reported
    if due is None or due.release != found.release:
        return ""
    return (
        yield from taken_back.lack(subject, reported, found.born, lambda task: task.get("startedBy") == found.target)
    )


def _stranded(seen: NativeService) -> bool:
    """Whether ECS has given up its rollback, and all of production is another version's."""
    found, serving = seen.deployment, next((one for one in seen.sets if one.primary), None)
    if found is None or found.status is not Status.ROLLBACK_FAILED or serving is None or serving.id == found.target:
        return False
    return seen.production == all_on(serving.slot)


def _reached(seen: NativeService) -> NativeService:
    """Green counts as steady once ECS has come to the stage of its hooks: it can be tested from then on."""
    active = seen.active
    if active is None or active.going_back or seen.marks.live is None:
        return seen
    stages = SHIFTING | SHIFTED | {WITH_TEST_TRAFFIC, CLEAN_UP}
    if active.stage in stages or any(one.waits for one in active.hooks):
        return seen
    sets = (replace(one, steady=one.steady and one.id != active.target) for one in seen.sets)
    return replace(seen, sets=tuple(sets))
