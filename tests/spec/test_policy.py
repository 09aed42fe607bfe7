"""A DeploymentStrategy becomes the policy that a rollout follows, word for word."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from reconciler.rollout.durations import Durations
from reconciler.rollout.strategy import OnNewRevision, Promotion, Share, SmokeTest, Strategy
from reconciler.rollout.windows import Window
from reconciler.spec.compile.policy import compile_policy
from reconciler.spec.documents import DeploymentStrategy
from reconciler.spec.load import load

CAREFUL = {
    "type": "canary",
    "green": {"healthy_within": "10m", "scale": 50, "max_failed_tasks": 4},
    "test": [{"http": "/up", "expect": {"status": 204, "body": "Hello"}, "times": 5, "within": "30s"}],
    "promotion": {"mode": "timed", "after": "2h"},
    "steps": [{"weight": 10, "pause": "5m"}],
    "verify": {"for": "3m", "alarms": ["errors"], "max_5xx": "0.5%"},
    "teardown": {"after": "30m"},
    "on_new_revision": "queue",
    "windows": [{"mode": "deny", "days": ["fri"], "from": "16:00", "to": "23:59", "time_zone": "Asia/Tokyo"}],
}


@pytest.fixture
def service(request: pytest.FixtureRequest) -> object:
    return load(Path(request.config.rootpath) / "specs").services[0]


def test_every_word_of_a_strategy_is_in_the_policy(service: object) -> None:
    """Nothing is left out, and nothing means something else."""
    strategy = DeploymentStrategy.model_validate({"name": "x", **CAREFUL})
    found = compile_policy(strategy, service)  # type: ignore[arg-type]  # a Service, from the specs
    assert found == Strategy(
        engine="task_sets",
        healthy_within=timedelta(minutes=10),
        scale=50,
        max_failed_tasks=4,
        tests=(SmokeTest("/up", 204, "Hello", 5, timedelta(seconds=30)),),
        promotion=Promotion.TIMED,
        promote_after=timedelta(hours=2),
        shares=(Share(10, timedelta(minutes=5)),),
        verify_for=timedelta(minutes=3),
        alarms=("errors",),
        max_5xx=0.5,
        teardown_after=timedelta(minutes=30),
        on_new_revision=OnNewRevision.QUEUE,
        windows=(Window(time(16), time(23, 59), allow=False, days=("fri",), time_zone="Asia/Tokyo"),),
        drain=timedelta(seconds=30),
        durations=Durations(healthy=timedelta(seconds=20)),
    )


def test_without_a_strategy_ecs_deploys(service: object) -> None:
    """The default is ECS's own rolling deployment."""
    assert compile_policy(None, service).engine == "rolling"  # type: ignore[arg-type]  # a Service, from the specs


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, "Hello World", ""),
        (500, "Hello World", 'answered 500 "Hello World", expected 200'),
        (503, "", "answered 503 without a body, expected 200"),
        (500, "a\n\x1b[31m" + "b" * 500, 'answered 500 "a \\\\u001b[31m' + "b" * 53 + '…", expected 200'),
        (200, "Goodbye", 'answered 200 "Goodbye", expected a body with "Hello"'),
    ],
)
def test_a_smoke_test_says_what_is_wrong(status: int, body: str, fault: str) -> None:
    """With what it asked, what came, and what was expected."""
    assert SmokeTest("/", body="Hello").fault(status, body) == fault
