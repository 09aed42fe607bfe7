"""Interactive command in a task of its own, which idles while the command runs in it as `exec` runs one.

The task is stopped whatever ends the session. Where it cannot be, because this process was killed or AWS cannot be
reached, it ends by itself: what it idles with has a limit of time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors
from reconciler.cli.one_off_task import POLL_SECONDS, Command, OneOffTask, container_of, described, started
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.signals import ignore, stopping, terminating, vanish
from reconciler.cli.task_session import NOT_CONNECTED, TaskSession, agent_of, check_plugin, session_in

if TYPE_CHECKING:
    import signal

    from reconciler.cli.session import Stack
    from reconciler.queries.placement import Placement
    from reconciler.queries.versions import ServiceState

LONGEST_SECONDS: Final = 12 * 3600
"""After which the task ends by itself, unless `--timeout` says another time."""

START_SECONDS: Final = 600
"""Longest time until the container runs: large images are pulled, and capacity is found, in minutes."""

AGENT_SECONDS: Final = 120
"""Longest time from there until its agent takes sessions."""


def interact(stack: Stack, state: ServiceState, placed: Placement, command: Command, timeout: float | None) -> int:
    """Run `command` in a new task, with this process's terminal; its exit code, in AWS that of the plugin.

    Raises `errors.ReconcilerError` if it cannot be run, or the task cannot be stopped.
    """
    _check(stack, state)
    idle = ("sleep", str(max(1, round(LONGEST_SECONDS if timeout is None else timeout))))
    task: OneOffTask | None = None
    with terminating():
        try:
            with stopping(_first, vanish) as stopped:
                asked = replace(command, arguments=idle, exec=True)
                task = started(stack, state.delivery.service, state.cluster, placed, asked)
                session = _ready(task, state, stopped.stop)
            if session is None or stopped.caught is not None:
                return stopped.code or Exit.INTERRUPTED
            echo(f"task {task.id[:8]}, container {task.container}; it is stopped when the command ends", err=True)
            return _executed(session, command.arguments)
        finally:
            if task is not None:
                _stop(task)


def _first(_: signal.Signals) -> None:
    echo("Stopping the task (Ctrl-C again to leave it)", err=True)


def _check(stack: Stack, state: ServiceState) -> None:
    """Raises `errors.ReconcilerError` for what would keep every session from beginning."""
    from reconciler.cli.emulator_client import is_emulator
    from reconciler.model.resource import Ref
    from reconciler.spec import names

    spec = state.delivery
    wanted = stack.target.wanted
    role = wanted[spec.task_definition].spec.task_role
    generated = not role or (isinstance(role, Ref) and role.address.name == names.task_role(spec.name))
    if generated and not wanted[spec.service].spec.exec:
        why = f"its role takes no sessions: set `exec: true` in the Service at {spec.where}, and apply it"
        raise errors.ReconcilerError(f"{spec.service}: {why}")
    if not is_emulator(stack.identity.endpoint):
        check_plugin()


def _ready(task: OneOffTask, state: ServiceState, stop: threading.Event) -> TaskSession | None:
    """The session once the container takes one; None once `stop` is set."""
    clock, shown = task.stack.aws.clock, ""
    began, running = clock.monotonic(), None
    while not stop.is_set():
        item = described(task)
        status = "" if item is None else str(item["lastStatus"])
        if status and status != shown:
            shown = status
            echo(f"task {task.id[:8]}: {status.lower()}", err=True)
        container = {} if item is None else container_of(task, item)
        if item is not None and (status == "STOPPED" or container.get("lastStatus") == "STOPPED"):
            raise errors.ReconcilerError(_ended(task, item))
        now = clock.monotonic()
        if item is not None and container.get("lastStatus") == "RUNNING":
            session = session_in(task.stack, item, task.container)
            if session is not None:
                return session
            running = now if running is None else running
            agent, reason = agent_of(container)
            if agent == "STOPPED" or now - running >= AGENT_SECONDS * clock.speed:
                raise errors.ReconcilerError(_no_agent(task, state, f"{agent}{reason}"))
        elif now - began >= START_SECONDS * clock.speed:
            minutes = START_SECONDS // 60
            raise errors.ReconcilerError(f"task {task.id} does not run after {minutes} minutes: {status or 'unknown'}")
        clock.wait(stop, POLL_SECONDS * clock.speed)
    return None


def _executed(session: TaskSession, arguments: Sequence[str]) -> int:
    """Run the command, once Systems Manager knows the agent. Raises `errors.AwsError`."""
    clock, never = session.stack.aws.clock, threading.Event()
    end = clock.monotonic() + AGENT_SECONDS * clock.speed
    while True:
        try:
            return session.execute(arguments)
        except errors.AwsError as error:
            if error.code != NOT_CONNECTED or clock.monotonic() >= end:
                raise
        clock.wait(never, POLL_SECONDS * clock.speed)


def _ended(task: OneOffTask, item: dict[str, Any]) -> str:
    container = container_of(task, item)
    reason = container.get("reason") or item.get("stoppedReason") or "no reason given"
    code = container.get("exitCode")
    if code is None:
        return f"task {task.id} ended before the session began: {reason}"
    hint = "the task idles with `sleep`, which the image lacks or its entry point does not run"
    return f"container {task.container} of task {task.id} ended with exit code {code} before the session began; {hint}"


def _no_agent(task: OneOffTask, state: ServiceState, agent: str) -> str:
    return (
        f"the agent for sessions in container {task.container} of task {task.id} is {agent}. It needs the permissions "
        f"ssmmessages:* in the role of the task, which `exec: true` in the Service at {state.delivery.where} gives a "
        "generated role, a way to Systems Manager (the internet, NAT, or an `ssmmessages` endpoint), and a root file "
        "system that can be written"
    )


def _stop(task: OneOffTask) -> None:
    """Stop it; signals wait meanwhile, the second one does not."""
    with stopping(ignore, vanish):
        try:
            task.stop("the command of reconciler run-task has ended")
        except errors.Gone:
            return  # it has stopped already
        except errors.AwsError as error:
            command = f"aws ecs stop-task --cluster {task.cluster} --task {task.id}"
            raise errors.ReconcilerError(f"task {task.id} could not be stopped: {error}. Run `{command}`") from error
