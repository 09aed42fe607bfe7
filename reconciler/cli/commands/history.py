"""Show the releases of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.account_stack import with_shown_stack
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.resource import Address
    from reconciler.rollout.release import RolloutTarget


@click.command()
@options.service
@options.store
@options.output("text", "json")
@with_shown_stack
def history(stack: Stack, service: str | None, output: str) -> int:
    """Show the releases of SERVICE or of a Task that AWS has: which is live, rolling out or quarantined, and why.

    Releases are the revisions of the service's task definition that carry the stack's tag. Below each: its commit, and
    who asked for what of it and why. The tags of a release keep its last five requests, the store of the controller
    the last thousand of the stack. Drift of what the service uses comes last, with who made it, for 30 days.
    """
    from reconciler.cli.journals import kept
    from reconciler.cli.output.drift_text import drift_text, entry_document
    from reconciler.cli.output.history_text import history_document, history_text
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.rollout_session import service_spec
    from reconciler.cli.task_subjects import task_address
    from reconciler.queries import history as histories
    from reconciler.queries import versions
    from reconciler.reconcile.observe import observe
    from reconciler.rollout import observe_engine
    from reconciler.rollout_driver.resolution import context_of
    from reconciler.rollout_driver.standing import standing
    from reconciler.rollout_driver.targets import NotReady, subject_of

    if (task := task_address(stack, service)) is not None:
        return _of_task(stack, task, output)
    target, name = stack.target, stack.target.place.stack
    world = observe(stack.aws, stack.kinds, target.place, target.desired)
    target = target.current(world)
    spec = service_spec(target.deliveries, service)
    state = versions.find(world, spec, name)
    wanted: RolloutTarget | NotReady = NotReady("they are not known")
    if stack.bare is None:
        wanted = subject_of(standing(spec, context_of(target.desired, world, name)))
    because = wanted.because if isinstance(wanted, NotReady) else wanted.not_ready
    if because and stack.bare is None:
        echo(f"the specs define no release yet: {because}", err=True)
    release = None if isinstance(wanted, NotReady) or because else wanted.release
    address, family = str(spec.service), histories.family_of(world, spec.task_definition)
    revisions = stack.aws.run(histories.revisions(family, name, address))
    commits, journals = stack.aws.run(histories.commits(state)), kept(stack)
    requests, drift = journals.requests_of(address), journals.drift_of(spec.service, target.desired)
    rows = histories.history(revisions, state.runs, state.marks, release, commits, requests)
    others = histories.other_requests(rows, revisions, requests)
    present = observe_engine.engine_of(state.service.facts["item"])
    engine = "" if present is None else present.name
    if output == "json":
        document = history_document(spec.name, rows, engine, spec.policy.engine, state.marks.engine_change, others)
        echo(dumps({"format_version": FORMAT_VERSION, **document, "drift": [entry_document(one) for one in drift]}))
    else:
        change = state.marks.engine_change
        say(history_text(address, rows, stack.look, engine, spec.policy.engine, change, others), stack.look)
        if drift:
            say(drift_text(drift, stack.look), stack.look)
    return Exit.DONE


def _of_task(stack: Stack, address: Address, output: str) -> int:
    """The revisions of a Task, which are not rolled out, and how its runs have ended."""
    from reconciler.cli.journals import kept
    from reconciler.cli.output.history_text import runs_text, task_history_document, task_history_text
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.task_subjects import open_task
    from reconciler.queries import history as histories
    from reconciler.queries import task_runs

    subject, _ = open_task(stack, address)
    name, journals = str(address), kept(stack)
    revisions = stack.aws.run(histories.revisions(subject.family, stack.target.place.stack, name))
    requests, stops = journals.requests_of(name), journals.stops_of(name)
    others = histories.other_requests((), revisions, requests)
    known = stack.aws.run(task_runs.runs(subject))
    if output == "json":
        document = task_history_document(name, revisions, known, stops, others)
        echo(dumps({"format_version": FORMAT_VERSION, **document}))
    else:
        say(task_history_text(name, revisions, stack.look, others), stack.look)
        say(runs_text(known, stops, stack.look), stack.look)
    return Exit.DONE
