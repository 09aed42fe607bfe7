"""GitHub Actions report: workflow commands that become annotations in the pull request."""

from __future__ import annotations

from reconciler.spec.reports.report import Report, sentence


def github(report: Report) -> str:
    lines = []
    for found in report.diagnostics:
        at = found.position
        place = f"file={_value(at.file)},line={at.line},col={at.column},endColumn={at.end_column}"
        lines.append(f"::{found.severity.value} {place},title={found.rule}::{_data(sentence(found))}")
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
