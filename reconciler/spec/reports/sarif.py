"""SARIF 2.1.0 report for code scanners."""

from __future__ import annotations

from json import dumps
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.node import Position
from reconciler.spec.reports.report import Report, sentence
from reconciler.spec.rules import catalogue

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report) -> str:
    used = sorted({found.rule for found in report.diagnostics})
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "defaultConfiguration": {"level": "warning" if rule.warning else "error"},
        }
        for rule in (catalogue()[id] for id in used)
    ]
    driver = {"name": "reconciler", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, used.index(found.rule)) for found in report.diagnostics],
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(found: Diagnostic, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "ruleIndex": index,
        "level": found.severity.value,
        "message": {"text": sentence(found)},
        "locations": [{"physicalLocation": _location(found.position)}],
    }
    if found.notes:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": note.text}, "physicalLocation": _location(note.position)}
            for number, note in enumerate(found.notes)
        ]
    return result


def _location(position: Position) -> dict[str, Any]:
    region = {
        "startLine": position.line,
        "startColumn": position.column,
        "endLine": position.line,
        "endColumn": position.end_column,
    }
    return {"artifactLocation": {"uri": quote(position.file)}, "region": region}
