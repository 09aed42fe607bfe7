"""The lease of the stack: another process that works on it keeps an apply out."""

from __future__ import annotations

from typing import ClassVar

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.model.resource import Batch, Calls


class Lease(Check):
    title: ClassVar[str] = "the lease of the stack"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        yield Batch.of(())
        about = f"stack {case.place.stack}"
        if case.store_error:
            fix = "see that --store names the right table or file, and that it may be read and written"
            return [Finding(Severity.ERROR, "store-unreadable", about, case.store_error, fix)]
        if not case.holder:
            return []
        cause = f"stack {case.place.stack!r} is locked by {case.holder}; an apply is refused while that is active"
        fix = "if it is the controller, commit the change and run `reconciler reconcile`; otherwise wait until it ends"
        return [Finding(Severity.WARNING, "lease-held", about, cause, fix)]
