"""The ports without a process or a socket: tasks, targets and listeners that do what they are told, on the clock.

With them the AWS emulator runs in milliseconds. A `Script` says what the tasks of an image are like; the probe asks
`answers` instead of HTTP: once for a new target, and again when `recheck` says that the answers have changed.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from reconciler.local.inside import Inside, Usage
from reconciler.local.ports import (
    ControlPlane,
    HealthState,
    ListenerRoutes,
    Target,
    TargetGroupSettings,
    TargetState,
    TaskLaunch,
    Traffic,
)

INITIAL = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
HEALTHY = ("healthy", "", "")
UNUSED = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
MISMATCH = ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
TIMEOUT = ("unhealthy", "Target.Timeout", "Request timed out")


@dataclass(frozen=True, slots=True)
class Script:
    """What tasks are like whose image matches, and one of whose containers has the variable, as `NAME=value`. Times are
    seconds of the clock."""

    image: str = "*"
    variable: str = ""
    starts_after: float = 0.0
    fails_to_start: str = ""  # its stoppedReason
    healthy: bool = True  # what it answers to health checks
    exits_after: float | None = None
    exit_code: int = 0
    stops_after: float = 0.0  # SIGTERM to exit; at most the container's stop timeout
    cpu: float | None = None  # percent of what the task has reserved; None: nothing is measured
    memory: float | None = None
    logs: tuple[str, ...] = ()
    logged_at: int = 1_767_225_600_000  # milliseconds since 1970: the start of a manual clock


@dataclass(slots=True)
class ScriptedTasks:
    """A `TaskRunner`. The newest matching script wins."""

    scripts: list[Script] = field(default_factory=list)
    running: dict[str, TaskLaunch] = field(default_factory=dict)
    started: list[TaskLaunch] = field(default_factory=list)
    _control: ControlPlane | None = None
    _addresses: int = 0
    _pending: dict[str, TaskLaunch] = field(default_factory=dict)
    _alive: dict[str, set[str]] = field(default_factory=dict)
    _hosts: dict[str, str] = field(default_factory=dict)

    def script(self, script: Script) -> None:
        self.scripts.insert(0, script)

    def bind(self, control: ControlPlane) -> None:
        self._control = control

    @property
    def control(self) -> ControlPlane:
        assert self._control is not None, "bind comes first"
        return self._control

    @property
    def metered(self) -> bool:
        return any(one.cpu is not None or one.memory is not None for one in self.scripts)

    def measure(self) -> None:
        scripts = {task_id: self._script(task) for task_id, task in self.running.items()}
        self.control.on_usage({task_id: Usage(one.cpu, one.memory) for task_id, one in scripts.items()})

    def _script(self, task: TaskLaunch) -> Script:
        images = [container.image for container in task.containers]
        variables = {f"{name}={value}" for one in task.containers for name, value in one.environment.items()} | {""}
        matching = (
            one
            for one in self.scripts
            if one.variable in variables and any(fnmatch.fnmatchcase(image, one.image) for image in images)
        )
        return next(matching, Script())

    def start(self, task: TaskLaunch) -> None:
        script = self._script(task)
        self.started.append(task)
        self._pending[task.task_id] = task
        self.control.after(script.starts_after, lambda: self._come_up(task, script))

    def _come_up(self, task: TaskLaunch, script: Script) -> None:
        if self._pending.pop(task.task_id, None) is None:
            return
        if script.fails_to_start:
            self.control.on_failed_to_start(task.task_id, script.fails_to_start)
            return
        self._addresses += 1
        address = f"127.31.{self._addresses // 250}.{self._addresses % 250 + 1}"
        self.running[task.task_id] = task
        self._alive[task.task_id] = {container.name for container in task.containers}
        self._hosts[address] = task.task_id
        ports = {port: port for container in task.containers for port in container.ports}
        self.control.on_started(task.task_id, address, ports)
        for container in task.containers:
            if container.health_check:
                wait = container.health_check.interval * (1 if script.healthy else container.health_check.retries)
                self.control.after(wait, functools.partial(self._report, task.task_id, container.name, script.healthy))
            if container.log_group and script.logs:
                lines = tuple((script.logged_at, line) for line in script.logs)
                self.control.write_logs(container.log_region, container.log_group, container.log_stream, lines)
        if script.exits_after is not None:
            self.control.after(script.exits_after, lambda: self._all_exit(task.task_id, script.exit_code))

    def inside(self, task_id: str) -> Mapping[str, Inside]:
        """A scripted task has no process that another one could join."""
        return {}

    def _report(self, task_id: str, name: str, healthy: bool) -> None:
        if name in self._alive.get(task_id, ()):
            self.control.on_container_health(task_id, name, healthy)

    def healthy_at(self, host: str) -> bool | None:
        """What answers at an address: True or False, None when nothing does."""
        task = self.running.get(self._hosts.get(host, ""))
        return self._script(task).healthy if task else None

    def _all_exit(self, task_id: str, code: int) -> None:
        self.running.pop(task_id, None)
        for name in sorted(self._alive.pop(task_id, ())):
            self.control.on_exit(task_id, name, code)

    def stop(self, task_id: str, reason: str) -> None:
        if self._pending.pop(task_id, None):
            self.control.on_failed_to_start(task_id, reason)
            return
        task = self.running.get(task_id)
        if task is None:
            return
        wanted = self._script(task).stops_after
        most = max(container.stop_timeout for container in task.containers)
        killed = wanted > most
        self.control.after(min(wanted, most), lambda: self._all_exit(task_id, 137 if killed else 0))

    def kill(self, task_id: str, exit_code: int = 1) -> None:
        self._all_exit(task_id, exit_code)

    def reset(self) -> None:
        for table in (self.running, self._pending, self._alive, self._hosts):
            table.clear()
        self.started.clear()


@dataclass(slots=True)
class _Watched:
    target: Target
    state: tuple[str, str, str]
    turn: int = 0  # of its state: a timer of an earlier one is void


@dataclass(slots=True)
class ScriptedTargets:
    """A `TargetProbe` that asks `answers` instead of HTTP: True, False, or None where nothing listens."""

    answers: Callable[[str], bool | None]
    first_check_after: float = 0.0
    by_interval: bool = False  # a new target is healthy once as many checks as its group asks for have passed
    groups: dict[str, TargetGroupSettings] = field(default_factory=dict)
    _targets: dict[str, dict[tuple[str, int], _Watched]] = field(default_factory=dict)
    _control: ControlPlane | None = None

    def bind(self, control: ControlPlane) -> None:
        self._control = control

    @property
    def control(self) -> ControlPlane:
        assert self._control is not None, "bind comes first"
        return self._control

    def watch(self, group: TargetGroupSettings) -> None:
        before = self.groups.get(group.arn)
        self.groups[group.arn] = group
        self._targets.setdefault(group.arn, {})
        if before is not None and before.in_use != group.in_use:
            for key, watched in self._targets[group.arn].items():
                if watched.state[0] != "draining":
                    self._begin(group.arn, key)

    def forget(self, group_arn: str) -> None:
        self.groups.pop(group_arn, None)
        if self._targets.pop(group_arn, None):
            self.control.on_targets_changed(group_arn)

    def set_targets(self, group_arn: str, targets: tuple[Target, ...]) -> None:
        table = self._targets.setdefault(group_arn, {})
        wanted = {(target.id, target.port): target for target in targets}
        for key, watched in list(table.items()):
            if key not in wanted and watched.state[0] != "draining":
                self._drain(group_arn, key)
        for key, target in wanted.items():
            if key not in table or table[key].state[0] == "draining":
                table[key] = _Watched(target, INITIAL, table[key].turn + 1 if key in table else 0)
                self._begin(group_arn, key)
            else:
                table[key].target = target

    def _begin(self, group_arn: str, key: tuple[str, int]) -> None:
        group = self.groups[group_arn]
        if not group.in_use:
            self._turn(group_arn, key, UNUSED)
            return
        turn = self._turn(group_arn, key, CHECKING)
        self.control.after(self.first_check_after, lambda: self._first_check(group_arn, key, turn))

    def _first_check(self, group_arn: str, key: tuple[str, int], turn: int) -> None:
        """One good check makes a new target healthy (ALB guide, "Health checks"); bad ones take the threshold.

        `by_interval`: so do good ones, which is what ECS measured ("Optimize load balancer health check parameters").
        """
        group = self.groups.get(group_arn)
        if group is None or self._verdict(group_arn, key) == HEALTHY:
            wait = group.interval * group.healthy_threshold if group is not None and self.by_interval else 0.0
            self.control.after(wait, lambda: self._decide(group_arn, key, turn))
        else:
            wait = group.interval * max(0, group.unhealthy_threshold - 1)
            self.control.after(wait, lambda: self._decide(group_arn, key, turn))

    def _verdict(self, group_arn: str, key: tuple[str, int]) -> tuple[str, str, str] | None:
        watched = self._targets.get(group_arn, {}).get(key)
        if watched is None:
            return None
        answer = self.answers(watched.target.host)
        if answer is None:
            return TIMEOUT
        return HEALTHY if answer and not watched.target.never_healthy else MISMATCH

    def _decide(self, group_arn: str, key: tuple[str, int], turn: int) -> None:
        watched, verdict = self._targets.get(group_arn, {}).get(key), self._verdict(group_arn, key)
        if watched is None or verdict is None or watched.turn != turn or watched.state[0] in ("draining", "unused"):
            return
        if watched.state != verdict:
            self._turn(group_arn, key, verdict)

    def _turn(self, group_arn: str, key: tuple[str, int], state: tuple[str, str, str]) -> int:
        watched = self._targets[group_arn][key]
        watched.state, watched.turn = state, watched.turn + 1
        self.control.on_targets_changed(group_arn)
        return watched.turn

    def _drain(self, group_arn: str, key: tuple[str, int]) -> None:
        group = self.groups.get(group_arn)
        if group is None or not group.in_use or group.deregistration_delay <= 0:
            self._targets.get(group_arn, {}).pop(key, None)
            self.control.on_targets_changed(group_arn)
            return
        turn = self._turn(group_arn, key, DRAINING)
        self.control.after(group.deregistration_delay, lambda: self._drained(group_arn, key, turn))

    def _drained(self, group_arn: str, key: tuple[str, int], turn: int) -> None:
        watched = self._targets.get(group_arn, {}).get(key)
        if watched is not None and watched.turn == turn:
            del self._targets[group_arn][key]
            self.control.on_targets_changed(group_arn)

    def states(self, group_arn: str) -> tuple[TargetState, ...]:
        rows = self._targets.get(group_arn, {}).values()
        return tuple(TargetState(row.target, _state(row.state[0]), row.state[1], row.state[2]) for row in rows)

    def recheck(self) -> None:
        """Ask every target anew now: a script has been changed."""
        for group_arn, table in self._targets.items():
            for key, watched in list(table.items()):
                self._decide(group_arn, key, watched.turn)

    def reset(self) -> None:
        self.groups.clear()
        self._targets.clear()


def _state(text: str) -> HealthState:
    match text:
        case "initial" | "healthy" | "unhealthy" | "unused" | "draining":
            return text
        case _:
            raise AssertionError(text)


@dataclass(slots=True)
class ScriptedListeners:
    """A `LoadBalancing` that keeps the table it was given, and every one before.

    `requests` says what has been asked, and how it ended, since it was called before; None: nothing is measured.
    """

    protocol_versions: ClassVar = frozenset({"HTTP1", "HTTP2", "GRPC"})
    table: tuple[ListenerRoutes, ...] = ()
    history: list[tuple[ListenerRoutes, ...]] = field(default_factory=list)
    requests: Callable[[], Sequence[Traffic]] | None = None
    _control: ControlPlane | None = None

    def bind(self, control: ControlPlane) -> None:
        self._control = control

    @property
    def metered(self) -> bool:
        return self.requests is not None

    def measure(self) -> None:
        assert self._control is not None, "bind comes first"
        self._control.on_traffic(self.requests() if self.requests is not None else ())

    def configure(self, table: tuple[ListenerRoutes, ...]) -> None:
        if table != self.table:
            self.history.append(table)
        self.table = table

    def addresses(self) -> Mapping[str, tuple[str, int]]:
        return {item.listener_arn: ("127.0.0.1", item.port) for item in self.table}

    def authority(self) -> None:
        """Nobody connects to them."""

    def reset(self) -> None:
        self.table = ()
        self.history.clear()
