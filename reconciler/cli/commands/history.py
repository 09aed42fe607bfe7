"""Show the releases of a service."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_last_valid_stack


@click.command()
@options.service
@options.output("text", "json")
@with_last_valid_stack
def history(stack: Stack, service: str | None, output: str) -> int:
    """Show the releases of SERVICE that AWS still has: which one is live, rolling out or quarantined, and why.

    Releases are the revisions of the service's task definition that carry the stack's tag.
    """
    from reconciler.cli.output.history_text import history_document, history_text
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.rollout_session import service_spec
    from reconciler.queries import history as histories
    from reconciler.queries import versions
    from reconciler.reconcile.observe import observe
    from reconciler.rollout import observe_engine
    from reconciler.rollout_driver.resolution import context_of
    from reconciler.rollout_driver.standing import standing
    from reconciler.rollout_driver.targets import NotReady, subject_of

    target, name = stack.target, stack.target.place.stack
    world = observe(stack.aws, stack.kinds, target.place, target.desired)
    target = target.current(world)
    spec = service_spec(target.deliveries, service)
    state = versions.find(world, spec, name)
    wanted = subject_of(standing(spec, context_of(target.desired, world, name)))
    because = wanted.because if isinstance(wanted, NotReady) else wanted.not_ready
    if because:
        echo(f"the specs define no release yet: {because}", err=True)
    release = None if isinstance(wanted, NotReady) or because else wanted.release
    revisions = stack.aws.run(histories.revisions(histories.family_of(world, spec.task_definition), name))
    commits = stack.aws.run(histories.commits(state))
    rows = histories.history(revisions, state.runs, state.marks, release, commits)
    present = observe_engine.engine_of(state.service.facts["item"])
    engine = "" if present is None else present.name
    if output == "json":
        document = history_document(spec.name, rows, engine, spec.policy.engine, state.marks.engine_change)
        echo(dumps({"format_version": FORMAT_VERSION, **document}))
    else:
        change = state.marks.engine_change
        say(history_text(str(spec.service), rows, stack.look, engine, spec.policy.engine, change), stack.look)
    return Exit.DONE
