"""Stays with rollouts until they are where one wants them: what `apply` and a word said with `--now` do.

A loop does not: it goes round (rota.py), for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.engine.rollouts import Rollouts, Turn, crowd, wake_at
from reconciler.engine.subjects import Job
from reconciler.model.diagnosis import Diagnosis
from reconciler.model.resource import Address
from reconciler.model.rollout import Known, Phase, Waiting


class Goal:
    """How long `follow` goes on with a service."""

    @staticmethod
    def begun(turn: Turn) -> bool:
        """All that can be done at once is done; the rest takes time.

        A version that is just being found well is waited for: whoever comes next would have to count from the start.
        """
        return turn.stuck or not (turn.busy or turn.counting)

    @staticmethod
    def ended(turn: Turn) -> bool:
        """Only a person or a new spec moves it, or AWS refuses."""
        return turn.at_rest or turn.stuck

    @staticmethod
    def promoted(turn: Turn) -> bool:
        """As `ended`, or production has moved and was watched."""
        moved = turn.step is not None and turn.step.phase in (Phase.BLUE_WARM, Phase.TEARDOWN) and not turn.busy
        return moved or Goal.ended(turn)


@dataclass(frozen=True, slots=True)
class Followed:
    """How following ended: the last turn of each service, and the failures that were seen on the way."""

    turns: tuple[Turn, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    timed_out: bool = False
    interrupted: bool = False

    @property
    def waits_for_person(self) -> bool:
        steps = [turn.step for turn in self.turns if turn.step is not None]
        return any(step.waits_for is Waiting.PERSON and step.phase is Phase.AWAITING_PROMOTION for step in steps)

    @property
    def went_wrong(self) -> tuple[Turn, ...]:
        """Those whose wanted version is not in production, and will not be by itself."""
        return tuple(turn for turn in self.turns if turn.step is not None and went_wrong(turn))

    @property
    def refused(self) -> tuple[Turn, ...]:
        return tuple(turn for turn in self.turns if turn.stuck)


def went_wrong(turn: Turn) -> bool:
    assert turn.step is not None
    wanted = turn.seen.wanted if turn.seen is not None else ""
    marks = turn.seen.marks if turn.seen is not None else None
    if turn.step.phase in (Phase.FAILED, Phase.ROLLED_BACK, Phase.ROLLING_BACK):
        return True
    return marks is not None and marks.quarantined(wanted)


def follow(
    rollouts: Rollouts,
    jobs: Iterable[Job],
    goal: Callable[[Turn], bool],
    *,
    patience_seconds: float | None = None,
    on_turn: Callable[[Turn], None] | None = None,
    known: Mapping[Address, Known] | None = None,
) -> Followed:
    """Turn after turn of every job until each has reached the goal, patience ends, or `rollouts.stop` is set.

    `known` is what was just read of them; the first turns need not ask again.
    """
    clock = rollouts.aws.clock
    started = clock.monotonic()
    left = {job.address: job for job in jobs}
    last: dict[Address, Turn] = {}
    diagnoses: list[Diagnosis] = []
    while True:
        now = clock.now()
        waiting = crowd(last.values())
        due = [job for address, job in left.items() if _due(last.get(address), waiting, now)]
        for turn in rollouts.turns(due, known if not last else None):
            last[turn.job.address] = turn
            if turn.diagnosis is not None:
                diagnoses.append(turn.diagnosis)
            if on_turn is not None:
                on_turn(turn)
        left = {address: job for address, job in left.items() if address not in last or not goal(last[address])}
        turns = tuple(last.values())
        if not left:
            return Followed(turns, tuple(diagnoses))
        if rollouts.stop.is_set():
            return Followed(turns, tuple(diagnoses), interrupted=True)
        waiting = crowd(last.values())
        wakes = [wake for address in left if (wake := wake_at(last[address], waiting)) is not None]
        pause = max(0.0, min((wake - clock.now()).total_seconds() for wake in wakes)) if wakes else IDLE_SECONDS
        if patience_seconds is not None:
            rest = patience_seconds - (clock.monotonic() - started)
            if rest <= 0:
                return Followed(turns, tuple(diagnoses), timed_out=True)
            pause = min(pause, rest)
        if pause and clock.wait(rollouts.stop, pause):
            return Followed(turns, tuple(diagnoses), interrupted=True)


IDLE_SECONDS = 5.0
"""How often to look at what waits for nothing but a word."""


def _due(last: Turn | None, waiting: int, now: datetime) -> bool:
    return last is None or (wake := wake_at(last, waiting)) is None or now >= wake
