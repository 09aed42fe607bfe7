"""Times of the last releases of a service: what was forecast, and when each came through its stages. Pure.

They are stored with what an engine stores anyway, whichever engine it is, and no decision depends on them: a release
whose times are lost is only missing in `reconciler history` and in the next forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.rollout.actions import RunTask, WriteState
from reconciler.rollout.attempts import KEPT_TIMES, ReleaseTimes
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.forecast import Forecast
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Outcome

STAGES: Final = {
    Phase.TESTING: 1,
    Phase.AWAITING_PROMOTION: 2,
    Phase.SHIFTING: 3,
    Phase.VERIFYING: 4,
    Phase.BAKING: 4,
    Phase.TEARDOWN: 4,
}
"""How many of `healthy`, `tested`, `approved` and `production` a release has behind it in a phase."""

GOOD: Final = (Outcome.PROMOTED, Outcome.FAST_PROMOTED)


def noted(
    step: RolloutStep, seen: ObservedService, now: datetime, forecast: Callable[[], Forecast | None], *, starts: bool
) -> RolloutStep:
    """`step`, storing also what it says about the times of a release. `starts`: it starts the wanted one, which is
    then expected in production as `forecast()` says; without one, nothing is stored of it.
    """
    times = _after(step, seen, now, forecast, starts=starts)
    if times == seen.marks.times:
        return step
    written = next((one for one in step.decisions if isinstance(one, WriteState)), None)
    if written is None:
        noted = WriteState(seen.marks, replace(seen.marks, times=times))
        return replace(step, decisions=(noted, *step.decisions), wake_at=now)
    fuller = WriteState(written.before, replace(written.after, times=times))
    return replace(step, decisions=tuple(fuller if one is written else one for one in step.decisions))


def replaces(seen: ObservedService) -> bool:
    """Whether another version runs. A first deployment has less to do, and is no measure for those that follow."""
    return any(one.running and one.release != seen.wanted for one in seen.alive)


def _after(
    step: RolloutStep, seen: ObservedService, now: datetime, forecast: Callable[[], Forecast | None], *, starts: bool
) -> tuple[ReleaseTimes, ...]:
    known = seen.marks.times
    current = next((one for one in known if not one.complete), None)
    ended = step.ended
    if ended is not None and ended.outcome not in GOOD:
        return tuple(one for one in known if one.complete or one.release != ended.release)
    begins = starts or any(isinstance(one, RunTask) for one in step.decisions)
    if begins and replaces(seen) and (current is None or current.release != seen.wanted):
        if (expected := forecast()) is None:
            return known
        seconds = max(1, round(expected.unattended.total_seconds()))
        begun = ReleaseTimes(seen.wanted, now.replace(microsecond=0), seconds)
        others = (one for one in known if one.complete and one.release != seen.wanted)
        return (begun, *others)[:KEPT_TIMES]
    if current is None or step.release != current.release:
        return known
    promoted = ended is not None and ended.release == current.release
    passed = current.passed(4 if promoted else STAGES.get(step.phase, 0), now)
    return tuple(passed if one is current else one for one in known)
