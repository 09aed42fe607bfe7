"""Resume a suspended service or stack, or a promotion on hold."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import service_requests
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.cli.stack_requests import resume_stack
from reconciler.rollout.requests import RequestVerb


@click.command()
@click.option("--stack", "whole_stack", is_flag=True, help="Resume the whole stack instead of one service.")
@service_requests.request_options
@with_last_valid_stack
def resume(stack: Stack, whole_stack: bool, **request: Any) -> int:
    """Resume a suspended service or stack, or a promotion on hold.

    For a service it also ends `hold`: automatic promotion is enabled again.
    """
    if not whole_stack:
        return service_requests.send(stack, RequestVerb.RESUME, **request)
    if request["service"] or request["release"] or request["now"]:
        raise click.UsageError("--stack takes no SERVICE, --release or --now")
    return resume_stack(stack, request["why"])
