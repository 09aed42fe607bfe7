"""Failure report of a rollout as text: what failed, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.report import Changed, Diagnosis, EventFold, TargetFold, TaskFold

TASKS: Final = 2
EVENTS: Final = 5
LINES: Final = 5
IDS: Final = 3
LABEL: Final = 10


def failure_text(diagnosis: Diagnosis, look: Look, *, verbose: int = 0) -> str:
    """`verbose` shows every task, event and log line of the report."""
    lines = [f"{look.paint(look.sign('bad'), 'red')} {look.paint(_shown(headline(diagnosis), look), 'bold')}"]
    for label, texts in rows(diagnosis, verbose):
        for place, text in enumerate(texts):
            lines.append(f"  {look.paint((label if place == 0 else '').ljust(LABEL), 'dim')}{_shown(text, look)}")
    return "\n".join(lines)


def headline(diagnosis: Diagnosis) -> str:
    """`service/api   release 8d02c1 failed: … Production :80 was not touched.`"""
    story = diagnosis.story
    release = f"release {story.release[:6]} " if story.release else ""
    happened = f": {story.happened}" if story.happened else ""
    production = f" {story.production}." if story.production else ""
    return f"{story.address}   {release}{story.outcome}{happened}.{production}"


def rows(diagnosis: Diagnosis, verbose: int = 0) -> Iterator[tuple[str, list[str]]]:
    """A label and its lines, where there are any."""
    finding, story = diagnosis.finding, diagnosis.story
    yield "cause", [finding.text]
    yield "tasks", _few([_task(fold) for fold in diagnosis.tasks], TASKS, verbose)
    yield "targets", [_target(fold) for fold in diagnosis.targets if not diagnosis.tasks or fold.cause == ""]
    yield "events", _few([_event(fold) for fold in _telling(diagnosis)], EVENTS, verbose)
    yield "last log", list(diagnosis.log if verbose else diagnosis.log[-LINES:])
    yield "changed", _few([_change(change) for change in story.changed], EVENTS, verbose)
    yield "done", [story.done] if story.done else []
    yield "unread", [f"{one.what}: {one.because}" for one in diagnosis.unread]
    yield "check", [finding.check] if finding.check else []
    yield "next", [" · ".join(diagnosis.next)] if diagnosis.next else []


def _telling(diagnosis: Diagnosis) -> list[EventFold]:
    """The events that add to the cause; all events if the cause is unknown."""
    return [fold for fold in diagnosis.events if not diagnosis.finding.known or fold.cause != diagnosis.finding.id]


def _task(fold: TaskFold) -> str:
    """`9c1b, 77e0, 12aa STOPPED exit 1 "Essential container in task exited"`"""
    ids = ", ".join(id[:4] for id in fold.ids[:IDS])
    more = f" and {fold.count - IDS} more" if fold.count > IDS else ""
    code = f" exit {fold.exit_code}" if fold.exit_code is not None else ""
    reason = f' "{fold.reason}"' if fold.reason else ""
    return f"{ids}{more} {fold.status}{code}{reason}"


def _target(fold: TargetFold) -> str:
    words = ": ".join(text for text in (fold.reason, fold.description) if text)
    return f"{', '.join(fold.ids[:IDS])} {fold.state}{f' ({words})' if words else ''}"


def _event(fold: EventFold) -> str:
    return f"{fold.message}{f' (×{fold.count})' if fold.count > 1 else ''}"


def _change(change: Changed) -> str:
    commit = f'in {change.commit[:7]} "{change.subject}"' if change.commit else ""
    return "   ".join(part for part in (change.path, change.where, commit) if part)


def _few(texts: list[str], most: int, verbose: int) -> list[str]:
    if verbose or len(texts) <= most:
        return texts
    return [*texts[:most], f"({len(texts) - most} more; use -v to show them)"]


def _shown(text: str, look: Look) -> str:
    """Symbols as the terminal can show them."""
    if look.unicode:
        return text
    for mark, sign in (("→", "arrow"), ("·", "dot"), ("…", "more")):
        text = text.replace(mark, look.sign(sign))
    return text.replace("×", "x")
