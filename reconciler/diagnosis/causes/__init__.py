"""Table of causes: why tasks fail, matched by what AWS reports."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import DEFAULTS, Cause, Level, Match
from reconciler.diagnosis.causes.containers import EXITS, LOGGED, START
from reconciler.diagnosis.causes.health import HEALTH
from reconciler.diagnosis.causes.images import IMAGES
from reconciler.diagnosis.causes.placement import PLACEMENT
from reconciler.diagnosis.causes.setup import SETUP
from reconciler.diagnosis.causes.stops import BY_PERSON, STOPS

__all__ = ["DEFAULTS", "SILENT", "TABLE", "UNKNOWN", "Cause", "Level", "Match"]

TABLE: Final[tuple[Cause, ...]] = (
    *BY_PERSON,
    *HEALTH,
    *STOPS,
    *IMAGES,
    *SETUP,
    *PLACEMENT,
    *START,
    *LOGGED,
    *EXITS,
)

UNKNOWN: Final = Cause(
    "unknown",
    "unknown",
    "unknown. AWS reports: {raw}",
    "this is AWS's own message; the task's log and the service's events may say more",
    level=Level.END,
)
"""No row fits."""

SILENT: Final = Cause(
    "unknown",
    "unknown",
    "unknown. AWS gives no reason: no task stopped, no target is unhealthy, and no event reports a problem",
    "check with `reconciler status` what the rollout waited for",
    level=Level.SYMPTOM,
)
"""There are no words that could fit a row."""
