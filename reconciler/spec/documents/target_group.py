"""Blocks of a service's `traffic` that describe its target groups: their names, health check, and stickiness."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Named
from reconciler.spec.documents.values import Duration, Port, Whole, lasting, matching, whole

TargetGroupName = Annotated[
    str, *matching(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", 32, "letters, digits and inner '-' only")
]
TRAFFIC_PORT: Final = "traffic-port"
_PATH = r"/[\x21-\x7e]*"
_CODES = r"\d{1,3}(?:(?:,\d{1,3})*|-\d{1,3})"


def _port(value: Any) -> Any:
    return TRAFFIC_PORT if value == TRAFFIC_PORT else whole(value)


HealthCheckPort = Annotated[
    Literal["traffic-port"] | Port,
    BeforeValidator(_port),
    WithJsonSchema({"anyOf": [{"const": TRAFFIC_PORT}, {"type": "integer", "minimum": 1, "maximum": 65535}]}),
]


class TargetHealthCheck(Block):
    """The load balancer's health check of the tasks. All fields are always sent to AWS."""

    path: Annotated[str, *matching(_PATH, 1024, "a path begins with / and has no spaces")] | None = None
    """Default: /, and with GRPC the method /AWS.ALB/healthcheck."""
    port: HealthCheckPort = TRAFFIC_PORT
    """A port of the tasks, or traffic-port: the one that requests go to."""
    protocol: Literal["HTTP", "HTTPS", "TCP"] | None = None
    """Default: HTTP, and TCP for a target group of a network load balancer, also of UDP."""
    interval: Annotated[Duration, lasting("5s", "300s")] = duration.parse("10s")
    """Time between two checks."""
    timeout: Annotated[Duration, lasting("2s", "120s")] = duration.parse("5s")
    """Time after which a check has failed."""
    healthy_threshold: Annotated[Whole, Field(ge=2, le=10)] = 2
    """Checks in a row after which a target is healthy."""
    unhealthy_threshold: Annotated[Whole, Field(ge=2, le=10)] = 2
    """Failed checks in a row after which a target is unhealthy."""
    matcher: Annotated[str, *matching(_CODES, 128, "codes such as 200, 200,204 or 200-299")] | None = None
    """Codes of a healthy task, from 200 to 499. Default: 200. With GRPC, from 0 to 99. Default: 12."""


class TargetGroup(Named):
    """A target group; plain text is its name."""

    short_form = {"type": "string"}

    name: TargetGroupName
    aws_name: TargetGroupName | None = None
    """Its name in AWS. Default: its name here, with the Stack's prefix and suffix."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return self.name


CookieName = Annotated[
    str,
    *matching(
        r"(?!AWSALB)[A-Za-z0-9!#$%&'*+.^_`|~-]+",
        4096,
        "the name of a cookie; names that begin with AWSALB are the load balancer's own",
    ),
]


class Stickiness(Block):
    """Which cookie keeps a client with its task."""

    cookie: CookieName | None = None
    """A cookie that the application sets. Default: one that the load balancer sets."""
    duration: Annotated[Duration, lasting("1s", "7d")] = duration.parse("1d")
    """How long a client stays with its task."""
