"""Observation of ECS's own rolling deployments, and the call that requests one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.model import service_connect
from reconciler.model.member_values import aligned, merged
from reconciler.model.members import FIELD
from reconciler.model.resource import Call, Calls
from reconciler.model.service_connect import ServiceConnect
from reconciler.model.service_description import on_fargate_alone
from reconciler.rollout import capacity, taken_back, task_protection
from reconciler.rollout.actions import UpdateService
from reconciler.rollout.describe import ecs, network_of, providers_of, remembered, revision_of
from reconciler.rollout.release import Attachment, Release, RolloutTarget, Version
from reconciler.rollout.state import WHOLE, ObservedService, TaskSet
from reconciler.rollout.stored_state import DeadlineKind, StoredState

PATIENCE: Final = timedelta(hours=1)
"""A deployment that takes longer is reported as degraded; ECS continues it."""

CLOCKS: Final = timedelta(minutes=1)
"""By which the clocks of AWS and of this machine may differ."""

STALLED: Final = timedelta(minutes=2)
"""Time after which tasks of the previous version should stop, if all new ones run."""


def see(subject: RolloutTarget, item: Mapping[str, Any], now: datetime) -> Calls[ObservedService]:
    marks = remembered(item, subject)
    deployments = item.get("deployments") or ()
    primary = next((one for one in deployments if one["status"] == "PRIMARY"), None)
    known = {one.release for one in (marks.deadline, marks.live) if one is not None}
    waits = "" if subject.release.id in known else subject.not_ready
    asked = _last_request(marks, primary or {}) if waits else None
    revision = revision_of(subject.release.task_definition) if asked is None else asked.task_definition
    names = _names(subject, marks) | ({} if asked is None else {asked.task_definition: asked.release})
    sets = tuple(
        capacity.with_lack(_deployment(one, names, item), item["desiredCount"], item.get("events") or (), now)
        for one in deployments
        if one["status"] != "INACTIVE"
    )
    wanted = subject.release.id if asked is None else asked.release
    return ObservedService(
        wanted=wanted,
        desired=item["desiredCount"],
        sets=(yield from task_protection.read(subject.cluster, sets, _kept(sets, item, now))),
        production=None,
        test=None,
        has_test=False,
        marks=marks,
        definition=revision,
        differs=() if primary is None or waits else tuple(differs(subject, item, primary)),
        deleting=item["status"] != "ACTIVE",
        waits=waits,
        withdrawn=subject.withdrawn,
        judges=subject.judges,
        lacked=(yield from _lacked(subject, item, sets, marks, wanted=wanted, revision=revision, now=now)),
    )


def _lacked(
    subject: RolloutTarget,
    item: Mapping[str, Any],
    sets: Iterable[TaskSet],
    marks: StoredState,
    *,
    wanted: str,
    revision: str,
    now: datetime,
) -> Calls[str]:
    """The lack of capacity for which alone ECS gave up the wanted release, or "".

    Its tasks are read only if ECS gave it up; one that failed by itself is a verdict. ECS repeats an event only after
    hours, so one that was reported of an earlier attempt counts, too.
    """
    ran = [one for one in sets if one.task_definition == revision]
    failed = [one.born for one in ran if one.state == "FAILED"]
    due = marks.deadline
    asked = due.at if due is not None and (due.release, due.stage) == (wanted, DeadlineKind.ROLL) else None
    going_on = any(one.primary and one.state != "FAILED" for one in ran)
    retried = marks.retry is not None and marks.retry.release == wanted
    if marks.quarantined(wanted) or going_on or not (asked or (failed and not retried)):
        return ""
    since = asked - PATIENCE - CLOCKS if asked is not None else min(failed)
    told_since = min(since, now - capacity.REPEATED_AFTER) if retried else since
    events = (one["message"] for one in item.get("events") or () if one["createdAt"] >= told_since)
    lack = next((found for message in events if (found := capacity.lack_in(message))), "")
    return (
        yield from taken_back.lack(
            subject, lack, since, lambda task: revision_of(task["taskDefinitionArn"]) == revision
        )
    )


def _kept(sets: Iterable[TaskSet], item: Mapping[str, Any], now: datetime) -> dict[str, int]:
    """How many tasks each deployment may run. Previous ones should have stopped once no more new tasks can start."""
    several, desired = tuple(sets), item["desiredCount"]
    primary = next((one for one in several if one.primary and one.state != "FAILED"), None)
    if primary is None:
        return {one.id: one.running for one in several}
    most = desired * (item.get("deploymentConfiguration") or {}).get("maximumPercent", 200) // WHOLE
    full = primary.running >= desired or sum(one.running for one in several) >= max(1, most)
    stalled = full and not primary.pending and now - primary.born >= STALLED
    return {one.id: desired if one.primary else 0 if stalled else one.running for one in several}


def _last_request(marks: StoredState, primary: Mapping[str, Any]) -> Version:
    """The version that ECS was asked to run last: it is finished or undone while the wanted one is not ready."""
    due, runs = marks.deadline, revision_of(primary.get("taskDefinition", ""))
    if due is not None and due.stage is DeadlineKind.ROLL:
        return Version(due.release, f"{runs.rpartition(':')[0]}:{due.weight}" if due.weight else runs)
    return marks.live or Version("", runs)


def declared(subject: RolloutTarget, decision: UpdateService) -> Call:
    """The call that requests the deployment."""
    return ecs.update_service(
        cluster=subject.cluster,
        service=subject.service,
        taskDefinition=decision.task_definition or subject.release.task_definition,
        **members(subject, decision.members),
    )


def members(subject: RolloutTarget, names: Iterable[str]) -> dict[str, Any]:
    """The named members of UpdateService, as the wanted release has them."""
    wanted = tuple(names)
    whole = json.loads(subject.members or "{}")
    sent: dict[str, Any] = {name: value for name, value in whole.items() if {name, FIELD} & {*wanted}}
    for name in wanted:
        sent = merged(sent, _MEMBERS[name](subject))
    return sent


def _names(subject: RolloutTarget, marks: StoredState) -> dict[str, str]:
    """Releases by revision, as far as they are known."""
    known = [one for one in (marks.previous, marks.rollback_target, marks.live) if one is not None]
    return {
        **{one.task_definition: one.release for one in known},
        revision_of(subject.release.task_definition): subject.release.id,
    }


def _deployment(item: Mapping[str, Any], names: Mapping[str, str], service: Mapping[str, Any]) -> TaskSet:
    """Whether the primary deployment has the revision of the service; a response may show one before the other."""
    primary = item["status"] == "PRIMARY"
    ran = revision_of((service.get("taskDefinition") if primary else None) or item.get("taskDefinition", ""))
    return TaskSet(
        id=item["id"],
        release=names.get(ran, ran),
        slot=0,
        born=item["createdAt"],
        primary=primary,
        running=item.get("runningCount", 0),
        pending=item.get("pendingCount", 0),
        steady=item.get("rolloutState") == "COMPLETED",
        failed=item.get("failedTasks", 0),
        task_definition=ran,
        state=item.get("rolloutState", ""),
        reason=item.get("rolloutStateReason", "") if item.get("rolloutState") == "FAILED" else "",
    )


def differs(subject: RolloutTarget, item: Mapping[str, Any], primary: Mapping[str, Any]) -> list[str]:
    """The members of UpdateService in which a service's deployment differs from the wanted release."""
    release, found = subject.release, []
    if release.subnets:
        have = (primary.get("networkConfiguration") or item.get("networkConfiguration") or {}).get(
            "awsvpcConfiguration"
        ) or {}
        same = (
            set(have.get("subnets") or ()) == set(release.subnets)
            and set(have.get("securityGroups") or ()) == set(release.security_groups)
            and (have.get("assignPublicIp") == "ENABLED") == release.public_ip
        )
        found += [] if same else ["networkConfiguration"]
    if release.platform_version not in (None, "LATEST") and release.platform_version != primary.get("platformVersion"):
        found.append("platformVersion")
    found += [] if _same_capacity(release, primary.get("capacityProviderStrategy") or ()) else [CAPACITY]
    if set(attachments(item)) != set(subject.attached):
        found.append("loadBalancers")
    said = {**json.loads(subject.members or "{}"), **json.loads(release.members or "{}")}  # and what is to be removed
    shown = {name: primary.get(name) or item.get(name) for name in said}
    found += [] if aligned(shown, said, ordered=False, only_said=True) == said else [FIELD]
    if service_connect.read(primary.get("serviceConnectConfiguration")) != _connected(release):
        found.append("serviceConnectConfiguration")
    return found


def _same_capacity(release: Release, strategy: Iterable[Mapping[str, Any]]) -> bool:
    have = {(one["capacityProvider"], one.get("weight", 0), one.get("base", 0)) for one in strategy}
    plain = not release.capacity and release.on_fargate and on_fargate_alone(strategy)
    return plain or have == {(one.provider, one.weight, one.base) for one in release.capacity}


def _connected(release: Release) -> ServiceConnect:
    return service_connect.read(json.loads(release.service_connect or "{}"))


def attachments(item: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Of the newest deployment: ECS does not show those of the others."""
    return tuple(
        Attachment(one["targetGroupArn"], one.get("containerName", ""), one.get("containerPort", 0))
        for one in item.get("loadBalancers") or ()
        if "targetGroupArn" in one
    )


def _load_balancers(attached: Iterable[Attachment]) -> dict[str, Any]:
    return {
        "loadBalancers": [
            {"targetGroupArn": one.group, "containerName": one.container, "containerPort": one.port} for one in attached
        ]
    }


AGAIN: Final = "forceNewDeployment"
CAPACITY: Final = "capacityProviderStrategy"

_MEMBERS: Final[Mapping[str, Callable[[RolloutTarget], dict[str, Any]]]] = {
    AGAIN: lambda _: {AGAIN: True},
    "networkConfiguration": lambda subject: {"networkConfiguration": network_of(subject.release)},
    "platformVersion": lambda subject: {"platformVersion": subject.release.platform_version},
    CAPACITY: lambda subject: {CAPACITY: providers_of(subject.release), AGAIN: True},  # ECS refuses it without
    "loadBalancers": lambda subject: _load_balancers(subject.attached),
    FIELD: lambda _: {},
    "serviceConnectConfiguration": lambda subject: {
        "serviceConnectConfiguration": service_connect.member(_connected(subject.release))
    },
}
