"""Commit status: how the deployment of a commit goes, for one of its services or for the stack as a whole.

    pending ──► success | failure | error | superseded

A status is a state and not an event: what is sent is the newest one, and one that is there already is not sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from reconciler import errors

_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_LINK: Final = re.compile(r"https?://[\x21-\x7e]+")
FIELDS: Final = ("stack", "environment", "service", "commit")
_SERVICE: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):ecs:(?P<region>[a-z0-9-]+):\d{12}:service/(?P<rest>\S+)")
_CONSOLES: Final[Mapping[str, str]] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


class CommitState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"  # of the commit itself: it was rejected, or its release failed or was rolled back
    ERROR = "error"  # the controller cannot go on
    SUPERSEDED = "superseded"  # a later commit took its place before its end


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """`service` is the name in the specs, "" for the whole stack; `arn` is that of the service.

    `only_ends`: it is sent only where the last status is a pending one, which an earlier process has left.
    """

    commit: str
    service: str
    state: CommitState
    text: str
    arn: str = ""
    only_ends: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.commit, self.service


def is_commit(text: str) -> bool:
    """Whether it is the whole id of a commit: no other names one for certain."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class StackName:
    """A stack as commands show it, such as `my-app@staging`, and the names that its statuses have."""

    stack: str

    @property
    def environment(self) -> str:
        """Name of the environment of its deployments; GitLab allows no `@` in it, and groups by `/`."""
        return self.stack.replace("@", "/")

    def context(self, service: str) -> str:
        return "/".join(part for part in ("reconciler", self.environment, service) if part)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a status leads: `template` with its fields filled in, else the service in the console of AWS."""

    template: str = ""

    def __post_init__(self) -> None:
        """Raises `errors.SpecInvalid`."""
        if not self.template:
            return
        unknown = [name for name in _FIELD.findall(self.template) if name not in FIELDS]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise errors.SpecInvalid(f"the link of notifications has no field {{{unknown[0]}}}; there are {known}")
        if not _LINK.fullmatch(self.template):
            raise errors.SpecInvalid("the link of notifications is not an http or https URL")

    def of(self, status: CommitStatus, stack: StackName) -> str:
        if not self.template:
            return _console(status.arn)
        name, _, environment = stack.stack.partition("@")
        values = {"stack": name, "environment": environment, "service": status.service, "commit": status.commit}
        return _FIELD.sub(lambda match: quote(values[match[1]], safe=""), self.template)


def _console(arn: str) -> str:
    found = _SERVICE.fullmatch(arn)
    if found is None or found["partition"] not in _CONSOLES or "/" not in found["rest"]:
        return ""
    cluster, _, name = found["rest"].partition("/")
    region = found["region"]
    host = _CONSOLES[found["partition"]]
    return f"https://{region}.{host}/ecs/v2/clusters/{cluster}/services/{name}/health?region={region}"
