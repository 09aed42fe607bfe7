"""Diagnoses of failed releases, read once for each in a thread of its own, so that no page waits for them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from reconciler import errors, events
from reconciler.cli.service_status import ServiceStatus
from reconciler.diagnosis.report import Diagnosis
from reconciler.log import log
from reconciler.model.resource import Address
from reconciler.rollout.stored_state import Actor

MOST = 200


@dataclass(slots=True)
class Diagnoses:
    """`write` reads a report from AWS. `done` is called when there is a new one."""

    write: Callable[[ServiceStatus], Diagnosis]
    done: Callable[[], None] = lambda: None
    _known: dict[tuple[Address, str, str], Diagnosis | None] = field(init=False, default_factory=dict)
    _pool: ThreadPoolExecutor = field(init=False, default_factory=lambda: ThreadPoolExecutor(1, "diagnoses"))

    def of(self, services: tuple[ServiceStatus, ...]) -> dict[Address, Diagnosis]:
        """What is known by now of the services whose wanted release failed; the rest is being read."""
        found = {}
        for status in services:
            key = _key(status)
            if key is None:
                continue
            if key not in self._known:
                self._read(key, status)
            diagnosis = self._known.get(key)
            if diagnosis is not None:
                found[status.rollout.address] = diagnosis
        return found

    def note(self, status: ServiceStatus, diagnosis: Diagnosis) -> None:
        """It was written in the very observation that found the failure, before the evidence was gone."""
        key = _key(status)
        if key is not None:
            self._known[key] = diagnosis

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, key: tuple[Address, str, str], status: ServiceStatus) -> None:
        self._known[key] = None
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]

        def read() -> None:
            try:
                self._known[key] = self.write(status)
            except errors.ReconcilerError as error:
                log.warning(events.CONSOLE_FAILED, address=str(key[0]), because=str(error))
            self.done()

        future: Future[None] = self._pool.submit(read)
        future.add_done_callback(_raised)


def _raised(future: Future[None]) -> None:
    if not future.cancelled() and future.exception() is not None:
        log.error(events.CONSOLE_FAILED, because=str(future.exception()))


def _key(status: ServiceStatus) -> tuple[Address, str, str] | None:
    """None where nothing has failed, or a person has stopped the release."""
    marks, wanted = status.observed.marks, status.observed.wanted
    ended = marks.ended_of(wanted)
    explained = ended is None or ended.by is Actor.PERSON or marks.rejection_of(wanted)
    if explained or not marks.quarantined(wanted) or ended is None:
        return None
    return status.rollout.address, wanted, ended.at.isoformat()
