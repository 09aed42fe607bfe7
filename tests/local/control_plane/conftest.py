from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.clock import SystemClock
from reconciler.local.aws import LaptopAws
from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.scripted import ScriptedListeners, ScriptedTargets, ScriptedTasks
from reconciler.local.server import Server, serve
from reconciler.local.timings import Timings
from tests.local.control_plane.stage import Stage


@pytest.fixture
def laptop() -> Iterator[Laptop]:
    """An empty account where nothing takes time."""
    with laptop_session() as made:
        yield made


@pytest.fixture
def stage(laptop: Laptop) -> Stage:
    """A network, a load balancer with two groups, a cluster, and the task definition web:1."""
    made = Stage(laptop).network().load_balancer().cluster()
    made.definition()
    return made


@pytest.fixture
def plain(laptop: Laptop) -> Stage:
    """A network, and nothing in it."""
    return Stage(laptop).network()


@pytest.fixture
def server() -> Iterator[Server]:
    """On a free port, with a system clock a hundred times faster and its own thread."""
    tasks = ScriptedTasks()
    laptop = LaptopAws(
        SystemClock(100), tasks, ScriptedTargets(tasks.healthy_at), ScriptedListeners(), timings=Timings()
    )
    with serve("127.0.0.1", 0, laptop.start()) as made:
        yield made
        laptop.reset()


@pytest.fixture
def timed() -> Iterator[Stage]:
    """The same stage where everything takes as long as on AWS."""
    with laptop_session(timings=Timings.aws()) as laptop:
        made = Stage(laptop).network().load_balancer().cluster()
        laptop.advance(600)
        made.definition()
        yield made
