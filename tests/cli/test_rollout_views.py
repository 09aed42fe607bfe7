"""Views of a rollout: phase and reason as one phrase, each said once, and heartbeats that become rare."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.progress import RolloutProgress
from reconciler.cli.output.rollout_json import outcome_of, status_document
from reconciler.cli.output.rollout_result import report
from reconciler.cli.output.rollout_text import result_line, status_text, under_way
from reconciler.cli.output.terminal import Look
from reconciler.cli.service_status import ServiceStatus
from reconciler.cli.status_output import service_block
from reconciler.controller.until import Ending, RolloutSummary, has_ended, has_ended_or_waits
from reconciler.model.diff import ABSENT, Change
from reconciler.model.plan import Action, DeferralCode, Deferred, Verb
from reconciler.model.resource import Address
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.release import Release, RolloutTarget
from reconciler.rollout.request_handler import paused
from reconciler.rollout.requests import Pause
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult, StoredState, Verdict
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import ServiceRollout

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RELEASE = "41ab07c9d2e3"
WEB = ServiceRollout(
    RolloutSpec(Address("service", "web"), Address("task-definition", "web")),
    RolloutTarget("main", "arn:web", Release(RELEASE, "web", 80), "web"),
)
GATE = RolloutStep(
    Phase.AWAITING_PROMOTION,
    wake_at=NOW + timedelta(seconds=5),
    because="waiting for promotion (automatic at 14:00 UTC)",
    health=RolloutHealth.SUSPENDED,
    release=RELEASE,
    until=NOW + timedelta(hours=2),
)
REST = RolloutStep(Phase.IDLE, because="up to date", health=RolloutHealth.HEALTHY, release=RELEASE)
UP = RolloutStep(Phase.SCALING_UP, wake_at=NOW, because="0 of 1 tasks running", release=RELEASE)
BACK = RolloutStep(Phase.ROLLED_BACK, wake_at=NOW, because="tasks of release 41ab07 are stopping", release=RELEASE)


def turn(step: RolloutStep) -> StepResult:
    return StepResult(WEB, NOW, ObservedService(RELEASE, 1), step)


class Seconds:
    speed = 1.0

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (GATE, "waiting for promotion (automatic at 14:00 UTC)"),
        (replace(GATE, because="waiting for promotion", until=None), "waiting for promotion"),
        (REST, "up to date"),
        (replace(REST, because="1 of 2 tasks running"), "1 of 2 tasks running"),
        (replace(UP, until=NOW), "scaling up: 0 of 1 tasks running (until 12:00:00 UTC)"),
    ],
)
def test_phase_and_reason_are_one_phrase(step: RolloutStep, line: str) -> None:
    """Neither the phase nor its deadline is printed twice."""
    assert result_line(turn(step), Look()).partition("service/web   ")[2] == line


def test_a_long_wait_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Two hours at a gate, looked at every second: the phrase, and heartbeats after 10, 20, 40 … seconds."""
    clock = Seconds()
    progress = RolloutProgress(clock, Look())  # type: ignore[arg-type]  # its reading is all that is used
    printed, lines = [], set()
    for second in range(7200):
        clock.at = second
        progress.report(turn(GATE))
        if line := capsys.readouterr().err:
            printed.append(second)
            lines.add(line)
    assert printed[:5] == [0, 10, 30, 70, 150]
    assert len(printed) == len(lines) < 20, "no line is repeated"


def test_a_gate_that_a_person_opens_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, and not in heartbeats; a timed gate opens by itself."""
    clock = Seconds()
    manual = replace(GATE, because="waiting for promotion", until=None, wake_at=None, waits_for=Waiting.PERSON)
    progress = RolloutProgress(clock, Look())  # type: ignore[arg-type]  # its reading is all that is used
    progress.report(turn(manual))
    line = capsys.readouterr().err
    assert line.endswith("waiting for promotion; in another terminal: reconciler promote web\n")
    progress = RolloutProgress(clock, Look())  # type: ignore[arg-type]
    progress.report(turn(GATE))
    assert "reconciler" not in capsys.readouterr().err


def test_a_service_at_rest_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """However long others take, and however often it is looked at."""
    clock = Seconds()
    progress = RolloutProgress(clock, Look())  # type: ignore[arg-type]  # its reading is all that is used
    for second in range(600):
        clock.at = second
        progress.report(turn(REST))
    assert capsys.readouterr().err.count("\n") == 1


def test_a_change_is_printed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was waited for before."""
    clock = Seconds()
    progress = RolloutProgress(clock, Look())  # type: ignore[arg-type]  # its reading is all that is used
    for step in (GATE, UP, GATE):
        progress.report(turn(step))
    assert capsys.readouterr().err.count("\n") == 3


def test_a_rollout_that_is_over_is_not_in_progress() -> None:
    """Only what leads to production is."""
    assert under_way(turn(UP)) == "service/web: rollout in progress: scaling up: 0 of 1 tasks running"
    assert under_way(turn(BACK)) == "service/web: rolled back: tasks of release 41ab07 are stopping"
    assert under_way(turn(GATE)) == "service/web: waiting for promotion (automatic at 14:00 UTC)"


@pytest.mark.parametrize("waits_for", [Waiting.PERSON, Waiting.NOBODY])
def test_a_gate_is_exit_6_whoever_opens_it(waits_for: Waiting) -> None:
    """`apply --wait` and `status`, at a manual and at a timed gate; 4 and 2 on the way there."""
    at_gate = replace(GATE, waits_for=waits_for)
    summary = RolloutSummary((turn(at_gate),), ending=Ending.TIMED_OUT)
    assert report(summary, Look(), waited=True) == Exit.WAITING
    assert outcome_of(ObservedService(RELEASE, 1), at_gate) == Exit.WAITING
    assert report(replace(summary, results=(turn(UP),)), Look(), waited=True) == Exit.TIMED_OUT
    assert outcome_of(ObservedService(RELEASE, 1), UP) == Exit.PENDING


def test_waiting_ends_where_only_a_person_goes_on() -> None:
    """At a manual gate, and not at a timed one, which opens while `apply --wait` looks on."""
    manual, timed = (turn(replace(GATE, waits_for=who)) for who in (Waiting.PERSON, Waiting.NOBODY))
    assert (has_ended_or_waits(manual), has_ended_or_waits(timed), has_ended(manual)) == (True, False, False)
    assert report(RolloutSummary((manual,)), Look(), waited=True) == Exit.WAITING
    assert report(RolloutSummary((manual,)), Look(), waited=False) == Exit.DONE


def test_a_suspended_service_is_exit_6_for_whoever_waits() -> None:
    """As `status` has it; without `--wait`, the rollouts are left to the controller."""
    pause = Pause("ana")
    seen = ObservedService(RELEASE, 1, marks=StoredState(suspended=pause))
    step = paused(pause, UP)
    summary = RolloutSummary((replace(turn(step), seen=seen),))
    assert report(summary, Look(), waited=True) == outcome_of(seen, step) == Exit.WAITING
    assert report(summary, Look(), waited=False) == Exit.DONE


def test_status_says_what_a_hold_holds() -> None:
    """Before promotion the promotion, after it the removal of the previous version."""
    held = ObservedService(RELEASE, 1, marks=StoredState(hold=Pause("ana", RELEASE)))
    for step, what in ((GATE, "promotion"), (replace(UP, phase=Phase.BAKING), "removal of the previous version")):
        lines = status_text(WEB, held, step, (), NOW, Look()).splitlines()
        assert f"  {what} on hold by ana" in lines
    assert status_text(WEB, held, GATE, (), NOW, Look()).count("waiting for promotion") == 1


def test_a_hold_of_another_release_holds_nothing() -> None:
    """One that a rollback has left behind is not shown with the release that is rolled out now, in either format."""
    seen = ObservedService(RELEASE, 1, marks=StoredState(hold=Pause("ana", "9f02" * 3)))
    assert "on hold" not in status_text(WEB, seen, GATE, (), NOW, Look())
    assert status_document(WEB, seen, GATE, ())["held_by"] is None
    held = replace(seen, marks=StoredState(hold=Pause("ana", RELEASE)))
    assert status_document(WEB, held, GATE, ())["held_by"] == "ana"


def test_status_says_that_a_newer_version_waits_for_the_rollout() -> None:
    """One that is quarantined does not wait for it, and after a rollback nothing starts by itself."""
    newer = "9f02" * 3
    seen = ObservedService(newer, 1)
    assert "  9f029f is waiting for this rollout to end" in status_text(WEB, seen, GATE, (), NOW, Look()).splitlines()
    ill = replace(seen, marks=StoredState(quarantine=(newer,)))
    for facts, step in ((ill, GATE), (seen, BACK), (seen, REST), (ObservedService(RELEASE, 1), GATE)):
        assert "waiting for this rollout" not in status_text(WEB, facts, step, (), NOW, Look())


@pytest.mark.parametrize("of_it", [True, False])
def test_a_cause_is_told_of_the_rollout_that_has_just_ended(of_it: bool) -> None:
    """Once another rollout has ended, what is to be seen in AWS is not what the quarantined version failed of."""

    class Told(Exception):
        pass

    def write(*_: object) -> None:
        raise Told

    ended = RolloutResult(RELEASE if of_it else "another", Outcome.FAILED, "testing", NOW, Actor.ENGINE, "ill")
    observed = ObservedService(RELEASE, 1, marks=StoredState(quarantine=(RELEASE,), ended=ended))
    stack = SimpleNamespace(look=Look(), aws=SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)), verbose=0)
    driver = SimpleNamespace(failure_reporter=SimpleNamespace(write=write))
    session: Any = SimpleNamespace(stack=stack, driver=driver)
    found = ServiceStatus(WEB, observed, BACK, ())
    if of_it:
        with pytest.raises(Told):
            service_block(session, found, {}, watch=False)
    else:
        assert "rolled back" in service_block(session, found, {}, watch=False)


def test_why_other_releases_are_quarantined_is_shown() -> None:
    """After a rollback while the specs wait for an image, nothing else tells of it: another rollout has ended since."""
    back = Verdict("3f2a91c05d6e", Outcome.ROLLED_BACK, NOW, "", "rollback requested by ana: 5xx, since noon")
    marks = StoredState(
        quarantine=(back.release,),
        verdicts=(back,),
        ended=RolloutResult(RELEASE, Outcome.PROMOTED, "baking", NOW, Actor.TIMER),
    )
    seen = ObservedService(RELEASE, 1, marks=marks, waits="the image web:v3 has not been pushed")
    text = status_text(WEB, seen, REST, (), NOW, Look())
    assert "  3f2a91 was rolled back 01 Jan 12:00 UTC: rollback requested by ana: 5xx, since noon" in text.splitlines()
    (verdict,) = status_document(WEB, seen, REST, ())["verdicts"]
    assert (verdict["release"], verdict["outcome"], verdict["because"]) == (back.release, "RolledBack", back.why)


def test_what_waits_for_a_version_is_shown() -> None:
    """A lower count that came with a version that has failed: what is deferred, and until when."""
    forged = Change(("policies", "x"), {"Action": "a\n✔ service/web promoted"}, ABSENT)
    changes = (Change(("desired_count",), 4, 2), forged, Change(("password",), "hunter22", "hunter23", secret=True))
    later = Action(Verb.UPDATE, WEB.address, "it differs", changes)
    entry = Deferred(later, DeferralCode.WITH_RELEASE, "updated once the new version is in production")
    stack = SimpleNamespace(look=Look(), aws=SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)))
    seen = ObservedService(RELEASE, 4)
    status = ServiceStatus(WEB, seen, REST, (), deferred=(entry,))
    text = service_block(SimpleNamespace(stack=stack), status, {}, watch=False)  # type: ignore[arg-type]  # all that it reads
    (line,) = [line for line in text.splitlines() if "desired_count" in line]
    assert line.split()[:5] == ["deferred:", "service/web", "desired_count", "4", "→"]
    assert "promoted" in line
    assert "hunter2" not in text


@pytest.mark.parametrize("waits_for", [Waiting.PERSON, Waiting.NOBODY])
def test_what_is_blocked_is_exit_5(waits_for: Waiting) -> None:
    """It goes on once somebody has removed what blocks it, and is no change that is pending."""
    blocked = replace(UP, phase=Phase.BLOCKED, because="the service is being deleted", waits_for=waits_for)
    assert outcome_of(ObservedService(RELEASE, 1), blocked) == Exit.BLOCKED
