"""Several things at once: commits, requests, changes by hand in the account, faults and restarts, from a seed.

    play = Play(stack)                         # tests/harness/transitions.py, in any phase
    for event in events(random.Random(7)):
        play.play(event)
    play.settle()
    play.as_told()                             # what `status` says that a person may do
    stack.breaches

Production may suffer from what a person or a fault does to it, until it has come back: then it is watched again.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from reconciler.local.faults import CALL_FAULTS, Fault, FaultKind
from reconciler.local.scripted import Script
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout.requests import ANY, OF_THE_SERVICE, Request, RequestVerb
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout_driver.driver import StepResult
from tests.harness.emulated_stack import CLUSTER, SERVICE
from tests.harness.listener_watch import SERVED_PORT, Outsider
from tests.harness.spec_changes import Document
from tests.harness.transitions import LONGEST, LivingStack, Watched, wanted_targets

RECOVERY: Final = 60.0
"""Seconds in which what somebody did to production shows its effect."""
GAPS: Final = (0, 0, 3, 7, 20, 45, 90, 150, 300, 600)
COMMITS: Final = ("v3", "v3", "v2", "v1", "bad", "missing", "0 tasks", "3 tasks", "scaling")
HANDS: Final = (
    "production to green", "production to blue", "production to both", "production to nobody",
    "the primary task set deleted", "another task set deleted", "a task set scaled to 0", "the service scaled to 0",
    "the test listener deleted", "the production listener deleted", "a tag removed", "a tag garbled",
    "a task stopped", "all tasks stopped", "another task set made primary", "the service deleted",
)  # fmt: skip
CALLS: Final = (
    "*", "CreateTaskSet", "DeleteTaskSet", "UpdateTaskSet", "ModifyListener", "TagResource", "UntagResource",
    "UpdateServicePrimaryTaskSet", "UpdateService", "DescribeServices", "DescribeTargetHealth", "DescribeListeners",
    "RegisterTaskDefinition", "ModifyTargetGroup", "RegisterScalableTarget", "GetResources",
)  # fmt: skip
EXTERNAL_HANDS: Final = ("the primary task set deleted", "a task set scaled to 0")
"""What ECS has for services with the EXTERNAL controller."""
CODEDEPLOY_HANDS: Final = (
    "a deployment created", "the deployment stopped", "the deployment stopped without a rollback",
    "the deployment continued", "the wait for termination ended",
)  # fmt: skip
CODEDEPLOY_CALLS: Final = (
    "CreateDeployment", "ContinueDeployment", "StopDeployment", "ListDeployments", "BatchGetDeployments",
    "BatchGetDeploymentTargets",
)  # fmt: skip
"""What there is besides where CodeDeploy deploys."""
REFUSALS: Final[tuple[FaultKind, ...]] = ("throttle", "error", "error_after", "lost", "unreachable", "denied")
TASKS: Final[tuple[FaultKind, ...]] = ("no_capacity", "image_missing", "slow_start", "spot_interruption")


@dataclass(frozen=True, slots=True)
class Event:
    """`what` happens, `after` seconds since the event before it; a fault lasts `minutes`."""

    after: int
    kind: str
    what: str = ""
    call: str = "*"
    minutes: int = 1

    def __str__(self) -> str:
        where = f" of {self.call}" if self.kind == "refused" else ""
        return f"+{self.after} s {self.kind} {self.what}{where}".rstrip()


def events(dice: random.Random, *, codedeploy: bool = False) -> list[Event]:
    """Two to four events of different kinds, and sometimes of the same."""
    hands, calls = HANDS, CALLS
    if codedeploy:
        hands = tuple(one for one in HANDS if one not in EXTERNAL_HANDS) + CODEDEPLOY_HANDS * 2
        calls += CODEDEPLOY_CALLS
    kinds = ("commit", "request", "by hand", "refused", "tasks", "ill", "restart", "protect")
    chosen = dice.choices(kinds, weights=(3, 3, 4, 2, 2, 1, 1, 1), k=dice.choice((2, 3, 3, 4)))
    pools: Mapping[str, Sequence[str]] = {
        "commit": COMMITS,
        "request": [str(verb) for verb in RequestVerb],
        "by hand": hands,
        "refused": REFUSALS,
        "tasks": TASKS,
        "ill": ("",),
        "restart": ("",),
        "protect": ("",),
    }
    return [
        Event(dice.choice(GAPS), kind, dice.choice(pools[kind]), dice.choice(calls), dice.choice((1, 3, 8)))
        for kind in chosen
    ]


@dataclass(slots=True)
class Watch(Outsider):
    """Each load balancer that serves has to go on, with as many targets as it had, up to what is wanted.

    `excused`: until then, and until production is whole again, somebody else is to blame.
    """

    wanted: dict[str, int | None] = field(default_factory=dict)
    excused: float = 0.0
    impaired: bool = False

    def excuse(self, seconds: float) -> None:
        self.excused, self.impaired = max(self.excused, self.laptop.clock.monotonic() + seconds), True

    def expect(self, wanted: Mapping[str, int | None]) -> None:
        self.wanted |= wanted
        for balancer, least in wanted.items():
            floor = self.expected.get(balancer)
            self.expected[balancer] = None if least is None or floor is None else min(floor, least)

    def look(self) -> None:
        served, whole = self.served(), True
        for balancer, least in self.wanted.items():
            service, floor = served.get(balancer), self.expected.get(balancer)
            if least is None:
                continue
            if service is not None and not service.share_lost and service.healthy >= max(1, floor or 0):
                self.expected[balancer] = min(least, service.healthy)
                continue
            whole &= floor is None
        if whole and self.laptop.clock.monotonic() >= self.excused:
            self.impaired = False
        if not self.impaired:
            Outsider.look(self)


class Play:
    """A stack, and those who do something to it. What lasts ends with `settle` at the latest."""

    def __init__(self, stack: LivingStack, dice: random.Random) -> None:
        self.stack, self.dice, self.laptop = stack, dice, stack.laptop
        self.watch = Watch(stack.laptop)
        stack.outsider = self.watch
        stack.watched = Watched(stack.stage.transport, self.watch)
        stack.restart()
        self.watch.expect(wanted_targets(stack.commits.documents))
        self._ends: list[tuple[float, Callable[[], object]]] = []
        self.wait(10.0)

    # -- time

    def wait(self, seconds: float) -> None:
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while (now := clock.monotonic()) < end - 1e-6:
            self.stack.go(max(0.05, min([end, *(at for at, _ in self._ends)]) - now))
            for one in [one for one in self._ends if one[0] <= clock.monotonic() + 1e-6]:
                self._ends.remove(one)
                one[1]()

    def settle(self) -> bool:
        """Until nothing fails any more and nothing is due; False if that never is."""
        clock, watched = self.laptop.clock, self.stack.watched
        began = clock.monotonic()
        while clock.monotonic() < began + LONGEST:
            self.wait(60.0)
            if not self._ends and self._calm and clock.monotonic() - max(began, watched.last_write_at) >= 180:
                return True
        return False

    @property
    def _calm(self) -> bool:
        controller = self.stack.controller
        failed = controller.last is None or controller.last.failed or controller.failure is not None
        return not failed and all(one.at_rest or one.stuck or _waits(one) for one in self.stack.results)

    # -- what happens

    def play(self, event: Event) -> None:
        """People reach AWS while the controller's calls fail, and are refused what AWS does not allow."""
        self.wait(event.after)
        faults = self.laptop.aws.faults
        held = [one for one in faults.active() if one.kind in CALL_FAULTS]
        for one in held:
            faults.remove(one.id)
        try:
            self._does(event)
        except ClientError as refused:
            if refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise
        finally:
            for one in held:
                faults.add(one)

    def _does(self, event: Event) -> None:
        seconds = 60.0 * event.minutes
        match event.kind:
            case "commit":
                self.stack.commit(_changed(self.stack.commits.documents, event.what))
            case "request":
                self.request(RequestVerb(event.what))
            case "by hand":
                self._by_hand(event.what)
            case "refused":
                kind = next(one for one in REFUSALS if one == event.what)
                self._while(seconds, self.laptop.aws.faults.add(Fault(kind, operation=event.call)))
            case "tasks" if event.what == "spot_interruption":
                self.watch.excuse(RECOVERY)
                self.laptop.aws.inject(Fault("spot_interruption", service=SERVICE, count=self.dice.choice((1, 2, 4))))
            case "tasks":
                kind = next(one for one in TASKS if one == event.what)
                self._while(seconds, self.laptop.aws.faults.add(Fault(kind, service=SERVICE, after=20.0)))
            case "ill":
                self.watch.excuse(seconds + RECOVERY)
                script = Script(healthy=False)
                self.laptop.script(script)
                self._ends.append((self.laptop.clock.monotonic() + seconds, lambda: self._well_again(script)))
            case "restart":
                self.stack.restart()
            case "protect":
                for arn in self._tasks():
                    self._ecs.update_task_protection(
                        cluster=CLUSTER, tasks=[arn], protectionEnabled=True, expiresInMinutes=15
                    )

    def _while(self, seconds: float, fault: str) -> None:
        self._ends.append((self.laptop.clock.monotonic() + seconds, lambda: self.laptop.aws.faults.remove(fault)))

    def _well_again(self, script: Script) -> None:
        self.laptop.tasks.scripts.remove(script)
        self.laptop.targets.recheck()
        self.laptop.aws.tick()

    def request(self, verb: RequestVerb) -> None:
        """As the command would write it."""
        result = next((one for one in self.stack.results if one.seen is not None and one.step is not None), None)
        if result is None or result.seen is None or result.step is None:
            return
        release = result.seen.wanted if verb is RequestVerb.RETRY else result.step.release
        now = self.laptop.clock.now()
        text = Request(
            verb,
            ANY if verb in OF_THE_SERVICE else release,
            f"i{int(now.timestamp() * 1000)}",
            now,
            "ana",
            seconds=120 if verb is RequestVerb.EXTEND else 0,
        ).text()
        self._ecs.tag_resource(
            resourceArn=result.rollout.subject.service, tags=[{"key": KEYS["request"], "value": text}]
        )

    def as_told(self) -> list[str]:
        """What the state of the rollout names as the way out, step by step; what was done."""
        done: list[str] = []
        while len(done) < 6 and (way := self._way_out()):
            if way == "restore":
                self._point(SERVED_PORT, self._live, 100)
            elif way in KEYS.values():
                self._ecs.untag_resource(resourceArn=self._service()["serviceArn"], tagKeys=[way])
            elif way in CODEDEPLOY_HANDS:
                self._in_codedeploy(way)
            else:
                self.request(RequestVerb(way))
            done.append(way)
            if not self.settle():
                break
        return done

    def _way_out(self) -> str:
        for result in self.stack.results:
            if result.seen is None or result.step is None:
                continue
            marks, step = result.seen.marks, result.step
            if marks.suspended or marks.hold_of(step.release):
                return "resume"
            if step.phase is Phase.BLOCKED and (unreadable := UNREADABLE.search(step.because)):
                return unreadable[1]
            if step.phase is Phase.BLOCKED and "continue or stop it in CodeDeploy" in step.because:
                return "the deployment stopped"
            if step.phase is Phase.BLOCKED:
                return "rollback" if "`reconciler rollback`" in step.because else "restore"
            if step.phase in (Phase.FAILED, Phase.ROLLED_BACK):
                return "retry"
        return ""

    # -- by hand, in the account

    def _by_hand(self, what: str) -> None:
        sets = [one for one in self._service().get("taskSets", ()) if one["status"] != "DRAINING"]
        primary = [one for one in sets if one["status"] == "PRIMARY"]
        others = [one for one in sets if one not in primary]
        if what not in ("a tag removed", "a tag garbled", "the test listener deleted"):
            self.watch.excuse(RECOVERY)
        match what:
            case "production to green":
                self._point(SERVED_PORT, 1 - self._live, 100)
            case "production to blue":
                self._point(SERVED_PORT, self._live, 100)
            case "production to both":
                self._point(SERVED_PORT, self._live, 50)
            case "production to nobody":
                reply = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
                self._elb.modify_listener(ListenerArn=self._listener(SERVED_PORT), DefaultActions=[reply])
            case "the primary task set deleted" | "another task set deleted":
                for one in primary if "primary" in what else others:
                    self._ecs.delete_task_set(cluster=CLUSTER, service=SERVICE, taskSet=one["id"], force=True)
            case "a task set scaled to 0" if sets:
                chosen, none = self.dice.choice(sets), {"value": 0.0, "unit": "PERCENT"}
                self._ecs.update_task_set(cluster=CLUSTER, service=SERVICE, taskSet=chosen["id"], scale=none)
            case "the service scaled to 0":
                self._ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
            case "the test listener deleted" | "the production listener deleted":
                port = SERVED_PORT if "production" in what else TEST_PORT
                self._elb.delete_listener(ListenerArn=self._listener(port))
            case "a tag removed" | "a tag garbled":
                self._spoil(garbled="garbled" in what)
            case "a task stopped" | "all tasks stopped":
                for arn in self._tasks()[: 1 if what.startswith("a ") else None]:
                    self._ecs.stop_task(cluster=CLUSTER, task=arn)
            case "another task set made primary" if others:
                self._ecs.update_service_primary_task_set(
                    cluster=CLUSTER, service=SERVICE, primaryTaskSet=others[0]["id"]
                )
            case "the service deleted":
                self._ecs.delete_service(cluster=CLUSTER, service=SERVICE, force=True)
            case _ if what in CODEDEPLOY_HANDS:
                self._in_codedeploy(what)

    def _in_codedeploy(self, what: str) -> None:
        client = self.laptop.client("codedeploy")
        names = {name: f"{prefix}ECS-{CLUSTER}-{SERVICE}" for name, prefix in CODEDEPLOY_NAMES.items()}
        if what == "a deployment created":
            target = {
                "TaskDefinition": self._service()["taskDefinition"],
                "LoadBalancerInfo": {"ContainerName": "frontend", "ContainerPort": 80},
            }
            resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": target}}
            content = json.dumps({"version": "0.0", "Resources": [resource]})
            revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
            client.create_deployment(**names, revision=revision)
            return
        statuses = ["Created", "Queued", "InProgress", "Baking", "Ready"]
        for active in client.list_deployments(**names, includeOnlyStatuses=statuses)["deployments"]:
            if what.startswith("the deployment stopped"):
                client.stop_deployment(deploymentId=active, autoRollbackEnabled="without" not in what)
            else:
                wait = "READY_WAIT" if what == "the deployment continued" else "TERMINATION_WAIT"
                client.continue_deployment(deploymentId=active, deploymentWaitType=wait)

    def _spoil(self, *, garbled: bool) -> None:
        service = self._service()
        keys = sorted({tag["key"] for tag in service["tags"]} & set(KEYS.values()))
        if not keys:
            return
        key = self.dice.choice(keys)
        if garbled:
            self._ecs.tag_resource(resourceArn=service["serviceArn"], tags=[{"key": key, "value": "x:up:1"}])
        else:
            self._ecs.untag_resource(resourceArn=service["serviceArn"], tagKeys=[key])

    def _point(self, port: int, slot: int, weight: int) -> None:
        weights = (weight, 100 - weight) if slot == 0 else (100 - weight, weight)
        groups = [{"TargetGroupArn": arn, "Weight": one} for arn, one in zip(self._groups, weights, strict=False)]
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self._elb.modify_listener(ListenerArn=self._listener(port), DefaultActions=[forward])

    def _listener(self, port: int) -> str:
        (balancer,) = self._elb.describe_load_balancers()["LoadBalancers"]
        found = self._elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        return next((str(one["ListenerArn"]) for one in found if one["Port"] == port), GONE)

    @property
    def _groups(self) -> list[str]:
        found = self._elb.describe_target_groups()["TargetGroups"]
        return [one["TargetGroupArn"] for one in sorted(found, key=lambda one: str(one["TargetGroupName"]))]

    @property
    def _live(self) -> int:
        primary = (one for one in self._service().get("taskSets", ()) if one["status"] == "PRIMARY")
        return next((self._groups.index(one["loadBalancers"][0]["targetGroupArn"]) for one in primary), 0)

    def _service(self) -> dict[str, Any]:
        return self.stack.stage.service()

    def _tasks(self) -> list[str]:
        arns: list[str] = self._ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
        return arns

    @property
    def _ecs(self) -> Any:
        return self.laptop.client("ecs")

    @property
    def _elb(self) -> Any:
        return self.laptop.client("elbv2")


TEST_PORT: Final = 9000
UNREADABLE: Final = re.compile(r"cannot read the value .* of the tag (reconciler:\S+);")
CODEDEPLOY_NAMES: Final = {"applicationName": "App", "deploymentGroupName": "Dgp"}
GONE: Final = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/gone/0123456789abcdef/0123456789abcdef"


def _waits(result: StepResult) -> bool:
    """Whether it says for whom it waits, and has nothing to do until then."""
    step = result.step
    return step is not None and not result.busy and step.waits_for in (Waiting.PERSON, Waiting.SPEC, Waiting.DEPENDENCY)


def _changed(documents: Sequence[Document], what: str) -> tuple[Document, ...]:
    changed = copy.deepcopy(tuple(documents))
    (service,) = (one for one in changed if one["kind"] == "Service")
    match what.split():
        case [count, "tasks"]:
            service.pop("scaling", None)
            service["desired_count"] = int(count)
        case ["scaling"]:
            service.pop("desired_count", None)
            service["scaling"] = {"min": 2, "max": 4, "cpu": 60}
        case _:
            for container in service["task"]["containers"].values():
                container["image"]["tag"] = what
    return changed
