"""S2, S4, S5, S6 for rollouts: killed at any write, or robbed of its answer, and started anew: the same end, not early.

A stage (tests/harness/emulated_stack.py) is brought to where a scenario begins; a process then lives to the scenario's
end, and on the way is forked, and crashed in the fork, around each of its writes. Whatever is written, by whichever
process, goes past a `Watch`, which knows what the emulator knows at that moment, and remembers what no process does.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import structlog

from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.controller.until import has_begun, has_ended
from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script
from reconciler.model.resource import Call
from reconciler.rollout import state_tags
from reconciler.rollout.actions import RunTests
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS, Deadline, DeadlineKind
from reconciler.rollout.strategy import Share
from reconciler.rollout_driver import restarts
from reconciler.rollout_driver.driver import StepResult
from tests.harness.crash import Everywhere, How, Point
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, InProcess, emulated_stack
from tests.harness.forked_runs import apart, serial
from tests.promises.conftest import Record, sample_or_all

SEED = 20261123
LONGEST = 6 * 3600.0
MINUTE = timedelta(minutes=1)
AT = re.compile(r":1767\d{6}")
STOPPED = re.compile(r"\d+ tasks stopped")  # they go on stopping while nobody looks
CREATED_BY = re.compile(r"d-[A-Z0-9]{9}")  # a deployment of CodeDeploy's
MADE = (
    "CreateTaskSet",
    "DeleteTaskSet",
    "RegisterTaskDefinition",
    "UpdateService",
    "CreateDeployment",
    "ContinueDeployment",
    "StopDeployment",
    "ContinueServiceDeployment",
    "StopServiceDeployment",
)


@dataclass(slots=True)
class Watch:
    """What was made by whomever, and what was wrong with it at the moment at which it was done.

    `moved` is when production's weights were last changed, `left` when a group had its last request at the latest.
    """

    laptop: Laptop
    gated: bool
    made: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in MADE})
    deadlines: list[Deadline] = field(default_factory=list)
    approved: bool = False
    breaches: list[str] = field(default_factory=list)
    writes: Counter[str] = field(default_factory=Counter)
    moved: datetime | None = None
    left: dict[str, datetime] = field(default_factory=dict)
    began: dict[str, datetime] = field(default_factory=dict)

    def before(self, call: Call) -> None:
        match call.operation:
            case "ModifyListener" if call.params["ListenerArn"] == self.listener(80)["ListenerArn"]:
                self._before_a_move(call)
            case "DeleteTaskSet":
                self._before_a_deletion(call.params["taskSet"])
            case "ContinueDeployment":
                self._before_a_continuation(call)
            case "ContinueServiceDeployment":
                self._before_a_hook_completes(call)

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Only what was carried out."""
        now = self.laptop.clock.now()
        self.writes[call.operation] += 1
        match call.operation:
            case "CreateTaskSet":
                one = answer["taskSet"]
                self.made["CreateTaskSet"].add(one["id"])
                self.began.setdefault(one["loadBalancers"][0]["targetGroupArn"], now)
            case "DeleteTaskSet":
                self.made["DeleteTaskSet"].add(answer["taskSet"]["id"])
            case "RegisterTaskDefinition":
                self.made["RegisterTaskDefinition"].add(answer["taskDefinition"]["taskDefinitionArn"])
            case "UpdateService":
                self.made["UpdateService"].add(f"{self.writes['UpdateService']}")
            case "CreateDeployment":
                self.made["CreateDeployment"].add(answer["deploymentId"])
            case "ContinueDeployment":
                self.made["ContinueDeployment"].add(
                    f"{call.params['deploymentId']} {call.params['deploymentWaitType']}"
                )
            case "StopDeployment":
                self.made["StopDeployment"].add(call.params["deploymentId"])
            case "ContinueServiceDeployment":
                self.made["ContinueServiceDeployment"].add(call.params["hookId"])
            case "StopServiceDeployment":
                self.made["StopServiceDeployment"].add(call.params["serviceDeploymentArn"])
            case "ModifyListener":
                self.moved = now
            case "TagResource":
                tags = {tag["key"]: tag["value"] for tag in call.params["tags"]}
                found = state_tags.of_tags(tags)
                self.deadlines += [found.deadline] if found.deadline is not None else []
                self.approved |= found.response is not None and found.response.accepted

    def counts(self) -> dict[str, int]:
        return {name: len(made) for name, made in self.made.items()}

    # -- S3, S4: where production may point, and when

    def _before_a_move(self, call: Call) -> None:
        now, was, becomes = self.laptop.clock.now(), weights(self.listener(80)), weights(call.params)
        for group, weight in becomes.items():
            states = [one.state for one in self.laptop.targets.states(group)]
            if weight and "healthy" not in states:
                self._breach("S4", f"production is pointed at {_name(group)}, whose targets are {states}")
        for group, weight in was.items():
            if weight and not becomes.get(group, 0):
                self.left[group] = now
        for group in becomes:
            if becomes[group] > was.get(group, 0) and group in self.began:
                self._before_a_share(group, first=not was.get(group, 0))

    def _before_a_continuation(self, call: Call) -> None:
        """CodeDeploy moves production to the tasks of a deployment, or removes those that were there before."""
        green = next(one for one in self.service()["taskSets"] if one.get("externalId") == call.params["deploymentId"])
        group, now = green["loadBalancers"][0]["targetGroupArn"], self.laptop.clock.now()
        if call.params["deploymentWaitType"] == "TERMINATION_WAIT":
            blue = next(one for one in self.service()["taskSets"] if one["id"] != green["id"])
            self._before_a_deletion(blue["id"])
            return
        states = [one.state for one in self.laptop.targets.states(group)]
        if "healthy" not in states:
            self._breach("S4", f"production is pointed at {_name(group)}, whose targets are {states}")
        self.began.setdefault(group, green["createdAt"])
        self.left |= {other: now for other in weights(self.listener(80)) if other != group}
        self._before_a_share(group, first=True)

    def _before_a_hook_completes(self, call: Call) -> None:
        """ECS moves production to the new tasks once none is left: the tests' comes first, and then the gate's."""
        arn, now = call.params["serviceDeploymentArn"], self.laptop.clock.now()
        answer = self.laptop.client("ecs").describe_service_deployments(serviceDeploymentArns=[arn])
        waiting = [
            one
            for one in answer["serviceDeployments"][0]["lifecycleHookDetails"]
            if one["status"] == "AWAITING_ACTION" and one["hookId"] != call.params["hookId"]
        ]
        if waiting and any(one["timeoutAction"] == "ROLLBACK" for one in waiting):
            self._breach("S6", "the gate is opened before the tests have passed")
        for group, weight in weights(self.listener(80)).items():
            states = [one.state for one in self.laptop.targets.states(group)]
            if not waiting and not weight and "healthy" not in states:
                self._breach("S4", f"production is pointed at {_name(group)}, whose targets are {states}")
        if not waiting:
            self._not_before(DeadlineKind.GATE, "production moves", now)

    def _before_a_share(self, group: str, *, first: bool) -> None:
        """Of a version that is on its way in: its gate, or the share that it has already, had its time."""
        now = self.laptop.clock.now()
        stage = DeadlineKind.GATE if first else DeadlineKind.AT
        self._not_before(stage, "production moves", now)
        if first and self.gated and not self.approved and now - self.began[group] < SHORT["promote_after"]:
            self._breach("S6", "production moves sooner after green was made than the gate stays shut")
        if not first and self.moved is not None and now - self.moved < MINUTE:
            self._breach("S6", "production moves on sooner than a share is watched")

    # -- S5: whose tasks may be stopped, and when

    def _before_a_deletion(self, task_set: str) -> None:
        now, live = self.laptop.clock.now(), weights(self.listener(80))
        here = self.service().get("taskSets") or []
        one = next((each for each in here if task_set in (each["id"], each["taskSetArn"])), None)
        if one is None:
            return
        group = one["loadBalancers"][0]["targetGroupArn"]
        if live.get(group):
            self._breach("S5", "tasks that production references are stopped")
        for other, weight in live.items():
            if weight and not any(found.state == "healthy" for found in self.laptop.targets.states(other)):
                self._breach("S5", "tasks are stopped while the side that serves has none that is healthy")
        if group in self.left and now - self.left[group] < SHORT["drain"]:
            self._breach("S5", "tasks are stopped while requests may be under way to them")
        newest = self.deadlines[-1].stage if self.deadlines else None
        if newest in (DeadlineKind.WARM, DeadlineKind.RETIRE):
            self._not_before(newest, "a side is deleted", now, "S5")
        if newest is DeadlineKind.WARM and now - self.left[group] < SHORT["verify_for"] + SHORT["teardown_after"]:
            self._breach("S5", "blue is deleted sooner after the switch than it stays")

    # -- S6

    def _not_before(self, stage: DeadlineKind, what: str, now: datetime, promise: str = "S6") -> None:
        """The latest deadline that was ever stored for it counts: a later process may not shorten it."""
        if stage is DeadlineKind.GATE and (self.approved or not self.gated):
            return
        stored = [one.at for one in self.deadlines if one.stage is stage and one.at is not None]
        if not stored:
            self._breach(promise, f"{what}, and no deadline of {stage} was ever stored")
        elif now < max(stored):
            self._breach(promise, f"{what} {max(stored) - now} before the deadline of {stage}")

    # -- what there is

    def listener(self, port: int) -> dict[str, Any]:
        elb = self.laptop.client("elbv2")
        balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        found: dict[str, Any] = next(one for one in listeners if one["Port"] == port)
        return found

    def service(self) -> dict[str, Any]:
        answer = self.laptop.client("ecs").describe_services(cluster=CLUSTER, services=[SERVICE])
        found: dict[str, Any] = answer["services"][0]
        return found

    def _breach(self, promise: str, text: str) -> None:
        self.breaches.append(f"{promise}: {text} ({self.laptop.clock.now():%H:%M:%S})")


def weights(listener: dict[str, Any]) -> dict[str, int]:
    forward = listener["DefaultActions"][0]["ForwardConfig"]
    return {one["TargetGroupArn"]: one["Weight"] for one in forward["TargetGroups"]}


def _name(group: str) -> str:
    return group.split("/")[-2]


class Watched(InProcess):
    """The way into the local AWS emulator, past the watch: what comes here is carried out, whoever dies of it."""

    def __init__(self, laptop: Laptop, watch: Watch) -> None:
        super().__init__(laptop)
        self.watch = watch

    def perform(self, call: Call) -> dict[str, Any]:
        if is_read(call):
            return super().perform(call)
        self.watch.before(call)
        answer = super().perform(call)
        self.watch.after(call, answer)
        return answer


# -- scenarios


@dataclass(frozen=True, slots=True)
class Scenario:
    """`begin` brings a stage that serves v1 to where it begins. `ends` is the phase in which it does."""

    name: str
    begin: Callable[[EmulatedStack], None]
    ends: Phase = Phase.IDLE
    texts: dict[str, str] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    gated: bool = True


def _next(stage: EmulatedStack) -> None:
    stage.spec(v1="v2")


def _failing(stage: EmulatedStack) -> None:
    stage.laptop.script(Script(image=f"*{digest(stage, 'v3')}*", exits_after=2.0, exit_code=1))
    stage.spec(v1="v3")


def _broken(stage: EmulatedStack) -> None:
    stage.laptop.script(Script(image=f"*{digest(stage, 'v3')}*", healthy=False, exits_after=1.0, exit_code=1))
    stage.spec(v1="v3")


def _going_back(stage: EmulatedStack) -> None:
    stage.spec(v1="v2")
    stage.apply(was_promoted)
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.BAKING
    stage.say(RequestVerb.ROLLBACK)


def _at_the_gate(stage: EmulatedStack) -> None:
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)


def _superseding(stage: EmulatedStack) -> None:
    _at_the_gate(stage)
    stage.spec(v1="v3", v2="v3")


def _restarting(stage: EmulatedStack) -> None:
    stage.follow(has_ended)
    stage.say(RequestVerb.RESTART)


def _stopped(stage: EmulatedStack) -> None:
    """In the console, and rolled back by CodeDeploy."""
    _at_the_gate(stage)
    client = stage.laptop.client("codedeploy")
    (active,) = client.list_deployments(includeOnlyStatuses=["Ready"])["deployments"]
    client.stop_deployment(deploymentId=active, autoRollbackEnabled=True)


def _stopped_in_ecs(stage: EmulatedStack) -> None:
    """In the console, and rolled back by ECS."""
    _at_the_gate(stage)
    client = stage.laptop.client("ecs")
    (active,) = client.list_service_deployments(service=SERVICE, cluster=CLUSTER, status=["IN_PROGRESS"])[
        "serviceDeployments"
    ]
    client.stop_service_deployment(serviceDeploymentArn=active["serviceDeploymentArn"], stopType="ROLLBACK")


def digest(stage: EmulatedStack, tag: str) -> str:
    answer = stage.laptop.client("ecr").describe_images(repositoryName=SERVICE, imageIds=[{"imageTag": tag}])
    found: str = answer["imageDetails"][0]["imageDigest"]
    return found


SHARES = (Share(10, MINUTE), Share(50, MINUTE))
ROLLING = {"deployment: careful": "", "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]"}

CODEDEPLOY = {"type: blue_green": "type: blue_green\nengine: codedeploy"}
NATIVE = {"type: blue_green": "type: blue_green\nengine: ecs_native"}
NATIVE_CANARY = {"type: blue_green": "type: canary\nengine: ecs_native\nsteps: [{weight: 10, pause: 1m}]"}
CODEDEPLOY_CANARY = {"type: blue_green": "type: canary\nengine: codedeploy\nsteps: [{weight: 10, pause: 1m}]"}

SCENARIOS = {
    one.name: one
    for one in (
        Scenario("blue/green", _next),
        Scenario("canary", _next, terms={"shares": SHARES}),
        Scenario("rollback", _going_back, Phase.ROLLED_BACK),
        Scenario("failed green", _failing, Phase.FAILED),
        Scenario("CodeDeploy", _next, texts=CODEDEPLOY),
        Scenario("CodeDeploy, canary", _next, texts=CODEDEPLOY_CANARY),
        Scenario("CodeDeploy, rollback", _going_back, Phase.ROLLED_BACK, texts=CODEDEPLOY),
        Scenario("CodeDeploy, failed green", _failing, Phase.FAILED, texts=CODEDEPLOY),
        Scenario("ECS native", _next, texts=NATIVE),
        Scenario("ECS native, canary", _next, texts=NATIVE_CANARY),
        Scenario("ECS native, rollback", _going_back, Phase.ROLLED_BACK, texts=NATIVE),
        Scenario("ECS native, failed green", _broken, Phase.FAILED, texts=NATIVE),
        Scenario("CodeDeploy, superseded", _superseding, texts=CODEDEPLOY),
        Scenario("CodeDeploy, stopped outside", _stopped, Phase.FAILED, texts=CODEDEPLOY),
        Scenario("ECS native, superseded", _superseding, texts=NATIVE),
        Scenario("ECS native, stopped outside", _stopped_in_ecs, Phase.FAILED, texts=NATIVE),
        Scenario("restart", _restarting, gated=False),
        Scenario("CodeDeploy, restart", _restarting, texts=CODEDEPLOY, gated=False),
        Scenario("ECS native, restart", _restarting, texts=NATIVE, gated=False),
        Scenario("rolling, restart", _restarting, texts=ROLLING, gated=False),
        Scenario("rolling", _next, texts=ROLLING, gated=False),
        Scenario("rolling, circuit breaker", _broken, Phase.ROLLED_BACK, texts=ROLLING, gated=False),
    )
}
NAMES = list(SCENARIOS)


@dataclass(frozen=True, slots=True)
class Beginning:
    """A stage where a scenario begins, and what comes of it undisturbed. Whoever uses it does so in a fork."""

    scenario: Scenario
    stage: EmulatedStack
    watch: Watch
    right: dict[str, Any]
    writes: list[int]


@contextmanager
def beginning(scenario: Scenario) -> Iterator[Beginning]:
    with serial(), emulated_stack(scenario.texts, SHORT | scenario.terms) as stage:
        stage.serving()
        watch = Watch(stage.laptop, scenario.gated)
        if scenario.begin is _going_back:  # what is gone back from is watched, too
            stage.transport = Watched(stage.laptop, watch)
            stage.restart()
        scenario.begin(stage)
        stage.transport = Watched(stage.laptop, watch)
        stage.restart()
        watch.made = {name: set() for name in MADE}
        right, writes = reference(stage, watch)
        assert right["phase"] == scenario.ends
        yield Beginning(scenario, stage, watch, right, writes)


PLAIN = ("blue/green", "rollback", "failed green", "CodeDeploy", "ECS native")
"""Scenarios that every run of the tests crashes once; the others are for `make promises`."""


@pytest.fixture(
    scope="module", params=[pytest.param(one, marks=[] if one in PLAIN else [pytest.mark.slow]) for one in NAMES]
)
def begun(request: pytest.FixtureRequest) -> Iterator[Beginning]:
    """Each scenario once."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with beginning(SCENARIOS[request.param]) as found:
        yield found


# -- processes


def live(stage: EmulatedStack, transport: Transport, goal: Callable[[StepResult], bool] = has_ended) -> bool:
    """A process: it knows nothing, looks, and goes on until the goal is reached; whether it came to the end."""
    stage.restart(transport)
    stage.seen.clear()
    report = stage.infrastructure()
    followed = stage.follow(goal, rollouts=stage.rollouts(report), patience=LONGEST)
    if any(restarts.accepted(result.done) for result in stage.seen):  # the next pass knows the release
        followed = stage.follow(goal, patience=LONGEST)
    assert not followed.timed_out, f"it never ended: {stage.phases} {stage.last.step}"
    assert not followed.refused, [result.error for result in followed.refused]
    return all(result.at_rest for result in followed.results)


def census(stage: EmulatedStack, watch: Watch) -> dict[str, Any]:
    """The end, apart from times and what AWS makes up."""
    service = stage.service()
    tasks = stage.laptop.client("ecs").list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    definitions = stage.laptop.client("ecs").list_task_definitions(familyPrefix=SERVICE)["taskDefinitionArns"]
    sets = service.get("taskSets") or []
    deployments = service.get("deployments") or []
    shifted = sets or (service.get("loadBalancers") or [{}])[0].get("advancedConfiguration")
    shares = {port: stage.weights(port) for port in (80, 9000)} if shifted else {}
    told = {key: text for key, text in stage.tags().items() if key not in (KEYS["response"], KEYS["times"])}
    tags = {key: AT.sub("", STOPPED.sub("tasks stopped", text)) for key, text in told.items()}
    return {
        "phase": str(stage.last.step.phase) if stage.last.step is not None else "unread",
        "sets": [(one["status"], _created_by(one), one["scale"]["value"], one["runningCount"]) for one in sets],
        "revisions of sets": stage.sets() if sets else [],
        "deployments": [(one["status"], one["taskDefinition"], one["runningCount"]) for one in deployments],
        "definition": service.get("taskDefinition"),
        "weights": shares,
        "tags": tags,
        "tasks": len(tasks),
        "revisions": len(definitions),
        "counts": watch.counts(),
    }


def _created_by(task_set: dict[str, Any]) -> str:
    return CREATED_BY.sub("a deployment", task_set.get("externalId") or "")


def violations(begun: Beginning) -> list[str]:
    """A new process comes after what happened. Where its end is another, or something was wrong on the way."""
    stage, watch, right = begun.stage, begun.watch, begun.right
    assert live(stage, stage.transport)
    found = census(stage, watch)
    told = [f"{key} is {found[key]}, not {right[key]}" for key in right if found[key] != right[key]]
    before = watch.writes.total()
    live(stage, stage.transport)
    more = watch.writes.total() - before
    return told + watch.breaches + ([f"{more} writes after the end"] if more else [])


class Counting:
    """A transport that remembers at which calls something is written."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.calls = 0
        self.writes: list[int] = []

    def perform(self, call: Call) -> dict[str, Any]:
        if not is_read(call):
            self.writes.append(self.calls)
        self.calls += 1
        return self.inner.perform(call)


def reference(stage: EmulatedStack, watch: Watch) -> tuple[dict[str, Any], list[int]]:
    """The undisturbed end, and the numbers of the calls that write; in a world of its own."""

    def work() -> tuple[dict[str, Any], list[int]]:
        counting = Counting(stage.transport)
        assert live(stage, counting)
        assert not watch.breaches, watch.breaches
        return census(stage, watch), counting.writes

    return apart(work)


# -- the promises


@pytest.mark.parametrize("number", sample_or_all(1, None))
def test_a_rollout_crashed_at_a_write_ends_as_if_it_had_not_been(
    begun: Beginning, record: Record, number: int | None
) -> None:
    """Same sets, weights, revision, marks and counts; no deadline early; production always on a healthy group."""
    name, stage = begun.scenario.name, begun.stage
    every = [Point(call, how) for call in begun.writes for how in How]
    points = every if number is None else random.Random(f"{SEED} {name}").sample(every, number)

    def work() -> list[tuple[Point, str, Any]]:
        gate = Everywhere(stage.transport, points, lambda point, at: violations(begun))
        return gate.over(lambda transport: live(stage, transport))

    said = apart(work)
    assert len(said) == len(points)
    found = [f"{name}, {point} ({call}): {text}" for point, call, wrong in said for text in wrong]
    what = f"rollout: {name}, crashed once"
    record("S2", what, worlds=len(said), violations=len(found), writes=len(begun.writes))
    for promise in ("S4", "S5", "S6"):
        record(promise, what, worlds=len(said), violations=sum(f" {promise}: " in text for text in found))
    assert not found, f"seed {SEED}:\n" + "\n".join(found)


@pytest.mark.slow
def test_a_rollout_whose_process_is_new_after_each_write_ends_the_same(begun: Beginning, record: Record) -> None:
    """Each process lives until it has written something, and the next one knows nothing of it."""
    stage = begun.stage

    def work() -> tuple[int, list[str]]:
        processes = 1
        while not live(stage, stage.transport, lambda result: wrote(result) or has_ended(result)):
            processes += 1
            assert processes < 100, stage.last.step
        return processes, violations(begun)

    processes, found = apart(work)
    what = f"rollout: {begun.scenario.name}, a process for each write"
    record("S6", what, worlds=1, violations=len(found), processes=processes)
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_a_rollout_restarted_at_random_ends_the_same(begun: Beginning, record: Record) -> None:
    """Processes of 1 to 9 looks, one after the other, with nobody there for a while between some of them."""
    seeds = 5
    name, stage, found = begun.scenario.name, begun.stage, list[str]()

    def world(seed: int) -> list[str]:
        dice = random.Random(f"{SEED} {name} {seed}")
        for _ in range(1000):
            looks = dice.randint(1, 9)
            if live(stage, stage.transport, partial(old, stage, looks)):
                return violations(begun)
            stage.laptop.advance(dice.choice([0, 0, 1, 5, 20]))
        return [f"no end after 1000 processes: {stage.last.step}"]

    for seed in range(seeds):
        found += [f"{name}, seed {seed}: {text}" for text in apart(partial(world, seed))]
    record("S6", f"rollout: {name}, restarted at random", worlds=seeds, violations=len(found), seeds=f"0-{seeds - 1}")
    assert not found, f"seed {SEED}:\n" + "\n".join(found)


@pytest.mark.slow
def test_a_process_that_lives_for_one_look_decides_nothing(begun: Beginning) -> None:
    """It cannot know what the one before it wrote a moment ago: twenty of them in a row write nothing at all."""
    stage, watch = begun.stage, begun.watch

    def work() -> int:
        live(stage, stage.transport, has_begun)
        rollouts, before = stage.rollouts(), watch.writes.total()
        for _ in range(20):
            stage.restart()
            stage.follow(lambda result: True, rollouts=rollouts)
            stage.laptop.advance(5)
        assert not watch.breaches
        return watch.writes.total() - before

    assert apart(work) == 0


def wrote(result: StepResult) -> bool:
    return any(not isinstance(one, RunTests) for one in result.done)


def old(stage: EmulatedStack, looks: int, result: StepResult) -> bool:
    return len(stage.seen) >= looks or has_ended(result)
