"""Text report for terminals: the source line with a caret under the error."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic, Severity
from reconciler.spec.reports.report import Report

_RESET = "\x1b[0m"
_COLORS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", "gutter": "\x1b[34m", "message": "\x1b[1m"}
NOTHING_SENT = "Nothing was sent to AWS."


def text(report: Report, *, color: bool = False, note: str = NOTHING_SENT) -> str:
    """`note` is what the findings mean for the command."""
    blocks = ["\n".join(_block(found, color)) for found in report.diagnostics]
    return "\n\n".join([*blocks, f"{report.summary} {note}".rstrip()]) + "\n"


def _block(found: Diagnostic, color: bool) -> Iterator[str]:
    def painted(part: str, how: str) -> str:
        return f"{_COLORS[how]}{part}{_RESET}" if color and part else part

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
