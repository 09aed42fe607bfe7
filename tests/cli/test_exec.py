"""`exec` and `port-forward`: what is missing is said before a session begins, and the plugin gets what it needs."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import errors
from reconciler.cli.emulator_client import containers_of
from reconciler.cli.inside import passes_exit_code
from reconciler.cli.output.exits import Exit
from reconciler.cli.task_session import SESSION, TaskSession, _connect, _relay
from tests.cli.cli_runner import Typed, onstage
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack


@pytest.fixture(scope="module")
def serving(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack) -> Iterator[Typed]:
    with onstage(serving) as typed:
        yield typed


@pytest.mark.apart
@pytest.mark.parametrize("command", [("exec", SERVICE, "sh"), ("port-forward", SERVICE, "8080:80")])
def test_a_task_without_exec_names_the_line_of_the_specs(type_: Typed, command: tuple[str, ...]) -> None:
    ran = type_(*command)
    assert ran.code == Exit.NOT_RUN
    assert "services/frontend.yaml:" in ran.err
    assert f"reconciler restart {SERVICE}" in ran.err


@pytest.mark.apart
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("exec", "my-app-fronted", "sh"), Exit.USAGE, SERVICE),
        (("exec", SERVICE), Exit.USAGE, "COMMAND"),
        (("exec", SERVICE, "--container", "frontent", "sh"), Exit.USAGE, "frontend"),
        (("exec", "-it", SERVICE, "--task", "zz", "sh"), Exit.NOT_RUN, "zz"),
        (("port-forward", SERVICE, "web"), Exit.USAGE, "LOCAL:REMOTE"),
        (("port-forward", SERVICE, "1:2:3"), Exit.USAGE, "LOCAL:REMOTE"),
        (("port-forward", SERVICE, "80:0"), Exit.USAGE, "0"),
        (("port-forward", SERVICE, "70000"), Exit.USAGE, "65535"),
    ],
)
def test_what_is_not_there_is_said(type_: Typed, command: tuple[str, ...], code: Exit, said: str) -> None:
    ran = type_(*command)
    assert (ran.code, said in ran.err) == (code, True), ran.err


@pytest.mark.apart
def test_a_service_without_tasks_has_none_to_join(serving: EmulatedStack, type_: Typed) -> None:
    assert type_("scale", SERVICE, 0, "--now").code == Exit.DONE
    serving.laptop.advance(300)
    ran = type_("exec", SERVICE, "sh")
    assert (ran.code, "no running task" in ran.err) == (Exit.NOT_RUN, True)


# -- the plugin

PLUGIN = """#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("{version}")
else:
    json.dump({{"argv": sys.argv[1:], "session": os.environ.get("{name}")}}, open("{told}", "w"))
    sys.exit(5)
"""


def session(answer: dict[str, Any], sent: list[Any]) -> TaskSession:
    """A session in AWS, where every call has that answer."""

    def run(conversation: Any) -> Any:
        sent.append(next(conversation))
        try:
            conversation.send(answer)
        except StopIteration as end:
            return end.value

    transport = SimpleNamespace(region="us-west-2", profile="dev", endpoint_of=lambda name: f"https://{name}.test")
    aws = SimpleNamespace(run=run, mine=SimpleNamespace(add=lambda *_: None))
    stack: Any = SimpleNamespace(aws=aws, signed_in=SimpleNamespace(transport=transport))
    return TaskSession(stack, "main", "9c1b", "web", "9c1b-77", None)


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> Path:
    told = tmp_path / "told.json"
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(PLUGIN.format(python=sys.executable, version=version, name=SESSION, told=told))
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return told


def test_without_the_plugin_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sent: list[Any] = []
    with pytest.raises(errors.ReconcilerError, match="session-manager-plugin is not installed"):
        session({}, sent).execute(["sh"])
    assert sent == []


def test_a_command_is_one_line_and_the_token_is_not_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, sent = installed(tmp_path, monkeypatch, "1.2.553.0"), list[Any]()
    answer = {"session": {"sessionId": "s", "streamUrl": "wss://", "tokenValue": "secret"}}
    assert session(answer, sent).execute(["sh", "-c", "echo $HOME"]) == 5
    (call,) = sent
    assert call.params["command"] == "sh -c 'echo $HOME'"
    found = json.loads(told.read_text())
    target = json.dumps({"Target": "ecs:main_9c1b_9c1b-77"})
    assert found["argv"] == [SESSION, "us-west-2", "StartSession", "dev", target, "https://ecs.test"]
    assert json.loads(found["session"]) == answer["session"]


def test_an_older_plugin_gets_the_session_as_it_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, sent = installed(tmp_path, monkeypatch, "1.2.463.0"), list[Any]()
    answer = {"SessionId": "s", "StreamUrl": "wss://", "TokenValue": "secret", "ResponseMetadata": {}}
    assert session(answer, sent).forward(8080, 80, threading.Event()) == 5
    (call,) = sent
    assert (call.service, call.operation) == ("ssm", "StartSession")
    assert call.params["Parameters"] == {"portNumber": ["80"], "localPortNumber": ["8080"]}
    found = json.loads(told.read_text())
    assert json.loads(found["argv"][0]) == {"SessionId": "s", "TokenValue": "secret", "StreamUrl": "wss://"}
    assert found["session"] is None


# -- the emulator


def test_only_the_emulators_own_answer_makes_an_endpoint_the_emulator() -> None:
    """Neither AWS nor something else on this machine is one."""
    assert containers_of(None, "9c1b") is None
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        assert containers_of(f"http://127.0.0.1:{port}", "9c1b") is None


def test_a_port_that_is_taken_is_not_an_exit_code_of_the_task() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        forwarded = passes_exit_code(lambda: _relay(taken.getsockname()[1], ("127.0.0.1", 1), threading.Event()))
        assert forwarded() == Exit.NOT_RUN


def test_a_port_that_nobody_listens_on_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The relay goes on, and whoever connects sees the connection closed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        to = free.getsockname()
    here, there = socket.socketpair()
    _connect(there, to)
    assert here.recv(1) == b""
    here.close()
    assert f"port {to[1]} of the task: Connection refused" in capsys.readouterr().err


def test_a_connection_is_relayed_both_ways_to_its_end() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        relay = threading.Thread(target=_relay, args=(port, server.getsockname(), stop), daemon=True)
        relay.start()
        while True:
            try:
                client = socket.create_connection(("127.0.0.1", port), timeout=5)
                break
            except ConnectionRefusedError:
                continue
        there, _ = server.accept()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert there.makefile("rb").read() == b"question"
        there.sendall(b"answer")
        there.close()
        assert client.makefile("rb").read() == b"answer"
        client.close()
    stop.set()
    relay.join(5)
    assert not relay.is_alive()
