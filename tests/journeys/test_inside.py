"""Inside a task of the local AWS emulator, without a plugin: a command beside its processes, and a port of it."""

from __future__ import annotations

import os
import re
import select
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.emulator import CLUSTER, PATIENCE, SERVICE, local_session


def read(terminal: int, words: str) -> str:
    """What a terminal shows, until that is shown."""
    said, end = b"", time.monotonic() + PATIENCE
    while words.encode() not in said and time.monotonic() < end:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            said += os.read(terminal, 4096)
        except OSError:  # nobody has it open any more
            break
    assert words.encode() in said, said.decode(errors="replace")
    return said.decode(errors="replace")


@pytest.mark.slow
def test_a_command_and_a_port_of_a_task(tmp_path: Path) -> None:
    """The exit code, the environment and the folder are those in the task; the port answers as the load balancer's."""
    with local_session(tmp_path, speed=40) as here:
        here.save({"deployment: careful": "exec: true\ndeployment: careful"})
        here.typed("apply", "-y")
        here.push("v1")
        applied = here.typed("apply", "-y", "--wait")
        assert applied.code == Exit.DONE, applied.text

        ran = here.typed("exec", SERVICE, "--", "sh", "-c", 'echo "said $GREETING on $PORT in $PWD"; exit 7')
        assert (ran.code, "said Hello World on 80" in ran.text) == (7, True), ran.text
        assert here.typed("exec", SERVICE, "--", "python", "-c", "raise SystemExit(3)").code == 3
        missing = here.typed("exec", SERVICE, "--", "no-such-program")
        assert (missing.code, "no-such-program" in missing.text) == (Exit.NOT_RUN, True)

        ran = here.typed(
            "run-task", SERVICE, "--env", "DRY=1", "--", "python", "-c", "print('dry', __import__('os').environ['DRY'])"
        )
        assert (ran.code, "dry 1" in ran.text) == (Exit.DONE, True), ran.text

        with here.on_a_terminal("run-task", "-it", SERVICE, "--", "sh") as (process, person):
            assert "stopped when the command ends" in read(person, "stopped when")
            os.write(person, b"tty; echo $GREETING $((6 * 7)); exit 7\n")
            assert process.wait(PATIENCE) == 7
            said = read(person, "Hello World 42")
            assert "/dev/" in said
        with here.on_a_terminal("run-task", "-it", SERVICE, "--", "sh") as (process, person):
            read(person, "stopped when")
            os.close(person)  # the window is closed
            assert process.wait(PATIENCE) == Exit.TERMINATED
        arns = here.ask("ecs", "ListTasks", cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
        stopped = here.ask("ecs", "DescribeTasks", cluster=CLUSTER, tasks=arns)["tasks"]
        idle = [one for one in stopped if one["enableExecuteCommand"] and not one["group"].startswith("service:")]
        assert [one["stopCode"] for one in idle] == ["UserInitiated", "UserInitiated"]

        going = here.begin("port-forward", SERVICE, "0:80")
        going.until("Forwarding")
        port = re.search(r"127\.0\.0\.1:(\d+)", going.text)
        assert port is not None
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/", timeout=10) as answer:
                assert b"Hello World" in answer.read()
        going.signal(signal.SIGINT)
        assert going.ended().code == Exit.INTERRUPTED
