"""Suspend reconciliation of a service or of the whole stack."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import service_requests
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.cli.stack_requests import suspend_stack
from reconciler.rollout.requests import RequestVerb


@click.command()
@click.option("--stack", "whole_stack", is_flag=True, help="Suspend the whole stack instead of one service.")
@service_requests.request_options
@with_last_valid_stack
def suspend(stack: Stack, whole_stack: bool, **request: Any) -> int:
    """Suspend reconciliation of a service or of the whole stack.

    A suspended service is not rolled out, whatever the specs say. While the stack is suspended, the controller changes
    nothing, and `apply`, `destroy` and requests exit with 5; `rollback --now` and `abort --now` still work.
    """
    if not whole_stack:
        return service_requests.send(stack, RequestVerb.SUSPEND, **request)
    if request["service"] or request["release"] or request["now"]:
        raise click.UsageError("--stack takes no SERVICE, --release or --now")
    return suspend_stack(stack, request["why"])
