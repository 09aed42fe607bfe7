"""Source of a controller's specs, and the compilation of their revisions."""

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
    from reconciler.cli.session import SignedIn
    from reconciler.clock import Clock
    from reconciler.controller.revisions import Compile
    from reconciler.source.base import Source
    from reconciler.source.credentials import AwsKeys
    from reconciler.spec.documents.stack import Stack
    from reconciler.spec.specs import Specs

MOST_ERRORS = 5
"""Errors that are logged in one line; `reconciler validate` shows all of them."""


@contextlib.contextmanager
def opened(
    folder: Path | None, url: str | None, where: Where, *, poll: float, any_history: bool, signers: Path | None
) -> Iterator[Source]:
    """The Git repository at `url`, else the folder, watched. `signers` is a file of trusted commit signers.

    Raises `click.UsageError` if there is no folder.
    """
    from reconciler.clock import SystemClock
    from reconciler.source import credentials, location, signatures
    from reconciler.source.directory import Directory
    from reconciler.source.git import Git

    clock = SystemClock()
    if url is None or not location.is_git(url):
        yield Directory(options.find_specs(folder if url is None else Path(url)), clock)
        return
    repository = location.parse(url)
    source = Git(
        repository,
        clock,
        credentials=credentials.from_environment(repository, os.environ, clock, aws=lambda: _aws_keys(where)),
        signers=() if signers is None else signatures.allowed_signers(signers.read_text(encoding="utf-8")),
        must_descend=not any_history,
        interval=poll,
    )
    with contextlib.closing(source):
        yield source


def _aws_keys(where: Where) -> AwsKeys:
    """AWS credentials of the caller, with which requests to CodeCommit are signed_in."""
    from reconciler.aws.session import Boto
    from reconciler.source.credentials import AwsKeys

    keys = Boto(where.region or "us-east-1", profile=where.profile, assume_role=where.assume_role).credentials()
    return AwsKeys(*keys)


def first_valid(
    source: Source, environment: str | None, clock: Clock, stop: threading.Event, beat: Callable[[], None]
) -> Specs | None:
    """The first revision of the specs without errors; None if the process is stopped before there is one."""
    logged = ""
    while not stop.is_set():
        beat()
        name = events.SPEC_REJECTED
        try:
            specs = source.fetch().specs(environment)
            if specs.ok:
                return specs
            problem = _problem(specs)
        except errors.RevisionRejected as error:
            problem = str(error)
        except errors.SourceUnreachable as error:
            name, problem = events.SOURCE_UNREACHABLE, str(error)
        if problem != logged:
            log.error(name, source=source.name, message=f"{problem}; nothing is reconciled yet")
        logged = problem
        clock.wait(stop, source.interval)
    return None


def _problem(specs: Specs) -> str:
    from reconciler.spec.diagnostics import Severity

    found = [str(diagnostic) for diagnostic in specs.diagnostics if diagnostic.severity is Severity.ERROR]
    return "; ".join(found[:MOST_ERRORS])


def compiler(started: Stack, signed_in: SignedIn) -> Compile:
    """Compiles a revision, and rejects one for another stack or account than the process was started for."""
    from reconciler.cli.session import target_of
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.reconcile.pass_ import DesiredState

    def compiled(specs: Specs) -> DesiredState:
        stack = specs.stack
        assert stack is not None
        if (stack.name, stack.region) != (started.name, started.region):
            raise errors.SpecInvalid(
                f"the Stack is now {stack.name!r} in {stack.region}, but this controller manages {started.name!r} in "
                f"{started.region}; start another controller for it"
            )
        if stack.account is not None and stack.account != signed_in.identity.account:
            raise errors.WrongAccount(
                f"the Stack is pinned to account {stack.account}, but this is account {signed_in.identity.account}"
            )
        return target_of(
            specs, signed_in.identity, Guard(stack.guard.max_delete, stack.guard.max_delete_percent), Consent()
        )

    return compiled
