"""Timeline of a simulated rollout, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.cli.output.forecast_text import forecast_document, whole_text
from reconciler.cli.output.terminal import Look
from reconciler.model import duration
from reconciler.rollout.engine import Phase
from reconciler.rollout.forecast import Forecast
from reconciler.rollout.simulation import Row
from reconciler.rollout.spec import RolloutSpec

BAD = frozenset({Phase.FAILED, Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.BLOCKED})
PHASE_WIDTH = max(len(phase) for phase in Phase) + 2


def timeline_text(spec: RolloutSpec, rows: Sequence[Row], look: Look, found: Forecast | None = None) -> str:
    """`+2h1m  shifting   switch :80   because …`, a row for each step, and the forecast of one that nothing fails."""
    whens = [f"+{duration.approximate(row.after)}" for row in rows]
    when_width = max(map(len, whens)) + 2
    what_width = max(len(row.what) for row in rows) + 2
    lines = []
    for when, row in zip(whens, rows, strict=True):
        phase = str(row.phase).ljust(PHASE_WIDTH)
        because = look.paint(f"because {row.because}", "dim") if row.because else ""
        painted = look.paint(phase, "red" if row.phase in BAD else "cyan")
        lines.append(f"{when.ljust(when_width)}{painted}{row.what.ljust(what_width)}{because}".rstrip())
    if found is not None:
        lines += ["", look.flow([(whole_text(found, look), "")])]
    return "\n".join([look.paint(str(spec.service), "bold"), *lines])


def timeline_document(spec: RolloutSpec, rows: Sequence[Row], found: Forecast | None = None) -> dict[str, Any]:
    return {
        "service": spec.name,
        "engine": spec.policy.engine,
        "ends_in": str(rows[-1].phase),
        "forecast": None if found is None else forecast_document(found),
        "rows": [
            {
                "after_seconds": row.after.total_seconds(),
                "phase": str(row.phase),
                "what": row.what,
                "because": row.because,
            }
            for row in rows
        ],
    }
