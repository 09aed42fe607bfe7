"""Rollout status as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.forecast_text import forecast_document
from reconciler.rollout import read_only
from reconciler.rollout.engine import Phase, RolloutStep, Waiting
from reconciler.rollout.forecast import Forecast
from reconciler.rollout.requests import RequestVerb, Response
from reconciler.rollout.state import ObservedService, TaskSet, Weights
from reconciler.rollout.stored_state import Verdict
from reconciler.rollout_driver.targets import ServiceRollout


def _fallback(observed: ObservedService) -> dict[str, Any] | None:
    """Of a service that runs on demand what another one lacks: the counts of both."""
    main, stored = observed.main, observed.marks.fallback
    if main is None:
        return None
    since, at = (None, None) if stored is None else (stored.since, stored.at)
    return {
        "main": main.name,
        "phase": None if stored is None else stored.phase.value,
        "desired": main.desired,
        "running": main.running,
        "on_demand": observed.desired,
        "lack": main.lack or None,
        "since": None if since is None else since.isoformat(),
        "until": None if at is None else at.isoformat(),
    }


def status_document(
    rollout: ServiceRollout,
    observed: ObservedService,
    step: RolloutStep,
    verbs: tuple[RequestVerb, ...],
    forecast: Forecast | None = None,
) -> dict[str, Any]:
    """`forecast` is that of the rollout that is in progress, from its start."""
    ended, response = observed.marks.ended, observed.marks.response
    hold = observed.marks.hold_of(step.release)
    scale_in = observed.scale_in_suspended_since
    return {
        "address": str(rollout.address),
        "engine": rollout.delivery.policy.engine,
        "phase": step.phase.value,
        "health": step.health.value,
        "because": step.because,
        "read_only": read_only_document(observed.marks.unreadable),
        "release": step.release,
        "wanted": observed.wanted or None,
        "not_ready": observed.waits or None,
        "rejected": observed.marks.rejection_of(observed.wanted) or None,
        "until": None if step.until is None else step.until.isoformat(),
        "forecast": None if forecast is None else forecast_document(forecast),
        "waits_for": step.waits_for.value or None,
        "desired": observed.desired,
        "fallback": _fallback(observed),
        "scale_in_suspended_since": None if scale_in is None else scale_in.isoformat(),
        "production": _shares(observed, observed.production),
        "test": _shares(observed, observed.test) if observed.has_test else None,
        "versions": [_version(task_set) for task_set in observed.sets],
        "quarantine": list(observed.marks.quarantine),
        "verdicts": [
            {"release": release, **verdict_document(verdict)}
            for release in observed.marks.quarantine
            if (verdict := observed.marks.verdict_of(release)) is not None
        ],
        "suspended_by": None if observed.marks.suspended is None else observed.marks.suspended.by,
        "suspended_since": _iso(None if observed.marks.suspended is None else observed.marks.suspended.at),
        "held_by": None if hold is None else hold.by,
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


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def read_only_document(because: str) -> dict[str, str] | None:
    """Why nothing is written, or None."""
    return {"code": read_only.CODE, "because": because} if because else None


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Why a release is quarantined."""
    return {"outcome": verdict.outcome.value, "at": verdict.at.isoformat(), "because": verdict.why or None}


def _response(response: Response) -> dict[str, Any]:
    """The response to the last request."""
    refusal = response.refusal
    return {
        "id": response.id,
        "accepted": response.accepted,
        "code": None if refusal is None else str(refusal.code),
        "why": None if refusal is None else refusal.why,
    }


def outcome_of(observed: ObservedService, step: RolloutStep) -> Exit:
    """Exit code of `status` for one service."""
    if observed.marks.unreadable:
        return Exit.BLOCKED
    if step.phase is Phase.BLOCKED:
        return Exit.BLOCKED
    if observed.marks.quarantined(observed.wanted) or step.phase in (
        Phase.FAILED,
        Phase.ROLLED_BACK,
        Phase.ROLLING_BACK,
    ):
        return Exit.ROLLED_BACK
    if step.waits_for is Waiting.PERSON or step.phase is Phase.AWAITING_PROMOTION:
        return Exit.WAITING
    rests = step.at_rest and not observed.waits and step.phase is not Phase.PRE_DEPLOYMENT
    return Exit.DONE if rests else Exit.PENDING


def _version(task_set: TaskSet) -> dict[str, Any]:
    return {
        "id": task_set.id,
        "release": task_set.release,
        "task_definition": task_set.task_definition,
        "primary": task_set.primary,
        "draining": task_set.draining,
        "scale": task_set.scale,
        "running": task_set.running,
        "pending": task_set.pending,
        "healthy": None if task_set.healthy is None else task_set.well,
        "failed": task_set.failed,
        "protected": [{"task": id, "until": until.isoformat()} for id, until in task_set.protected],
    }


def _shares(observed: ObservedService, weights: Weights | None) -> dict[str, int] | None:
    """Release → percent; None if the listener forwards to unmanaged targets."""
    if weights is None:
        return None
    found: dict[str, int] = {}
    for slot in (0, 1):
        here = [task_set for task_set in observed.alive if task_set.slot == slot]
        if weights[slot]:
            found[here[-1].release if here else "nobody"] = weights[slot]
    return found
