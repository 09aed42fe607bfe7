"""C1 with real processes: what is committed in the middle of a rollout, or together with a version.

One stack serves for all of these. Each begins with v1 in production, and brings a v2 of its own, which falls ill when
the test says so: its health checks fail then, and its pages are still answered, so that no request needs to be lost.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.rollout.engine import Phase
from tests.harness.emulator import SERVICE
from tests.harness.spec_changes import Document
from tests.promises.conftest import Record
from tests.promises.live import IN_PLACE, Living, live_documents, under_a_controller


def service(**fields: Any) -> Document:
    return {"kind": "Service", **fields}


def strategy(**fields: Any) -> Document:
    return {"kind": "DeploymentStrategy", **fields}


LONG: dict[str, Any] = {
    "promotion": {"mode": "timed", "after": "90s"},
    "verify": {"for": "90s"},
    "teardown": {"after": "3m"},
    "green": {"healthy_within": "5m"},
}
"""Time for the commands of a test, whose own seconds are fifteen of the emulator's."""
AT_TEN_PERCENT = strategy(type="canary", steps=[{"weight": 10, "pause": "2m"}])
SCALING = {"min": 4, "max": 12, "cpu": 60}
ILLNESS = 45
"""Seconds. ECS replaces a task that is not healthy, and nobody answers until the controller has seen that: it looks
every 15 seconds while blue is warm, and what it does then takes up to two real seconds."""
SLOW = {"kind": "slow_start", "after": 60.0}

_numbers = count(1)


@dataclass(slots=True)
class Scene:
    """v1 serves, and requests are sent to production."""

    living: Living
    ill: Path
    start: tuple[Document, ...]

    def commit(self, *fields: Mapping[str, Any]) -> None:
        """The documents that it began with, and `fields` over those of their kinds."""
        self.living.commit(with_fields(self.start, *fields))

    def falls_ill(self) -> None:
        self.ill.touch()

    def tasks(self) -> list[int]:
        """How many each version runs."""
        return [one["runningCount"] for one in self.living.here.service()["taskSets"]]


def with_fields(documents: Sequence[Document], *fields: Mapping[str, Any]) -> tuple[Document, ...]:
    changed = copy.deepcopy(list(documents))
    for new in fields:
        same = [one for one in changed if (one["kind"], one["name"]) == (new["kind"], new.get("name", one["name"]))]
        if same:
            _merge(same[0], new)
        else:
            changed.append(copy.deepcopy(dict(new)))
    return tuple(changed)


def _merge(document: Document, new: Mapping[str, Any]) -> None:
    """As an environment is merged: None removes a field."""
    for key, value in new.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = copy.deepcopy(value)


def version(tag: str) -> Document:
    """Of its own: one that failed is not tried again."""
    greeting = {"GREETING": f"Hello World {next(_numbers)}"}
    return service(
        task={"containers": {"frontend": {"image": {"registry": SERVICE, "tag": tag}, "environment": greeting}}}
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Living, Path]]:
    place = tmp_path_factory.mktemp("stack")
    ill = place / "ill"
    with under_a_controller(place, _documents(), images=("v2",), ill_while=ill) as living:
        living.here.push("v3")
        yield living, ill


def _documents() -> tuple[Document, ...]:
    checked = service(desired_count=1, traffic={"health_check": {"path": "/healthz"}})
    return with_fields(live_documents("blue_green"), strategy(**LONG), checked)


@contextmanager
def scene(
    stack: tuple[Living, Path], record: Record, what: str, *fields: Mapping[str, Any], outage: int = 0
) -> Iterator[Scene]:
    """Nothing may be lost in it, but for `outage` seconds in which the version that serves is ill."""
    living, ill = stack
    ill.unlink(missing_ok=True)
    living.here.own("faults", "DELETE")
    start = with_fields(_documents(), *fields)
    living.commit(start)
    assert not (because := living.ends()), because
    with living.traffic() as traffic:
        yield Scene(living, ill, start)
    lost = sum(traffic.lost.values())
    for promise in ("S3", "C1"):
        record(promise, f"{what}, live", worlds=1, violations=int(lost > outage), requests=traffic.answered,
           lost=lost)  # fmt: skip
    assert lost <= outage, traffic.lost
    assert traffic.answered > 0


NOT_PUSHED = (version("v9"),)
EMPTY_REPOSITORY = (
    {"kind": "Registry", "name": "my-app-proxy"},
    service(task={"containers": {"proxy": {"image": {"registry": "my-app-proxy", "tag": "p1"}, "essential": False}}}),
)
CANNOT_START = {
    "an image that is not pushed": (NOT_PUSHED, Exit.BLOCKED),
    "a sidecar of an empty repository": (EMPTY_REPOSITORY, Exit.PENDING),
}
"""What is committed, and how `diff` ends for as long as it waits."""


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.AWAITING_PROMOTION, Phase.VERIFYING, Phase.BAKING])
@pytest.mark.parametrize("what", CANNOT_START)
def test_a_commit_that_cannot_start_leaves_what_is_under_way_alone(
    stack: tuple[Living, Path], record: Record, what: str, phase: Phase
) -> None:
    """The version that is under way goes on; it falls ill in production, and the warm one serves again."""
    newer, waits = CANNOT_START[what]
    with scene(stack, record, f"{what}, {phase}", outage=ILLNESS) as here:
        v2 = version("v2")
        here.commit(v2)
        here.living.until_phase(phase)
        here.commit(v2, *newer)
        here.living.until(" accepted")
        if phase is Phase.AWAITING_PROMOTION:
            here.living.until_phase(Phase.VERIFYING)
        assert here.living.here.version_live() == "v2"
        here.falls_ill()
        here.living.until(" RolledBack:")
        assert here.living.here.version_live() == "v1"
        assert not (because := here.living.ends((waits, Exit.PENDING))), because
        assert here.living.here.version_live() == "v1"


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.SHIFTING, Phase.VERIFYING, Phase.BAKING])
def test_more_tasks_in_the_middle_of_a_rollout_are_no_illness(
    stack: tuple[Living, Path], record: Record, phase: Phase
) -> None:
    """Tasks take a minute to start."""
    four = service(desired_count=4)
    with scene(stack, record, f"4 → 8 tasks, {phase}", four, AT_TEN_PERCENT) as here:
        v2 = version("v2")
        here.commit(v2)
        here.living.until_phase(phase)
        here.living.here.own("faults", "POST", SLOW)
        here.commit(v2, service(desired_count=8))
        assert not (because := here.living.ends()), because
        assert here.living.here.version_live() == "v2"
        assert here.tasks() == [8]


@pytest.mark.slow
@pytest.mark.parametrize("healthy", [True, False])
def test_fewer_tasks_come_with_the_version_that_needs_fewer(
    stack: tuple[Living, Path], record: Record, healthy: bool
) -> None:
    """Blue keeps its four until then, and for good if the version fails."""
    what = f"4 → 1 tasks with a version that is {'healthy' if healthy else 'never healthy'}"
    with scene(stack, record, what, service(desired_count=4), strategy(green={"healthy_within": "2m"})) as here:
        if not healthy:
            here.falls_ill()
        here.commit(version("v2"), service(desired_count=1))
        here.living.until_phase(Phase.TESTING if healthy else Phase.FAILED)
        assert max(here.tasks()) == 4
        assert not (because := here.living.ends(IN_PLACE if healthy else (Exit.PENDING, Exit.ROLLED_BACK))), because
        assert here.tasks() == ([1] if healthy else [4])


@pytest.mark.slow
def test_scaling_follows_the_load_at_a_gate_without_end(stack: tuple[Living, Path], record: Record) -> None:
    with scene(stack, record, "scaling at a manual gate", service(desired_count=4, scaling=SCALING),
               strategy(promotion={"mode": "manual", "after": None})) as here:  # fmt: skip
        v2 = version("v2")
        here.commit(v2)
        here.living.until_phase(Phase.AWAITING_PROMOTION)
        here.commit(v2, service(desired_count=6, scaling=SCALING | {"min": 6}))
        assert not (because := here.living.ends((Exit.PENDING, Exit.WAITING))), because
        (target,) = here.living.here.ask("application-autoscaling", "DescribeScalableTargets", ServiceNamespace="ecs")[
            "ScalableTargets"
        ]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (6, 12)
        assert not target["SuspendedState"]["DynamicScalingOutSuspended"]
        assert here.living.here.typed("promote", SERVICE).code == Exit.DONE
        assert not (because := here.living.ends()), because


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.AWAITING_PROMOTION, Phase.SHIFTING])
def test_a_newcomer_that_is_rejected_stops_nothing(stack: tuple[Living, Path], record: Record, phase: Phase) -> None:
    with scene(stack, record, f"rejected, {phase}", AT_TEN_PERCENT, strategy(on_new_revision="reject")) as here:
        here.commit(version("v2"))
        here.living.until_phase(phase)
        here.commit(version("v3"))
        here.living.until("was being rolled out")
        here.living.until(" Promoted")
        assert not (because := here.living.ends((Exit.DONE, Exit.ROLLED_BACK))), because
        assert here.living.here.version_live() == "v2"


@pytest.mark.slow
def test_an_idle_target_group_is_renamed(stack: tuple[Living, Path], record: Record) -> None:
    groups = {"target_groups": ["my-app-frontend-tg-1", "my-app-frontend-tg-9"]}
    with scene(stack, record, "the idle target group renamed") as here:
        here.commit(service(traffic=groups))
        assert not (because := here.living.ends()), because
        here.commit(service(traffic=groups), version("v2"))
        here.living.until(" Promoted")
        assert not (because := here.living.ends()), because
        assert set(here.living.here.weights(80)) == set(groups["target_groups"])


@pytest.mark.slow
def test_a_one_off_task_that_fails_is_told_and_touches_nothing(stack: tuple[Living, Path], record: Record) -> None:
    migration = {
        "kind": "Task",
        "name": "migration",
        "cluster": "my-app-cluster",
        "run": "once",
        "task": {
            "cpu": 256,
            "memory": 512,
            "containers": {
                "migrate": {
                    "image": {"registry": SERVICE, "tag": "v1"},
                    "command": ["python", "-c", "raise SystemExit('migration failed')"],
                }
            },
            "logs": {"retention_days": 7},
        },
        "placement": {"subnets": ["app-public1-a"], "security_groups": ["my-app-task-sg"], "public_ip": True},
    }
    with scene(stack, record, "a one-off task exits with 1") as here:
        here.commit(migration)
        assert not (because := here.living.ends((Exit.PENDING, Exit.ROLLED_BACK))), because
        status = here.living.here.typed("status")
        assert "exited with code 1" in status.text
        assert "migration failed" in status.text


@pytest.mark.slow
def test_each_push_of_a_mutable_tag_is_a_release(stack: tuple[Living, Path], record: Record) -> None:
    quick = strategy(promotion={"mode": "timed", "after": "10s"}, verify={"for": "20s"}, teardown={"after": "20s"})
    mutable = {"kind": "Registry", "immutable_tags": False}
    with scene(stack, record, "a mutable tag pushed four times", quick, mutable) as here:
        for build in ("a", "b", "c", "d"):
            here.commit()
            here.living.here.push("v1", build=build)
            here.living.until(" Promoted")
            assert not (because := here.living.ends()), because
            assert here.living.here.version_live() == f"v1{build}"
