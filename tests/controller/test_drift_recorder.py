"""Who made drift is found out beside the pass that corrects it, with few calls, also where CloudTrail is late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller.drift_recorder import AT_ONCE, LOOKS, DriftRecorder, contested
from reconciler.controller.events import EventRecorder
from reconciler.model.event import Event
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile.drift import Drift, DriftMode
from reconciler.resources.security_group_rules import SecurityGroupRulesSpec
from reconciler.rollout.actions import SetPrimary, SetWeights
from reconciler.store.drift_journal import DriftEntry, DriftJournal, Finding, drift_journal
from tests.harness.cloudtrail_records import BOB, OPERATOR_ARN, TERRAFORM_AGENT, EventHistory, record
from tests.harness.copies import StoredDocuments

RULES = Address("security-group-rules", "web")
SSH = Drift(RULES, ("ingress.tcp 22 from 0.0.0.0/0",))
GONE = Drift(RULES, ())


def observed(number: int = 1) -> Observed[Any]:
    spec = SecurityGroupRulesSpec(group=f"sg-{number}", ingress=())
    return Observed(Address(RULES.kind, "web" if number == 1 else f"web{number}"), f"sg-{number}/rules", spec,
                    parent=f"sg-{number}")  # fmt: skip


@dataclass(slots=True)
class Recording:
    """The look-ups run when `work` is called, or at once while `beside` is False."""

    history: EventHistory = field(default_factory=EventHistory)
    documents: StoredDocuments = field(default_factory=StoredDocuments)
    events: list[Event] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)
    world: ObservedState = field(default_factory=lambda: ObservedState({RULES.kind: (observed(),)}))
    waiting: list[Callable[[], None]] | None = None
    regions: list[bool] = field(default_factory=list)
    recorder: DriftRecorder = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        aws = AwsClient(self.history, clock=self.clock)

        def client(everywhere: bool) -> AwsClient:
            self.regions.append(everywhere)
            return aws

        def beside(work: Callable[[], None]) -> None:
            work() if self.waiting is None else self.waiting.append(work)

        self.recorder = DriftRecorder(
            aws, discover(), EventRecorder(self.clock, (self.events.append,)), "my-app", OPERATOR_ARN,
            journal=lambda: self.journal, client=client, beside=beside,
        )  # fmt: skip

    @property
    def journal(self) -> DriftJournal:
        return drift_journal(self.documents)

    def see(self, *drifts: Drift, world: ObservedState | None = None) -> None:
        result: Any = SimpleNamespace(drifts=drifts, world=self.world if world is None else world)
        self.recorder.found(result)
        self.recorder.on_pass(result)

    def write(self, number: int = 1, port: int = 22, **more: Any) -> None:
        item = {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}
        params = {"groupId": f"sg-{number}", "ipPermissions": {"items": [item]}}
        one = record(
            "AuthorizeSecurityGroupIngress", self.clock.now(), params, source="ec2",
            eventID=f"event-{number}-{len(self.history.records)}", **{"who": BOB, **more},
        )  # fmt: skip
        self.history.records.append(one)
        self.history.indexed[one["eventID"]] = (f"sg-{number}",)

    def wait(self, minutes: float) -> None:
        self.clock.advance(minutes * 60)
        self.recorder.turn()

    def turn(self) -> None:
        self.recorder.turn()

    @property
    def entry(self) -> DriftEntry:
        (entry,) = self.journal.read()
        return entry

    @property
    def told(self) -> list[str]:
        return [one.name for one in self.events]


def test_drift_is_named_with_one_call() -> None:
    """The event of the drift comes first; the next turn says who made it, once."""
    recording = Recording()
    recording.write()
    recording.clock.advance(5)
    recording.see(SSH)
    recording.turn()
    recording.turn()
    assert recording.told == [events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED]
    assert recording.events[1].details == {
        "changed_by": "bob",
        "account": "123456789012",
        "source_address": "203.0.113.7",
        "tool": "AWS console",
        "operation": "AuthorizeSecurityGroupIngress",
        "event_id": "event-1-0",
        "changed_at": "2026-01-01T00:00:00+00:00",
    }
    assert recording.events[1].address == "security-group-rules/web"
    assert (len(recording.history.sent), recording.entry.finding, recording.entry.names) == (1, Finding.FOUND, ())
    assert recording.entry.authors[0].name == "bob"


def test_nothing_is_asked_at_rest() -> None:
    """A pass without drift costs no call, however many there are."""
    recording = Recording()
    for _ in range(200):
        recording.see()
        recording.wait(5)
    assert (recording.history.sent, recording.events, recording.journal.read()) == ([], [], ())


def test_the_pass_does_not_wait_for_the_answer() -> None:
    """While a look-up is under way, further passes and turns go on, and no second one begins."""
    recording = Recording(waiting=[])
    recording.write()
    recording.see(SSH)
    recording.see(SSH)
    recording.turn()
    assert (recording.told, recording.history.sent) == ([events.DRIFT_REPAIRED] * 2, [])
    assert recording.waiting is not None
    (work,) = recording.waiting
    work()
    recording.turn()
    assert recording.told[2:] == [events.DRIFT_ATTRIBUTED]


def test_nothing_is_asked_before_the_drift_is_corrected() -> None:
    """Look-ups begin when the pass has ended, so that they share neither rates nor processor with the correction."""
    recording = Recording()
    recording.write()
    result: Any = SimpleNamespace(drifts=(SSH,), world=recording.world)
    recording.recorder.found(result)
    assert (recording.told, recording.history.sent) == ([events.DRIFT_REPAIRED], [])
    recording.recorder.on_pass(result)
    assert len(recording.history.sent) == 1


def test_late_events_complete_the_entry() -> None:
    """CloudTrail shows the call minutes later: then the journal and one follow-up have it."""
    recording = Recording()
    recording.see(SSH)
    recording.wait(1)
    assert (recording.entry.finding, recording.entry.looks, recording.told) == (
        Finding.PENDING,
        1,
        [events.DRIFT_REPAIRED],
    )
    recording.clock.advance(-60)
    recording.write()
    recording.clock.advance(60)
    recording.turn()
    recording.wait(3)
    recording.turn()
    assert recording.told == [events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED]
    assert recording.entry.finding is Finding.FOUND


def test_a_restart_goes_on() -> None:
    """The next process takes what is pending from the journal, and knows what it was about."""
    recording = Recording()
    recording.see(SSH)
    recording.write()
    recording.turn()
    recording.restart()
    recording.wait(1)
    recording.turn()
    assert recording.told == [events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED]
    recording.restart()
    recording.wait(60)
    assert len(recording.told) == 2


def test_a_restart_after_hours_looks_once() -> None:
    """What CloudTrail does not have by then it will not have."""
    recording = Recording()
    recording.see(SSH)
    recording.restart()
    before = len(recording.history.sent)
    for _ in range(5):
        recording.wait(300)
    assert recording.entry.finding is Finding.NONE
    assert 0 < len(recording.history.sent) - before <= AT_ONCE


def test_looks_are_few_and_end() -> None:
    """Over a day of turns, four a minute: each look is a handful of calls, and in the end there is an answer."""
    recording = Recording()
    recording.see(SSH)
    for _ in range(24 * 60 * 4):
        recording.wait(0.25)
    assert recording.entry.looks == len(LOOKS)
    assert (recording.entry.finding, recording.told) == (Finding.NONE, [events.DRIFT_REPAIRED])
    assert len(recording.history.sent) <= 4 * len(LOOKS)


def test_what_changed_at_once_shares_its_answers() -> None:
    """Many groups in one turn: a call for each, in portions, and one for what is about the same group."""
    recording = Recording(world=ObservedState({RULES.kind: tuple(map(observed, range(1, 26)))}))
    for number in range(1, 26):
        recording.write(number)
    recording.see(*(Drift(observed(number).address, SSH.paths) for number in range(1, 26)))
    assert len(recording.history.sent) == AT_ONCE
    for _ in range(4):
        recording.turn()
    assert (len(recording.history.sent), recording.told.count(events.DRIFT_ATTRIBUTED)) == (25, 25)
    recording = Recording()
    recording.see(SSH, Drift(RULES, ("ingress.tcp 443 from 0.0.0.0/0",)))
    assert len(recording.history.sent) == 1


def test_denied_is_said_once_and_not_asked_again() -> None:
    """A role without the permission costs one call an hour with drift, and no error."""
    recording = Recording()
    recording.history.refusal = errors.Denied("not authorized", call="cloudtrail.LookupEvents", code="AccessDenied")
    for _ in range(30):
        recording.see(SSH)
        recording.wait(1)
    assert len(recording.history.sent) == 1
    assert recording.told.count(events.ATTRIBUTION_FAILED) == 1
    assert {entry.finding for entry in recording.journal.read()} == {Finding.UNREADABLE}
    assert "iam-policy" in recording.journal.read()[0].by
    recording.history.refusal = None
    recording.clock.advance(3600)
    recording.write()
    recording.see(SSH)
    recording.turn()
    assert recording.told[-1] == events.DRIFT_ATTRIBUTED


def test_what_cannot_be_read_is_tried_again_as_often_as_a_late_event() -> None:
    """Throttled, or not answered: no hot loop, and the word at the end is why."""
    recording = Recording()
    recording.history.refusal = errors.Throttled("Rate exceeded", call="cloudtrail.LookupEvents", code="Throttling")
    recording.see(SSH)
    for _ in range(100):
        recording.wait(1)
    assert (recording.entry.finding, recording.entry.looks) == (Finding.UNREADABLE, len(LOOKS))
    assert "Rate exceeded" in recording.entry.because


def test_a_deletion_is_looked_up_by_what_the_resource_was() -> None:
    """What is gone has no id any more; the pass before has seen it."""
    recording = Recording()
    recording.see()
    recording.see(GONE, world=ObservedState())
    assert recording.history.sent[0].params["LookupAttributes"] == [
        {"AttributeKey": "ResourceName", "AttributeValue": "sg-1"}
    ]


def test_what_a_queue_has_told_is_in_the_event_itself() -> None:
    """Then no call is sent, and there is no follow-up; a later record completes what was found before it."""
    recording = Recording()
    recording.write()
    for _ in range(3):
        recording.recorder.take(recording.history.records)
    assert len(recording.recorder._heard) == 1
    recording.see(SSH)
    recording.turn()
    (event,) = recording.events
    assert (event.name, event.details["changed_by"], recording.history.sent) == (events.DRIFT_REPAIRED, "bob", [])
    assert recording.entry.finding is Finding.FOUND
    recording.clock.advance(60)
    recording.see(SSH)
    recording.write(who={"type": "IAMUser", "userName": "ana"})
    recording.recorder.take(recording.history.records)
    recording.turn()
    assert recording.told[1:] == [events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED]
    assert recording.events[-1].details["changed_by"] == "ana"


def test_a_change_that_was_corrected_before_does_not_explain_the_next() -> None:
    """A second change with the same effect was made after the correction of the first."""
    recording = Recording()
    recording.write()
    recording.recorder.take(recording.history.records)
    recording.see(SSH)
    recording.clock.advance(60)
    recording.see(SSH)
    assert "changed_by" not in recording.events[-1].details


def test_drift_that_stays_is_looked_up_once() -> None:
    """Drift that is only reported is an event at its start, and so is who made it."""
    recording = Recording()
    warned = Drift(RULES, SSH.paths, DriftMode.WARN, "by ticket")
    recording.write()
    for _ in range(10):
        recording.see(warned)
        recording.turn()
    assert recording.told == [events.DRIFT_FOUND, events.DRIFT_ATTRIBUTED]
    assert (len(recording.history.sent), recording.entry.outcome) == (1, "detected")
    recording.see(Drift(RULES, SSH.paths, DriftMode.WARN, contested=True))
    recording.turn()
    assert recording.told[2:] == [events.CONTESTED, events.DRIFT_ATTRIBUTED]


def test_a_store_that_is_down_loses_nothing() -> None:
    """What it does not take is added once it answers."""
    recording = Recording()
    recording.write()
    recording.documents.document("drift").down = True
    recording.see(SSH)
    recording.turn()
    recording.documents.document("drift").down = False
    recording.turn()
    assert recording.entry.finding is Finding.FOUND


def test_without_a_client_nothing_is_asked() -> None:
    """Commands that drive a rollout to its end report drift, too, and ask nobody."""
    recording = Recording()
    aws = AwsClient(recording.history, clock=recording.clock)
    recording.recorder = DriftRecorder(aws, discover(), EventRecorder(recording.clock, (recording.events.append,)))
    recording.see(SSH)
    recording.wait(1)
    assert (recording.told, recording.history.sent) == ([events.DRIFT_REPAIRED], [])


def test_a_service_in_no_region_is_asked_about_elsewhere() -> None:
    """IAM's events are in one region."""
    kinds = discover()
    role = Observed(Address("role", "task"), "my-app-task", kinds["role"].Spec.model_construct(name="my-app-task"))
    recording = Recording(world=ObservedState({"role": (role,)}))
    recording.see(Drift(role.address, ("trust",)))
    assert recording.regions == [True]
    assert recording.history.sent[0].params["StartTime"] == recording.clock.now() - timedelta(days=1)


def test_who_moves_the_weights_of_a_rollout_is_named() -> None:
    """What a rollout stops writing because it is changed back each time, once for as long as that lasts."""
    arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/web/1/2"
    listener = Observed(Address("listener", "web"), arn, discover()["listener"].Spec.model_construct())
    recording = Recording(world=ObservedState({"listener": (listener,)}))
    recording.see()
    moved = record(
        "ModifyListener", recording.clock.now(), {"listenerArn": arn, "defaultActions": [{"type": "forward"}]},
        source="elasticloadbalancing", who=BOB, agent=TERRAFORM_AGENT,
    )  # fmt: skip
    recording.history.records, recording.history.indexed = [moved], {moved["eventID"]: (arn,)}
    delivery: Any = SimpleNamespace(service=Address("service", "web"), production=listener.address, test=None)
    rollout: Any = SimpleNamespace(address=delivery.service, delivery=delivery)
    step: Any = SimpleNamespace(decisions=(SetWeights("production", (), None),))
    held: Any = SimpleNamespace(rollout=rollout, step=step, error=errors.Contested("not written: the weights"))
    for _ in range(3):
        recording.recorder.on_result(held)
        recording.turn()
    (event,) = recording.events
    assert (event.address, event.details["changed_by"], event.details["tool"]) == ("listener/web", "bob", "Terraform")
    assert (recording.entry.outcome, len(recording.history.sent)) == ("recurring", 1)
    recording.recorder.on_result(SimpleNamespace(rollout=rollout, step=step, error=None))  # type: ignore[arg-type]
    recording.clock.advance(60)
    recording.recorder.on_result(held)
    recording.turn()
    assert len(recording.journal.read()) == 2


def test_what_else_a_rollout_writes_is_the_service() -> None:
    """Task sets, deployments and health checks, for which the type says by which calls others change them."""
    delivery: Any = SimpleNamespace(service=Address("service", "web"), production=None, test=None)
    assert contested(delivery, (SetPrimary("ecs-svc/1"),)) == Drift(delivery.service, ("task_set",))
    assert contested(delivery, (SetWeights("production", (), None),)).address == delivery.service
