"""A plan as GitHub workflow annotations, at the lines of the specs that cause it."""

from __future__ import annotations

import re

from reconciler.cli.output.values import path, sides
from reconciler.model.diff import Change
from reconciler.model.plan import Plan


def plan_github(plan: Plan) -> str:
    rows = [
        row("notice", action.where, f"{action.verb} {action.address}", _changes(action.changes, plan))
        for action in plan.actions
    ]
    rows += [
        row("notice", entry.action.where, f"deferred: {entry.action.verb} {entry.action.address}", entry.because)
        for entry in plan.deferred
    ]
    rows += [
        row("error", refusal.where, f"blocked ({refusal.code})", f"{refusal.address or ''} {refusal.because}".strip())
        for refusal in plan.refusals
    ]
    return "".join(f"{row}\n" for row in rows)


def _changes(changes: tuple[Change, ...], plan: Plan) -> str:
    rows = []
    for change in changes:
        old, new = sides(change, plan.names)
        rows.append(f"{path(change, plan.names)}: {old or '(none)'} → {new or '(none)'}")
    return "\n".join(rows) or "run `reconciler diff` for details"


_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?")


def row(level: str, where: str, title: str, message: str) -> str:
    """One annotation, at its place in the specs if it has one."""
    found = _PLACE.fullmatch(where)
    place = "" if found is None else f"file={_escape(found['file'], parameter=True)},line={found['line']},"
    place += f"col={found['column']}," if found is not None and found["column"] else ""
    return f"::{level} {place}title={_escape(title, parameter=True)}::{_escape(message)}"


def _escape(text: str, *, parameter: bool = False) -> str:
    """Escape as GitHub's toolkit does."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if parameter else text
