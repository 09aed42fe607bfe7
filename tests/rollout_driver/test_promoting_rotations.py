"""Promotion of a release that has nothing new but versions of secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.rollout.release import Release, Version, restart_id
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import StoredState
from reconciler.rollout.strategy import Promotion, Strategy
from reconciler.rollout_driver import rotations

DAY = datetime(2026, 1, 1, tzinfo=UTC)
RESTART = Version("before", "web:4")


@pytest.mark.parametrize(
    ("live", "rotation_of", "asked", "expected"),
    [
        ("before", ("earlier", "before"), True, Promotion.AUTO),
        ("earlier", ("earlier", "before"), True, Promotion.AUTO),
        ("wanted", ("before",), True, Promotion.AUTO),
        (restart_id(RESTART), ("before",), True, Promotion.AUTO),
        ("another", ("before",), True, Promotion.TIMED),
        ("", ("before",), True, Promotion.TIMED),
        ("before", (), True, Promotion.TIMED),
        ("before", ("before",), False, Promotion.TIMED),
    ],
    ids=[
        "a rotation",
        "two in a row",
        "in production",
        "of a restart",
        "of a version that was never promoted",
        "nothing in production",
        "a new image",
        "not asked for",
    ],
)
def test_only_a_rotation_of_what_is_in_production_goes_without(
    live: str, rotation_of: tuple[str, ...], asked: bool, expected: Promotion
) -> None:
    """Whichever engine runs the service; what ECS was asked to run last counts for nothing."""
    declared = Strategy(promotion=Promotion.TIMED, promote_after=timedelta(hours=2), promotes_rotations=asked)
    sets = (TaskSet("new", "before", 1, DAY), *([TaskSet("old", live, 0, DAY, primary=True)] if live else []))
    seen = ObservedService("wanted", 2, sets, marks=StoredState(restart=RESTART))
    found = rotations.policy(declared, Release("wanted", rotation_of=rotation_of), seen)
    assert found.promotion is expected
    assert found.promote_after == (timedelta() if expected is Promotion.AUTO else timedelta(hours=2))
