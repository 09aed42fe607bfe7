"""What this process has written, and AWS may not show yet.

AWS answers reads from copies that lag behind what was written, by seconds mostly and by minutes at times. Whoever plans
from a stale read makes a second VPC beside the first, or puts back what was just changed. So there is one rule: **after
a write, nothing is done to that resource until a read shows the write.**

    made      the id is there                   its place in the world is kept by what we know of it
    doubtful  the answer to a creation was      something of ours stands at its address
              lost: made, or not made
    changed   the fields no longer have their   what the read shows is not acted on
              old values
    dropped   the id is gone                    the same

Reads need not agree with each other either: what one read shows, the next may hide again. So an expectation stays for
its whole settle time, met or not. Once that is over and three reads in a row still do not show the write, the reads are
believed: somebody else undid it, or it never happened.

What is written again and again, is never answered, and never shows, is given up after a while: somebody has to look.

A process that has just begun expects nothing. Against that, what AWS would make twice without complaint is looked for
once more before it is made (observe.py), and of two of ours at one address the spare one goes (model/planner.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.clock import Clock
from reconciler.model import ownership
from reconciler.model.diff import Change, diff
from reconciler.model.ownership import TagChange
from reconciler.model.planner import ObservedState
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth

MADE_SECONDS = 300.0
"""EC2 may not show for so long what it has said it made; Terraform allows the same five minutes."""

WRITE_SECONDS = 60.0
"""Everything else, and what may not have happened at all."""

READS = 3
"""How often, after that, a write must be missing before its absence is believed."""

TRIES = 3
"""How often the same write may go without an answer that can be understood, and nothing come of it, until it is given
up. Not within `WRITE_SECONDS`, though: AWS has bad minutes."""

Seen = Callable[[tuple[Observed[Any], ...]], bool]


@dataclass(slots=True)
class Expectation:
    """One write. `seen` says whether a read of its kind shows it, `stand_in` is what to plan with as long as none does,
    where a read shows nothing at its address."""

    address: Address
    because: str
    until: float
    seen: Seen
    id: str = ""
    stand_in: Observed[Any] | None = None
    missing: int = 0


@dataclass(slots=True)
class Unanswered:
    """A write that was tried `tries` times from `since` on. `what` tells it from another write to the same thing."""

    what: str
    since: float
    tries: int = 1


class Expectations:
    """Everything that one process expects of one stack. Told by several threads, asked by one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[tuple[str, Address, str], Expectation] = {}
        self._unanswered: dict[Hashable, Unanswered] = {}
        self._lock = threading.Lock()

    # -- what was written

    def made(self, new: Desired[Any], identifier: str) -> None:
        """A creation of `new`, with all its references resolved, was answered with `identifier`."""
        because = "it was made moments ago, and AWS does not show it yet"
        self._forget(new.address, identifier)
        self._expect(
            "made",
            new.address,
            because,
            MADE_SECONDS,
            lambda found: any(one.id == identifier for one in found),
            identifier,
            _stand_in(new, identifier, because),
        )

    def doubtful(self, new: Desired[Any]) -> None:
        """A creation of `new` was begun, and how it ended is not known."""
        because = "the answer to its creation was lost, and AWS does not show whether it was made"
        stack = ownership.owner(new.tags)

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            return any(one.address == new.address and ownership.owner(one.tags) == stack for one in found)

        self._expect("doubtful", new.address, because, WRITE_SECONDS, seen, "", _stand_in(new, "", because))

    def changed(
        self, old: Observed[Any], new: Desired[Any], changes: tuple[Change, ...], tags: TagChange | None = None
    ) -> None:
        """`changes` and `tags` were written to `old`, to make it `new`, or may have been."""
        before = frozenset((change.path, repr(change.old)) for change in changes)
        retagged = {key: old.tags.get(key) for key in (*tags.put, *tags.drop)} if tags is not None else {}

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            one = next((each for each in found if each.id == old.id), None)
            if one is None:
                return True  # gone, or a read from before it was made: the world's business, or its making's
            if one.unread & {change.field for change in changes}:
                return False
            still = {(change.path, repr(change.old)) for change in diff(one, new.spec)}
            return before.isdisjoint(still) and not any(one.tags.get(key) == was for key, was in retagged.items())

        because = "it was changed moments ago, and AWS does not show the change yet"
        self._expect("changed", old.address, because, WRITE_SECONDS, seen, old.id)

    def dropped(self, old: Observed[Any]) -> None:
        """The deletion of `old` was taken."""
        self._forget(old.address, old.id)

        def seen(found: tuple[Observed[Any], ...]) -> bool:
            return not any(one.id == old.id and not one.facts.get("deleting") for one in found)

        because = "it was deleted moments ago, and AWS still shows it"
        self._expect("dropped", old.address, because, WRITE_SECONDS, seen, old.id)

    def unanswered(self, step: Hashable, what: str) -> bool:
        """`what` was written for `step`, and nobody knows how it ended: whether to give it up.

        That it is written again says that nothing of it has shown since.
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
        """Whatever was written for `step`, AWS has answered."""
        with self._lock:
            self._unanswered.pop(step, None)

    # -- what a read shows

    def filled(self, kind: str, found: tuple[Observed[Any], ...]) -> tuple[Observed[Any], ...]:
        """A read of `kind` with what was made and is not in it yet: what stands on it has to be looked for too."""
        known = [one.stand_in for one in self._of(kind) if one.id and one.stand_in is not None and not one.seen(found)]
        return (*found, *known)

    def held(self, world: ObservedState) -> ObservedState:
        """`world` with everything marked that is not to be acted on yet; ends what has been waited for long enough."""
        shown = {kind: tuple(one for one in each if UNSEEN not in one.facts) for kind, each in world.found.items()}
        found = dict(shown)
        now = self._clock.monotonic()
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
        """The kinds of which something was written that is not to be acted on yet: they have to be read."""
        return frozenset(address.kind for (_, address, _), _ in self._current())

    def __len__(self) -> int:
        return len(self._all)

    # -- keeping them

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
        """What is written now goes before what was expected of the same thing, and answers what was in doubt."""
        with self._lock:
            for sort, of, name in list(self._all):
                same = of.kind == address.kind and name == identifier
                if same or (sort == "doubtful" and of == address):
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
"""The fact by which a stand-in is told from what AWS has shown. Its id may not be one."""


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


def _mark(one: Observed[Any], because: str) -> Observed[Any]:
    """To the planner it is neither there nor gone, as what AWS is still deleting: it waits, and so does whatever refers
    to it."""
    return replace(one, health=ResourceHealth.PROGRESSING, reason=because, facts={**one.facts, "deleting": True})
