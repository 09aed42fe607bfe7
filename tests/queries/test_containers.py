"""Containers that are not essential and have failed in every task."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.queries.containers import failed_containers
from tests.resources.talk import Talk


def task(*containers: tuple[str, str, int | None], status: str = "RUNNING") -> dict[str, Any]:
    return {
        "lastStatus": status,
        "containers": [
            {"name": name, "lastStatus": state, **({} if code is None else {"exitCode": code})}
            for name, state, code in containers
        ],
    }


WELL, DEAD, DONE = ("proxy", "RUNNING", None), ("proxy", "STOPPED", 1), ("proxy", "STOPPED", 0)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([task(DEAD), task(DEAD)], 1),
        ([task(DEAD), task(WELL)], 0),
        ([task(DONE)], 0),
        ([task(("proxy", "STOPPED", None))], 1),
        ([task(DEAD, status="PENDING")], 0),
    ],
)
def test_only_what_failed_in_every_running_task_is_mentioned(tasks: list[dict[str, Any]], said: int) -> None:
    """One that ended with 0 has done its work; one that runs somewhere may recover."""
    talk = Talk(ListTasks={"taskArns": ["a"]}, DescribeTasks={"tasks": tasks})
    assert len(talk.hold(failed_containers("c", "web", {"proxy"}))) == said


def test_nothing_is_read_where_every_container_is_essential() -> None:
    """The calls of `status` stay what they are."""
    talk = Talk()
    assert talk.hold(failed_containers("c", "web", ())) == ()
    assert talk.said == []
