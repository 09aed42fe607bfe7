"""Facts about a stack, from which its snapshot for the console is made. Pure, and the same from whoever has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.cli.console.acts import acts_of, stack_acts
from reconciler.cli.console.plan_view import drift_view, plan_view
from reconciler.cli.console.service_view import service_view
from reconciler.cli.driver_state import DrivenBy, DriverState, nobody_text
from reconciler.cli.output.scheduled_text import scheduled_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.service_status import ServiceStatus
from reconciler.cli.task_requests import TaskStatus
from reconciler.console.snapshot import Driver, Event, Notice, Service, Snapshot, Task, Tone
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.plan import Plan
from reconciler.model.resource import Address
from reconciler.queries.scheduled_runs import ScheduledTask
from reconciler.reconcile.drift import Drift
from reconciler.rollout.outlook import RolloutPreview
from reconciler.rollout_driver.targets import NotReady

TASKS = {"failed": Tone.BAD, "read-only": Tone.BAD, "running": Tone.BUSY, "succeeded": Tone.OK}


@dataclass(frozen=True, slots=True)
class StackFacts:
    """`drifts` with the time at which each was first seen, None where it is not known. `applied` is the revision that a
    controller has applied last as a whole, `revision` the one in force here.
    """

    stack: str
    account: str
    region: str
    now: datetime
    driver: DriverState
    identity: str = ""
    local: bool = False
    speed: float = 1.0
    revision: str = ""
    subject: str = ""
    applied: str = ""
    rejected: str = ""
    suspended_by: str = ""
    restored: str = ""
    unreadable: str = ""
    notes: tuple[Notice, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    diagnoses: Mapping[Address, Diagnosis] = field(default_factory=dict)
    missing: Mapping[Address, NotReady] = field(default_factory=dict)
    tasks: tuple[TaskStatus, ...] = ()
    scheduled: tuple[ScheduledTask, ...] = ()
    plan: Plan = field(default_factory=lambda: Plan(""))
    previews: tuple[RolloutPreview, ...] = ()
    drifts: tuple[tuple[Drift, datetime], ...] | None = None
    events: tuple[Event, ...] = ()


def snapshot_of(facts: StackFacts) -> Snapshot:
    """Its number is a digest of all that is shown, without the times at which it was looked at."""
    driven = facts.driver.counts
    found = Snapshot(
        "", facts.stack, facts.account, facts.region, facts.now,
        identity=facts.identity,
        local=facts.local,
        speed=facts.speed,
        revision=(facts.revision or facts.applied)[:7],
        subject=facts.subject,
        driver=_driver(facts.driver),
        notices=tuple(_notices(facts)),
        services=tuple(_services(facts, driven=driven)),
        tasks=(*map(_task, facts.tasks), *map(_scheduled, facts.scheduled)),
        absent=tuple(Notice(Tone.WAIT, f"{address}: {lack}") for address, lack in facts.missing.items()),
        plan=plan_view(facts.plan, facts.previews),
        drifts=None if facts.drifts is None else tuple(drift_view(*one) for one in facts.drifts),
        events=facts.events,
        acts=stack_acts(facts.suspended_by, driven=driven) if facts.services and not facts.unreadable else (),
    )  # fmt: skip
    shown = replace(found, taken_at=datetime.min, driver=replace(found.driver, passed_at=None))
    return replace(found, number=hashlib.sha256(repr(shown).encode()).hexdigest()[:16])


def _services(facts: StackFacts, *, driven: bool) -> list[Service]:
    paused = bool(facts.suspended_by)
    services = []
    for status in sorted(facts.services, key=lambda one: one.rollout.address):
        diagnosis = facts.diagnoses.get(status.rollout.address)
        service = service_view(status, facts.plan, facts.now, driven=driven, paused=paused, diagnosis=diagnosis)
        acts = acts_of(status, paused=paused) if driven and not facts.unreadable else ()
        services.append(replace(service, acts=acts))
    return services


def _driver(state: DriverState) -> Driver:
    report = state.report
    match state.by:
        case DrivenBy.CONTROLLER:
            return Driver(Tone.OK, f"controller: {state.holder}", report.since, report.passed_at)
        case DrivenBy.COMMAND:
            return Driver(Tone.BUSY, f"in progress: {state.holder}", report.since, report.passed_at)
        case DrivenBy.NOBODY:
            because = f"no controller runs: {nobody_text(state)}; nothing goes on by itself, and no request is answered"
            return Driver(Tone.WAIT, because)
        case DrivenBy.UNKNOWN:
            return Driver(Tone.WAIT, f"not known whether a controller runs: {state.because}")


def _notices(facts: StackFacts) -> list[Notice]:
    report, notices = facts.driver.report, list(facts.notes)
    if facts.restored:
        notices.append(Notice(Tone.WAIT, f"The controller restored the last accepted revision, {facts.restored}"))
    if facts.unreadable:
        notices.append(Notice(Tone.BAD, f"The stack is read-only: {facts.unreadable}"))
    if facts.suspended_by:
        notices.append(Notice(Tone.WAIT, f"The stack is suspended by {facts.suspended_by}"))
    if report.because:
        name = f"revision {report.rejected} rejected: " if report.rejected else ""
        notices.append(Notice(Tone.BAD, f"{name}{report.because}"))
    for address, because in sorted(report.refused.items()):
        notices.append(Notice(Tone.BAD, f"{address} refused by AWS: {because}"))
    return notices


def _task(status: TaskStatus) -> Task:
    repeats = not status.because or status.because.startswith(status.state)
    text = status.because or status.state if repeats else f"{status.state}: {status.because}"
    return Task(str(status.address), TASKS.get(status.state, Tone.WAIT), text)


def _scheduled(task: ScheduledTask) -> Task:
    last = task.last
    text = scheduled_text(task, Look()).removeprefix(str(task.address)).strip()
    return Task(
        str(task.address),
        Tone.QUIET if last is None else TASKS.get(last.state, Tone.WAIT),
        text,
        None if last is None else last.at,
    )
