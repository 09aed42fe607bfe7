"""Show the rollout status of services."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.account_stack import with_shown_stack
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import CLEAR, echo, say
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.cli.journals import Kept
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.cli.status_output import StackStatus
    from reconciler.model.resource import Address
    from reconciler.queries.scheduled_runs import ScheduledTask

REFRESH_SECONDS = 2.0
DRIFT_SHOWN = timedelta(days=1)


@click.command()
@options.service
@options.store
@options.output("text", "json", "jsonl")
@click.option("-w", "--watch", is_flag=True, help="Refresh until all rollouts are stable, or until Ctrl-C.")
@with_shown_stack
def status(stack: Stack, service: str | None, output: str, watch: bool) -> int:
    """Show the rollout status of SERVICE or of a Task, or of all services, one-off tasks and scheduled tasks.

    Exits with 0 if all are stable, 2 if a rollout is in progress or a change of a service is pending, 3 if a rollout
    failed or was rolled back or a task failed, 5 if a service is read-only or blocked or the plan is refused, and 6 if
    one is waiting for promotion or another request. A run of a scheduled task that failed does not count. Drift of the
    last day comes last, with who made it, from the store of the controller.
    """
    from reconciler.cli.account_status import account_status
    from reconciler.cli.driver_state import driver_state
    from reconciler.cli.journals import kept
    from reconciler.cli.rollout_session import open_rollouts
    from reconciler.cli.service_status import service_status
    from reconciler.cli.status_output import StackStatus, status_json, status_text_of
    from reconciler.cli.task_requests import task_statuses
    from reconciler.cli.task_subjects import task_address
    from reconciler.model.resource_type import Depth
    from reconciler.reconcile.observe import observe
    from reconciler.reconcile.pass_ import planned

    if stack.bare is not None:
        if watch:
            echo("warning: --watch needs the specs; the stack is shown once", err=True)
        return account_status(stack, service, output)
    stop, last, journals = threading.Event(), "", kept(stack)
    session, task = open_rollouts(stack), task_address(stack, service)
    if task is not None:
        session.rollouts, session.missing = (), {}
    elif service is not None:
        session.rollouts = (session.rollout(service),)

    drift = journals.drift
    if service is not None:
        address = task if task is not None else session.rollouts[0].address
        drift = journals.drift_of(address, stack.target.desired)
    drift = tuple(entry for entry in drift if stack.aws.clock.now() - entry.at <= DRIFT_SHOWN)

    def shown(address: Address) -> bool:
        return service is None or address == task

    while True:
        plan, _ = planned(stack.target, session.world, stack.kinds, at=stack.aws.clock.now())
        services = tuple(service_status(session, rollout, plan, journals) for rollout in session.rollouts)
        tasks = tuple(one for one in task_statuses(stack.target.desired, session.world) if shown(one.address))
        scheduled = _scheduled(session, shown, journals)
        driver = driver_state(stack, applied=session.applied)
        if watch and (output != "text" or not sys.stdout.isatty()):  # a line for each change, and not for each pass
            driver = replace(driver, report=replace(driver.report, passed_at=None))
        found = StackStatus(session, services, tasks, scheduled, plan, driver, drift)
        text = status_text_of(found, watch=watch) if output == "text" else status_json(found, output)
        if text != last:
            if watch and output == "text" and sys.stdout.isatty():
                echo(CLEAR, nl=False)
                say(stack.banner + "\n", stack.look)
            say(text, stack.look)
            sys.stdout.flush()
        last = text
        pending = found.pending and not plan.refusals
        stable = not pending and all(one.step.wake_at is None and not one.observed.waits for one in services)
        if not watch or (stable and not session.missing):
            return _exit(found)
        stack.aws.clock.wait(stop, REFRESH_SECONDS * stack.aws.clock.speed)
        if pending or any(task.state == "running" for task in tasks):
            target = stack.target
            session.world = observe(
                stack.aws, stack.kinds, target.place, target.desired, depth=Depth.MEDIUM, before=session.world
            )


def _scheduled(session: RolloutSession, shown: Callable[[Address], bool], journals: Kept) -> tuple[ScheduledTask, ...]:
    """The scheduled tasks of the specs that are deployed; the others are missing. Raises `errors.AwsError`.

    Of what ECS has forgotten, the last run is the one that the store keeps.
    """
    from reconciler.queries.scheduled_runs import kept_run, scheduled_task
    from reconciler.rollout_driver.targets import NotReady

    stack, found = session.stack, {one.address: one for one in session.world.found.get("schedule", ())}
    tasks = []
    for address in sorted(stack.target.wanted, key=str):
        if address.kind != "schedule" or not shown(address):
            continue
        if address not in found:
            session.missing[address] = NotReady("`reconciler apply` creates it")
            continue
        task = stack.aws.run(scheduled_task(found[address], stack.aws.clock.now()))
        stops = journals.stops_of(str(address))
        tasks.append(replace(task, last=kept_run(stops[-1])) if task.last is None and stops else task)
    return tuple(tasks)


def _exit(found: StackStatus) -> int:
    """The worst of all services and tasks. A one-off task that runs is no rollout: it may run for ever."""
    from reconciler.cli.output.rollout_json import outcome_of
    from reconciler.cli.status_output import READ_ONLY

    codes = {outcome_of(status.observed, status.step) for status in found.services}
    codes |= {Exit.PENDING} if found.pending else set()
    codes |= {Exit.ROLLED_BACK for task in found.tasks if task.state == "failed"}
    codes |= {Exit.BLOCKED for task in found.tasks if task.state == READ_ONLY}
    codes |= {Exit.BLOCKED} if found.session.unreadable or found.refusals else set()
    for code in (Exit.BLOCKED, Exit.ROLLED_BACK, Exit.WAITING, Exit.PENDING):
        if code in codes:
            return code
    return Exit.PENDING if found.session.missing else Exit.DONE
