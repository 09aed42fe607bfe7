"""A task that did not start because its role was new, and one whose role nobody will ever assume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.model.new_roles import NEW, refused_as_new

ROLE = "arn:aws:iam::123456789012:role/web-execution"
REFUSED = f"ECS was unable to assume the role '{ROLE}' that was provided for this task. Please verify that the role …"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def task(reason: str = REFUSED, code: str = "TaskFailedToStart") -> dict[str, Any]:
    return {"createdAt": NOW, "stopCode": code, "stoppedReason": reason}


@pytest.mark.parametrize(
    ("stopped", "roles", "new"),
    [
        pytest.param(task(), {ROLE: NOW - timedelta(seconds=5)}, True, id="seconds old"),
        pytest.param(task(), {ROLE: NOW - NEW}, False, id="two minutes old when the task was created"),
        pytest.param(task(), {ROLE: None}, True, id="created in this pass"),
        pytest.param(task(), {}, False, id="not of this stack"),
        pytest.param(task(), {f"{ROLE}-2": NOW}, False, id="another role"),
        pytest.param(task("CannotPullContainerError: …"), {ROLE: NOW}, False, id="another cause"),
        pytest.param(task(code="EssentialContainerExited"), {ROLE: NOW}, False, id="it ran"),
        pytest.param({"createdAt": NOW, "lastStatus": "RUNNING"}, {ROLE: NOW}, False, id="it runs"),
    ],
)
def test_only_the_age_of_the_role_tells(
    stopped: dict[str, Any], roles: dict[str, datetime | None], *, new: bool
) -> None:
    """ECS says the same in both cases; the role must be the stack's own and have been new when the task was created."""
    assert refused_as_new(stopped, roles) is new
