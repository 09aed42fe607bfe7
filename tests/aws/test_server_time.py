"""Time by AWS's clock: a clock that jumps opens no gate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.awsrequest import HeadersDict

from reconciler import events
from reconciler.aws.server_time import CONFIRMED_AFTER, ServerTime
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.controller.events import EventRecorder
from reconciler.controller.pass_events import record_clock
from reconciler.model.event import Event

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Jumping(ManualClock):
    """A machine whose time of day somebody sets."""

    def jump(self, by: timedelta) -> None:
        self._now += by


def test_a_machine_whose_clock_jumps_shows_the_same_time() -> None:
    """Forward or back, whether or not AWS has answered before."""
    machine = Jumping(NOON)
    time = ServerTime(machine)
    machine.jump(3 * HOUR)
    assert time.now() == NOON
    time.answered(NOON)
    machine.advance(60)
    machine.jump(-9 * HOUR)
    assert time.now() == NOON + timedelta(minutes=1)
    assert time.machine_ahead == -6 * HOUR


def test_the_first_answer_corrects_a_machine_that_was_wrong_from_the_start() -> None:
    """In both directions: AWS's clock is the better one."""
    for wrong in (3 * HOUR, -3 * HOUR):
        time = ServerTime(Jumping(NOON + wrong))
        time.answered(NOON)
        assert time.now() == NOON
        assert time.machine_ahead == wrong


def test_one_answer_with_another_time_changes_nothing() -> None:
    """It may come from anywhere; the next that agrees takes the doubt away."""
    machine = Jumping(NOON)
    time = ServerTime(machine)
    time.answered(NOON)
    machine.advance(10)
    time.answered(NOON + 3 * HOUR)
    assert time.now() == NOON + timedelta(seconds=10)
    machine.advance(CONFIRMED_AFTER)
    time.answered(machine.now())
    machine.advance(1)
    time.answered(machine.now() + 3 * HOUR)
    assert time.now() == machine.now()


def test_a_time_that_aws_keeps_giving_is_taken() -> None:
    """A machine that was suspended for hours, which stops its monotonic clock."""
    machine = Jumping(NOON)
    time = ServerTime(machine)
    time.answered(NOON)
    for _ in range(4):
        assert time.now() == machine.now()
        time.answered(machine.now() + 3 * HOUR)
        machine.advance(CONFIRMED_AFTER / 3)
    time.answered(machine.now() + 3 * HOUR)
    assert time.now() == machine.now() + 3 * HOUR


def test_times_that_contradict_each_other_are_never_taken() -> None:
    """AWS answers with another time at each call, for minutes."""
    machine = Jumping(NOON)
    time = ServerTime(machine)
    time.answered(NOON)
    for number in range(20):
        time.answered(machine.now() + (1 + number % 2) * HOUR)
        machine.advance(10)
    assert time.now() == machine.now()


def test_a_machine_that_is_wrong_is_reported_once_and_when_it_is_right_again() -> None:
    """Not at every pass, although the difference goes on growing by seconds."""
    machine, told = Jumping(NOON + 3 * HOUR), list[Event]()
    time = ServerTime(machine)
    recorder = EventRecorder(time, (told.append,))
    time.answered(NOON)
    for seconds in (0, 20, 20):
        machine.jump(timedelta(seconds=seconds))
        record_clock(recorder)
    machine.jump(-3 * HOUR)
    record_clock(recorder)
    assert [one.name for one in told] == [events.CLOCK_DIFFERS, events.CLOCK_AGREES]
    assert "3h ahead of AWS's" in told[0].message


@pytest.mark.parametrize(
    ("text", "dates"),
    [("Mon, 05 Jan 2026 12:00:00 GMT", [NOON]), ("Mon, 05 Jan 2026 12:00:00", []), ("soon", []), ("", [])],
)
def test_the_dates_of_responses_are_read(text: str, dates: list[datetime]) -> None:
    """A response without a date, or with none that can be read, says nothing."""
    heard = list[datetime]()
    transport = Boto("us-west-2", anonymous=True, endpoint="http://127.0.0.1:1")
    transport.on_date = heard.append
    client = transport._client("sts")
    model = client.meta.service_model.operation_model("GetCallerIdentity")
    body = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
    answer = {"status_code": 200, "headers": HeadersDict({"Date": text} if text else {}), "body": body}
    client.meta.events.emit("before-parse.sts.GetCallerIdentity", operation_model=model, response_dict=answer)
    assert heard == dates
