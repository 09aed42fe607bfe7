"""Session with one stack: its specs, loaded and compiled, and a client for its account.

`with_stack` gives a command the opened stack and closes it when the command returns.

It is one module because opening a stack is one sequence: load, sign in, compile.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from reconciler import errors
from reconciler.aws.loopback import is_loopback
from reconciler.cli import options
from reconciler.cli.emulator_client import clock_of, default_endpoint
from reconciler.cli.options import Where, find_specs
from reconciler.cli.output.terminal import Look, echo, look_of, say

if TYPE_CHECKING:
    from reconciler.aws.client import AwsClient, Transport
    from reconciler.aws.session import Boto, Identity
    from reconciler.model.guard import Guard
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.planner import Consent
    from reconciler.model.resource import Address
    from reconciler.model.type_registry import ResourceTypes
    from reconciler.reconcile.pass_ import DesiredState
    from reconciler.spec.specs import Specs
    from reconciler.store.base import Store
    from reconciler.store.fence import Fence
    from reconciler.store.lease import Lease

Around: TypeAlias = "Callable[[Transport], Transport]"
OPENING: Final = ("folder", "environment", "color", "verbose", "allow_replace", "max_delete", "delete_images")
"""Options of a command that say how its stack is opened, beside those of `Where`."""


class Gate:
    """Write fence of a command: open until the command holds a lease, and then the fence of that lease."""

    def __init__(self) -> None:
        self._fence: Fence | None = None

    def guard(self, lease: Lease) -> None:
        from reconciler.store.fence import Fence

        fence = Fence(lease)
        fence.begin()
        self._fence = fence

    def begin(self) -> None:
        """Bind the writes that follow to the lease's current epoch."""
        if self._fence is not None:
            self._fence.begin()

    def open(self) -> None:
        self._fence = None

    def __call__(self) -> None:
        if self._fence is not None:
            self._fence()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """AWS client, and the identity that it acts as."""

    aws: AwsClient
    transport: Boto
    identity: Identity
    gate: Gate


@dataclass(slots=True)
class Stack:
    """One stack, opened by a command: what the specs want, and access to its account."""

    specs: Specs
    folder: Path
    kinds: ResourceTypes
    target: DesiredState
    signed_in: SignedIn
    environment: str | None = None
    store: str | None = None
    color: str = "auto"
    verbose: int = 0
    allow_replace: tuple[str, ...] = ()
    max_delete: int | None = None
    instead: str = ""
    """Which specs are used because those of the folder are invalid; empty if they are valid."""
    named: bool = False
    """Whether the stack was named, and not its specs."""
    bare: ObservedState | None = None
    """What the account has of the stack, where no specs of it are known."""
    held_store: Store | None = None
    """The store, while this command holds the lease in it."""
    aws: AwsClient = field(init=False)
    identity: Identity = field(init=False)

    def __post_init__(self) -> None:
        self.aws, self.identity = self.signed_in.aws, self.signed_in.identity

    @property
    def look(self) -> Look:
        return look_of(sys.stdout, self.color)

    @property
    def err_look(self) -> Look:
        return look_of(sys.stderr, self.color)

    @property
    def banner(self) -> str:
        """Stack, region, account and identity that a command works with; printed above the plan."""
        place = self.target.place
        parts = [place.stack, place.region, f"account {place.account}", self.identity.who]
        if self.identity.endpoint is not None:
            parts.append(f"{'LOCAL ' if is_loopback(self.identity.endpoint) else ''}{self.identity.endpoint}")
        return " · ".join(parts)


def with_stack(function: Callable[..., int], *, last_valid: bool = False) -> Callable[..., int]:
    """The command with options for access to AWS and for its output, called with the opened stack in their place.

    The options of the specs, of the store and of consent belong to the command; the stack is opened with those that it
    has. It is closed when the command returns. `last_valid`: while the specs are invalid, the last valid ones are used.
    """

    @options.aws
    @options.look
    @functools.wraps(function)
    def command(**keywords: Any) -> int:
        where = Where(**{one.name: keywords.pop(one.name) for one in fields(Where) if one.name in keywords})
        opening = {name: keywords.pop(name) for name in OPENING if name in keywords}
        stack = open_stack(where=where, last_valid=last_valid, **opening)
        try:
            return function(stack, **keywords)
        finally:
            stack.aws.close()

    return command


with_last_valid_stack = functools.partial(with_stack, last_valid=True)
"""For commands that show or undo what is running: a mistake in the specs does not block them."""


def open_stack(
    folder: Path | None,
    environment: str | None,
    where: Where,
    *,
    color: str = "auto",
    verbose: int = 0,
    allow_replace: Iterable[str] = (),
    max_delete: int | None = None,
    delete_images: bool = False,
    last_valid: bool = False,
) -> Stack:
    """A stack, ready to be observed.

    Raises `errors.WrongAccount` before AWS is asked anything else if the Stack is pinned to another account.
    """
    found = find_specs(folder)
    specs, instead = _known_specs(found, environment, color) if last_valid else (_own(found, environment, color), "")
    return signed_in_stack(
        specs, found, where, environment=environment, color=color, verbose=verbose, allow_replace=allow_replace,
        max_delete=max_delete, delete_images=delete_images, instead=instead,
    )  # fmt: skip


def signed_in_stack(
    specs: Specs,
    folder: Path,
    where: Where,
    *,
    environment: str | None = None,
    color: str = "auto",
    verbose: int = 0,
    allow_replace: Iterable[str] = (),
    max_delete: int | None = None,
    delete_images: bool = False,
    instead: str = "",
) -> Stack:
    """The stack of valid specs. Raises what `sign_in` raises."""
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.model.type_registry import discover

    signed_in = sign_in(specs, where, verbose=verbose)
    assert specs.stack is not None
    declared, allow_replace = specs.stack.guard, tuple(allow_replace)
    guard = Guard(declared.max_delete, declared.max_delete_percent) if max_delete is None else Guard(max_delete, None)
    consent = Consent(frozenset(_address(text) for text in allow_replace), delete_images)
    return Stack(
        specs=specs,
        folder=folder,
        kinds=discover(),
        target=target_of(specs, signed_in.identity, guard, consent),
        signed_in=signed_in,
        environment=environment,
        store=where.store,
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
        instead=instead,
    )


def load_specs(folder: Path | None, environment: str | None, *, color: str = "auto") -> tuple[Path, Specs]:
    """The specs. Every finding is printed on stderr; raises `errors.SpecInvalid` if one is an error."""
    found = find_specs(folder)
    return found, _own(found, environment, color)


def _own(folder: Path, environment: str | None, color: str, *, note: str | None = None) -> Specs:
    """The specs in `folder`, of which a copy is kept."""
    from reconciler.cli import last_valid
    from reconciler.spec import discovery
    from reconciler.spec.load import load_sources
    from reconciler.spec.reports import report
    from reconciler.spec.reports.text import NOTHING_SENT, text

    sources, findings = discovery.read(folder)
    specs = load_sources(sources, environment, folder=discovery.shown_folder(folder), found=findings)
    if specs.diagnostics:
        look, closing = look_of(sys.stderr, color), "" if specs.ok else NOTHING_SENT if note is None else note
        say(text(report(specs), paint=look.paint, note=closing), look, err=True, whole=True)
    if not specs.ok:
        raise errors.SpecInvalid(f"the specs in {folder} are invalid")
    last_valid.keep(str(folder.resolve()), environment, sources)
    return specs


def _known_specs(folder: Path, environment: str | None, color: str) -> tuple[Specs, str]:
    """The specs in `folder`; or, while they are invalid, the last valid ones, and where those are from."""
    from reconciler.cli import last_valid

    try:
        return _own(folder, environment, color, note=""), ""
    except errors.SpecInvalid as error:
        known = last_valid.recall(folder, environment)
        if known is None:
            why = "no valid ones are known, neither from an earlier command on this machine nor from the Git history"
            raise errors.SpecInvalid(f"{error}, and {why}; nothing was sent to AWS") from error
        echo(f"warning: {error}; using them {known.origin}", err=True)
        return known.specs, known.origin


def sign_in(
    specs: Specs, where: Where, *, verbose: int = 0, around: Around = lambda inner: inner, stop: Event | None = None
) -> SignedIn:
    """`around` wraps the transport between the client and AWS. Calls in flight end when `stop` is set.

    Raises `errors.WrongAccount`, `errors.WrongRegion`, `errors.CredentialsMissing`.
    """
    assert specs.stack is not None
    if where.region is not None and where.region != specs.stack.region:
        raise errors.WrongRegion(f"--region is {where.region}, but the Stack is in {specs.stack.region}")
    from reconciler.aws import response_cache
    from reconciler.aws.client import AwsClient
    from reconciler.aws.rate_limiter import NoLimit, RateLimiter
    from reconciler.aws.response_cache import ResponseCache
    from reconciler.aws.server_time import ServerTime
    from reconciler.aws.session import Boto
    from reconciler.cli import logs

    gate, stop = Gate(), stop or Event()
    logs.configure(verbose, stack=specs.stack_id, region=specs.stack.region)
    transport = Boto(
        specs.stack.region,
        profile=where.profile,
        endpoint=default_endpoint() if where.local else None,
        assume_role=where.assume_role,
        external_id=where.external_id,
        stack=specs.stack_id,
        anonymous=where.local,
        fence=gate,
        stop=stop,
    )
    identity = transport.identity()
    if specs.stack.account is not None and specs.stack.account != identity.account:
        raise errors.WrongAccount(
            f"the Stack {specs.stack.name!r} is pinned to account {specs.stack.account} "
            f"({specs.where(specs.stack, 'account')}), but the credentials belong to account {identity.account}"
        )
    cache, clock = ResponseCache(response_cache.folder()), clock_of(identity.endpoint)
    if clock.speed == 1.0:  # else it is the emulator's, which is ahead of the dates of its responses
        clock = time = ServerTime(clock)
        transport.on_date = time.answered
    limiter = NoLimit(clock) if is_loopback(identity.endpoint) else RateLimiter(clock)
    client = AwsClient(around(transport), clock=clock, pace=limiter, memory=cache, stop=stop)
    return SignedIn(client, transport, identity, gate)


def target_of(specs: Specs, identity: Identity, guard: Guard, consent: Consent) -> DesiredState:
    """Desired state of the specs in the account of `identity`."""
    from reconciler.reconcile.drift import DriftMode, DriftRule
    from reconciler.reconcile.observe import StackId
    from reconciler.reconcile.pass_ import DesiredState
    from reconciler.spec.compile import compile_deliveries, compile_specs

    assert specs.stack is not None
    return DesiredState(
        StackId(specs.stack_id, identity.account, identity.region, identity.partition, specs.stack.roles.path),
        compile_specs(specs, account=identity.account, partition=identity.partition),
        guard,
        consent,
        deliveries=compile_deliveries(specs),
        rules=tuple(DriftRule(rule.match, DriftMode(rule.mode), rule.path, rule.reason) for rule in specs.stack.drift),
    )


def _address(text: str) -> Address:
    from reconciler.model.resource import Address

    try:
        return Address.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
