"""Compilation of a container's secrets: what ECS is told, and what its execution role may read."""

from __future__ import annotations

from reconciler.spec.compile.context import Context
from reconciler.spec.documents.secret import SecretReference, ends_like_an_arn


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
