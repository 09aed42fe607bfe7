"""A plan that was agreed to, kept in a file: what it was made from, and the digest that it must have again.

The file does not hold the calls. `apply PLAN` makes the plan anew from the same specs and the account as it is now, and
goes on only if it is the very same plan.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from reconciler import __version__, errors
from reconciler.cli.connect import Stack
from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps, plan_document
from reconciler.model.plan import Plan


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


def document(
    stack: Stack, plan: Plan, *, allow_replace: tuple[str, ...] = (), max_delete: int | None = None
) -> dict[str, Any]:
    return plan_document(
        plan,
        made_by=__version__,
        account=stack.identity.account,
        region=stack.identity.region,
        folder=str(stack.folder),
        environment=stack.environment,
        specs=stack.specs.digest,
        allow_replace=list(allow_replace),
        max_delete=max_delete,
    )


def write(path: Path, stack: Stack, plan: Plan, **consent: Any) -> None:
    """Whole or not at all: a half-written plan must not look like one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(dumps(document(stack, plan, **consent)) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise errors.ReconcilerError(f"{path} could not be written: {error.strerror}") from error


def read(path: Path) -> PlanFile:
    """Raises `errors.ReconcilerError` where the file is no plan of ours."""
    try:
        found = orjson.loads(path.read_bytes())
        version = found["format_version"]
        if version != FORMAT_VERSION:
            raise errors.StalePlan(
                f"{path} has format version {version}, and this reconciler writes {FORMAT_VERSION}; make the plan anew"
            )
        return PlanFile(
            folder=Path(found["folder"]),
            environment=found["environment"],
            stack=found["stack"],
            account=found["account"],
            region=found["region"],
            specs=found["specs"],
            digest=found["digest"],
            made_by=found["made_by"],
            allow_replace=tuple(found["allow_replace"]),
            max_delete=found["max_delete"],
        )
    except OSError as error:
        raise errors.ReconcilerError(f"{path} could not be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise errors.ReconcilerError(f"{path} is not a plan that `reconciler diff --out` wrote") from error


def hold_against(agreed: PlanFile, stack: Stack, plan: Plan) -> None:
    """Raises `errors.StalePlan` with what moved since `agreed` was made."""
    if agreed.made_by != __version__:
        raise errors.StalePlan(f"the plan was made by reconciler {agreed.made_by}, and this is {__version__}")
    if agreed.stack != stack.wish.place.stack or agreed.region != stack.identity.region:
        raise errors.StalePlan(f"the plan is for the stack {agreed.stack!r} in {agreed.region}")
    if agreed.account != stack.identity.account:
        raise errors.WrongAccount(f"the plan is for account {agreed.account}, and this is {stack.identity.account}")
    if agreed.specs != stack.specs.digest:
        raise errors.StalePlan("the specs have changed since the plan was made; run `reconciler diff --out` again")
    if agreed.digest != plan.digest:
        raise errors.StalePlan(
            f"the account has changed since the plan was made (digest {plan.digest[:7]}, agreed {agreed.digest[:7]}); "
            "run `reconciler diff --out` again"
        )
