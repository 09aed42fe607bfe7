"""New attempt at a quarantined release, once the specs judge it by something else than what it failed by. Pure.

Tests, alarms and time limits of the strategy, a health check, roles or security group rules may have been wrong, and
not the release. A digest of them is stored with the reason of the quarantine; where another one is declared, the
quarantine is lifted, once for each digest. A release that a person stopped waits for `retry` or a new version.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.rollout.actions import stored
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import ObservedService

OVER: Final = frozenset({Phase.FAILED, Phase.ROLLED_BACK})
CHANGED: Final = "what {} was judged by has changed; trying again"


def step(seen: ObservedService, ordinary: RolloutStep, now: datetime) -> RolloutStep:
    """`ordinary`, or the one that lifts the quarantine once what is left of the last attempt is gone."""
    marks = seen.marks
    cleaned_up = ordinary.phase in OVER and ordinary.waits_for is Waiting.PERSON and not ordinary.decisions
    if not cleaned_up or not marks.quarantined(seen.wanted) or not corrected(seen):
        return ordinary
    fields = {"quarantine": marks.without_quarantined(seen.wanted), "rollback_target": None, "deadline": None}
    return replace(
        ordinary,
        decisions=stored(marks, fields),
        wake_at=now,
        because=CHANGED.format(seen.wanted),
        health=RolloutHealth.PROGRESSING,
        waits_for=Waiting.NOBODY,
    )


def corrected(seen: ObservedService) -> bool:
    """Whether the wanted release has failed, or is being rolled out, by something else than it is judged by now."""
    marks = seen.marks
    verdict, due = marks.verdict_of(seen.wanted), marks.deadline
    if seen.waits or marks.suspended is not None:
        return False
    if marks.quarantined(seen.wanted):
        return verdict is not None and judged_anew(verdict.judges, seen.judges)
    return due is not None and due.release == seen.wanted and judged_anew(due.judges, seen.judges)


def judged_anew(then: str, now: str) -> bool:
    """Whether a release that was judged by `then` is judged by something else now, of the same sort."""
    return bool(then and now) and then[0] == now[0] and then.partition(".")[0] != now.partition(".")[0]
