"""The plan itself: why it would be refused, and what it waits for a person to do."""

from __future__ import annotations

from typing import ClassVar

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.model.resource import Batch, Calls


class PlanCheck(Check):
    title: ClassVar[str] = "the plan"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        yield Batch.of(())
        found = [
            Finding(
                Severity.ERROR,
                f"plan-{refusal.code}",
                str(refusal.address or "the plan"),
                f"the plan is blocked: {refusal.because}",
                refusal.hint or "`reconciler diff` shows the plan",
                refusal.where,
            )
            for refusal in case.plan.refusals
        ]
        for note in case.plan.failed:
            fix = f"run it again with `reconciler retry {note.address}`"
            found.append(Finding(Severity.WARNING, "task-failed", str(note.address), note.because, fix))
        return found
