"""Sessions in a running task: a command in one of its containers, and a port of it on this machine.

In AWS both go through Systems Manager, by the agent that ECS starts where `exec` is on, and the session-manager-plugin
on this machine. The tasks of the local AWS emulator are processes here: they are joined and reached without either.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors
from reconciler.cli.emulator_client import containers_of
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.resource import Calls
    from reconciler.rollout.spec import RolloutSpec

PLUGIN: Final = "session-manager-plugin"
PLUGIN_GUIDE: Final = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)
IN_ENVIRONMENT: Final = (1, 2, 497, 0)
"""The last version of the plugin that takes the session, with its token, as an argument only, which others see."""

SESSION: Final = "AWS_SSM_START_SESSION_RESPONSE"
AGENT: Final = "ExecuteCommandAgent"
NOT_CONNECTED: Final = "TargetNotConnectedException"
"""ECS's code while the agent runs, and Systems Manager does not know it yet."""

FORWARD: Final = "AWS-StartPortForwardingSession"
CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class TaskSession:
    """One container of a running task. `local` is how to join it, if it runs in the local AWS emulator."""

    stack: Stack
    cluster: str
    task: str
    container: str
    runtime: str
    local: Mapping[str, Any] | None

    @property
    def target(self) -> str:
        """The container as Systems Manager knows it."""
        return f"ecs:{self.cluster}_{self.task}_{self.runtime}"

    def execute(self, arguments: Sequence[str]) -> int:
        """Run a command in it, with this process's terminal. The exit code; in AWS that of the plugin."""
        if self.local is not None:
            return _joined(self.local, arguments)
        answer = self._run("ecs", "ExecuteCommand", {
            "cluster": self.cluster, "task": self.task, "container": self.container,
            "command": shlex.join(arguments), "interactive": True,
        })  # fmt: skip
        return self._plugin(answer["session"], {"Target": self.target}, "ecs")

    def forward(self, local: int, remote: int, stop: threading.Event) -> int:
        """Forward a port of this machine to one of the task, until `stop` is set or the session ends."""
        if self.local is not None:
            address, ports = self.local["address"], self.local["ports"]
            return _relay(local, (address, int(ports.get(str(remote), remote))), stop)
        parameters = {"portNumber": [str(remote)], "localPortNumber": [str(local)]}
        request = {"Target": self.target, "DocumentName": FORWARD, "Parameters": parameters}
        session = self._run("ssm", "StartSession", request)
        names = ("SessionId", "TokenValue", "StreamUrl")
        return self._plugin({name: session[name] for name in names}, request, "ssm")

    def _run(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """A call about the task, once the plugin is known to be there."""
        check_plugin()
        self.stack.aws.mine.add(self.task, self.target)
        answer: dict[str, Any] = self.stack.aws.run(_one(service, operation, params))
        return answer

    def _plugin(self, session: Mapping[str, Any], request: Mapping[str, Any], service: str) -> int:
        transport = self.stack.signed_in.transport
        text, environment = json.dumps(session), dict(os.environ)
        if _plugin_version() > IN_ENVIRONMENT:
            environment[SESSION], text = text, SESSION
        url = transport.endpoint_of(service)
        profile = transport.profile or ""
        command = [PLUGIN, text, transport.region, "StartSession", profile, json.dumps(request), url]
        return _in_foreground(command, env=environment)


def check_plugin() -> None:
    """Raises `errors.ReconcilerError` if the plugin is not installed."""
    if shutil.which(PLUGIN) is None:
        raise errors.ReconcilerError(f"the {PLUGIN} is not installed, which AWS needs for this: {PLUGIN_GUIDE}")


def opened(stack: Stack, spec: RolloutSpec, task: str | None, container: str | None) -> TaskSession:
    """A session in the task `task` begins the id of, or in the newest one of the version in production.

    Raises `click.UsageError` for a container that it does not have, `errors.ReconcilerError` if there is no such task,
    or it takes no sessions.
    """
    from reconciler.cli.inside import chosen_container
    from reconciler.cli.rollout_session import service_state
    from reconciler.diagnosis import observations
    from reconciler.queries import logs

    state = service_state(stack, spec)
    if task is None:
        running = stack.aws.run(logs.current(state))
    else:
        every = stack.aws.run(observations.tasks_of(state.cluster, state.name, (), "RUNNING"))
        running = tuple(one for one in every if one.id.startswith(task))
    running = tuple(one for one in running if one.status == "RUNNING")
    if not running:
        which = (
            f"no running task of {spec.service} begins with {task!r}" if task else f"{spec.service} has no running task"
        )
        raise errors.ReconcilerError(f"{which}; `reconciler tree` lists them")
    if task is not None and len(running) > 1:
        raise errors.ReconcilerError(f"several tasks begin with {task!r}: {', '.join(one.id for one in running)}")
    item = stack.aws.run(_described(state.cluster, running[0].id))
    several = {one["name"]: one for one in item.get("containers") or () if one.get("lastStatus") == "RUNNING"}
    if not several:
        raise errors.ReconcilerError(f"no container of task {running[0].id} is running")
    name = chosen_container(container, several, (spec.container,))
    if not item.get("enableExecuteCommand"):
        raise errors.ReconcilerError(_exec_is_off(stack, spec, running[0].id))
    session = session_in(stack, item, name)
    if session is None:
        status, reason = agent_of(several[name])
        raise errors.ReconcilerError(f"the agent for sessions in container {name} is {status}{reason}")
    return session


def session_in(stack: Stack, item: Mapping[str, Any], container: str) -> TaskSession | None:
    """A session in a container of a task as ECS describes it; None while it takes none, because of its agent."""
    id, cluster = (item[name].rpartition("/")[2] for name in ("taskArn", "clusterArn"))
    found = next(one for one in item["containers"] if one["name"] == container)
    local = containers_of(stack.identity.endpoint, id)
    if local is None:
        if agent_of(found)[0] != "RUNNING":
            return None
        return TaskSession(stack, cluster, id, container, found.get("runtimeId", ""), None)
    if container not in local:
        raise errors.ReconcilerError(f"container {container} of task {id} has no process")
    return TaskSession(stack, cluster, id, container, found.get("runtimeId", ""), local[container])


def _exec_is_off(stack: Stack, spec: RolloutSpec, task: str) -> str:
    """Why a task takes no sessions, and the line to change."""
    declared = stack.target.wanted[spec.service].spec.exec
    if declared:
        why = f"it was started before `exec: true` was applied; `reconciler restart {spec.name}` replaces it"
    else:
        why = f"set `exec: true` in the Service at {spec.where}, apply it, and `reconciler restart {spec.name}`"
    return f"task {task} takes no sessions: {why}"


def agent_of(container: Mapping[str, Any]) -> tuple[str, str]:
    """The status of the agent that takes sessions, and its reason in parentheses, or ""."""
    agents = (one for one in container.get("managedAgents") or () if one.get("name") == AGENT)
    agent = next(agents, {"lastStatus": "missing"})
    return agent["lastStatus"], f" ({agent['reason']})" if agent.get("reason") else ""


def _described(cluster: str, task: str) -> Calls[dict[str, Any]]:
    from reconciler.resources import task as tasks

    found = yield from tasks.described(cluster, [task])
    if not found:
        raise errors.Gone(f"task {task} has just stopped", call="ecs.DescribeTasks")
    return found[0]


def _one(service: str, operation: str, params: dict[str, Any]) -> Calls[dict[str, Any]]:
    from reconciler.model.resource import Call

    answer: dict[str, Any] = yield Call(service, operation, params)
    return answer


def _plugin_version() -> tuple[int, ...]:
    """Of the plugin, as far as it says so."""
    said = subprocess.run([PLUGIN, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    parts = said.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()


# -- the local AWS emulator


def _joined(inside: Mapping[str, Any], arguments: Sequence[str]) -> int:
    """A process beside those of the container: in its folder, with its environment, as its user."""
    environment, name = dict(inside["environment"]), arguments[0]
    found = inside["programs"].get(name) or shutil.which(name, path=environment.get("PATH", os.defpath))
    if "/" in name:
        found = os.path.join(inside["folder"], name)
    if found is None or not os.access(found, os.X_OK):
        raise errors.ReconcilerError(f"exec: {name!r}: executable file not found in the task")
    who: dict[str, Any] = {}
    if inside["user"] and os.geteuid() == 0:
        user, _, group = inside["user"].partition(":")
        who = {"user": int(user), "group": int(group), "extra_groups": ()}
    return _in_foreground([found, *arguments[1:]], cwd=inside["folder"], env=environment, **who)


def _in_foreground(command: Sequence[str], **how: Any) -> int:
    """Run a program with this process's streams. What is typed, Ctrl-C included, is for the program.

    The terminal is left as it was, whatever the program has done to it.
    """
    with _deaf(), _terminal_kept():
        code = subprocess.run(list(command), check=False, **how).returncode
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A handler that does nothing: a signal that is ignored would be ignored by the program, too."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """A program that loses its connection, or is killed, leaves a terminal that shows nothing of what is typed."""
    try:
        before = termios.tcgetattr(0)
    except termios.error:  # no terminal
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _relay(port: int, to: tuple[str, int], stop: threading.Event) -> int:
    """Accept connections on this machine only. Raises `OSError` if the port is taken."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.settimeout(0.2)
        echo(f"Forwarding 127.0.0.1:{listening.getsockname()[1]} to {to[0]}:{to[1]} (Ctrl-C to stop)", err=True)
        while not stop.is_set():
            try:
                client, _ = listening.accept()
            except TimeoutError:
                continue
            threading.Thread(target=_connect, args=(client, to), daemon=True).start()
    return 0


def _connect(client: socket.socket, to: tuple[str, int]) -> None:
    """A connection that the task does not take is closed, as AWS closes it; the reason is printed."""
    with client, contextlib.suppress(OSError):
        try:
            server = socket.create_connection(to, timeout=10)
        except OSError as error:
            echo(f"warning: port {to[1]} of the task: {error.strerror or error}", err=True)
            return
        with server:
            client.settimeout(None)
            server.settimeout(None)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
