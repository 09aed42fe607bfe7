"""JSON report for programs: one versioned document."""

from __future__ import annotations

from json import dumps
from typing import Any

from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.node import Position
from reconciler.spec.reports.report import Report

FORMAT_VERSION = 1


def json(report: Report) -> str:
    said = {
        "format_version": FORMAT_VERSION,
        "ok": not report.errors,
        "errors": report.errors,
        "warnings": report.warnings,
        "files": list(report.files),
        "diagnostics": [_finding(found) for found in report.diagnostics],
    }
    return dumps(said, indent=2, ensure_ascii=False) + "\n"


def _finding(found: Diagnostic) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": found.severity.value,
        "message": found.message,
        **_place(found.position),
        "hint": found.hint,
        "notes": [{"message": note.text, **_place(note.position)} for note in found.notes],
    }


def _place(position: Position) -> dict[str, Any]:
    return {
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "end_column": position.end_column,
    }
