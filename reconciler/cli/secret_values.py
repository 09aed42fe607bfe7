"""Values of secrets that the specs refer to: which one, who reads it, and the write of a new version.

A value comes from standard input or a hidden prompt, and goes into one call. It is in no argument, log line, event or
error, which name its length at most.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click

from reconciler import errors
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.resource import Calls
    from reconciler.spec.documents.secret import SecretReference
    from reconciler.spec.specs import Specs

LONGEST: Final = {"secretsmanager": 65_536, "ssm": 4_096}
"""Bytes of a value (Secrets Manager and Parameter Store quotas; those of a standard parameter)."""


@dataclass(frozen=True, slots=True)
class DeclaredSecret:
    """A secret as the specs refer to it. `keys` are those of its JSON that they read, `readers` the documents whose
    tasks do, `sign_ins` those with a sign-in of which it is the client secret, and `pinned` those of both that read a
    certain version.
    """

    service: str
    id: str
    keys: tuple[str, ...]
    readers: tuple[str, ...]
    pinned: tuple[str, ...]
    sign_ins: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.service}:{self.id}"


def declared(specs: Specs) -> tuple[DeclaredSecret, ...]:
    found: dict[tuple[str, str], list[tuple[SecretReference, str, bool]]] = {}
    for document in specs.documents:
        reader = f"{type(document).__name__.lower()}/{getattr(document, 'name', '')}"
        for reference, signs in _references(document):
            found.setdefault((reference.service, _id(reference)), []).append((reference, reader, signs))
    return tuple(
        DeclaredSecret(
            service,
            id,
            tuple(sorted({one.key for one, _, _ in several if one.key})),
            tuple(sorted({reader for _, reader, signs in several if not signs})),
            tuple(sorted({reader for one, reader, _ in several if one.version})),
            tuple(sorted({reader for _, reader, signs in several if signs})),
        )
        for (service, id), several in sorted(found.items())
    )


def named(specs: Specs, name: str) -> DeclaredSecret:
    """The secret that the specs refer to by `name`, with or without its service. Raises `click.UsageError`."""
    every = declared(specs)
    found = [one for one in every if name in (str(one), one.id, one.id.lstrip("/"))]
    if not found:
        service, _, rest = name.partition(":")
        found = [one for one in every if one.service == service and _bare(one.id) == rest.lstrip("/")]
    if len(found) == 1:
        return found[0]
    known = [str(one) for one in every]
    if found:
        raise click.UsageError(f"{name!r} is in several services; name one of: {', '.join(map(str, found))}")
    close = get_close_matches(name, [*known, *(one.id for one in every)], n=1)
    listed = ", ".join(known) or "none"
    hint = f"Did you mean {close[0]!r}?" if close else f"They refer to: {listed}."
    raise click.UsageError(f"the specs refer to no secret {name!r}. {hint}")


def value_of(secret: DeclaredSecret) -> str:
    """What is typed or piped, without the newline at its end. Raises `errors.ReconcilerError` if it cannot be used."""
    most = LONGEST[secret.service]
    if sys.stdin is not None and sys.stdin.isatty():
        typed: str = click.prompt(f"Value of {secret}", hide_input=True, confirmation_prompt=True, err=True)
        data = typed.encode(errors="surrogateescape")
    elif sys.stdin is None:
        data = b""
    else:
        data = sys.stdin.buffer.read(most + len(b"\r\n") + 1).removesuffix(b"\n").removesuffix(b"\r")
    if not data:
        raise errors.ReconcilerError("the value is empty; pipe it in, or type it at the prompt")
    if len(data) > most:
        raise errors.ReconcilerError(f"the value has more than the {most} bytes that {secret.service} takes")
    text = _text(data)
    missing = sorted(set(secret.keys) - _keys(text)) if secret.keys else []
    if missing:
        raise errors.ReconcilerError(
            f"the specs read the keys {', '.join(missing)} of {secret}, as JSON, which it lacks"
        )
    return text


def _text(data: bytes) -> str:
    """A value that an environment variable can hold."""
    if b"\0" in data:
        raise errors.ReconcilerError("the value has a NUL character, which no environment variable can hold")
    try:
        return data.decode()
    except UnicodeDecodeError:  # its text shows bytes of the value
        raise errors.ReconcilerError("the value is not UTF-8: encode what is binary, for example as Base64") from None


def put(stack: Stack, secret: DeclaredSecret, value: str) -> tuple[str, bool]:
    """The version that was written, and whether the secret was created for it.

    Raises `errors.Refused` if it belongs to another stack.
    """
    from reconciler.model import ownership

    assert stack.specs.stack is not None, "an opened stack has one"
    own = stack.target.place.stack
    tags = {**stack.specs.stack.tags, ownership.STACK: own}
    stack.aws.mine.add(secret.id, _parameter_name(secret.id))
    write = _put_secret if secret.service == "secretsmanager" else _put_parameter
    return stack.aws.run(write(secret.id, value, tags, own), creating=("CreateSecret", "PutParameter"))


def _put_secret(id: str, value: str, tags: Mapping[str, str], stack: str) -> Calls[tuple[str, bool]]:
    from reconciler.model.resource import Call

    service, token = "secretsmanager", uuid.uuid4().hex
    try:
        found = yield Call(service, "DescribeSecret", {"SecretId": id})
    except errors.Gone:
        if id.startswith("arn:"):
            because = (
                f"{id} does not exist, and AWS chooses the end of an ARN; correct it in the specs, or write the name"
            )
            raise errors.ReconcilerError(f"{because} there, secretsmanager:NAME, which is created") from None
        pairs = [{"Key": key, "Value": text} for key, text in sorted(tags.items())]
        params = {"Name": id, "SecretString": value, "ClientRequestToken": token, "Tags": pairs}
        return (yield Call(service, "CreateSecret", params))["VersionId"], True
    _check_owner(id, found.get("Tags") or (), stack)
    params = {"SecretId": id, "SecretString": value, "ClientRequestToken": token}
    return (yield Call(service, "PutSecretValue", params))["VersionId"], False


def _put_parameter(id: str, value: str, tags: Mapping[str, str], stack: str) -> Calls[tuple[str, bool]]:
    from reconciler.model.resource import Call

    name = _parameter_name(id)
    params: dict[str, Any] = {"Name": name, "Value": value, "Type": "SecureString"}
    try:
        found = yield Call("ssm", "GetParameter", {"Name": name})
    except errors.Gone:
        pairs = [{"Key": key, "Value": text} for key, text in sorted(tags.items())]
        return str((yield Call("ssm", "PutParameter", {**params, "Tags": pairs}))["Version"]), True
    if found["Parameter"]["Type"] != "SecureString":
        because = f"{name} is a parameter of type {found['Parameter']['Type']}, which everybody who reads it can see"
        raise errors.Refused(f"{because}; delete it first, and it is created encrypted", code="not-encrypted")
    listed = yield Call("ssm", "ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": name})
    _check_owner(name, listed.get("TagList") or (), stack)
    return str((yield Call("ssm", "PutParameter", {**params, "Overwrite": True}))["Version"]), False


def _parameter_name(id: str) -> str:
    """The name in calls: with a slash before it if there is one in it, and only then the same as in an ARN."""
    name = id.partition(":parameter/")[2] if id.startswith("arn:") else id
    return f"/{name}" if "/" in name and not name.startswith("/") else name


def _check_owner(id: str, tags: Any, stack: str) -> None:
    from reconciler.model import ownership

    owner = ownership.owner({one["Key"]: one["Value"] for one in tags})
    if owner not in (None, stack):
        raise errors.Refused(f"{id} belongs to the stack {owner!r}", code="conflict")


def _id(reference: SecretReference) -> str:
    return reference.arn or reference.name


def _bare(id: str) -> str:
    """The name in an ARN, without a first slash, which the ARN of a parameter leaves out."""
    return id.rpartition(":secret:")[2].rpartition(":parameter/")[2].lstrip("/")


def _keys(text: str) -> set[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return set()
    return set(found) if isinstance(found, dict) else set()


def _references(value: Any, *, signs: bool = False) -> Iterator[tuple[SecretReference, bool]]:
    """Every reference in a document, wherever it stands, and whether it is that of a sign-in."""
    from pydantic import BaseModel

    from reconciler.spec.documents.secret import SecretReference
    from reconciler.spec.documents.sign_in import SignIn

    if isinstance(value, SecretReference):
        yield value, signs
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _references(getattr(value, name), signs=signs or isinstance(value, SignIn))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _references(one, signs=signs)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _references(one, signs=signs)
