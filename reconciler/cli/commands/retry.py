"""Retry a version or a one-off task that failed.

SERVICE may also be a one-off task: the controller or the next `apply` runs it again. For a service, it lifts the
quarantine of the release, which is then rolled out again; its pre-deployment task runs again too if that had failed.
"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.service_requests import request_options, send
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.rollout.requests import RequestVerb


@click.command(help=__doc__)
@request_options
@with_last_valid_stack
def retry(stack: Stack, service: str | None, **request: Any) -> int:
    from reconciler.cli.task_requests import retry_task, task_named
    from reconciler.cli.task_subjects import task_address

    name = (service or "").removeprefix("task/")
    deliveries = stack.target.deliveries
    for delivery in deliveries:
        if delivery.pre_deployment is not None and delivery.pre_deployment.address.name == name:
            return send(stack, RequestVerb.RETRY, service=delivery.name, **request)
    task = task_named(stack, name)
    if task is not None:
        if request["now"] or request["release"]:
            raise click.UsageError("--now and --release are for services; `reconciler apply` runs the task")
        return retry_task(stack, task, request["why"])
    address = task_address(stack, service)
    if address is not None and address.kind == "schedule":
        raise click.UsageError(f"{name} is scheduled; `reconciler run-task {name}` runs it now")
    return send(stack, RequestVerb.RETRY, service=service, **request)
