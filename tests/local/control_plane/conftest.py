from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.local.inprocess import Laptop, laptop_session
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
