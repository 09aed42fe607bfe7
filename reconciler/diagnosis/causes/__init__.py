"""The table of causes: why tasks fail, by what AWS says when they do.

Data, in files by where in a task's life the cause lies. The first row that matches is the cause, so the order counts:
what is said of a stop comes before what is said of a start, what is particular before what is general, and exit codes,
which any stop may leave behind, at the end. A text that fits no row is *unknown* and is shown as AWS wrote it.

Sources: the ECS developer guide (stopped task errors, service event messages), the ECS API's TaskStopCode, the Elastic
Load Balancing API's TargetHealth, and texts reported by people who met them.
"""

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
    "unknown. AWS says: {raw}",
    "these are AWS's own words; the task's log and the service's events may say more",
    level=Level.END,
)
"""No row fits."""

SILENT: Final = Cause(
    "unknown",
    "unknown",
    "unknown. AWS gives no reason: no task stopped, no target is unhealthy, no event tells of trouble",
    "compare what the rollout waited for with `reconciler status`",
    level=Level.SYMPTOM,
)
"""There are no words that could fit a row."""
