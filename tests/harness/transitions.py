"""A controller over the emulator while commits come in, and somebody outside who sends requests to port 80.

    with living(documents) as stack:
        stack.settle()
        stack.commit(changed)                   # at any moment: `stack.until(phase)` first
        stack.settle()
        stack.breaches                          # what the outsider saw, and should not have

Time passes from one due moment to the next, and the outsider (tests/harness/listener_watch.py) looks after each, and
before and after each write.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import RevisionTracker
from reconciler.controller.schedule import Intervals
from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.scripted import Script
from reconciler.local.timings import Timings
from reconciler.model.event import Event
from reconciler.model.guard import Guard
from reconciler.model.planner import Consent
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase, RolloutStep, Waiting
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout_driver.driver import StepResult
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import load_sources
from reconciler.store.base import Copies
from tests.harness.emulated_stack import EmulatedStack, InProcess
from tests.harness.forked_runs import serial
from tests.harness.listener_watch import SERVED_PORT, Outsider
from tests.harness.spec_changes import Document, sources

STEP = 5.0
"""Longest time between two looks of the outsider, in seconds."""
LONGEST = 4 * 3600.0
"""Seconds in which everything must have come to rest: far more than all waits of the documents together."""
MOST_REFUSED = 5
"""Writes that AWS refuses in one transition. More is a loop that does not learn."""
TIMINGS = Timings(
    load_balancer_provisioning=5,
    load_balancer_interfaces=10,
    task_provisioning=2,
    task_pull=3,
    task_deprovisioning=2,
    task_interface=5,
    steady_after=3,
    retry_first=2,
    retry_most=60,
    deployment_stage=1,
)
RHYTHM = Intervals(fast=30.0, medium=300.0, full=900.0)


@dataclass(slots=True)
class Commits:
    """A source whose newest revision a test writes."""

    documents: Sequence[Document]
    number: int = 1
    interval: float = 1.0
    name: str = "specs"

    def changed(self, since: str | None) -> bool:
        return since != self._revision.id

    def fetch(self, after: str | None = None) -> Fetched:
        return Fetched(self._revision, sources(self.documents), (), "specs")

    @property
    def _revision(self) -> Revision:
        return Revision(f"rev{self.number:04}", "ana", f"change {self.number}")


@dataclass(slots=True)
class Watched:
    """The transport of the controller; before a deletion the outsider asks who still uses what goes."""

    inner: InProcess
    outsider: Outsider
    writes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    last_write_at: float = 0.0

    def perform(self, call: Call) -> dict[str, Any]:
        if is_read(call):
            return self.inner.perform(call)
        self._before(call)
        try:
            answer = self.inner.perform(call)
        except errors.AwsError:
            self.refused[str(call)] += 1
            raise
        self.writes[str(call)] += 1
        self.last_write_at = self.inner.laptop.clock.monotonic()
        self.outsider.look()
        return answer

    def _before(self, call: Call) -> None:
        if call.operation not in LEAVES:
            return
        ids = [str(one) for key, one in call.params.items() if key in LEAVES[call.operation]]
        for name in ids:
            if users := self._users(name):
                self.outsider.breach(f"{call} of {name}, which {users[0]} still uses")

    def _users(self, name: str) -> list[str]:
        ecs = self.inner.laptop.client("ecs")
        found = []
        for cluster in ecs.list_clusters()["clusterArns"]:
            arns = [
                arn
                for status in ("RUNNING", "PENDING")
                for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
            ]
            for start in range(0, len(arns), 100):
                for task in ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + 100])["tasks"]:
                    if task["desiredStatus"] == "STOPPED" or task["lastStatus"] in ("DEPROVISIONING", "STOPPED"):
                        continue
                    definition = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
                    text = json.dumps([definition["taskDefinition"], task], default=str)
                    if f'"{name}"' in text or f"/{name}" in text:
                        found.append(f"task {task['taskArn'].rpartition('/')[2]}")
        return found


LEAVES: Mapping[str, tuple[str, ...]] = {
    "DeleteLogGroup": ("logGroupName",),
    "DeleteRole": ("RoleName",),
    "DeleteSecurityGroup": ("GroupId",),
    "DeleteSubnet": ("SubnetId",),
    "DeregisterTaskDefinition": ("taskDefinition",),
    "DeleteRepository": ("repositoryName",),
}
"""Deletions after which a running task lacks something, by what names it."""


@dataclass(slots=True)
class LivingStack:
    """A stack that a controller looks after."""

    stage: EmulatedStack
    commits: Commits
    outsider: Outsider
    watched: Watched = field(init=False)
    events: list[Event] = field(default_factory=list)
    controller: Controller = field(init=False)
    phases: list[str] = field(default_factory=list)
    guard: Guard = field(default_factory=Guard)
    copies: Copies | None = None
    began: float = 0.0

    def __post_init__(self) -> None:
        self.watched = Watched(self.stage.transport, self.outsider)
        self.restart()

    @property
    def laptop(self) -> Laptop:
        return self.stage.laptop

    @property
    def breaches(self) -> list[str]:
        return self.outsider.breaches

    def restart(self, transport: Transport | None = None) -> None:
        """A new process: nothing is remembered but what is in AWS, in the specs and, if there is one, in the store."""
        self.stage.restart(transport or self.watched)
        recorder = EventRecorder(self.stage.aws.clock, (self.events.append,))
        tracker = RevisionTracker(
            self.commits,
            lambda specs: self.stage.wish_of(specs, self.guard, Consent()),
            recorder,
            store=None if self.copies is None else AcceptedRevision(self.copies),
        )
        self.controller = Controller(
            self.stage.aws, discover(), tracker, recorder, self.stage.driver.smoke, rhythm=RHYTHM
        )

    # -- what people do

    def commit(self, documents: Sequence[Document]) -> None:
        before = self.commits.documents
        self.commits.documents, self.commits.number = tuple(documents), self.commits.number + 1
        self.outsider.expect(_wanted(before, documents))
        self.watched.writes.clear()
        self.watched.refused.clear()
        self.began = self.laptop.clock.monotonic()

    def ask(self, verb: RequestVerb) -> None:
        """A request for the release that is under way."""
        (result,) = self.results
        self.stage.seen.append(result)
        self.stage.say(verb)

    def retry(self) -> bool:
        """What `status` offers for a version that failed for reasons that were declared. False if none is failed."""
        failed = [one for one in self.results if one.step is not None and one.step.phase is Phase.FAILED]
        for result in failed:
            assert result.seen is not None
            self.stage.seen.append(result)
            self.stage.say(RequestVerb.RETRY, result.seen.wanted)
        return bool(failed)

    # -- time

    def go(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Rounds of the controller until that time has passed, or `until` is true after one."""
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            self.controller.round()
            self.outsider.look()
            self._note()
            if until():
                return
            self._pass(max(0.05, min(self.controller.pause(), end - clock.monotonic())))

    def _pass(self, seconds: float) -> None:
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > 1e-6:
            due = self.laptop.aws.wake_at
            next_ = left if due is None else max(0.01, (due - clock.now()).total_seconds())
            self.laptop.advance(min(left, next_, STEP))
            self.outsider.look()

    def until(self, phase: Phase, within: float = LONGEST) -> bool:
        """Until a rollout is in that phase; False if none gets there."""

        def there() -> bool:
            return any(one.step is not None and one.step.phase is phase for one in self.results)

        self.go(within, there)
        return there()

    def settle(self, within: float = LONGEST) -> bool:
        """Until nothing has been written for a while and nothing is due but the next pass; False if that never is."""
        clock = self.laptop.clock
        end = clock.monotonic() + within
        while clock.monotonic() < end:
            self.go(60.0)
            quiet = clock.monotonic() - max(self.watched.last_write_at, self.began)
            if self.resting and quiet >= 180:
                return True
        return False

    # -- what is known

    @property
    def results(self) -> list[StepResult]:
        return list(self.controller.queue.results.values())

    @property
    def last(self) -> PassResult:
        assert self.controller.last is not None
        return self.controller.last

    @property
    def resting(self) -> bool:
        return all(
            one.at_rest or one.stuck or (one.step is not None and one.step.until is None and _waits(one, one.step))
            for one in self.results
        )

    def _note(self) -> None:
        for result in self.results:
            phase = str(result.step.phase) if result.step is not None else "unread"
            if self.phases[-1:] != [phase]:
                self.phases.append(phase)

    def why_not_in_place(self) -> list[str]:
        """Reasons, in words, why the account is not what was committed; empty if it is."""
        tracker = self.controller.revisions
        because = [tracker.rejected] if tracker.rejected else []
        because += [one.because for one in self.last.refusals]
        because += [one.because for one in self.last.plan.deferred]
        because += [one.because for one in self.controller.queue.missing.values()]
        for result in self.results:
            if result.error is not None:
                because.append(str(result.error))
            elif result.step is not None and result.step.phase is not Phase.IDLE:
                because.append(f"{result.step.phase}: {result.step.because}")
            elif result.seen is not None and result.seen.waits:
                because.append(result.seen.waits)
        return because

    def unserved(self) -> dict[str, tuple[int, str]]:
        """Load balancer → targets that it should have by the specs, and what the outsider gets, where that is less."""
        found, served = {}, self.outsider.served()
        for name, least in wanted_targets(self.commits.documents).items():
            has = served.get(name)
            if least is not None and (has is None or has.share_lost or has.healthy < least):
                found[name] = (least, "no listener" if has is None else f"{has.healthy}, {has.share_lost:.0%} lost")
        return found


def wanted_targets(documents: Sequence[Document]) -> dict[str, int | None]:
    """Load balancer → targets that it should have by these documents."""
    return _wanted(documents, documents)


def _wanted(before: Sequence[Document], after: Sequence[Document]) -> dict[str, int | None]:
    """Load balancer → targets that it should have: None where the specs no longer say that it serves `/` on port 80."""
    return {name: least_of(after, name) for name in {_balancer(one) for one in before} if name}


def least_of(documents: Sequence[Document], balancer: str) -> int | None:
    listeners = [
        listener
        for one in documents
        if one["kind"] == "LoadBalancer" and one["name"] == balancer
        for listener in one.get("listeners", {}).items()
    ]
    for service in documents:
        if _balancer(service) != balancer:
            continue
        traffic = service["traffic"]
        name = traffic.get("listener", "production")
        port = next((listener.get("port") for key, listener in listeners if key == name), None)
        paths = traffic.get("match", {}).get("path", "/*")
        if port != SERVED_PORT or traffic.get("match", {}).get("host") or "/*" not in paths:
            return None
        count = service.get("scaling", {}).get("min", service.get("desired_count", 1))
        return int(count) or None
    return None


def _balancer(document: Document) -> str:
    return str((document.get("traffic") or {}).get("load_balancer", "")) if document["kind"] == "Service" else ""


@contextmanager
def living(documents: Sequence[Document], images: Sequence[str] = ("v1", "v2", "v3", "bad")) -> Iterator[LivingStack]:
    """The first version of the documents is in place and serves. Tasks of the image `bad` never become healthy."""
    specs = load_sources(list(sources(documents)))
    assert specs.ok, specs.diagnostics
    with serial(), laptop_session(timings=TIMINGS) as laptop:
        laptop.targets.first_check_after = 2.0
        stage = EmulatedStack(laptop)
        outsider = Outsider(laptop)
        stack = LivingStack(stage, Commits(tuple(documents)), outsider)
        registry = next(one["name"] for one in documents if one["kind"] == "Registry")
        stack.go(30.0)
        for tag in images:
            stage.push(tag, registry)
        bad = _image(laptop, registry, "bad")
        if bad:
            laptop.script(Script(image=f"*{bad}*", healthy=False))
        assert stack.settle(), stack.why_not_in_place()
        assert not stack.why_not_in_place(), stack.why_not_in_place()
        stack.phases.clear()
        stack.events.clear()
        yield stack


def _image(laptop: Laptop, registry: str, tag: str) -> str:
    found = laptop.client("ecr").describe_images(repositoryName=registry, imageIds=[{"imageTag": tag}])
    return str(found["imageDetails"][0]["imageDigest"])


def _waits(one: StepResult, step: RolloutStep) -> bool:
    """Whether nothing but a person continues it, although it may be observed again and again until then."""
    return one.waits or (step.waits_for is Waiting.PERSON and not one.busy)
