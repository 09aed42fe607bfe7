"""L5: the loop for a month, in a minute of ours: nothing that it keeps grows."""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import events
from reconciler.aws.client import CONCURRENCY
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import SEED, SERVICE, SHORT, emulated_stack

pytestmark = pytest.mark.promise("L5", "a month of a controller")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with emulated_stack(terms=SHORT) as stage:
        stage.serving()
        found = Running(stage, Files(Path(shutil.copytree(SEED, tmp_path / "specs"))))
        found.go(60)
        found.quiet()
        yield found


POOLED = 2 * CONCURRENCY


def resident() -> int:
    """Bytes that this process has in memory now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def rest(running: Running, seconds: float, passes: int) -> None:
    """So many passes, and forget what the test itself keeps of them."""
    done = 0
    while done < passes:
        running.go(seconds)
        done += len(running.passes)
        running.quiet()


@pytest.mark.parametrize("passes", [120, pytest.param(10_000, marks=pytest.mark.slow)])
def test_passes_leave_nothing_behind(running: Running, passes: int) -> None:
    """Memory, descriptors and threads after so many passes are what they were after the first fifth of them."""
    rest(running, 900, passes // 5)
    gc.collect()
    before = resident(), descriptors(), threading.active_count()
    rest(running, 900, passes - passes // 5)
    gc.collect()
    after = resident(), descriptors(), threading.active_count()
    assert after[0] < before[0] * 1.05 + 2**20, (before, after)
    assert after[1] == before[1]
    assert after[2] <= before[2] + POOLED, "threads of the pools come as they are first needed, and no others"
    assert running.writes() == {}


@pytest.mark.slow
def test_deployments_leave_nothing_behind(running: Running) -> None:
    """Sixty versions one after the other: as many revisions, tags and task sets as after ten of them."""
    ecs = running.stage.laptop.client("ecs")
    found = []
    for number in range(60):
        running.files.edit("services/frontend.yaml", greeting(number), greeting(number + 1))
        running.go(600)
        active = ecs.list_task_definitions(familyPrefix=SERVICE, status="ACTIVE")["taskDefinitionArns"]
        found.append((len(active), len(running.stage.tags()), len(running.stage.sets())))
    ended = [one for one in running.entries if one.name == events.ROLLOUT_ENDED]
    assert len(ended) == 60
    assert {one.details["outcome"] for one in ended} == {"Promoted"}
    assert set(found[12:]) == {found[-1]}, found
    assert found[-1][0] <= 11
    assert found[-1][2] == 1


def greeting(number: int) -> str:
    return "GREETING: Hello World" if number == 0 else f"GREETING: Hello World {number}"
