"""Ask the running controller for a full reconciliation."""

from __future__ import annotations

import click

from reconciler.cli import options, stack_requests
from reconciler.cli.session import Stack, with_last_valid_stack


@click.command()
@options.specs
@click.option("-w", "--wait", is_flag=True, help="Wait for the reconciliation to complete.")
@click.option("--timeout", default=120.0, metavar="SECONDS", help="How long to wait.", show_default=True)
@click.option("--accept-history", metavar="COMMIT",
              help="Accept this commit although it does not descend from the last applied one.")  # fmt: skip
@with_last_valid_stack
def reconcile(stack: Stack, wait: bool, timeout: float, accept_history: str | None) -> int:
    """Ask the running controller for a full reconciliation.

    With --wait, exits with 4 if the controller does not answer in time.
    """
    return stack_requests.request_reconciliation(stack, wait=wait, timeout=timeout, accept_history=accept_history)
