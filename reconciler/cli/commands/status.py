"""Show the rollout status of services.

It is one module because the exit code, the text and the JSON are of the same few values, and have to agree.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import CLEAR, echo, say
from reconciler.cli.session import Stack, with_last_valid_stack

if TYPE_CHECKING:
    from reconciler.cli.driver_state import DriverState
    from reconciler.cli.output.terminal import Look
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.cli.task_requests import TaskStatus
    from reconciler.model.plan import Action, Deferred, Plan, Refusal
    from reconciler.model.resource import Address
    from reconciler.queries.scheduled_runs import ScheduledTask
    from reconciler.reconcile.held_counts import HeldCount
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.forecast import Forecast
    from reconciler.rollout.requests import RequestVerb
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import ServiceRollout

REFRESH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as it was observed, the next step of its rollout, and the requests that it would accept.

    `warnings` are about a count of 0 that the specs do not state, containers that failed although their tasks run, and
    what ECS would need for the next deployment and has lost.
    `deferred` follows the release. `pending` are changes to the service and its scaling that are not made yet, such as
    a count that was changed in the account. `held` is a count that is held in place of the specs'.
    `forecast` is that of a rollout in progress.
    """

    rollout: ServiceRollout
    observed: ObservedService
    step: RolloutStep
    verbs: tuple[RequestVerb, ...]
    warnings: tuple[str, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    pending: tuple[Action, ...] = ()
    held: HeldCount | None = None
    forecast: Forecast | None = None


@click.command()
@options.service
@options.store
@options.output("text", "json", "jsonl")
@click.option("-w", "--watch", is_flag=True, help="Refresh until all rollouts are stable, or until Ctrl-C.")
@with_last_valid_stack
def status(stack: Stack, service: str | None, output: str, watch: bool) -> int:
    """Show the rollout status of SERVICE, or of all services, one-off tasks and scheduled tasks.

    Exits with 0 if all are stable, 2 if a rollout is in progress or a change of a service is pending, 3 if a rollout
    failed or was rolled back or a task failed, 5 if a service is read-only or blocked or the plan is refused, and 6 if
    one is waiting for promotion or another request. A run of a scheduled task that failed does not count.
    """
    from reconciler.cli.driver_state import driver_state
    from reconciler.cli.rollout_session import open_rollouts
    from reconciler.cli.task_requests import task_statuses
    from reconciler.model.resource_type import Depth
    from reconciler.reconcile.observe import observe
    from reconciler.reconcile.pass_ import planned

    stop, last = threading.Event(), ""
    session = open_rollouts(stack)
    if service is not None:
        session.rollouts = (session.rollout(service),)
    while True:
        plan, _ = planned(stack.target, session.world, stack.kinds, at=stack.aws.clock.now())
        statuses = [_observe(session, rollout, plan) for rollout in session.rollouts]
        tasks = () if service is not None else task_statuses(stack.target.desired, session.world)
        scheduled = () if service is not None else _scheduled(session)
        driver = driver_state(stack, applied=session.applied)
        if watch and (output != "text" or not sys.stdout.isatty()):  # a line for each change, and not for each pass
            driver = replace(driver, report=replace(driver.report, passed_at=None))
        if output == "text":
            text = _text(session, statuses, tasks, scheduled, plan, driver, watch=watch)
        else:
            text = _json(session, statuses, tasks, scheduled, plan, driver, output)
        if text != last:
            if watch and output == "text" and sys.stdout.isatty():
                echo(CLEAR + stack.banner + "\n")
            say(text, stack.look)
            sys.stdout.flush()
        last = text
        pending = any(status.pending for status in statuses) and not plan.refusals
        stable = not pending and all(one.step.wake_at is None and not one.observed.waits for one in statuses)
        if not watch or (stable and not session.missing):
            return _exit(session, statuses, tasks, plan)
        stack.aws.clock.wait(stop, REFRESH_SECONDS * stack.aws.clock.speed)
        if pending or any(task.state == "running" for task in tasks):
            target = stack.target
            session.world = observe(
                stack.aws, stack.kinds, target.place, target.desired, depth=Depth.MEDIUM, before=session.world
            )


def _scheduled(session: RolloutSession) -> tuple[ScheduledTask, ...]:
    """The scheduled tasks of the specs that are deployed. Raises `errors.AwsError`."""
    from reconciler.queries.scheduled_runs import scheduled_task

    stack = session.stack
    found = [one for one in session.world.found.get("schedule", ()) if one.address in stack.target.wanted]
    return tuple(stack.aws.run(scheduled_task(one, stack.aws.clock.now())) for one in found)


def _observe(session: RolloutSession, rollout: ServiceRollout, plan: Plan) -> ServiceStatus:
    from reconciler.cli.rollout_session import rollout_warnings, without_tasks
    from reconciler.model.plan import DeferralCode
    from reconciler.reconcile.followers import followers
    from reconciler.reconcile.held_counts import of_tags
    from reconciler.reconcile.lost_pairs import lost_pairs
    from reconciler.rollout.engine import RolloutHealth
    from reconciler.rollout.engine_change import OVER_ROLLING
    from reconciler.rollout_driver.times import forecast_of

    observed, step = session.driver.look(rollout)
    verbs: tuple[RequestVerb, ...] = ()
    if not observed.marks.unreadable:
        now = session.stack.aws.clock.now()
        verbs = rollout.engine.allowed_requests(rollout.delivery.policy, observed, now)
    idle = without_tasks(session.stack, rollout, observed) if step.at_rest else ()
    target, kinds = session.stack.target, session.stack.kinds
    lost = lost_pairs(plan, session.world, target.wanted, kinds, (rollout.delivery,))
    told = tuple(note.because for note in lost if OVER_ROLLING not in step.because)
    warnings = idle + rollout_warnings(session.stack, rollout) + told
    mine = set(followers(rollout.delivery))
    with_release = [entry for entry in plan.deferred if entry.code is DeferralCode.WITH_RELEASE]
    deferred = tuple(entry for entry in with_release if entry.action.address in mine)
    pending = tuple(action for action in plan.actions if action.address in mine and not action.only_rolls)
    if pending and step.at_rest and step.health is RolloutHealth.HEALTHY:
        step = replace(step, health=RolloutHealth.SUSPENDED, because="it differs from the specs")
    service = next((one for one in session.world.found.get("service", ()) if one.address == rollout.address), None)
    held = None if service is None else of_tags(service.tags)
    held = held if held is not None and held.holds(session.stack.aws.clock.now()) else None
    begun = observed.marks.times_of(step.release) is not None
    forecast = forecast_of(rollout, observed, session.stack.aws.clock.now()) if begun else None
    return ServiceStatus(rollout, observed, step, verbs, warnings, deferred, pending, held, forecast)


def _json(
    session: RolloutSession,
    statuses: list[ServiceStatus],
    tasks: tuple[TaskStatus, ...],
    scheduled: tuple[ScheduledTask, ...],
    plan: Plan,
    driver: DriverState,
    output: str,
) -> str:
    from reconciler.cli.output.driver_text import driver_document
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

    document = {
        "format_version": FORMAT_VERSION,
        "specs": {"valid": not session.stack.instead, "instead": session.stack.instead or None},
        "driver": driver_document(driver, session.applied),
        "stack_suspended_by": session.suspended_by or None,
        "controller_restored": session.restored or None,
        "read_only": read_only_document(session.unreadable),
        "services": [
            status_document(one.rollout, one.observed, one.step, one.verbs, one.forecast)
            | {
                "warnings": list(one.warnings),
                "deferred": [deferred_document(entry) for entry in one.deferred],
                "pending": [action_document(action) for action in one.pending],
                "held_count": None
                if one.held is None
                else {"count": one.held.count, "until": one.held.until.isoformat(), "by": one.held.by},
            }
            for one in statuses
        ],
        "not_deployed": [
            {"address": str(address), "because": not_ready.because} for address, not_ready in session.missing.items()
        ],
        "refusals": [refusal_document(refusal) for refusal in plan.refusals],
        "tasks": [{"address": str(one.address), "state": one.state, "because": one.because} for one in tasks],
        "scheduled": [scheduled_document(task) for task in scheduled],
    }
    return dumps(document) if output == "json" else json_line(document)


def _text(
    session: RolloutSession,
    statuses: list[ServiceStatus],
    tasks: tuple[TaskStatus, ...],
    scheduled: tuple[ScheduledTask, ...],
    plan: Plan,
    driver: DriverState,
    *,
    watch: bool,
) -> str:
    from reconciler.cli.output.driver_text import driver_lines
    from reconciler.cli.output.plan_text import refusal_lines
    from reconciler.cli.output.scheduled_text import scheduled_text

    stack, look = session.stack, session.stack.look
    notes = []
    if session.stack.instead:
        notes.append(f"{look.sign('warn')} the specs are invalid; compared with them {session.stack.instead}")
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
    blocks += [_block(session, status, plan.names, watch=watch, **more) for status in statuses]
    blocks += ["\n".join(refusal_lines(refusal, look)) for refusal in _refusals(plan, statuses)]
    blocks += [_task(session, task, watch=watch) for task in tasks]
    blocks += [scheduled_text(task, look) for task in scheduled]
    if not (statuses or tasks or scheduled or session.missing):
        blocks.append("The specs define no services and no tasks.")
    return "\n\n".join(blocks)


def _refusals(plan: Plan, statuses: list[ServiceStatus]) -> list[Refusal]:
    """Why the plan is refused, without what is shown elsewhere and refuses nothing here."""
    from reconciler.model.plan import RefusalCode

    pending = any(status.pending for status in statuses)
    shown = (RefusalCode.SUSPENDED, RefusalCode.UNKNOWN_FORMAT, RefusalCode.MISSING)
    return [one for one in plan.refusals if pending or one.code not in shown]


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
    sign, color = TASK_SIGNS.get(status.state, ("wait", "yellow"))
    if status.task is not None and status.state == "failed" and not watch:
        return failed_text(stack.aws, status.task, stack.look, verbose=stack.verbose)
    repeats = not status.because or status.because.startswith(status.state)
    text = status.because or status.state if repeats else f"{status.state}: {status.because}"
    words = stack.look.paint(f"{stack.look.sign(sign)} {text}", color)
    return f"{stack.look.paint(str(status.address), 'bold')}   {words}"


def _block(
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
        text += "\n  " + stack.look.paint(f"desired count {held_text(status.held)}", "yellow")
    for action in status.pending:
        text += "\n  " + stack.look.paint(f"pending: {_changes(action, names, stack.look)}", "yellow")
    for entry in status.deferred:
        changes = _changes(entry.action, names, stack.look)
        text += "\n  " + stack.look.paint(f"deferred: {changes}: {entry.because}", "yellow")
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


def _exit(session: RolloutSession, statuses: list[ServiceStatus], tasks: tuple[TaskStatus, ...], plan: Plan) -> int:
    """The worst of all services and tasks. A one-off task that runs is no rollout: it may run for ever."""
    from reconciler.cli.output.rollout_json import outcome_of

    codes = {outcome_of(status.observed, status.step) for status in statuses}
    codes |= {Exit.PENDING for status in statuses if status.pending}
    codes |= {Exit.ROLLED_BACK for task in tasks if task.state == "failed"}
    codes |= {Exit.BLOCKED for task in tasks if task.state == READ_ONLY}
    codes |= {Exit.BLOCKED} if session.unreadable or _refusals(plan, statuses) else set()
    for code in (Exit.BLOCKED, Exit.ROLLED_BACK, Exit.WAITING, Exit.PENDING):
        if code in codes:
            return code
    return Exit.PENDING if session.missing else Exit.DONE
