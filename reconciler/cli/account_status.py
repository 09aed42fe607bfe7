"""Status of a stack whose specs are not known: what runs, and what its services remember of rollouts and requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.driver_state import driver_state
from reconciler.cli.journals import Kept, kept
from reconciler.cli.output.driver_text import driver_document, driver_lines
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.logs_text import stopped_document
from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps, json_line
from reconciler.cli.output.rollout_json import read_only_document, verdict_document
from reconciler.cli.output.scheduled_text import scheduled_document, scheduled_text
from reconciler.cli.output.terminal import Look, echo, say
from reconciler.cli.service_status import RECENT
from reconciler.cli.status_output import stop_line, task_line
from reconciler.cli.task_requests import TaskStatus
from reconciler.diagnosis.observations import plain
from reconciler.queries import versions
from reconciler.queries.scheduled_runs import scheduled_task
from reconciler.queries.versions import ServiceState
from reconciler.reconcile.pass_ import tags_of
from reconciler.rollout.state import short
from reconciler.store.task_stops import TaskStop

if TYPE_CHECKING:
    from reconciler.cli.session import Stack


def account_status(stack: Stack, name: str | None, output: str) -> Exit:
    """Raises `click.UsageError` for a name that nothing of the stack has."""
    world, target = stack.bare, stack.target
    assert world is not None
    since, journals = stack.aws.clock.now() - RECENT, kept(stack)
    states = [versions.find(world, spec, target.place.stack) for spec in target.deliveries]
    tasks = [TaskStatus(one.address, one, one.reason) for one in world.found.get("task", ())]
    schedules = list(world.found.get("schedule", ()))
    if name is not None:
        known = [one.delivery.service for one in states]
        known += [*(one.address for one in tasks), *(one.address for one in schedules)]
        if not any(name in (one.name, str(one)) for one in known):
            listed = ", ".join(map(str, known)) or "no service and no task"
            raise click.UsageError(f"nothing of the stack is called {name!r}; it has {listed}")
        states = [one for one in states if name in (one.delivery.name, str(one.delivery.service))]
        tasks = [one for one in tasks if name in (one.address.name, str(one.address))]
        schedules = [one for one in schedules if name in (one.address.name, str(one.address))]
    runs = [stack.aws.run(scheduled_task(one, stack.aws.clock.now())) for one in schedules]
    requests = tags_of(target, world)
    driver, look = driver_state(stack, applied=requests.revision), stack.look
    stops = {one.name: _recent(journals, one, since) for one in states}
    if output == "text":
        blocks = ["\n".join(driver_lines(driver, requests.revision, stack.aws.clock.now(), look))]
        if requests.suspended:
            blocks.append(look.paint(f"{look.sign('wait')} stack suspended by {requests.suspended}", "yellow"))
        blocks += ["\n".join(_lines(one, stops[one.name], look)) for one in states]
        blocks += [task_line(one, look) for one in tasks] + [scheduled_text(one, look) for one in runs]
        say("\n\n".join(blocks), look)
    else:
        document = {
            "format_version": FORMAT_VERSION,
            "specs": {"valid": False, "instead": stack.instead},
            "driver": driver_document(driver, requests.revision),
            "stack_suspended_by": requests.suspended or None,
            "read_only": read_only_document(requests.unreadable),
            "services": [_document(one, stops[one.name]) for one in states],
            "tasks": [{"address": str(one.address), "state": one.state, "because": one.because} for one in tasks],
            "scheduled": [scheduled_document(one) for one in runs],
        }
        echo(dumps(document) if output == "json" else json_line(document))
    return _exit(states, tasks, unreadable=requests.unreadable)


def _recent(journals: Kept, state: ServiceState, since: Any) -> tuple[TaskStop, ...]:
    return tuple(one for one in journals.stops_of(str(state.delivery.service)) if one.at >= since)


def _exit(states: list[ServiceState], tasks: list[TaskStatus], *, unreadable: str) -> Exit:
    """As far as it can be known without the specs: what is declared and not deployed is not."""
    if unreadable or any(one.marks.unreadable for one in states):
        return Exit.BLOCKED
    if any(one.state == "failed" for one in tasks):
        return Exit.ROLLED_BACK
    incomplete = any(one.marks.deadline is not None or _counts(one)[0] != _counts(one)[1] for one in states)
    return Exit.PENDING if incomplete else Exit.DONE


def _counts(state: ServiceState) -> tuple[int, int]:
    """Tasks that run, and that are desired."""
    item = state.service.facts["item"]
    return int(item.get("runningCount", 0)), int(item.get("desiredCount", 0))


def _lines(state: ServiceState, stops: tuple[TaskStop, ...], look: Look) -> Iterator[str]:
    marks, (running, desired) = state.marks, _counts(state)
    sign, color = ("ok", "green") if running == desired else ("roll", "cyan")
    count = look.paint(f"{look.sign(sign)} {running} of {desired} tasks run", color)
    yield f"{look.paint(str(state.delivery.service), 'bold')}   {count}"
    for one in state.runs:
        release = f"release {short(one.release)}   " if one.release else ""
        tasks = f"{one.running} of {one.desired} tasks run"
        yield f"  {release}{one.revision}   {one.state.lower()}   {tasks}"
    if marks.unreadable:
        yield look.paint(f"  read-only: {marks.unreadable}", "red")
    if marks.deadline is not None:
        yield f"  release {short(marks.deadline.release)} is being rolled out"
    for pause in (marks.suspended, marks.hold):
        if pause is not None:
            yield look.paint(f"  {'on hold' if pause.release else 'suspended'} by {pause}", "yellow")
    for release in reversed(marks.quarantine):
        verdict = marks.verdict_of(release)
        why = "" if verdict is None else f": {verdict.outcome} {verdict.at:%d %b %H:%M} UTC: {plain(verdict.why)}"
        yield look.paint(f"  {short(release)} is quarantined{why}", "yellow")
    for stop in reversed(stops):
        yield stop_line(stop, state.delivery.name, look)


def _document(state: ServiceState, stops: tuple[TaskStop, ...]) -> dict[str, Any]:
    marks, (running, desired) = state.marks, _counts(state)
    verdicts = {release: marks.verdict_of(release) for release in marks.quarantine}
    return {
        "address": str(state.delivery.service),
        "engine": state.delivery.policy.engine,
        "running": running,
        "desired": desired,
        "versions": [
            {
                "id": one.id, "release": one.release or None, "task_definition": one.revision, "state": one.state,
                "running": one.running, "desired": one.desired, "pending": one.pending,
            }
            for one in state.runs
        ],
        "read_only": read_only_document(marks.unreadable),
        "rolling_out": None if marks.deadline is None else marks.deadline.release,
        "suspended_by": None if marks.suspended is None else marks.suspended.by,
        "held_by": None if marks.hold is None else marks.hold.by,
        "quarantine": list(marks.quarantine),
        "verdicts": [
            {"release": release, **verdict_document(verdict)}
            for release, verdict in verdicts.items()
            if verdict is not None
        ],
        "stopped": [stopped_document(stop) for stop in stops],
    }  # fmt: skip
