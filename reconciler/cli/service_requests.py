"""Requests about one service: promote, rollback, abort, hold, extend, finish, retry, suspend, resume.

A request is a tag on the ECS service: who asks for what, when, for which release. The controller answers it with
another tag, and the command waits for the answer. IAM decides who may ask; CloudTrail records who did. A request that
would be refused is not written, and neither is one that nobody would answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.driver_state import AT_ONCE, DriverState, answering, stopped
from reconciler.cli.lease import held
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.prepared_requests import WAYS_BACK, prepare
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.rollout.release import Version
from reconciler.rollout.requests import (
    Request,
    RequestVerb,
    Response,
)

if TYPE_CHECKING:
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.rollout_driver.targets import ServiceRollout

F = TypeVar("F", bound=Callable[..., Any])

ANSWER_SECONDS = 60.0
POLL_SECONDS = 1.0


def request_options(function: F) -> F:
    for option in (
        options.store,
        options.timeout(ANSWER_SECONDS, "the answer"),
        click.option("--now", is_flag=True, help="Execute it in this process instead of the controller."),
        options.reason("the request"),
        click.option(
            "--release",
            metavar="ID",
            help="The release it applies to. Default: the one being rolled out, or else the one that runs.",
        ),
        options.service,
    ):
        function = option(function)
    return function


def request_command(verb: RequestVerb, help: str | None) -> click.Command:
    """The command that sends a request without options of its own."""

    @click.command(str(verb), help=help)
    @request_options
    @with_last_valid_stack
    def command(stack: Stack, **request: Any) -> int:
        return send(stack, verb, **request)

    return command


def send(
    stack: Stack,
    verb: RequestVerb,
    *,
    service: str | None,
    release: str | None,
    why: str,
    now: bool,
    timeout: float | None,
    by: timedelta = timedelta(),
    to: str | None = None,
) -> Exit:
    """Write the request, unless it would be refused, and wait until it is answered.

    Exit 0: accepted; 4: not answered in time. Raises `errors.Refused` with the reason. `timeout` None: that of a
    request that somebody will answer, so none is recorded while nobody drives the stack.
    """
    from reconciler.cli.rollout_session import open_rollouts

    session, who = open_rollouts(stack), stack.identity.who
    prepared = prepare(session, verb, service=service, release=release, why=why, who=who, now=now, by=by, to=to)
    name, awaited = prepared.rollout.delivery.name, None
    if not now:
        recorded = timeout is not None
        awaited = answering(stack, f"{verb} {name}", applied=session.applied, recorded=recorded, ways=AT_ONCE)
    say(stack.banner, stack.err_look, err=True)
    if left := prepared.not_taken_back:
        echo(f"note: not taken back, because tasks read the latest version: {', '.join(left)}", err=True)
    prepared.write()
    if now:
        with held(stack, str(verb)):
            return _execute(stack, prepared.rollout, prepared.request, prepared.deployed)
    seconds = ANSWER_SECONDS if timeout is None else timeout
    return _report(verb, name, _answer(session, prepared.rollout, prepared.request, seconds, awaited))


def _answer(
    session: RolloutSession, rollout: ServiceRollout, request: Request, timeout: float, awaited: DriverState | None
) -> Response | None:
    """None if there is none in time, or if whoever was to answer has stopped meanwhile."""
    clock, never = session.stack.aws.clock, threading.Event()
    end = clock.monotonic() + timeout * clock.speed
    while True:
        observed, _ = session.driver.look(rollout)
        response: Response | None = observed.marks.response
        if response is not None and response.id == request.id:
            return response
        if clock.monotonic() >= end:
            return None
        if awaited is not None and stopped(session.stack, awaited, applied=session.applied):
            return None
        clock.wait(never, POLL_SECONDS)


def _report(verb: RequestVerb, name: str, answer: Response | None) -> Exit:
    if answer is None:
        echo(
            f"{verb} {name}: request recorded, not yet acknowledged. The controller or the next `reconciler apply` "
            "executes it; `--now` executes it here. It expires after 1 h.",
            err=True,
        )
        return Exit.TIMED_OUT
    if answer.refusal is not None:
        raise errors.Refused(f"{verb} {name}: {answer.refusal.why}", code=answer.refusal.code)
    echo(f"{verb} {name}: accepted. Run `reconciler status {name}` to see the result.")
    return Exit.DONE


def _execute(stack: Stack, rollout: ServiceRollout, request: Request, deployed: Version | None) -> Exit:
    """Run a controller until the request is answered, and all that follows from it at once is done.

    Raises `errors.Refused` while the stack is suspended, except for `WAYS_BACK`.
    """
    from reconciler.cli.output.rollout_text import under_way
    from reconciler.cli.rollout_session import reporting_controller
    from reconciler.controller.goals import RequestHandled, Restarted
    from reconciler.controller.until import Ending

    controller = reporting_controller(stack)
    sort = Restarted if request.verb is RequestVerb.RESTART else RequestHandled
    goal = sort(rollout.address, request.id, while_suspended=request.verb in WAYS_BACK, deployed=deployed)
    ending = controller.run(goal)
    result = controller.queue.results.get(rollout.address)
    if result is not None and result.stuck:
        assert result.error is not None
        raise result.error
    if ending is not Ending.REACHED or goal.answer is None:
        return Exit.INTERRUPTED
    if goal.answer.accepted and result is not None and result.step is not None and not result.at_rest:
        say(under_way(result), stack.look)
    return _report(RequestVerb(request.verb), rollout.delivery.name, goal.answer)
