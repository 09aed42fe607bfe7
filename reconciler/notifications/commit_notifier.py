"""Commit notifier: sends the newest status of each commit and service to a forge, without ever blocking the controller.

    controller ──► CommitNotifier(status) ──► the newest of each ──► its own thread ──► GitHub or GitLab
                                              a newer one replaces it   one write a second, and as the limit says

A status that cannot be delivered is counted and logged, each reason once. A commit that the repository does not have is
not asked for again.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reconciler import errors, events
from reconciler.clock import Clock
from reconciler.log import log
from reconciler.notifications.commit_status import CommitStatus, Link, StackName, is_commit
from reconciler.notifications.delivery import DeliveryThread, Undelivered
from reconciler.notifications.forge import Forge
from reconciler.notifications.forge_api import CommitMissing
from reconciler.notifications.github import github
from reconciler.notifications.gitlab import gitlab
from reconciler.notifications.message import cleaned

FORGES: Final = {"github": github, "gitlab": gitlab}
MOST_WAITING: Final = 500
ATTEMPTS: Final = 24
"""Attempts in a row at one status that may still succeed; with their pauses more than an hour."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
WRITE_SECONDS: Final = 1.0
"""Seconds for each write. Source: GitHub, "Best practices for using the REST API"."""
MOST_REMEMBERED: Final = 1000


class CommitNotifier(DeliveryThread[OrderedDict[tuple[str, str], CommitStatus]]):
    """Takes statuses for one repository. A call takes microseconds and never raises."""

    def __init__(self, forge: Forge, *, stack: str, link: Link | None = None, clock: Clock | None = None) -> None:
        super().__init__(forge.label, OrderedDict(), clock)
        self._forge = forge
        self._stack, self._link = StackName(stack), link or Link()
        self._attempts = 0
        self._missing: OrderedDict[str, None] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._start()

    def __call__(self, status: CommitStatus) -> None:
        status = replace(status, text=cleaned(status.text))
        with self._changed:
            if self._closing or status.commit in self._missing:
                return
            if not is_commit(status.commit):
                self._failed += 1
                self._tell(status, f"{cleaned(status.commit)!r} is not the whole id of a commit")
                return
            before = self._waiting.get(status.key)
            self._waiting[status.key] = status if before is None else _newer(before, status)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
                self._dropped += 1
            self._changed.notify()

    # -- its own thread

    def _run(self) -> None:
        while (status := self._take()) is not None:
            try:
                writes = self._forge.send(status, self._stack, self._link.of(status, self._stack))
            except Undelivered as error:
                self._undelivered(status, error)
            except Exception as error:  # noqa: BLE001 - one status that failed must not stop all others
                self._fail(status, type(error).__name__)
            else:
                self._attempts = 0
                with self._changed:
                    self._sent += writes > 0
                self._pause(writes * WRITE_SECONDS)

    def _take(self) -> CommitStatus | None:
        with self._changed:
            return self._waiting.popitem(last=False)[1] if self._awaited() else None

    def _pause(self, seconds: float) -> None:
        with self._changed:
            closing = self._closing
        if seconds and not closing:
            self._clock.wait(self._over, seconds)

    def _undelivered(self, status: CommitStatus, error: Undelivered) -> None:
        self._attempts += 1
        if not error.again or self._attempts >= ATTEMPTS or self._over.is_set():
            self._attempts = 0
            if isinstance(error, CommitMissing):
                self._forget(status.commit)
            self._fail(status, str(error))
            return
        with self._changed:  # unless there is a newer one by now
            self._waiting.setdefault(status.key, status)
            self._waiting.move_to_end(status.key, last=False)
        doubled = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._attempts - 1))
        self._clock.wait(self._over, doubled if error.pause is None else error.pause)

    def _forget(self, commit: str) -> None:
        with self._changed:
            self._missing[commit] = None
            _trim(self._missing)
            for key in [key for key in self._waiting if key[0] == commit]:
                del self._waiting[key]

    def _fail(self, status: CommitStatus, because: str) -> None:
        with self._changed:
            self._failed += 1
            self._tell(status, because)

    def _tell(self, status: CommitStatus, because: str) -> None:
        if because not in self._told:
            self._told[because] = None
            _trim(self._told)
            log.warning(events.NOTIFY_FAILED, to=self.label, notice=f"commit {status.state}", because=because)


def _newer(before: CommitStatus, status: CommitStatus) -> CommitStatus:
    """What is sent in place of both: an end for earlier processes does not take the place of a status."""
    return replace(status, only_ends=status.only_ends and before.only_ends)


def _trim(kept: OrderedDict[str, None]) -> None:
    while len(kept) > MOST_REMEMBERED:
        kept.popitem(last=False)


def forge_of(text: str, environ: Mapping[str, str] = os.environ) -> Forge | None:
    """The forge of a notification target; None for one of another kind.

    Raises `errors.SpecInvalid`, also where its token is missing.
    """
    kind, _, rest = text.partition(":")
    if kind not in FORGES:
        return None
    forge: Forge = FORGES[kind](rest, environ)
    token = forge.api.token
    if not token.given:
        raise errors.SpecInvalid(
            f"{kind}:{rest} needs the token in {token.name}, or in a file that {token.name}_FILE names"
        )
    return forge
