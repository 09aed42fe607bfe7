"""Blueprint from a Compose file: its services as programs, and what of it documents cannot say.

Nothing in the file is executed, and no file is read that it names but Dockerfiles below its folder. Values that come
from the shell or from `.env` are unknown here, and stay so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.scaffold.blueprint import App, Blueprint, Use, longest_app, name_of
from reconciler.scaffold.compose_service import ComposeService, read_service
from reconciler.scaffold.findings import Findings
from reconciler.spec import discovery, node
from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.discovery import Source
from reconciler.spec.messages import shown
from reconciler.spec.parse import Budget, parse

FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which Compose prefers them."""

MOST_SERVICES: Final = 50
_TOP: Final = frozenset(
    {"services", "version", "name", "networks", "volumes", "secrets", "configs", "include", "models"}
)

STORES: Final[Mapping[str, str]] = {
    "postgres": "use Amazon RDS or Aurora",
    "postgis": "use Amazon RDS or Aurora",
    "mysql": "use Amazon RDS or Aurora",
    "mariadb": "use Amazon RDS or Aurora",
    "mongo": "use Amazon DocumentDB or a hosted MongoDB",
    "redis": "use Amazon ElastiCache",
    "valkey": "use Amazon ElastiCache",
    "memcached": "use Amazon ElastiCache",
    "rabbitmq": "use Amazon MQ",
    "kafka": "use Amazon MSK",
    "elasticsearch": "use Amazon OpenSearch Service",
    "opensearch": "use Amazon OpenSearch Service",
    "minio": "use Amazon S3",
    "localstack": "use the AWS services themselves",
    "dynamodb-local": "use Amazon DynamoDB",
    "mailhog": "use Amazon SES",
    "mailpit": "use Amazon SES",
}
"""Images that keep data, which tasks lose when they stop, and what AWS has in their place."""

COMPLETED: Final = "service_completed_successfully"


def find(folder: Path) -> Path | None:
    """The Compose file of a folder."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def overrides(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that Compose reads over the Compose file."""
    names = (name.replace(".", ".override.", 1) for name in FILES)
    return tuple(folder / name for name in names if (folder / name).is_file())


def read(path: Path, name: str, region: str) -> Blueprint:
    """Raises `errors.SpecInvalid`, with the position of each problem."""
    root = _root(path)
    findings = Findings()
    top = dict(findings.known(root.entries, _TOP, "a Compose file"))
    if "services" not in top:
        raise errors.SpecInvalid(f"{path.name}:1:1: a Compose file needs 'services'")
    entries = findings.mapping(top["services"], "services")
    if len(entries) > MOST_SERVICES:
        findings.add(top["services"], f"more than {MOST_SERVICES} services")
        findings.raise_any()
    services = {
        one: read_service(findings, one, entry.value, path.parent)
        for one, entry in entries.items()
        if not one.startswith("x-")
    }
    for service in services.values():
        for dependency, (_, place) in service.depends_on.items():
            if dependency not in services:
                hint = did_you_mean(dependency, services)
                findings.add(place, f"no service {shown(dependency)}{f'; {hint}' if hint else ''}")
    findings.raise_any()
    return _blueprint(services, name, region, path.name, [one for one in ("include",) if one in top])


def project_name(path: Path) -> str:
    """The `name` of a Compose file; empty if it has none, or cannot be read."""
    try:
        written = _root(path).text("name")
    except errors.SpecInvalid:
        return ""
    return written if written is not None and "$" not in written else ""


def _root(path: Path) -> node.Mapping:
    try:
        with path.open("rb") as opened:
            data = opened.read(discovery.LARGEST_FILE + 1)
    except OSError as error:
        raise errors.SpecInvalid(f"{path.name} cannot be read: {error.strerror or 'input/output error'}") from error
    if len(data) > discovery.LARGEST_FILE:
        raise errors.SpecInvalid(f"{path.name}:1:1: larger than {discovery.LARGEST_FILE // 1024**2} MiB")
    text, faults = discovery.decode(Source(path.name, path.name, data))
    roots, more = ([], []) if faults else parse(text, path.name, Budget(), merge=True)
    if faults or more:
        raise errors.SpecInvalid("; ".join(f"{one.position}: {one.message}" for one in (*faults, *more)))
    if len(roots) != 1 or not isinstance(roots[0], node.Mapping):
        raise errors.SpecInvalid(f"{path.name}:1:1: a Compose file is one mapping with 'services'")
    return roots[0]


@dataclass(slots=True)
class _Kept:
    """Services that become programs, by their names in the file, and those that do not."""

    names: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def _blueprint(
    services: Mapping[str, ComposeService], name: str, region: str, source: str, unread: list[str]
) -> Blueprint:
    kept = _Kept()
    for one, service in services.items():
        if why := _left_out(service):
            kept.left_out.append((one, why))
        else:
            kept.names[one] = name_of(one, set(kept.names.values()), longest=longest_app(name))
    if not kept.names:
        raise errors.SpecInvalid(f"{source}: no service can run on ECS: " + _listed(kept.left_out))
    kept.left_out += [(one, "what it names is not read") for one in unread]
    first = _first_public(services, kept.names)
    before = _migrations(services, kept.names)
    apps = [_app(services, one, kept, everything=one == first, before=before.get(one, "")) for one in kept.names]
    return Blueprint(name, region, _in_use(apps), source=source, left_out=tuple(kept.left_out))


def _listed(left_out: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({why})" for name, why in left_out)


def _left_out(service: ComposeService) -> str:
    if service.profiles:
        return f"it starts with the profile {', '.join(service.profiles)} only"
    image = re.split(r"[:@]", service.app.image.rpartition("/")[2])[0]
    store = next((key for key in STORES if image == key or image.startswith(f"{key}-")), None)
    if store is not None:
        return f"{image} keeps data, which a task loses when it stops; {STORES[store]}"
    return ""


def _first_public(services: Mapping[str, ComposeService], names: Iterable[str]) -> str:
    """The service that receives all requests that no other one takes: the one on port 80 or 443, else the first."""
    public = [one for one in names if services[one].public]
    for ports in (("80", "443"), ("8080", "3000", "8000")):
        for one in public:
            if any(port.host in ports for port in services[one].published):
                return one
    return public[0] if public else ""


def _migrations(services: Mapping[str, ComposeService], names: Mapping[str, str]) -> dict[str, str]:
    """Services that others wait for to complete, each with the one whose releases it runs before."""
    found: dict[str, str] = {}
    for one in names:
        for dependency, (condition, _) in services[one].depends_on.items():
            if condition == COMPLETED and dependency in names:
                found.setdefault(dependency, one)
    return {one: after for one, after in found.items() if after not in found}


def _app(services: Mapping[str, ComposeService], one: str, kept: _Kept, *, everything: bool, before: str) -> App:
    service = services[one]
    completed = {name for name, (condition, _) in service.depends_on.items() if condition == COMPLETED}
    gone = {name for name, _ in kept.left_out}
    named = {*service.depends_on, *service.links, *_mentioned(service.app.environment, services)} - {one} - completed
    notes = list(service.app.notes)
    for name in sorted(named & gone):
        notes.append(f"it depends on {name}, which is not part of the stack: set the variables that name it")
    waits = [name for name in sorted(completed) if name in kept.names]
    notes += [f"releases of it do not wait for {name}" for name in waits if _migrates_for(services, kept, name) != one]
    if before:
        app = replace(service.app, use=Use.MIGRATION, ports=(), before=kept.names[before], health=None)
    elif service.public:
        path = "" if everything else f"/{kept.names[one]}/*"
        app = replace(service.app, use=Use.PUBLIC, path=path)
        if path:
            notes.append(f"it is published on a port of its own in the file; here it receives the requests to {path}")
    else:
        app = replace(service.app, use=Use.WORKER)
    calls = tuple(sorted(kept.names[name] for name in named if name in kept.names))
    spoken = any(f"http://{one}" in value for other in services.values() for value in other.app.environment.values())
    http = spoken or (service.app.health is not None and bool(service.app.health.path))
    calls = () if before else calls
    return replace(app, name=kept.names[one], calls=calls, host=one.lower(), http=http, notes=tuple(notes))


def _migrates_for(services: Mapping[str, ComposeService], kept: _Kept, name: str) -> str:
    return _migrations(services, kept.names).get(name, "")


def _mentioned(environment: Mapping[str, str], services: Iterable[str]) -> set[str]:
    """Services whose host names are in the values of variables, such as http://api:8080."""
    found = set()
    for name in services:
        host = re.compile(rf"(?:^|//|@){re.escape(name)}(?::\d+|/|$)")
        if any(host.search(value) for value in environment.values()):
            found.add(name)
    return found


def _in_use(apps: list[App]) -> tuple[App, ...]:
    """What is called and has a port receives requests by its name; what has none cannot be called."""
    callable_ = {app.name for app in apps if app.port is not None and app.use is not Use.MIGRATION}
    called = {name for app in apps for name in app.calls if name in callable_}
    return tuple(
        replace(
            app,
            calls=tuple(name for name in app.calls if name in callable_),
            use=Use.INTERNAL if app.use is Use.WORKER and app.name in called else app.use,
        )
        for app in apps
    )
