"""What several files here start from: the example stack in service, and its commands as they are typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.cli_runner import Typed, onstage
from tests.harness.emulated_stack import EmulatedStack, emulated_stack


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    """v1 serves."""
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def type_(stage: EmulatedStack) -> Iterator[Typed]:
    with onstage(stage) as typed:
        yield typed
