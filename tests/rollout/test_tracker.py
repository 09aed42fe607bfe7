"""What a process remembers between two looks, and what forgetting it costs: time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    EngineAction,
    RolloutAction,
    RunTests,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
    WriteState,
)
from reconciler.rollout.blue_green.context import CONFIRM_EVERY, LOOK_EVERY, PROVEN
from reconciler.rollout.release import Ports
from reconciler.rollout.requests import Pause, RequestVerb
from reconciler.rollout.state import ObservedService, Scaling, SmokeTestOutcome
from reconciler.rollout.stored_state import DeadlineKind, StoredState
from reconciler.rollout.tracker import LATEST, REREADS, SETTLE, RolloutTracker, visible
from tests.rollout.facts import BLUE, GREEN, NOW, due, ill, marked, said, seen

FRESH = RolloutTracker(NOW)
KNOWING = RolloutTracker(NOW - timedelta(hours=1), began=False)
WELL = seen(BLUE, GREEN)
ILL = seen(BLUE, ill(GREEN))


def looks(
    memory: RolloutTracker, facts: ObservedService, count: int, apart: timedelta = LOOK_EVERY
) -> tuple[RolloutTracker, int]:
    number = 0
    for turn in range(count):
        memory, found, _ = memory.look(facts, NOW + turn * apart)
        number = found.looks
    return memory, number


def test_looks_in_a_row_are_counted() -> None:
    """And one that says otherwise begins anew at once."""
    memory, count = looks(KNOWING, WELL, 4)
    assert count == 4
    memory, found, _ = memory.look(ILL, NOW + timedelta(minutes=1))
    assert found.looks == -1
    assert looks(memory, WELL, 1)[1] == 1


def test_looks_in_quick_succession_are_one() -> None:
    """Ten looks within a second prove no more than one."""
    assert looks(KNOWING, WELL, 10, timedelta(milliseconds=100))[1] == 1


def started(at: datetime) -> ObservedService:
    """The last of green's healthy tasks was started then."""
    return seen(BLUE, replace(GREEN, last_started=at))


def test_looks_at_tasks_that_have_run_for_a_while_count_a_second_apart() -> None:
    """Their checks were passed in that time. Those of others count as far apart as it takes to see them run."""
    old, new = started(NOW - PROVEN), started(NOW - timedelta(seconds=2))
    assert looks(KNOWING, old, 3, CONFIRM_EVERY)[1] == 3
    assert looks(KNOWING, new, 5, CONFIRM_EVERY)[1] == 1
    assert looks(KNOWING, new, 3, LOOK_EVERY)[1] == 3
    assert looks(KNOWING, WELL, 3, CONFIRM_EVERY)[1] == 1, "it is not known when its tasks were started"


def test_looks_count_for_the_same_tasks_only() -> None:
    """A version whose tasks crash and are replaced in between was healthy once, however often it is looked at so."""
    memory = KNOWING
    for turn in range(5):
        now = NOW + turn * LOOK_EVERY
        memory, found, _ = memory.look(started(now - timedelta(seconds=1)), now)
        assert found.looks == 1
    memory, found, _ = memory.look(started(now - timedelta(seconds=1)), now + LOOK_EVERY)
    assert found.looks == 2


def test_a_task_that_leaves_does_not_end_the_streak() -> None:
    """After a scaling in, the others are those that were healthy before; one that comes later is another again."""
    memory, _ = looks(KNOWING, started(NOW), 2)
    memory, found, _ = memory.look(started(NOW - timedelta(hours=1)), NOW + 2 * LOOK_EVERY)
    assert found.looks == 3
    _, found, _ = memory.look(started(NOW + LOOK_EVERY), NOW + 3 * LOOK_EVERY)
    assert found.looks == 1


def test_looks_belong_to_one_set() -> None:
    """The next green begins at nothing."""
    memory, _ = looks(KNOWING, WELL, 3)
    _, found, _ = memory.look(seen(BLUE, replace(GREEN, id="other")), NOW + timedelta(minutes=1))
    assert found.looks == 1


def test_a_side_that_ecs_still_works_on_counts_neither_way() -> None:
    """Sound, not steady: not yet well, and no reason to go back."""
    assert looks(KNOWING, seen(BLUE, replace(GREEN, steady=False)), 5)[1] == 0


def test_tests_are_forgotten_with_the_set_they_were_of() -> None:
    """Or when it falls ill."""
    tested = looks(KNOWING, WELL, 1)[0].learnt(SmokeTestOutcome("b", True))
    assert tested.look(WELL, NOW)[1].tested is not None
    assert tested.look(ILL, NOW)[1].tested is None
    other = seen(BLUE, replace(GREEN, id="other", release="c"))
    assert tested.look(other, NOW)[1].tested is None


def test_a_new_process_waits_for_what_the_last_may_have_written() -> None:
    """As long as a write may take to be seen; and counts looks meanwhile."""
    memory, _, free = FRESH.look(WELL, NOW)
    assert not free
    _, found, free = memory.look(WELL, NOW + SETTLE)
    assert free
    assert found.looks == 2


def test_nothing_is_decided_until_a_write_is_seen() -> None:
    """Then at once."""
    point = SetWeights("production", (0, 100), (100, 0))
    memory = KNOWING.wrote((point,), NOW)
    memory, _, free = memory.look(WELL, NOW + timedelta(seconds=1))
    assert not free
    assert memory.look(replace(WELL, production=(0, 100)), NOW + timedelta(seconds=2))[2]


POINT = SetWeights("production", (0, 100), (100, 0))
SHOWN = replace(WELL, production=(0, 100))


@pytest.mark.parametrize(("answered", "wait"), [(False, SETTLE), (True, LATEST)])
def test_a_write_that_is_never_seen_is_given_up_after_some_more_looks(answered: bool, wait: timedelta) -> None:
    """Somebody may have undone it; one that AWS responded to has longer, because it happened."""
    memory = KNOWING.wrote((POINT,), NOW, answered=answered)
    memory, _, free = memory.look(WELL, NOW + wait - timedelta(seconds=1))
    for turn in range(REREADS):
        assert not free
        assert memory.waiting(NOW)
        memory, _, free = memory.look(WELL, NOW + wait + turn * LOOK_EVERY)
    assert free


def _shown() -> RolloutTracker:
    memory, _, free = KNOWING.wrote((POINT,), NOW).look(SHOWN, NOW + timedelta(seconds=1))
    assert free
    return memory


def test_a_read_that_does_not_show_a_write_any_more_is_not_acted_on() -> None:
    """Reads need not agree, and a late one would look as if somebody had undone the write. In time it is believed."""
    memory, found, free = _shown().look(WELL, NOW + LATEST - timedelta(seconds=1))
    assert not free
    assert found.looks == _shown().looks
    assert memory.look(SHOWN, NOW + LATEST - timedelta(seconds=1))[2]
    assert memory.look(WELL, NOW + LATEST)[2]


def test_a_later_write_takes_the_place_of_an_earlier_one() -> None:
    """Of the same listener, or of the same field of the stored state."""
    back = SetWeights("production", (100, 0), (0, 100))
    memory, _, free = _shown().wrote((back,), NOW).look(WELL, NOW)
    assert free
    began, over = (WriteState(StoredState(), marked(due(one))) for one in (DeadlineKind.UP, DeadlineKind.TEST))
    for write in (began, replace(over, before=began.after)):
        memory, _, free = memory.wrote((write,), NOW).look(replace(WELL, marks=write.after), NOW)
        assert free
    assert not memory.look(replace(WELL, marks=began.after), NOW)[2]


def test_a_new_process_waits_again_while_reads_disagree() -> None:
    """It cannot know which of two states is the later one; after a while it takes what it is shown."""
    memory = RolloutTracker(NOW)
    for turn in range(6):
        memory, _, free = memory.look((WELL, SHOWN)[turn % 2], NOW + turn * (SETTLE - timedelta(seconds=1)))
        assert not free
    assert memory.look(WELL, NOW + LATEST)[2]
    _, _, free = memory.look(SHOWN, NOW + 6 * SETTLE - timedelta(seconds=6))
    assert not free


BEFORE = seen(BLUE, GREEN, scaling=Scaling.ACTIVE, tuned=(True, False))
HELD = WriteState(StoredState(), StoredState(hold=Pause("ana", "b")))


@pytest.mark.parametrize(
    ("decision", "not_yet", "now"),
    [
        (HELD, BEFORE, replace(BEFORE, marks=marked(due(DeadlineKind.UP), hold=Pause("ana", "b")))),
        (SuspendScaling(True), BEFORE, replace(BEFORE, scaling=Scaling.SUSPENDED)),
        (UpdateHealthCheck(1), BEFORE, replace(BEFORE, tuned=(True, True))),
        (CreateTaskSet("b", 1, 100, ""), seen(BLUE), BEFORE),
        (CreateTaskSet("b", 1, 100, ""), seen(BLUE, replace(GREEN, draining=True)), BEFORE),
        (CreateTaskSet("b", 1, 100, ""), seen(BLUE, replace(GREEN, scale=0)), BEFORE),
        (ScaleTaskSet(GREEN.id, 50), BEFORE, seen(BLUE, replace(GREEN, scale=50))),
        (ScaleTaskSet(GREEN.id, 50), BEFORE, seen(BLUE)),
        (SetWeights("test", (0, 100), None), BEFORE, replace(BEFORE, test=(0, 100))),
        (SetPrimary(GREEN.id), BEFORE, seen(BLUE, replace(GREEN, primary=True))),
        (DeleteTaskSet(GREEN.id, 1), BEFORE, seen(BLUE, replace(GREEN, draining=True))),
        (DeleteTaskSet(GREEN.id, 1), BEFORE, seen(BLUE)),
    ],
)
def test_each_write_is_recognised_when_it_shows(
    decision: RolloutAction, not_yet: ObservedService, now: ObservedService
) -> None:
    """Not by what was there before it, an earlier try of the same release above all."""
    assert not visible(decision, not_yet)
    assert visible(decision, now)


def test_what_is_no_write_is_not_waited_for() -> None:
    """Nor is a tag that people write, too."""
    assert visible(RunTests("b", ()), BEFORE)
    answered = WriteState(StoredState(request=said(RequestVerb.HOLD)), StoredState())
    assert visible(answered, replace(BEFORE, marks=StoredState(request=said(RequestVerb.SUSPEND))))


def test_production_that_seems_to_be_where_it_was_is_a_late_read() -> None:
    """Whoever has moved it, as CodeDeploy does: as long as AWS may answer late, nothing is decided from that."""
    before, after = replace(WELL, production=(100, 0)), replace(WELL, production=(0, 100))
    memory, _, free = KNOWING.look(before, NOW)
    assert free
    memory, _, free = memory.look(after, NOW + LOOK_EVERY)
    assert free
    late, _, free = memory.look(before, NOW + 2 * LOOK_EVERY)
    assert not free
    assert late.look(after, NOW + 3 * LOOK_EVERY)[2]
    assert late.look(replace(WELL, production=(50, 50)), NOW + 3 * LOOK_EVERY)[2], "that is news"
    assert late.look(before, NOW + LOOK_EVERY + LATEST)[2], "then it is there again"


def test_production_that_was_moved_back_by_us_is_no_late_read() -> None:
    """A rollback right after the shift."""
    before, after = replace(WELL, production=(100, 0)), replace(WELL, production=(0, 100))
    memory = KNOWING.look(before, NOW)[0].look(after, NOW + LOOK_EVERY)[0]
    memory = memory.wrote((SetWeights("production", (100, 0), (0, 100)),), NOW + LOOK_EVERY)
    assert memory.look(before, NOW + 2 * LOOK_EVERY)[2]


class _Shift(EngineAction):
    """An engine's own call for it."""

    def visible(self, seen: ObservedService) -> bool:
        return True

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        return seen

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return "shifts traffic"


def test_a_new_process_knows_the_direction_of_what_it_has_moved_itself() -> None:
    """It has not run for as long as AWS may answer late, and what it moved is not taken for moved back all the same."""
    before, after = replace(WELL, production=(100, 0)), replace(WELL, production=(80, 20))
    memory = FRESH.look(before, NOW)[0].look(before, NOW + SETTLE)[0]
    memory = memory.wrote((_Shift(),), NOW + SETTLE).look(before, NOW + SETTLE)[0]
    shifted = memory.look(after, NOW + 2 * SETTLE)[0].look(after, NOW + 3 * SETTLE)[0]
    assert shifted.production == (80, 20)
    late, _, free = shifted.look(before, NOW + 4 * SETTLE)
    assert (late.production, free) == ((80, 20), False)
    assert late.look(before, NOW + 2 * SETTLE + LATEST)[0].production == (100, 0), "then somebody has moved it"
