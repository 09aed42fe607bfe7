"""Markdown report for pull request comments: a table of findings."""

from __future__ import annotations

import re

from reconciler.spec.reports.report import Report, sentence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")
_SYMBOLS = {"error": "✖", "warning": "▲"}


def markdown(report: Report) -> str:
    if not report.diagnostics:
        return f"✔ **Specs are valid.** {report.summary}\n"
    lines = [
        f"{_SYMBOLS['error' if report.errors else 'warning']} **{report.summary}**",
        "",
        "| | where | what |",
        "| --- | --- | --- |",
    ]
    for found in report.diagnostics:
        where = _code(str(found.position))
        lines.append(f"| {_SYMBOLS[found.severity.value]} {found.rule} | {where} | {_escaped(sentence(found))} |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text.replace('`', '·').replace('|', '·')}`"
