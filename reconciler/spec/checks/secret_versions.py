"""Checks of what is said about versions of secrets, parameters and files with variables."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import input_version
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Service, Task
from reconciler.spec.documents.secret import ContainerSecret
from reconciler.spec.messages import shown
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        followed = 0
        for name, container in workload.task.containers.items():
            base = ("task", "containers", name)
            for variable, secret in container.secrets.items():
                yield from _secret(specs, workload, secret, (*base, "secrets", variable))
                follows = secret.value_from.service == "ssm" or secret.pin is not True
                followed += follows and secret.on_rotation == "roll"
            if isinstance(workload, Task):
                for index, file in enumerate(container.environment_files):
                    if "on_rotation" in file.model_fields_set:
                        yield _unreleased(specs, workload, (*base, "environment_files", index, "on_rotation"))
            followed += sum(file.on_rotation == "roll" for file in container.environment_files)
        if isinstance(workload, Service) and followed > input_version.MOST:
            message = f"{followed} secrets, parameters and files: new versions of {input_version.MOST} are noticed"
            yield Diagnostic(
                "W1155", message, specs.where(workload, "task", key=True), hint="several values fit into one secret"
            )


def _secret(specs: Specs, workload: Service | Task, secret: ContainerSecret, path: Path) -> Iterator[Diagnostic]:
    stated = "on_rotation" in secret.model_fields_set
    if isinstance(workload, Task) and stated and not (secret.pin and _scheduled(workload)):
        yield _unreleased(specs, workload, (*path, "on_rotation"))
    arn = secret.value_from.arn
    region = arn.split(":")[3] if arn else ""
    if (
        secret.pin
        and not secret.value_from.version
        and specs.stack is not None
        and region not in ("", specs.stack.region)
    ):
        message = f"the version of a secret in {shown(region)} is not looked up, so that it cannot be pinned"
        hint = "replicate the secret to the stack's region, or write its version id in the reference"
        yield Diagnostic("E1157", message, specs.where(workload, *path, "pin"), hint=hint)


def _scheduled(task: Task) -> bool:
    return task.run is not None and not task.run.once


def _unreleased(specs: Specs, workload: Service | Task, path: Path) -> Diagnostic:
    message = "on_rotation: a new version does not run a task again, and the next run takes it"
    return Diagnostic("E1156", message, specs.where(workload, *path, key=True), hint="remove it")
