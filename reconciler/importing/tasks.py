"""The block `task` of a document: what a task definition says, in the words of the specs.

Only what differs from the defaults of the specs is stated. What the specs have no words for is left out, and is carried
over to every new revision. So is a whole field that must not or cannot be written down, such as environment variables
among which there is a secret; a comment says so, without its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from reconciler.model import duration, input_version, secrecy
from reconciler.model.resource_type import Scope
from reconciler.printable import hidden
from reconciler.resources._containers import DEFAULT_STOP_TIMEOUT, Container, ContainerHealthCheck
from reconciler.resources._definition import DEFAULT_STORAGE, TaskDefinitionSpec
from reconciler.spec.documents.container import PortName, VariableName
from reconciler.spec.yaml_text import Block, word

_SECRET_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:\s]*){0,3}"
)
_PARAMETER_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:ssm:([a-z0-9-]+):(\d{12}):parameter(/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)"
)
_NAMES: Final = TypeAdapter(VariableName)
_PORTS: Final = TypeAdapter(PortName)


def task_block(
    definition: TaskDefinitionSpec,
    scope: Scope,
    roles: Mapping[str, str],
    logs: Mapping[str, Any] | None,
    registries: Mapping[str, str],
    notes: Mapping[str, str],
) -> Block:
    """`roles` are the references to its roles by ARN, `logs` the log group that the document owns, `registries` the
    documents of the repositories by the URIs of images. `notes` are comments above fields."""
    block = Block()
    block.put("cpu", definition.cpu or None, beside=_vcpu(definition.cpu))
    block.put("memory", definition.memory or None)
    containers = Block()
    for name, container in definition.containers.items():
        containers.put(name, container_block(container, definition, scope, registries.get(str(container.image), "")))
    block.put("containers", containers)
    if logs is not None:
        block.put("logs", logs)
    elif "logs" in notes:
        block.note(notes["logs"])
    for field, arn in (("role", definition.task_role), ("execution_role", definition.execution_role)):
        if arn:
            block.put(field, roles.get(str(arn), str(arn)), above=notes.get(field, ""))
    if definition.architecture != "X86_64":
        block.put("architecture", definition.architecture)
    if definition.ephemeral_storage != DEFAULT_STORAGE:
        block.put("ephemeral_storage", definition.ephemeral_storage, beside="GiB")
    if definition.aws:
        block.note(f"Carried over to every revision, as it is: {', '.join(sorted(definition.aws))}.")
    return block


def _vcpu(units: int) -> str:
    return f"{units / 1024:g} vCPU" if units else ""


def container_block(container: Container, definition: TaskDefinitionSpec, scope: Scope, registry: str) -> Block:
    block = Block()
    alone = len(definition.containers) == 1
    newer = f"for the next version, write {{registry: {registry}, tag: …}}" if registry else ""
    block.put("image", str(container.image), above=newer)
    _ports(block, container)
    _words(block, "command", container.command)
    _words(block, "entrypoint", container.entrypoint)
    _environment(block, container)
    _secrets(block, container, scope)
    _health_check(block, container.health_check)
    for field in ("cpu", "memory"):
        value = getattr(container, field)
        if value and not (alone and value == getattr(definition, field)):
            block.put(field, value)
    block.put("memory_reservation", container.aws.get("memoryReservation"))
    if not container.essential:
        block.put("essential", container.essential)
    if container.depends_on:
        block.put("depends_on", dict(container.depends_on))
    block.put("user", container.user or None)
    block.put("readonly_root", container.readonly_root or None)
    if container.stop_timeout != DEFAULT_STOP_TIMEOUT:
        block.put("stop_timeout", seconds(container.stop_timeout))
    if container.ulimits:
        block.put("ulimits", {name: {"soft": one.soft, "hard": one.hard} for name, one in container.ulimits.items()})
    if carried := sorted(set(container.aws) - {"memoryReservation"}):
        block.note(f"Carried over to every revision, as it is: {', '.join(carried)}.")
    return block


def _ports(block: Block, container: Container) -> None:
    ports = sorted(container.ports, key=lambda port: (port.port, port.protocol))
    if any(port.name and not _valid(_PORTS, port.name) for port in ports):
        block.note("The names of its ports are not those of the specs, and stay as they are.")
        ports = [port.model_copy(update={"name": None}) for port in ports]
    if len(ports) == 1 and ports[0].protocol == "tcp" and not ports[0].name:
        block.put("port", ports[0].port)
    elif ports:
        block.put("ports", [_port(port) for port in ports])


def _port(port: Any) -> Any:
    if port.protocol == "tcp" and not port.name:
        return port.port
    found = {"port": port.port, "protocol": port.protocol if port.protocol != "tcp" else None, "name": port.name}
    return {key: value for key, value in found.items() if value is not None}


def _words(block: Block, field: str, words: tuple[str, ...]) -> None:
    if not all(map(_writable, words)):
        block.note(f"`{field}` is not stated, and stays as it is: it contains characters that files do not show.")
    elif any(secrecy.secret_value(one) or secrecy.masked(one) != one for one in words):
        block.note(
            f"`{field}` is not stated, and stays as it is: a part of it looks like a secret. Store that in SSM, and "
            "read it from a variable of `secrets`."
        )
    elif words:
        block.put(field, list(words))


def _environment(block: Block, container: Container) -> None:
    """All variables, or none: a field that is stated is stated as a whole."""
    if not container.environment:
        return
    found = {key: str(value) for key, value in sorted(container.environment.items())}
    hidden = [name for name, value in found.items() if secrecy.looks_secret(name, value)]
    invalid = [name for name, value in found.items() if not (_valid(_NAMES, name) and _writable(value))]
    if not hidden and not invalid:
        block.put("environment", found)
        return
    if invalid:
        block.note(
            f"`environment` is not stated, and stays as it is: the specs cannot have {', '.join(invalid)}, "
            "because of its name, or of characters in its value that files do not show."
        )
        return
    lines = ["secrets:", *(f"  {name}: ssm:/{name}" for name in hidden), "environment:"]
    lines += [f"  {word(name)}: {word(value)}" for name, value in found.items() if name not in hidden]
    block.note(
        f"`environment` is not stated, and stays as it is: the {'value' if len(hidden) == 1 else 'values'} of "
        f"{', '.join(hidden)} {'looks like a secret' if len(hidden) == 1 else 'look like secrets'}, and anyone who can "
        "read the task definition can read it. Store it in SSM or Secrets Manager, and then state:",
        literal=lines if len(lines) > len(hidden) + 2 else lines[:-1],
    )


def _writable(value: str) -> bool:
    """Whether a file can hold it: the specs refuse characters that nobody sees."""
    return not any(hidden(character) for character in value if character not in "\n\t")


def _secrets(block: Block, container: Container, scope: Scope) -> None:
    if not container.secrets:
        return
    registered = {name: input_version.plain(value) for name, value in sorted(container.secrets.items())}
    found = {name: secret_reference(value, scope) for name, value in registered.items()}
    unknown = [name for name, value in found.items() if value is None or not _valid(_NAMES, name)]
    if unknown:
        block.note(
            f"`secrets` is not stated, and stays as it is: {', '.join(unknown)} would have to be a whole ARN in the "
            "task definition. Those references are: " + ", ".join(registered[name] for name in unknown) + "."
        )
    else:
        block.put("secrets", found)


def secret_reference(value: str, scope: Scope) -> str | None:
    """What the specs write for a `valueFrom`; None where they would register another one."""
    if match := _PARAMETER_ARN.fullmatch(value):
        return f"ssm:{match[3]}" if (match[1], match[2]) == (scope.region, scope.account) else value
    if _SECRET_ARN.fullmatch(value):
        places = value.count(":") - 6
        return value if places in (0, 3) and (places == 0 or value.rstrip(":") != value[: _head(value)]) else None
    return None


def _head(value: str) -> int:
    """Length of the ARN of a secret without key, stage and version."""
    return len(":".join(value.split(":")[:7]))


def _health_check(block: Block, check: ContainerHealthCheck) -> None:
    if not check.command:
        return
    if any(secrecy.secret_value(one) for one in check.command):
        block.note("`health_check` is not stated, and stays as it is: its command looks like a secret.")
        return
    usual = ContainerHealthCheck()
    found: dict[str, Any] = {"command": list(check.command)}
    for field in ("interval", "timeout", "start_period"):
        if getattr(check, field) != getattr(usual, field):
            found[field] = seconds(getattr(check, field))
    if check.retries != usual.retries:
        found["retries"] = check.retries
    block.put("health_check", found)


def seconds(value: int) -> str:
    return duration.format(timedelta(seconds=value))


def _valid(adapter: TypeAdapter[Any], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
