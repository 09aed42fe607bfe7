"""Passes and entries as a loop tells them, without a loop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.model.event import Entry
from reconciler.model.plan import Action, Plan, Refusal, RefusalCode, Verb
from reconciler.model.planner import World
from reconciler.model.resource import Address
from reconciler.model.resource_type import Depth
from reconciler.reconcile.drift import Drift, Mode
from reconciler.reconcile.executor import Outcome, Result
from reconciler.reconcile.result import PassReport
from reconciler.source.base import Revision

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def entry(name: str, address: str = "", message: str = "", **details: Any) -> Entry:
    return Entry(NOW, name, address, message, "4f1c2ab", details)


def drift(address: str, mode: Mode = Mode.ENFORCE, *paths: str) -> Drift:
    return Drift(Address.parse(address), paths, mode)


def report(
    results: Mapping[str, Result] | None = None,
    *,
    depth: Depth = Depth.FAST,
    drifts: tuple[Drift, ...] = (),
    refusals: int = 0,
    seconds: float = 0.5,
) -> PassReport:
    """`results`: address → what became of updating it."""
    outcomes = []
    for address, result in (results or {}).items():
        action = Action(Verb.UPDATE, Address.parse(address), "it differs")
        outcomes.append(Outcome(action.steps()[0], action, result))
    refused = tuple(Refusal(RefusalCode.CONFLICT, None, "taken") for _ in range(refusals))
    plan = Plan("shop", refusals=refused)
    return PassReport(1, depth, Revision("4f1c2ab0000"), World(), plan, drifts, tuple(outcomes), seconds)
