"""Extend the deadline of the current phase."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.service_requests import request_options, send
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.rollout.requests import RequestVerb


@click.command(help=__doc__)
@request_options
@click.option(
    "--by", type=options.some_time, required=True, metavar="DURATION", help="Additional time, such as 30m, 1h."
)
@with_last_valid_stack
def extend(stack: Stack, by: timedelta, **request: Any) -> int:
    return send(stack, RequestVerb.EXTEND, by=by, **request)
