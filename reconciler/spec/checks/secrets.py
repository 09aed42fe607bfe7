"""Checks for secrets in plain text. Findings never repeat a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model import secrecy
from reconciler.spec import node
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents.container import LookedUp
from reconciler.spec.messages import shown
from reconciler.spec.node import Entry, Node, Path, Scalar, Sequence
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    told = [*_containers(specs), *_members(specs), *_details(specs)]
    yield from told
    yield from _references(specs)
    places = {found.position for found in told}
    yield from (found for found in _anywhere(specs) if found.position not in places)


def _anywhere(specs: Specs) -> Iterator[Diagnostic]:
    """Keys and values of any field that have the form of a secret, such as an access key in a health check or a tag."""
    for root in specs.nodes.values():
        scalars = list(_scalars(root))
        # one look at each document, and at its single values only where there is something
        if not secrecy.secret_value("\n".join(scalar.text for scalar in scalars)):
            continue
        for scalar in scalars:
            if secrecy.secret_value(scalar.text):
                message = "this looks like a secret; the repository and what is created from it show it"
                yield Diagnostic("E7001", message, scalar.position, hint="store it in SSM or Secrets Manager instead")


LITERAL = frozenset({"tags", "labels", "dimensions", "attributes", "options", "system_controls", "extra_params"})
"""Fields with values that AWS takes as they are written."""


def _references(specs: Specs) -> Iterator[Diagnostic]:
    """References to secrets where nobody reads what they stand for."""
    for root in specs.nodes.values():
        for entry in _literal(root):
            if isinstance(entry.value, Scalar) and entry.value.text.startswith(("ssm:/", "secretsmanager:")):
                message = f"{shown(entry.key.text)} is set to this literal text, not to the secret it refers to"
                hint = "only 'secrets' and 'secret_options' of a container are read from SSM and Secrets Manager"
                yield Diagnostic("E7012", message, entry.value.position, hint=hint)


def _literal(root: Node) -> Iterator[Entry]:
    """The entries of fields below a node whose values are literal text, each once."""
    waiting, seen = [root], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        match one:
            case node.Mapping():
                for name, entry in one.entries.items():
                    if name in LITERAL and isinstance(entry.value, node.Mapping):
                        yield from entry.value.entries.values()
                    waiting.append(entry.value)
            case Sequence():
                waiting += one.items


def _scalars(root: Node) -> Iterator[Scalar]:
    """Every key and value below a node, each once, however often an alias names it."""
    waiting, seen = [root], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        match one:
            case Scalar():
                yield one
            case node.Mapping():
                for entry in one.entries.values():
                    waiting += (entry.value, entry.key)
            case Sequence():
                waiting += one.items


def _members(specs: Specs) -> Iterator[Diagnostic]:
    """Labels and log options that have the name of a secret."""
    for workload in specs.workloads:
        task = workload.task
        groups: list[tuple[Path, Mapping[str, str], str]] = []
        if task.logs is not None:
            groups.append((("task", "logs", "options"), task.logs.options, "write it under 'secret_options'"))
        for name, container in task.containers.items():
            base = ("task", "containers", name)
            groups.append(((*base, "labels"), container.labels, "store it in SSM or Secrets Manager"))
            if container.logs is not None:
                groups.append(((*base, "logs", "options"), container.logs.options, "write it under 'secret_options'"))
        for path, values, hint in groups:
            for key, value in values.items():
                if secrecy.secret(key, value) or secrecy.secret_value(value):
                    message = f"the value of {shown(key)} looks like a secret; the task definition shows it"
                    yield Diagnostic("E7001", message, specs.where(workload, *path, key), hint=hint)


def _details(specs: Specs) -> Iterator[Diagnostic]:
    """What ECS gives the functions of hooks, at any depth."""
    for strategy in specs.strategies:
        for index, hook in enumerate(strategy.hooks):
            for path, value in _texts(hook.details, ("hooks", index, "details")):
                if secrecy.sensitive(map(str, path[3:]), value):
                    message = f"the value of {shown(str(path[-1]))} looks like a secret; the service shows it"
                    hint = "let the function read it from SSM or Secrets Manager"
                    yield Diagnostic("E7001", message, specs.where(strategy, *path), hint=hint)


def _texts(value: Any, at: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield at, value
        case Mapping() | list() | tuple():
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                yield from _texts(item, (*at, key))


def _containers(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        for name, container in workload.task.containers.items():
            for variable, value in container.environment.items():
                place = specs.where(workload, "task", "containers", name, "environment", variable)
                looked_up = isinstance(value, LookedUp)
                if not looked_up and value.startswith(
                    ("ssm:/", "secretsmanager:", "arn:aws:secretsmanager:", "arn:aws:ssm:")
                ):
                    message = (
                        f"{shown(variable)} is passed to the container as literal text, not as the secret it refers to"
                    )
                    yield Diagnostic("W7001", message, place, hint="move it to 'secrets'")
                elif not looked_up and secrecy.secret_value(value):
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
