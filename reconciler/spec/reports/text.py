"""Text report for terminals: the source line with a caret under the error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.spec.diagnostics import Diagnostic, Severity
from reconciler.spec.reports.report import Report

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", "gutter": "blue", "message": "bold"}
NOTHING_SENT = "Nothing was sent to AWS."


Paint = Callable[[str, str], str]
"""Gives a text a style: "bold", a color, or both."""


def text(report: Report, *, paint: Paint = lambda part, _: part, note: str = NOTHING_SENT) -> str:
    """`note` is what the findings mean for the command."""
    blocks = ["\n".join(_block(found, paint)) for found in report.diagnostics]
    return "\n\n".join([*blocks, f"{report.summary} {note}".rstrip()]) + "\n"


def _block(found: Diagnostic, paint: Paint) -> Iterator[str]:
    def painted(part: str, how: str) -> str:
        return paint(part, _STYLES[how])

    severity = found.severity
    yield f"{painted(f'{severity.value}[{found.rule}]', severity)}: {painted(found.message, 'message')}"
    where = str(found.position) if found.excerpt else found.position.file
    width = max(2, *(len(str(number)) for number, _ in found.excerpt), 0)
    yield f"{' ' * width}{painted('-->', 'gutter')} {where}"
    bar = painted(f"{' ' * width} |", "gutter")
    if found.excerpt:
        yield bar
        for number, line in found.excerpt:
            yield f"{painted(f'{number:>{width}} |', 'gutter')} {line}".rstrip()
        first, end = found.caret
        marked = painted(f"{'^' * (end - first)} {found.hint}".rstrip(), severity)
        yield f"{bar} {' ' * (first - 1)}{marked}"
    elif found.hint:
        yield f"{' ' * width} {painted('=', 'gutter')} hint: {found.hint}"
    for note in found.notes:
        yield f"{' ' * width} {painted('=', 'gutter')} note: {note.text} ({note.position})"
