"""Value of a secret, read right before it is written to an API that never shows it again.

It is sent and forgotten: no plan, tag, log or stored file has it. Those name the secret and its version.
"""

from __future__ import annotations

import json
from typing import Any, Final

from reconciler import errors
from reconciler.model.resource import Calls, ServiceApi

secretsmanager = ServiceApi("secretsmanager")
ssm = ServiceApi("ssm")

_ARN_PARTS: Final = 7
"""Parts of the ARN of a secret; key, stage and version come after it."""


def id_of(name: str, key: str, version: str) -> str:
    """`name` is the ARN of a secret, or the name of a parameter. An ARN is followed by key, stage and version, as ECS
    has them; a parameter by its version, as SSM has it."""
    return f"{name}:{key}::{version}" if name.startswith("arn:") else f"{name}:{version}"


def read(id: str) -> Calls[str]:
    """The value that an id stands for.

    Raises `errors.StalePlan` if a parameter has another version by now, and `errors.SpecInvalid` if the value does not
    have the key, or is no text.
    """
    if not id.startswith("arn:"):
        name, _, version = id.rpartition(":")
        answer = yield ssm.get_parameter(Name=name, WithDecryption=True)
        if str(answer["Parameter"]["Version"]) != version:
            raise errors.StalePlan(f"the parameter {name} has a new version since it was looked up")
        return str(answer["Parameter"]["Value"])
    parts = id.split(":")
    arn, (key, _, version) = ":".join(parts[:_ARN_PARTS]), parts[_ARN_PARTS:]
    answer = yield secretsmanager.get_secret_value(SecretId=arn, VersionId=version)
    return _part(arn, key, answer.get("SecretString"))


def _part(arn: str, key: str, text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise errors.SpecInvalid(f"the secret {arn} has no text")
    if not key:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None  # the error would show the text
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        raise errors.SpecInvalid(f"the secret {arn} has no text under the JSON key {key}")
    return found
