"""Releases of a service, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.cli.output.events_text import event_document
from reconciler.cli.output.forecast_text import times_document, times_text
from reconciler.cli.output.logs_text import stopped_document
from reconciler.cli.output.rollout_json import verdict_document
from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.observations import Task, plain
from reconciler.queries.events import in_order, of_stop
from reconciler.queries.history import ReleaseStanding, Revision, Row
from reconciler.queries.task_runs import of_run
from reconciler.rollout.state import WHOLE
from reconciler.rollout.stored_state import EngineChange, Outcome, RolloutResult, Verdict
from reconciler.store.audit_trail import AuditEntry
from reconciler.store.task_stops import TaskStop

HEAD = ("revision", "registered", "release", "image", "commit", "standing")
GOOD = frozenset({Outcome.PROMOTED, Outcome.FAST_PROMOTED, Outcome.SUPERSEDED})
UNKNOWN = "-"
STANDINGS = {
    ReleaseStanding.LIVE: "live",
    ReleaseStanding.IN_PROGRESS: "rolling out",
    ReleaseStanding.ROLLBACK_TARGET: "rollback target",
    ReleaseStanding.WARM: "previous, running",
    ReleaseStanding.PREVIOUS: "previous",
    ReleaseStanding.QUARANTINED: "quarantined",
}
MOST_REQUESTS = 10
COLORS = {
    ReleaseStanding.LIVE: "green",
    ReleaseStanding.QUARANTINED: "red",
    ReleaseStanding.IN_PROGRESS: "cyan",
}
"""The first that applies to a release."""


def history_text(
    service: str,
    rows: Sequence[Row],
    look: Look,
    engine: str = "",
    declared: str = "",
    change: EngineChange | None = None,
    others: Sequence[AuditEntry] = (),
) -> str:
    """The newest first; below a release the result of its rollout, if it is known. `engine` is the one that deploys the
    service now, which is named where another one is `declared`, or where `change` says that it was another one.
    `others` are requests about none of these releases.
    """
    if not rows:
        return f"{service} has no releases yet."
    table = [_cells(row, look) for row in rows]
    widths = [max(len(cells[column]) for cells in (HEAD, *table)) for column in range(len(HEAD))]
    changes = f"   {engine} {look.sign('arrow')} {declared}" if engine and declared and engine != declared else ""
    if change is not None and change.engine == engine == declared:
        changes = f"   {change.was} {look.sign('arrow')} {engine}, {change.at:%Y-%m-%d %H:%M} UTC"
    lines = [look.paint(service, "bold") + changes, look.paint(_joined(HEAD, widths), "dim")]
    for row, cells in zip(rows, table, strict=True):
        color, text = _color(row), _joined(cells, widths)
        lines.append(look.paint(text, color) if color else text)
        if row.subject:
            lines.append(look.paint(f"  {plain(row.subject)}", "dim"))
        lines += [look.paint(f"  {request_text(entry)}", "dim") for entry in row.requests]
        if row.revision is not None and row.revision.restart:
            lines.append(look.paint(f"  restart requested by {plain(row.revision.restart)}", "dim"))
        if row.ended is not None:
            lines.append(_ended(row.ended, look))
        elif row.verdict is not None:
            lines.append(_ended(row.verdict, look))
        if row.times is not None:
            lines.append("  " + look.flow([(times_text(row.times), "dim")], indent="    "))
    if others:
        lines += ["", look.paint("requests about no release above", "bold")]
        lines += [request_text(entry) for entry in reversed(others[-MOST_REQUESTS:])]
    if len(others) > MOST_REQUESTS:
        lines.append(look.paint(f"({len(others) - MOST_REQUESTS} older ones; -o json has them)", "dim"))
    return "\n".join(lines)


def request_text(entry: AuditEntry) -> str:
    """`promote by ana, 2026-01-05 12:00 UTC: looks good`"""
    why = f": {plain(entry.why)}" if entry.why else ""
    refused = f" (refused: {plain(entry.because)})" if entry.refused else ""
    return f"{entry.asked} by {plain(entry.by)}, {entry.at:%Y-%m-%d %H:%M} UTC{why}{refused}"


def request_document(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "verb": entry.verb,
        "address": entry.address or None,
        "by": entry.by,
        "reason": entry.why or None,
        "release": entry.release or None,
        "commit": entry.commit or None,
        "refused": {"code": entry.refused, "because": entry.because or None} if entry.refused else None,
    }


def _cells(row: Row, look: Look) -> tuple[str, ...]:
    revision = row.revision
    registered = revision.registered_at if revision is not None else None
    return (
        UNKNOWN if revision is None else revision.name,
        UNKNOWN if registered is None else f"{registered:%Y-%m-%d %H:%M}",
        row.release[:6] or UNKNOWN,
        UNKNOWN if revision is None else ", ".join(_images(revision, look)),
        row.commit[:7] or UNKNOWN,
        ", ".join(_standing(one, row.share) for one in row.standing),
    )


def _standing(standing: ReleaseStanding, share: int) -> str:
    if standing is ReleaseStanding.LIVE and share < WHOLE:
        return f"live, {share}% of production"
    return STANDINGS[standing]


def _images(revision: Revision, look: Look) -> list[str]:
    """`my-app:v2@41ab07…`: its tags, if the registry still has them, and the digest."""
    found = []
    for image in revision.images.values():
        name, at, digest = image.rpartition("/")[2].partition("@")
        tags = ",".join(revision.image_tags.get(image, ()))
        short = f"@{digest.removeprefix('sha256:')[:6]}{look.sign('more')}" if at else ""
        found.append(plain(f"{name}{f':{tags}' if tags else ''}{short}"))
    return found


def _ended(ended: RolloutResult | Verdict, look: Look) -> str:
    sign, color = ("ok", "green") if ended.outcome in GOOD else ("bad", "red")
    return look.paint(f"  {look.sign(sign)} {ended_text(ended)}", color)


def ended_text(ended: RolloutResult | Verdict) -> str:
    """`Failed in scaling up, 2026-01-05 12:00 UTC: …`"""
    why = f": {plain(ended.why)}" if ended.why else ""
    phase = f" in {ended.phase.replace('_', ' ')}" if isinstance(ended, RolloutResult) else ""
    return f"{ended.outcome}{phase}, {ended.at:%Y-%m-%d %H:%M} UTC{why}"


def _color(row: Row) -> str:
    return next((color for standing, color in COLORS.items() if standing in row.standing), "")


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def history_document(
    service: str,
    rows: Sequence[Row],
    engine: str = "",
    declared: str = "",
    change: EngineChange | None = None,
    others: Sequence[AuditEntry] = (),
) -> dict[str, Any]:
    engines: dict[str, Any] = {"engine": engine or None, "declared_engine": declared or None, "engine_change": None}
    if change is not None:
        engines["engine_change"] = {"from": change.was, "to": change.engine, "began_at": change.at.isoformat()}
    requests = [request_document(entry) for entry in others]
    return {"service": service, **engines, "releases": [_document(row) for row in rows], "requests": requests}


def task_history_text(address: str, revisions: Sequence[Revision], look: Look, others: Sequence[AuditEntry]) -> str:
    """The revisions of a Task, the newest first."""
    rows = [Row("", revision, commit=revision.commit, subject=revision.subject) for revision in revisions]
    return history_text(address, rows, look, others=others)


def runs_text(known: Sequence[Task], stops: Sequence[TaskStop], look: Look) -> str:
    """The runs that ECS knows, the newest first, and what is kept of those that ended earlier."""
    events = in_order([*map(of_run, known), *map(of_stop, stops)])
    head = ["", look.paint("runs", "bold")]
    if not events:
        return "\n".join([*head, "none is known: ECS keeps runs for 1 h, the store of the controller for 30 days"])
    return "\n".join([*head, *(f"{one.at:%Y-%m-%d %H:%M} UTC  {plain(one.text)}" for one in events)])


def task_history_document(
    address: str,
    revisions: Sequence[Revision],
    known: Sequence[Task],
    stops: Sequence[TaskStop],
    others: Sequence[AuditEntry],
) -> dict[str, Any]:
    rows = [Row("", revision, commit=revision.commit, subject=revision.subject) for revision in revisions]
    return {
        "task": address,
        "revisions": [_document(row) for row in rows],
        "runs": [event_document(of_run(task)) for task in known],
        "ended": [stopped_document(stop) for stop in reversed(stops)],
        "requests": [request_document(entry) for entry in others],
    }


def _document(row: Row) -> dict[str, Any]:
    revision, ended = row.revision, row.ended
    registered = revision.registered_at if revision is not None else None
    images = {} if revision is None else revision.images
    tags = {} if revision is None else revision.image_tags
    return {
        "release": row.release or None,
        "revision": None if revision is None else revision.name,
        "restart": None if revision is None else revision.restart or None,
        "registered_at": None if registered is None else registered.isoformat(),
        "images": [
            {"container": name, "image": image, "tags": list(tags.get(image, ()))} for name, image in images.items()
        ],
        "commit": row.commit or None,
        "subject": row.subject or None,
        "requests": [request_document(entry) for entry in row.requests],
        "standing": [standing.value for standing in row.standing],
        "share": row.share,
        "ended": None
        if ended is None
        else {
            "outcome": str(ended.outcome),
            "phase": ended.phase,
            "at": ended.at.isoformat(),
            "by": ended.by.value,
            "because": ended.why or None,
        },
        "times": None if row.times is None else times_document(row.times),
        "verdict": None if row.verdict is None else verdict_document(row.verdict),
    }
