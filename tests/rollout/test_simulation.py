"""A rollout on paper says what would happen when, with the step that would do it."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from reconciler.rollout.engine import Phase
from reconciler.rollout.simulation import FAILS_AT, MORNING, PERSON_AFTER, Row, simulate, timeline_sentence
from reconciler.rollout.strategy import Function, Promotion, Share, Strategy
from reconciler.rollout.windows import Window
from tests.rollout.facts import CANARY, CAREFUL

TIMED = replace(CAREFUL, drain=timedelta(seconds=30))
ROLLING = Strategy(engine="rolling")


def phases(rows: tuple[Row, ...]) -> list[Phase]:
    return list(dict.fromkeys(row.phase for row in rows))


def done(rows: tuple[Row, ...]) -> list[str]:
    return [row.what for row in rows if row.what]


def test_a_blue_green_from_beginning_to_end() -> None:
    """Every phase, in order, at the times that the policy says."""
    rows = simulate(TIMED)
    assert phases(rows) == [
        Phase.SCALING_UP,
        Phase.TESTING,
        Phase.AWAITING_PROMOTION,
        Phase.SHIFTING,
        Phase.VERIFYING,
        Phase.BAKING,
        Phase.TEARDOWN,
        Phase.IDLE,
    ]
    assert done(rows) == ["green: 1 task", "green on :9000", "1 test on :9000", "switch :80", "remove blue"]
    first = {row.phase: row.after for row in reversed(rows)}
    assert first[Phase.SHIFTING] - first[Phase.AWAITING_PROMOTION] == timedelta(hours=2)
    assert first[Phase.TEARDOWN] - first[Phase.BAKING] == timedelta(hours=1)
    assert first[Phase.BAKING] - first[Phase.VERIFYING] == timedelta(minutes=5)


def test_functions_that_ecs_calls_are_named_where_it_starts_green() -> None:
    """With their stages, in the words of the specs."""
    rows = simulate(replace(TIMED, engine="ecs_native", functions=(Function("check", ("pre_scale_up",)),)))
    assert done(rows)[0] == "ECS starts green: 1 task; it calls check (pre_scale_up)"


@pytest.mark.parametrize("phase", [phase for phase in FAILS_AT if phase is not Phase.INITIAL_DEPLOYMENT])
def test_a_failure_in_each_phase(phase: Phase) -> None:
    """Before the switch green goes; after it production goes back first."""
    policy = CANARY if phase is Phase.SHIFTING else replace(TIMED, alarms=("errors",))
    rows = simulate(policy, 2, fail_at=phase, task="migrate")
    after_the_switch = phase in (Phase.SHIFTING, Phase.VERIFYING, Phase.BAKING)
    assert rows[-1].phase is (Phase.ROLLED_BACK if after_the_switch else Phase.FAILED)
    assert ("switch :80 back to blue" in done(rows)) is after_the_switch
    assert done(rows)[-1] == ("run task/migrate" if phase is Phase.PRE_DEPLOYMENT else "remove green")
    assert phase in phases(rows)


STRATEGIES = {
    "auto": Strategy(drain=timedelta(seconds=30)),
    "manual": replace(TIMED, promotion=Promotion.MANUAL),
    "timed": TIMED,
    "scaled": replace(TIMED, scale=50),
    "at once": Strategy(drain=timedelta(seconds=30), verify_for=timedelta(), teardown_after=timedelta()),
    "alarms": replace(TIMED, alarms=("latency",)),
    "5xx": replace(TIMED, max_5xx=0.5),
    "canary": CANARY,
    "canary, 5xx": replace(CANARY, max_5xx=0.5),
    "canary, timed": replace(CANARY, promotion=Promotion.TIMED, promote_after=timedelta(hours=2), tests=TIMED.tests),
    "linear": replace(CANARY, shares=tuple(Share(weight, timedelta(minutes=1)) for weight in (20, 40, 60, 80))),
    "rolling": ROLLING,
}


@pytest.mark.parametrize("first", [False, True], ids=["next", "first"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_fails_wherever_it_comes_to_an_end(name: str, first: bool) -> None:
    """Each strategy, each phase that it comes to: the last phase is a terminal one, and a bad one; nothing is stuck."""
    policy = STRATEGIES[name]
    well = phases(simulate(policy, 3, first=first))
    assert well[-1] is Phase.IDLE
    possible = [phase for phase in FAILS_AT if phase in well]
    assert possible
    for phase in possible:
        rows = simulate(policy, 3, fail_at=phase, first=first)
        assert phase in phases(rows), phase
        assert rows[-1].phase in (Phase.FAILED, Phase.ROLLED_BACK), phase
        assert rows[-1].phase is Phase.FAILED or not first, "there is nothing to go back to"
        assert "switch :80" not in done(rows) or "switch :80 back to blue" in done(rows), phase
        assert policy.alarms or not any("in alarm" in row.because for row in rows), "an alarm that nobody has"


@pytest.mark.parametrize("name", ["auto", "rolling"])
@pytest.mark.parametrize("phase", [Phase.INITIAL_DEPLOYMENT, Phase.TESTING, Phase.AWAITING_PROMOTION])
def test_a_phase_that_a_strategy_never_comes_to_cannot_fail(name: str, phase: Phase) -> None:
    """Whatever the strategy: there is no timeline in which nothing fails."""
    with pytest.raises(ValueError, match=f"no phase {phase}"):
        simulate(STRATEGIES[name], 3, fail_at=phase)


def test_a_first_deployment() -> None:
    """Neither test nor gate; and one that fails ends without tasks."""
    assert phases(simulate(TIMED, first=True)) == [Phase.INITIAL_DEPLOYMENT, Phase.IDLE]
    assert done(simulate(TIMED, first=True, fail_at=Phase.INITIAL_DEPLOYMENT))[-1] == "green: 0 tasks"


def test_a_phase_that_never_comes_cannot_fail() -> None:
    """Rather than a timeline in which nothing fails."""
    with pytest.raises(ValueError, match="no phase awaiting_promotion"):
        simulate(CANARY, fail_at=Phase.AWAITING_PROMOTION)
    with pytest.raises(ValueError, match="teardown cannot fail"):
        simulate(TIMED, fail_at=Phase.TEARDOWN)


def test_a_person_is_played_where_only_a_person_can_go_on() -> None:
    """So that the rest of the timeline can be shown."""
    rows = simulate(replace(TIMED, promotion=Promotion.MANUAL))
    waits, moves = (next(row for row in rows if row.phase is one) for one in (Phase.AWAITING_PROMOTION, Phase.SHIFTING))
    assert moves.after - waits.after >= PERSON_AFTER
    assert rows[-1].phase is Phase.IDLE


def test_a_closed_window_is_part_of_the_timeline() -> None:
    """Simulated from a time of day."""
    night = replace(TIMED, windows=(Window(time(22), time(23)),), promotion=Promotion.AUTO)
    rows = simulate(night, start=MORNING)
    assert rows[0].phase is Phase.IDLE
    started = next(row for row in rows if row.what.startswith("green"))
    assert started.after == timedelta(hours=13)


def test_ecs_own_deployment() -> None:
    """One request; and when ECS goes back, that is what is said."""
    assert done(simulate(ROLLING, 3)) == ["ECS replaces 3 tasks"]
    assert simulate(ROLLING, 3, fail_at=Phase.SCALING_UP)[-1].phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("policy", "desired", "sentence"),
    [
        (
            TIMED,
            1,
            "green 1 task → healthy on :9000 → promote or wait 2h → switch :80 → remove blue 1h later (≈ 3h7m in all)",
        ),
        (
            replace(TIMED, promotion=Promotion.MANUAL, scale=50),
            4,
            "green 2 tasks → healthy on :9000 → promote → switch :80 → remove blue 1h later (≈ 1h7m after promote)",
        ),
        (
            CANARY,
            4,
            "green 4 tasks → healthy on :9000 → 10 % of :80 for 5m → 50 % of :80 for 10m → switch :80"
            " → remove blue 1h later (≈ 1h22m in all)",
        ),
        (ROLLING, 2, "ECS replaces 2 tasks, a few at a time (≈ 6m)"),
    ],
)
def test_the_line_under_a_diff(policy: Strategy, desired: int, sentence: str) -> None:
    """What will follow and how long it takes, from the same simulation."""
    assert timeline_sentence(policy, desired) == sentence
