"""Questions of the console that are put to AWS only when somebody asks: history, events, logs, a release's changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import click

from reconciler import errors, printable
from reconciler.cli.console.plan_view import field_change
from reconciler.cli.journals import kept
from reconciler.cli.output import forecast_text, history_text
from reconciler.cli.rollout_session import open_rollouts
from reconciler.cli.session import Stack
from reconciler.console.charts import Chart, Series, chart
from reconciler.console.snapshot import Event, FieldChange, LogLine, Node, Release, Timeline, Tone
from reconciler.diagnosis.observations import plain
from reconciler.model import duration, ownership
from reconciler.model.diff import diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.queries import events, history, logs, tree, versions
from reconciler.queries.load_metrics import ERRORS, HEALTHY, MEDIAN, REQUESTS, SHOWN, SLOWEST, Metric, load_metrics
from reconciler.queries.versions import ServiceState
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.failure_report import read_definition
from reconciler.store.audit_trail import AuditEntry

MOST_LINES: Final = 500
RECENT: Final = timedelta(minutes=10)
TONES: Final = {
    ResourceHealth.READY: Tone.OK,
    ResourceHealth.PROGRESSING: Tone.BUSY,
    ResourceHealth.DEGRADED: Tone.BAD,
}


@dataclass(frozen=True, slots=True)
class StackQuestions:
    """`stack` is opened as it is now, `world` what was observed last, `local` whether AWS's own console has it."""

    stack: Callable[[], Stack]
    world: Callable[[], ObservedState]
    local: bool

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Any:
        stack = self.stack()
        if kind == "tree":
            return self._tree(stack)
        spec = next((one for one in stack.target.deliveries if one.name == service), None)
        if spec is None:
            raise errors.ReconcilerError(f"the specs define no service {service!r}")
        if kind == "simulation":
            return _simulation(spec, terms.get("fail", ""))
        state = versions.find(
            versions.look(stack.aws, stack.kinds, stack.target.place, stack.target.desired, spec),
            spec,
            stack.target.place.stack,
        )
        match kind:
            case "history":
                return _history(stack, state)
            case "events":
                return _events(stack, state)
            case "logs":
                return _logs(stack, state, terms)
            case "charts":
                return _charts(stack, self.world(), spec, state)
            case "release":
                return _changes(stack, state)
            case _:
                raise errors.ReconcilerError(f"there is no question {kind!r}")

    def _tree(self, stack: Stack) -> tuple[Node, ...]:
        world, name = self.world(), stack.target.place.stack
        services = [service for service in world.found.get("service", ()) if ownership.owner(service.tags) == name]
        tasks = stack.aws.run(tree.tasks_of(services))
        region = "" if self.local or stack.target.place.partition != "aws" else stack.target.place.region
        return tuple(_node(one, region) for one in tree.tree(stack.kinds, world, name, stack.target.deliveries, tasks))


def _node(node: tree.Node, region: str) -> Node:
    link = (
        f"https://{region}.console.aws.amazon.com/go/view?arn={node.id}"
        if region and node.id.startswith("arn:")
        else ""
    )
    children = tuple(_node(child, region) for child in node.children)
    return Node(node.name, node.id, plain(node.detail), TONES[node.health], plain(node.because), link, children)


def _history(stack: Stack, state: ServiceState) -> tuple[Release, ...]:
    spec, name = state.delivery, stack.target.place.stack
    address = str(spec.service)
    family = spec.task_definition.name
    known = stack.aws.run(history.revisions(family, name, address))
    commits, requests = stack.aws.run(history.commits(state)), kept(stack).requests_of(address)
    return tuple(map(_release, history.history(known, state.runs, state.marks, None, commits, requests)))


def _release(row: history.Row) -> Release:
    revision, ended = row.revision, row.ended or row.verdict
    return Release(
        row.release[:6],
        "" if revision is None else revision.name,
        tuple(history_text.STANDINGS[one] for one in row.standing),
        row.share,
        None if revision is None else revision.registered_at,
        row.commit[:7],
        row.subject,
        () if revision is None else tuple(revision.images.items()),
        "" if ended is None else history_text.ended_text(ended),
        "" if row.times is None else forecast_text.times_text(row.times),
        tuple(map(history_text.request_text, row.requests)),
    )


def _events(stack: Stack, state: ServiceState) -> tuple[Event, ...]:
    address, journals = str(state.delivery.service), kept(stack)
    asked = stack.aws.run(events.kept_requests(state))
    several = [*stack.aws.run(events.read(state)), *map(events.of_request, (*asked, *journals.requests_of(address)))]
    several += map(events.of_stop, journals.stops_of(address))
    return tuple(map(_event, events.folded(events.in_order(several))))


def _event(group: events.EventGroup) -> Event:
    return Event(group.newest.at, str(group.newest.source), plain(group.newest.text, 2000), count=group.count)


def event_of_request(entry: AuditEntry) -> Event:
    found = events.of_request(entry)
    return Event(found.at, "request", plain(found.text), entry.address or "the stack")


def _logs(stack: Stack, state: ServiceState, terms: Mapping[str, str]) -> tuple[LogLine, ...]:
    stopped, container = terms.get("of") == "stopped", terms.get("container") or None
    tasks = stack.aws.run(logs.stopped(state) if stopped else logs.current(state))
    sources = stack.aws.run(logs.log_sources(tasks, container))
    if container is not None and tasks and container not in sources.containers:
        raise errors.ReconcilerError(f"no container {container!r}; the tasks have: {', '.join(sources.containers)}")
    since = None if stopped else stack.aws.clock.now() - RECENT * stack.aws.clock.speed
    found = logs.LogTail(stack.aws, since).poll(sources.streams).lines[-MOST_LINES:]
    return tuple(
        LogLine(line.at, line.stream.task, line.stream.container, line.stream.revision, printable.cleaned(line.text))
        for line in found
    )


def _changes(stack: Stack, state: ServiceState) -> tuple[FieldChange, ...]:
    """In what the newest running version differs from the one before it."""
    runs = [run for run in state.runs if run.revision]
    previous = state.marks.previous
    if not runs:
        return ()
    before = runs[1].revision if len(runs) > 1 else "" if previous is None else previous.task_definition
    if not before or before == runs[0].revision:
        return ()
    old, new = (stack.aws.run(read_definition(name)) for name in (before, runs[0].revision))
    address = state.delivery.task_definition
    return tuple(field_change(change, {}) for change in diff(Observed(address, before, old), new))


def _charts(stack: Stack, world: ObservedState, spec: RolloutSpec, state: ServiceState) -> tuple[Chart, ...]:
    """Of the versions that run behind a load balancer, each in its target group."""
    session = open_rollouts(stack, world)
    subject = next((one.subject for one in session.rollouts if one.address == spec.service), None)
    if subject is None or subject.production is None:
        raise errors.ReconcilerError("requests do not come in through a load balancer of the stack")
    end = stack.aws.clock.now()
    begin, found = end - SHOWN, stack.aws.run(load_metrics(subject.production.listener, subject.groups, end))
    labels = _labels(state, subject.groups)

    def series(metric: Metric, name: str = "", scale: float = 1.0, *, faint: bool = False) -> list[Series]:
        several = []
        for group, (label, color) in labels.items():
            points = tuple((at, value * scale) for at, value in found.get((group, metric), ()))
            several.append(Series(f"{label} {name}".rstrip(), "grey" if faint else color, points))
        return several

    return (
        chart("Requests a minute", "", series(REQUESTS), begin, end),
        chart("5xx a minute", "", series(ERRORS), begin, end),
        chart("Latency", "ms", [*series(SLOWEST, "p99", 1000), *series(MEDIAN, "p50", 1000, faint=True)], begin, end),
        chart("Healthy targets", "", series(HEALTHY), begin, end),
    )


def _labels(state: ServiceState, groups: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Target group → the revision of the newest version there, and its color."""
    sets = sorted(state.service.facts["sets"], key=lambda one: one["createdAt"])
    here = {one["loadBalancers"][0]["targetGroupArn"]: one["id"] for one in sets if one.get("loadBalancers")}
    runs = {run.id: run for run in state.runs}
    newest = state.runs[0].id if len(here) > 1 and state.runs else ""
    found = {}
    for place, group in enumerate(groups, start=1):
        run = runs.get(here.get(group, ""))
        label = f"target group {place}" if run is None else run.revision
        found[group] = (label, "grey" if run is None else "green" if run.id == newest else "blue")
    return found


def _simulation(spec: RolloutSpec, fail: str) -> Timeline:
    """Raises `errors.ReconcilerError` for a phase that cannot fail."""
    from reconciler.cli.commands.simulate import failing_phase, failing_phases, timeline

    try:
        phase = failing_phase(fail, spec, 1, first=False) if fail else None
    except click.UsageError as error:
        raise errors.ReconcilerError(error.message) from error
    rows = tuple(
        (f"+{duration.approximate(row.after)}", "   ".join(filter(None, (str(row.phase), row.what, row.because))))
        for row in timeline(spec, 1, phase, first=False)
    )
    return Timeline(rows, failing_phases(spec, 1, first=False))
