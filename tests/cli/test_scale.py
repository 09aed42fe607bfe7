"""`scale`: a count that is held in place of the specs' until its time is over, and everything that knows of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.model.ownership import HELD_COUNT
from reconciler.reconcile.held_counts import HeldCount, held_until, of_tags
from tests.cli.cli_runner import Typed, onstage
from tests.controller.commands import apply
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack

COUNT = 1
"""Of the specs."""


@pytest.fixture(scope="module")
def serving(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack) -> Iterator[Typed]:
    with onstage(serving) as typed:
        yield typed


pytestmark = pytest.mark.apart


def desired(stage: EmulatedStack) -> int:
    return int(stage.service()["desiredCount"])


def scaled_by_hand(stage: EmulatedStack, count: int) -> None:
    stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=count)


def held(type_: Typed, count: int, *more: object) -> None:
    ran = type_("scale", SERVICE, count, "--now", *more)
    assert ran.code == Exit.DONE, ran.err


def test_the_count_is_held_against_drift_and_ends_by_itself(serving: EmulatedStack, type_: Typed) -> None:
    """Not a second early; then the specs' count is written, and nothing is left."""
    held(type_, 3, "--for", "1h")
    assert desired(serving) == 3
    begun = serving.laptop.clock.now()
    scaled_by_hand(serving, 2)
    apply(serving)
    assert desired(serving) == 3
    until = of_tags(serving.tags())
    assert until is not None
    assert timedelta(hours=1) <= until.until - begun + timedelta(seconds=5)
    serving.laptop.advance((until.until - serving.laptop.clock.now()).total_seconds() - 1)
    apply(serving)
    assert desired(serving) == 3
    serving.laptop.advance(2)
    apply(serving)
    assert (desired(serving), HELD_COUNT in serving.tags()) == (COUNT, False)


def test_status_and_diff_say_that_it_is_held(serving: EmulatedStack, type_: Typed) -> None:
    held(type_, 2, "--why", "load test")
    (service,) = json.loads(type_("status", SERVICE, "-o", "json").out)["services"]
    assert service["held_count"]["count"] == 2
    assert service["held_count"]["by"].endswith(": load test")
    assert service["pending"] == []
    ran = type_("diff", "-o", "json")
    plan = json.loads(ran.out)
    assert ran.code == Exit.DONE
    assert any(SERVICE in str(one) and "held at 2" in str(one) for one in plan["warnings"])


def test_reset_ends_it(serving: EmulatedStack, type_: Typed) -> None:
    held(type_, 2)
    ran = type_("scale", SERVICE, "--reset", "--now")
    assert ran.code == Exit.DONE, ran.err
    assert (desired(serving), HELD_COUNT in serving.tags()) == (COUNT, False)
    assert type_("scale", SERVICE, "--reset").code == Exit.DONE


def test_without_a_controller_it_is_recorded(serving: EmulatedStack, type_: Typed) -> None:
    """Exit 4, and the next `apply` writes it."""
    assert type_("scale", SERVICE, 2, "--timeout", 0).code == Exit.TIMED_OUT
    assert desired(serving) == COUNT
    apply(serving)
    assert desired(serving) == 2
    type_("scale", SERVICE, "--reset", "--now")


def test_what_is_over_before_it_is_written_does_not_name_now_again(serving: EmulatedStack, type_: Typed) -> None:
    """Exit 4, with what helps: `--now` was given."""
    with patch("reconciler.reconcile.held_counts.held_until", lambda now, _: now - timedelta(seconds=1)):
        ran = type_("scale", SERVICE, 3, "--for", "1s", "--now")
    assert (ran.code, desired(serving)) == (Exit.TIMED_OUT, COUNT)
    assert "--now" not in ran.err
    assert "its time is over already; name a longer one with `--for`" in ran.err
    apply(serving)


def test_one_task_is_no_plural(serving: EmulatedStack, type_: Typed) -> None:
    ran = type_("scale", SERVICE, 1, "--now")
    assert ": 1 task until " in ran.out
    held(type_, 2)
    assert ": 1 task, as the specs declare" in type_("scale", SERVICE, "--reset", "--now").out


def test_a_new_length_replaces_the_former_one(serving: EmulatedStack, type_: Typed) -> None:
    held(type_, 2, "--for", "1h")
    held(type_, 3, "--for", "5m")
    found = of_tags(serving.tags())
    assert found is not None
    assert found.until - serving.laptop.clock.now() <= timedelta(minutes=5, seconds=1)
    type_("scale", SERVICE, "--reset", "--now")


def test_a_rollout_has_the_held_count(serving: EmulatedStack, type_: Typed) -> None:
    """Both versions get as many tasks, and the time may end late but not within the rollout."""
    held(type_, 2, "--for", "1h")
    serving.spec(v1="v2")
    apply(serving, wait=True)
    (only,) = serving.service()["taskSets"]
    assert only["computedDesiredCount"] == 2
    type_("scale", SERVICE, "--reset", "--now")


SENSELESS = [(), (2, "--reset"), ("--reset", "--for", "1h"), (2, "--for", "0s"), (-1,), (5001,)]


@pytest.mark.parametrize("arguments", SENSELESS)
def test_what_makes_no_sense_is_a_usage_error(type_: Typed, arguments: tuple[object, ...]) -> None:
    assert type_("scale", SERVICE, *arguments).code == Exit.USAGE


def test_an_unknown_service_is_a_usage_error_with_a_suggestion(type_: Typed) -> None:
    ran = type_("scale", "my-app-fronted", 2)
    assert ran.code == Exit.USAGE
    assert SERVICE in ran.err


def test_the_tag_is_read_as_it_was_written() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 3, 2, 14, 5, 0, 400, tzinfo=UTC)
    until = held_until(now, timedelta(hours=1))
    assert until - now >= timedelta(hours=1)
    one = HeldCount(5, until, "ana: load, and more")
    assert of_tags({HELD_COUNT: one.text()}) == one
    assert of_tags({HELD_COUNT: "lots"}) is None
    assert of_tags({HELD_COUNT: "9999:1:x"}) is None
