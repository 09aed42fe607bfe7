"""status: where every service stands, once or for as long as one watches."""

from __future__ import annotations

import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.connect import banner, connect
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, look_of, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.cli.rolling import Scene
    from reconciler.model.resource import Address
    from reconciler.rollout.engine import RolloutStep
    from reconciler.rollout.requests import RequestVerb
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import NotReady, ServiceRollout

    Found: TypeAlias = tuple[ServiceRollout, ObservedService, RolloutStep, tuple[RequestVerb, ...]]

EVERY_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[2J"


@click.command()
@options.service
@options.output("text", "json", "jsonl")
@click.option("-w", "--watch", is_flag=True, help="Until Ctrl-C, or until nothing moves by itself any more.")
@options.aws
@options.look
def status(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    output: str,
    watch: bool,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Show where each service stands.

    Exit 0: at rest; 2: on its way; 3: failed or rolled back; 6: waits for a person.
    """
    from reconciler.cli.rolling import scene

    stack = connect(folder, environment, Where(**aws), color=color, verbose=verbose)
    look = look_of(sys.stdout, color)
    stop, last = threading.Event(), ""
    try:
        stage = scene(stack)
        if service is not None:
            stage.jobs = (stage.job(service),)
        while True:
            found = [_one(stage, job) for job in stage.jobs]
            shown = _shown(stage, found, output, look, stack.aws.clock.now(), verbose=verbose, once=not watch)
            if shown != last:
                live = watch and output == "text" and sys.stdout.isatty()
                if live:
                    click.echo(CLEAR + banner(stack) + "\n", nl=True)
                say(shown, look)
                sys.stdout.flush()
            last = shown
            resting = all(step.wake_at is None for _, _, step, _ in found)
            if not watch or (resting and not stage.missing):
                return _exit(found, stage.missing)
            stack.aws.clock.wait(stop, EVERY_SECONDS * stack.aws.clock.speed)
    finally:
        stack.aws.close()


def _one(stage: Scene, job: ServiceRollout) -> Found:
    seen, step = stage.rollouts.look(job)
    return job, seen, step, job.engine.allowed_requests(job.delivery.policy, seen, stage.rollouts.aws.clock.now())


def _shown(
    stage: Scene, found: list[Found], output: str, look: Look, now: datetime, *, verbose: int, once: bool
) -> str:
    from reconciler.cli.views.failure_text import failure_text
    from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.views.rollout_json import status_document
    from reconciler.cli.views.rollout_text import status_text
    from reconciler.rollout.stored_state import Actor

    if output != "text":
        services = [status_document(job, seen, step, verbs) for job, seen, step, verbs in found]
        waiting = [{"address": str(address), "because": lack.because} for address, lack in stage.missing.items()]
        document = {"format_version": FORMAT_VERSION, "services": services, "not_deployed": waiting}
        if output == "json":
            return dumps(document)
        import orjson

        return orjson.dumps(document).decode()
    blocks = [f"{look.sign('wait')} {address}   {lack.because}" for address, lack in stage.missing.items()]
    for job, seen, step, verbs in found:
        block = status_text(job, seen, step, verbs, now, look)
        ended = seen.marks.ended_of(seen.wanted)
        by_person = ended is not None and ended.by is Actor.PERSON  # then there is no failure to look into
        if once and seen.marks.quarantined(seen.wanted) and not by_person:
            try:
                diagnosis = stage.rollouts.obituary.write(stage.rollouts.aws, job, seen, step)
            except errors.ReconcilerError as error:
                block += f"\n  why is not known: {error}"
            else:
                block += "\n" + failure_text(diagnosis, look, verbose=verbose)
        blocks.append(block)
    return "\n\n".join(blocks) or "The specs have no service."


def _exit(found: list[Found], missing: Mapping[Address, NotReady]) -> int:
    """The worst that is true of any of them."""
    from reconciler.cli.views.rollout_json import outcome_of

    codes = {outcome_of(seen, step) for _, seen, step, _ in found}
    for code in (Exit.ROLLED_BACK, Exit.WAITING, Exit.PENDING):
        if code in codes:
            return code
    return Exit.PENDING if missing else Exit.DONE
