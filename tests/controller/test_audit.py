"""Who asked for what is kept once it was answered: in the store, and on the revision that it was about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller import audit_entries
from reconciler.controller.audit import AuditRecorder
from reconciler.controller.events import EventRecorder
from reconciler.model.event import Event
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import HELD_COUNT
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Call, Observed
from reconciler.reconcile import held_counts, request_tags
from reconciler.reconcile.held_counts import HeldCount
from reconciler.reconcile.provenance import audit_of, audit_tag
from reconciler.resources import task
from reconciler.resources.task_definition import AUDIT
from reconciler.rollout.requests import Request, RequestRefusal, RequestRefusalCode, RequestVerb, Response
from reconciler.rollout.stored_state import StoredState
from reconciler.store.audit_trail import AuditEntry, AuditTrail, audit_trail
from tests.harness.copies import StoredCopy, StoredDocuments

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ARN = "arn:aws:ecs:us-west-2:123456789012:service/apps/web"
REVISION = "arn:aws:ecs:us-west-2:123456789012:task-definition/web:7"
WEB = Address("service", "web")
REQUEST = Request(RequestVerb.PROMOTE, "9f2c", "5b1e08aa", NOW, "ana", "looks good")


@dataclass(slots=True)
class Ecs:
    """One revision, whose tags are read and written."""

    tags: dict[str, str] = field(
        default_factory=lambda: {"reconciler:stack": "shop", "reconciler:source-commit": "4f1c2ab Fix"}
    )
    sent: list[str] = field(default_factory=list)
    refusal: errors.AwsError | None = None

    def perform(self, call: Call) -> dict[str, Any]:
        self.sent.append(call.operation)
        if self.refusal is not None:
            raise self.refusal
        if call.operation == "TagResource":
            assert call.params["resourceArn"] == REVISION
            self.tags |= {tag["key"]: tag["value"] for tag in call.params["tags"]}
            return {}
        tags = [{"key": key, "value": text} for key, text in self.tags.items()]
        return {"taskDefinition": {"taskDefinitionArn": REVISION}, "tags": tags}


@dataclass(slots=True)
class Recording:
    """A recorder of a process, with what it has emitted."""

    ecs: Ecs = field(default_factory=Ecs)
    documents: StoredDocuments = field(default_factory=StoredDocuments)
    events: list[Event] = field(default_factory=list)
    recorder: AuditRecorder = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        clock = ManualClock()
        aws = AwsClient(self.ecs, clock=clock)
        self.recorder = AuditRecorder(aws, EventRecorder(clock, (self.events.append,)), lambda: self.trail)

    @property
    def trail(self) -> AuditTrail:
        return audit_trail(self.documents)

    def see(self, tags: dict[str, str], **more: Any) -> None:
        service = Observed(WEB, ARN, None, {"reconciler:stack": "shop", **tags}, facts={"task_definition": REVISION})
        world = ObservedState({"service": (service,), **more})
        self.recorder.on_pass(PassOf(world))  # type: ignore[arg-type]  # all that it reads of a pass

    @property
    def kept(self) -> list[tuple[str, str, str, str]]:
        return [(entry.verb, entry.address, entry.by, entry.why) for entry in self.trail.read()]


@dataclass(frozen=True, slots=True)
class PassOf:
    world: ObservedState
    plan: Plan = field(default_factory=lambda: Plan("shop", (), {}))


HELD = HeldCount(5, NOW + timedelta(days=36500), "ana: load test").text()
SUSPENDED = request_tags.suspended("bo", "database migration", NOW)
RESUMED = request_tags.resumed("0a1b2c3d", "bo", "migrated: all 3", NOW)


def test_a_request_is_an_entry_once_it_was_answered() -> None:
    """With the code of a refusal; one that is pending, or replaced by another, is none."""
    asked = StoredState(request=REQUEST)
    assert audit_entries.of_state(asked, "service/web") is None
    assert audit_entries.of_state(replace(asked, response=Response("other")), "service/web") is None
    entry = AuditEntry("5b1e08aa", NOW, "promote", "service/web", "ana", "looks good", "9f2c")
    assert audit_entries.of_state(replace(asked, response=Response(REQUEST.id)), "service/web") == entry
    refusal = Response(REQUEST.id, RequestRefusal(RequestRefusalCode.NOT_READY, "no"))
    found = audit_entries.of_state(replace(asked, response=refusal), "service/web")
    assert found == replace(entry, refused="not-ready", because="no")


def test_counts_suspensions_and_resumptions_are_kept_with_who_and_why() -> None:
    """Each once, whatever process sees them, and on the revision that was in use."""
    recording = Recording()
    recording.see({HELD_COUNT: HELD, request_tags.SUSPEND: SUSPENDED})
    recording.see({HELD_COUNT: HELD, request_tags.REQUEST: RESUMED})
    recording.restart()
    ended = HeldCount(5, held_counts.ENDED, "cy: over").text()
    recording.see({HELD_COUNT: ended, request_tags.REQUEST: RESUMED})
    assert sorted(recording.kept) == [
        ("resume", "", "bo", "migrated: all 3"),
        ("scale+5", "service/web", "ana", "load test"),
        ("scale-reset", "service/web", "cy", "over"),
        ("suspend", "", "bo", "database migration"),
    ]
    assert {entry.commit for entry in recording.trail.read()} == {"4f1c2ab"}
    on_revision = audit_of(recording.ecs.tags, "service/web")
    assert sorted((entry.verb, entry.why) for entry in on_revision) == [
        ("resume", "migrated: all 3"),
        ("scale+5", "load test"),
        ("scale-reset", "over"),
        ("suspend", "database migration"),
    ]
    assert [event.details["reason"] for event in recording.events] == ["load test", "over"]
    assert recording.events[0].message == "scale 5 requested by ana: load test (commit 4f1c2ab 'Fix')"


def test_the_request_to_run_a_task_again_is_kept() -> None:
    """Before the run replaces it."""
    recording, tags = Recording(), {task.RETRY: "77aa00bb:ana: fixed the secret"}
    asked = Observed(Address("task", "migrate"), "t", None, tags, parent=REVISION, facts={"retry": tags[task.RETRY]})
    recording.see({}, task=(asked,))
    assert recording.kept == [("retry", "task/migrate", "ana", "fixed the secret")]


def test_a_pass_at_rest_asks_nothing() -> None:
    """Nor the store, nor AWS, once what stands in the tags was dealt with."""
    recording = Recording()
    recording.see({})
    assert (recording.ecs.sent, dict(recording.documents)) == ([], {})
    recording.see({HELD_COUNT: HELD})
    before = (list(recording.ecs.sent), recording.documents["requests"].reads)
    recording.see({HELD_COUNT: HELD})
    assert (recording.ecs.sent, recording.documents["requests"].reads) == before


def test_what_the_store_does_not_take_is_added_later() -> None:
    """And its event comes then; the revision has it already."""
    recording = Recording()
    recording.documents["requests"] = StoredCopy(down=True)
    recording.see({HELD_COUNT: HELD})
    assert recording.events == []
    recording.documents["requests"].down = False
    recording.see({})
    assert recording.kept == [("scale+5", "service/web", "ana", "load test")]
    assert [event.name for event in recording.events] == [events.REQUEST_ACCEPTED]


def test_a_revision_that_cannot_be_written_keeps_nothing_from_the_store() -> None:
    """Recording is best effort in each place."""
    recording = Recording(Ecs(refusal=errors.Denied("no", code="AccessDenied")))
    recording.see({HELD_COUNT: HELD})
    assert recording.kept == [("scale+5", "service/web", "ana", "load test")]


def test_a_lost_lease_is_no_failure_to_pass_over() -> None:
    """Whoever leads now records it."""
    recording = Recording(Ecs(refusal=errors.LeaseLost("another process leads")))  # type: ignore[arg-type]  # as the fence raises it
    with pytest.raises(errors.LeaseLost):
        recording.see({HELD_COUNT: HELD})


def test_a_revision_of_another_stack_is_left_alone() -> None:
    """It is read, and not written."""
    recording = Recording(Ecs({"reconciler:stack": "other"}))
    recording.see({HELD_COUNT: HELD})
    assert recording.ecs.sent == ["DescribeTaskDefinition"]


def test_a_revision_keeps_the_last_requests() -> None:
    """The oldest makes room; the same request takes no second place; what somebody has written there is replaced."""
    tags = {AUDIT[0]: "edited by hand"}
    for number in range(len(AUDIT) + 1):
        entry = AuditEntry(f"id{number}", NOW + timedelta(minutes=number), "hold", "service/web", "ana", "why", "9f2c")
        tags |= audit_tag(entry, tags)
        assert audit_tag(entry, tags) == {}
    assert [entry.id for entry in audit_of(tags, "service/web")] == [f"id{number}" for number in range(1, 6)]
    assert max(map(len, tags.values())) <= 256


def test_an_answer_to_a_resumption_is_found_again_by_an_older_version() -> None:
    """It compares the whole value, up to the first colon, with what was answered."""
    answer = request_tags.handled(RESUMED, "4f1c2ab")
    tags = request_tags.of_tags({request_tags.REQUEST: RESUMED, request_tags.HANDLED: answer})
    assert not tags.pending
    assert tags.resumed == "stack resumed by bo: migrated: all 3"
    longest = request_tags.resumed("0a1b2c3d", "a" * 300, "é" * 300, NOW)
    assert len(request_tags.handled(longest, "4f1c2ab")) <= 256
    assert request_tags.handled(longest, "4f1c2ab").partition(":")[0] == longest


def test_a_process_whose_store_is_empty_repeats_no_event() -> None:
    """The store of a container is gone with it; the revision shows that somebody was told already."""
    recording = Recording()
    recording.see({HELD_COUNT: HELD})
    recording.documents.clear()
    recording.restart()
    recording.see({HELD_COUNT: HELD})
    assert recording.kept == [("scale+5", "service/web", "ana", "load test")]
    assert len(recording.events) == 1


def test_a_secret_in_a_reason_is_masked() -> None:
    """Whoever may tag the service may write one, past the command that refuses it."""
    recording = Recording()
    recording.see({HELD_COUNT: HeldCount(5, NOW + timedelta(days=36500), "ana: password=hunter2-9f8e7d6c").text()})
    told = f"{recording.trail.read()} {recording.ecs.tags} {recording.events}"
    assert "hunter2" not in told
