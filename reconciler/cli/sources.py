"""The specs of a loop: where they come from, and what a revision of them wants."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import errors, events
from reconciler.cli import options
from reconciler.cli.options import Where
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.cli.connect import Signed
    from reconciler.clock import Clock
    from reconciler.controller.revisions import Compile
    from reconciler.source.base import Source
    from reconciler.source.credentials import AwsKeys
    from reconciler.spec.documents.stack import Stack
    from reconciler.spec.specs import Specs

MOST_TOLD = 5
"""Errors that are said in one line; `reconciler validate` shows all of them."""


@contextlib.contextmanager
def opened(
    folder: Path | None, url: str | None, where: Where, *, poll: float, any_history: bool, signers: Path | None
) -> Iterator[Source]:
    """The Git repository at `url`, else the folder, watched. `signers` is a file of those whose commits are taken.

    Raises `click.UsageError` where there is no folder.
    """
    from reconciler.clock import SystemClock
    from reconciler.source import credentials, location, signatures
    from reconciler.source.directory import Directory
    from reconciler.source.git import Git

    clock = SystemClock()
    if url is None or not location.is_git(url):
        yield Directory(options.find_specs(folder if url is None else Path(url)), clock)
        return
    place = location.parse(url)
    source = Git(
        place,
        clock,
        credentials=credentials.from_environment(place, os.environ, clock, aws=lambda: _keys(where)),
        signers=() if signers is None else signatures.allowed_signers(signers.read_text(encoding="utf-8")),
        must_descend=not any_history,
        interval=poll,
    )
    with contextlib.closing(source):
        yield source


def _keys(where: Where) -> AwsKeys:
    """The caller's own AWS credentials, which CodeCommit takes a signature by."""
    from reconciler.aws.session import Boto
    from reconciler.source.credentials import AwsKeys

    found = Boto(where.region or "us-east-1", profile=where.profile, assume_role=where.assume_role).credentials()
    return AwsKeys(*found)


def first_good(
    source: Source, environment: str | None, clock: Clock, stop: threading.Event, beat: Callable[[], None]
) -> Specs | None:
    """The specs as soon as they say which stack they are for; None where we are stopped before that."""
    told = ""
    while not stop.is_set():
        beat()
        name = events.SPEC_REJECTED
        try:
            specs = source.fetch().specs(environment)
            if specs.ok:
                return specs
            wrong = _wrong(specs)
        except errors.RevisionRejected as error:
            wrong = str(error)
        except errors.SourceUnreachable as error:
            name, wrong = events.SOURCE_UNREACHABLE, str(error)
        if wrong != told:
            log.error(name, source=source.name, message=f"{wrong}; nothing is enforced")
        told = wrong
        clock.wait(stop, source.interval)
    return None


def _wrong(specs: Specs) -> str:
    from reconciler.spec.diagnostics import Severity

    found = [str(one) for one in specs.diagnostics if one.severity is Severity.ERROR]
    return "; ".join(found[:MOST_TOLD])


def compiler(began: Stack, signed: Signed) -> Compile:
    """What a revision wants, held against the stack and the account that this process was started for."""
    from reconciler.cli.connect import wish_of
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.reconcile.pass_ import DesiredState

    def compiled(specs: Specs) -> DesiredState:
        stack = specs.stack
        assert stack is not None
        if (stack.name, stack.region) != (began.name, began.region):
            raise errors.SpecInvalid(
                f"the Stack is {stack.name!r} in {stack.region} now, and this loop is for {began.name!r} in "
                f"{began.region}; start another loop for it"
            )
        if stack.account is not None and stack.account != signed.identity.account:
            raise errors.WrongAccount(
                f"the Stack is pinned to account {stack.account}, and this is {signed.identity.account}"
            )
        return wish_of(specs, signed.identity, Guard(stack.guard.max_delete, stack.guard.max_delete_percent), Consent())

    return compiled
