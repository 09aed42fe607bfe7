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
    from reconciler.source.background import Background
    from reconciler.source.base import Source
    from reconciler.source.credentials import AwsKeys
    from reconciler.spec.specs import Specs

RESTORE_SECONDS = 60.0
"""Pause before the last accepted revision is looked for again."""
PENDING_SECONDS = 0.1
"""Pause before a source that has not answered yet is looked at again."""
PENDING_AT_MOST = 30.0
"""Time after which a source that has not answered yet counts as unreachable: a folder on a network may hang."""
MOST_ERRORS = 5
"""Errors that are logged in one line; `reconciler validate` shows all of them."""


@contextlib.contextmanager
def opened(
    folder: Path | None,
    url: str | None,
    where: Where,
    *,
    poll: float,
    any_history: bool,
    signers: Path | None,
    ready: Callable[[], object],
) -> Iterator[Background]:
    """The Git repository at `url`, else the folder, read in the background. `signers` is a file of trusted commit
    signers. `ready` is called once an answer is there that was not waited for.

    Raises `click.UsageError` if there is no folder.
    """
    from reconciler.clock import SystemClock
    from reconciler.source import credentials, location, signatures
    from reconciler.source.background import Background
    from reconciler.source.directory import Directory
    from reconciler.source.git import Git

    clock = SystemClock()
    if url is None or not location.is_git(url):
        yield Background(Directory(options.find_specs(folder if url is None else Path(url)), clock), ready)
        return
    repository = location.parse(url)
    source = Git(
        repository,
        credentials=credentials.from_environment(repository, os.environ, clock, aws=lambda: _aws_keys(where)),
        signers=() if signers is None else signatures.allowed_signers(signers.read_text(encoding="utf-8")),
        must_descend=not any_history,
        interval=poll,
    )
    with contextlib.closing(source):
        yield Background(source, ready)


def _aws_keys(where: Where) -> AwsKeys:
    """AWS credentials of the caller, with which requests to CodeCommit are signed_in."""
    from reconciler.aws.session import Boto
    from reconciler.source.credentials import AwsKeys

    transport = Boto(
        where.region or "us-east-1",
        profile=where.profile,
        assume_role=where.assume_role,
        external_id=where.external_id,
    )
    return AwsKeys(*transport.credentials())


def first_valid(
    source: Source,
    environment: str | None,
    clock: Clock,
    stop: threading.Event,
    beat: Callable[[], None],
    *,
    stack: str | None = None,
    restored: Callable[[Specs | None], Specs],
) -> Specs | None:
    """The first revision of the specs without errors; None if the process is stopped before there is one.

    `stack` is the name that their Stack must have. `restored` gives the last accepted revision while the source has no
    valid one, which it is passed if it can be read. It raises `errors.ReconcilerError` and is asked again each minute.
    """
    from reconciler.cli import last_valid

    logged, unknown, asked_at, began = "", "", float("-inf"), clock.monotonic()
    while not stop.is_set():
        beat()
        name, specs = events.SPEC_REJECTED, None
        try:
            fetched = source.fetch()
            specs = fetched.specs(environment)
            if specs.ok and stack in (None, specs.stack_id if specs.stack is not None else None):
                last_valid.keep(place_of(source), environment, fetched.sources)
                return specs
            problem = _problem(specs) or f"the Stack is not {stack!r}, which this controller is for"
        except errors.RevisionRejected as error:
            problem = str(error)
        except errors.SourceUnreachable as error:
            if isinstance(error, errors.SourcePending) and clock.monotonic() - began < PENDING_AT_MOST:
                clock.wait(stop, PENDING_SECONDS)
                continue
            name, problem = events.SOURCE_UNREACHABLE, str(error)
        if clock.monotonic() - asked_at >= RESTORE_SECONDS:
            asked_at = clock.monotonic()
            try:
                return restored(specs)
            except errors.ReconcilerError as error:
                unknown = str(error)
        began = clock.monotonic()
        if f"{problem}{unknown}" != logged:
            log.error(name, source=source.name, message=f"{problem}; nothing is reconciled yet: {unknown}")
        logged = f"{problem}{unknown}"
        clock.wait(stop, source.interval)
    return None


def place_of(source: Source) -> str:
    """The absolute path of a folder, or the URL of a repository."""
    from reconciler.source.background import Background
    from reconciler.source.directory import Directory

    source = source.inner if isinstance(source, Background) else source
    return str(source.folder.resolve()) if isinstance(source, Directory) else source.name


def _problem(specs: Specs) -> str:
    from reconciler.spec.diagnostics import Severity

    found = [str(diagnostic) for diagnostic in specs.diagnostics if diagnostic.severity is Severity.ERROR]
    return "; ".join(found[:MOST_ERRORS])


def compiler(started: Specs, signed_in: SignedIn) -> Compile:
    """Compiles a revision, and rejects one for another stack or account than the process was started for."""
    from reconciler.cli.session import target_of
    from reconciler.model.guard import Guard
    from reconciler.model.planner import Consent
    from reconciler.reconcile.pass_ import DesiredState

    assert started.stack is not None, "it was signed in for one"
    own, region = started.stack_id, started.stack.region

    def compiled(specs: Specs) -> DesiredState:
        stack = specs.stack
        assert stack is not None
        if (specs.stack_id, stack.region) != (own, region):
            raise errors.SpecInvalid(
                f"the Stack is now {specs.stack_id!r} in {stack.region}, but this controller manages {own!r} in "
                f"{region}; start another controller for it"
            )
        if stack.account is not None and stack.account != signed_in.identity.account:
            raise errors.WrongAccount(
                f"the Stack is pinned to account {stack.account}, but this is account {signed_in.identity.account}"
            )
        return target_of(
            specs, signed_in.identity, Guard(stack.guard.max_delete, stack.guard.max_delete_percent), Consent()
        )

    return compiled
