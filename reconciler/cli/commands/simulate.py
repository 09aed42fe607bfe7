"""Simulate a rollout and print its timeline."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import completions, options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, look_of, say

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.rollout.engine import Phase
    from reconciler.rollout.forecast import Forecast
    from reconciler.rollout.simulation import Row
    from reconciler.rollout.spec import RolloutSpec
    from reconciler.rollout.strategy import Strategy
    from reconciler.spec.specs import Specs


def _phases(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from reconciler.rollout.simulation import FAILS_AT

    return [str(phase) for phase in FAILS_AT if phase.startswith(incomplete)]


@click.command()
@click.argument("service", required=False, shell_complete=completions.services)
@options.specs
@click.option("--fail-at", metavar="PHASE", shell_complete=_phases, help="Simulate a failure in this phase.")
@click.option("--initial", "first", is_flag=True, help="Simulate the initial deployment.")
@options.output("text", "json")
@options.color
def simulate(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    fail_at: str | None,
    first: bool,
    output: str,
    color: str,
) -> int:
    """Simulate the rollout of a new version of SERVICE and print its timeline. AWS is not contacted.

    The decisions are those of a real rollout. What AWS takes is assumed: 25 s for the image and the start of a task,
    and the health checks that the specs declare. `diff`, `status` and `history` know what the last releases took.
    FOLDER is the specs folder.
    """
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.output.timeline_text import timeline_document, timeline_text
    from reconciler.cli.rollout_session import service_spec
    from reconciler.cli.session import load_specs
    from reconciler.spec.compile import compile_deliveries

    _, specs = load_specs(folder, environment, color=color)
    spec = service_spec(compile_deliveries(specs), service)
    desired = task_count(specs, spec)
    phase = None if fail_at is None else failing_phase(fail_at, spec, desired, first=first)
    rows = timeline(spec, desired, phase, first=first)
    found = None if phase is not None else _forecast(spec, desired, first=first)
    if output == "json":
        echo(dumps({"format_version": FORMAT_VERSION, **timeline_document(spec, rows, found)}))
    else:
        look = look_of(sys.stdout, color)
        say(timeline_text(spec, rows, look, found), look)
    return Exit.DONE


def _forecast(spec: RolloutSpec, desired: int, *, first: bool) -> Forecast:
    from reconciler.rollout.forecast import forecast

    task = spec.pre_deployment is not None
    return forecast(spec.policy, max(1, desired), first=first, task=task, start=_start(spec.policy))


def timeline(spec: RolloutSpec, desired: int, fail_at: Phase | None, *, first: bool) -> tuple[Row, ...]:
    from reconciler.rollout import simulation

    return simulation.simulate(
        spec.policy,
        desired,
        fail_at=fail_at,
        first=first,
        start=_start(spec.policy),
        ports=spec.ports,
        task="" if spec.pre_deployment is None else spec.pre_deployment.address.name,
    )


def failing_phase(text: str, spec: RolloutSpec, desired: int, *, first: bool) -> Phase:
    """The phase of that name. Raises `click.UsageError` for one that cannot fail under this policy."""
    from reconciler.rollout.engine import Phase

    name = text.strip().lower().replace("-", "_")
    possible = failing_phases(spec, desired, first=first)
    if name in possible:
        return Phase(name)
    listed = ", ".join(possible)
    if name in set(Phase):
        raise click.UsageError(f"this rollout cannot fail in phase {name}; choose one of: {listed}")
    close = get_close_matches(name, [str(phase) for phase in possible], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise click.UsageError(f"no phase {text!r}.{hint} Choose one of: {listed}.")


def failing_phases(spec: RolloutSpec, desired: int, *, first: bool) -> tuple[Phase, ...]:
    """The phases that a rollout of this service reaches and can fail in, found by simulating each."""
    from reconciler.rollout import simulation

    found = []
    for phase in simulation.FAILS_AT:
        try:
            timeline(spec, desired, phase, first=first)
        except ValueError:  # it never reaches that phase
            continue
        found.append(phase)
    return tuple(found)


def task_count(specs: Specs, spec: RolloutSpec) -> int:
    """How many tasks the service has; with autoscaling, how many it starts with."""
    from reconciler.spec.documents import Service

    service = specs.get(Service, spec.name)
    assert service is not None, "a rollout spec is compiled from a service"
    scaled = service.scaling
    return service.desired_count if scaled is None else max(scaled.min, min(scaled.max, service.desired_count))


def _start(policy: Strategy) -> datetime:
    """The current time if deployment windows make it matter, else a fixed one."""
    from reconciler.clock import SystemClock
    from reconciler.rollout.simulation import MORNING

    if not policy.windows:
        return MORNING
    return SystemClock().now().replace(microsecond=0)
