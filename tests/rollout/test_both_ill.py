"""A fix that arrives while neither version is healthy: it starts at once, and takes nothing from those who serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rollout.actions import CreateTaskSet, DeleteTaskSet, SetWeights
from reconciler.rollout.engine import Phase
from reconciler.rollout.release import Version
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import DeadlineKind, Outcome
from reconciler.rollout.strategy import OnNewRevision
from tests.rollout.facts import BLUE, CANARY, CAREFUL, GREEN, MINUTE, due, ill, marked, seen, side, step
from tests.rollout.test_traffic_shift import LIVE, WAS_BLUE, switched

FIX = side("c", 0, age=0)
HALF = (("a", 1),)


def slots(facts: ObservedService, policy: object = CAREFUL) -> list[int]:
    """Where the step starts the fix."""
    found = step(facts, policy)  # type: ignore[arg-type]
    return [one.slot for one in found.decisions if isinstance(one, CreateTaskSet) and one.release == "c"]


# -- production is with blue


@pytest.mark.parametrize(
    ("green", "stage"),
    [
        pytest.param(GREEN, DeadlineKind.GATE, id="green is healthy, and blue is not"),
        pytest.param(replace(GREEN, healthy=HALF), DeadlineKind.UP, id="half of green is healthy"),
        pytest.param(ill(GREEN), DeadlineKind.RETIRE, id="requests to green are still draining"),
    ],
)
def test_a_fix_is_started_beside_a_green_that_cannot_go_yet(green: TaskSet, stage: DeadlineKind) -> None:
    """In the group without production; nothing is deleted that is healthy, or that has requests under way."""
    facts = seen(ill(BLUE), green, wanted="c", marks=marked(due(stage)), looks=-3)
    assert slots(facts) == [1]
    assert not [one for one in step(facts).decisions if isinstance(one, DeleteTaskSet)]
    quarantined = replace(facts, marks=replace(facts.marks, quarantine=("b",)))
    assert slots(quarantined) == [1]


def test_a_green_that_never_had_production_goes_before_the_fix_starts() -> None:
    """It is not healthy either, and nothing waits for it."""
    facts = seen(ill(BLUE), ill(GREEN), wanted="c", marks=marked(due(DeadlineKind.UP)), looks=-3)
    assert DeleteTaskSet(GREEN.id, 1) in step(facts).decisions


def test_a_kept_green_goes_once_the_fix_has_a_healthy_task() -> None:
    """Until then it is the only healthy version."""
    fix = replace(FIX, slot=1)
    kept = seen(ill(BLUE), GREEN, replace(fix, healthy=()), wanted="c", marks=marked(due(DeadlineKind.UP, release="c")))
    kept = replace(kept, strangers=(0, 2))
    assert not [one for one in step(kept).decisions if isinstance(one, DeleteTaskSet)]
    assert step(kept).phase is Phase.SCALING_UP
    served = replace(kept, sets=(ill(BLUE), GREEN, replace(fix, healthy=HALF)))
    assert step(served).phase is Phase.SUPERSEDED
    drained = replace(served, marks=marked(due(DeadlineKind.RETIRE, -MINUTE)))
    assert DeleteTaskSet(GREEN.id, 1) in step(drained).decisions


def test_a_fix_that_fails_beside_a_kept_green_has_failed() -> None:
    """It is judged while it waits for the group to be its own."""
    fix = replace(FIX, slot=1, healthy=(), failed=3)
    facts = seen(ill(BLUE), GREEN, fix, wanted="c", marks=marked(due(DeadlineKind.UP, release="c")), strangers=(0, 2))
    found = step(facts)
    assert found.phase is Phase.FAILED
    assert found.ended is not None
    assert (found.ended.release, found.ended.outcome) == ("c", Outcome.FAILED)


# -- production is with green


@pytest.mark.parametrize("stage", [DeadlineKind.VERIFY, DeadlineKind.WARM])
@pytest.mark.parametrize("looks", [-1, -3])
def test_a_fix_takes_the_place_of_a_blue_that_cannot_serve(stage: DeadlineKind, looks: int) -> None:
    """As soon as green is seen to be ill; production stays where it is, and blue remains what can be gone back to."""
    facts = switched(stage, wanted="c", looks=looks, sets=(ill(WAS_BLUE), ill(LIVE)))
    found = step(facts)
    assert slots(facts) == [0]
    assert not [one for one in found.decisions if isinstance(one, SetWeights | DeleteTaskSet)]
    assert found.ended is not None
    assert (found.ended.release, found.ended.outcome) == ("b", Outcome.SUPERSEDED)
    marks = facts.marks
    for one in found.decisions:
        marks = one.on(marks) if hasattr(one, "on") else marks
    assert marks.previous == Version("a", BLUE.task_definition)


def test_an_alarm_while_blue_cannot_serve_lets_a_fix_start() -> None:
    """Green would be rolled back if there were anything to go back to."""
    facts = switched(DeadlineKind.VERIFY, wanted="c", alarms=("errors",), sets=(ill(WAS_BLUE), LIVE))
    assert slots(facts) == [0]


@pytest.mark.parametrize(
    ("facts", "policy"),
    [
        (switched(DeadlineKind.WARM, wanted="c", sets=(ill(WAS_BLUE), LIVE)), CAREFUL),
        (switched(DeadlineKind.WARM, wanted="c", looks=-3, sets=(ill(WAS_BLUE), ill(LIVE)), waits="no image"), CAREFUL),
        (
            switched(DeadlineKind.WARM, wanted="c", looks=-3, sets=(ill(WAS_BLUE), ill(LIVE))),
            replace(CAREFUL, on_new_revision=OnNewRevision.QUEUE),
        ),
        (switched(DeadlineKind.WARM, wanted="b", looks=-3, sets=(ill(WAS_BLUE), ill(LIVE))), CAREFUL),
    ],
    ids=["green is healthy", "the fix is not ready", "newer versions queue", "there is no fix"],
)
def test_blue_stays_where_no_fix_takes_over(facts: ObservedService, policy: object) -> None:
    """Nothing is given up for nothing."""
    assert slots(facts, policy) == []


def test_the_fix_goes_on_like_any_other_once_it_was_started() -> None:
    """Blue goes after its last requests, and green in production is what the fix replaces."""
    facts = seen(
        ill(WAS_BLUE), ill(LIVE), replace(FIX, healthy=()), wanted="c", production=(0, 100), test=(0, 100),
        marks=marked(due(DeadlineKind.UP, release="c")),
    )  # fmt: skip
    found = step(facts)
    assert (found.release, found.phase) == ("c", Phase.TEARDOWN)
    late = replace(facts, marks=marked(due(DeadlineKind.RETIRE, -MINUTE, release="a")))
    assert DeleteTaskSet(BLUE.id, 0) in step(late).decisions
    alone = replace(facts, sets=(ill(LIVE), FIX), marks=marked(due(DeadlineKind.UP, release="c")), looks=3)
    assert step(alone).phase is Phase.TESTING


def test_what_was_ill_in_production_is_not_gone_back_to() -> None:
    """The version that the fix replaced is not kept as the previous one."""
    sets = (replace(LIVE, primary=False), replace(FIX, primary=True))
    ended = step(switched(DeadlineKind.WARM, wanted="c", looks=-3, sets=(ill(WAS_BLUE), ill(LIVE)))).ended
    marks = marked(due(DeadlineKind.WARM, -MINUTE, release="c"), ended=ended, previous=Version("a", "web:1"))
    found = step(seen(*sets, wanted="c", production=(100, 0), test=(100, 0), marks=marks, looks=1))
    assert DeleteTaskSet(GREEN.id, 1) in found.decisions
    (mark,) = [one for one in found.decisions if hasattr(one, "after")]
    assert mark.after.previous == Version("a", "web:1")


# -- production is shared


@pytest.mark.parametrize(("share", "all_to"), [(10, (100, 0)), (50, (100, 0))])
def test_the_smaller_share_is_given_up_for_a_fix(share: int, all_to: tuple[int, int]) -> None:
    """Neither is healthy, so that nobody loses anything."""
    marks = marked(due(DeadlineKind.AT, MINUTE, weight=share))
    facts = seen(ill(BLUE), ill(GREEN), wanted="c", production=(100 - share, share), marks=marks, looks=-3)
    found = step(facts, CANARY)
    assert found.decisions[0] == SetWeights("production", all_to, facts.production)
    assert found.phase is Phase.SUPERSEDED


def test_the_larger_share_keeps_production() -> None:
    """At 90 % green keeps it, and blue is given up."""
    policy = replace(CANARY, shares=(*CANARY.shares, replace(CANARY.shares[0], weight=90)))
    marks = marked(due(DeadlineKind.AT, MINUTE, weight=90))
    facts = seen(ill(BLUE), ill(GREEN), wanted="c", production=(10, 90), marks=marks, looks=-3)
    assert step(facts, policy).decisions[0] == SetWeights("production", (0, 100), (10, 90))


def test_a_canary_that_serves_is_not_given_up_for_a_fix() -> None:
    """Blue is ill and green is not: it goes on, and the fix comes next."""
    marks = marked(due(DeadlineKind.AT, -MINUTE, weight=10))
    facts = seen(ill(BLUE), GREEN, wanted="c", production=(90, 10), marks=marks, looks=3)
    found = step(facts, CANARY)
    assert found.phase is Phase.SHIFTING
    assert found.decisions
    assert not [one for one in found.decisions if isinstance(one, SetWeights)]


def test_production_leaves_a_version_that_is_gone_also_for_one_that_is_ill() -> None:
    """Nobody answers there; and a fix needs the target group."""
    facts = seen(ill(BLUE), wanted="c", production=(90, 10))
    assert step(facts, CANARY).decisions == (SetWeights("production", (100, 0), (90, 10)),)
