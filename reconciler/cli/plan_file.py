"""Plan file: a plan that was reviewed, with the digest that the plan must have again when it is applied.

The file does not hold the calls. `apply PLAN` makes the plan again from the same specs, the consent in the file and the
account as it is now, and goes on only if the digest is the same. The digest covers the consent, so that a plan that was
blocked does not become another one by an edit; the checksum covers what people read. Neither is a signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from reconciler import __version__, errors, private_files
from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps, plan_document
from reconciler.cli.session import Stack
from reconciler.model import formats
from reconciler.model.plan import Plan
from reconciler.printable import escaped


@dataclass(frozen=True, slots=True)
class PlanFile:
    folder: Path
    environment: str | None
    stack: str
    account: str
    region: str
    specs: str
    digest: str
    made_by: str
    allow_replace: tuple[str, ...] = ()
    max_delete: int | None = None
    only: tuple[str, ...] = ()


def document(stack: Stack, plan: Plan) -> dict[str, Any]:
    return plan_document(
        plan,
        made_by=__version__,
        account=stack.identity.account,
        region=stack.identity.region,
        folder=str(stack.folder),
        environment=stack.environment,
        specs=stack.specs.digest,
        allow_replace=list(stack.allow_replace),
        max_delete=stack.max_delete,
        only=list(stack.target.only),
    )


def checksum(document: dict[str, Any]) -> str:
    """Of everything else in the file."""
    content = {name: value for name, value in document.items() if name != "checksum"}
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write(path: Path, stack: Stack, plan: Plan) -> None:
    """Write the file for the user alone, and atomically: a half-written plan must not look like one."""
    written = orjson.loads(dumps(document(stack, plan)))
    try:
        private_files.write(path, escaped(f"{dumps(written | {'checksum': checksum(written)})}\n").encode())
    except OSError as error:
        raise errors.ReconcilerError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path) -> PlanFile:
    """Raises `errors.ReconcilerError` if the file is not a plan file, or was edited; `errors.Refused` if the plan was
    blocked.
    """
    try:
        loaded = orjson.loads(path.read_bytes())
        version = loaded["format_version"]
        if version != FORMAT_VERSION:
            because = formats.unknown(str(path), version, FORMAT_VERSION)
            raise errors.UnknownFormat(f"{because}, or create the plan again")
        if loaded["checksum"] != checksum(loaded):
            raise errors.StalePlan(
                f"{path} has been edited since `reconciler diff --out` wrote it; create the plan again"
            )
        if loaded["refusals"]:
            because = "; ".join(refusal["because"] for refusal in loaded["refusals"])
            raise errors.Refused(f"the plan in {path} is blocked: {because}", code=loaded["refusals"][0]["code"])
        if not _well_typed(loaded):
            raise TypeError("a field is not of its type")
        return PlanFile(
            folder=Path(loaded["folder"]),
            environment=loaded["environment"],
            stack=loaded["stack"],
            account=loaded["account"],
            region=loaded["region"],
            specs=loaded["specs"],
            digest=loaded["digest"],
            made_by=loaded["made_by"],
            allow_replace=tuple(loaded["allow_replace"]),
            max_delete=loaded["max_delete"],
            only=tuple(loaded.get("only", ())),
        )
    except OSError as error:
        raise errors.ReconcilerError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise errors.ReconcilerError(f"{path} is not a plan written by `reconciler diff --out`") from error


def _well_typed(loaded: Mapping[str, Any]) -> bool:
    texts = ("folder", "stack", "account", "region", "specs", "digest", "made_by")
    return (
        all(isinstance(loaded[name], str) for name in texts)
        and isinstance(loaded["environment"], str | None)
        and isinstance(loaded["max_delete"], int | None)
        and all(isinstance(one, str) for one in (*loaded["allow_replace"], *loaded.get("only", ())))
    )


def verify(approved: PlanFile, stack: Stack, plan: Plan) -> None:
    """Raises `errors.StalePlan` naming what changed since the plan file was written."""
    if approved.made_by != __version__:
        raise errors.StalePlan(f"the plan was created by reconciler {approved.made_by}, this is {__version__}")
    if approved.stack != stack.target.place.stack or approved.region != stack.identity.region:
        raise errors.StalePlan(f"the plan is for the stack {approved.stack!r} in {approved.region}")
    if approved.account != stack.identity.account:
        raise errors.WrongAccount(
            f"the plan is for account {approved.account}, the credentials belong to {stack.identity.account}"
        )
    if approved.specs != stack.specs.digest:
        raise errors.StalePlan("the specs have changed since the plan was created; run `reconciler diff --out` again")
    if approved.digest != plan.digest:
        raise errors.StalePlan(
            "the account has changed since the plan was created, or the plan was edited "
            f"(digest {plan.digest[:7]}, expected {approved.digest[:7]}); run `reconciler diff --out` again"
        )
