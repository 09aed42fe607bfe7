"""From a folder of specs to a stack that can be observed: load, check, sign in, compile."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where, find_specs
from reconciler.cli.terminal import look_of
from reconciler.model.resource import Address

if TYPE_CHECKING:
    from reconciler.aws.client import Aws
    from reconciler.aws.session import Identity
    from reconciler.engine.reconcile import Wish
    from reconciler.model.kind import Kinds
    from reconciler.spec.specs import Specs

LAPTOP = "http://127.0.0.1:4566"


@dataclass(slots=True)
class Stack:
    """Everything that a command needs to work on one stack."""

    specs: Specs
    aws: Aws
    kinds: Kinds
    wish: Wish
    identity: Identity
    folder: Path
    environment: str | None = None
    local: bool = False
    notes: list[str] = field(default_factory=list)


def load_specs(folder: Path | None, environment: str | None, *, color: str = "auto") -> tuple[Path, Specs]:
    """The specs, or every error in them on stderr and exit 1."""
    from reconciler.spec.load import load
    from reconciler.spec.reports import report
    from reconciler.spec.reports.text import text

    place = find_specs(folder)
    specs = load(place, environment)
    if specs.diagnostics:
        look = look_of(sys.stderr, color)
        click.echo(text(report(specs), color=look.color), err=True, color=look.color)
    if not specs.ok:
        raise SystemExit(Exit.FAILED)
    return place, specs


def connect(
    folder: Path | None,
    environment: str | None,
    where: Where,
    *,
    color: str = "auto",
    verbose: int = 0,
    allow_replace: Iterable[str] = (),
    max_delete: int | None = None,
    delete_images: bool = False,
) -> Stack:
    """A stack ready to be observed.

    Raises `errors.WrongAccount` before anything else is asked of AWS when the Stack is pinned to another account.
    """
    place, specs = load_specs(folder, environment, color=color)
    assert specs.stack is not None
    if where.region is not None and where.region != specs.stack.region:
        raise errors.WrongAccount(f"--region {where.region}, but the Stack is in {specs.stack.region}")
    from reconciler.aws.client import Aws
    from reconciler.aws.session import Boto
    from reconciler.cli import logs
    from reconciler.cli.laptop_client import clock_of
    from reconciler.engine.observe import Place
    from reconciler.engine.reconcile import Wish
    from reconciler.model.guard import Guard
    from reconciler.model.kind import discover
    from reconciler.model.planner import Consent
    from reconciler.spec.compile import compile_deliveries, compile_specs

    logs.configure(verbose, stack=specs.stack.name, region=specs.stack.region)
    transport = Boto(
        specs.stack.region,
        profile=where.profile,
        endpoint=LAPTOP if where.local else None,
        assume_role=where.assume_role,
        stack=specs.stack.name,
        anonymous=where.local,
    )
    identity = transport.identity()
    if specs.stack.account is not None and specs.stack.account != identity.account:
        raise errors.WrongAccount(
            f"the Stack {specs.stack.name!r} is pinned to account {specs.stack.account} "
            f"({specs.where(specs.stack, 'account')}), and these credentials are for {identity.account}"
        )
    declared = specs.stack.guard
    guard = Guard(declared.max_delete, declared.max_delete_percent) if max_delete is None else Guard(max_delete, None)
    return Stack(
        specs=specs,
        aws=Aws(transport, clock=clock_of(identity.endpoint)),
        kinds=discover(),
        wish=Wish(
            Place(specs.stack.name, identity.account, identity.region, identity.partition),
            compile_specs(specs, account=identity.account, partition=identity.partition),
            guard,
            Consent(frozenset(_address(text) for text in allow_replace), delete_images),
            deliveries=compile_deliveries(specs),
        ),
        identity=identity,
        folder=place,
        environment=environment,
        local=where.local,
    )


def banner(stack: Stack) -> str:
    """Where the writes of a command go; stands before any of them."""
    place = stack.wish.place
    parts = [place.stack, place.region, f"account {place.account}", stack.identity.who]
    if stack.identity.endpoint is not None:
        loopback = "//127." in stack.identity.endpoint or "//localhost" in stack.identity.endpoint
        parts.append(f"{'LOCAL ' if loopback else ''}{stack.identity.endpoint}")
    return " · ".join(parts)


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
