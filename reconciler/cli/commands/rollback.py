"""Roll back to the previous version, traffic first.

While the previous version is still running, this is one write to the load balancer; afterwards it is deployed again.
`--to` names any other release that `reconciler history` lists. Tests and promotion are skipped.
"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.service_requests import request_options, send
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.rollout.requests import RequestVerb


@click.command(help=__doc__)
@click.option("--to", metavar="RELEASE", help="An earlier release. Default: the previous version.")
@request_options
@with_last_valid_stack
def rollback(stack: Stack, to: str | None, **request: Any) -> int:
    return send(stack, RequestVerb.ROLLBACK, to=to, **request)
