"""What Compose files and Dockerfiles say about a container, as ECS takes it: images, health checks, Dockerfiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from reconciler import dockerfile
from reconciler.model import secrecy
from reconciler.scaffold import compose_values
from reconciler.scaffold.blueprint import App, Health
from reconciler.scaffold.findings import Findings
from reconciler.spec import discovery
from reconciler.spec.documents.container import ImageReference, VariableName
from reconciler.spec.messages import shown
from reconciler.spec.node import Node

_LIMITS: Final = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "start_period": (0, 300)}
"""Of a health check. Source: ECS API reference, HealthCheck."""

_OPTIONS: Final = {"interval": "interval", "timeout": "timeout", "start-period": "start_period"}
_VARIABLE: Final = TypeAdapter(VariableName)


def image_named(text: str) -> bool:
    """Whether `text` is an image."""
    return _accepted(TypeAdapter(ImageReference), text)


def unversioned(image: str) -> bool:
    """Whether `image` is another one after every push."""
    return ImageReference(uri=image).pinned_tag == "latest"


def reads_variable(name: str) -> bool:
    """Whether `name` is the name of a variable that a container can have."""
    return _accepted(_VARIABLE, name)


def _accepted(adapter: TypeAdapter[Any], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


def health_within_limits(health: Health) -> Health:
    """The nearest check that ECS makes: its times are limited."""
    limited: dict[str, Any] = {
        name: max(least, min(value, most))
        for name, (least, most) in _LIMITS.items()
        if (value := getattr(health, name)) is not None
    }
    return replace(health, **limited)


def read_dockerfile(path: Path, shown_as: str) -> dockerfile.Defaults | str:
    """What the file says, or what is wrong with it."""
    try:
        with path.open("rb") as opened:
            data = opened.read(discovery.LARGEST_FILE + 1)
        if len(data) > discovery.LARGEST_FILE:
            return f"{shown_as}: larger than {discovery.LARGEST_FILE // 1024**2} MiB"
        return dockerfile.read(data.decode())
    except OSError as error:
        return f"{shown_as} cannot be read: {error.strerror or 'input/output error'}"
    except ValueError as error:
        return f"{shown_as}: {error}"


def with_dockerfile(app: App, folder: Path, context: str, file: str, findings: Findings, place: Node) -> App:
    """`app` with what the Dockerfile of its build says and the Compose file does not."""
    app = replace(app, context=Path(context).as_posix())
    path = folder / context / file
    if not path.resolve().is_relative_to(folder.resolve()):
        return replace(app, notes=(*app.notes, "build: the Dockerfile is outside of this folder, and is not read"))
    if not path.is_file():
        return replace(app, notes=(*app.notes, f"build: there is no {shown(Path(context, file).as_posix())} here"))
    found = read_dockerfile(path, path.relative_to(folder).as_posix())
    if isinstance(found, str):
        findings.add(place, found)
        return app
    return described(app, found)


def described(app: App, found: dockerfile.Defaults) -> App:
    """`app`, whose image a Dockerfile makes. What the image has anyway, such as its command, is not repeated."""
    notes = list(app.notes)
    hidden = [name for name, value in found.environment.items() if secrecy.looks_secret(name, value)]
    secrets = [*app.secrets]
    for name in hidden:
        notes.append(f"{name} has its value in the image, where everyone who can pull it can read it: remove it there")
        if name not in secrets and name not in app.environment:
            secrets.append(name)
    if found.volumes:
        notes.append("VOLUME: a task's files are gone when it stops; see volumes of the task for EFS and EBS")
    health = app.health
    another = not app.ports and bool(app.command or app.entrypoint)  # than the one that listens in this image
    if another and health is None and found.health_check is not None:
        notes.append("HEALTHCHECK: not carried over, as the service runs another command")
    elif health is None and found.health_check is not None:
        health = _health(found.health_check)
        if any(secrecy.secret_value(word) for word in health.command):
            health = None
            notes.append("HEALTHCHECK: a part of it looks like a secret")
    ports = app.ports or (() if another else found.ports or _usual_port(found))
    return replace(app, ports=ports, health=health, secrets=tuple(secrets), notes=tuple(notes))


def _usual_port(found: dockerfile.Defaults) -> tuple[tuple[int, str], ...]:
    """The variable PORT, by convention."""
    written = found.environment.get("PORT", "")
    return ((int(written), "tcp"),) if written.isascii() and written.isdigit() and 0 < int(written[:6]) < 65536 else ()


def _health(check: dockerfile.HealthCheck) -> Health:
    times = {
        field: seconds
        for option, field in _OPTIONS.items()
        if (seconds := compose_values.seconds(check.options.get(option, ""))) is not None
    }
    retries = check.options.get("retries", "")
    return health_within_limits(
        Health(
            check.command,
            retries=int(retries) if retries.isascii() and retries.isdigit() and len(retries) < 4 else None,
            path=compose_values.requested_path(check.command),
            **times,
        )
    )
