"""simulate: what a new version of a service would go through, and when. Nothing is sent to AWS."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.terminal import look_of, say
from reconciler.rollout.engine import Phase
from reconciler.rollout.simulation import FAILS_AT, MORNING, Row
from reconciler.rollout.strategy import Strategy

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.rollout.spec import RolloutSpec
    from reconciler.spec.specs import Specs


def _phases(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [str(phase) for phase in FAILS_AT if phase.startswith(incomplete)]


@click.command()
@click.argument("service", required=False)
@options.specs
@click.option("--fail-at", metavar="PHASE", shell_complete=_phases, help="Let it fail there, and see what follows.")
@click.option("--first", is_flag=True, help="As the first version: nothing runs yet.")
@options.output("text", "json")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour.")
def simulate(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    fail_at: str | None,
    first: bool,
    output: str,
    color: str,
) -> int:
    """Show the timeline of a new version of SERVICE, without AWS: the decisions are those that a rollout would make.

    What is assumed is how long things take: a task is healthy a minute after its start. FOLDER holds the specs.
    """
    from reconciler.cli.connect import load_specs
    from reconciler.cli.rolling import delivery_of
    from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.views.timeline_text import timeline_document, timeline_text
    from reconciler.spec.compile import compile_deliveries

    _, specs = load_specs(folder, environment, color=color)
    delivery = delivery_of(compile_deliveries(specs), service)
    desired = desired_of(specs, delivery)
    phase = None if fail_at is None else chosen(fail_at, delivery.policy, desired, first=first)
    rows = timeline(delivery, desired, phase, first=first)
    if output == "json":
        click.echo(dumps({"format_version": FORMAT_VERSION, **timeline_document(delivery, rows)}))
    else:
        look = look_of(sys.stdout, color)
        say(timeline_text(delivery, rows, look), look)
    return Exit.DONE


def timeline(delivery: RolloutSpec, desired: int, fail_at: Phase | None, *, first: bool) -> tuple[Row, ...]:
    from reconciler.rollout import simulation as paper

    return paper.simulate(
        delivery.policy, desired, fail_at=fail_at, first=first, start=_start(delivery.policy), ports=delivery.ports
    )


def chosen(text: str, policy: Strategy, desired: int, *, first: bool) -> Phase:
    """The phase that is meant.

    Raises `click.UsageError`, naming those that can fail, for one that cannot under this policy.
    """
    name = text.strip().lower().replace("-", "_")
    possible = failing_phases(policy, desired, first=first)
    if name in possible:
        return Phase(name)
    listed = ", ".join(possible)
    if name in set(Phase):
        raise click.UsageError(f"nothing fails in {name} here; it is one of {listed}")
    close = get_close_matches(name, [str(phase) for phase in possible], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise click.UsageError(f"there is no phase {text!r}.{hint} Those that can fail here: {listed}.")


def failing_phases(policy: Strategy, desired: int, *, first: bool) -> tuple[Phase, ...]:
    """The phases that a rollout under this policy comes to and can fail in, found out by trying."""
    from reconciler.rollout import simulation as paper

    found = []
    for phase in FAILS_AT:
        try:
            paper.simulate(policy, desired, fail_at=phase, first=first, start=_start(policy))
        except ValueError:  # it never comes to that phase
            continue
        found.append(phase)
    return tuple(found)


def desired_of(specs: Specs, delivery: RolloutSpec) -> int:
    """How many tasks the service has; an autoscaled one, when it starts."""
    from reconciler.spec.documents import Service

    service = specs.get(Service, delivery.name)
    assert service is not None, "a delivery is compiled from a service"
    scaled = service.scaling
    return service.desired_count if scaled is None else max(scaled.min, min(scaled.max, service.desired_count))


def _start(policy: Strategy) -> datetime:
    """Now, where windows make the time of day matter; else the same for everybody."""
    if not policy.windows:
        return MORNING
    from reconciler.clock import SystemClock

    return SystemClock().now().replace(microsecond=0)
