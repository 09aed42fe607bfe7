"""Targets of notifications, opened: each has a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.notifications import notifier
from reconciler.notifications.commit_notifier import CommitNotifier, forge_of
from reconciler.notifications.commit_status import Link
from reconciler.notifications.notifier import Notifier


@dataclass(frozen=True, slots=True)
class Targets:
    """`events` receive events, `commits` the statuses of commits."""

    events: tuple[Notifier, ...] = ()
    commits: tuple[CommitNotifier, ...] = ()

    @property
    def all(self) -> tuple[Notifier | CommitNotifier, ...]:
        return *self.events, *self.commits

    def close(self, seconds: float) -> None:
        """Deliver what is queued, all of it within a time limit."""
        for one in self.all:
            one.close(seconds / len(self.all))


def opened(
    texts: Iterable[str],
    transport: Transport,
    stack: str,
    link: str,
    *,
    in_git: bool,
    environ: Mapping[str, str] = os.environ,
) -> Targets:
    """`texts` and those of the environment. `in_git`: the specs are in a repository, and have commits.

    Raises `errors.SpecInvalid`.
    """
    every = [(text, forge_of(text, environ)) for text in (*texts, *notifier.from_environment(environ))]
    forges = [forge for _, forge in every if forge is not None]
    if forges and not in_git:
        raise errors.SpecInvalid(
            f"a {forges[0].label} target reports commits, and a folder has none; pass --source with a Git repository"
        )
    events = [notifier.parse(text, transport, environ=environ) for text, forge in every if forge is None]
    leads = Link(link)
    return Targets(
        tuple(Notifier(target, stack=stack) for target in events),
        tuple(CommitNotifier(forge, stack=stack, link=leads) for forge in forges),
    )
