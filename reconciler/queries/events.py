"""Events of a service: ECS's own events, scaling activities, the rollout state stored in its tags, and what is kept of
requests, of stopped tasks and of drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from reconciler import errors
from reconciler.diagnosis.observations import normalised
from reconciler.model import ownership
from reconciler.model.resource import Calls, ServiceApi
from reconciler.queries.versions import RunningVersion, ServiceState
from reconciler.reconcile.provenance import audit_of
from reconciler.resources import _gone
from reconciler.rollout import state_tags
from reconciler.rollout.describe import release_of, revision_of
from reconciler.rollout.state import short
from reconciler.rollout.stored_state import StoredState
from reconciler.store.audit_trail import AuditEntry
from reconciler.store.drift_journal import DriftEntry
from reconciler.store.task_stops import TaskStop, stop_text

ecs = ServiceApi("ecs")
autoscaling = ServiceApi("application-autoscaling")

ACTIVITIES: Final = 50
"""Number of scaling activities to read; ECS keeps a hundred events."""

_WHOSE: Final = re.compile(r"ecs-svc/\d+")


class Source(StrEnum):
    ECS = "ecs"
    SCALING = "scaling"
    ROLLOUT = "rollout"
    TASK = "task"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """`id` is unique. `details` holds in fields what `text` says about rollouts."""

    at: datetime
    source: Source
    text: str
    id: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Equal events of one version: the newest, their number, and the oldest time."""

    newest: ServiceEvent
    count: int = 1
    since: datetime | None = None


def read(found: ServiceState) -> Calls[tuple[ServiceEvent, ...]]:
    """All events, newest first. One call, two if the service scales automatically. Raises `errors.AwsError`."""
    answer = yield ecs.describe_services(cluster=found.cluster, services=[found.service.id], include=["TAGS"])
    if not answer.get("services"):
        raise errors.Gone(
            f"{found.delivery.service} does not exist any more", call="ecs.DescribeServices", code="MISSING"
        )
    item = answer["services"][0]
    activities: list[Mapping[str, Any]] = []
    if found.delivery.scales:
        answer = yield autoscaling.describe_scaling_activities(
            ServiceNamespace="ecs",
            ResourceId=f"service/{found.cluster}/{found.name}",
            ScalableDimension="ecs:service:DesiredCount",
            MaxResults=ACTIVITIES,
        )
        activities = answer.get("ScalingActivities") or []
    tags = {tag["key"]: tag.get("value", "") for tag in item.get("tags") or ()}
    remembered = state_tags.of_tags(ownership.without_aws(tags))
    return happenings(item, activities, remembered, made_of(item))


def made_of(item: Mapping[str, Any]) -> tuple[RunningVersion, ...]:
    """The versions in a response of DescribeServices, for their creation times."""
    sets = [
        RunningVersion(
            one["id"], revision_of(one.get("taskDefinition", "")), release_of(one, {}), born=one["createdAt"]
        )
        for one in item.get("taskSets") or ()
    ]
    return tuple(sets) or tuple(
        RunningVersion(one["id"], revision_of(one.get("taskDefinition", "")), born=one["createdAt"])
        for one in item.get("deployments") or ()
    )


def happenings(
    item: Mapping[str, Any],
    activities: Iterable[Mapping[str, Any]],
    remembered: StoredState,
    runs: Iterable[RunningVersion],
) -> tuple[ServiceEvent, ...]:
    """Newest first. Pure."""
    found = [
        ServiceEvent(_utc(one["createdAt"]), Source.ECS, one.get("message", ""), one.get("id") or str(one["createdAt"]))
        for one in item.get("events") or ()
    ]
    found += [
        ServiceEvent(
            _utc(one["StartTime"]), Source.SCALING, _scaled(one), one.get("ActivityId") or str(one["StartTime"])
        )
        for one in activities
    ]
    for run in runs:
        if run.born is not None:
            release = f"release {short(run.release)} " if run.release else ""
            text = f"{release}({run.revision}) started as {run.id}"
            found.append(ServiceEvent(_utc(run.born), Source.ROLLOUT, text, f"begins {run.id}"))
    found += _marked(remembered)
    return in_order(found)


def in_order(several: Iterable[ServiceEvent]) -> tuple[ServiceEvent, ...]:
    """Newest first, each once."""
    order = {Source.ECS: 0, Source.SCALING: 1, Source.TASK: 2, Source.ROLLOUT: 3, Source.DRIFT: 4}
    found = {one.id: one for one in several}.values()
    numbered = sorted(enumerate(found), key=lambda one: (-one[1].at.timestamp(), -order[one[1].source], one[0]))
    return tuple(one for _, one in numbered)


def kept_requests(found: ServiceState) -> Calls[tuple[AuditEntry, ...]]:
    """The requests that the revisions of the running versions keep. Raises `errors.AwsError`."""
    names = dict.fromkeys(one.revision for one in found.runs if one.revision)
    calls = [ecs.describe_task_definition(taskDefinition=name, include=["TAGS"]) for name in names]
    entries: list[AuditEntry] = []
    for answer in (yield from _gone.answers(calls)):
        tags = {tag["key"]: tag.get("value", "") for tag in (answer or {}).get("tags") or ()}
        entries += audit_of(tags, str(found.delivery.service))
    return tuple(entries)


def of_request(entry: AuditEntry) -> ServiceEvent:
    """As an event that the tags of the service tell of as well, until the next request replaces them."""
    answer = f"refused: {entry.because}" if entry.refused else "accepted"
    details = {"verb": entry.verb, "by": entry.by, "reason": entry.why, "release": entry.release}
    details |= {"commit": entry.commit, "code": entry.refused, "answer": answer.partition(":")[0]}
    why = f" ({entry.why})" if entry.why else ""
    text = f"{entry.asked} requested by {entry.by}{why}: {answer}"
    known = {key: text for key, text in details.items() if text}
    return ServiceEvent(entry.at, Source.ROLLOUT, text, f"said {entry.id} {details['answer']}", known)


def of_stop(stop: TaskStop) -> ServiceEvent:
    """Stops that were alike are one event, at the time of the newest."""
    details = {
        "count": stop.count, "since": stop.since.isoformat(), "task": stop.task, "revision": stop.revision,
        "cause": stop.cause, "stop_code": stop.stop_code, "reason": stop.reason, "container": stop.container,
        "exit_code": stop.exit_code, "log": list(stop.log),
    }  # fmt: skip
    known = {key: value for key, value in details.items() if value not in ("", None, [])}
    return ServiceEvent(stop.at, Source.TASK, stop_text(stop), f"stop {stop.alike} {stop.at} {stop.task}", known)


def of_drift(entry: DriftEntry) -> ServiceEvent:
    """With who made it, where that is known."""
    return ServiceEvent(entry.at, Source.DRIFT, f"drift {entry.text}", f"drift {entry.id}", entry.details)


def folded(several: Iterable[ServiceEvent]) -> tuple[EventGroup, ...]:
    """Newest first. Events that differ only in task ids, addresses and times are equal; versions are kept apart."""
    folds: dict[tuple[str, ...], EventGroup] = {}
    for one in several:
        key = (one.source, normalised(one.text), *_WHOSE.findall(one.text))
        known = folds.get(key)
        folds[key] = EventGroup(one) if known is None else EventGroup(known.newest, known.count + 1, one.at)
    return tuple(folds.values())


def _marked(remembered: StoredState) -> Iterable[ServiceEvent]:
    ended, request, response = remembered.ended, remembered.request, remembered.response
    if ended is not None:
        why = f": {ended.why}" if ended.why else ""
        text = f"release {short(ended.release)} ended in {ended.phase}: {ended.outcome}{why}"
        details = {"release": ended.release, "outcome": ended.outcome.value, "phase": ended.phase, "by": ended.by.value}
        yield ServiceEvent(ended.at, Source.ROLLOUT, text, f"ended {ended.text()}", details)
    for release in remembered.quarantine:
        verdict = remembered.verdict_of(release)
        if verdict is not None and (ended is None or ended.release != release):
            why = f": {verdict.why}" if verdict.why else ""
            text = f"release {short(release)} was quarantined: {verdict.outcome}{why}"
            details = {"release": release, "outcome": verdict.outcome.value}
            yield ServiceEvent(verdict.at, Source.ROLLOUT, text, f"quarantined {release} {verdict.at}", details)
    if request is not None:
        answer = "pending"
        details = {"verb": str(request.verb), "release": request.release, "by": request.by, "reason": request.why}
        details = {key: text for key, text in details.items() if text}
        if response is not None and response.id == request.id:
            refusal = response.refusal
            answer = "accepted" if refusal is None else f"refused: {refusal.why}"
            details |= {"answer": "accepted"} if refusal is None else {"answer": "refused", "code": str(refusal.code)}
        why = f" ({request.why})" if request.why else ""
        text = f"{request.verb} requested by {request.by}{why}: {answer}"
        yield ServiceEvent(request.at, Source.ROLLOUT, text, f"said {request.id} {details.get('answer', '')}", details)


def _scaled(one: Mapping[str, Any]) -> str:
    status = "" if one.get("StatusCode") == "Successful" else f" {one.get('StatusCode', '')}:"
    return f"{one.get('Description', '')}{status} {one.get('Cause', '')}".strip()


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
