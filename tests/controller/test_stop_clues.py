"""What a pass reads of a service anyway tells whether one of its tasks has stopped by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.controller.stop_clues import Sighting, sight

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
STARTED = "(service web) has started 1 tasks: (task 5b1e)."
STARTED_TWO = "(service web, taskSet ecs-svc/1) has started 2 tasks: (task 5b1e) (task 77aa)."
STOPPED = "(service web) has stopped 1 running tasks: (task 5b1e)."
STEADY = "(service web) has reached a steady state."
UNABLE = "(service web) is unable to consistently start tasks successfully."


def seen(
    running: int, *messages: str, desired: int = 2, pending: int = 0, age: timedelta = timedelta()
) -> dict[str, Any]:
    """`messages` are all that the service has, the newest first."""
    events = [
        {"id": f"e{len(messages) - place}", "createdAt": NOW - age, "message": text}
        for place, text in enumerate(messages)
    ]
    return {"runningCount": running, "pendingCount": pending, "desiredCount": desired, "events": events}


def after(*items: dict[str, Any]) -> list[bool]:
    """Whether each look after the first is suspicious; what is suspicious is looked at."""
    found, state = [], sight(items[0], None, NOW).looked()
    for item in items[1:]:
        state = sight(item, state, NOW)
        found.append(state.suspicious)
        state = state.looked() if state.suspicious else state
    return found


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([seen(2), seen(2), seen(2, STEADY)], [False, False], id="at rest"),
        pytest.param([seen(2), seen(1), seen(2, STARTED)], [True, False], id="it died, and its successor came"),
        pytest.param([seen(2), seen(2, STARTED)], [True], id="between two passes"),
        pytest.param([seen(2), seen(1, STOPPED, desired=1)], [False], id="scaled in"),
        pytest.param(
            [seen(2), seen(2, STOPPED, desired=1), seen(1, STOPPED, desired=1)], [False, False], id="slowly scaled in"
        ),
        pytest.param([seen(2), seen(2, STARTED_TWO, desired=4, pending=2)], [False], id="scaled out"),
        pytest.param(
            [seen(2), seen(4, STARTED_TWO, desired=4), seen(3, STARTED_TWO, desired=4)],
            [False, True],
            id="then one died",
        ),
        pytest.param([seen(2), seen(2, UNABLE), seen(2, UNABLE)], [True, False], id="a complaint, once"),
        pytest.param([seen(2), seen(0), seen(2, STARTED_TWO)], [True, False], id="all of them"),
        pytest.param(
            [seen(2), seen(2, STOPPED, desired=1), seen(2, STOPPED), seen(2, STOPPED), seen(1, STOPPED)],
            [False, False, False, True],
            id="a count that was late hides nothing for long",
        ),
    ],
)
def test_what_is_missing_has_stopped_by_itself(items: list[dict[str, Any]], expected: list[bool]) -> None:
    assert after(*items) == expected


def test_at_first_sight_only_what_ecs_may_still_show_counts() -> None:
    """A new process looks once where a task was started within the hour."""
    assert sight(seen(2, STARTED), None, NOW) == Sighting("e1", 2, 1)
    assert not sight(seen(2, STARTED, age=timedelta(hours=2)), None, NOW).suspicious
    assert not sight(seen(2), None, NOW).suspicious
