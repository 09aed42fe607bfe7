"""Why tasks stopped by themselves is kept, whatever runs them, and however many there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller.events import EventRecorder
from reconciler.controller.stops import AT_ONCE, StopRecorder
from reconciler.model.event import Event
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Call, Observed, ResourceHealth
from reconciler.model.resource_type import Depth
from reconciler.resources import task
from reconciler.store.task_stops import TaskStops, task_stops
from tests.harness.copies import StoredDocuments

NOW = ManualClock().now()
CLUSTER = "arn:aws:ecs:us-west-2:123456789012:cluster/apps"
ARN = "arn:aws:ecs:us-west-2:123456789012:service/apps/web"
LOG = {"awslogs-group": "/web", "awslogs-stream-prefix": "ecs"}


def dead(
    number: int, code: int = 1, ago: int = 60, reason: str = "Essential container in task exited"
) -> dict[str, Any]:
    return {
        "taskArn": f"arn:aws:ecs:us-west-2:123456789012:task/apps/{number:032x}",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": reason,
        "stoppedAt": NOW - timedelta(seconds=ago),
        "startedAt": NOW - timedelta(hours=1),
        "taskDefinitionArn": "arn:aws:ecs:us-west-2:123456789012:task-definition/web:7",
        "containers": [{"name": "app", "exitCode": code}],
    }


@dataclass(slots=True)
class Ecs:
    tasks: list[dict[str, Any]]
    sent: list[Call] = field(default_factory=list)
    refusal: errors.AwsError | None = None
    refused: str = ""
    """Whose calls are refused; empty for all."""

    def perform(self, call: Call) -> dict[str, Any]:
        self.sent.append(call)
        if self.refusal is not None and call.params.get("serviceName", "").startswith(self.refused):
            raise self.refusal
        match call.operation:
            case "ListTasks":
                return {"taskArns": [one["taskArn"] for one in self.tasks][: call.params["maxResults"]]}
            case "DescribeTasks":
                return {"tasks": [one for one in self.tasks if one["taskArn"].endswith(tuple(call.params["tasks"]))]}
            case "DescribeTaskDefinition":
                container = {"name": "app", "logConfiguration": {"logDriver": "awslogs", "options": LOG}}
                return {"taskDefinition": {"containerDefinitions": [container]}}
            case _:
                assert call.operation == "GetLogEvents"
                return {"events": [{"message": "token=ghp_0123456789abcdefghijABCDEFGHIJ012345"}, {"message": "boom"}]}


@dataclass(slots=True)
class Recording:
    ecs: Ecs
    documents: StoredDocuments = field(default_factory=StoredDocuments)
    events: list[Event] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)
    recorder: StopRecorder = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        aws = AwsClient(self.ecs, clock=self.clock)
        self.recorder = StopRecorder(aws, EventRecorder(self.clock, (self.events.append,)), self.stops)

    @property
    def stops(self) -> TaskStops:
        return task_stops(self.documents)

    def see(self, depth: Depth = Depth.FAST, **found: Any) -> None:
        result: Any = SimpleNamespace(world=ObservedState(found), plan=Plan("shop", (), {}), depth=depth)
        self.recorder.on_pass(result)

    @property
    def kept(self) -> list[tuple[str, int, int | None]]:
        return [(one.address, one.count, one.exit_code) for one in self.stops.read()]


def service(*messages: str, running: int = 1, name: str = "web") -> tuple[Observed[Any]]:
    events = [{"id": text, "createdAt": NOW, "message": text} for text in messages]
    item = {"runningCount": running, "pendingCount": 0, "desiredCount": 1, "events": events}
    facts = {"item": item, "cluster": "apps"}
    arn = ARN.replace("web", name)
    return (Observed(Address("service", name), arn, None, {"reconciler:stack": "shop"}, facts=facts),)


STARTED = "(service web) has started 1 tasks: (task 1)."


def test_ten_thousand_dead_tasks_cost_one_look() -> None:
    """One page is read, they are one entry, and the log of one; the next look is a minute later."""
    recording = Recording(Ecs([dead(number) for number in range(10_000)]))
    recording.see(service=service(STARTED))
    assert recording.kept == [("service/web", 100, 1)]
    assert len(recording.ecs.sent) == 5
    recording.see(service=service("(service web) has started 2 tasks: (task 2) (task 3).", STARTED))
    assert len(recording.ecs.sent) == 5
    (stop,) = recording.stops.read()
    assert (stop.log[1], "ghp_0123" in str(stop)) == ("boom", False)


def test_what_was_counted_is_counted_once() -> None:
    """By another process, and after the clock of this one has jumped."""
    recording = Recording(Ecs([dead(1)]))
    recording.see(service=service(STARTED))
    recording.restart()
    recording.see(service=service(STARTED))
    assert recording.kept == [("service/web", 1, 1)]
    recording.ecs.tasks.insert(0, dead(2, ago=5))
    recording.clock.advance(-40 * 86_400)
    recording.see(service=service(STARTED, running=0))
    assert recording.kept == [("service/web", 2, 1)]
    assert len(recording.events) == 1


def test_tasks_that_were_meant_to_stop_are_not_kept() -> None:
    """Those that ECS stops because fewer are wanted."""
    scaled = dead(1, 0, reason="Scaling activity initiated by (deployment ecs-svc/1)")
    recording = Recording(Ecs([scaled | {"stopCode": "ServiceSchedulerInitiated"}]))
    recording.see(service=service(STARTED))
    assert (recording.kept, recording.events) == ([], [])


def test_what_could_not_be_read_or_kept_is_tried_again() -> None:
    """AWS refuses, then the store does not answer."""
    recording = Recording(Ecs([dead(1)], refusal=errors.Denied("no", code="AccessDenied")))
    recording.see(service=service(STARTED))
    recording.ecs.refusal, recording.documents["stops"].down = None, True
    recording.see(service=service(STARTED))
    recording.documents["stops"].down = False
    recording.see(service=service(STARTED))
    assert recording.kept == [("service/web", 1, 1)]


def test_what_cannot_be_read_holds_up_nothing_else() -> None:
    """However many services AWS refuses to show the tasks of."""
    hidden = [found for number in range(AT_ONCE + 1) for found in service(STARTED, name=f"hidden-{number}")]
    recording = Recording(Ecs([dead(1)], refusal=errors.Denied("no", code="AccessDenied"), refused="hidden"))
    for _ in range(2):
        recording.see(service=(*hidden, *service(STARTED)))
    assert recording.kept == [("service/web", 1, 1)]
    asked = {call.params["serviceName"] for call in recording.ecs.sent if call.operation == "ListTasks"}
    assert len(asked) == AT_ONCE + 2


def test_runs_of_scheduled_tasks_are_kept_with_their_outcome() -> None:
    """Looked at by a full pass, once a run was due; those that succeed are one entry."""
    target = {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:us-west-2:1:task-definition/web"}}
    spec = SimpleNamespace(expression="rate(5 minutes)", time_zone=None, enabled=None)
    one: Any = Observed(Address("schedule", "nightly"), "nightly", spec, {}, facts={"settings": {"Target": target}})
    recording = Recording(Ecs([dead(1, 3), dead(2, 0), dead(3, 0)]))
    recording.see(schedule=(one,))
    assert recording.ecs.sent == []
    recording.see(Depth.FULL, schedule=(one,))
    assert sorted(recording.kept, key=str) == [("schedule/nightly", 1, 3), ("schedule/nightly", 2, 0)]
    assert [event.details["exit_code"] for event in recording.events] == [3]
    off: Any = Observed(one.address, one.id, SimpleNamespace(**vars(spec) | {"enabled": False}), {}, facts=one.facts)
    before = len(recording.ecs.sent)
    recording.see(Depth.FULL, schedule=(off,))
    assert len(recording.ecs.sent) == before


def test_a_one_off_task_that_failed_is_kept_once() -> None:
    """When its outcome is first read."""
    facts = {"cluster": "apps", "task": f"{1:032x}", "retry": ""}
    failed: Any = Observed(Address("task", "seed"), "t", None, {}, ResourceHealth.DEGRADED, "failed", facts=facts)
    recording = Recording(Ecs([dead(1, 3)]))
    for _ in range(2):
        recording.see(task=(failed,))
    assert recording.kept == [("task/seed", 1, 3)]


def test_a_one_off_task_is_looked_at_until_it_is_kept() -> None:
    """Its outcome is new in one pass only: the store did not answer then, and more than a few services were first."""
    facts = {"cluster": "apps", "task": f"{1:032x}", "retry": ""}
    new: Any = Observed(Address("task", "seed"), "t", None, {}, ResourceHealth.DEGRADED, "failed", facts=facts)
    recorded: Any = replace(new, tags={task.OUTCOME: "exit 3"})
    recording = Recording(Ecs([dead(1, 3)]))
    recording.documents["stops"].down = True
    recording.see(task=(new,))
    recording.documents["stops"].down = False
    crowd = [found for number in range(AT_ONCE) for found in service(STARTED, name=f"web-{number}")]
    recording.see(service=tuple(crowd), task=(recorded,))
    assert ("task/seed", 1, 3) in recording.kept
    before = len(recording.ecs.sent)
    recording.see(task=(recorded,))
    assert len(recording.ecs.sent) == before
