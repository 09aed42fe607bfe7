"""Ask the running controller for a full reconciliation."""

from __future__ import annotations

import click

from reconciler.cli import options, stack_requests
from reconciler.cli.session import Stack, with_last_valid_stack


@click.command()
@options.specs
@click.option("-w", "--wait", is_flag=True, help="Wait for the reconciliation to complete.")
@options.timeout(120, "the reconciliation")
@click.option("--accept-history", metavar="COMMIT",
              help="Accept this commit although it does not descend from the last applied one.")  # fmt: skip
@options.store
@with_last_valid_stack
def reconcile(stack: Stack, wait: bool, timeout: float | None, accept_history: str | None) -> int:
    """Ask the running controller for a full reconciliation.

    Exits with 5 if no controller runs, and with --wait with 4 if it does not answer in time.
    """
    return stack_requests.request_reconciliation(stack, wait=wait, timeout=timeout, accept_history=accept_history)
