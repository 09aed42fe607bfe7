"""The laptop AWS as a newcomer meets it: the demo from start to end, and the commands beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECONCILER = [sys.executable, "-m", "reconciler"]


def processes(mark: str) -> list[str]:
    """Command lines of this machine that hold `mark`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line:
            found.append(line)
    return found


def until(condition: object, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True


def test_the_demo_goes_from_nothing_to_the_next_version_and_leaves_nothing(tmp_path: Path) -> None:
    """The app answers as v1 through the load balancer, a saved change makes it v2, and no process stays behind."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [*RECONCILER, "demo", "--exit", "--port", "0", "--clock", "10"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "Hello World (version v1" in ended.stdout
    assert "Hello World (version v2" in ended.stdout
    assert ended.stdout.index("version v1") < ended.stdout.index("is saved") < ended.stdout.index("version v2")
    assert until(lambda: not processes(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*RECONCILER, "local", "up", "--port", "0", "-o", "json", "--state", str(tmp_path / "state")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["endpoint"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()


def local(*arguments: str, endpoint: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [*RECONCILER, "local", *arguments, "--endpoint", endpoint]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_images_are_pushed_and_things_are_broken_from_the_command_line(
    laptop: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    """`push` answers with a digest, `fault` breaks calls until it is cleared, `urls` is empty without listeners."""
    process, endpoint = laptop
    pushed = local(
        "push",
        str(ROOT / "app"),
        "--tag",
        "v1",
        "--repository",
        "hello",
        "--state",
        str(tmp_path / "state"),
        endpoint=endpoint,
        cwd=tmp_path,
    )
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.startswith("hello:v1 sha256:")
    assert local("urls", endpoint=endpoint, cwd=tmp_path).stdout == ""
    assert local("fault", "denied", "--service", "ecs", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert "denied" in local("fault", endpoint=endpoint, cwd=tmp_path).stdout
    assert local("fault", "--clear", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert local("fault", endpoint=endpoint, cwd=tmp_path).stdout == ""
    refused = local("fault", "nonsense", endpoint=endpoint, cwd=tmp_path)
    assert (refused.returncode, "there is no fault" in refused.stderr) == (1, True)
    with urllib.request.urlopen(f"{endpoint}/_reconciler/health", timeout=5) as answer:
        assert json.loads(answer.read())["status"] == "ok"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_without_a_laptop_aws_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Nothing listens: exit 1, and the command that starts one."""
    ended = local("urls", endpoint="http://127.0.0.1:9", cwd=tmp_path)
    assert ended.returncode == 1
    assert "reconciler local up" in ended.stderr
