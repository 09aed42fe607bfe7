"""Observation of a service with task sets, in as few calls as possible.

Nothing happening: what the pass has read anyway, and nothing more. A rollout: three rounds of calls side by side, the
last for the tasks themselves, because a healthy target counts only if it is a running task of the very set that is
looked at; an address may have been somebody else's a minute ago.

It is one module because the calls of a round depend on the answers of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.model.new_roles import refused_as_new
from reconciler.model.resource import Batch, Call, Calls, ServiceApi
from reconciler.rollout import capacity, describe, listener_weights, prefetch, task_health, task_protection
from reconciler.rollout.describe import ecs, revision_of
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.listener_weights import elbv2
from reconciler.rollout.release import HealthCheck, RolloutTarget
from reconciler.rollout.state import UNNAMED, WHOLE, ObservedService, Scaling, TaskSet, Weights, all_on
from reconciler.rollout.stored_state import StoredState
from reconciler.rollout.strategy import Strategy

cloudwatch = ServiceApi("cloudwatch")

SCALE_IN: Final = "DynamicScalingInSuspended"
SCALE_OUT: Final = "DynamicScalingOutSuspended"

TASKS_AT_ONCE: Final = 100  # DescribeTasks
ANSWERS_FOR: Final = timedelta(minutes=5)
"""Period over which the share of 5xx is counted; CloudWatch metrics arrive one or two minutes late."""

OUR_FAULT: Final = frozenset({"TaskFailedToStart", "EssentialContainerExited"})
"""Stop codes that count as failures of a version, unless AWS had no capacity; an interruption or the loss of a host
does not."""


def see(subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched) -> Calls[ObservedService]:
    (found,) = yield from prefetch.prefetch_missing([(subject, known)])
    seen = first_look(subject, found, now)
    if quiet(seen):
        return replace(seen, sets=(yield from task_protection.read(subject.cluster, seen.sets, kept(seen))))
    return (yield from closely(subject, policy, now, seen, found))


def first_look(subject: RolloutTarget, found: Prefetched, now: datetime) -> ObservedService:
    """What the first round of calls shows; without targets and tasks."""
    item = found.service
    assert item is not None
    production, production_whole = _at(subject, subject.production, found.actions)
    test, test_whole = _at(subject, subject.test, found.actions)
    marks = describe.remembered(item, subject)
    raw = [one for one in item.get("taskSets") or () if _slot(subject, one) is not None]
    bare = [name for name, whole in (("production", production_whole), ("test", test_whole)) if not whole]
    events = item.get("events") or ()
    named = [_task_set(subject, one, marks) for one in raw]
    sets = tuple(capacity.with_lack(one, item["desiredCount"], events, now) for one in named)
    return ObservedService(
        wanted=subject.release.id,
        desired=item["desiredCount"],
        sets=sets,
        production=production,
        test=test,
        has_test=subject.test is not None,
        bare=tuple(bare),
        marks=marks,
        scaling=_scaling(found.scalable),
        tuned=_tuned(subject, found.groups),
        inherited=_in_both(subject, subject.inherited),
        others=len(item.get("taskSets") or ()) - len(raw),
        deleting=item["status"] != "ACTIVE",
        waits=waits(subject.release.id, sets, subject.not_ready),
        withdrawn=subject.withdrawn,
        judges=subject.judges,
    )


def _in_both(subject: RolloutTarget, groups: frozenset[str]) -> tuple[bool, bool]:
    """Whether each slot's target group is among these; a service without a load balancer has none."""
    if not subject.groups:
        return False, False
    first, second = subject.groups
    return first in groups, second in groups


def waits(wanted: str, sets: Iterable[TaskSet], not_ready: str) -> str:
    """Why the wanted release is not started yet, or "". It does not wait for anything once it has tasks."""
    return "" if any(one.release == wanted and not one.draining for one in sets) else not_ready


def quiet(seen: ObservedService) -> bool:
    """Whether no rollout is in progress or due, so that targets and tasks need not be read."""
    settled = seen.marks.deadline is None and seen.marks.pending_request is None
    if len(seen.sets) != 1 or not settled or seen.deleting:
        return False
    (only,) = seen.sets
    as_wanted = only.release == seen.wanted or (not seen.startable and seen.marks.rollback_target is None)
    return only.primary and as_wanted and seen.production == all_on(only.slot)


def kept(seen: ObservedService) -> dict[str, int]:
    return {one.id: 0 if one.draining else one.needed(seen.desired) for one in seen.sets}


# -- first round: service, task sets, listeners


def _at(subject: RolloutTarget, entry: Any, actions: Mapping[str, Any]) -> tuple[Weights | None, bool]:
    if entry is None:
        return None, True
    return listener_weights.weights_of(actions[entry.arn], subject.groups, subject.former)


def _slot(subject: RolloutTarget, item: Mapping[str, Any]) -> int | None:
    balancers = item.get("loadBalancers") or ()
    arn = balancers[0].get("targetGroupArn") if balancers else None
    return subject.groups.index(arn) if arn in subject.groups else None


def _task_set(subject: RolloutTarget, item: Mapping[str, Any], marks: StoredState) -> TaskSet:
    slot = _slot(subject, item)
    assert slot is not None, "only task sets in the service's target groups are read"
    return TaskSet(
        id=item["id"],
        release=describe.release_of(item, describe.by_revision(marks)) or UNNAMED,
        slot=slot,
        born=item["createdAt"],
        primary=item["status"] == "PRIMARY",
        draining=item["status"] not in ("PRIMARY", "ACTIVE"),
        scale=round((item.get("scale") or {}).get("value", WHOLE)),
        running=item.get("runningCount", 0),
        pending=item.get("pendingCount", 0),
        steady=item.get("stabilityStatus") == "STEADY_STATE",
        task_definition=revision_of(item.get("taskDefinition", "")),
        subnets=describe.subnets_of(item),
    )


def _scaling(target: Mapping[str, Any] | None) -> Scaling:
    if target is None:
        return Scaling.NONE
    state = target.get("SuspendedState") or {}
    if state.get(SCALE_OUT):  # no rollout does that, so a person did, and scaling in stays as it is
        return Scaling.NONE
    return Scaling.SUSPENDED if state.get(SCALE_IN) else Scaling.ACTIVE


def _tuned(subject: RolloutTarget, groups: Mapping[str, Any]) -> tuple[bool, bool]:
    check = subject.release.health
    if check is None:
        return True, True
    first, second = (_check(groups[arn]) == check for arn in subject.groups)
    return first, second


def _check(item: Mapping[str, Any]) -> HealthCheck:
    matcher = item.get("Matcher") or {}
    return HealthCheck(
        path=item.get("HealthCheckPath", ""),
        interval=item.get("HealthCheckIntervalSeconds", 0),
        timeout=item.get("HealthCheckTimeoutSeconds", 0),
        healthy_threshold=item.get("HealthyThresholdCount", 0),
        unhealthy_threshold=item.get("UnhealthyThresholdCount", 0),
        matcher=matcher.get("HttpCode") or matcher.get("GrpcCode", ""),
        port=item.get("HealthCheckPort", ""),
        protocol=item.get("HealthCheckProtocol", ""),
        grpc="GrpcCode" in matcher,
    )


# -- second and third round: targets, tasks, alarms, responses


def closely(
    subject: RolloutTarget, policy: Strategy, now: datetime, seen: ObservedService, found: Prefetched
) -> Calls[ObservedService]:
    """`seen` with the health of its targets and tasks, alarms and responses."""
    assert found.service is not None
    started_before = now - timedelta(seconds=found.service.get("healthCheckGracePeriodSeconds") or 0)
    newest, watched = seen.newest, policy.max_5xx is not None
    moved = newest is not None and seen.production is not None and seen.production[newest.slot] > 0
    calls: dict[str, Call] = {
        f"health {slot}": elbv2.describe_target_health(TargetGroupArn=arn) for slot, arn in enumerate(subject.groups)
    }
    for status in ("RUNNING", "STOPPED"):
        calls[status] = ecs.list_tasks(cluster=subject.cluster, serviceName=_name(subject), desiredStatus=status)
    if policy.alarms:
        calls["alarms"] = cloudwatch.describe_alarms(
            AlarmNames=list(policy.alarms), StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    if watched and moved and newest is not None and subject.production is not None:
        calls["answers"] = _answers(subject, newest.slot, now)
    answers = dict(zip(calls, (yield Batch.of(calls.values())), strict=True))
    arns = [*answers["RUNNING"]["taskArns"], *answers["STOPPED"]["taskArns"]]
    tasks = yield from described_tasks(subject, arns)
    healths = [answers[f"health {slot}"]["TargetHealthDescriptions"] for slot in range(len(subject.groups))]
    sets = tuple(
        _with_tasks(one, tasks, healths[one.slot] if healths else None, started_before, dict(subject.roles), now)
        for one in seen.sets
    )
    wanted = set(answers["RUNNING"]["taskArns"])
    alive = {one.id: [task["taskArn"] for task in _of(one, tasks) if task["taskArn"] in wanted] for one in sets}
    sets = yield from task_protection.read(subject.cluster, sets, kept(seen), alive)
    fields: dict[str, Any] = {"sets": sets}
    if healths:
        fields["strangers"] = tuple(_strangers(sets, slot, tasks, found) for slot, found in enumerate(healths))
    if "alarms" in answers:
        firing = [*answers["alarms"].get("MetricAlarms", ()), *answers["alarms"].get("CompositeAlarms", ())]
        fields["alarms"] = tuple(sorted(item["AlarmName"] for item in firing))
    if "answers" in answers:
        fields["errors"] = _share_of_errors(answers["answers"])
    return replace(seen, **fields)


def _name(subject: RolloutTarget) -> str:
    return subject.service.rpartition("/")[2]


def described_tasks(subject: RolloutTarget, arns: Sequence[str]) -> Calls[list[Any]]:
    calls = [
        ecs.describe_tasks(cluster=subject.cluster, tasks=list(arns[start : start + TASKS_AT_ONCE]))
        for start in range(0, len(arns), TASKS_AT_ONCE)
    ]
    answers = (yield Batch.of(calls)) if calls else []
    return [task for answer in answers for task in answer["tasks"]]


def _with_tasks(
    one: TaskSet,
    tasks: Iterable[Mapping[str, Any]],
    health: Iterable[Mapping[str, Any]] | None,
    started_before: datetime,
    created_at: Mapping[str, datetime | None],
    now: datetime,
) -> TaskSet:
    """The set with the health of its targets, or of its tasks where it has none. As for ECS, a task's checks count once
    its grace period is over.
    """
    failed = sum(failed_by_itself(task, created_at) for task in _of(one, tasks))
    if health is None:
        return replace(task_health.without_targets(one, _of(one, tasks), now), failed=failed)
    running = _addresses(one, tasks)
    healthy, failing = [], 0
    for item in health:
        task, state = running.get(item["Target"]["Id"]), item["TargetHealth"]["State"]
        if task is not None and state == "healthy":
            healthy.append(task)
        elif task is not None and state == "unhealthy":
            failing += task.get("startedAt", started_before) <= started_before
    return replace(task_health.with_healthy(one, healthy, failing=failing), failed=failed)


def _of(one: TaskSet, tasks: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (task for task in tasks if task.get("startedBy") == one.id)


def _addresses(one: TaskSet, tasks: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """A set's running tasks, by their addresses."""
    return {
        address: task
        for task in _of(one, tasks)
        if task.get("lastStatus") == "RUNNING" and revision_of(task.get("taskDefinitionArn", "")) == one.task_definition
        for address in _addresses_of(task)
    }


def _addresses_of(task: Mapping[str, Any]) -> set[str]:
    found = {
        detail["value"]
        for attachment in task.get("attachments") or ()
        for detail in attachment.get("details") or ()
        if detail.get("name") == "privateIPv4Address"
    }
    return found | {
        interface["privateIpv4Address"]
        for container in task.get("containers") or ()
        for interface in container.get("networkInterfaces") or ()
        if interface.get("privateIpv4Address")
    }


def _strangers(
    sets: Sequence[TaskSet], slot: int, tasks: Iterable[Mapping[str, Any]], health: Iterable[Mapping[str, Any]]
) -> int:
    here = [one for one in sets if one.slot == slot and not one.draining]
    newest = max(here, key=lambda one: (one.born, one.id), default=None)
    ours = set() if newest is None else set(_addresses(newest, tasks))
    return sum(
        item["TargetHealth"]["State"] not in ("draining", "unused") and item["Target"]["Id"] not in ours
        for item in health
    )


def failed_by_itself(task: Mapping[str, Any], created_at: Mapping[str, datetime | None]) -> bool:
    """A task that counts as a failure of its version: it exited, never started, or failed its health checks.

    It does not count where its role was too new; `created_at` are those of the stack's roles.
    It counts as soon as it is being stopped; its connections may drain for minutes before it has stopped.
    """
    if capacity.lack_in(task.get("stoppedReason", "")) or refused_as_new(task, created_at):
        return False
    scheduler = task.get("stopCode") == "ServiceSchedulerInitiated"
    return task.get("stopCode") in OUR_FAULT or (scheduler and "health checks" in task.get("stoppedReason", ""))


def _answers(subject: RolloutTarget, slot: int, now: datetime) -> Call:
    assert subject.production is not None
    balancer = "/".join(subject.production.listener.rpartition(":listener/")[2].split("/")[:3])
    dimensions = [
        {"Name": "LoadBalancer", "Value": balancer},
        {"Name": "TargetGroup", "Value": subject.groups[slot].split(":", 5)[5]},
    ]
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for name, metric in (("all", "RequestCount"), ("bad", "HTTPCode_Target_5XX_Count"))
    ]
    return cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - ANSWERS_FOR, EndTime=now)


def _share_of_errors(answer: Mapping[str, Any]) -> float | None:
    sums = {item["Id"]: sum(item.get("Values") or ()) for item in answer["MetricDataResults"]}
    return round(100 * sums.get("bad", 0) / sums["all"], 3) if sums.get("all") else None
