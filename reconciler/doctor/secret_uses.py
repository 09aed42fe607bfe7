"""Uses of secrets: each place of a workload that names one, and what the name says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from reconciler.doctor.workloads import Workload
from reconciler.model.input_version import plain

SUFFIX: Final = 6


@dataclass(frozen=True, slots=True)
class SecretUse:
    """`name` is what its service takes: the ARN or name of a secret, the name of a parameter. `key`, `stage` and
    `version` are those of a secret."""

    workload: Workload
    where: str
    service: str
    region: str
    arn: str
    name: str
    key: str = ""
    stage: str = ""
    version: str = ""


def secrets_of(workload: Workload, region: str) -> Iterator[SecretUse]:
    """Of the variables, log options and registry credentials of each container."""
    for name, container in workload.definition.spec.containers.items():
        for variable, value in container.secrets.items():
            yield _use(workload, plain(value), workload.place(f"containers.{name}.secrets.{variable}"), region)
        options: Any = container.aws.get("logConfiguration") or {}
        values = [one["valueFrom"] for one in options.get("secretOptions") or () if "valueFrom" in one]
        credentials: Any = container.aws.get("repositoryCredentials") or {}
        values += [credentials["credentialsParameter"]] if "credentialsParameter" in credentials else []
        for value in values:
            yield _use(workload, value, workload.definition.where, region)


def _use(workload: Workload, value: str, where: str, region: str) -> SecretUse:
    parts = value.split(":")
    if parts[0] != "arn":
        return SecretUse(workload, where, "ssm", region, "", value)
    if parts[2] == "ssm":
        return SecretUse(workload, where, "ssm", parts[3], value, value.partition(":parameter/")[2])
    more = dict(zip(("key", "stage", "version"), parts[7:], strict=False))
    arn = ":".join(parts[:7])
    return SecretUse(workload, where, "secretsmanager", parts[3], arn, arn, **more)


def whole_arn(arn: str) -> bool:
    """Whether it ends in the hyphen and the six characters that Secrets Manager adds to a name. No name that the specs
    give ends like that."""
    head, _, tail = arn.rpartition("-")
    return bool(head) and len(tail) == SUFFIX


def spellings(name: str) -> tuple[str, ...]:
    """The names that a parameter may have: its ARN leaves out a first slash."""
    bare = name.lstrip("/")
    return (f"/{bare}", bare) if "/" not in bare else (f"/{bare}",)
