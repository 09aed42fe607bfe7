"""Logs of a task: the driver that takes its containers' output, and the router of FireLens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.secret import FollowedSecret
from reconciler.spec.documents.values import Flag, Text, Whole, matching, problem
from reconciler.spec.messages import joined, shown

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs can keep log lines."""

_CHARACTER: Final = r"[.\-_/#A-Za-z0-9]"
"""A character of a log group's name."""
AWSLOGS: Final = "awslogs"
FIRELENS: Final = "awsfirelens"
GROUP: Final = "awslogs-group"
REGION: Final = "awslogs-region"
CREATED: Final = "awslogs-create-group"
OPTIONS: Final = (
    GROUP,
    REGION,
    "awslogs-stream-prefix",
    CREATED,
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "mode",
    "max-buffer-size",
)
"""Options of the driver awslogs (ECS API reference, LogConfiguration)."""

_FORMS: Final = {
    GROUP: (rf"{_CHARACTER}{{1,512}}", "the name of a log group"),
    REGION: (r"[a-z]{2}[a-z-]*-\d+", "a region such as us-west-2"),
    "awslogs-stream-prefix": (r"[^:*]+", "a prefix without ':' and '*'"),
}
_ONE_OF: Final = {"mode": ("blocking", "non-blocking"), CREATED: ("true", "false")}


def _retention(days: int) -> int:
    if days not in RETENTIONS:
        nearest = min(RETENTIONS, key=lambda allowed: (abs(allowed - days), allowed))
        raise problem(
            "E1107", f"logs can be kept for {joined(map(str, RETENTIONS))} days, not {days}", hint=f"{nearest}?"
        )
    return days


Retention = Annotated[Whole, AfterValidator(_retention), Field(json_schema_extra={"enum": list(RETENTIONS)})]
LogGroupName = Annotated[str, *matching(rf"{_CHARACTER}+", 512, "letters, digits and . - _ / # only")]
OptionName = Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9_.@-]*", 255, "letters, digits and _ . @ - only")]
LogDriver = Literal["awslogs", "splunk", "awsfirelens"]


class ContainerLogs(Block):
    """Where a container's output goes, instead of where the task's `logs` say."""

    driver: LogDriver = AWSLOGS
    """The log drivers of Fargate. With `awsfirelens`, a container of the task has `firelens`."""
    options: dict[OptionName, Text] = Field(default_factory=dict)
    """Options of the driver, such as {mode: non-blocking, max-buffer-size: 25m} for awslogs."""
    secret_options: dict[OptionName, FollowedSecret] = Field(default_factory=dict)
    """Options whose values are secrets, such as splunk-token."""

    @property
    def stored(self) -> bool:
        """Whether CloudWatch Logs has it, in a log group."""
        return self.driver == AWSLOGS

    @model_validator(mode="after")
    def _options_of_the_driver(self) -> ContainerLogs:
        for name in self.options.keys() & self.secret_options.keys():
            raise problem("E1112", f"{shown(name)} is in 'options' already", at=("secret_options", name))
        if self.driver == AWSLOGS:
            if self.secret_options:
                raise problem("E1112", "awslogs has no secret options", at=("secret_options",))
            if (found := _wrong(self.options)) is not None:
                raise found
        return self


class Logs(ContainerLogs):
    """Where the containers' output goes. With `awslogs`, the default, CloudWatch Logs stores it."""

    api = "log_group"

    retention_days: Retention | None = None
    """Default: log lines never expire."""
    group: LogGroupName | None = None
    """Name of the log group. Default: /ecs/ and the document's name."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateLogGroup, by CloudWatch's names, such as `kmsKeyId`."""

    @model_validator(mode="after")
    def _stored(self) -> Logs:
        for field in ("retention_days", "group", "aws"):
            if getattr(self, field) and not self.stored:
                raise problem("E1112", f"'{field}' is for the driver awslogs", at=(field,))
        for name, instead in ((GROUP, "write it as group"), (REGION, "the group is in the stack's region")):
            if self.stored and name in self.options:
                raise problem("E1112", f"{shown(name)} is set by the field 'group'", hint=instead, at=("options", name))
        return self


def _wrong(options: Mapping[str, str]) -> PydanticCustomError | None:
    """What is wrong with options of awslogs."""
    for name, value in options.items():
        if name not in OPTIONS:
            hint = did_you_mean(name, OPTIONS)
            return problem("E1107", f"awslogs has no option {shown(name)}", hint=hint, at=("options", name))
        if name in _ONE_OF and value not in _ONE_OF[name]:
            message = f"{name}: expected {joined(_ONE_OF[name])}, found {shown(value)}"
            return problem("E1107", message, at=("options", name))
        if name in _FORMS and not re.fullmatch(_FORMS[name][0], value, re.ASCII):
            return problem("E1109", f"{name}: {shown(value)} is not {_FORMS[name][1]}", at=("options", name))
    for name, other in (("awslogs-datetime-format", "awslogs-multiline-pattern"),):
        if name in options and other in options:
            return problem("E1112", f"{shown(other)} excludes {shown(name)}", at=("options", other))
    if "max-buffer-size" in options and options.get("mode", "non-blocking") != "non-blocking":
        return problem("E1112", "only the mode non-blocking has a buffer", at=("options", "max-buffer-size"))
    return None


class Firelens(Block):
    """Makes the container the log router of its task."""

    type: Literal["fluentbit", "fluentd"]
    """The router that the container's image has."""
    config_file: Annotated[str, *matching(r"/[\x21-\x7e]*", 1024, "a path in the image, beginning with /")] | None = (
        None
    )
    """A configuration file in the container's image; Fargate reads none from S3."""
    metadata: Flag = True
    """Adds the cluster, task and task definition to each record."""
