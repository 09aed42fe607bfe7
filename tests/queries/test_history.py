"""What a revision is to its service, by what AWS says; nothing is claimed that does not follow from it."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli.output.history_text import STANDINGS, history_document, history_text
from reconciler.cli.output.terminal import Look
from reconciler.queries.events import ServiceEvent, Source, folded, happenings, in_order, of_request, of_stop
from reconciler.queries.history import ReleaseStanding, Revision, Row, history, other_requests
from reconciler.queries.versions import RunningVersion
from reconciler.resources.task_definition import content
from reconciler.rollout.release import Capacity, HealthCheck, Release, Version, release_id
from reconciler.rollout.requests import Request, RequestVerb, Response
from reconciler.rollout.stored_state import (
    Actor,
    Deadline,
    DeadlineKind,
    EngineChange,
    Outcome,
    RolloutResult,
    StoredState,
    Verdict,
)
from reconciler.rollout_driver.targets import ServiceRollout
from reconciler.store.audit_trail import AuditEntry
from reconciler.store.task_stops import TaskStop
from tests.harness.emulated_stack import emulated_stack

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


LIVE, QUARANTINED = ReleaseStanding.LIVE, ReleaseStanding.QUARANTINED


def standing(rows: tuple[Row, ...]) -> dict[str, tuple[ReleaseStanding, ...]]:
    return {row.revision.name if row.revision is not None else row.release: row.standing for row in rows}


def run(number: int, share: int, **more: object) -> RunningVersion:
    return RunningVersion(f"ecs-svc/{number}", f"web:{number}", f"r{number}", share, born=NOW + number * HOUR, **more)  # type: ignore[arg-type]  # the rest is as the test says


def test_each_standing_follows_from_tags_sets_and_shares() -> None:
    """Live, on its way with a share, being gone back to, previous, quarantined, and nothing at all."""
    known = [Revision(f"web:{number}") for number in (4, 3, 2, 1)]
    marks = StoredState(deadline=Deadline("r4", DeadlineKind.AT, NOW, 10), previous=Version("r2", "web:2"))
    rows = history(known, (run(4, 10), run(3, 90)), marks, None)
    assert standing(rows) == {
        "web:4": (LIVE, ReleaseStanding.IN_PROGRESS),
        "web:3": (LIVE,),
        "web:2": (ReleaseStanding.PREVIOUS,),
        "web:1": (),
    }
    assert [row.share for row in rows] == [10, 90, 0, 0]
    assert set(STANDINGS) == set(ReleaseStanding)
    text = history_text("service/web", rows, Look()).splitlines()
    assert ["10% of production" in text[2], "90% of production" in text[3]] == [True, True]
    gone_back = StoredState(rollback_target=Version("r3", "web:3"), quarantine=("r4",))
    rows = history(known, (run(4, 100),), gone_back, None)
    assert standing(rows)["web:4"] == (LIVE, QUARANTINED)
    assert standing(rows)["web:3"] == (ReleaseStanding.ROLLBACK_TARGET,)


def test_a_release_without_a_revision_is_still_told_of() -> None:
    """It was let go of, and it is in quarantine for ever; the outcome is told once."""
    ended = RolloutResult("lost", Outcome.ROLLED_BACK, "verifying", NOW, Actor.ENGINE, "5xx")
    rows = history([Revision("web:1")], (run(1, 100),), StoredState(quarantine=("older", "lost"), ended=ended), None)
    assert [(row.release, row.standing, row.ended) for row in rows] == [
        ("r1", (LIVE,), None),
        ("lost", (QUARANTINED,), ended),
        ("older", (QUARANTINED,), None),
    ]


def test_a_release_is_found_again_by_its_revisions_hash_alone() -> None:
    """Also where no task set and no mark names it; and another hash is another release."""
    wanted = Release("now", subnets=("a",), container="app", port=80)
    old = release_id("hash", wanted)
    rows = history(
        [Revision("web:2", content="other"), Revision("web:1", content="hash")],
        (),
        StoredState(quarantine=(old,)),
        wanted,
    )
    assert standing(rows) == {"web:2": (), "web:1": (QUARANTINED,)}


def test_an_id_is_of_all_that_makes_tasks_what_they_are_and_of_nothing_else() -> None:
    """Whatever a release gets a field for counts, unless it is said not to; the same wish has the same id."""
    release = Release("now", "web:1", container="app", port=80, subnets=("a",))
    others = {
        "id": "other",
        "task_definition": "web:2",
        "aliases": ("before",),
        "rotation_of": ("rotated",),
        "commit": "4f1c2ab",
        "container": "web",
        "port": 81,
        "subnets": ("b",),
        "security_groups": ("g",),
        "public_ip": True,
        "launch_type": "FARGATE",
        "capacity": (Capacity("FARGATE_SPOT"),),
        "platform_version": "1.4.0",
        "health": HealthCheck("/", 10, 5, 2, 2, "200"),
        "attached_to": ("web",),
        "service_connect": '{"enabled": true}',
        "members": '{"volumeConfigurations": []}',
    }
    assert others.keys() == {one.name for one in fields(Release)}
    ids = {name: release_id("hash", replace(release, **{name: value})) for name, value in others.items()}  # type: ignore[arg-type]  # each value is of its field
    same = {name for name, one in ids.items() if one == release_id("hash", release)}
    assert same == {"id", "task_definition", "aliases", "rotation_of", "commit"}
    assert len(set(ids.values())) == len(ids) - len(same) + 1


def test_the_id_worked_out_anew_is_the_one_that_rollouts_use() -> None:
    """For what the specs want now, from a whole stack: the two may never drift apart."""
    with emulated_stack() as stage:
        stage.infrastructure()
        stage.push("v1")
        (rollout,) = stage.rollouts(stage.infrastructure())
        assert isinstance(rollout, ServiceRollout)
        world_spec = next(one for one in stage.desired_state.desired if one.address == rollout.delivery.task_definition)
        from reconciler.model.type_registry import discover
        from reconciler.reconcile.observe import observe

        world = observe(stage.aws, discover(), stage.desired_state.place, stage.desired_state.desired)
        ids = {one.address: one.id for one in world}
        assert release_id(content(world_spec.resolved(ids).spec), rollout.subject.release) == rollout.subject.release.id


@pytest.mark.parametrize(
    ("texts", "counts"),
    [
        (
            [
                "task 0123456789abcdef0123456789abcdef of ecs-svc/1 stopped",
                "task fedcba9876543210fedcba9876543210 of ecs-svc/1 stopped",
            ],
            [2],
        ),
        (["of ecs-svc/1 stopped", "of ecs-svc/2 stopped"], [1, 1]),
        (["a", "b", "a"], [2, 1]),
    ],
)
def test_equal_events_of_one_version_are_folded(texts: list[str], counts: list[int]) -> None:
    """Ids of tasks do not matter, those of versions do; the newest stands for all, in its place."""
    several = [ServiceEvent(NOW - n * HOUR, Source.ECS, text, str(n)) for n, text in enumerate(texts)]
    assert [fold.count for fold in folded(several)] == counts
    assert folded(several)[0].newest is several[0]


def test_a_quarantined_release_keeps_its_reason_when_another_rollout_has_ended() -> None:
    """In the table, and as an event."""
    failed = Verdict("r1", Outcome.FAILED, NOW, "5b1e08", "3 tasks stopped")
    promoted = RolloutResult("r2", Outcome.PROMOTED, "baking", NOW + HOUR, Actor.TIMER)
    marks = StoredState(quarantine=("r1",), verdicts=(failed,), ended=promoted)
    rows = history([Revision("web:2"), Revision("web:1")], (run(2, 100), run(1, 0)), marks, None)
    assert [(row.ended, row.verdict) for row in rows] == [(promoted, None), (None, failed)]
    assert (
        history_text("service/web", rows, Look())
        .splitlines()[-1]
        .endswith("Failed, 2026-01-05 00:00 UTC: 3 tasks stopped")
    )
    assert history_document("web", rows)["releases"][1]["verdict"]["because"] == "3 tasks stopped"
    events = happenings({}, (), marks, ())
    assert [one.details["release"] for one in events] == ["r2", "r1"]


def test_the_last_change_of_the_engine_is_shown_with_the_engine() -> None:
    """From where, to where and when, once the service has gone over; while it goes, only where it is to go."""
    change = EngineChange("rolling", "ecs_native", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    rows = (Row("a", Revision("web:1")),)
    over = history_text("service/web", rows, Look(), "ecs_native", "ecs_native", change).splitlines()[0]
    assert over.endswith("rolling → ecs_native, 2026-01-02 03:04 UTC")
    going = history_text("service/web", rows, Look(), "rolling", "ecs_native", change).splitlines()[0]
    assert going.endswith("rolling → ecs_native")
    found = history_document("web", rows, "ecs_native", "ecs_native", change)["engine_change"]
    assert found == {"from": "rolling", "to": "ecs_native", "began_at": "2026-01-02T03:04:00+00:00"}


ASKED = AuditEntry("r1", NOW, "promote", "service/web", "ana", "looks good", "r2", "4f1c2ab", "Fix the cart")
SUSPENDED = AuditEntry("r2", NOW + HOUR, "suspend", "", "bo", "migration")


def test_a_release_has_its_commit_and_who_asked_for_what_of_it() -> None:
    """From the tags of its revision and from the store, each request once; the others are those of the service."""
    known = [
        Revision("web:2", commit="4f1c2ab", subject="Fix the cart", requests=(ASKED, SUSPENDED)),
        Revision("web:1"),
    ]
    kept = (replace(ASKED, id="r0", verb="hold", at=NOW - HOUR), ASKED, replace(ASKED, id="r9", release="r1"))
    rows = history(known, (run(2, 100), run(1, 0)), StoredState(), None, kept=kept)
    assert [(row.commit, row.subject, [one.id for one in row.requests]) for row in rows] == [
        ("4f1c2ab", "Fix the cart", ["r0", "r1"]),
        ("4f1c2ab", "Fix the cart", ["r9"]),
    ]
    others = other_requests(rows, known, kept)
    assert others == (SUSPENDED,)
    document = history_document("web", rows, others=others)
    assert document["requests"][0] | {"at": ""} == {
        "id": "r2", "at": "", "verb": "suspend", "address": None, "by": "bo", "reason": "migration", "release": None,
        "commit": None, "refused": None,
    }  # fmt: skip
    text = history_text("service/web", rows, Look(), others=others)
    for part in ("Fix the cart", "promote by ana, 2026-01-05 00:00 UTC: looks good", "suspend of the stack by bo"):
        assert part in text


def test_a_request_is_one_event_whether_it_is_still_a_tag_or_only_kept() -> None:
    """The same request has the same id in both places."""
    marks = StoredState(request=Request(RequestVerb.PROMOTE, "r2", "r1", NOW, "ana"), response=Response("r1"))
    tagged = happenings({}, (), marks, ())
    assert len(in_order((*tagged, of_request(ASKED), of_request(SUSPENDED)))) == 2
    refused = of_request(replace(ASKED, refused="not-ready", because="its tests run"))
    assert (refused.details["answer"], refused.details["code"]) == ("refused", "not-ready")


def test_stops_that_are_alike_are_one_event_with_their_number() -> None:
    """At the time of the newest, with its last log lines."""
    stop = TaskStop("service/web", "x", NOW, NOW - HOUR, "5b1e08aa77", 3, "web:2", "it crashed", exit_code=1,
                    container="app", log=("boom",))  # fmt: skip
    event = of_stop(stop)
    assert (event.at, event.source) == (NOW, Source.TASK)
    assert [event.details[key] for key in ("count", "exit_code", "log")] == [3, 1, ["boom"]]
    assert event.text == "3 tasks stopped since 04 Jan 23:00 UTC (web:2, app exit 1): it crashed"
