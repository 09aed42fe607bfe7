"""The clock of this machine: AWS refuses requests whose time differs from its own."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.model.resource import Batch, Calls

REFUSED: Final = timedelta(minutes=5)
"""Source: IAM user guide, "Troubleshooting Signature Version 4 signed requests"."""


class Clock(Check):
    title: ClassVar[str] = "the clock of this machine"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        yield Batch.of(())
        if not case.ahead:
            return []
        way = "ahead of" if case.ahead > timedelta() else "behind"
        seconds = int(abs(case.ahead).total_seconds())
        cause = (
            f"the clock of this machine is {seconds} s {way} AWS's; AWS refuses requests that differ by five minutes"
        )
        worst = Severity.ERROR if abs(case.ahead) >= REFUSED else Severity.WARNING
        fix = "synchronize it, for example with `sudo timedatectl set-ntp true`"
        return [Finding(worst, "clock-skew", "this machine", cause, fix)]
