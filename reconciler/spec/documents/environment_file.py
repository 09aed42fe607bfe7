"""File with variables in S3, which ECS reads when a task starts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from reconciler.spec.documents.base import Block
from reconciler.spec.documents.secret import OnRotation
from reconciler.spec.documents.values import matching, no_repeats

EnvironmentFile = Annotated[
    str,
    *matching(
        r"arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[\x21-\x23\x25-\x29\x2b-\x3e\x40-\x7e]+\.env",
        1024,
        "the ARN of an object in S3 whose name ends in .env, without *, ? and $",
    ),
]


class FollowedFile(Block):
    """A file with variables in S3; plain text is its ARN."""

    short_form = {"type": "string"}

    value: EnvironmentFile
    """ARN of the object, whose name ends in .env."""
    on_rotation: OnRotation = "roll"
    """What a new version leads to. `roll`: a release of the service. `ignore`: nothing; the next release takes it."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | FollowedFile) else {"value": value}


def each_once(files: tuple[FollowedFile, ...]) -> tuple[FollowedFile, ...]:
    no_repeats(tuple(one.value for one in files))
    return files
