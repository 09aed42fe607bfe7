"""A balancer with targets that do exactly what a test says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from reconciler.local.addresses import Addresses
from reconciler.local.authority import Authority
from reconciler.local.background import Background
from reconciler.local.balancer import Balancer
from reconciler.local.nursery import Nursery
from reconciler.local.ports import (
    FixedResponse,
    Forward,
    HealthState,
    ListenerRoutes,
    Redirect,
    Route,
    Target,
    TargetGroupSettings,
    TargetState,
    WeightedGroup,
)
from tests.local.data_plane.control import Recorder


class Connection:
    """One connection at a target, for a script to read from and write to."""

    def __init__(self, connected: socket.socket, number: int) -> None:
        self.socket = connected
        self.number = number  # of the connections to this target, from 1
        self._rest = b""

    def head(self) -> bytes:
        """The next request's head; b"" when the balancer has closed."""
        while b"\r\n\r\n" not in self._rest:
            data = self.socket.recv(65536)
            if not data:
                return b""
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def body(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self.socket.recv(65536)
            if not data:
                break
            self._rest += data
        body, self._rest = self._rest[:size], self._rest[size:]
        return body

    def all_of(self, end: bytes) -> bytes:
        """Everything up to this end."""
        parts = [self._rest]
        while not b"".join(parts[-2:]).endswith(end) and (data := self.socket.recv(65536)):
            parts.append(data)
        return b"".join(parts)

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def answer(self, body: bytes = b"ok", status: bytes = b"200 OK", headers: bytes = b"") -> None:
        self.send(b"HTTP/1.1 ", status, b"\r\nContent-Length: %d\r\n" % len(body), headers, b"\r\n", body)


class Scripted:
    """A target: `script` plays on each connection, in a thread of its own, and its end closes the connection."""

    def __init__(self, script: Callable[[Connection], None], *, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._context = context
        self._script = script
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_listening()
        for connected in list(self._open):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()

    def state(self, state: HealthState = "healthy") -> TargetState:
        return TargetState(Target(f"10.0.1.{self.port % 200}", self.port, "", "127.0.0.1", self.port), state)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            if self._context is not None:
                connected = self._context.wrap_socket(connected, server_side=True)
            self._open.add(connected)
            thread = threading.Thread(target=self._play, args=(Connection(connected, self.connections),))
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            self._script(connection)
        self._open.discard(connection.socket)
        connection.socket.close()


def echo(name: bytes = b"ok") -> Callable[[Connection], None]:
    """Answers every request with `name`."""

    def script(connection: Connection) -> None:
        while connection.head():
            connection.answer(name)

    return script


class Health:
    """The targets as a test says they are."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[str], None]] = []
        self.groups: dict[str, tuple[TargetGroupSettings, tuple[TargetState, ...]]] = {}

    def settings(self, group_arn: str) -> TargetGroupSettings | None:
        return self.groups[group_arn][0] if group_arn in self.groups else None

    def states(self, group_arn: str) -> tuple[TargetState, ...]:
        return self.groups[group_arn][1] if group_arn in self.groups else ()

    def set(self, name: str, *states: TargetState, settings: TargetGroupSettings | None = None) -> None:
        self.groups[name] = (settings or TargetGroupSettings(name, name), states)
        for told in self.on_change:
            told(name)


class Stage:
    """One balancer process for many tests: each of them sets its own listener."""

    def __init__(self) -> None:
        self.health = Health()
        self._addresses = Addresses()
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Authority(Path(self._folder.name))
        self._nursery = Nursery()
        self._background = Background("stage", self._nursery.let_go)
        self.control = Recorder()
        self.balancer = Balancer(self._addresses, self._nursery, self._background, self.health, self.authority)
        self.balancer.bind(self.control)

    def serve(self, *routes: Route, idle_timeout: float = 60.0, port: int = 8000) -> tuple[str, int]:
        """One listener with these rules; where it is, once it holds."""
        self.balancer.configure((listener(*routes, idle_timeout=idle_timeout, port=port),))
        assert self.balancer.settled()
        return self.balancer.addresses()["listener"]

    def forward(self, *targets: TargetState, idle_timeout: float = 60.0) -> tuple[str, int]:
        """One listener with one group with these targets."""
        self.health.set("group", *targets)
        return self.serve(default(to("group")), idle_timeout=idle_timeout)

    def close(self) -> None:
        self.balancer.close()
        self._background.close()
        self._nursery.close()
        self._addresses.close()
        self.control.close()
        self._folder.cleanup()


def alive(process: int) -> bool:
    """A process that has ended and that nobody has collected yet is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def listener(*routes: Route, idle_timeout: float = 60.0, port: int = 8000, name: str = "listener") -> ListenerRoutes:
    return ListenerRoutes(name, "alb", "alb-arn", "alb.local", port, "HTTP", routes, idle_timeout)


def to(*groups: str, stickiness: float = 0.0, **weights: int) -> Forward:
    """Forward to groups of weight 1, or of the weights given by name."""
    every = (*((name, 1) for name in groups), *weights.items())
    return Forward(tuple(WeightedGroup(name, weight) for name, weight in every), stickiness)


def default(action: Forward | FixedResponse | Redirect) -> Route:
    return Route("default", None, (), action)
