"""Observation of a service that CodeDeploy deploys.

Nothing happening: what the pass has read anyway, and nothing of CodeDeploy. Otherwise the active deployment, those that
have created the task sets and, if none is active while a rollout is recorded, the newest ones, for how it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.model import codedeploy_names
from reconciler.model.resource import Batch, Calls
from reconciler.rollout import describe, observe_task_sets, prefetch, taken_back, task_protection
from reconciler.rollout.describe import revision_of
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.engines.codedeploy.calls import codedeploy, names
from reconciler.rollout.engines.codedeploy.facts import (
    ACTIVE,
    KEPT_FOR,
    READY_FOR,
    SHIFTED_WITHIN,
    DeployedService,
    Deployment,
    Stage,
    Status,
    deployed,
    described,
)
from reconciler.rollout.release import RolloutTarget, Version
from reconciler.rollout.state import UNNAMED, ObservedService, TaskSet
from reconciler.rollout.stored_state import DeadlineKind
from reconciler.rollout.strategy import Strategy

AT_ONCE: Final = 25  # BatchGetDeployments
LONGEST: Final = SHIFTED_WITHIN + KEPT_FOR + timedelta(days=1)
"""Age of the oldest deployment that a rollout may have been."""

NO_GROUP: Final = "its CodeDeploy deployment group does not exist yet"


def see(subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched) -> Calls[ObservedService]:
    (found,) = yield from prefetch.prefetch_missing([(subject, known)])
    assert found.service is not None
    first = observe_task_sets.first_look(subject, found, now)
    by = tuple((one["id"], one.get("externalId") or "") for one in found.service.get("taskSets") or ())
    seen = replace(deployed(first), versions=by)
    recorded = _named(subject, seen, {}, now)
    if _settled(recorded):
        sets = yield from task_protection.read(subject.cluster, recorded.sets, observe_task_sets.kept(recorded))
        return replace(recorded, sets=sets)
    deployments = yield from _deployments(subject, seen, now)
    if deployments is None:
        begun = any(one.release == seen.wanted for one in recorded.sets)
        return _gated(replace(recorded, waits=recorded.waits or ("" if begun else NO_GROUP)))
    seen = _named(subject, seen, {one.id: one for one in deployments}, now)
    seen = yield from _with_progress(subject, _with_deployments(seen, deployments))
    seen = replace(seen, lacked=(yield from _lacked(subject, seen, found.service.get("events") or (), now)))
    return (yield from observe_task_sets.closely(subject, policy, now, _gated(seen), found))


def _settled(seen: DeployedService) -> bool:
    """Whether no rollout is in progress or due, as far as ECS and the stored state tell."""
    (only,) = seen.sets if len(seen.sets) == 1 else (None,)
    live = seen.marks.live
    recorded = only is not None and live == Version(only.release, only.task_definition)
    return recorded and observe_task_sets.quiet(seen)


# -- deployments


def _deployments(subject: RolloutTarget, seen: DeployedService, now: datetime) -> Calls[tuple[Deployment, ...] | None]:
    """None if there is no deployment group."""
    where = names(subject)
    (answer,) = yield Batch.of(
        [codedeploy.list_deployments(**where, includeOnlyStatuses=list(ACTIVE))], missing_ok=True
    )
    if answer is None:
        return None
    active = answer["deployments"]
    ids = [*active, *(by for _, by in seen.versions if by)]
    if not active and seen.marks.deadline is not None:
        ids += (yield codedeploy.list_deployments(**where, createTimeRange={"start": now - LONGEST}))["deployments"][
            :AT_ONCE
        ]
    items = yield from _described(ids)
    more = [item["rollbackInfo"]["rollbackTriggeringDeploymentId"] for item in items if _rolls_back(item)]
    items += yield from _described([one for one in more if one not in {item["deploymentId"] for item in items}])
    return tuple(_deployment(item) for item in items)


def _described(ids: Iterable[str]) -> Calls[list[Any]]:
    wanted = list(dict.fromkeys(ids))
    groups = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    calls = [codedeploy.batch_get_deployments(deploymentIds=some) for some in groups]
    answers = (yield Batch.of(calls)) if calls else []
    return [item for answer in answers for item in answer["deploymentsInfo"]]


def _rolls_back(item: Mapping[str, Any]) -> str:
    found: str = (item.get("rollbackInfo") or {}).get("rollbackTriggeringDeploymentId", "")
    return found


def _deployment(item: Mapping[str, Any]) -> Deployment:
    rolls_back = _rolls_back(item)
    release, attempt = ("", "") if rolls_back else described(item.get("description") or "")
    error = item.get("errorInformation") or {}
    waits = item.get("blueGreenDeploymentConfiguration") or {}
    ready = (waits.get("deploymentReadyOption") or {}).get("waitTimeInMinutes")
    kept = (waits.get("terminateBlueInstancesOnDeploymentSuccess") or {}).get("terminationWaitTimeInMinutes")
    return Deployment(
        item["deploymentId"],
        release,
        attempt,
        Status(item["status"]),
        item["createTime"],
        stage=Stage.KEEPING if item.get("instanceTerminationWaitTimeStarted") else Stage.INSTALLING,
        rolls_back=rolls_back,
        why=(error.get("message") or error.get("code") or "").rstrip("."),
        code=error.get("code") or "",
        weights=codedeploy_names.weights(item.get("deploymentConfigName") or ""),
        ready_for=READY_FOR if ready is None else timedelta(minutes=ready),
        kept_for=KEPT_FOR if kept is None else timedelta(minutes=kept),
        ended_at=item.get("completeTime"),
    )


def _with_deployments(seen: DeployedService, deployments: Sequence[Deployment]) -> DeployedService:
    """The active deployment, and ours: the active one, the one that it rolls back, or the last of the recorded release.

    A deployment of a stored attempt that has not begun yet is that attempt's, and not an earlier one's.
    """
    active = max((one for one in deployments if one.active), key=lambda one: one.born, default=None)
    own = sorted((one for one in deployments if one.release), key=lambda one: one.born)
    if active is not None:
        wanted = active.rolls_back or active.id
        return replace(seen, active=active, ours=next((one for one in own if one.id == wanted), None))
    due = seen.marks.deadline
    if due is None or due.stage is DeadlineKind.RETIRE:
        return seen
    return replace(seen, ours=next((one for one in reversed(own) if one.release == due.release), None))


def _with_progress(subject: RolloutTarget, seen: DeployedService) -> Calls[DeployedService]:
    """How far our deployment has come. CodeDeploy does not know it before it has started."""
    ours = seen.ours
    if ours is None:
        return seen
    cluster, _, service = subject.service.rpartition(":service/")[2].partition("/")
    call = codedeploy.batch_get_deployment_targets(deploymentId=ours.id, targetIds=[f"{cluster}:{service}"])
    (answer,) = yield Batch.of([call], missing_ok=True)
    targets = [] if answer is None else answer["deploymentTargets"]
    events = [event for one in targets for event in (one.get("ecsTarget") or {}).get("lifecycleEvents") or ()]
    ours = _progressed(ours, {event["lifecycleEventName"]: event for event in events})
    active = ours if seen.active is not None and seen.active.id == ours.id else seen.active
    return replace(seen, ours=ours, active=active)


def _progressed(one: Deployment, events: Mapping[str, Mapping[str, Any]]) -> Deployment:
    tested = events.get("AfterAllowTestTraffic") or {}
    shifted = (events.get("AllowTraffic") or {}).get("status")
    failed = next((event for event in events.values() if event.get("status") == "Failed"), {})
    stage, why = one.stage, one.why or (failed.get("diagnostics") or {}).get("message") or ""
    if one.ready:
        stage = Stage.TESTABLE
    elif stage is not Stage.KEEPING and shifted in ("InProgress", "Succeeded", "Failed"):
        stage = Stage.SHIFTING
    elif stage is not Stage.KEEPING and tested.get("status") == "Succeeded":
        stage = Stage.TESTABLE
    ready_at = (tested.get("endTime") or one.born) if one.ready else None
    shifted_at = (events.get("AfterAllowTraffic") or {}).get("endTime") if stage is Stage.KEEPING else None
    return replace(one, stage=stage, ready_at=ready_at, shifted_at=shifted_at, why=why)


def _lacked(
    subject: RolloutTarget, seen: DeployedService, events: Sequence[Mapping[str, Any]], now: datetime
) -> Calls[str]:
    """The lack of capacity for which alone our deployment could not be installed in time, or ""."""
    ours, due = seen.ours, seen.marks.deadline
    if ours is None or not ours.not_installed or due is None or due.release != ours.release:
        return ""
    others = {one.id for one in seen.sets}
    reported = taken_back.reported_between(events, ours.born, ours.ended_at or now)
    return (yield from taken_back.lack(subject, reported, ours.born, lambda task: task.get("startedBy") not in others))


# -- task sets


def _named(
    subject: RolloutTarget, seen: DeployedService, deployments: Mapping[str, Deployment], now: datetime
) -> DeployedService:
    """The task sets by their releases: as their deployments say, else by what is known of their revisions."""
    names = {revision_of(subject.release.task_definition): subject.release.id} if subject.release.id else {}
    names |= describe.by_revision(seen.marks)
    by = dict(seen.versions)

    def named(one: TaskSet) -> TaskSet:
        deployment = deployments.get(by.get(one.id, ""))
        release = deployment.release if deployment is not None and deployment.release else ""
        return replace(one, release=release or names.get(one.task_definition, UNNAMED))

    sets = tuple(map(named, seen.sets))
    not_ready = subject.not_ready or taken_back.soon(seen, now, "CodeDeploy")
    return replace(seen, sets=sets, waits=observe_task_sets.waits(seen.wanted, sets, not_ready))


def _gated(seen: DeployedService) -> DeployedService:
    """Green counts as steady once CodeDeploy has installed it and sends it test traffic: it can be tested from then on.

    Before a version was ever promoted, the first one has to prove itself like any other: ECS calls it primary at once.
    """
    ours = seen.active if seen.active is not None and not seen.active.rolls_back else None
    installing = seen.created_by(ours.id) if ours is not None and ours.stage is Stage.INSTALLING else None
    sets = (replace(one, steady=one.steady and one is not installing) for one in seen.sets)
    if seen.marks.live is None:
        sets = (replace(one, primary=False) for one in sets)
    return replace(seen, sets=tuple(sets))
