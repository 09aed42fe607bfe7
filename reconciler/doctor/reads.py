"""What the doctor reads, for the policy of whoever runs it."""

from __future__ import annotations

from reconciler.doctor.check import checks
from reconciler.iam import calls

INSIDE = ("reconciler.doctor.", "reconciler.importing.stacks", "reconciler.reconcile.event_delivery")


def operations() -> calls.Operations:
    """Of all checks, without what they read on request only."""
    modules = [type(check).__module__ for check in checks().values()]
    requested = frozenset(one for check in checks().values() for one in check.on_request)
    return calls.of_modules(modules, INSIDE) - requested
