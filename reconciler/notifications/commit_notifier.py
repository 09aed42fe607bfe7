"""Commit notifier: sends the newest status of each commit and service to a forge, without ever blocking the controller.

    controller ──► CommitNotifier(status) ──► the newest of each ──► its own thread ──► GitHub or GitLab
                                              a newer one replaces it   one write a second, and as the limit says

A status that cannot be delivered is counted and logged, each reason once. A commit that the repository does not have is
not asked for again.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reconciler import errors, events
from reconciler.clock import Clock, SystemClock
from reconciler.log import log
from reconciler.notifications.commit_status import CommitStatus, Link, StackName, is_commit
from reconciler.notifications.delivery import Undelivered
from reconciler.notifications.forge import Forge
from reconciler.notifications.forge_api import CommitMissing
from reconciler.notifications.github import github
from reconciler.notifications.gitlab import gitlab
from reconciler.notifications.message import cleaned
from reconciler.notifications.notifier import Tally

FORGES: Final = {"github": github, "gitlab": gitlab}
MOST_WAITING: Final = 500
ATTEMPTS: Final = 24
"""Attempts in a row at one status that may still succeed; with their pauses more than an hour."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
WRITE_SECONDS: Final = 1.0
"""Seconds for each write. Source: GitHub, "Best practices for using the REST API"."""
MOST_REMEMBERED: Final = 1000


class CommitNotifier:
    """Takes statuses for one repository. A call takes microseconds and never raises."""

    def __init__(self, forge: Forge, *, stack: str, link: Link | None = None, clock: Clock | None = None) -> None:
        self.label: Final = forge.label
        self._forge = forge
        self._stack, self._link = StackName(stack), link or Link()
        self._clock = clock or SystemClock()
        self._waiting: OrderedDict[tuple[str, str], CommitStatus] = OrderedDict()
        self._changed = threading.Condition()
        self._closing = False
        self._over = threading.Event()
        self._sent = self._failed = self._dropped = 0
        self._attempts = 0
        self._missing: OrderedDict[str, None] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name=f"notify-{self.label}", daemon=True)
        self._thread.start()

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

    @property
    def tally(self) -> Tally:
        with self._changed:
            return Tally(self._sent, self._failed, self._dropped, len(self._waiting))

    def close(self, seconds: float = 2.0) -> None:
        """Deliver what waits within a time limit, then drop the rest: the next process finds out what is missing."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        self._over.set()
        with self._changed:
            left = len(self._waiting)
            self._dropped += left
            self._waiting.clear()
        if left or self._thread.is_alive():
            log.warning(events.NOTIFY_DROPPED, to=self.label, waiting=left, under_way=self._thread.is_alive())

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
            while not self._waiting and not self._closing:
                self._changed.wait()
            if not self._waiting or self._over.is_set():
                return None
            return self._waiting.popitem(last=False)[1]

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
