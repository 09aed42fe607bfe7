"""What the tests of the promises share: an account in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.harness.forked_runs import Account, serial

Record = Callable[..., None]


@pytest.fixture
def account() -> Iterator[Account]:
    """An empty account with AWS's rules, and the engine without threads."""
    with serial(), mock_aws():
        yield Account()


def mostly_slow(everything: Iterable[Any], *quick: Any) -> list[Any]:
    """Each of `everything`; all but the `quick` ones only for `make promises`."""
    return [pytest.param(one, marks=() if one in quick else pytest.mark.slow) for one in everything]


def sample_or_all(sample: Any, everything: Any) -> Any:
    """A deterministic sample for `make test`, and all of it for `make promises`."""
    return [pytest.param(sample, id="sample"), pytest.param(everything, id="all", marks=pytest.mark.slow)]
