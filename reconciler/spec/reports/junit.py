"""JUnit XML report for CI servers: a test case for each file."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from reconciler.spec.diagnostics import Severity
from reconciler.spec.reports.report import Report, sentence


def junit(report: Report) -> str:
    elsewhere = {found.position.file for found in report.diagnostics} - set(report.files)
    names = [*report.files, *sorted(elsewhere)]
    failed = {found.position.file for found in report.diagnostics if found.severity is Severity.ERROR}
    time = f' time="{report.seconds:.3f}"' if report.seconds is not None else ""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuite name="reconciler validate" tests="{len(names)}" failures="{len(failed)}" errors="0"{time}>'
    )
    for name in names:
        lines.append(f'  <testcase classname="specs" name={quoteattr(name)}>')
        here = [found for found in report.diagnostics if found.position.file == name]
        errors = [found for found in here if found.severity is Severity.ERROR]
        if errors:
            text = "\n".join(f"{found.position}: {found.rule}: {sentence(found)}" for found in errors)
            message = f"{errors[0].rule}: {errors[0].message}"
            lines.append(
                f"    <failure type={quoteattr(errors[0].rule)} message={quoteattr(message)}>{escape(text)}</failure>"
            )
        warnings = [found for found in here if found.severity is Severity.WARNING]
        if warnings:
            text = "\n".join(f"{found.position}: {found.rule}: {sentence(found)}" for found in warnings)
            lines.append(f"    <system-out>{escape(text)}</system-out>")
        lines.append("  </testcase>")
    lines.append("</testsuite>")
    return "\n".join(lines) + "\n"
