"""Live is a loop that comes on; ready is one that does its work."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.controller.status import ControllerStatus
from reconciler.model.resource import Call
from reconciler.reconcile.executor import Result
from reconciler.server.health import PATIENCE_SECONDS, Beating, Health, Watched
from tests.server.fixtures import entry, report

AT_WORK = ControllerStatus(revision="4f1c2ab", epoch=3)


class Case:
    def __init__(self, standing: ControllerStatus = AT_WORK) -> None:
        self.standing = standing
        self.clock = ManualClock()
        self.health = Health(lambda: self.standing, self.clock)

    def because(self) -> list[str]:
        verdict = self.health.ready()
        assert verdict.well is not bool(verdict.said["because"])
        return list(verdict.said["because"])


def test_a_loop_that_hangs_is_dead_although_the_process_answers() -> None:
    """Silence is borne for so long and no longer, and one sign of life ends it."""
    case = Case()
    case.clock.advance(PATIENCE_SECONDS)
    assert case.health.live().well
    case.clock.advance(1)
    assert not case.health.live().well
    assert case.health.live().said["status"] == "stuck"
    case.health.beat()
    assert case.health.live().well


def test_everything_the_loop_does_is_a_sign_of_life() -> None:
    """A round, a pass, an entry, a call and a wait: each of them shows that its thread comes on."""

    class Aws:
        def perform(self, call: Call) -> dict[str, Any]:
            return {}

    case = Case()
    watched = Watched(Aws(), case.health, lambda call, error: None)
    beating = Beating(case.clock, case.health)
    done = threading.Event()
    done.set()
    signs = (
        case.health.beat,
        lambda: case.health.on_pass(report()),
        lambda: case.health.on_entry(entry(events.CHANGED)),
        lambda: watched.perform(Call("ecs", "ListClusters")),
        lambda: beating.wait(done, 1.0),
    )
    for sign in signs:
        case.clock.advance(PATIENCE_SECONDS + 1)
        assert not case.health.live().well
        sign()
        assert case.health.live().well


def test_it_is_ready_once_a_revision_is_enforced_and_a_pass_has_ended() -> None:
    """Not before the first pass: until then nobody knows whether anything is as it should be."""
    case = Case(ControllerStatus())
    assert case.because() == ["no revision is active"]
    case.standing = AT_WORK
    assert case.because() == ["no pass has ended yet"]
    case.health.on_pass(report())
    assert case.because() == []
    assert case.health.ready().said["revision"] == "4f1c2ab"


def test_without_the_lease_it_is_not_ready_and_lives() -> None:
    """One that stands by for another must not be restarted for it."""
    case = Case(replace(AT_WORK, lease_held=False))
    case.health.on_pass(report())
    assert case.because() == ["the lease is not held"]
    assert case.health.live().well


def test_a_pass_that_failed_makes_it_unready_until_one_does_not() -> None:
    """Whether it could not look, or could not do something of it."""
    case = Case()
    case.health.on_pass(report())
    case.health.on_entry(entry(events.PASS_FAILED))
    assert case.because() == ["the last pass failed"]
    case.health.on_pass(report({"vpc/main": Result.FAILED}))
    assert case.because() == ["the last pass failed"]
    case.health.on_pass(report({"vpc/main": Result.DONE}))
    assert case.because() == []


def test_a_safety_check_that_failed_makes_it_unready_for_good_and_does_not_restart_it() -> None:
    """Nothing is written any more, and another process would find the same."""
    case = Case()
    case.health.on_entry(entry(events.SAFETY_BREACHED))
    case.health.on_pass(report({"vpc/main": Result.DONE}))
    assert case.because() == ["nothing is written any more, because a safety check failed"]
    assert case.health.live().well


def test_what_is_a_person_s_matter_does_not_make_it_unready() -> None:
    """A rejected revision, a blocked plan and a suspended stack are told, and no restart would help."""
    case = Case(replace(AT_WORK, rejected=True, suspended=True))
    case.health.on_pass(report(refusals=1))
    assert case.because() == []
    assert case.health.ready().said["newer_revision_rejected"] is True
    assert case.health.ready().said["suspended"] is True


def test_a_stored_revision_is_shown_and_does_its_work() -> None:
    """It is ready: what is under way goes on. Why the newest cannot be used is not for everybody."""
    case = Case(replace(AT_WORK, restored=True, source_unreachable=True))
    case.health.on_pass(report())
    assert case.because() == []
    said = case.health.ready().said
    assert (said["revision"], said["restored"], said["source_unreachable"]) == ("4f1c2ab", True, True)


def test_a_stuck_loop_is_not_ready_either() -> None:
    """Its last pass may have been well, long ago."""
    case = Case()
    case.health.on_pass(report())
    case.clock.advance(PATIENCE_SECONDS + 1)
    assert case.because() == ["the controller is not responding"]


def test_a_watched_transport_tells_of_refusals_and_passes_them_on() -> None:
    """Watching changes neither answers nor errors."""

    class Throttling:
        def perform(self, call: Call) -> dict[str, Any]:
            raise errors.Throttled("slow down", call=str(call), code="ThrottlingException")

    told: list[tuple[str, str]] = []
    watched = Watched(Throttling(), Case().health, lambda call, error: told.append((str(call), type(error).__name__)))
    with pytest.raises(errors.Throttled):
        watched.perform(Call("ecs", "ListClusters"))
    assert told == [("ecs.ListClusters", "Throttled")]
