"""Requests about one service: promote, rollback, abort, hold, extend, finish, retry, suspend, resume.

A request is a tag on the ECS service: who asks for what, when, for which release. The controller answers it with
another tag, and the command waits for the answer. IAM decides who may ask; CloudTrail records who did. A request that
would be refused is not written, and neither is one that nobody would answer.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.driver_state import AT_ONCE, DriverState, answering, stopped
from reconciler.cli.lease import held
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.rollout.release import Version
from reconciler.rollout.requests import (
    ANY,
    OF_THE_SERVICE,
    Request,
    RequestRefusal,
    RequestRefusalCode,
    RequestVerb,
    Response,
)

if TYPE_CHECKING:
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import ServiceRollout

F = TypeVar("F", bound=Callable[..., Any])

ANSWER_SECONDS = 60.0
POLL_SECONDS = 1.0
WAYS_BACK = frozenset({RequestVerb.ROLLBACK, RequestVerb.ABORT})
"""Requests that `--now` executes although the stack is suspended: they undo, and bring nothing new."""


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
    from reconciler.model.plan import RefusalCode
    from reconciler.rollout.actions import WriteState
    from reconciler.rollout.describe import write_state
    from reconciler.rollout_driver.targets import pinned

    session, clock = open_rollouts(stack), stack.aws.clock
    _check_readable(verb, "the stack", session.unreadable)
    if session.suspended_by and verb not in (WAYS_BACK if now else OF_THE_SERVICE):
        raise errors.Refused(_while_suspended(verb, session.suspended_by, now), code=RefusalCode.SUSPENDED)
    rollout = session.rollout(service)
    observed, step = session.driver.look(rollout)
    _check_readable(verb, rollout.delivery.name, observed.marks.unreadable)
    deployed = _deployed(verb, observed)
    if deployed is not None:
        rollout = pinned(rollout, deployed)
        observed, step = session.driver.look(rollout)
    target, revision = ("", 0) if to is None else _remembered(session, rollout, to)
    request = Request(
        verb,
        _release(verb, release, observed, step),
        uuid.uuid4().hex[:8],
        clock.now(),
        stack.identity.who,
        why,
        int(by.total_seconds()),
        target,
        revision,
    )
    refusal = _refusal(session, rollout, observed, request)
    if refusal is not None:
        raise errors.Refused(f"{verb} {rollout.delivery.name}: {refusal.why}", code=refusal.code)
    awaited = None
    if not now:
        what = f"{verb} {rollout.delivery.name}"
        awaited = answering(stack, what, applied=session.applied, recorded=timeout is not None, ways=AT_ONCE)
    say(stack.banner, stack.err_look, err=True)
    state = observed.marks
    stack.aws.run(write_state(WriteState(state, replace(state, request=request)), rollout.subject))
    if now:
        with held(stack, str(verb)):
            return _execute(stack, rollout, request, deployed)
    seconds = ANSWER_SECONDS if timeout is None else timeout
    return _report(verb, rollout.delivery.name, _answer(session, rollout, request, seconds, awaited))


def _check_readable(verb: RequestVerb, whose: str, unreadable: str) -> None:
    """Raises `errors.Refused` for what is read-only: nobody would answer."""
    if unreadable:
        raise errors.Refused(f"{verb}: {whose} is read-only: {unreadable}", code=RequestRefusalCode.UNKNOWN_FORMAT)


def _while_suspended(verb: RequestVerb, suspended_by: str, now: bool) -> str:
    way_back = f"; `reconciler {verb} --now` executes it all the same" if verb in WAYS_BACK and not now else ""
    return f"the stack is suspended by {suspended_by}; `reconciler resume --stack` resumes it{way_back}"


def _deployed(verb: RequestVerb, observed: ObservedService) -> Version | None:
    """The newest version in the account, if a way back is about it and the specs already declare another one.

    That other version has not begun, and is not started by what undoes the one before it. `abort` may be about it.
    """
    newest = observed.newest
    if verb not in WAYS_BACK or newest is None or newest.release == observed.wanted:
        return None
    if verb is RequestVerb.ABORT and len({one.release for one in observed.alive}) < 2:
        return None
    return Version(newest.release, newest.task_definition)


def _release(verb: RequestVerb, release: str | None, observed: ObservedService, step: RolloutStep) -> str:
    """The release that the request is about; an abbreviation of a known one is completed."""
    if verb in OF_THE_SERVICE:
        return ANY
    known = sorted({task_set.release for task_set in observed.sets} | ({observed.wanted} - {""}))
    if release is not None:
        return next((full for full in known if full.startswith(release)), release)
    return observed.wanted if verb is RequestVerb.RETRY else step.release


def _remembered(session: RolloutSession, rollout: ServiceRollout, to: str) -> tuple[str, int]:
    """The release that `to` abbreviates, and the number of its revision. Raises `errors.Refused` with those known."""
    from reconciler.queries import history, versions

    stack, spec = session.stack, rollout.delivery
    name = stack.target.place.stack
    state = versions.find(session.world, spec, name)
    revisions = stack.aws.run(history.revisions(history.family_of(session.world, spec.task_definition), name))
    rows = history.history(revisions, state.runs, state.marks, rollout.subject.release)
    known = {row.release: row.revision.name for row in rows if row.release and row.revision is not None}
    for version in (state.marks.previous, state.marks.rollback_target):
        if version is not None:  # its revision may have been deregistered
            known.setdefault(version.release, version.task_definition)
    matching = [release for release in known if release.startswith(to)]
    if len(matching) != 1:
        problem = "is not a release that is remembered" if not matching else "names several releases"
        listed = ", ".join(known) or "none"
        because = f"rollback {spec.name}: {to} {problem}; known are {listed}"
        raise errors.Refused(because, code=RequestRefusalCode.UNKNOWN_RELEASE)
    return matching[0], int(known[matching[0]].rpartition(":")[2])


def _refusal(
    session: RolloutSession, rollout: ServiceRollout, observed: ObservedService, request: Request
) -> RequestRefusal | None:
    """Why the next step of the rollout would refuse the request; None if it would not."""
    from reconciler.rollout.actions import WriteState

    requested = replace(observed, marks=replace(observed.marks, request=request))
    now = session.stack.aws.clock.now()
    step = rollout.step(rollout.engine.decide(rollout.delivery.policy, requested, now), requested, now)
    for decision in session.driver.checked(rollout, requested, step).decisions:
        if isinstance(decision, WriteState) and decision.after.response is not None:
            response: Response = decision.after.response
            if response.id == request.id:
                return response.refusal
    return None


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
