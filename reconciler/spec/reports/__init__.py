"""Report formats for findings: terminal, pull requests, scanners. Pure functions from values to text."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.spec.reports.github import github
from reconciler.spec.reports.json import json
from reconciler.spec.reports.junit import junit
from reconciler.spec.reports.markdown import markdown
from reconciler.spec.reports.report import Report, report
from reconciler.spec.reports.sarif import sarif
from reconciler.spec.reports.text import text

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text,
    "json": json,
    "markdown": markdown,
    "github": github,
    "sarif": sarif,
    "junit": junit,
}

__all__ = ["FORMATS", "Report", "github", "json", "junit", "markdown", "report", "sarif", "text"]
