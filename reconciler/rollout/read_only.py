"""Read-only services: those whose stored state this version cannot read. Pure.

Whatever an engine would decide rests on that state, so nothing is written to the service, and no request is answered,
until a version that can read it takes over, or somebody removes what cannot be read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import ObservedService

CODE: Final = "unknown-format"
"""For programs, in events, `status` and refusals."""


def step(seen: ObservedService, ordinary: RolloutStep) -> RolloutStep:
    """`ordinary`, or the step that does nothing."""
    if not seen.marks.unreadable:
        return ordinary
    return replace(
        ordinary,
        phase=Phase.BLOCKED,
        decisions=(),
        wake_at=None,
        because=f"read-only: {seen.marks.unreadable}",
        health=RolloutHealth.DEGRADED,
        until=None,
        waits_for=Waiting.PERSON,
        ended=None,
    )
