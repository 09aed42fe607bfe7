"""Drift recorder: reports drift, and who made it as soon as that is known.

    pass ──► found(): the event, at once ──► the pass goes on, and corrects the drift
                 │ entry of the drift journal                │
                 ▼                                           ▼
             turn(), after each pass and in each round: where something is due, a thread of its own asks CloudTrail
                 │ answer
                 ▼
             turn(): the follow-up event

The events of a queue tell who made a change before it is found (`take`); then the event has it, and nothing is asked.
Otherwise CloudTrail is asked, only for drift that was found, a few times and for no longer than it may be late
(`LOOKS`). A restart goes on with what the journal has pending. Nothing here delays a correction or fails a pass.

It is one module because what is found, asked and kept of one difference is one sequence.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.aws.cloudtrail import ApiWrite, writes_of
from reconciler.controller.events import EventRecorder
from reconciler.controller.pass_events import CORRECTED, RECURRING, record_drift
from reconciler.iam import calls
from reconciler.log import log
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.attribution import Attribution, Question, attributed, question
from reconciler.reconcile.drift import Drift
from reconciler.reconcile.event_lookups import Client, Known, search
from reconciler.reconcile.result import PassResult
from reconciler.rollout.actions import RolloutAction, SetWeights, UpdateHealthCheck, UpdateService
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.standing import TEST
from reconciler.store.drift_journal import DriftEntry, DriftJournal, Finding, settled

LOOKS: Final = tuple(timedelta(minutes=minutes) for minutes in (0, 0.5, 2, 5, 10, 15, 20))
"""Times after drift was found at which CloudTrail is asked: it shows most calls within five minutes, and says that it
may take fifteen."""
AT_ONCE: Final = 10
"""Differences that are looked up in one turn; the others follow in the next."""
MOST_PENDING: Final = 100
MOST_HEARD: Final = 2000
"""Writes of others that are remembered from the events of a queue."""
ID_LENGTH: Final = 500
DENIED_FOR: Final = timedelta(hours=1)
"""Time for which CloudTrail is not asked again once that was denied."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one look has found of an entry: an attribution, or why CloudTrail did not answer."""

    id: str
    found: Attribution | None = None
    because: str = ""
    denied: bool = False


@dataclass(slots=True)
class DriftRecorder:
    """`own` is the ARN of this process. `journal` is that of the store, if there is one now. Without a `client`,
    CloudTrail is not asked.

    `beside` runs the look-ups; `wake` is called when there are answers. `_due` are the entries without one, by id, with
    their questions; `_before` is what the pass before this one has seen, `_corrected` when drift was last corrected.
    All of it belongs to the thread of the controller; `_answers` are handed over to it.
    """

    aws: AwsClient
    kinds: ResourceTypes
    recorder: EventRecorder
    stack: str = ""
    own: str = ""
    journal: Callable[[], DriftJournal | None] = lambda: None
    client: Client | None = None
    beside: Callable[[Callable[[], None]], object] = lambda work: threading.Thread(
        target=work, name="attribution", daemon=True
    ).start()
    wake: Callable[[], object] = lambda: None
    _due: dict[str, tuple[DriftEntry, Question]] = field(init=False, default_factory=dict)
    _unwritten: dict[str, DriftEntry] = field(init=False, default_factory=dict)
    _heard: deque[ApiWrite] = field(init=False, default_factory=lambda: deque(maxlen=MOST_HEARD))
    _answers: deque[Answer] = field(init=False, default_factory=deque)
    _corrected: dict[tuple[Address, tuple[str, ...]], datetime] = field(init=False, default_factory=dict)
    _contested: dict[Address, str] = field(init=False, default_factory=dict)
    _before: ObservedState | None = field(init=False, default=None)
    _asking: threading.Lock = field(init=False, default_factory=threading.Lock)
    _denied_at: datetime | None = field(init=False, default=None)
    _resumed: bool = field(init=False, default=False)

    # -- called by the controller

    def take(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Records of CloudTrail, as EventBridge delivers them, in any order and number. What they answer is answered in
        the next turn."""
        known = {write.author.event for write in self._heard}
        self._heard += (write for write in writes_of(records) if write.author.event not in known)
        for entry, asked_for in self._due.values():
            found = self._known(asked_for)
            if found is not None:
                self._answers.append(Answer(entry.id, found))

    def found(self, result: PassResult) -> None:
        """Report the drift of a pass, before it is corrected."""
        now, known = self.aws.clock.now(), dict[Drift, tuple[Question, Attribution | None]]()

        def author_of(drift: Drift) -> Attribution | None:
            asked_for = self._question(drift, result.world, now)
            known[drift] = asked_for, self._known(asked_for)
            return known[drift][1]

        for drift, outcome in record_drift(self.recorder, result.drifts, author_of):
            self._begin(drift, outcome, *known[drift], now)

    def on_result(self, result: StepResult) -> None:
        """Find out who keeps changing what a rollout writes; the event of that is the rollout's."""
        address = result.rollout.address
        if not isinstance(result.error, errors.Contested) or result.step is None:
            self._contested.pop(address, None)
            return
        if self._contested.get(address) == str(result.error):
            return
        self._contested[address] = str(result.error)
        now = self.aws.clock.now()
        drift = contested(result.rollout.delivery, result.step.decisions)
        asked_for = self._question(drift, self._before or ObservedState(), now)
        known = self._known(asked_for)
        if known is not None:
            self._report(drift.address, drift.paths, known)
        self._begin(drift, RECURRING, asked_for, known, now)

    def on_pass(self, result: PassResult) -> None:
        """Look-ups begin once the drift is corrected."""
        self._before = result.world
        self.turn()

    def turn(self) -> None:
        """Report what has been found out, and have what is due looked up. Never waits for AWS."""
        self._resume()
        while self._answers:
            self._answered(self._answers.popleft())
        self._flush()
        now = self.aws.clock.now()
        if self.client is None:
            return
        due = [one for one in self._due.values() if now - one[0].at >= LOOKS[min(one[0].looks, len(LOOKS) - 1)]]
        if due and self._asking.acquire(blocking=False):
            self.beside(lambda: self._ask(due[:AT_ONCE], now))

    # -- what is asked

    def _begin(self, drift: Drift, outcome: str, asked_for: Question, found: Attribution | None, now: datetime) -> None:
        """Keep what was reported, and have its author looked up if that is not known."""
        entry = DriftEntry(f"{now.isoformat()} {drift}"[:ID_LENGTH], now, str(drift.address), drift.paths, outcome)
        if found is not None:
            entry = settled(entry, Finding.FOUND, authors=found.authors, certain=found.certain)
        elif self.client is not None and len(self._due) < MOST_PENDING:
            container = () if asked_for.inside is None else (asked_for.inside[0], *sorted(asked_for.inside[1]))
            entry = replace(entry, names=tuple(sorted(asked_for.names)), index=asked_for.index, container=container)
            self._due[entry.id] = entry, asked_for
        else:
            because = "CloudTrail is not asked" if self.client is None else "too much has changed at once"
            entry = settled(entry, Finding.UNREADABLE, because=because)
        self._keep(entry)
        if outcome == CORRECTED:
            self._corrected[drift.address, drift.paths] = now
            while len(self._corrected) > MOST_HEARD:
                del self._corrected[next(iter(self._corrected))]

    def _known(self, asked_for: Question) -> Attribution | None:
        """What the events of a queue have said already."""
        if not self._heard:
            return None
        return attributed(self._whole(asked_for), self._heard, stack=self.stack, own=self.own)

    def _whole(self, asked_for: Question) -> Question:
        """With the operations of its type, which are read out of the source: that takes a moment, the first time."""
        return asked_for.by(calls.of_kind(self.kinds[asked_for.address.kind]))

    def _question(self, drift: Drift, world: ObservedState, now: datetime) -> Question:
        seen = [*_at(world, drift.address), *_at(self._before or ObservedState(), drift.address)]
        kind = self.kinds[drift.address.kind]
        since = self._corrected.get((drift.address, drift.paths))
        return replace(question(kind, drift.address, drift.paths, now, seen), since=since)

    def _resume(self) -> None:
        """Go on with what an earlier process has left pending."""
        journal = self.journal()
        if self._resumed or journal is None:
            return
        try:
            entries = journal.read()
        except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
            log.warning(events.ATTRIBUTION_FAILED, because=str(error))
            return
        self._resumed = True
        for entry in entries:
            if entry.finding is Finding.PENDING and entry.id not in self._due:
                found = _stored(entry, self.kinds)
                if found is not None and len(self._due) < MOST_PENDING:
                    self._due[entry.id] = entry, found

    # -- a thread of its own

    def _ask(self, due: list[tuple[DriftEntry, Question]], now: datetime) -> None:
        """Ask CloudTrail. Another turn reports it, in the thread of the controller."""
        try:
            known: Known = {}
            for entry, asked_for in due:
                self._answers.append(self._look(entry, asked_for, known, now))
        finally:
            self._asking.release()
            self.wake()

    def _look(self, entry: DriftEntry, asked_for: Question, known: Known, now: datetime) -> Answer:
        if self._denied_at is not None and now - self._denied_at < DENIED_FOR:
            return Answer(entry.id, because=DENIED, denied=True)
        assert self.client is not None
        try:
            found = search(self._whole(asked_for), entry.looks, self.client, known, stack=self.stack, own=self.own)
        except errors.Denied:
            self._denied_at = now
            return Answer(entry.id, because=DENIED, denied=True)
        except errors.ReconcilerError as error:
            return Answer(entry.id, because=f"CloudTrail did not answer: {error}")
        return Answer(entry.id, found)

    # -- what is known of it

    def _answered(self, answer: Answer) -> None:
        if answer.id not in self._due:
            return
        entry, asked_for = self._due.pop(answer.id)
        entry = replace(entry, looks=entry.looks + 1)
        late = self.aws.clock.now() - entry.at >= LOOKS[-1] or entry.looks >= len(LOOKS)
        if answer.found is not None:
            entry = settled(entry, Finding.FOUND, authors=answer.found.authors, certain=answer.found.certain)
            self.recorder.emit(
                events.DRIFT_ATTRIBUTED, entry.address, f"{entry.what}: {entry.by}", answer.found.details
            )
        elif answer.denied:
            entry = settled(entry, Finding.UNREADABLE, because=answer.because)
            self.recorder.emit_once("attribution denied", events.ATTRIBUTION_FAILED, answer.because)
        elif late:
            finding = Finding.UNREADABLE if answer.because else Finding.NONE
            entry = settled(entry, finding, because=answer.because)
            log.info(events.ATTRIBUTION_FAILED, address=entry.address, because=entry.by)
        else:
            self._due[entry.id] = entry, asked_for
        self._keep(entry)

    def _report(self, address: Address, paths: tuple[str, ...], found: Attribution) -> None:
        what = ", ".join(paths) or "deleted"
        self.recorder.emit(events.DRIFT_ATTRIBUTED, str(address), f"{what}: {found}", found.details)

    def _keep(self, entry: DriftEntry) -> None:
        self._unwritten[entry.id] = entry
        while len(self._unwritten) > MOST_PENDING:
            del self._unwritten[next(iter(self._unwritten))]

    def _flush(self) -> None:
        """Write what is new to the journal; what it does not take is tried again with the next turn."""
        journal = self.journal()
        if not self._unwritten or journal is None:
            return
        try:
            journal.add(self._unwritten.values())
        except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
            log.warning(events.ATTRIBUTION_FAILED, because=str(error), waiting=len(self._unwritten))
            return
        self._unwritten.clear()


DENIED: Final = "cloudtrail:LookupEvents is not allowed; `reconciler iam-policy` prints the permissions"


def contested(delivery: RolloutSpec, decisions: Iterable[RolloutAction]) -> Drift:
    """What others keep changing of what a rollout would write, as drift."""
    for decision in decisions:
        if isinstance(decision, SetWeights):
            entry = delivery.test if decision.listener == TEST else delivery.production
            if entry is not None:
                return Drift(entry, ("actions" if entry.kind == "listener-rule" else "default_action",))
        if isinstance(decision, UpdateService):
            return Drift(delivery.service, ("deployment",))
        if isinstance(decision, UpdateHealthCheck):
            return Drift(delivery.service, ("health_check",))
    return Drift(delivery.service, ("task_set",))


def _at(world: ObservedState, address: Address) -> list[Observed[Any]]:
    return [one for one in world.found.get(address.kind, ()) if one.address == address]


def _stored(entry: DriftEntry, kinds: ResourceTypes) -> Question | None:
    """The question of an entry; None if it is of a type that this version does not know."""
    address = Address.parse(entry.address)
    kind = kinds.get(address.kind)
    if kind is None:
        return None
    asked_for = question(kind, address, entry.paths, entry.at, ())
    inside = (entry.container[0], frozenset(entry.container[1:])) if entry.container else None
    return replace(asked_for, names=frozenset(entry.names), index=entry.index, inside=inside)
