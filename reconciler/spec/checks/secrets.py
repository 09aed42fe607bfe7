"""Checks for secrets in plain text. Findings never repeat a value."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import secrecy
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        for name, container in workload.task.containers.items():
            for variable, value in container.environment.items():
                place = specs.where(workload, "task", "containers", name, "environment", variable)
                if value.startswith(("ssm:/", "secretsmanager:", "arn:aws:secretsmanager:", "arn:aws:ssm:")):
                    message = (
                        f"{shown(variable)} is passed to the container as literal text, not as the secret it refers to"
                    )
                    yield Diagnostic("W7001", message, place, hint="move it to 'secrets'")
                elif secrecy.secret_value(value):
                    message = f"the value of {shown(variable)} looks like a secret; the task definition shows it"
                    yield Diagnostic("E7001", message, place, hint=f"store it in SSM: secrets: {{{variable}: ssm:/…}}")
                elif secrecy.secret(variable, value):
                    message = f"{shown(variable)} looks like a secret's name; the task definition shows its value"
                    yield Diagnostic("E7001", message, place, hint=f"store it in SSM: secrets: {{{variable}: ssm:/…}}")
            for field in ("command", "entrypoint"):
                for index, word in enumerate(getattr(container, field)):
                    if secrecy.secret_value(word):
                        place = specs.where(workload, "task", "containers", name, field, index)
                        message = f"an argument in {shown(field)} looks like a secret; the task definition shows it"
                        hint = "store it in SSM, and read it from a variable of 'secrets'"
                        yield Diagnostic("E7001", message, place, hint=hint)
