"""Audit entries from what a pass and a rollout have read. Pure.

What has no id of its own, such as a count that is held, gets one from its tag, so that every process finds the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from reconciler.model import formats
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import HELD_COUNT
from reconciler.model.resource import Observed
from reconciler.model.tagging import unescaped
from reconciler.reconcile import held_counts, request_tags
from reconciler.resources import task
from reconciler.rollout.actions import WriteState
from reconciler.rollout.requests import ANY
from reconciler.rollout.stored_state import StoredState
from reconciler.rollout_driver.driver import StepResult
from reconciler.store.audit_trail import AuditEntry

SUSPEND, RESUME, SCALE, RESET, RETRY = "suspend", "resume", "scale", "scale-reset", "retry"


def of_result(result: StepResult) -> AuditEntry | None:
    """The last request for the service, once it was answered."""
    if result.seen is None:
        return None
    marks = result.seen.marks
    if marks.unreadable:
        return None
    for action in result.done:
        if isinstance(action, WriteState):
            marks = action.on(marks)
    return of_state(marks, str(result.rollout.address))


def of_state(state: StoredState, address: str) -> AuditEntry | None:
    request, response = state.request, state.response
    if request is None or response is None or request.id != response.id:
        return None
    release = "" if request.release == ANY else request.release
    refusal = response.refusal
    refused, because = ("", "") if refusal is None else (str(refusal.code), refusal.why)
    return AuditEntry(
        request.id, request.at, str(request.verb), address, request.by, request.why, release,
        refused=refused, because=because,
    )  # fmt: skip


def of_world(world: ObservedState, now: datetime) -> Iterator[tuple[AuditEntry, str]]:
    """What was asked for by other tags, each with the revision of the task definition that was in use."""
    for service in world.found.get("service", ()):
        if request_tags.read_only(service) or formats.unknown_stack(service.tags):
            continue
        revision = str(service.facts.get("task_definition") or "")
        for entry in _of_service(service, now):
            yield entry, revision
    for one in world.found.get("task", ()):
        if one.facts.get("retry") and task.RETRY in one.tags:
            id, _, rest = one.tags[task.RETRY].partition(":")
            by, why = request_tags.requester(unescaped(rest))
            yield AuditEntry(id, now, RETRY, str(one.address), by, why), str(one.parent or "")


def _of_service(service: Observed[Any], now: datetime) -> Iterator[AuditEntry]:
    held, text = held_counts.of_tags(service.tags), service.tags.get(HELD_COUNT, "")
    if held is not None and (held.holds(now) or held.ended):
        by, why = request_tags.requester(held.by)
        verb = RESET if held.ended else f"{SCALE}+{held.count}"
        yield AuditEntry(_id(service, text), now, verb, str(service.address), by, why)
    suspended = service.tags.get(request_tags.SUSPEND, "")
    if suspended:
        by, why, at = request_tags.suspended_by(suspended)
        yield AuditEntry(_id(service, suspended), at or now, SUSPEND, "", by, why)
    resumed = request_tags.resumed_by(service.tags)
    if resumed is not None:
        id, by, why, at = resumed
        yield AuditEntry(id, at or now, RESUME, "", by, why)


def _id(service: Observed[Any], text: str) -> str:
    return hashlib.sha256(f"{service.id}\0{text}".encode()).hexdigest()[:8]
