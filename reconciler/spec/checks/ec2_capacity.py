"""Checks of EC2 capacity: its number of instances, and what tasks have on Fargate only, or on instances only."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Service, Task
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for cluster in specs.clusters:
        for index, capacity in enumerate(cluster.ec2_capacity):
            if capacity.min > capacity.max:
                message = f"min: {capacity.min} is above max, {capacity.max}"
                yield Diagnostic("E5009", message, specs.where(cluster, "ec2_capacity", index, "min"))
    for workload in specs.workloads:
        yield from _of_fargate(specs, workload) if queries.on_ec2(specs, workload) else _of_ec2(specs, workload)


def _of_fargate(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    if workload.placement.public_ip:
        message = "public_ip: a task on an EC2 instance has no public address"
        hint = "set public_ip on the ec2_capacity, or use a NAT gateway"
        yield Diagnostic("E5031", message, specs.where(workload, "placement", "public_ip", key=True), hint=hint)
    if workload.platform_version != "LATEST":
        message = "platform_version: EC2 instances have none"
        yield Diagnostic("E5031", message, specs.where(workload, "platform_version", key=True))
    if workload.task.ephemeral_storage is not None:
        message = "ephemeral_storage: tasks on an EC2 instance share its volume"
        place = specs.where(workload, "task", "ephemeral_storage", key=True)
        yield Diagnostic("E5031", message, place, hint="set volume on the ec2_capacity")


def _of_ec2(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    for field in ("strategy", "constraints"):
        if getattr(workload.placement, field) is not None:
            message = f"{field}: Fargate chooses by itself where a task runs"
            yield Diagnostic("E5032", message, specs.where(workload, "placement", field, key=True))
