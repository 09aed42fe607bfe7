"""Expectations of writes that AWS may not show yet, like `ControllerExpectations` in Kubernetes.

AWS answers reads from replicas that lag behind writes, usually by seconds and sometimes by minutes. Planning from a
stale read would create a second VPC beside the first, or undo a change that was just made. Hence one rule: **after a
write, nothing is done to that resource until a read shows the write.**

    created    fulfilled when the id is found          planned with a stand-in meanwhile
    uncertain  fulfilled when a resource of the stack  AWS did not respond to the creation
               is found at its address
    updated    fulfilled when the fields no longer     the read is not acted on meanwhile
               have their old values
    deleted    fulfilled when the id is gone           the same

Reads need not agree with each other: a resource that one read shows may be missing from the next. So an expectation is
kept for its whole settle time, fulfilled or not. After that, if three reads in a row still do not show the write, they
are believed: it was reverted, or it never happened.

A write that is repeated, never answered and never visible is given up after a while, and reported. A field whose change
AWS has declined is not compared for an hour.

A new process has no expectations. Against that, resources that AWS would create twice without an error are read once
more before they are created (observe.py), and of two resources at one address the spare one is deleted
(model/planner.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.clock import Clock
from reconciler.model import ownership
from reconciler.model.diff import Change, diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth

MADE_SECONDS = 300.0
"""EC2 may not show a created resource for this long; Terraform allows the same five minutes, as does Kubernetes."""

WRITE_SECONDS = 60.0
"""For all other writes, and for those that may not have happened."""

READS = 3
"""Number of reads after that which must not show a write before it is given up."""

DECLINED_SECONDS = 3600.0
"""Time until a change that AWS has declined is tried again."""

TRIES = 3
"""Number of times the same write may go without a response and without effect until it is given up, but not within
`WRITE_SECONDS`.
"""

Seen = Callable[[tuple[Observed[Any], ...]], bool]


@dataclass(slots=True)
class Expectation:
    """One write. `seen` says whether a read of its type shows it; `stand_in` is planned with while no read shows
    anything at its address.
    """

    address: Address
    because: str
    until: float
    seen: Seen
    id: str = ""
    stand_in: Observed[Any] | None = None
    missing: int = 0


@dataclass(slots=True)
class Unanswered:
    """A write that was tried `tries` times since `since`. `what` distinguishes it from other writes to the same
    resource.
    """

    what: str
    since: float
    tries: int = 1


class Expectations:
    """All expectations of one process for one stack. Written by several threads, read by one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[tuple[str, Address, str], Expectation] = {}
        self._unanswered: dict[Hashable, Unanswered] = {}
        self._declined: dict[str, tuple[frozenset[str], float]] = {}
        self._lock = threading.Lock()

    # -- writes

    def created(self, new: Desired[Any], identifier: str) -> None:
        """A creation of `new`, with all references resolved, returned `identifier`."""
        because = "created moments ago; AWS does not show it yet"
        self._forget(new.address, identifier)
        self._expect(
            "created",
            new.address,
            because,
            MADE_SECONDS,
            lambda found: any(one.id == identifier for one in found),
            identifier,
            _stand_in(new, identifier, because),
        )

    def uncertain(self, new: Desired[Any]) -> None:
        """A creation of `new` was started, and its outcome is unknown."""
        because = "AWS did not respond to its creation, and does not show yet whether it exists"
        stack = ownership.owner(new.tags)

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            return any(one.address == new.address and ownership.owner(one.tags) == stack for one in found)

        self._expect("uncertain", new.address, because, WRITE_SECONDS, seen, "", _stand_in(new, "", because))

    def updated(
        self, old: Observed[Any], new: Desired[Any], changes: tuple[Change, ...], tags: TagChange | None = None
    ) -> None:
        """`changes` and `tags` were or may have been written to `old`, to make it `new`."""
        before = frozenset((change.path, repr(change.old)) for change in changes)
        retagged = {key: old.tags.get(key) for key in (*tags.put, *tags.drop)} if tags is not None else {}

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            one = next((each for each in found if each.id == old.id), None)
            if one is None:
                return True  # gone, or a read from before its creation: the expectation of the creation covers that
            if one.unread & {change.field for change in changes}:
                return False
            still = {(change.path, repr(change.old)) for change in diff(one, new.spec)}
            return before.isdisjoint(still) and not any(one.tags.get(key) == was for key, was in retagged.items())

        because = "changed moments ago; AWS does not show the change yet"
        self._expect("updated", old.address, because, WRITE_SECONDS, seen, old.id)

    def declined(self, old: Observed[Any], fields: frozenset[str]) -> None:
        """AWS does not change `fields` of `old`."""
        with self._lock:
            self._declined[old.id] = fields, self._clock.monotonic() + DECLINED_SECONDS

    def still_declined(self) -> frozenset[str]:
        """The ids of what has fields that are not compared, because AWS has declined to change them."""
        now = self._clock.monotonic()
        return frozenset(id for id, (_, until) in self._declined.items() if now < until)

    def deleted(self, old: Observed[Any]) -> None:
        """The deletion of `old` was accepted."""
        self._forget(old.address, old.id)

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            return not any(one.id == old.id and not one.facts.get("deleting") for one in found)

        because = "deleted moments ago; AWS still shows it"
        self._expect("deleted", old.address, because, WRITE_SECONDS, seen, old.id)

    def unanswered(self, step: Hashable, what: str) -> bool:
        """`what` was written for `step` without a response. Returns whether to give it up.

        That it is written again shows that it has had no visible effect.
        """
        now = self._clock.monotonic()
        with self._lock:
            before = self._unanswered.get(step)
            if before is None or before.what != what:
                self._unanswered[step] = Unanswered(what, now)
                return False
            before.tries += 1
            return before.tries >= TRIES and now - before.since >= WRITE_SECONDS

    def answered(self, step: Hashable) -> None:
        """AWS has responded to the write for `step`."""
        with self._lock:
            self._unanswered.pop(step, None)

    # -- reads

    def add_missing(self, kind: str, found: tuple[Observed[Any], ...]) -> tuple[Observed[Any], ...]:
        """The read of `kind` with created resources that it does not show yet, so that their dependents are read
        too.
        """
        known = [one.stand_in for one in self._of(kind) if one.id and one.stand_in is not None and not one.seen(found)]
        return (*found, *known)

    def mark_pending(self, world: ObservedState) -> ObservedState:
        """`world` with everything marked that must not be acted on yet; ends expectations whose time is over."""
        shown = {kind: tuple(one for one in each if UNSEEN not in one.facts) for kind, each in world.found.items()}
        now = self._clock.monotonic()
        declined = {key: fields for key, (fields, until) in self._declined.items() if now < until}
        found = {kind: tuple(_without(one, declined) for one in each) for kind, each in shown.items()}
        for key, one in self._current():
            kind = one.address.kind
            if kind in world.unreadable or kind not in shown:
                continue
            seen, late = one.seen(shown[kind]), now >= one.until
            one.missing = 0 if seen else one.missing + late
            if late and (seen or one.missing >= READS):
                self._end(key)
            elif seen:
                continue
            elif one.stand_in is not None:
                found[kind] += (_mark(one.stand_in, one.because),)
            else:
                found[kind] = tuple(_mark(each, one.because) if each.id == one.id else each for each in found[kind])
        return replace(world, found=found)

    def kinds(self) -> frozenset[str]:
        """The types with pending expectations: they have to be read."""
        return frozenset(address.kind for (_, address, _), _ in self._current())

    def __len__(self) -> int:
        return len(self._all)

    # -- bookkeeping

    def _expect(
        self,
        sort: str,
        address: Address,
        because: str,
        seconds: float,
        seen: Seen,
        identifier: str,
        stand_in: Observed[Any] | None = None,
    ) -> None:
        until = self._clock.monotonic() + seconds
        with self._lock:
            self._all[(sort, address, identifier)] = Expectation(address, because, until, seen, identifier, stand_in)

    def _forget(self, address: Address, identifier: str) -> None:
        """A new write replaces earlier expectations of the same resource, and answers uncertain ones."""
        with self._lock:
            for sort, of, name in list(self._all):
                same = of.kind == address.kind and name == identifier
                if same or (sort == "uncertain" and of == address):
                    del self._all[(sort, of, name)]

    def _end(self, key: tuple[str, Address, str]) -> None:
        with self._lock:
            self._all.pop(key, None)

    def _of(self, kind: str) -> Iterable[Expectation]:
        return [one for _, one in self._current() if one.address.kind == kind]

    def _current(self) -> list[tuple[tuple[str, Address, str], Expectation]]:
        with self._lock:
            return sorted(self._all.items(), key=lambda item: item[0])


UNSEEN = "unseen"
"""The fact that marks a stand-in. Its id may be missing."""


def _stand_in(new: Desired[Any], identifier: str, because: str) -> Observed[Any]:
    return Observed(
        new.address,
        identifier or f"({new.address})",
        new.spec,
        tags=dict(new.tags),
        health=ResourceHealth.PROGRESSING,
        reason=because,
        facts={UNSEEN: True},
    )


def _without(one: Observed[Any], declined: Mapping[str, frozenset[str]]) -> Observed[Any]:
    return replace(one, unread=one.unread | declined[one.id]) if one.id in declined else one


def _mark(one: Observed[Any], because: str) -> Observed[Any]:
    """The planner treats it like a resource that AWS is still deleting: it waits, and so does everything that refers
    to it.
    """
    return replace(one, health=ResourceHealth.PROGRESSING, reason=because, facts={**one.facts, "deleting": True})
