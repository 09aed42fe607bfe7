"""Rollout status as JSON."""

from __future__ import annotations

from typing import Any

from reconciler.cli.output.exits import Exit
from reconciler.rollout.engine import Phase, RolloutStep, Waiting
from reconciler.rollout.requests import RequestVerb, Response
from reconciler.rollout.state import ObservedService, TaskSet, Weights
from reconciler.rollout_driver.targets import ServiceRollout


def status_document(
    job: ServiceRollout, seen: ObservedService, step: RolloutStep, verbs: tuple[RequestVerb, ...]
) -> dict[str, Any]:
    ended, response = seen.marks.ended, seen.marks.response
    return {
        "address": str(job.address),
        "engine": job.delivery.policy.engine,
        "phase": step.phase.value,
        "health": step.health.value,
        "because": step.because,
        "release": step.release,
        "wanted": seen.wanted,
        "until": None if step.until is None else step.until.isoformat(),
        "waits_for": step.waits_for.value or None,
        "desired": seen.desired,
        "production": _shares(seen, seen.production),
        "test": _shares(seen, seen.test) if seen.has_test else None,
        "versions": [_version(one) for one in seen.sets],
        "quarantine": list(seen.marks.quarantine),
        "paused_by": None if seen.marks.suspended is None else seen.marks.suspended.by,
        "held_by": None if seen.marks.hold is None else seen.marks.hold.by,
        "response": None if response is None else _response(response),
        "ended": None
        if ended is None
        else {
            "release": ended.release,
            "outcome": ended.outcome.value,
            "phase": str(ended.phase),
            "at": ended.at.isoformat(),
            "by": ended.by.value,
            "why": ended.why,
        },
        "verbs": [verb.value for verb in verbs],
    }


def _response(response: Response) -> dict[str, Any]:
    """The response to the last request."""
    refusal = response.refusal
    return {
        "id": response.id,
        "accepted": response.accepted,
        "code": None if refusal is None else refusal.code.value,
        "why": None if refusal is None else refusal.why,
    }


def outcome_of(seen: ObservedService, step: RolloutStep) -> Exit:
    """Exit code of `status` for one service."""
    if seen.marks.quarantined(seen.wanted) or step.phase in (Phase.FAILED, Phase.ROLLED_BACK, Phase.ROLLING_BACK):
        return Exit.ROLLED_BACK
    if step.waits_for is Waiting.PERSON:
        return Exit.WAITING
    return Exit.DONE if step.at_rest else Exit.PENDING


def _version(one: TaskSet) -> dict[str, Any]:
    return {
        "id": one.id,
        "release": one.release,
        "task_definition": one.task_definition,
        "primary": one.primary,
        "draining": one.draining,
        "scale": one.scale,
        "running": one.running,
        "pending": one.pending,
        "healthy": None if one.healthy is None else one.well,
        "failed": one.failed,
    }


def _shares(seen: ObservedService, weights: Weights | None) -> dict[str, int] | None:
    """Release → percent; None if the listener forwards to unmanaged targets."""
    if weights is None:
        return None
    found: dict[str, int] = {}
    for slot in (0, 1):
        here = [one for one in seen.alive if one.slot == slot]
        if weights[slot]:
            found[here[-1].release if here else "nobody"] = weights[slot]
    return found
