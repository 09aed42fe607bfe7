"""What a rollout has written and somebody else keeps changing back: three times, and then it is left as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.rollout.actions import RolloutAction, ScaleTaskSet, SetWeights, SuspendScaling, WriteState
from reconciler.rollout.contest import UNDONE, WINDOW, Contest
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService, Scaling
from reconciler.rollout.stored_state import DeadlineKind, StoredState
from tests.rollout.facts import BLUE, NOW, due, marked, said, seen

HERE = seen(BLUE)
TO_BLUE = SetWeights("test", (100, 0), (0, 100))
STATE = WriteState(StoredState(), marked(due(DeadlineKind.UP)))
UNDOINGS: list[tuple[RolloutAction, ObservedService, ObservedService]] = [
    (TO_BLUE, replace(HERE, test=(100, 0)), replace(HERE, test=(0, 100))),
    (ScaleTaskSet(BLUE.id, 100), HERE, seen(replace(BLUE, scale=0))),
    (SuspendScaling(False), replace(HERE, scaling=Scaling.ACTIVE), replace(HERE, scaling=Scaling.SUSPENDED)),
    (STATE, replace(HERE, marks=STATE.after), replace(HERE, marks=StoredState())),
]


def _undone(
    action: RolloutAction, done: ObservedService, undone: ObservedService, times: int, apart: timedelta = WINDOW / 10
) -> Contest:
    contest = Contest(done.wanted)
    for turn in range(times):
        contest = contest.wrote((action,), done).look(done, NOW + turn * apart).look(undone, NOW + turn * apart)
    return contest


@pytest.mark.parametrize(("action", "done", "undone"), UNDOINGS)
def test_what_is_undone_again_and_again_is_contested(
    action: RolloutAction, done: ObservedService, undone: ObservedService
) -> None:
    """Not before the third time, and not if it takes longer than an hour."""
    assert not _undone(action, done, undone, UNDONE - 1).of((action,))
    contest = _undone(action, done, undone, UNDONE)
    assert contest.of((action,))
    assert not contest.of((SetWeights("production", (0, 100), (100, 0)),))
    assert not _undone(action, done, undone, UNDONE, WINDOW / 2).of((action,))


def test_it_stays_so_until_another_release_is_wanted_or_an_operator_speaks() -> None:
    """However much later; a request is a person who has taken notice."""
    action, done, undone = UNDOINGS[0]
    contest = _undone(action, done, undone, UNDONE).look(undone, NOW + timedelta(days=30))
    assert contest.of((action,))
    assert not contest.look(replace(undone, wanted="other"), NOW).of((action,))
    asked = replace(undone, marks=StoredState(request=said(RequestVerb.RETRY)))
    assert not contest.look(asked, NOW).of((action,))


def test_what_a_rollout_changes_back_itself_is_not_contested() -> None:
    """Production to green and back, as often as tasks are interrupted; scaling in suspended, and resumed."""
    forth, back = SetWeights("production", (0, 100), (100, 0)), SetWeights("production", (100, 0), (0, 100))
    contest = Contest(HERE.wanted)
    for _ in range(2 * UNDONE):
        for action in (forth, back):
            there = replace(HERE, production=action.weights)
            contest = contest.wrote((action,), there).look(there, NOW)
            assert not contest.of((forth, back))
    for _ in range(2 * UNDONE):
        for action, scaling in ((SuspendScaling(True), Scaling.SUSPENDED), (SuspendScaling(False), Scaling.ACTIVE)):
            there = replace(HERE, scaling=scaling)
            contest = contest.wrote((action,), there).look(there, NOW)
            assert not contest.of((action,))
