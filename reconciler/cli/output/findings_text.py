"""Findings of the doctor as text, JSON, and annotations of GitHub."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.cli.output.plan_github import row
from reconciler.cli.output.terminal import Look
from reconciler.doctor.check import Finding, Severity

COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
SIGNS = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dot"}
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def findings_text(findings: Iterable[Finding], look: Look, *, verbose: int = 0) -> str:
    """Each finding with its cause, its place in the specs, and what to do. With `verbose`, with its policy."""
    lines: list[str] = []
    for one in findings:
        head = f"{look.sign(SIGNS[one.severity])} {one.about}   {one.code}"
        lines.append(look.paint(head, COLORS[one.severity]) + (f"   {one.where}" if one.where else ""))
        lines += [f"    {one.cause}", look.paint(f"    {one.fix}", "dim")]
        if one.policy:
            lines += [f"    {line}" for line in _policy(one, verbose)]
        lines.append("")
    return "\n".join(lines)


def _policy(finding: Finding, verbose: int) -> list[str]:
    if finding.code == "not-simulated" or verbose:
        return json.dumps(finding.policy, indent=2).splitlines()
    return []


def summary(findings: Sequence[Finding]) -> str:
    """`1 error, 2 warnings`, or that nothing was found."""
    counts = Counter(one.severity for one in findings)
    words = [f"{counts[one]} {one.value}{'' if counts[one] == 1 else 's'}" for one in Severity if counts[one]]
    return f"{', '.join(words)}." if words else "Nothing was found that would make an apply or a rollout fail."


def findings_document(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "severity": one.severity.value,
            "code": one.code,
            "about": one.about,
            "cause": one.cause,
            "where": one.where or None,
            "fix": one.fix,
            "policy": dict(one.policy) or None,
        }
        for one in findings
    ]


def findings_github(findings: Iterable[Finding]) -> str:
    rows = (
        row(LEVELS[one.severity], one.where, f"{one.about} ({one.code})", f"{one.cause}\n{one.fix}") for one in findings
    )
    return "".join(f"{one}\n" for one in rows)
