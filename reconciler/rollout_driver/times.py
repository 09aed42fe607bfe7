"""Forecast of a service's rollout, and the times that are recorded of it."""

from __future__ import annotations

from datetime import datetime

from reconciler.rollout import release_times
from reconciler.rollout.engine import RolloutStep
from reconciler.rollout.forecast import Forecast, forecast
from reconciler.rollout.simulation import MORNING, Unending
from reconciler.rollout.state import ObservedService
from reconciler.rollout_driver.targets import ServiceRollout


def forecast_of(rollout: ServiceRollout, seen: ObservedService, now: datetime) -> Forecast | None:
    """Of the wanted release, or of the one that is being rolled out, from its start.

    None if the simulation does not come to its end: no rollout depends on it.
    """
    policy, begun = rollout.delivery.policy, any(not one.complete for one in seen.marks.times)
    try:
        return forecast(
            policy,
            max(1, seen.desired),
            first=not release_times.replaces(seen),
            task=rollout.pre_deployment is not None and (begun or seen.wanted not in seen.marks.cleared),
            start=now if policy.windows else MORNING,
            times=seen.marks.times,
        )
    except Unending:
        return None


def noted(rollout: ServiceRollout, seen: ObservedService, step: RolloutStep, now: datetime) -> RolloutStep:
    """`step`, storing the times of the release as well. A change of the engine is no release."""
    if rollout.change is not None or rollout.fallback is not None or seen.marks.unreadable:
        return step
    starts = rollout.engine.starts(step, seen)
    return release_times.noted(step, seen, now, lambda: forecast_of(rollout, seen, now), starts=starts)
