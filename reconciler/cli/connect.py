"""From a folder of specs to a stack that can be observed: load, check, sign in, compile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.aws.loopback import is_loopback
from reconciler.cli.emulator_client import clock_of
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where, find_specs
from reconciler.cli.terminal import look_of

if TYPE_CHECKING:
    from reconciler.aws.client import AwsClient, Transport
    from reconciler.aws.session import Boto, Identity
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.model.resource import Address
    from reconciler.model.resource_type import ResourceTypes
    from reconciler.reconcile.pass_ import DesiredState
    from reconciler.spec.specs import Specs
    from reconciler.store.fence import Fence
    from reconciler.store.lease import Lease

LAPTOP = "http://127.0.0.1:4566"


@dataclass(slots=True)
class Stack:
    """Everything that a command needs to work on one stack."""

    specs: Specs
    aws: AwsClient
    kinds: ResourceTypes
    wish: DesiredState
    identity: Identity
    folder: Path
    transport: Boto
    gate: Gate
    environment: str | None = None
    local: bool = False
    store: str | None = None


class Gate:
    """The fence of a command: open until it holds a lease, and then whatever that lease's fence says."""

    def __init__(self) -> None:
        self._fence: Fence | None = None

    def guard(self, lease: Lease) -> None:
        from reconciler.store.fence import Fence

        fence = Fence(lease)
        fence.begin()
        self._fence = fence

    def begin(self) -> None:
        """Bind what follows to the lease's epoch of now."""
        if self._fence is not None:
            self._fence.begin()

    def open(self) -> None:
        self._fence = None

    def __call__(self) -> None:
        if self._fence is not None:
            self._fence()


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
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.model.resource_type import discover

    place, specs = load_specs(folder, environment, color=color)
    signed = sign_in(specs, where, verbose=verbose)
    assert specs.stack is not None
    declared = specs.stack.guard
    guard = Guard(declared.max_delete, declared.max_delete_percent) if max_delete is None else Guard(max_delete, None)
    consent = Consent(frozenset(_address(text) for text in allow_replace), delete_images)
    return Stack(
        specs=specs,
        aws=signed.aws,
        kinds=discover(),
        wish=wish_of(specs, signed.identity, guard, consent),
        identity=signed.identity,
        folder=place,
        transport=signed.transport,
        gate=signed.gate,
        environment=environment,
        local=where.local,
        store=where.store,
    )


@dataclass(frozen=True, slots=True)
class Signed:
    """AWS, ready to be asked in the name of a stack."""

    aws: AwsClient
    transport: Boto
    identity: Identity
    gate: Gate


def sign_in(
    specs: Specs, where: Where, *, verbose: int = 0, around: Callable[[Transport], Transport] = lambda inner: inner
) -> Signed:
    """`around` puts something between the client and AWS.

    Raises `errors.WrongAccount`, `errors.WrongRegion`, `errors.CredentialsMissing`.
    """
    assert specs.stack is not None
    if where.region is not None and where.region != specs.stack.region:
        raise errors.WrongRegion(f"--region {where.region}, but the Stack is in {specs.stack.region}")
    from reconciler.aws import response_cache
    from reconciler.aws.client import AwsClient
    from reconciler.aws.rate_limiter import NoLimit, RateLimiter
    from reconciler.aws.response_cache import ResponseCache
    from reconciler.aws.session import Boto
    from reconciler.cli import logs

    gate = Gate()
    logs.configure(verbose, stack=specs.stack.name, region=specs.stack.region)
    transport = Boto(
        specs.stack.region,
        profile=where.profile,
        endpoint=LAPTOP if where.local else None,
        assume_role=where.assume_role,
        stack=specs.stack.name,
        anonymous=where.local,
        fence=gate,
    )
    identity = transport.identity()
    if specs.stack.account is not None and specs.stack.account != identity.account:
        raise errors.WrongAccount(
            f"the Stack {specs.stack.name!r} is pinned to account {specs.stack.account} "
            f"({specs.where(specs.stack, 'account')}), and these credentials are for {identity.account}"
        )
    known, clock = ResponseCache(response_cache.folder()), clock_of(identity.endpoint)
    pace = NoLimit(clock) if is_loopback(identity.endpoint) else RateLimiter(clock)
    return Signed(AwsClient(around(transport), clock=clock, pace=pace, memory=known), transport, identity, gate)


def wish_of(specs: Specs, identity: Identity, guard: Guard, consent: Consent) -> DesiredState:
    """What the specs want of the account that `identity` is in."""
    from reconciler.reconcile.drift import DriftMode, DriftRule
    from reconciler.reconcile.observe import StackId
    from reconciler.reconcile.pass_ import DesiredState
    from reconciler.spec.compile import compile_deliveries, compile_specs

    assert specs.stack is not None
    return DesiredState(
        StackId(specs.stack.name, identity.account, identity.region, identity.partition),
        compile_specs(specs, account=identity.account, partition=identity.partition),
        guard,
        consent,
        deliveries=compile_deliveries(specs),
        rules=tuple(DriftRule(one.match, DriftMode(one.mode), one.path, one.reason) for one in specs.stack.drift),
    )


def banner(stack: Stack) -> str:
    """Where the writes of a command go; stands before any of them."""
    place = stack.wish.place
    parts = [place.stack, place.region, f"account {place.account}", stack.identity.who]
    if stack.identity.endpoint is not None:
        parts.append(f"{'LOCAL ' if is_loopback(stack.identity.endpoint) else ''}{stack.identity.endpoint}")
    return " · ".join(parts)


def _address(text: str) -> Address:
    from reconciler.model.resource import Address

    try:
        return Address.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
