"""Passes and entries as a loop tells them, without a loop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.model.event import Event
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address
from reconciler.model.resource_type import Depth
from reconciler.reconcile.drift import Drift, DriftMode
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.result import PassResult
from reconciler.source.base import Revision

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entry(name: str, address: str = "", message: str = "", **details: Any) -> Event:
    return Event(NOW, name, address, message, "4f1c2ab", details)


def drift(address: str, mode: DriftMode = DriftMode.ENFORCE, *paths: str) -> Drift:
    return Drift(Address.parse(address), paths, mode)


def report(
    results: Mapping[str, Result] | None = None,
    *,
    depth: Depth = Depth.FAST,
    drifts: tuple[Drift, ...] = (),
    refusals: int = 0,
    seconds: float = 0.5,
) -> PassResult:
    """`results`: address → what became of updating it."""
    outcomes = []
    for address, result in (results or {}).items():
        action = Action(Verb.UPDATE, Address.parse(address), "it differs")
        outcomes.append(StepOutcome(action.steps()[0], action, result))
    refused = tuple(Refusal(RefusalCode.CONFLICT, None, "taken") for _ in range(refusals))
    plan = Plan("shop", refusals=refused)
    return PassResult(1, depth, Revision("4f1c2ab0000"), ObservedState(), plan, drifts, tuple(outcomes), seconds)
