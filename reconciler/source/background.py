"""Background source: reads another source in a thread, so that a host that is slow or hangs holds nobody.

controller ──► changed, fetch ──► one thread at a time ──► the source
    ▲              │ no answer yet: errors.SourcePending           │
    └── ready ─────┴──────────────── the answer is kept ◄──────────┘
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from reconciler import errors
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Source

PATIENCE_SECONDS: Final = 1.0
"""Time for which the answer to a new question is waited for: most hosts need less, and then there is no second look."""

_Question: TypeAlias = tuple[Literal["changed", "fetch"], str | None]


class _Job:
    """One question to the source, and its answer. `awaited`: whoever asked is still waiting for it."""

    def __init__(self, question: _Question) -> None:
        self.question = question
        self.awaited = True
        self.ended = threading.Event()
        self._answer: Any = None
        self._error: Exception | None = None

    def run(self, source: Source) -> None:
        method, argument = self.question
        try:
            self._answer = source.changed(argument) if method == "changed" else source.fetch(argument)
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is taken
            self._error = error

    def answer(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._answer


class Background:
    """The `Source` that `inner` is. `ready` is called once there is an answer that was not waited for.

    Both methods raise `errors.SourcePending` while there is none. An answer is given once, and then asked for again.
    """

    def __init__(self, inner: Source, ready: Callable[[], object], *, patience: float = PATIENCE_SECONDS) -> None:
        self.inner = inner
        self._ready = ready
        self._patience = patience
        self._lock = threading.Lock()
        self._running: _Job | None = None
        self._fetched: dict[str | None, _Job] = {}
        self._compared: _Job | None = None

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def interval(self) -> float:
        return self.inner.interval

    def changed(self, since: str | None) -> bool:
        """True while a fetched revision waits to be taken."""
        with self._lock:
            if self._fetched:
                return True
            job, self._compared = self._compared, None
        if job is None or job.question[1] != since:
            job = self._asked(("changed", since))
        return bool(job.answer())

    def fetch(self, after: str | None = None) -> Fetched:
        with self._lock:
            job = self._fetched.pop(after, None)
        if job is None:
            job = self._asked(("fetch", after))
        try:
            fetched: Fetched = job.answer()
        except errors.HistoryRewritten:
            raise  # the caller may accept it, and then asks without `after`
        except errors.ReconcilerError:
            self._forget()
            raise
        self._forget()
        return fetched

    def verified(self, stored: Archive) -> Archive:
        """Asked at once: it reads nothing from the host."""
        return self.inner.verified(stored)

    def _forget(self) -> None:
        """What was fetched for another `after` is out of date."""
        with self._lock:
            self._fetched.clear()

    def _asked(self, question: _Question) -> _Job:
        """The answered question. Raises `errors.SourcePending`."""
        with self._lock:
            if self._running is not None:
                raise errors.SourcePending(f"{self.name} has not answered yet")
            job = _Job(question)
            try:
                threading.Thread(target=self._run, args=(job,), name="source-read", daemon=True).start()
            except RuntimeError as error:  # the machine has no threads left
                raise errors.SourceUnreachable(f"{self.name} cannot be read: {error}") from error
            self._running = job
        job.ended.wait(self._patience)
        with self._lock:
            if job.ended.is_set():
                return job
            job.awaited = False
        raise errors.SourcePending(f"{self.name} has not answered yet")

    def _run(self, job: _Job) -> None:
        job.run(self.inner)
        with self._lock:
            self._running = None
            job.ended.set()
            method, argument = job.question
            if job.awaited:
                return
            if method == "fetch":
                self._fetched[argument] = job
            else:
                self._compared = job
        self._ready()
