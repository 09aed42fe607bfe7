"""The reason of a request, which is kept and shown to others."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from reconciler.cli import options
from reconciler.rollout.requests import Request, RequestVerb, intent_of

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("two\nlines", id="a line break"),
        pytest.param("bell\x07", id="a control character"),
        pytest.param("\u202eevil", id="a direction"),
        pytest.param("x" * 101, id="too long"),
        pytest.param("→" * 12, id="too long in a tag"),
        pytest.param("password=hunter2-9f8e7d6c", id="a secret"),
    ],
)
def test_a_reason_that_would_be_cut_or_would_tell_too_much_is_refused(reason: str) -> None:
    """It is kept, and others read it."""
    with pytest.raises(click.BadParameter):
        options.reason_text(reason)


@pytest.mark.parametrize("reason", ["", "x" * 100, "deploy window moved: 5 % of traffic, see #42", "größer"])
def test_a_reason_is_kept_as_it_was_given(reason: str) -> None:
    """Beside the longest requester."""
    assert options.reason_text(reason) == reason
    who, release = "w" * 200, "9f2c4e1a7b3d"
    request = Request(RequestVerb.ROLLBACK, release, "5b1e08aa", NOW, who, reason, to="3f2a91c05d6e", revision=9)
    found = intent_of(request.text())
    assert found is not None
    assert found.why == reason
