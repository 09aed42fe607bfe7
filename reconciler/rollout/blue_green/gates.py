"""Gates before traffic shifts to green: a hold, a closed deployment window, an alarm, or the health of green."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.rollout import windows
from reconciler.rollout.blue_green import health
from reconciler.rollout.blue_green.context import POLL_EVERY, RolloutContext, TrafficState
from reconciler.rollout.engine import RolloutHealth, Waiting
from reconciler.rollout.state import WHOLE


@dataclass(frozen=True, slots=True)
class Blocker:
    """`patient`: not a fault of green, so no deadline fails the rollout because of it."""

    because: str
    wake_at: datetime
    patient: bool = True
    health: RolloutHealth = RolloutHealth.SUSPENDED
    waits_for: Waiting = Waiting.NOBODY


def held(s: RolloutContext) -> Blocker | None:
    if not s.held:
        return None
    assert s.marks.hold is not None
    onwards = "finish" if s.shape is TrafficState.SWITCHED else "promote"
    because = f"on hold by {s.marks.hold.by} ({onwards}, resume or rollback to continue)"
    return Blocker(because, s.now + POLL_EVERY, waits_for=Waiting.PERSON)


def withdrawn(s: RolloutContext) -> Blocker | None:
    """A timer promotes no release that the specs do not contain any more; a request does."""
    if not s.seen.withdrawn:
        return None
    onwards = "finish" if s.shape is TrafficState.SWITCHED else "promote"
    because = f"{s.seen.withdrawn} ({onwards} or rollback to continue)"
    return Blocker(because, s.now + POLL_EVERY, waits_for=Waiting.PERSON)


def closed(s: RolloutContext) -> Blocker | None:
    """Rollbacks are allowed outside deployment windows."""
    if s.going_back or windows.open_at(s.policy.windows, s.now):
        return None
    opens = windows.opens_at(s.policy.windows, s.now)
    if opens is None:
        return Blocker(
            "no deployment window opens within a week",
            s.now + POLL_EVERY,
            health=RolloutHealth.DEGRADED,
            waits_for=Waiting.SPEC,
        )
    return Blocker(f"the next deployment window opens {opens:%a %d %b %H:%M} UTC", opens)


def not_ready(s: RolloutContext) -> Blocker | None:
    """The precondition of every shift to green: full size, healthy in several observations in a row, no alarm."""
    assert s.green is not None
    soon = s.now + s.look_again
    if s.seen.alarms:
        because = health.trouble(s.policy, s.seen, s.green, s.now)
        return Blocker(because, soon, patient=False, health=RolloutHealth.DEGRADED)
    if health.lack(s.seen):
        return Blocker(health.status(s.seen, s.green), s.now + POLL_EVERY)
    if s.green.scale != WHOLE or not health.confirmed_healthy(s.policy, s.seen):
        still, because = s.seen.looks > 0, health.status(s.seen, s.green)
        patient = still or health.excused(s.policy, s.seen, s.now)
        counted = f", check {s.seen.looks} of {s.policy.looks}" if still else ""
        return Blocker(f"{because}{counted}", soon, patient, RolloutHealth.PROGRESSING)
    return None


def first_blocker(s: RolloutContext) -> Blocker | None:
    """Why production traffic does not shift to green now, or None."""
    return held(s) or closed(s) or not_ready(s)
