"""What may keep production from moving on to green: a hold, a closed window, an alarm, or green itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.rollout import windows
from reconciler.rollout.blue_green import health
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext, TrafficState
from reconciler.rollout.engine import RolloutHealth, Waiting
from reconciler.rollout.state import WHOLE


@dataclass(frozen=True, slots=True)
class Blocker:
    """`patient`: no fault of green's, and no deadline runs out because of it."""

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
    because = f"{s.marks.hold.by} holds it: {onwards}, resume or rollback"
    return Blocker(because, s.now + POLL_EVERY, waits_for=Waiting.PERSON)


def closed(s: RolloutContext) -> Blocker | None:
    """Going back is always allowed."""
    if s.going_back or windows.open_at(s.policy.windows, s.now):
        return None
    opens = windows.opens_at(s.policy.windows, s.now)
    if opens is None:
        return Blocker(
            "no window allows it within a week",
            s.now + POLL_EVERY,
            health=RolloutHealth.DEGRADED,
            waits_for=Waiting.SPEC,
        )
    return Blocker(f"the next window opens {opens:%a %d %b %H:%M} UTC", opens)


def unproven(s: RolloutContext) -> Blocker | None:
    """The precondition of every move to green: it has all its tasks, well for some looks in a row, and no alarm."""
    assert s.green is not None
    soon = s.now + LOOK_EVERY
    if s.seen.alarms:
        because = health.trouble(s.policy, s.seen, s.green)
        return Blocker(because, soon, patient=False, health=RolloutHealth.DEGRADED)
    if s.green.scale != WHOLE or not health.proven(s.policy, s.seen):
        still = s.seen.looks > 0
        because = f"{health.told(s.seen, s.green)}, looked {s.seen.looks} of {s.policy.looks} times"
        return Blocker(because if still else health.told(s.seen, s.green), soon, still, RolloutHealth.PROGRESSING)
    return None


def first_blocker(s: RolloutContext) -> Blocker | None:
    """Why production does not move to green now; None if nothing is in the way."""
    return held(s) or closed(s) or unproven(s)
