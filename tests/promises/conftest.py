"""What the tests of the promises share: an account in this process, and a place for the figures that they find."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.harness.forked_runs import Account, serial

FIGURES = "PROMISES_FIGURES"
"""Names the file that `make promises` reads the figures from."""

Record = Callable[..., None]


@pytest.fixture
def account() -> Iterator[Account]:
    """An empty account with AWS's rules, and the engine without threads."""
    with serial(), mock_aws():
        yield Account()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Write down what was counted, `record("S2", "apply", worlds=336, violations=0)`; `make promises` makes a page of
    it."""

    def write(promise: str, what: str, **figures: Any) -> None:
        path = os.environ.get(FIGURES)
        if path is None:
            return
        row = {"promise": promise, "what": what, "test": request.node.nodeid, **figures}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    return write


def mostly_slow(everything: Iterable[Any], *quick: Any) -> list[Any]:
    """Each of `everything`; all but the `quick` ones only for `make promises`."""
    return [pytest.param(one, marks=() if one in quick else pytest.mark.slow) for one in everything]


def sample_or_all(sample: Any, everything: Any) -> Any:
    """A deterministic sample for `make test`, and all of it for `make promises`."""
    return [pytest.param(sample, id="sample"), pytest.param(everything, id="all", marks=pytest.mark.slow)]
