"""promote, rollback, abort, hold, extend, finish, retry, suspend, resume: a person's word, put where the loop reads it.

The word is a tag on the ECS service: who, when, about which release. Whoever drives the rollout answers it there, and
the command waits for the answer. IAM says who may; CloudTrail keeps who did. What would be refused is not even written.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.connect import banner, connect
from reconciler.cli.exits import Exit
from reconciler.cli.holding import held
from reconciler.cli.options import Where
from reconciler.rollout.requests import ANY, OF_THE_SERVICE, Request, RequestRefusal, RequestVerb, Response

if TYPE_CHECKING:
    from reconciler.cli.connect import Stack
    from reconciler.cli.rolling import Scene
    from reconciler.cli.terminal import Look
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import ServiceRollout

ANSWER_SECONDS = 60.0
POLL_SECONDS = 1.0
WAYS_BACK = frozenset({RequestVerb.ROLLBACK, RequestVerb.ABORT})
"""Requests that `--now` carries out although the stack is suspended: they undo, and bring nothing new."""

HELP = {
    RequestVerb.PROMOTE: "Let the new version into production now.",
    RequestVerb.ROLLBACK: "Go back to the version before; traffic first.",
    RequestVerb.ABORT: "Stop the rollout that is under way, and go back.",
    RequestVerb.HOLD: "Stop the clock of a promotion: only a person may let it in.",
    RequestVerb.EXTEND: "Give the phase that it is in more time.",
    RequestVerb.FINISH: "Let the version before go now; going back to it is slow from then on.",
    RequestVerb.RETRY: "Try a version again that failed or was rolled back.",
    RequestVerb.SUSPEND: "Leave the service alone until `resume`, whatever the specs say.",
    RequestVerb.RESUME: "Go on after `suspend`.",
}


def _command(verb: RequestVerb) -> click.Command:
    @click.command(name=str(verb), help=HELP[verb], short_help=HELP[verb])
    @options.service
    @click.option("--release", metavar="ID", help="The release that is meant; default: the one that is under way.")
    @click.option("--why", default="", metavar="TEXT", help="Kept with the word, for those who ask later.")
    @click.option("--now", is_flag=True, help="Do it from here, where no loop is running to hear it.")
    @click.option("--timeout", default=ANSWER_SECONDS, metavar="SECONDS", help="How long to wait for the answer.")
    @options.store
    @options.aws
    @options.look
    def command(**keywords: Any) -> int:
        return say_it(verb, **keywords)

    if verb is RequestVerb.EXTEND:
        command = click.option(
            "--by", type=options.length, required=True, metavar="TIME", help="How much longer: 30m, 1h."
        )(command)
    return command


def say_it(
    verb: RequestVerb,
    *,
    service: str | None,
    folder: Path | None,
    environment: str | None,
    release: str | None,
    why: str,
    now: bool,
    timeout: float,
    verbose: int,
    color: str,
    by: timedelta = timedelta(),
    **aws: Any,
) -> int:
    """Write the word, unless it would be refused, and wait until it is answered.

    Exit 0: accepted; 5: refused, with the reason; 4: nobody has answered yet.
    """
    from reconciler.cli.rolling import looks, scene
    from reconciler.rollout.actions import WriteState
    from reconciler.rollout.describe import write_state

    stack = connect(folder, environment, Where(**aws), color=color, verbose=verbose)
    _, look = looks(color)
    try:
        stage = scene(stack)
        job = stage.job(service)
        seen, step = stage.rollouts.look(job)
        request = Request(
            verb,
            _meant(verb, release, seen, step),
            uuid.uuid4().hex[:8],
            stack.aws.clock.now(),
            stack.identity.who,
            why,
            int(by.total_seconds()),
        )
        refusal = _refusal(job, seen, request, stack.aws.clock.now())
        if refusal is not None:
            raise errors.Refused(f"{verb} {job.delivery.name}: {refusal.why}", code=refusal.code)
        from reconciler.model.plan import RefusalCode

        if now and stage.suspended_by and verb not in WAYS_BACK:
            raise errors.Refused(
                f"{stage.suspended_by} suspended the stack; `reconciler reconcile --resume` lifts it",
                code=RefusalCode.SUSPENDED,
            )
        click.echo(banner(stack), err=True)
        stack.aws.run(write_state(WriteState(seen.marks, replace(seen.marks, request=request)), job.subject))
        if now:
            with held(stack, str(verb)):
                return _drive(stack, job, request, look)
        answer = _answer(stage, job, request, timeout)
    finally:
        stack.aws.close()
    return _told(verb, job.delivery.name, answer)


def _meant(verb: RequestVerb, release: str | None, seen: ObservedService, step: RolloutStep) -> str:
    """The release in the person's mind; a short form of one that is there is taken for it."""
    if verb in OF_THE_SERVICE:
        return ANY
    known = sorted({one.release for one in seen.sets} | {seen.wanted})
    if release is not None:
        return next((one for one in known if one.startswith(release)), release)
    return seen.wanted if verb is RequestVerb.RETRY else step.release


def _refusal(job: ServiceRollout, seen: ObservedService, request: Request, now: datetime) -> RequestRefusal | None:
    """Why the very `step` that will hear it would say no; None if it would not."""
    from reconciler.rollout.actions import WriteState

    heard = job.engine.decide(job.delivery.policy, replace(seen, marks=replace(seen.marks, request=request)), now)
    for decision in heard.decisions:
        if isinstance(decision, WriteState) and decision.after.response is not None:
            response: Response = decision.after.response
            if response.id == request.id:
                return response.refusal
    return None


def _answer(stage: Scene, job: ServiceRollout, request: Request, timeout: float) -> Response | None:
    clock, never = stage.rollouts.aws.clock, threading.Event()
    end = clock.monotonic() + timeout * clock.speed
    while True:
        seen, _ = stage.rollouts.look(job)
        response: Response | None = seen.marks.response
        if response is not None and response.id == request.id:
            return response
        if clock.monotonic() >= end:
            return None
        clock.wait(never, POLL_SECONDS)


def _told(verb: RequestVerb, name: str, answer: Response | None) -> int:
    if answer is None:
        click.echo(
            f"{verb} {name}: it is written down, and nobody has answered yet. The loop (`reconciler run`) or the next "
            "`reconciler apply` acts on it; `--now` does it from here. After an hour it is not acted on any more.",
            err=True,
        )
        return Exit.TIMED_OUT
    if answer.refusal is not None:
        raise errors.Refused(f"{verb} {name}: {answer.refusal.why}", code=answer.refusal.code)
    click.echo(f"{verb} {name}: accepted. `reconciler status {name}` shows what comes of it.")
    return Exit.DONE


def _drive(stack: Stack, job: ServiceRollout, request: Request, look: Look) -> int:
    """Be the one who hears it: until it is answered, and all that follows at once is done.

    Raises `errors.Refused` while the stack is suspended, but for the ways back.
    """
    from reconciler.cli.progress import Progress
    from reconciler.cli.rolling import Reporter, controller_of
    from reconciler.cli.views.rollout_text import under_way
    from reconciler.controller.until import Ending, RequestHandled

    controller = controller_of(stack, Progress(look, Reporter(stack, look)))
    goal = RequestHandled(job.address, request.id, while_suspended=request.verb in WAYS_BACK)
    ending = controller.run(goal)
    turn = controller.queue.turns.get(job.address)
    if turn is not None and turn.stuck:
        raise errors.ReconcilerError(f"{job.address}: {turn.error}")
    if ending is not Ending.REACHED or goal.answer is None:
        return Exit.INTERRUPTED
    if goal.answer.accepted and turn is not None and turn.step is not None and not turn.at_rest:
        click.echo(under_way(turn))
    return _told(request.verb, job.delivery.name, goal.answer)


promote = _command(RequestVerb.PROMOTE)
rollback = _command(RequestVerb.ROLLBACK)
abort = _command(RequestVerb.ABORT)
hold = _command(RequestVerb.HOLD)
extend = _command(RequestVerb.EXTEND)
finish = _command(RequestVerb.FINISH)
retry = _command(RequestVerb.RETRY)
suspend = _command(RequestVerb.SUSPEND)
resume = _command(RequestVerb.RESUME)
