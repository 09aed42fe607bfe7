"""Who drives a stack, the revision in force and what AWS refused, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from reconciler.cli.driver_state import DrivenBy, DriverState, nobody_text
from reconciler.cli.output.terminal import Look
from reconciler.model import duration
from reconciler.store.holder_report import RECEIVED


def driver_lines(state: DriverState, applied: str, now: datetime, look: Look) -> Iterator[str]:
    """`applied` is the revision that a controller has recorded in the account as applied as a whole."""
    report = state.report
    match state.by:
        case DrivenBy.CONTROLLER | DrivenBy.COMMAND:
            what = "controller" if state.by is DrivenBy.CONTROLLER else "in progress"
            parts = [(f"{look.sign('ok')} {what}: {state.holder}", "")]
            if report.since is not None:
                parts.append((f"since {report.since:%d %b %H:%M} UTC", ""))
            if report.passed_at is not None:
                parts.append((_passed(report.passed_at, now), ""))
            yield look.flow(parts)
        case DrivenBy.NOBODY:
            yield look.flow([(f"{look.sign('warn')} no controller runs: {nobody_text(state)}", "yellow")])
        case DrivenBy.UNKNOWN:
            text = f"{look.sign('warn')} not known whether a controller runs: {state.because}"
            yield look.flow([(text, "yellow")])
    if report.revision:
        yield f"  revision {report.revision} in force"
    elif applied:
        yield f"  revision {applied[:7]} was applied last"
    if report.because:
        name = f"revision {report.rejected} rejected: " if report.rejected else ""
        yield look.flow([(f"{look.sign('bad')} {name}{report.because}", "red")])
    if report.events == RECEIVED:
        yield "  changes are found by events of AWS"
    elif report.events:
        text = f"{look.sign('warn')} changes are found by reading, as without events: {report.events}"
        yield look.flow([(text, "yellow")])
    for address, because in sorted(report.refused.items()):
        yield look.flow([(f"{look.sign('bad')} {address} refused by AWS: {because}", "red")])


def _distrusted(events: str) -> str | None:
    return None if events == RECEIVED else events


def _passed(at: datetime, now: datetime) -> str:
    return f"last pass {at:%H:%M:%S} UTC ({duration.format(max(now - at, now - now))} ago)"


def driver_document(state: DriverState, applied: str) -> dict[str, Any]:
    report = state.report
    return {
        "by": state.by.value,
        "holder": state.holder or None,
        "command": report.command or None,
        "since": None if report.since is None else report.since.isoformat(),
        "last_pass": None if report.passed_at is None else report.passed_at.isoformat(),
        "because": state.because or (nobody_text(state) if state.by is DrivenBy.NOBODY else None),
        "revision": report.revision or None,
        "applied": applied or None,
        "rejected": {"revision": report.rejected or None, "because": report.because} if report.because else None,
        "events": {"received": report.events == RECEIVED, "because": _distrusted(report.events)}
        if report.events
        else None,
        "refused_by_aws": [{"address": one, "because": why} for one, why in sorted(report.refused.items())],
    }
