"""Phase text: the phase of a rollout in plain words, as `status` and commit statuses show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.rollout.engine import Phase, engines

WORDS: Final[Mapping[Phase, str]] = {
    Phase.IDLE: "stable",
    Phase.PRE_DEPLOYMENT: "running the pre-deployment task",
    Phase.INITIAL_DEPLOYMENT: "initial deployment",
    Phase.SCALING_UP: "scaling up",
    Phase.TESTING: "testing",
    Phase.AWAITING_PROMOTION: "waiting for promotion",
    Phase.SHIFTING: "shifting traffic",
    Phase.VERIFYING: "monitoring",
    Phase.BAKING: "baking (instant rollback available)",
    Phase.TEARDOWN: "removing old tasks",
    Phase.FAILED: "failed",
    Phase.ROLLING_BACK: "rolling back",
    Phase.ROLLED_BACK: "rolled back",
    Phase.SUPERSEDED: "superseded",
    Phase.BLOCKED: "blocked",
    Phase.CHANGING_ENGINE: "changing the engine",
}


def phase_text(phase: Phase, engine: str) -> str:
    """The phase in the words of the engine of that name, where it has its own."""
    return engines()[engine].phase_wording.get(phase, WORDS[phase])
