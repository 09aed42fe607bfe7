"""Compilation of what tasks read when they start: what ECS is told, whose versions are looked up, and what the
execution role may read.

In a service, a new version is a release, unless the document ignores it. A task that runs once, before a release or by
a schedule reads the latest whenever it starts, so that nothing of it is looked up but what is pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.input_version import SIGN
from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources.secret_version import SecretVersionSpec
from reconciler.spec import node, queries
from reconciler.spec.compile.context import Context
from reconciler.spec.documents import Service, Task
from reconciler.spec.documents.container import Container
from reconciler.spec.documents.secret import ContainerSecret, FollowedSecret, SecretReference, ends_like_an_arn

Workload = Service | Task
TYPE = "secret-version"
_MODES = {None: "", True: f"{SIGN}pinned", False: f"{SIGN}followed"}


@dataclass(frozen=True, slots=True)
class Use:
    """A reference of a container. `looked_up`: its version is, and `pin` says whether ECS is given it; `keep` is what
    of the version may stay as it is. `path` leads to it in the container's document."""

    reference: str
    path: node.Path
    looked_up: bool
    pin: bool | None = None
    keep: Keep | None = None

    @property
    def link(self) -> Link:
        return Ref(self.address) if self.looked_up else self.reference

    @property
    def address(self) -> Address:
        return Address(TYPE, f"{self.reference}{_MODES[self.pin]}")


def variables(context: Context, workload: Workload, name: str) -> dict[str, Use]:
    """The secrets in the variables of a container."""
    rolled = _rolled(context, workload)
    return {
        variable: _variable(context, workload, secret, ("secrets", variable), rolled)
        for variable, secret in workload.task.containers[name].secrets.items()
    }


def further(context: Context, workload: Workload, name: str) -> dict[str, Use]:
    """What else its tasks read, by reference: files with variables, and secret options of logs. ECS could pin the
    latter: what a log service has revoked is of no use to an earlier release, either."""
    if isinstance(workload, Task):
        return {}
    container, found, rolled = workload.task.containers[name], list[Use](), _rolled(context, workload)
    for index, file in enumerate(container.environment_files):
        found.append(_followed(file.value, ("environment_files", index), file.value in rolled))
    for option, secret in _options(workload, container).items():
        reference = value_from(context, secret.value_from)
        rolls = reference in rolled and not secret.value_from.version
        found.append(_followed(reference, ("logs", "secret_options", option), rolls))
    return {one.reference: one for one in found}


def lookups(context: Context, workload: Workload) -> Iterator[Desired[Any]]:
    """The versions that are looked up, once each."""
    found: dict[Address, Desired[Any]] = {}
    for name in workload.task.containers:
        for use in (*variables(context, workload, name).values(), *further(context, workload, name).values()):
            if use.looked_up and use.address not in found:
                spec = SecretVersionSpec(reference=use.reference, pin=use.pin)
                path = ("task", *(() if _of_task(workload, name, use) else ("containers", name)), *use.path)
                found[use.address] = context.looked_up(workload, use.address, spec, *path)
    yield from found.values()


def keeping(context: Context, workload: Workload) -> dict[Path, Keep]:
    """The references whose versions may stay as they are."""
    kept: dict[Path, Keep] = {}
    for name in workload.task.containers:
        for variable, use in variables(context, workload, name).items():
            kept |= {} if use.keep is None else {("containers", name, "secrets", variable): use.keep}
        if further(context, workload, name):
            kept["containers", name, "versions"] = Keep.VERSION
    return kept


def _rolled(context: Context, workload: Workload) -> frozenset[str]:
    """The references of which a new version is a release. A revision has one version of each, so that one use decides
    for all.
    """
    found = set[str]()
    for container in workload.task.containers.values():
        secrets = (*container.secrets.values(), *_options(workload, container).values())
        found |= {value_from(context, one.value_from) for one in secrets if one.on_rotation == "roll"}
        found |= {file.value for file in container.environment_files if file.on_rotation == "roll"}
    return frozenset(found)


def _variable(
    context: Context, workload: Workload, secret: ContainerSecret, path: node.Path, rolled: frozenset[str]
) -> Use:
    reference = value_from(context, secret.value_from)
    ignored = reference not in rolled
    if secret.value_from.version:
        return Use(reference, path, looked_up=False)
    if isinstance(workload, Task):
        once = workload.run is None or workload.run.once
        keep = Keep.PINNED if secret.pin and (once or ignored) else None
        return Use(reference, path, looked_up=bool(secret.pin), pin=True if secret.pin else None, keep=keep)
    if secret.value_from.service == "ssm" or secret.pin is False:
        return _followed(reference, path, not ignored)
    if secret.pin:
        return Use(reference, path, looked_up=True, pin=True, keep=Keep.PINNED if ignored else None)
    return Use(reference, path, looked_up=True, keep=Keep.ANY_VERSION if ignored else Keep.VERSION)


def _followed(reference: str, path: node.Path, rolls: bool) -> Use:
    return Use(reference, path, looked_up=rolls, pin=False, keep=Keep.VERSION if rolls else Keep.ANY_VERSION)


def _options(workload: Workload, container: Container) -> Mapping[str, FollowedSecret]:
    logs = queries.logs_of(workload.task.logs, container)
    return {} if logs is None else logs.secret_options


def _of_task(workload: Workload, name: str, use: Use) -> bool:
    """Whether it stands in the logs of the task, and not in those of the container."""
    return use.path[0] == "logs" and workload.task.containers[name].logs is None


def value_from(context: Context, secret: SecretReference) -> str:
    """ARN:json-key:version-stage:version-id, all places or none.

    Source: ECS developer guide, "Pass Secrets Manager secrets through Amazon ECS environment variables".
    """
    places = (secret.key, secret.stage, secret.version)
    return ":".join((_arn(context, secret), *(places if any(places) else ())))


def resource(context: Context, secret: SecretReference) -> str:
    """The secret in a policy; Secrets Manager adds a hyphen and six characters to every name."""
    arn = _arn(context, secret)
    whole = secret.service == "ssm" or (secret.arn and ends_like_an_arn(secret.arn))
    return arn if whole else f"{arn}-??????"


def _arn(context: Context, secret: SecretReference) -> str:
    if secret.arn:
        return secret.arn
    if secret.service == "ssm":
        return context.arn("ssm", f"parameter/{secret.name.lstrip('/')}")
    return context.arn("secretsmanager", f"secret:{secret.name}")
