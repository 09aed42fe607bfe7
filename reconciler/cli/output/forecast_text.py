"""Forecast of a rollout, and the times of one that is over, as text and as JSON."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.cli.output.terminal import Look
from reconciler.rollout.attempts import ReleaseTimes
from reconciler.rollout.engine import Phase
from reconciler.rollout.forecast import AFTER, Forecast, Part, rounded

BEGINS: Final = {
    Phase.SCALING_UP: "",
    Phase.PRE_DEPLOYMENT: "",
    Phase.TESTING: "healthy",
    Phase.AWAITING_PROMOTION: "tested",
    Phase.SHIFTING: "approved",
}
"""The phases that a forecast counts down in, with the time at which each begins; the first with the release."""


LATE: Final = timedelta(seconds=30)
"""Beyond what was forecast, from which on a phase takes longer."""

WORDS: Final = {Phase.SHIFTING: "shifting traffic", Phase.PRE_DEPLOYMENT: "the pre-deployment task"}


def forecast_text(found: Forecast, look: Look) -> str:
    """`all of production in ≈ 2h1m: image and start 25s, health checks 20s, promotion 2h`"""
    person, about = ", plus the wait for a promotion" if found.manual else "", look.sign("about")
    return f"all of production in {about} {rounded(found.production)}{person}: {_parts(found, after=False)}"


def whole_text(found: Forecast, look: Look) -> str:
    """The same, with what follows until the previous version is gone."""
    after = _parts(found, after=True)
    return f"{forecast_text(found, look)}{f'; then {after}' if after else ''}"


def _parts(found: Forecast, *, after: bool) -> str:
    return ", ".join(f"{part} {rounded(lasts)}" for part, lasts in found.parts if (part in AFTER) is after)


def production_at(found: Forecast, phase: Phase, times: ReleaseTimes, now: datetime) -> datetime | None:
    """When all of production has the release; None where a person or nobody says, and once a phase takes too long."""
    if phase not in BEGINS or (found.manual and phase is not Phase.SHIFTING):
        return None
    elapsed = _elapsed(phase, times, now)
    return None if found.late(phase, elapsed) > LATE else now + found.left(phase, elapsed)


def expected_text(found: Forecast, phase: Phase, times: ReleaseTimes, now: datetime, look: Look) -> str:
    """`all of production ≈ 14:05 UTC`, which stays the same in a phase that takes what was forecast; or ""."""
    if phase not in BEGINS:
        return ""
    if phase is not Phase.AWAITING_PROMOTION and found.late(phase, _elapsed(phase, times, now)) > LATE:
        return f"{WORDS.get(phase, str(phase).replace('_', ' '))} takes longer than was forecast"
    at = production_at(found, phase, times, now)
    return "" if at is None else f"all of production {look.sign('about')} {at:%H:%M} UTC"


def _elapsed(phase: Phase, times: ReleaseTimes, now: datetime) -> timedelta:
    name = BEGINS[phase]
    return now - times.began - timedelta(seconds=getattr(times, name) if name else 0)


def times_text(times: ReleaseTimes) -> str:
    """`in production after 2m5s (forecast 2m): healthy 1m5s, tests 10s, promotion 2h, traffic shift 50s`"""
    taken, expected = timedelta(seconds=times.taken), timedelta(seconds=times.expected)
    stages = (
        ("healthy", times.healthy),
        (Part.TESTS, times.tested - times.healthy),
        (Part.SHIFT, times.production - times.approved),
    )
    parts = ", ".join(f"{name} {rounded(timedelta(seconds=lasts))}" for name, lasts in stages if lasts)
    waited = times.approved - times.tested
    promotion = f", and {rounded(timedelta(seconds=waited))} until its promotion" if waited else ""
    return f"in production after {rounded(taken)} (forecast {rounded(expected)}): {parts}{promotion}"


def forecast_document(found: Forecast) -> dict[str, Any]:
    return {
        "production_seconds": found.production.total_seconds(),
        "whole_seconds": found.whole.total_seconds(),
        "waits_for_person": found.manual,
        "parts": [{"part": part.name.lower(), "seconds": lasts.total_seconds()} for part, lasts in found.parts],
    }


def times_document(times: ReleaseTimes) -> dict[str, Any]:
    return {
        "began_at": times.began.isoformat(),
        "forecast_seconds": times.expected,
        "seconds": times.taken,
        "healthy_seconds": times.healthy,
        "test_seconds": times.tested - times.healthy,
        "promotion_seconds": times.approved - times.tested,
        "shift_seconds": times.production - times.approved,
    }
