"""What a check's outcome makes of a target's health."""

from __future__ import annotations

import pytest

from reconciler.local.health import FAILED, PASSED, TIMED_OUT, Health, Outcome, begun, checked, matches, mismatch
from reconciler.local.ports import TargetGroupSettings

SETTINGS = TargetGroupSettings("arn", "name", healthy_threshold=3, unhealthy_threshold=2)


def after(*outcomes: Outcome) -> Health:
    health = begun(SETTINGS)
    for outcome in outcomes:
        health = checked(health, outcome, SETTINGS)
    return health


@pytest.mark.parametrize(
    ("outcomes", "state", "reason"),
    [
        ((), "initial", "Elb.RegistrationInProgress"),
        ((PASSED, PASSED), "initial", "Elb.InitialHealthChecking"),
        ((PASSED, PASSED, PASSED), "healthy", ""),
        ((PASSED, FAILED, PASSED, PASSED), "initial", "Elb.InitialHealthChecking"),  # in a row
        ((FAILED,), "initial", "Elb.InitialHealthChecking"),
        ((FAILED, mismatch(404)), "unhealthy", "Target.ResponseCodeMismatch"),
        ((FAILED, FAILED, TIMED_OUT), "unhealthy", "Target.Timeout"),  # the latest reason
        ((FAILED, FAILED, PASSED, PASSED), "unhealthy", "Target.FailedHealthChecks"),
        ((FAILED, FAILED, PASSED, PASSED, PASSED), "healthy", ""),
        ((PASSED, PASSED, PASSED, FAILED), "healthy", ""),
        ((PASSED, PASSED, PASSED, FAILED, FAILED), "unhealthy", "Target.FailedHealthChecks"),
    ],
)
def test_a_state_changes_after_enough_equal_outcomes_in_a_row(
    outcomes: tuple[Outcome, ...], state: str, reason: str
) -> None:
    """The thresholds count consecutive checks, and the reason is the latest failure's."""
    health = after(*outcomes)
    assert (health.state, health.reason) == (state, reason)


def test_a_wrong_status_is_named_as_elb_names_it() -> None:
    """The description has the code in brackets."""
    assert after(mismatch(404), mismatch(503)).description == "Health checks failed with these codes: [503]"


def test_a_group_that_no_listener_names_is_not_in_use() -> None:
    """Its targets are unused, and say so."""
    health = begun(TargetGroupSettings("arn", "name", in_use=False))
    assert (health.state, health.reason) == ("unused", "Target.NotInUse")


@pytest.mark.parametrize(
    ("matcher", "status", "fits"),
    [
        ("200", 200, True),
        ("200", 201, False),
        ("200,204", 204, True),
        ("200-299", 299, True),
        ("200-299, 404", 404, True),
        ("200-299", 300, False),
    ],
)
def test_the_matcher_is_codes_and_ranges(matcher: str, status: int, fits: bool) -> None:
    """Single codes, lists and ranges, in any mixture."""
    assert matches(matcher, status) is fits
