"""A stack on the local AWS emulator in this process, with its rollouts: time passes only when somebody waits for it.

    with theatre() as stage:
        stage.push("v1")
        stage.apply()                            # everything made, the first version on its way
        stage.follow()                           # until only a person or a new spec moves anything

Requests to the test listener are answered by what the laptop says a task's image does.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.aws.client import AwsClient, Transport
from reconciler.aws.retry import is_read
from reconciler.aws.session import Boto
from reconciler.controller.until import RolloutSummary, has_begun, has_ended
from reconciler.local.inprocess import Caller, Laptop, laptop_session
from reconciler.model.guard import Guard
from reconciler.model.planner import Consent
from reconciler.model.resource import Address, Call
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.reconcile.drift import DriftMode, DriftRule
from reconciler.reconcile.observe import StackId, owned_ids
from reconciler.reconcile.pass_ import DesiredState
from reconciler.rollout.requests import Request, RequestVerb
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout_driver.driver import RolloutDriver, StepResult
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, rollouts_of
from reconciler.spec import discovery
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.load import Source, load_sources
from reconciler.spec.specs import Specs
from tests.harness.driving import Report, converge, follow
from tests.harness.forked_runs import serial
from tests.harness.seed import SEED

SERVICE = "my-app-frontend"
CLUSTER = "my-app-cluster"
HELLO = (200, "Hello World")


class InProcess(Boto):
    """The product's own transport, over the laptop's clients.

    A question that is asked again before anything has happened that may change its answer is answered from memory: most
    of what a test takes is its questions.
    """

    def __init__(self, laptop: Laptop, before: Callable[[Call], None] | None = None) -> None:
        self.laptop, self.before = laptop, before
        self.region, self.endpoint, self.profile = laptop.aws.region, None, None
        self.sent: Counter[str] = Counter()
        self._known: dict[str, tuple[int, bytes]] = {}

    def _client(self, service: str) -> Any:
        return self.laptop.client(service)

    def perform(self, call: Call) -> dict[str, Any]:
        self.sent[call.operation] += 1
        if self.before is not None:
            self.before(call)
        if not is_read(call) or self.laptop.aws.faults.hits_reads():
            return super().perform(call)
        key, version = f"{call} {sorted(call.params.items())}", self.laptop.aws.version(call.service, call.operation)
        at, text = self._known.get(key, (-1, b""))
        if at == version:
            known: dict[str, Any] = pickle.loads(text)
            return known
        answer = super().perform(call)
        self._known[key] = version, pickle.dumps(answer)
        return answer


@dataclass(slots=True)
class StageClock:
    """The laptop's clock; whoever waits on it makes time pass."""

    laptop: Laptop

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return self.laptop.clock.now()

    def monotonic(self) -> float:
        return self.laptop.clock.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        if event.is_set():
            return True
        assert seconds is not None, "nobody would ever wake it"
        self.laptop.advance(seconds)
        return event.is_set()


@dataclass(slots=True)
class EmulatedStack:
    laptop: Laptop
    texts: dict[str, str] = field(default_factory=dict)
    answers: Callable[[str], tuple[int, str]] = lambda path: HELLO
    terms: dict[str, Any] = field(default_factory=dict)
    folder: Path = SEED
    transport: InProcess = field(init=False)
    desired_state: DesiredState = field(init=False)
    seen: list[StepResult] = field(init=False, default_factory=list)
    driver: RolloutDriver = field(init=False)

    def __post_init__(self) -> None:
        self.transport = InProcess(self.laptop)
        self.restart()

    # -- the process

    def restart(self, transport: Transport | None = None) -> None:
        """A new process: nothing is remembered but what is in AWS and in the specs."""
        self.desired_state = self.compiled()
        aws = AwsClient(transport or self.transport, clock=StageClock(self.laptop))
        smoke = SmokeTests(lambda delivery, subject: "http://test", lambda base, path, host: self.answers(path))
        failure_reporter = FailureReporter({want.address: want for want in self.desired_state.desired})
        self.driver = RolloutDriver(aws, smoke, failure_reporter)

    def compiled(self) -> DesiredState:
        specs = load_sources([replace(source, data=self._changed(source.data)) for source in _sources(self.folder)])
        assert specs.ok, specs.diagnostics
        return self.wish_of(specs)

    def _changed(self, data: bytes) -> bytes:
        for old, new in self.texts.items():
            data = data.replace(old.encode(), new.encode())
        return data

    def wish_of(self, specs: Specs, guard: Guard | None = None, consent: Consent | None = None) -> DesiredState:
        assert specs.stack is not None
        account = self.laptop.aws.account
        place = StackId(specs.stack.name, account, self.laptop.aws.region)
        deliveries = tuple(replace(one, policy=replace(one.policy, **self.terms)) for one in compile_deliveries(specs))
        desired = compile_specs(specs, account=account)
        rules = tuple(DriftRule(one.match, DriftMode(one.mode), one.path, one.reason) for one in specs.stack.drift)
        return DesiredState(place, desired, guard or Guard(), consent or Consent(), deliveries=deliveries, rules=rules)

    def spec(self, **texts: str) -> None:
        """Save a change: `spec(v1="v2")` is `tag: v1` → `tag: v2`; other texts as they are."""
        self.change({f"tag: {old}": f"tag: {new}" for old, new in texts.items()})

    def change(self, texts: Mapping[str, str]) -> None:
        self.texts |= texts
        self.desired_state = self.compiled()
        self.driver.failure_reporter = FailureReporter({want.address: want for want in self.desired_state.desired})

    @property
    def aws(self) -> AwsClient:
        return self.driver.aws

    # -- what a person types

    def serving(self) -> None:
        """The stack as it is once its first version has been deployed; v2 and v3 are pushed, too."""
        self.infrastructure()
        for one in ("v1", "v2", "v3"):
            self.push(one)
        assert not self.apply(has_ended).went_wrong
        self.seen.clear()
        self.transport.sent.clear()

    def by_hand(self, user: str = "alice", tool: str = "console") -> Caller:
        """Somebody who changes the account past the product: `by_hand().client("ec2")`."""
        return self.laptop.by_hand(user, tool)

    def push(self, tag: str, repository: str = SERVICE, content: str = "") -> None:
        """Push an image; `content` makes it another one than the tag's first."""
        self.laptop.client("ecr").put_image(
            repositoryName=repository, imageManifest=image_manifest(content or tag), imageTag=tag
        )

    def digest(self, tag: str) -> str:
        """The digest of a pushed image, by which tasks refer to it."""
        answer = self.laptop.client("ecr").describe_images(repositoryName=SERVICE, imageIds=[{"imageTag": tag}])
        found: str = answer["imageDetails"][0]["imageDigest"]
        return found

    def infrastructure(self) -> Report:
        first = pass_.look(self.aws, discover(), self.desired_state)
        report = converge(
            self.aws, discover(), self.desired_state, first, patience_seconds=3600.0, stop=threading.Event()
        )
        assert not report.last.failed, [(str(one.step), one.because) for one in report.last.failed]
        assert not report.timed_out
        return report

    def rollouts(self, report: Report | None = None) -> tuple[ServiceRollout, ...]:
        return self.jobs_and_missing(report)[0]

    def jobs_and_missing(
        self, report: Report | None = None
    ) -> tuple[tuple[ServiceRollout, ...], dict[Address, NotReady]]:
        world = report.world if report is not None else None
        if world is None:
            world, _ = pass_.look(self.aws, discover(), self.desired_state)
            self.own(world)
        made = report.made if report is not None else None
        return rollouts_of(
            self.desired_state.deliveries, self.desired_state.desired, world, self.desired_state.place.stack, made=made
        )

    def own(self, world: Any) -> None:
        self.aws.mine.add(*owned_ids(world, self.desired_state.place.stack, {}))

    def apply(self, goal: Callable[[StepResult], bool] = has_begun, patience: float | None = 900.0) -> RolloutSummary:
        report = self.infrastructure()
        return self.follow(goal, rollouts=self.rollouts(report), patience=patience)

    def follow(
        self,
        goal: Callable[[StepResult], bool] = has_ended,
        *,
        rollouts: tuple[ServiceRollout, ...] | None = None,
        patience: float | None = 30 * 86_400.0,
    ) -> RolloutSummary:
        return follow(
            self.driver,
            self.rollouts() if rollouts is None else rollouts,
            goal,
            patience_seconds=patience,
            on_result=self.seen.append,
        )

    def say(self, verb: RequestVerb, release: str | None = None, seconds: int = 0, by: str = "ana") -> None:
        seen = self.last.seen
        assert seen is not None
        if release is None:
            release = self.last.step.release if self.last.step is not None else seen.wanted
        now = self.laptop.clock.now()
        request = Request(verb, release, f"i{int(now.timestamp() * 1000)}", now, by, seconds=seconds)
        self.laptop.client("ecs").tag_resource(
            resourceArn=self.last.rollout.subject.service, tags=[{"key": KEYS["request"], "value": request.text()}]
        )

    # -- what there is

    @property
    def last(self) -> StepResult:
        return self.seen[-1]

    @property
    def phases(self) -> list[str]:
        """The phases in their order, each once in a row."""
        found: list[str] = []
        for result in self.seen:
            phase = str(result.step.phase) if result.step is not None else "unread"
            if found[-1:] != [phase]:
                found.append(phase)
        return found

    def service(self) -> dict[str, Any]:
        answer = self.laptop.client("ecs").describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])
        found: dict[str, Any] = answer["services"][0]
        return found

    def tags(self) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self.service()["tags"]}

    def weights(self, port: int) -> dict[str, int]:
        """Target group's name → share, as the listener on `port` has it."""
        elb = self.laptop.client("elbv2")
        groups = {
            item["TargetGroupArn"]: item["TargetGroupName"] for item in elb.describe_target_groups()["TargetGroups"]
        }
        balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        action = next(one for one in listeners if one["Port"] == port)["DefaultActions"][0]
        return {groups[one["TargetGroupArn"]]: one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]}

    def sets(self) -> list[tuple[str, str]]:
        """Status and revision of each task set."""
        return sorted((one["status"], one["taskDefinition"].rpartition("/")[2]) for one in self.service()["taskSets"])


def image_manifest(content: str) -> str:
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 1},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": 1}],
        }
    )


def image_digest(content: str) -> str:
    """The digest of what `push` pushes."""
    return f"sha256:{hashlib.sha256(image_manifest(content).encode()).hexdigest()}"


@cache
def _sources(folder: Path) -> tuple[Source, ...]:
    sources, wrong = discovery.read(folder)
    assert not wrong, wrong
    return tuple(sources)


@contextmanager
def emulated_stack(
    texts: Mapping[str, str] | None = None,
    terms: Mapping[str, Any] | None = None,
    folder: Path = SEED,
    **fields: Any,
) -> Iterator[EmulatedStack]:
    """`texts` are changed in the specs of `folder`, `terms` in the policy of every rollout; `fields` are the laptop's.

    The engine does its work without threads: an AWS that answers at once, in this process, only makes them wait for
    each other. With threads it is in tests/journeys.
    """
    with serial(), laptop_session(**fields) as laptop:
        yield EmulatedStack(laptop, dict(texts or {}), terms=dict(terms or {}), folder=folder)


SHORT: dict[str, Any] = {
    "promote_after": timedelta(minutes=2),
    "verify_for": timedelta(seconds=30),
    "teardown_after": timedelta(minutes=1),
    "drain": timedelta(seconds=30),
    "healthy_within": timedelta(minutes=2),
}
"""Terms under which a rollout has every phase, and is over in five minutes."""
