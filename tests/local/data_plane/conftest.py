"""The data plane for one test, with somebody to report to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.local.data_plane import DataPlane
from tests.local.data_plane.control import Recorder


@pytest.fixture
def control() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def plane(tmp_path: Path, control: Recorder) -> Iterator[DataPlane]:
    with DataPlane(tmp_path, SystemClock()) as made:
        made.bind(control)
        yield made
