"""What goes on is said when it begins and when it is over, and not at every pass."""

from __future__ import annotations

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.controller.events import EventRecorder
from reconciler.controller.pass_events import record_outcomes, record_settled
from reconciler.model.event import Event
from reconciler.model.plan import Action, Verb
from reconciler.model.resource import Address, Observed, Spec
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.expectations import DECLINED_SECONDS, Expectations


def recorder() -> tuple[EventRecorder, list[Event]]:
    heard: list[Event] = []
    return EventRecorder(ManualClock(), (heard.append,)), heard


def test_all_who_listen_hear_it_with_time_and_revision() -> None:
    """An entry says when, what, of which resource, and under which revision."""
    clock, heard, others = ManualClock(), list[Event](), list[Event]()
    told = EventRecorder(clock, (heard.append, others.append), "4f1c2ab")
    told.emit("a.name", "service/web", "it is so", {"phase": "idle"})
    assert heard == [Event(clock.now(), "a.name", "service/web", "it is so", "4f1c2ab", {"phase": "idle"})]
    assert others == heard


def test_what_goes_on_is_said_once() -> None:
    """The same words under the same key are no news; other words, or another key, are."""
    told, heard = recorder()
    for message in ("down", "down", "still down", "still down"):
        told.emit_once("source", "a.name", message)
    told.emit_once("registry", "a.name", "still down")
    assert [one.message for one in heard] == ["down", "still down", "still down"]


def test_what_happens_again_is_said_again() -> None:
    """`again` is for what is news each time, though it reads alike."""
    told, heard = recorder()
    for _ in range(3):
        told.emit_once("drift", "a.name", "it was put back", again=True)
    assert len(heard) == 3


def test_the_end_is_said_of_what_was_said_to_go_on() -> None:
    """Once, and never of what nobody has heard of; after that, its return is news."""
    told, heard = recorder()
    told.resolve("source", "b.name", "it is back")
    told.emit_once("source", "a.name", "down")
    told.resolve("source", "b.name", "it is back")
    told.resolve("source", "b.name", "it is back")
    told.emit_once("source", "a.name", "down")
    assert [one.name for one in heard] == ["a.name", "b.name", "a.name"]


def test_what_is_forgotten_may_begin_anew_without_an_end() -> None:
    """Nothing is said at the forgetting."""
    told, heard = recorder()
    told.emit_once("later", "a.name", "it failed")
    told.clear("later")
    told.resolve("later", "b.name", "it is over")
    told.emit_once("later", "a.name", "it failed")
    assert [one.name for one in heard] == ["a.name", "a.name"]


def test_a_change_that_aws_has_declined_is_said_once_and_not_as_a_change() -> None:
    """What was not changed is no change, though its step is done."""
    told, heard = recorder()
    web = Observed(Address("service", "web"), "arn", Spec())
    action = Action(Verb.UPDATE, web.address, "it differs from the specs", old=web)
    error = errors.Declined("`exec` stays as it is", fields=frozenset({"exec"}))
    outcome = StepOutcome(action.steps()[0], action, Result.DONE, str(error), error)
    for _ in range(2):
        record_outcomes(told, [outcome])
    assert [(one.name, one.address, one.message) for one in heard] == [
        (events.CHANGE_DECLINED, "service/web", "`exec` stays as it is")
    ]


def test_the_end_of_a_declined_change_is_said_and_its_return_is_news() -> None:
    """It lasts for as long as the change is not compared; what failed may fail again, too."""
    told, heard = recorder()
    web = Observed(Address("service", "web"), "arn", Spec())
    action = Action(Verb.UPDATE, web.address, "it differs from the specs", old=web)
    error = errors.Declined("`exec` stays as it is", fields=frozenset({"exec"}))
    declined = StepOutcome(action.steps()[0], action, Result.DONE, str(error), error)
    failed, done = (StepOutcome(action.steps()[0], action, result) for result in (Result.FAILED, Result.DONE))
    clock = ManualClock()
    expectations = Expectations(clock)
    expectations.declined(web, error.fields)
    for _ in range(2):
        record_outcomes(told, [declined])
        record_settled(told, expectations.still_declined())
    clock.advance(DECLINED_SECONDS)
    for _ in range(2):
        record_settled(told, expectations.still_declined())
    record_outcomes(told, [declined])
    assert [(one.name, one.address) for one in heard] == [
        (name, "service/web") for name in (events.CHANGE_DECLINED, events.CHANGE_SETTLED, events.CHANGE_DECLINED)
    ]
    heard.clear()
    record_outcomes(told, [failed, failed, done, failed])
    assert [one.name for one in heard] == [events.ACTION_FAILED, events.CHANGED, events.ACTION_FAILED]
