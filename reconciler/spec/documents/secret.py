"""Reference to a secret of Secrets Manager or a parameter of SSM, as a container names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from reconciler.spec.documents import values
from reconciler.spec.documents.base import Block
from reconciler.spec.documents.values import Flag, problem

_PARAMETER = r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"
_SECRET = (
    r"(?P<name>[A-Za-z0-9/_+=.@-]{1,512})"
    r"(?::(?P<key>[^:\s]*)(?::(?P<stage>[^:\s]{0,256})(?::(?P<version>[^:\s]*))?)?)?"
)
_FORMS = (
    ("ssm", re.compile(rf"ssm:(?P<name>/?{_PARAMETER})", re.ASCII)),
    ("ssm", re.compile(rf"(?P<arn>arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{{12}}:parameter/{_PARAMETER})", re.ASCII)),
    ("secretsmanager", re.compile(rf"secretsmanager:{_SECRET}", re.ASCII)),
    (
        "secretsmanager",
        re.compile(rf"(?P<arn>arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{{12}}:secret:){_SECRET}", re.ASCII),
    ),
)
_LONGEST = 2048
_VERSION = re.compile(r"(?:.{32,64})?")
"""A version id (Secrets Manager API reference, GetSecretValue)."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Reference to a secret; the value itself never appears in the specs.

    `service` is ssm or secretsmanager. `name` is the parameter's or secret's name, `arn` is set instead if an ARN was
    written. A secret may have a JSON key, and a version by its stage or its id.
    """

    service: Literal["ssm", "secretsmanager"]
    name: str = ""
    arn: str = ""
    key: str = ""
    stage: str = ""
    version: str = ""
    written: str = ""

    def __str__(self) -> str:
        return self.written


def ends_like_an_arn(name: str) -> bool:
    """Whether Secrets Manager takes `name` for the end of a whole ARN: a hyphen and six characters.

    Source: Secrets Manager user guide, "Troubleshoot AWS Secrets Manager", secrets that are not found by a partial ARN.
    """
    head, dash, tail = name.rpartition("-")
    return bool(head and dash) and len(tail) == 6


def _secret(value: Any) -> SecretReference:
    if isinstance(value, SecretReference):
        return value
    written = values.text(value)
    for service, form in _FORMS:
        if len(written) <= _LONGEST and (found := form.fullmatch(written)):
            return _read(service, found, written)
    # The text is not repeated: a secret written in place of its reference must not reach a log.
    raise problem("E7003", "expected a reference to a secret: ssm:/path, secretsmanager:name or an ARN")


def _read(service: Any, found: re.Match[str], written: str) -> SecretReference:
    parts = {key: value or "" for key, value in found.groupdict().items()}
    if service == "secretsmanager":
        if parts["stage"] and parts["version"]:
            raise problem("E1112", "a secret has either a version stage or a version id, not both")
        if not _VERSION.fullmatch(parts["version"]):
            raise problem("E7003", "the version id of a secret has 32 to 64 characters")
        if "arn" in parts:
            parts["arn"] += parts.pop("name")
        elif ends_like_an_arn(parts["name"]):
            message = "a secret whose name ends in a hyphen and six characters cannot be found by its name"
            raise problem("E7009", message, hint="write its whole ARN")
    return SecretReference(service, **parts, written=written)


Secret: TypeAlias = Annotated[
    SecretReference,
    BeforeValidator(_secret),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^(ssm|secretsmanager|arn):"}),
]


REFERENCE_SCHEMA: Final = {"type": "string", "pattern": "^(ssm|secretsmanager|arn):"}
OnRotation: TypeAlias = Literal["roll", "ignore"]


class FollowedSecret(Block):
    """A secret that tasks read when they start; plain text is its reference."""

    short_form = REFERENCE_SCHEMA

    value_from: Secret
    """ssm:/path, secretsmanager:name[:json-key[:version-stage[:version-id]]] or an ARN."""
    on_rotation: OnRotation = "roll"
    """What a new version leads to. `roll`: a release of the service. `ignore`: nothing; the next release takes it."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | FollowedSecret) else {"value_from": value}

    def __str__(self) -> str:
        return str(self.value_from)


class ContainerSecret(FollowedSecret):
    """A secret in a variable of a container; plain text is its reference."""

    pin: Flag | None = None
    """Whether tasks read the version that the release has, for as long as they run it: a rollback takes that one back,
    too. Only secrets of Secrets Manager. Default: in a service, if the rotation of the secret is off. One that rotates
    is followed, because after a rotation only its new value works."""

    @model_validator(mode="after")
    def _can_be_pinned(self) -> ContainerSecret:
        if self.pin and self.value_from.service == "ssm":
            message = "ECS always takes the latest version of a parameter"
            hint = "store it in Secrets Manager, whose versions can be pinned, or leave out 'pin'"
            raise problem("E1155", message, hint=hint, at=("pin",))
        if self.pin is False and self.value_from.version:
            raise problem("E1155", "the reference has a version id, which pins it", at=("pin",))
        return self


def _credentials(value: Any) -> SecretReference:
    found = _secret(value)
    if found.service != "secretsmanager" or found.key or found.stage or found.version:
        raise problem("E7003", "the credentials of a registry are a whole secret of Secrets Manager")
    return found


Credentials: TypeAlias = Annotated[
    SecretReference,
    BeforeValidator(_credentials),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^(secretsmanager|arn):"}),
]
