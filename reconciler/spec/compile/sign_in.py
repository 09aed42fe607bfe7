"""Compilation of a sign-in: the action before the one that answers, and the secret that is looked up for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Keep, Path, Ref, existing
from reconciler.resources import _sign_in
from reconciler.resources.existing_secret import ExistingSecretSpec
from reconciler.spec.compile.context import Context, unstated, whole_seconds
from reconciler.spec.documents import Document
from reconciler.spec.documents.secret import SecretReference
from reconciler.spec.documents.sign_in import SignIn
from reconciler.spec.node import Path as Place


def compile_sign_in(given: SignIn | None) -> _sign_in.SignIn | None:
    if given is None:
        return None
    common = {
        "scope": given.scope,
        "session_cookie_name": given.session_cookie_name,
        "session_timeout": whole_seconds(given.session_timeout),
        "on_unauthenticated_request": given.on_unauthenticated_request,
        "extra_params": dict(given.extra_params),
    }
    if given.cognito is not None:
        return _sign_in.SignIn(provider="cognito", **dict(given.cognito), **common)
    assert given.oidc is not None, "one of the two is given"
    fields = {**dict(given.oidc), _sign_in.SECRET: Ref(_address(given.oidc.client_secret))}
    return _sign_in.SignIn(provider="oidc", **fields, **common)


def secrets(context: Context, document: Document, given: SignIn | None, path: Place) -> Iterator[Desired[Any]]:
    """What is looked up for a sign-in at this path."""
    if given is None or given.oidc is None:
        return
    secret = given.oidc.client_secret
    spec = ExistingSecretSpec(
        service=secret.service, name=_name(secret), key=secret.key, stage=secret.stage, version=secret.version
    )
    yield context.looked_up(document, _address(secret), spec, *path, "oidc", "client_secret")


def stated(given: SignIn | None) -> dict[Path, Keep]:
    """What is known to have been stated, so that it goes when its line does."""
    return {} if given is None else {_sign_in.PATH: Keep.STATED}


def kept(given: SignIn | None) -> dict[Path, Keep]:
    """What an adopted listener or rule keeps of the sign-in that it has."""
    if given is None:
        return {}
    return unstated(given, **{field: (_sign_in.FIELD, field) for field in _sign_in.COMMON})


def _address(secret: SecretReference) -> Address:
    return Address(existing("secret"), secret.written)


def _name(secret: SecretReference) -> str:
    """What the service takes. The ARN of a parameter leaves out the slash that its name begins with."""
    if secret.service != "ssm" or not secret.arn:
        return secret.arn or secret.name
    name = secret.arn.partition(":parameter/")[2]
    return f"/{name}" if "/" in name else name
