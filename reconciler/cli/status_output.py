"""Status of a stack as text and as JSON, of the same values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import errors
from reconciler.cli.service_status import ServiceStatus
from reconciler.diagnosis.observations import plain
from reconciler.store.task_stops import TaskStop, stop_text

if TYPE_CHECKING:
    from reconciler.cli.driver_state import DriverState
    from reconciler.cli.output.terminal import Look
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.cli.task_requests import TaskStatus
    from reconciler.model.plan import Action, Note, Plan, Refusal
    from reconciler.model.resource import Address
    from reconciler.queries.scheduled_runs import ScheduledTask
    from reconciler.store.drift_journal import DriftEntry


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack as it was observed, compared with its specs: its services, one-off tasks and scheduled tasks."""

    session: RolloutSession
    services: tuple[ServiceStatus, ...]
    tasks: tuple[TaskStatus, ...]
    scheduled: tuple[ScheduledTask, ...]
    plan: Plan
    driver: DriverState
    drift: tuple[DriftEntry, ...] = ()
    """What the controller has found lately, the oldest first."""

    @property
    def pending(self) -> bool:
        return any(one.pending for one in self.services)

    @property
    def left_by_rules(self) -> list[Note]:
        """What drift rules leave as it is, with their reasons, where it is not part of a service."""
        from reconciler.reconcile.followers import followers

        shown = {address for one in self.services for address in followers(one.rollout.delivery)}
        return [note for note in self.plan.warnings if note.rule and note.address not in shown]

    @property
    def refusals(self) -> list[Refusal]:
        """Why the plan is refused, without what is shown elsewhere and refuses nothing here."""
        from reconciler.model.plan import RefusalCode

        shown = (RefusalCode.SUSPENDED, RefusalCode.UNKNOWN_FORMAT, RefusalCode.MISSING)
        return [one for one in self.plan.refusals if self.pending or one.code not in shown]


def status_json(found: StackStatus, output: str) -> str:
    from reconciler.cli.output.drift_text import entry_document
    from reconciler.cli.output.driver_text import driver_document
    from reconciler.cli.output.logs_text import stopped_document
    from reconciler.cli.output.plan_json import (
        FORMAT_VERSION,
        action_document,
        deferred_document,
        dumps,
        json_line,
        refusal_document,
    )
    from reconciler.cli.output.rollout_json import read_only_document, status_document
    from reconciler.cli.output.scheduled_text import scheduled_document

    session = found.session
    document = {
        "format_version": FORMAT_VERSION,
        "specs": {"valid": not session.stack.instead, "instead": session.stack.instead or None},
        "driver": driver_document(found.driver, session.applied),
        "stack_suspended_by": session.suspended_by or None,
        "controller_restored": session.restored or None,
        "read_only": read_only_document(session.unreadable),
        "services": [
            status_document(one.rollout, one.observed, one.step, one.verbs, one.forecast)
            | {
                "warnings": list(one.warnings),
                "deferred": [deferred_document(entry) for entry in one.deferred],
                "pending": [action_document(action) for action in one.pending],
                "stopped": [stopped_document(stop) for stop in one.stops],
                "held_count": None
                if one.held is None
                else {
                    "count": one.held.count,
                    "until": one.held.until.isoformat(),
                    "by": one.held.by,
                    "limits": one.rollout.delivery.scales,
                },
            }
            for one in found.services
        ],
        "not_deployed": [
            {"address": str(address), "because": not_ready.because} for address, not_ready in session.missing.items()
        ],
        "refusals": [refusal_document(refusal) for refusal in found.plan.refusals],
        "left_by_rules": [
            {"address": str(one.address), "because": one.because, "reason": one.rule} for one in found.left_by_rules
        ],
        "tasks": [{"address": str(one.address), "state": one.state, "because": one.because} for one in found.tasks],
        "scheduled": [scheduled_document(task) for task in found.scheduled],
        "drift": [entry_document(entry) for entry in found.drift],
    }
    return dumps(document) if output == "json" else json_line(document)


def status_text_of(found: StackStatus, *, watch: bool) -> str:
    from reconciler.cli.output.drift_text import drift_text
    from reconciler.cli.output.driver_text import driver_lines
    from reconciler.cli.output.plan_text import refusal_lines
    from reconciler.cli.output.scheduled_text import scheduled_text

    session, driver = found.session, found.driver
    stack, look, notes = session.stack, session.stack.look, []
    if stack.instead:
        why = "compared with the specs" if stack.named else "the specs are invalid; compared with them"
        notes.append(f"{look.sign('warn')} {why} {stack.instead}")
    if session.restored:
        notes.append(f"{look.sign('warn')} the controller restored the last accepted revision, {session.restored}")
    if session.unreadable:
        notes.append(f"{look.sign('bad')} stack read-only: {session.unreadable}")
    if session.suspended_by:
        notes.append(f"{look.sign('wait')} stack suspended by {session.suspended_by}")
    head = driver_lines(driver, session.applied, stack.aws.clock.now(), look)
    blocks = ["\n".join(head), *(look.paint(note, "yellow") for note in notes)]
    blocks += [f"{look.sign('wait')} {address}   {not_ready}" for address, not_ready in session.missing.items()]
    more = {"driven": driver.counts, "paused": bool(session.suspended_by)}
    blocks += [service_block(session, status, found.plan.names, watch=watch, **more) for status in found.services]
    blocks += ["\n".join(refusal_lines(refusal, look)) for refusal in found.refusals]
    blocks += [
        look.paint(f"{look.sign('warn')} {note.address}: {note.because}", "yellow") for note in found.left_by_rules
    ]
    blocks += [_task(session, task, watch=watch) for task in found.tasks]
    blocks += [scheduled_text(task, look) for task in found.scheduled]
    if not (found.services or found.tasks or found.scheduled or session.missing):
        blocks.append("The specs define no services and no tasks.")
    if found.drift:
        blocks.append(drift_text(found.drift, look, MOST_DRIFT).lstrip())
    return "\n\n".join(blocks)


def stop_line(stop: TaskStop, name: str, look: Look) -> str:
    """Indented like the lines of a service, and broken where the columns end."""
    text = f"{plain(stop_text(stop))}, last {stop.at:%d %b %H:%M} UTC; `reconciler logs {name} --previous`"
    return "  " + look.flow([(f"{look.sign('warn')} {text}", "yellow")], indent="    ")


MOST_DRIFT = 5
READ_ONLY = "read-only"
"""State of a one-off task whose run this version cannot read."""
TASK_SIGNS = {
    READ_ONLY: ("bad", "red"),
    "failed": ("bad", "red"),
    "running": ("roll", "cyan"),
    "succeeded": ("ok", "green"),
}


def _task(session: RolloutSession, status: TaskStatus, *, watch: bool) -> str:
    from reconciler.cli.output.task_result import failed_text

    stack = session.stack
    if status.task is not None and status.state == "failed" and not watch:
        return failed_text(stack.aws, status.task, stack.look, verbose=stack.verbose)
    return task_line(status, stack.look)


def task_line(status: TaskStatus, look: Look) -> str:
    sign, color = TASK_SIGNS.get(status.state, ("wait", "yellow"))
    repeats = not status.because or status.because.startswith(status.state)
    text = status.because or status.state if repeats else f"{status.state}: {status.because}"
    return f"{look.paint(str(status.address), 'bold')}   {look.paint(f'{look.sign(sign)} {text}', color)}"


def service_block(
    session: RolloutSession,
    status: ServiceStatus,
    names: Mapping[str, Address],
    *,
    watch: bool,
    driven: bool = True,
    paused: bool = False,
) -> str:
    from reconciler.cli.output.failure_text import failure_text
    from reconciler.cli.output.rollout_text import status_text
    from reconciler.reconcile.held_counts import text as held_text
    from reconciler.rollout.stored_state import Actor

    stack, observed, step, state = session.stack, status.observed, status.step, status.observed.marks
    now = stack.aws.clock.now()
    counts = status.forecast if driven and not paused else None
    text = status_text(
        status.rollout, observed, step, status.verbs, now, stack.look, driven=driven, paused=paused, forecast=counts
    )
    if status.held is not None:
        least = f"at least {status.held.count} tasks:" if status.rollout.delivery.scales else "desired count"
        text += "\n  " + stack.look.paint(f"{least} {held_text(status.held)}", "yellow")
    for action in status.pending:
        text += "\n  " + stack.look.paint(f"pending: {_changes(action, names, stack.look)}", "yellow")
    for entry in status.deferred:
        changes = _changes(entry.action, names, stack.look)
        text += "\n  " + stack.look.paint(f"deferred: {changes}: {entry.because}", "yellow")
    for stop in reversed(status.stops):
        text += "\n" + stop_line(stop, status.rollout.delivery.name, stack.look)
    for warning in status.warnings:
        text += "\n  " + stack.look.paint(f"{stack.look.sign('warn')} {warning}", "yellow")
    ended = state.ended_of(observed.wanted)
    unknown = ended is None or ended.by is Actor.PERSON  # another rollout has ended since, or nothing of it has failed
    unexplained = unknown or state.rejection_of(observed.wanted)
    if watch or unexplained or not state.quarantined(observed.wanted):
        return text
    try:
        diagnosis = session.driver.failure_reporter.write(stack.aws, status.rollout, observed, step)
    except errors.ReconcilerError as error:
        return f"{text}\n  the cause is unknown: {error}"
    return f"{text}\n{failure_text(diagnosis, stack.look, verbose=stack.verbose)}"


def _changes(action: Action, names: Mapping[str, Address], look: Look) -> str:
    """`service/api desired_count 0 → 2`, or the verb where no field differs."""
    from reconciler.cli.output.values import change_text

    changes = ", ".join(change_text(change, names, look.sign("arrow")) for change in action.changes if not change.rolls)
    return f"{action.address} {changes or action.verb}"
