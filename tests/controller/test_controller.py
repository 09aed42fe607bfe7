"""The loop over the local AWS emulator: a change becomes so, drift corrected, and what is wrong changes nothing."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler import errors, events
from reconciler.aws.cloudtrail import ApiWrite
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.audit import AuditRecorder
from reconciler.controller.controller import Controller
from reconciler.controller.drift_recorder import DriftRecorder
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import RevisionTracker
from reconciler.controller.schedule import Intervals
from reconciler.controller.stops import StopRecorder
from reconciler.local.faults import Fault
from reconciler.model.event import Event
from reconciler.model.guard import Guard
from reconciler.model.planner import Consent
from reconciler.model.resource import Address
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import discover
from reconciler.reconcile import request_tags
from reconciler.reconcile.drift import DriftMode, DriftRule
from reconciler.reconcile.pass_ import DesiredState
from reconciler.reconcile.provenance import audit_of, commit_of
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver import driver
from reconciler.source.background import Background
from reconciler.source.base import Fetched, Revision
from reconciler.spec import discovery
from reconciler.spec.specs import Specs
from reconciler.store.audit_trail import audit_trail
from reconciler.store.drift_journal import Finding, drift_journal
from reconciler.store.task_stops import TaskStops, task_stops
from tests.harness.copies import StoredCopy, StoredDocuments
from tests.harness.emulated_stack import (
    CLUSTER,
    SEED,
    SERVICE,
    SHORT,
    EmulatedStack,
    emulated_stack,
    image_digest,
)

pytestmark = pytest.mark.apart

OWN = "arn:aws:sts::123456789012:user/moto"


@dataclass(slots=True)
class Files:
    """A source whose files a test changes; `down` while it cannot be reached, `mute` while it cannot say what follows
    what."""

    folder: Path
    number: int = 1
    down: bool = False
    mute: bool = False
    rejected: str = ""
    interval: float = 1.0
    name: str = "specs"

    @property
    def revision(self) -> Revision:
        return Revision(f"rev{self.number:04}", "ana", f"change {self.number}")

    def changed(self, since: str | None) -> bool:
        self._reach()
        return since != self.revision.id

    def fetch(self, after: str | None = None) -> Fetched:
        self._reach()
        if self.mute and after is not None:
            raise errors.SourceUnreachable("the host does not answer")
        if self.rejected and after is not None:
            raise errors.HistoryRewritten(self.rejected, revision=self.revision.id)
        found = sorted(self.folder.rglob("*.yaml"))
        names = [(str(path.relative_to(self.folder)), path) for path in found]
        sources = tuple(discovery.Source(name, name, path.read_bytes()) for name, path in names)
        return Fetched(self.revision, sources, (), str(self.folder))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, file
        path.write_text(text.replace(old, new), encoding="utf-8")
        self.number += 1

    def _reach(self) -> None:
        if self.down:
            raise errors.SourceUnreachable("the host does not answer")


@dataclass(slots=True)
class Running:
    """A loop on a stage; time passes as it sleeps."""

    stage: EmulatedStack
    files: Files
    rules: tuple[DriftRule, ...] = ()
    guard: Guard = field(default_factory=Guard)
    entries: list[Event] = field(default_factory=list)
    passes: list[PassResult] = field(default_factory=list)
    copies: StoredCopy = field(default_factory=StoredCopy)
    documents: StoredDocuments = field(default_factory=StoredDocuments)
    epoch: int = 0
    loop: Controller = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process, which remembers nothing, in a new leadership term."""
        self.stage.restart()
        self.epoch += 1
        epoch = self.epoch
        recorder = EventRecorder(self.stage.aws.clock, (self.entries.append,))
        store = AcceptedRevision(self.copies, epoch=lambda: epoch)
        self.loop = Controller(
            self.stage.aws,
            discover(),
            RevisionTracker(self.files, self.compiled, recorder, store=store),
            recorder,
            self.stage.driver.smoke,
            reports=(self.passes.append, StopRecorder(self.stage.aws, recorder, self.stops).on_pass),
            rhythm=Intervals(),
            audit=AuditRecorder(self.stage.aws, recorder, lambda: audit_trail(self.documents)),
            drift=DriftRecorder(
                self.stage.aws, discover(), recorder, "my-app", OWN, lambda: drift_journal(self.documents),
                lambda _: self.stage.aws, beside=lambda work: work(),
            ),
        )  # fmt: skip

    @property
    def stops(self) -> TaskStops:
        return task_stops(self.documents)

    def compiled(self, specs: Specs) -> DesiredState:
        return replace(self.stage.wish_of(specs, self.guard, Consent()), rules=self.rules)

    def go(self, seconds: float) -> None:
        """Rounds until that time has passed."""
        clock = self.stage.laptop.clock
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            self.loop.round()
            self.stage.laptop.advance(max(0.05, min(self.loop.pause(), end - clock.monotonic())))

    def said(self, name: str) -> list[str]:
        return [one.message for one in self.entries if one.name == name]

    def outcomes(self) -> list[str]:
        """Of the rollouts that have ended."""
        return [one.details["outcome"] for one in self.entries if one.name == events.ROLLOUT_ENDED]

    def quiet(self) -> None:
        self.entries.clear()
        self.passes.clear()
        self.stage.transport.sent.clear()

    def writes(self) -> dict[str, int]:
        reads = ("Describe", "List", "Get", "Lookup")
        return {name: n for name, n in self.stage.transport.sent.items() if not name.startswith(reads)}


@pytest.fixture(scope="module")
def in_place(for_a_module: None) -> Iterator[Running]:
    """v1 is in place, and the loop is quiet."""
    with emulated_stack(terms=SHORT) as stage:
        stage.serving()
        found = Running(stage, Files(SEED))
        found.go(60)
        assert found.said(events.IN_PLACE)
        found.quiet()
        yield found


@pytest.fixture
def running(in_place: Running, tmp_path: Path) -> Running:
    """The same, with files that the test may edit."""
    in_place.files.folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    return in_place


@pytest.mark.slow
def test_a_saved_change_happens_by_itself(running: Running) -> None:
    """The version rolls out to its end without anybody saying anything more."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(600)
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    assert sum(running.stage.weights(80).values()) == 100
    phases = [one.details["phase"] for one in running.entries if one.name == events.ROLLOUT_PHASE]
    assert phases[:4] == ["scaling_up", "testing", "awaiting_promotion", "shifting"]
    assert phases[-1] == "idle"
    assert running.outcomes() == [Outcome.PROMOTED]
    assert request_tags.of_tags(running.stage.tags()).revision == running.files.revision.id


def test_a_saved_change_waits_for_no_pass(running: Running) -> None:
    """The round that takes it looks at everything and carries it out."""
    while not running.passes:  # one has just been, and the next is not due for a while
        running.go(1)
    running.quiet()
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    running.loop.round()
    assert [one.depth for one in running.passes] == [Depth.FULL]
    assert running.stage.service()["desiredCount"] == 2


def test_a_quiet_stack_is_left_in_peace(running: Running) -> None:
    """An hour of passes: mostly fast ones of two calls, and no write at all."""
    running.go(3600)
    assert running.writes() == {}
    assert running.entries == []
    depths = [one.depth for one in running.passes]
    assert depths.count(Depth.FULL) in (1, 2)
    assert 10 <= depths.count(Depth.MEDIUM) <= 13
    assert depths.count(Depth.FAST) > 200
    assert max(one.calls for one in running.passes if one.depth is Depth.FAST) <= 4


def test_a_word_is_heard_at_the_next_pass_however_seldom_one_is_looked_at(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among many that wait, a pass reads the tags of all; targets and tasks are looked at only of whom it concerns."""
    monkeypatch.setattr(driver, "EACH", timedelta(hours=1))
    running.stage.terms["promote_after"] = timedelta(hours=2)
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(120)
    (result,) = running.loop.queue.results.values()
    assert result.waits
    running.quiet()
    running.go(120)
    assert len(running.passes) >= 6
    assert running.stage.transport.sent["DescribeTargetHealth"] == 0
    running.stage.seen.append(result)
    running.stage.say(RequestVerb.PROMOTE)
    running.go(20)
    phases = [one.details["phase"] for one in running.entries if one.name == events.ROLLOUT_PHASE]
    assert phases[:1] == [Phase.SHIFTING]


def test_drift_is_put_back_and_told(running: Running) -> None:
    """A rule that somebody opened is closed again; the event names the path."""
    group = running.stage.laptop.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:reconciler:address", "Values": ["security-group/my-app-lb-sg"]}]
    )["SecurityGroups"][0]["GroupId"]
    open_ssh = {"GroupId": group, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    running.stage.laptop.client("ec2").authorize_security_group_ingress(**open_ssh)
    running.go(400)
    assert running.said(events.DRIFT_REPAIRED) == ["security-group-rules/my-app-lb-sg: ingress.tcp 22 from 0.0.0.0/0"]
    assert running.writes() == {"RevokeSecurityGroupIngress": 1}


def test_drift_has_the_name_of_who_made_it(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of the console and a count of Terraform, each in a follow-up and in the journal, with few calls."""
    monkeypatch.setattr(ApiWrite, "of_stack", lambda self, _: self.author.name == "moto")  # in process, it says no name
    ana = running.stage.laptop.by_hand("ana", "console", "203.0.113.7").client("ec2")
    ci = running.stage.laptop.by_hand("ci", "terraform", "198.51.100.1")
    groups = ana.describe_security_groups(
        Filters=[{"Name": "tag:reconciler:address", "Values": ["security-group/my-app-lb-sg"]}]
    )
    group = groups["SecurityGroups"][0]["GroupId"]
    ana.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    running.go(300)
    ci.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
    running.go(90)
    found = [one.details for one in running.entries if one.name == events.DRIFT_ATTRIBUTED]
    assert [(one["changed_by"], one["tool"], one["source_address"], one["operation"]) for one in found] == [
        ("ana", "AWS console", "203.0.113.7", "AuthorizeSecurityGroupIngress"),
        ("ci", "Terraform", "198.51.100.1", "UpdateService"),
    ]
    assert [one.finding for one in drift_journal(running.documents).read()] == [Finding.FOUND] * 2
    assert running.stage.transport.sent["LookupEvents"] <= 6


def scaled(running: Running, count: int) -> None:
    running.stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=count)


def test_drift_is_told_whatever_the_reason_of_its_rule(running: Running) -> None:
    """A reason is a person's own words, and decides nothing."""
    running.rules = (DriftRule("service/*", DriftMode.WARN, "desired_count", "contested"),)
    running.files.edit("services/frontend.yaml", "# The web app", "# The same web app")
    running.go(60)
    scaled(running, 3)
    running.go(60)
    assert running.said(events.DRIFT_FOUND)


def test_drift_may_be_only_told_or_left_alone(running: Running) -> None:
    """By rule: `warn` says it once and writes nothing; `ignore` says nothing either."""
    running.rules = (DriftRule("service/*", DriftMode.WARN, "desired_count", "match day"),)
    running.files.edit("services/frontend.yaml", "# The web app", "# The same web app")
    running.go(60)
    running.quiet()
    scaled(running, 3)
    running.go(400)
    assert running.said(events.DRIFT_FOUND) == [f"service/{SERVICE}: desired_count (match day)"]
    assert "UpdateService" not in running.writes()
    running.rules = (DriftRule("service/*", DriftMode.IGNORE, "desired_count"),)
    running.files.edit("services/frontend.yaml", "# The same web app", "# The web app")
    running.go(60)
    running.quiet()
    scaled(running, 4)
    running.go(400)
    assert running.said(events.DRIFT_FOUND) == []
    assert running.stage.service()["desiredCount"] == 4


def test_what_the_specs_change_is_carried_out_where_drift_is_only_told(running: Running) -> None:
    """`warn` is about what others do; a new count in the specs is ours."""
    running.rules = (DriftRule("service/*", DriftMode.WARN),)
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    running.go(60)
    assert running.stage.service()["desiredCount"] == 2


def test_who_keeps_undoing_it_is_left_with_it(running: Running) -> None:
    """After three times the loop stops fighting and says so; a new revision makes it try again."""
    for _ in range(6):
        scaled(running, 5)
        running.go(45)
    assert len(running.said(events.DRIFT_REPAIRED)) == 3
    (contested,) = running.said(events.CONTESTED)
    assert "reverted 3 times" in contested
    assert running.stage.service()["desiredCount"] == 5
    running.files.edit("services/frontend.yaml", "# The web app", "# A web app")
    running.go(60)
    assert running.stage.service()["desiredCount"] == 1


@pytest.mark.slow
def test_a_tag_that_is_pushed_again_is_a_release_each_time(running: Running) -> None:
    """Four pushes of one tag within the hour are four releases: never drift, contested or held back by a rule."""
    running.rules = (DriftRule("*", DriftMode.WARN),)
    running.files.edit("registry.yaml", "immutable_tags: true", "immutable_tags: false")
    running.go(120)
    running.quiet()
    ran = []
    for number in range(4):
        running.stage.push("v1", content=f"build {number}")
        running.go(700)
        arn = running.stage.service()["taskSets"][0]["taskDefinition"]
        ecs = running.stage.laptop.client("ecs")
        definition = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        ran.append(definition["containerDefinitions"][0]["image"].partition("@")[2])
    assert ran == [image_digest(f"build {number}") for number in range(4)]
    assert running.outcomes() == [Outcome.PROMOTED] * 4
    drift = (events.DRIFT_FOUND, events.DRIFT_REPAIRED, events.CONTESTED)
    assert not [one for one in running.entries if one.name in drift]


@pytest.mark.parametrize(
    ("old", "new"),
    [("kind: Cluster", "kind: Clutser"), ("kind: Cluster", "kind: [Cluster"), ("name: my-app-cluster", "name: other")],
)
def test_a_bad_revision_changes_nothing_and_the_last_good_one_stays(running: Running, old: str, new: str) -> None:
    """No write comes of it, it is reported once, and drift is repaired meanwhile by what was good."""
    running.files.edit("cluster.yaml", old, new)
    running.go(60)
    assert len(running.said(events.SPEC_REJECTED)) == 1
    assert running.writes() == {}
    scaled(running, 5)
    running.go(60)
    assert running.stage.service()["desiredCount"] == 1
    running.files.edit("cluster.yaml", new, old)
    running.go(60)
    assert running.loop.revisions.rejected == ""


def test_a_source_that_is_down_stops_nothing(running: Running) -> None:
    """A rollout under way goes on to its end by the clock, drift is repaired, and the return is told."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(30)
    running.files.down = True
    running.go(600)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert len(running.said(events.SOURCE_UNREACHABLE)) == 1
    running.files.down = False
    running.go(30)
    assert len(running.said(events.SOURCE_REACHABLE)) == 1


def test_a_source_that_hangs_stops_nothing(running: Running) -> None:
    """A rollout under way goes on to its end, and drift is repaired, with the revision that was accepted last."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(30)
    over = threading.Event()

    class Hanging(Files):
        def changed(self, since: str | None) -> bool:
            assert over.wait(60)
            return False

    source = Background(Hanging(running.files.folder), lambda: None, patience=0.01)
    running.loop.revisions.source = source  # type: ignore[attr-defined]
    running.stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, enableExecuteCommand=True)
    running.go(600)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert running.said(events.DRIFT_REPAIRED)
    assert running.said(events.SOURCE_UNREACHABLE) == []
    over.set()


def test_a_source_that_is_slow_delays_what_it_says_and_loses_none_of_it(running: Running) -> None:
    """A new process that never gets an answer at once applies a new revision all the same, checked as ever."""
    ready = threading.Event()
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    running.restart()
    running.loop.revisions.source = Background(running.files, ready.set, patience=0.0)  # type: ignore[attr-defined]
    for _ in range(30):
        running.go(2)
        ready.wait(0.05)
    assert running.stage.service()["desiredCount"] == 2
    assert running.said(events.PASS_FAILED) == []


def test_a_restart_in_any_phase_goes_on_where_it_was(running: Running) -> None:
    """A new process every half minute: the rollout ends as if there had been one."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    for _ in range(20):
        running.go(30)
        running.restart()
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    assert running.writes()["CreateTaskSet"] == 1
    assert running.writes()["DeleteTaskSet"] == 1


def test_a_new_process_takes_no_revision_that_does_not_follow(running: Running) -> None:
    """What was in place last is written on the stack; a commit that does not descend from it is not applied."""
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    running.files.rejected = "it does not descend from what was applied last"
    running.restart()
    running.quiet()
    running.go(120)
    assert running.writes() == {"TagResource": 1}  # it says that the accepted revision was restored
    assert len(running.said(events.SPEC_REJECTED)) == 1
    assert running.stage.service()["desiredCount"] == 1


@pytest.mark.slow
def test_a_revision_of_which_nobody_can_say_what_it_follows_waits(running: Running) -> None:
    """A new process with nothing stored applies nothing and rolls nothing out until its source has answered.

    It reports that once.
    """
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.files.mute = True
    running.copies.copy = None
    running.restart()
    running.quiet()
    scaled(running, 5)
    running.go(300)
    assert running.writes() == {}
    assert running.stage.service()["desiredCount"] == 5
    assert len(running.said(events.PASS_FAILED)) == 1
    running.files.mute = False
    running.go(600)
    assert running.stage.service()["desiredCount"] == 1
    assert running.outcomes() == [Outcome.PROMOTED]


def test_what_was_in_place_has_to_be_read_before_anything_is_applied(running: Running) -> None:
    """A first look that does not get to see the services leaves it open what the revision has to follow."""
    fault = running.stage.laptop.aws.faults.add(Fault(kind="unreachable", service="ecs", operation="DescribeServices"))
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    running.files.rejected = "it does not descend from what was applied last"
    running.restart()
    running.quiet()
    running.go(60)
    assert len(running.said(events.PASS_FAILED)) == 1
    running.stage.laptop.aws.faults.remove(fault)
    running.go(120)
    assert running.writes() == {"TagResource": 1}  # it says that the accepted revision was restored
    assert len(running.said(events.SPEC_REJECTED)) == 1


def test_who_is_in_charge_again_finds_out_what_was_in_place_meanwhile(running: Running) -> None:
    """Another process has applied another revision since; what does not follow it is not enforced any more."""
    arn = running.stage.service()["serviceArn"]
    ecs = running.stage.laptop.client("ecs")
    ecs.tag_resource(resourceArn=arn, tags=[{"key": request_tags.REVISION, "value": "rev9999 theirs"}])
    scaled(running, 5)
    running.files.rejected = "it does not descend from what was applied last"
    lost = threading.Event()
    lost.set()
    running.loop.run(lost=lost)
    running.quiet()
    running.go(120)
    assert running.writes() == {}
    assert running.stage.service()["desiredCount"] == 5
    assert len(running.said(events.SPEC_REJECTED)) == 1


def test_a_suspended_stack_stays_so_while_nobody_can_read_the_word(running: Running) -> None:
    """Services that cannot be read are no word to go on: a rollout under way stays where it is."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(60)
    arn = running.stage.service()["serviceArn"]
    ecs = running.stage.laptop.client("ecs")
    ecs.tag_resource(resourceArn=arn, tags=[{"key": request_tags.SUSPEND, "value": "ana"}])
    running.go(30)
    running.quiet()
    fault = running.stage.laptop.aws.faults.add(
        Fault(kind="unreachable", service="ecs", operation="DescribeServices", count=1000)
    )
    running.go(120)
    running.stage.laptop.aws.faults.remove(fault)
    running.go(600)
    assert running.said(events.RESUMED) == []
    assert running.writes() == {}


def test_a_poke_is_answered_after_a_look_at_everything(running: Running) -> None:
    """The answer carries the poke's id and the revision."""
    arn = running.stage.service()["serviceArn"]
    running.stage.laptop.client("ecs").tag_resource(
        resourceArn=arn, tags=[{"key": request_tags.REQUEST, "value": "p1"}]
    )
    running.go(45)
    assert running.stage.tags()[request_tags.HANDLED] == f"p1:{running.files.revision.short}"
    assert Depth.FULL in [one.depth for one in running.passes]


@pytest.mark.slow
def test_a_suspended_stack_is_left_alone_until_it_is_resumed(running: Running) -> None:
    """Neither drift nor a new version is acted on; both are, afterwards."""
    arn = running.stage.service()["serviceArn"]
    ecs = running.stage.laptop.client("ecs")
    ecs.tag_resource(resourceArn=arn, tags=[{"key": request_tags.SUSPEND, "value": "ana"}])
    running.go(30)
    running.quiet()
    scaled(running, 3)
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(300)
    assert set(running.writes()) <= {"UpdateService"}  # the person's own
    assert running.stage.service()["desiredCount"] == 3
    ecs.untag_resource(resourceArn=arn, tagKeys=[request_tags.SUSPEND])
    running.go(60)
    assert len(running.stage.sets()) == 2
    running.go(900)  # fewer tasks come with the new version
    assert running.stage.service()["desiredCount"] == 1


def test_a_plan_that_deletes_too_much_waits_and_the_rest_of_the_loop_goes_on(running: Running) -> None:
    """Blocked is told once; rollouts are still looked after."""
    running.guard = Guard(0, None)
    path = running.files.folder / "tasks.yaml"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    running.files.number += 1
    running.go(120)
    (blocked,) = [one for one in running.entries if one.name == events.PLAN_BLOCKED]
    assert blocked.details["codes"] == ["guard"]
    assert running.writes() == {}
    path.write_text(text, encoding="utf-8")
    running.files.number += 1
    running.go(60)
    assert running.said(events.PLAN_FREE)


def test_a_failed_version_is_reported_with_its_cause(running: Running) -> None:
    """The ending carries why; the stack is otherwise in order."""
    from reconciler.local.scripted import Script

    image = f"*{running.stage.digest('v3')}*"
    running.stage.laptop.script(Script(image=image, exits_after=2.0, exit_code=1, logs=("no database",)))
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v3")
    running.go(600)
    (ended,) = [one for one in running.entries if one.name == events.ROLLOUT_ENDED]
    assert (ended.details["outcome"], ended.details["by"]) == ("Failed", Actor.ENGINE)
    assert ended.details["cause"]
    result = running.loop.queue.results[next(iter(running.loop.queue.results))]
    assert result.step is not None
    assert result.step.phase is Phase.FAILED


@pytest.mark.slow
def test_a_registry_that_is_down_stops_no_rollout(running: Running) -> None:
    """What runs is untouched and nothing is deleted; the version under way ends in its time; the plan waits."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(60)
    fault = running.stage.laptop.aws.faults.add(Fault(kind="unreachable", service="ecr"))
    running.quiet()
    running.go(900)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert set(running.writes()) <= {"ModifyListener", "TagResource", "UntagResource", "UpdateServicePrimaryTaskSet",
                                     "DeleteTaskSet"}  # fmt: skip
    codes = {code for one in running.entries if one.name == events.PLAN_BLOCKED for code in one.details["codes"]}
    assert codes == {"read-failed"}
    running.stage.laptop.aws.faults.remove(fault)
    running.go(600)
    assert running.said(events.PLAN_FREE)


@pytest.mark.slow
def test_a_type_that_cannot_be_read_does_not_slow_down_the_passes(running: Running) -> None:
    """The plan is blocked until it can be read; requests and suspensions are still noticed at the usual interval."""
    running.stage.laptop.aws.faults.add(Fault("denied", service="logs", operation="DescribeLogGroups"))
    running.go(900)
    late = [one for one in running.passes if one.refusals]
    assert len(late) >= 600 / 17
    assert len(running.said(events.PLAN_BLOCKED)) == 1


def kill(running: Running, code: int) -> None:
    """Its newest task ends by itself."""
    laptop = running.stage.laptop
    task = list(laptop.tasks.running.values())[-1]
    container = next(one for one in task.containers if one.log_group)
    lines = ((laptop.tasks._script(task).logged_at, "password=hunter2-9f8e7d6c"),)
    laptop.tasks.control.write_logs(container.log_region, container.log_group, container.log_stream, lines)
    laptop.tasks.kill(task.task_id, code)
    laptop.aws.tick()


def test_why_a_task_stopped_at_rest_is_kept(running: Running) -> None:
    """With its exit code and its last log lines, without secrets; others like it are counted, by a new process as well,
    and where nothing has stopped a pass asks nothing more.
    """
    running.go(60)
    assert running.stage.transport.sent["ListTasks"] == 0
    for _ in range(2):
        kill(running, 137)
        running.go(90)
    (stop,) = running.stops.read()
    assert (stop.address, stop.count, stop.container, stop.exit_code) == (f"service/{SERVICE}", 2, "frontend", 137)
    assert stop.stop_code == "EssentialContainerExited"
    assert (len(stop.log), "hunter2" in str(stop)) == (1, False)
    assert len(running.said(events.TASK_STOPPED)) == 1
    running.restart()
    running.go(60)
    assert [one.count for one in running.stops.read()] == [2]
    running.quiet()
    running.go(120)
    assert running.stage.transport.sent["ListTasks"] == 0


@pytest.mark.slow
def test_who_promoted_what_and_why_is_kept(running: Running) -> None:
    """With the commit, in the store and on the revision, after the next request has replaced the tag."""
    running.files.edit("services/frontend.yaml", "tag: v1", "tag: v2")
    running.go(120)
    result = running.loop.queue.results[Address("service", SERVICE)]
    assert result.step is not None
    running.stage.seen.append(result)
    running.stage.say(RequestVerb.HOLD)
    running.go(30)
    running.stage.say(RequestVerb.PROMOTE, by="bo")
    running.go(20)
    entries = audit_trail(running.documents).read()
    release, commit = result.step.release, running.files.revision.id
    assert [(one.verb, one.by, one.release, one.commit) for one in entries] == [
        ("hold", "ana", release, commit),
        ("promote", "bo", release, commit),
    ]
    answer = running.stage.laptop.client("ecs").describe_task_definition(taskDefinition=SERVICE, include=["TAGS"])
    tags = {tag["key"]: tag["value"] for tag in answer["tags"]}
    assert [(one.verb, one.by) for one in audit_of(tags, "")] == [("hold", "ana"), ("promote", "bo")]
    assert commit_of(tags) == (commit, running.files.revision.subject)
    accepted = [one.details["requested_by"] for one in running.entries if one.name == events.REQUEST_ACCEPTED]
    assert accepted == ["ana", "bo"]
    running.quiet()
    running.restart()  # a new process finds them in the store
    running.go(60)
    assert (len(audit_trail(running.documents).read()), running.said(events.REQUEST_ACCEPTED)) == (2, [])
