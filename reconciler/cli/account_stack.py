"""Stack as it is in the account, for commands that only show it while its specs are broken or absent.

Its name and region are enough. The last revision that a controller has accepted is in the store; without it, what has
the stack's tag is found as the specs would find it, and what only specs say, such as which release is declared, is left
out.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import last_accepted, options
from reconciler.cli.emulator_client import default_endpoint
from reconciler.cli.lease import open_store, store_path
from reconciler.cli.options import Where, find_specs
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import OPENING, Stack, open_stack, signed_in_stack

if TYPE_CHECKING:
    from reconciler.model.observed_state import ObservedState
    from reconciler.source.archive import Archive
    from reconciler.spec.specs import Specs


def open_from_account(name: str, where: Where, *, color: str, verbose: int, why: str = "") -> Stack:
    """The stack `name`, as in its tag; `why` says why its specs are not used.

    Raises `click.UsageError` if the region is unknown.
    """
    from reconciler.cli.region import known_region

    region = known_region(where.region, where.profile)
    where = replace(where, region=region)
    archive = _accepted(name, region, where)
    specs = None if archive is None else archive.fetched.specs(archive.environment)
    if archive is not None and specs is not None and specs.ok and specs.stack_id == name:
        origin = f"as of the last accepted revision, {archive.revision}"
        _tell(why, f"using them {origin}")
        stack = signed_in_stack(
            specs, Path(), where, environment=archive.environment, color=color, verbose=verbose, instead=origin
        )
        stack.named = not why
        return stack
    if archive is not None and specs is not None:
        fault = f"is of the stack {specs.stack_id}" if specs.ok else "is not valid for this version"
        echo(f"warning: the last accepted revision, {archive.revision}, {fault}", err=True)
    _tell(why, "showing what the account has of the stack")
    stack = signed_in_stack(_bare(name, region), Path(), where, color=color, verbose=verbose, instead="the account")
    try:
        stack.bare = _found(stack)
    except BaseException:
        stack.aws.close()
        raise
    return stack


def with_shown_stack(function: Callable[..., int]) -> Callable[..., int]:
    """The command with options for access to AWS and for its output, called with the opened stack in their place.

    It shows the stack from the account where `--stack` names it, and where its specs are invalid and no valid ones are
    known.
    """

    @click.option("--stack", "named", metavar="NAME", help="Show this stack (my-app, my-app@staging) from the "
                  "account instead, without specs; with --region.")  # fmt: skip
    @options.aws
    @options.look
    @functools.wraps(function)
    def command(named: str | None, **keywords: Any) -> int:
        where = Where(**{one.name: keywords.pop(one.name) for one in fields(Where) if one.name in keywords})
        stack = _opened(named, where, **{name: keywords.pop(name) for name in OPENING if name in keywords})
        try:
            return function(stack, **keywords)
        finally:
            stack.aws.close()

    return command


def _opened(
    named: str | None, where: Where, *, folder: Path | None, environment: str | None, color: str, verbose: int
) -> Stack:
    if named is not None:
        if folder is not None or environment is not None:
            raise click.UsageError("--stack takes no --specs and no --environment: it needs no specs")
        return open_from_account(named, where, color=color, verbose=verbose)
    try:
        return open_stack(folder, environment, where, color=color, verbose=verbose, last_valid=True)
    except options.NoSpecs as error:
        raise click.UsageError(f"{error.message}; or name the stack with --stack and --region") from None
    except errors.SpecInvalid as error:
        place = find_specs(folder)
        invalid = _invalid(place, environment)
        if invalid.stack is None:
            raise errors.SpecInvalid(f"{error}; --stack and --region show the stack from the account") from error
        where = replace(where, region=where.region or invalid.stack.region)
        why = f"the specs in {place} are invalid, and no valid ones are known here"
        return open_from_account(invalid.stack_id, where, color=color, verbose=verbose, why=why)


def _invalid(folder: Path, environment: str | None) -> Specs:
    """With the Stack document, if that is valid on its own."""
    from reconciler.spec import discovery
    from reconciler.spec.load import load_sources

    sources, findings = discovery.read(folder)
    return load_sources(sources, environment, folder=discovery.shown_folder(folder), found=findings)


def _tell(why: str, what: str) -> None:
    if why:
        echo(f"warning: {why}; {what}", err=True)


def _accepted(name: str, region: str, where: Where) -> Archive | None:
    """The last accepted revision; None if the store has none. What cannot be read is printed."""
    from reconciler.source.archive import unpack

    stack = last_accepted.StackName(name, region)
    transport = last_accepted.store_transport(stack, where, default_endpoint() if where.local else None)
    identity = transport.identity()
    key = (name, identity.account, identity.region, identity.endpoint)
    path = store_path(where.store, *key)
    if path is not None and not path.exists():
        return None
    try:
        with contextlib.closing(open_store(where.store, transport, *key)) as store:
            copy = store.copies.read()
        return None if copy is None else unpack(copy.data)
    except (errors.StoreUnreachable, errors.StoreFormatUnknown, errors.CopyUnusable) as error:
        echo(f"warning: the last accepted revision: {error}", err=True)
        return None


def _bare(name: str, region: str) -> Specs:
    """Specs that declare nothing but the stack, `name` or, of an environment that shares it, `name@environment`."""
    import json

    from reconciler.spec.discovery import ENVIRONMENTS
    from reconciler.spec.load import Source, load_sources

    stack, shared, environment = name.partition("@")
    texts = {"stack.yaml": json.dumps({"kind": "Stack", "name": stack, "region": region})}
    if shared:
        texts[f"{ENVIRONMENTS}/{environment}/stack.yaml"] = ""
    sources = [Source(path, path, text.encode()) for path, text in texts.items()]
    specs = load_sources(sources, environment if shared else None)
    if not specs.ok:
        raise errors.SpecInvalid(f"{name!r} is not the name of a stack")
    return specs


def _found(stack: Stack) -> ObservedState:
    """What has the stack's tag, with its services in place of those that specs declare.

    Raises `errors.ReconcilerError` if there is nothing.
    """
    from reconciler.model import ownership
    from reconciler.reconcile.observe import observe
    from reconciler.rollout_driver.leaving import as_found

    place = stack.target.place
    world = observe(stack.aws, stack.kinds, place, ())
    owned = [one for one in world if ownership.owner(one.tags) == place.stack]
    for error in world.unreadable.values() if not owned else ():
        raise error
    if not owned:
        because = f"nothing in {place.region} of account {place.account} has the tag {ownership.STACK}={place.stack}"
        raise errors.ReconcilerError(because)
    services = [one for one in world.found.get("service", ()) if ownership.owner(one.tags) == place.stack]
    stack.target = replace(stack.target, deliveries=tuple(as_found(one) for one in services))
    return world
