"""Health checks over real HTTP."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.local import targets as health_checks
from reconciler.local.data_plane import DataPlane
from reconciler.local.ports import Target, TargetGroupSettings
from tests.local.data_plane.control import Recorder

GROUP = TargetGroupSettings(
    "tg", "blue", interval=0.06, healthy_threshold=2, unhealthy_threshold=2, deregistration_delay=0.3
)


class Answering:
    """A server that answers every request with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.paths: list[str] = []
        self.agents: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                outer.agents.append(self.headers["User-Agent"])
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def target(self) -> Target:
        return Target("10.0.1.5", 80, "us-east-1a", "127.0.0.1", self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.close()


def answer_all(listening: socket.socket) -> None:
    """200 to everybody, until it is shut down."""
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        with connected:
            connected.recv(65536)
            connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def state(plane: DataPlane) -> tuple[str, str, str]:
    (found,) = plane.probe.states("tg")
    return found.state, found.reason, found.description


def test_a_target_that_answers_becomes_healthy_and_stops_being_so(
    plane: DataPlane, control: Recorder, server: Answering
) -> None:
    """initial, healthy, and unhealthy with the code it answered; every change is told."""
    plane.probe.watch(replace(GROUP, health_check_path="/ready?deep=1"))
    plane.probe.set_targets("tg", (server.target,))
    assert state(plane) == ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    control.until(lambda: state(plane) == ("healthy", "", ""))
    assert server.paths[0] == "/ready?deep=1"
    assert server.agents[0] == "ELB-HealthChecker/2.0"
    server.status = 404
    control.until(lambda: state(plane)[0] == "unhealthy")
    assert state(plane)[1:] == ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]")
    server.status = 200
    control.until(lambda: state(plane)[0] == "healthy")
    assert control.changed.count("tg") >= 4


def test_what_counts_as_healthy_is_the_matchers(plane: DataPlane, control: Recorder, server: Answering) -> None:
    """A 404 is as good as anything that the matcher names, and settings count from the next check on."""
    server.status = 404
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (server.target,))
    control.until(lambda: state(plane)[0] == "unhealthy")
    plane.probe.watch(replace(GROUP, matcher="200-299,404"))
    control.until(lambda: state(plane)[0] == "healthy")


def test_a_target_that_refuses_has_failed(plane: DataPlane, control: Recorder, server: Answering) -> None:
    """Nothing listens: Target.FailedHealthChecks."""
    target = server.target
    server.close()
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (target,))
    control.until(lambda: state(plane)[0] == "unhealthy")
    assert state(plane)[1:] == ("Target.FailedHealthChecks", "Health checks failed")


def test_a_target_that_does_not_answer_has_timed_out(
    plane: DataPlane, control: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and says nothing: Target.Timeout."""
    monkeypatch.setattr(health_checks, "SHORTEST_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        plane.probe.watch(replace(GROUP, timeout=0.05))
        plane.probe.set_targets("tg", (Target("10.0.1.5", 80, "", "127.0.0.1", silent.getsockname()[1]),))
        control.until(lambda: state(plane)[0] == "unhealthy")
        assert state(plane)[1:] == ("Target.Timeout", "Request timed out")


def test_an_address_that_no_task_has_times_out(plane: DataPlane, control: Recorder) -> None:
    """Nothing is sent anywhere."""
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (Target("10.0.1.99", 80),))
    control.until(lambda: state(plane)[0] == "unhealthy")
    assert state(plane)[1] == "Target.Timeout"


def test_a_target_can_be_made_unhealthy_on_demand(plane: DataPlane, control: Recorder, server: Answering) -> None:
    """Whatever it answers."""
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (replace(server.target, never_healthy=True),))
    control.until(lambda: state(plane)[0] == "unhealthy")
    assert state(plane)[1] == "Target.ResponseCodeMismatch"
    plane.probe.set_targets("tg", (server.target,))
    control.until(lambda: state(plane)[0] == "healthy")


def test_a_group_out_of_use_is_not_checked(plane: DataPlane, control: Recorder, server: Answering) -> None:
    """unused until a listener names the group, then initial; and unused again after."""
    plane.probe.watch(replace(GROUP, in_use=False))
    plane.probe.set_targets("tg", (server.target,))
    assert state(plane)[:2] == ("unused", "Target.NotInUse")
    assert server.paths == []
    plane.probe.watch(GROUP)
    assert state(plane)[0] == "initial"
    control.until(lambda: state(plane)[0] == "healthy")
    plane.probe.watch(replace(GROUP, in_use=False))
    assert state(plane)[0] == "unused"


def test_a_target_that_is_left_out_drains_and_goes(plane: DataPlane, control: Recorder, server: Answering) -> None:
    """draining for the deregistration delay, then absent; both are told."""
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (server.target,))
    control.until(lambda: state(plane)[0] == "healthy")
    told = len(control.changed)
    plane.probe.set_targets("tg", ())
    assert state(plane) == (
        "draining",
        "Target.DeregistrationInProgress",
        "Target deregistration is in progress",
    )
    control.until(lambda: plane.probe.states("tg") == ())
    control.until(lambda: len(control.changed) == told + 2)


def test_a_draining_target_that_is_registered_again_is_initial_and_stays(
    plane: DataPlane, control: Recorder, server: Answering
) -> None:
    """The end of the old delay does not take it away."""
    plane.probe.watch(replace(GROUP, deregistration_delay=0.2))
    plane.probe.set_targets("tg", (server.target,))
    control.until(lambda: state(plane)[0] == "healthy")
    plane.probe.set_targets("tg", ())
    plane.probe.set_targets("tg", (server.target,))
    assert state(plane)[0] == "initial"
    later = threading.Event()
    control.after(0.3, later.set)
    assert later.wait(5)
    assert state(plane)[0] == "healthy"


def test_a_group_out_of_use_skips_the_draining(plane: DataPlane, server: Answering) -> None:
    """So does a delay of 0."""
    plane.probe.watch(replace(GROUP, in_use=False))
    plane.probe.set_targets("tg", (server.target,))
    plane.probe.set_targets("tg", ())
    assert plane.probe.states("tg") == ()
    plane.probe.watch(replace(GROUP, deregistration_delay=0.0))
    plane.probe.set_targets("tg", (server.target,))
    plane.probe.set_targets("tg", ())
    assert plane.probe.states("tg") == ()


def test_one_address_with_two_ports_is_two_targets(plane: DataPlane, server: Answering) -> None:
    """They are described in the order of their registration."""
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (server.target, replace(server.target, port=81)))
    assert [found.target.port for found in plane.probe.states("tg")] == [80, 81]


def test_a_forgotten_group_has_no_targets(plane: DataPlane, server: Answering) -> None:
    """Nor does anybody check them any more."""
    plane.probe.watch(GROUP)
    plane.probe.set_targets("tg", (server.target,))
    plane.probe.forget("tg")
    assert plane.probe.states("tg") == ()
    with pytest.raises(KeyError):
        plane.probe.set_targets("tg", ())


def test_a_program_has_real_time_to_start_however_fast_the_clock_goes(
    plane: DataPlane, control: Recorder, server: Answering
) -> None:
    """At 1,000 times its speed, five minutes pass before it listens, and it becomes healthy without ever failing."""
    control.speed = 1000.0
    with socket.socket() as starting:
        starting.bind(("127.0.0.1", 0))  # bound, and not listening yet
        plane.probe.watch(replace(GROUP, interval=5))
        plane.probe.set_targets("tg", (Target("10.0.1.5", 80, "", *starting.getsockname()),))
        later = threading.Event()
        control.after(300, later.set)
        assert later.wait(5)
        assert state(plane)[0] == "initial"
        starting.listen()
        answering = threading.Thread(target=answer_all, args=(starting,))
        answering.start()
        control.until(lambda: state(plane)[0] == "healthy")
        assert control.changed.count("tg") <= 3  # registered, checking, healthy
        starting.shutdown(socket.SHUT_RDWR)
        answering.join()
