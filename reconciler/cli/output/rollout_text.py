"""Rollout status as text: phase, traffic, versions, and the commands that apply.

It is one module because each line reads the same step, and repeats no other line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.cli.output.forecast_text import expected_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.output.version_table import color_of, version_table
from reconciler.diagnosis.observations import plain
from reconciler.model import duration
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, TrafficShifter, Waiting
from reconciler.rollout.forecast import Forecast
from reconciler.rollout.phase_text import phase_text
from reconciler.rollout.release import entrance
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import WHOLE, ObservedService, Weights, short
from reconciler.rollout.stored_state import Outcome
from reconciler.rollout.strategy import Promotion
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import ServiceRollout

BAR = 20
ONE_DAY = timedelta(days=1)
SIGNS = {
    RolloutHealth.HEALTHY: "ok",
    RolloutHealth.PROGRESSING: "roll",
    RolloutHealth.SUSPENDED: "wait",
    RolloutHealth.DEGRADED: "bad",
}
COLORS = {
    RolloutHealth.HEALTHY: "green",
    RolloutHealth.PROGRESSING: "cyan",
    RolloutHealth.SUSPENDED: "yellow",
    RolloutHealth.DEGRADED: "red",
}
ORDER = (
    Phase.PRE_DEPLOYMENT,
    Phase.SCALING_UP,
    Phase.TESTING,
    Phase.AWAITING_PROMOTION,
    Phase.SHIFTING,
    Phase.VERIFYING,
    Phase.BAKING,
    Phase.TEARDOWN,
)


STOPPED = {
    Outcome.FAILED: "failed",
    Outcome.ABORTED: "was aborted",
    Outcome.ROLLED_BACK: "was rolled back",
}
MOST_VERDICTS = 3

TIMED = frozenset({Phase.INITIAL_DEPLOYMENT, *ORDER} - {Phase.AWAITING_PROMOTION})
"""Phases whose deadline is shown; that of a promotion gate is part of its reason."""

PROMOTED = frozenset({Phase.VERIFYING, Phase.BAKING, Phase.TEARDOWN})
"""All of production traffic goes to the new version."""


def words_of(phase: Phase, spec: RolloutSpec) -> str:
    """The phase as text."""
    return phase_text(phase, spec.policy.engine)


def phrase(step: RolloutStep, spec: RolloutSpec) -> str:
    """Phase and reason as one phrase; between rollouts and where the reason names the phase, the reason alone."""
    words = words_of(step.phase, spec)
    if step.because.startswith(words) or (step.phase is Phase.IDLE and step.because):
        return step.because
    return f"{words}: {step.because}" if step.because else words


def as_shown(step: RolloutStep, observed: ObservedService) -> RolloutStep:
    """`step`, as idle while nothing of the wanted version has been started: it is what would be done next."""
    marks = observed.marks
    begun = marks.task_run is not None or any(one.release == observed.wanted for one in observed.sets)
    begun = begun or (marks.deadline is not None and marks.deadline.release == observed.wanted)
    idle = step.decisions or marks.suspended is not None or step.waits_for is Waiting.SPEC
    if (
        begun
        or not idle
        or step.release != observed.wanted
        or step.phase not in (Phase.SCALING_UP, Phase.PRE_DEPLOYMENT)
    ):
        return step
    because = "a new version is declared, and has not been started" if step.decisions else step.because
    return replace(step, phase=Phase.IDLE, health=RolloutHealth.SUSPENDED, because=because)


def status_text(
    rollout: ServiceRollout,
    observed: ObservedService,
    step: RolloutStep,
    verbs: tuple[RequestVerb, ...],
    now: datetime,
    look: Look,
    *,
    driven: bool = True,
    paused: bool = False,
    forecast: Forecast | None = None,
) -> str:
    """Status of one service, several lines. `driven`: a controller runs, as far as is known, and its timers count.

    `paused`: the whole stack is suspended. `forecast` is that of the rollout that is in progress, from its start, if
    it goes on by itself.
    """
    more = _lines(rollout, observed, step, verbs, now, look, driven=driven, paused=paused, forecast=forecast)
    return "\n".join(more)


def counted(step: RolloutStep, spec: RolloutSpec, now: datetime, *, driven: bool, paused: bool = False) -> RolloutStep:
    """`step` without a countdown where nobody counts: a timer of ours needs a controller, and one of ECS does not.

    Nobody opens the gate of a service that is suspended either.
    """
    if paused:
        return replace(step, until=None)
    if driven or step.until is None or spec.engine.shifts_traffic is TrafficShifter.ECS:
        return step
    if step.phase is not Phase.AWAITING_PROMOTION or step.waits_for is Waiting.PERSON:
        return replace(step, until=None)
    day = "%a %d %b " if step.until - now >= ONE_DAY else ""
    when = f"at {step.until:{day}%H:%M} UTC " if step.until > now else ""
    because = f"{words_of(step.phase, spec)} (opens {when}once a controller runs)"
    return replace(step, because=because, until=None)


def _lines(
    rollout: ServiceRollout,
    observed: ObservedService,
    step: RolloutStep,
    verbs: tuple[RequestVerb, ...],
    now: datetime,
    look: Look,
    *,
    driven: bool,
    paused: bool,
    forecast: Forecast | None,
) -> Iterator[str]:
    verbal, paused = step.phase, paused or observed.marks.suspended is not None
    shown = as_shown(step, observed)
    unstarted = shown is not step and bool(step.decisions) and not driven and not paused
    step = counted(shown, rollout.delivery, now, driven=driven, paused=paused)
    words = words_of(step.phase, rollout.delivery)
    if step.because.startswith(words) or (step.phase is Phase.IDLE and step.health is not RolloutHealth.HEALTHY):
        words = phrase(step, rollout.delivery)
    head = [(str(rollout.address), "bold"), (f"{look.sign(SIGNS[step.health])} {words}", COLORS[step.health])]
    if step.release:
        head.append((f"release {short(step.release)}", ""))
    known = rollout.subject.release
    if known.commit and step.release == known.id:
        head.append((known.commit[:7], ""))
    yield look.flow(head)
    if step.because and step.because != words:
        yield "  " + look.flow([(step.because, "")])
    if observed.waits and observed.waits not in step.because:
        yield look.paint(f"  the new version is waiting: {observed.waits}", "yellow")
    elif _queued(observed, step):
        yield look.paint(f"  {short(observed.wanted)} is waiting for this rollout to end", "yellow")
    rejection = observed.marks.rejection_of(observed.wanted)
    if rejection and rejection not in step.because:
        yield "  " + look.flow([(f"{short(observed.wanted)} was {rejection}", "yellow")])
    yield from _verdicts(observed, step)
    if step.phase in ORDER and rollout.delivery.moves_traffic:
        back = observed.marks.rollback_target
        going_back = back is not None and back.release == step.release
        yield "  " + _timeline(rollout.delivery, step, now, look, going_back=going_back)
    times = observed.marks.times_of(step.release)
    if forecast is not None and times is not None and (text := expected_text(forecast, step.phase, times, now, look)):
        yield f"  forecast: {text}"
    if rollout.delivery.moves_traffic:
        yield _traffic(rollout.delivery, observed, look)
    if observed.sets:
        yield from version_table(observed, colors=rollout.delivery.moves_traffic)
    if observed.marks.suspended is not None and observed.marks.suspended.by not in step.because:
        yield look.paint(f"  suspended by {observed.marks.suspended}", "yellow")
    hold = observed.marks.hold_of(step.release)
    if hold is not None:
        held = "removal of the previous version" if step.phase in PROMOTED else "promotion"
        yield look.paint(f"  {held} on hold by {hold}", "yellow")
    since = observed.scale_in_suspended_since
    if since is not None:
        yield f"  scale-in suspended since {since:%d %b %H:%M} UTC, until the rollout ends; scale-out continues"
    request = observed.marks.pending_request
    if request is not None:
        yield f"  {request.verb} requested by {request.by}, not yet acknowledged"
    offered = [verb for verb in verbs if verb not in (RequestVerb.SUSPEND, RequestVerb.RESTART)]
    if unstarted:
        yield look.paint("  reconciler apply", "dim")
    elif offered and verbal is not Phase.IDLE:
        first, *others = offered
        typed = [f"reconciler {first} {rollout.delivery.name}", *(_typed(verb) for verb in others)]
        yield "  " + look.flow([(one, "dim") for one in typed], between=f" {look.sign('dot')} ", indent="    ")


def _verdicts(observed: ObservedService, step: RolloutStep) -> Iterator[str]:
    """Why releases are quarantined, the newest first; `reconciler history` has them all.

    The step says it of the wanted release, unless another one is on its way.
    """
    explained = "" if step.phase in ORDER else observed.wanted
    several = [one for one in reversed(observed.marks.quarantine) if one != explained]
    for release in several[:MOST_VERDICTS]:
        verdict = observed.marks.verdict_of(release)
        if verdict is not None:
            yield f"  {short(release)} {STOPPED[verdict.outcome]} {verdict.at:%d %b %H:%M} UTC: {plain(verdict.why)}"


def _queued(observed: ObservedService, step: RolloutStep) -> bool:
    """A newer version is started once the current rollout has ended."""
    newer = observed.wanted not in ("", step.release) and not observed.marks.quarantined(observed.wanted)
    return newer and step.phase in ORDER


def _typed(verb: RequestVerb) -> str:
    return "extend --by 1h" if verb is RequestVerb.EXTEND else str(verb)


def stages_of(spec: RolloutSpec, *, going_back: bool = False, arrow: str = "→") -> list[tuple[Phase, str]]:
    """The phases that a version goes through, in their order, with what they are called for.

    A version that is rolled back to runs no pre-deployment task, and is neither tested nor held for promotion.
    """
    policy, (production, test) = spec.policy, spec.ports
    stages = [(Phase.SCALING_UP, "scaled up")]
    if spec.pre_deployment is not None and not going_back:
        stages.insert(0, (Phase.PRE_DEPLOYMENT, str(spec.pre_deployment.address)))
    if policy.tests and not going_back:
        stages.append((Phase.TESTING, f"tested on :{test}"))
    if policy.promotion is not Promotion.AUTO and not going_back:
        stages.append((Phase.AWAITING_PROMOTION, "promotion"))
    shares = "".join(f"{share.weight}% {arrow} " for share in policy.shares)
    stages.append((Phase.SHIFTING, f"{shares}switch {entrance(production)}"))
    if policy.verify_for:
        stages.append((Phase.VERIFYING, "monitoring"))
    return [*stages, (Phase.BAKING, "bake"), (Phase.TEARDOWN, "remove blue")]


def _timeline(spec: RolloutSpec, step: RolloutStep, now: datetime, look: Look, *, going_back: bool = False) -> str:
    """`✔ scaled up   ✔ tested on :9000   ‖ promotion (1h59m53s left)   · switch :80   · remove blue`"""
    at = ORDER.index(step.phase)
    parts = []
    for phase, words in stages_of(spec, going_back=going_back, arrow=look.sign("arrow")):
        place = ORDER.index(phase)
        if place < at:
            parts.append((f"{look.sign('ok')} {words}", "green"))
        elif place == at:
            left = f" {_left(step.until, now)}" if step.until is not None and step.until > now else ""
            parts.append((f"{look.sign('wait')} {words}{left}", "yellow"))
        else:
            parts.append((f"{look.sign('dot')} {words}", "dim"))
    return look.flow(parts)


def _left(until: datetime, now: datetime) -> str:
    return f"({duration.format(until - now)} left)"


def _traffic(spec: RolloutSpec, observed: ObservedService, look: Look) -> str:
    parts = [_listener(spec.ports[0], observed, observed.production, look)]
    if observed.has_test:
        parts.append(_listener(spec.ports[1], observed, observed.test, look))
    return "  " + look.flow([(part, "") for part in parts], between="      ")


def _listener(port: int | str, observed: ObservedService, weights: Weights | None, look: Look) -> str:
    if weights is None:
        return f"{entrance(port)}  forwards to unmanaged targets"
    parts = []
    for slot in (0, 1):
        if weights[slot]:
            filled = max(1, round(BAR * weights[slot] / WHOLE))
            bar = ("█" if look.unicode else "#") * filled
            parts.append(f"{_who(observed, slot)} {bar} {weights[slot]}%")
    return f"{entrance(port)}  {'  '.join(parts) or 'no targets'}"


def _who(observed: ObservedService, slot: int) -> str:
    here = [task_set for task_set in observed.alive if task_set.slot == slot]
    return f"{color_of(observed, here[-1])} {short(here[-1].release)}" if here else "(no tasks)"


def result_line(result: StepResult, look: Look) -> str:
    """A line of progress: `↷ service/api   scaling up: 1 of 2 tasks are running`"""
    if result.step is None:
        return f"  {look.sign('warn')} {result.rollout.address}   {result.error}"
    step = result.step if result.done or result.settling or result.seen is None else as_shown(result.step, result.seen)
    sign = look.paint(look.sign(SIGNS[step.health]), COLORS[step.health])
    timed = step.until is not None and step.phase in TIMED
    until = f" (until {step.until:%H:%M:%S} UTC)" if timed else ""
    refused = f"; AWS error: {result.error}" if result.error is not None else ""
    return f"  {sign} {result.rollout.address}   {phrase(step, result.rollout.delivery)}{until}{refused}"


def under_way(result: StepResult) -> str:
    """What goes on after the command: `service/api: rollout in progress: scaling up: …`"""
    assert result.step is not None
    going = result.step.phase in (Phase.INITIAL_DEPLOYMENT, *ORDER) and result.step.waits_for is not Waiting.PERSON
    state = "rollout in progress: " if going and result.step.phase is not Phase.AWAITING_PROMOTION else ""
    return f"{result.rollout.address}: {state}{phrase(result.step, result.rollout.delivery)}"
