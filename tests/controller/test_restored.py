"""A new process whose source has no good revision goes on from the last accepted one, as the process before it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler import events
from reconciler.controller import status
from reconciler.controller.controller import Controller
from reconciler.controller.rollout_queue import RolloutQueue
from reconciler.model.resource_type import Depth
from reconciler.reconcile import request_tags
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS, Outcome
from reconciler.source.archive import unpack
from reconciler.source.base import Revision
from tests.controller.test_controller import Running, scaled
from tests.controller.test_in_flight import (
    FRONTEND,
    NOT_READABLE,
    deploy,
    history_rewritten,
    invalid_spec,
    phase,
    running,
    serving,
    some,
    source_gone,
    turn,
    until,
)
from tests.harness.copies import StoredCopy
from tests.harness.emulated_stack import SERVICE, emulated_stack
from tests.rollout_driver.test_driver import ONE, TWO

__all__ = ["running", "serving"]

pytestmark = [pytest.mark.apart, pytest.mark.promise("S18", "the source is down, and a process starts")]

REQUESTS = [
    (wish, verb, ends)
    for wish in NOT_READABLE
    for verb, ends in (
        (RequestVerb.PROMOTE, Phase.VERIFYING),
        (RequestVerb.ROLLBACK, Phase.FAILED),
        (RequestVerb.ABORT, Phase.FAILED),
        (RequestVerb.HOLD, Phase.AWAITING_PROMOTION),
    )
]


def restart(running: Running, wish: Callable[[Running], None]) -> None:
    """The source has no good revision any more, and a new process starts."""
    if wish is history_rewritten:
        running.files.rejected = "it does not descend from what was applied last"
        running.files.edit(FRONTEND, "# The web app", "# Another web app")
    else:
        wish(running)
    running.restart()
    running.quiet()
    running.go(10)


def contents(data: bytes) -> tuple[Revision, dict[str, bytes]]:
    """What is stored, without the folder that it was read from."""
    fetched = unpack(data).fetched
    return fetched.revision, {one.relative: one.data for one in fetched.sources}


def active(running: Running) -> str | None:
    revision = running.loop.revisions.active
    return None if revision is None else revision.revision.id


@pytest.mark.parametrize(
    ("wish", "verb", "ends"),
    some(REQUESTS, REQUESTS.index((source_gone, RequestVerb.ROLLBACK, Phase.FAILED)), 0, len(REQUESTS) - 1),
)
def test_requests_are_heard(running: Running, wish: Callable[[Running], None], verb: RequestVerb, ends: Phase) -> None:
    """What people ask of a rollout does not depend on the source."""
    deploy(running, Phase.AWAITING_PROMOTION)
    restart(running, wish)
    assert phase(running) is Phase.AWAITING_PROMOTION
    running.stage.say(verb)
    running.go(20)
    assert running.stage.tags()[KEYS["response"]].endswith(":accepted")
    until(running, ends)


@pytest.mark.parametrize("wish", some([(invalid_spec,), (source_gone,)], 1))
def test_timers_run_as_without_the_restart(running: Running, wish: Callable[[Running], None]) -> None:
    """v2 was accepted: the clock promotes it."""
    deploy(running, Phase.SCALING_UP)
    restart(running, wish)
    running.go(600)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert running.stage.weights(80) == {ONE: 0, TWO: 100}
    assert len(running.stage.sets()) == 1


def test_a_withdrawn_release_waits_for_a_person(running: Running) -> None:
    """Under rewritten history the accepted revision is active, and no timer promotes its release."""
    deploy(running, Phase.SCALING_UP)
    accepted = active(running)
    restart(running, history_rewritten)
    running.go(600)
    assert active(running) == accepted
    step = turn(running).step
    assert step is not None
    assert (step.phase, step.waits_for) == (Phase.AWAITING_PROMOTION, Waiting.PERSON)


@pytest.mark.parametrize("wish", some([(one,) for one in NOT_READABLE], 1, 2))
def test_drift_is_corrected_and_nothing_of_the_newest_is_applied(
    running: Running, wish: Callable[[Running], None]
) -> None:
    """As by the process before: what differs from the accepted revision is put right."""
    running.files.edit("services/frontend.yaml", "retention_days: 30", "retention_days: 7")
    restart(running, wish)
    logs = running.stage.laptop.client("logs")
    (group,) = [one for one in logs.describe_log_groups()["logGroups"] if SERVICE in one["logGroupName"]]
    assert group["retentionInDays"] == 30
    logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=90)
    running.go(400)
    (group,) = [one for one in logs.describe_log_groups()["logGroups"] if SERVICE in one["logGroupName"]]
    assert group["retentionInDays"] == 30
    assert running.said(events.DRIFT_REPAIRED)


@pytest.mark.parametrize("wish", some([(one,) for one in NOT_READABLE], 0))
def test_it_is_told_which_revision_and_why(running: Running, wish: Callable[[Running], None]) -> None:
    """In the log, and in the status that `/readyz` and the metrics show."""
    accepted = active(running)
    restart(running, wish)
    (told,) = [one for one in running.entries if one.name == events.REVISION_RESTORED]
    assert (told.revision, active(running)) == (accepted, accepted)
    assert running.loop.revisions.restored in told.message
    shown = status.of(running.loop)
    assert (shown.revision, shown.restored) == (accepted, True)
    assert running.stage.tags()[request_tags.RESTORED].startswith(f"{accepted}: ")
    assert (shown.source_unreachable, shown.rejected) == (wish is source_gone, wish is not source_gone)


def test_once_the_source_answers_it_goes_on_as_ever(running: Running) -> None:
    """The newest revision is accepted, and rolled out after what was under way."""
    deploy(running, Phase.VERIFYING)
    running.files.edit(FRONTEND, "tag: v2", "tag: v3")
    restart(running, source_gone)
    assert phase(running) is Phase.VERIFYING
    running.files.down = False
    running.go(10)
    assert active(running) == running.files.revision.id
    shown = status.of(running.loop)
    assert (shown.restored, shown.source_unreachable) == (False, False)
    assert running.said(events.SOURCE_REACHABLE)
    assert request_tags.RESTORED not in running.stage.tags()
    running.go(900)
    assert running.outcomes()[-1] == Outcome.PROMOTED
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:4")]
    assert running.copies.writes == 3


def test_an_invalid_revision_that_is_mended_is_accepted(running: Running) -> None:
    """It follows the accepted one."""
    restart(running, invalid_spec)
    assert status.of(running.loop).restored
    running.files.edit("cluster.yaml", "kind: Clutser", "kind: Cluster")
    running.go(30)
    assert active(running) == running.files.revision.id
    assert not status.of(running.loop).restored


# -- what is asked of the store


@pytest.mark.slow
def test_a_quiet_stack_asks_nothing_of_its_store(running: Running) -> None:
    """Read once in a process, and written once for each accepted revision; also while the source is gone."""
    assert (running.copies.reads, running.copies.writes) == (1, 1)
    running.go(1200)
    assert (running.copies.reads, running.copies.writes) == (1, 1)
    restart(running, source_gone)
    running.go(1200)
    assert (running.copies.reads, running.copies.writes) == (2, 1)
    assert running.writes() == {"TagResource": 1}  # it says once that the revision was restored
    assert max(one.calls for one in running.passes if one.depth is Depth.FAST) <= 4
    running.files.edit(FRONTEND, "# The web app", "# A web app")
    running.files.down = False
    running.go(60)
    assert (running.copies.reads, running.copies.writes) == (2, 2)


def test_nothing_is_applied_before_it_is_stored(running: Running) -> None:
    """A process that ends before the write leaves nothing that the copy does not know."""
    stored = running.copies.copy
    running.copies.down = True
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    running.go(60)
    assert len(running.stage.sets()) == 1
    assert running.writes() == {}
    assert len(running.said(events.PASS_FAILED)) == 1
    running.copies.down = False
    assert running.copies.copy == stored
    restart(running, source_gone)
    running.go(120)
    assert running.writes() == {"TagResource": 1}
    assert len(running.stage.sets()) == 1
    running.files.down = False
    running.go(900)
    assert running.outcomes() == [Outcome.PROMOTED]


@pytest.mark.slow
def test_what_was_stored_and_not_begun_is_begun(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was accepted: the process before would have started it, too."""
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    with monkeypatch.context() as ended:
        ended.setattr(Controller, "_applied", lambda *_: None)
        ended.setattr(RolloutQueue, "go_round", lambda *_, **__: False)
        running.loop.round()
    assert (running.copies.writes, len(running.stage.sets())) == (2, 1)
    restart(running, source_gone)
    running.go(900)
    assert running.outcomes() == [Outcome.PROMOTED]


def test_a_copy_that_is_not_the_last_one_is_not_restored(running: Running) -> None:
    """Another version of the product has applied a revision since, and stored none."""
    arn = running.stage.service()["serviceArn"]
    tag = {"key": request_tags.REVISION, "value": "rev9999 theirs"}
    running.stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[tag])
    scaled(running, 5)
    restart(running, source_gone)
    running.go(120)
    assert running.writes() == {"TagResource": 1}
    assert running.stage.service()["desiredCount"] == 5
    assert len(running.said(events.PASS_FAILED)) == 1


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_damaged_copy_is_told_and_the_source_waited_for(running: Running, cut: int) -> None:
    """As without one; and the next accepted revision replaces it."""
    assert running.copies.copy is not None
    data = running.copies.copy.data
    running.copies.copy = replace(running.copies.copy, data=data[:-cut] if cut else b"")
    restart(running, source_gone)
    assert active(running) is None
    (told,) = running.said(events.COPY_UNUSABLE)
    assert "damaged" in told
    running.files.down = False
    running.go(60)
    assert active(running) == running.files.revision.id
    assert contents(running.copies.copy.data) == contents(data)


def test_a_stack_that_was_destroyed_is_not_made_again(running: Running) -> None:
    """Nothing is under way where nothing exists: what was accepted once is not what anybody wants now."""
    copy = running.copies.copy
    with emulated_stack() as empty:
        after = Running(empty, running.files, copies=StoredCopy(copy))
        after.files.down = True
        after.restart()
        after.go(300)
        assert after.writes() == {}
        assert len(after.said(events.PASS_FAILED)) == 1
        after.files.down = False
        after.go(60)
        assert after.writes()["CreateVpc"] == 1


def test_a_store_that_does_not_answer_is_asked_again(running: Running) -> None:
    """Nothing is taken from the source before it is known what was accepted."""
    running.copies.down = True
    restart(running, source_gone)
    assert active(running) is None
    assert len(running.said(events.COPY_UNUSABLE)) == 1
    running.copies.down = False
    running.go(10)
    assert active(running) == running.files.revision.id
