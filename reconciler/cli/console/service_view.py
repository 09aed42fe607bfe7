"""View of one service: its rollout as phases, its versions side by side, and why the last one failed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from reconciler.cli.output import failure_text, forecast_text, rollout_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.output.values import change_text
from reconciler.cli.output.version_table import color_of
from reconciler.cli.service_status import ServiceStatus
from reconciler.console.snapshot import Failure, Notice, Service, Stage, Tone, Version
from reconciler.diagnosis.observations import plain
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.plan import Action, Plan
from reconciler.model.resource import Address
from reconciler.reconcile.held_counts import text as held_text
from reconciler.rollout.attempts import ReleaseTimes
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep
from reconciler.rollout.forecast import SCALING_UP, Forecast, Part
from reconciler.rollout.release import entrance
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService, TaskSet, short
from reconciler.store.task_stops import stop_text

TONES = {
    RolloutHealth.HEALTHY: Tone.OK,
    RolloutHealth.PROGRESSING: Tone.BUSY,
    RolloutHealth.SUSPENDED: Tone.WAIT,
    RolloutHealth.DEGRADED: Tone.BAD,
}
PARTS: Mapping[Phase, tuple[Part, ...]] = {
    Phase.SCALING_UP: tuple(part for part in SCALING_UP if part is not Part.TASK),
    Phase.PRE_DEPLOYMENT: (Part.TASK,),
    Phase.TESTING: (Part.TESTS,),
    Phase.AWAITING_PROMOTION: (Part.PROMOTION,),
    Phase.SHIFTING: (Part.SHIFT,),
    Phase.VERIFYING: (Part.VERIFY,),
    Phase.BAKING: (Part.BAKE,),
    Phase.TEARDOWN: (Part.REMOVAL,),
}
"""What is forecast of each stage."""


def service_view(
    status: ServiceStatus,
    plan: Plan,
    now: datetime,
    *,
    driven: bool,
    paused: bool,
    diagnosis: Diagnosis | None = None,
) -> Service:
    """`driven`: a controller runs, as far as is known. `paused`: the whole stack is suspended. Without acts."""
    spec, observed, marks = status.rollout.delivery, status.observed, status.observed.marks
    step = rollout_text.as_shown(status.step, observed)
    halted = paused or marks.suspended is not None
    step = rollout_text.counted(step, spec, now, driven=driven, paused=halted)
    words, times = rollout_text.words_of(step.phase, spec), marks.times_of(step.release)
    if step.because.startswith(words):
        words = step.because
    known, counts = status.rollout.subject.release, status.forecast if driven and not halted else None
    rows = [one for one in observed.sets if not _empty_twin(observed, one)]
    forecast = counts if step.phase in rollout_text.ORDER else None
    return Service(
        name=spec.name,
        tone=TONES[step.health],
        phase=step.phase.value,
        status=words,
        because="" if step.because == words else step.because,
        engine=spec.policy.engine,
        where=spec.where,
        release=short(step.release),
        commit=known.commit[:7] if step.release == known.id else "",
        wanted=short(observed.wanted),
        until=step.until,
        waits_for=step.waits_for.value,
        running=sum(one.running for one in observed.alive),
        desired=observed.desired,
        production_entrance=entrance(spec.ports[0]) if spec.moves_traffic else "",
        test_entrance=entrance(spec.ports[1]) if observed.has_test else "",
        versions=tuple(_version(spec, observed, one) for one in sorted(rows, key=lambda one: (one.born, one.id))),
        stages=tuple(_stages(spec, observed, step, counts)),
        forecast="" if forecast is None else forecast_text.whole_text(forecast, Look()),
        expected_at=None if forecast is None or times is None else _expected(forecast, step, times, now),
        failure=None if diagnosis is None else _failure(diagnosis),
        notes=tuple(_notes(status, plan, step)),
        request=_request(observed),
    )


def _expected(forecast: Forecast, step: RolloutStep, times: ReleaseTimes, now: datetime) -> datetime | None:
    """To the minute: it is the same at each look."""
    at = forecast_text.production_at(forecast, step.phase, times, now)
    return None if at is None else (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def _request(observed: ObservedService) -> str:
    request = observed.marks.pending_request
    if request is None:
        return ""
    why = f" ({request.why})" if request.why else ""
    return f"{request.verb} was requested by {request.by}{why}; the controller has not answered yet."


def _empty_twin(observed: ObservedService, empty: TaskSet) -> bool:
    """Whether a failed attempt has left it without tasks, beside the set that has those of the same release."""
    others = (one for one in observed.sets if one is not empty and one.release == empty.release)
    bare = not (empty.primary or empty.running or empty.pending)
    return bare and any(one.running or one.pending for one in others)


def _version(spec: RolloutSpec, observed: ObservedService, one: TaskSet) -> Version:
    alive = observed.alive
    newest = bool(alive) and one is alive[-1]
    if one.draining:
        label, color = "draining", "grey"
    elif spec.moves_traffic:
        label = color = color_of(observed, one)
    else:
        label, color = ("current" if len(alive) < 2 else "new" if newest else "old"), "green" if newest else "blue"
    shares = {}
    for name, weights in (("production", observed.production), ("test", observed.test)):
        shown = spec.moves_traffic and not one.draining and weights is not None
        newest_there = [other for other in alive if other.slot == one.slot][-1:]
        shares[name] = weights[one.slot] if shown and weights is not None and newest_there == [one] else None
    if not observed.has_test:
        shares["test"] = None
    return Version(
        label=label,
        color=color,
        release=short(one.release),
        revision=one.task_definition or one.id,
        production=shares["production"],
        test=shares["test"],
        desired=0 if one.draining else one.needed(observed.desired),
        running=one.running,
        pending=one.pending,
        healthy=None if one.healthy is None else one.well,
        failing=one.failing,
        failed=one.failed,
        zones=one.healthy or (),
        since=one.born,
        note=one.unplaced or one.reason,
    )


def _stages(
    spec: RolloutSpec,
    observed: ObservedService,
    step: RolloutStep,
    forecast: Forecast | None,
) -> Iterator[Stage]:
    if step.phase not in rollout_text.ORDER or not spec.moves_traffic:
        return
    back = observed.marks.rollback_target
    at = rollout_text.ORDER.index(step.phase)
    times = next((one for one in observed.marks.times if one.release == step.release), None)
    expected = {} if forecast is None else dict(forecast.parts)
    for phase, words in rollout_text.stages_of(spec, going_back=back is not None and back.release == step.release):
        place = rollout_text.ORDER.index(phase)
        state = "done" if place < at else "now" if place == at else "ahead"
        lasts = sum((expected.get(part, timedelta()) for part in PARTS[phase]), timedelta())
        yield Stage(
            words,
            state,
            until=step.until if state == "now" else None,
            took=_took(phase, times) if state == "done" else None,
            expected=int(lasts.total_seconds()) if lasts and state != "done" else None,
        )


def _took(phase: Phase, times: ReleaseTimes | None) -> int | None:
    """Seconds of a phase that is over, where they are recorded."""
    if times is None:
        return None
    spans = {
        Phase.SCALING_UP: (0, times.healthy),
        Phase.TESTING: (times.healthy, times.tested),
        Phase.AWAITING_PROMOTION: (times.tested, times.approved),
        Phase.SHIFTING: (times.approved, times.production),
    }
    begin, end = spans.get(phase, (0, 0))
    return end - begin if end else None


def _failure(diagnosis: Diagnosis) -> Failure:
    return Failure(
        failure_text.headline(diagnosis),
        tuple((label, tuple(texts)) for label, texts in failure_text.rows(diagnosis) if texts),
    )


def _notes(status: ServiceStatus, plan: Plan, step: RolloutStep) -> Iterator[Notice]:
    """What `status` says of a service beside its rollout."""
    observed, marks = status.observed, status.observed.marks
    if marks.unreadable:
        yield Notice(Tone.BAD, f"Read-only: {marks.unreadable}")
    if observed.waits and observed.waits not in step.because:
        yield Notice(Tone.WAIT, f"The new version is waiting: {observed.waits}")
    rejection = marks.rejection_of(observed.wanted)
    if rejection and rejection not in step.because:
        yield Notice(Tone.WAIT, f"{short(observed.wanted)} was {rejection}")
    if marks.suspended is not None and marks.suspended.by not in step.because:
        yield Notice(Tone.WAIT, f"Suspended by {marks.suspended}")
    hold = marks.hold_of(step.release)
    if hold is not None:
        held = "Removal of the previous version" if step.phase in rollout_text.PROMOTED else "Promotion"
        yield Notice(Tone.WAIT, f"{held} on hold by {hold}")
    if status.held is not None:
        least = f"At least {status.held.count} tasks:" if status.rollout.delivery.scales else "Desired count"
        yield Notice(Tone.WAIT, f"{least} {held_text(status.held)}")
    for action in status.pending:
        yield Notice(Tone.WAIT, f"Pending: {_changes(action, plan.names)}")
    for entry in status.deferred:
        yield Notice(Tone.QUIET, f"Deferred: {_changes(entry.action, plan.names)}: {entry.because}")
    for stop in reversed(status.stops):
        yield Notice(Tone.BAD, f"{plain(stop_text(stop))}, last {stop.at:%d %b %H:%M} UTC")
    for warning in status.warnings:
        yield Notice(Tone.WAIT, warning)


def _changes(action: Action, names: Mapping[str, Address]) -> str:
    changes = ", ".join(change_text(change, names, "→") for change in action.changes if not change.rolls)
    return f"{action.address} {changes or action.verb}"
