"""A plan as a pull-request comment: what, where, risk and minutes first, and everything else folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from reconciler.cli.output.plan_text import counts, effective, elsewhere_text, plan_text, sign
from reconciler.cli.output.terminal import Look
from reconciler.model.plan import Action, Consequence, Plan, Verb
from reconciler.model.resource import NOTHING, Address
from reconciler.rollout.outlook import Outlook, RolloutPreview

if TYPE_CHECKING:
    from reconciler.cli.applied_specs import Applied

LONGEST = 50_000  # GitHub's limit of a comment is 65,536 characters
MOST_ROWS: Final = 15
MOST_FIELDS: Final = 3
CELL: Final = 120

RISKS: Final = {
    Consequence.NONE: "none",
    Consequence.IN_PLACE: "in place",
    Consequence.NEW_TASKS: "new tasks",
    Consequence.REPLACE: "**replaced**: deleted and created again",
    Consequence.DESTROY: "**deleted**",
}
LEVELS: Final = tuple(RISKS)
"""Mildest first."""


def plan_markdown(
    plan: Plan,
    title: str,
    previews: Sequence[RolloutPreview] = (),
    findings: str = "",
    applied: Applied | None = None,
    authors: Mapping[Address, str] = NOTHING,
) -> str:
    """The plan, with `findings`, what would make it fail, as text; `applied` tells changes of the specs from drift."""
    plain = Look()
    origins = None if applied is None else applied.origins
    actions = [*effective(plan, previews)]
    ours = [action for action in actions if origins is None or origins.from_specs(action.address)]
    others = [action for action in actions if action not in ours]
    parts = [f"### `reconciler` · {title}", counts(plan, plain, previews)]
    parts += [f"**Blocked** ({one.code}): {_code(_blocked(one.address, one.because))}" for one in plan.refusals]
    parts += _table(ours, previews)
    if plan.left_out:
        parts.append(f"{len(plan.left_out)} more left out by `--only`.")
    if findings.strip():
        parts.append(_folded("What would fail", _fenced(findings.strip()), open_=True))
    if origins is not None and others:
        noun = "resource" if len(others) == 1 else "resources"
        summary = f"Not from this change: {len(others)} {noun}, as of {origins.applied.short}"
        rows = [(_what(action), _plain(elsewhere_text(action, origins))) for action in others]
        parts.append(_folded(summary, "\n".join(_rows(("what", "why"), rows))))
    if applied is not None and applied.because:
        parts.append(f"Drift and changes of the specs are not distinguished: {_plain(applied.because)}.")
    body = plan_text(plan, plain, previews, origins=origins, authors=authors)
    if len(body) > LONGEST:
        body = body[:LONGEST] + "\n… (truncated; run `reconciler diff` for the rest)"
    parts.append(_folded("Plan", _fenced(body)))
    return "\n\n".join(parts) + "\n"


def _table(actions: Sequence[Action], previews: Sequence[RolloutPreview]) -> list[str]:
    """What, where, risk and minutes, the riskiest first."""
    by_address = {preview.address: preview for preview in previews}
    named = {action.address for action in actions}
    rows = [(LEVELS.index(action.consequence), _row(action, by_address.get(action.address))) for action in actions]
    rows += [
        (LEVELS.index(Consequence.NEW_TASKS), _rollout(preview))
        for preview in previews
        if preview.address not in named and preview.outlook in (Outlook.NEW, Outlook.FIRST, Outlook.ENGINE)
    ]
    if not rows:
        return []
    rows.sort(key=lambda row: -row[0])
    shown = [row for _, row in rows[:MOST_ROWS]]
    more = [f"… and {len(rows) - MOST_ROWS} more, in the plan below."] if len(rows) > MOST_ROWS else []
    return ["\n".join(_rows(("", "what", "where", "risk", "minutes"), shown)), *more]


def _row(action: Action, preview: RolloutPreview | None) -> tuple[str, ...]:
    return _code(sign(action, Look())), _what(action), _code(action.where), _risk(action, preview), _minutes(preview)


def _what(action: Action) -> str:
    fields = [str(change) for change in action.changes] if action.verb is not Verb.CREATE else []
    fields += [f"tags.{key}" for key in (*action.tags.put, *action.tags.drop)] if action.verb is Verb.UPDATE else []
    more = f" and {len(fields) - MOST_FIELDS} more" if len(fields) > MOST_FIELDS else ""
    return f"{_code(str(action.address))}{': ' if fields else ''}{', '.join(map(_code, fields[:MOST_FIELDS]))}{more}"


def _rollout(preview: RolloutPreview) -> tuple[str, ...]:
    what = f"{_code(str(preview.address))}: rollout"
    return _code(Look().sign("roll")), what, _code(preview.where), _way(preview), _minutes(preview)


def _risk(action: Action, preview: RolloutPreview | None) -> str:
    rolls = preview is not None and preview.way and (action.rolls or action.verb is Verb.CREATE)
    return _way(preview) if rolls and preview is not None else RISKS[action.consequence]


def _way(preview: RolloutPreview) -> str:
    return f"new tasks, {_plain(preview.way)}" if preview.way else "new tasks"


def _minutes(preview: RolloutPreview | None) -> str:
    """Until all of production has the new version."""
    if preview is None or preview.forecast is None:
        return ""
    minutes = max(1, round(preview.forecast.unattended.total_seconds() / 60))
    waits = preview.forecast.production - preview.forecast.unattended
    if preview.forecast.manual:
        return f"{minutes}, and its promotion by a person"
    return f"{minutes}, and {round(waits.total_seconds() / 60)} for promotion" if waits else str(minutes)


def _blocked(address: object, because: str) -> str:
    return f"{address}: {because}" if address is not None else because


# -- Markdown that nothing of a plan can leave


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _folded(summary: str, body: str, *, open_: bool = False) -> str:
    return f"<details{' open' if open_ else ''}><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _fenced(text: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)  # nothing in it ends the block
    return f"{fence}diff\n{text}\n{fence}"


def _code(text: str) -> str:
    """One line as code: nothing in it is Markdown, calls anybody, or ends the cell of a table."""
    shown = " ".join(text.replace("`", "'").replace("|", "¦").split())
    shown = shown if len(shown) <= CELL else f"{shown[: CELL - 1]}…"
    return f"`{shown}`" if shown else ""


def _plain(text: str) -> str:
    """A text of ours, in which names from the specs may stand."""
    return re.sub(r"[<>`|@\[\]*_\\]", "", " ".join(text.split()))
