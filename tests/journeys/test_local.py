"""The local AWS emulator as a newcomer meets it: the demo from start to end, and the commands beside it."""

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

import boto3
import pytest

from reconciler.cli.emulator_client import CLIENT_HEADERS

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


@pytest.mark.slow
def test_the_demo_tells_its_whole_story_and_leaves_nothing(tmp_path: Path) -> None:
    """v1 serves, v2 is tested, promoted and alone, v3 fails with its cause and never serves; no process stays."""
    ended = subprocess.run(
        [*RECONCILER, "demo", "--exit", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=420,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    told = [ended.stdout.index(text) for text in (
        "Hello World (version v1",
        "waiting for promotion",
        "promote my-app-frontend: accepted",
        "Promoted",
        "stable",
        "Change tag: v2 to tag: v3",
        'OperationalError: could not translate host name "db-new" to address',
        "Production never saw v3",
    )]  # fmt: skip
    assert sorted(told[4:]) == told[4:]
    assert "Hello World (version v3" not in ended.stdout
    assert until(lambda: not processes(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_the_demo_serves_the_first_version_and_ends_cleanly_when_told(tmp_path: Path) -> None:
    """The loop makes the stack and deploys v1 by itself; Ctrl-C in mid-story ends every process and leaves no file."""
    process = subprocess.Popen(
        [*RECONCILER, "demo", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Hello World (version v1" in line:
            process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    process.stdout.close()
    assert any("Hello World (version v1" in line for line in lines), "".join(lines[-30:])
    assert process.returncode == 0, "".join(lines[-30:])
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
    boto3.client("ecr", "us-west-2", endpoint_url=endpoint).create_repository(repositoryName="hello")
    pushed = local(
        "push",
        str(ROOT / "app"),
        "--tag",
        "v1",
        "--repository",
        "hello",
        endpoint=endpoint,
        cwd=tmp_path,
    )
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.startswith("hello:v1 sha256:")
    assert list((tmp_path / "state" / "images").iterdir()), "the emulator's folder, and not the current one"
    assert not (tmp_path / ".reconciler").exists()
    assert local("urls", endpoint=endpoint, cwd=tmp_path).stdout == ""
    assert local("hooks", endpoint=endpoint, cwd=tmp_path).stdout == ""
    authority = Path(local("ca", "--path", endpoint=endpoint, cwd=tmp_path).stdout.rstrip("\n"))
    assert authority == tmp_path / "state" / "ca.pem"
    assert local("ca", endpoint=endpoint, cwd=tmp_path).stdout == authority.read_text()
    assert (tmp_path / "state" / ".gitignore").read_text() == "*\n"
    assert local("function", "check", "SUCCEEDED", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert local("function", endpoint=endpoint, cwd=tmp_path).stdout == "check  SUCCEEDED\n"
    assert local("function", "--clear", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert local("function", "check", endpoint=endpoint, cwd=tmp_path).returncode == 64
    assert local("function", endpoint=endpoint, cwd=tmp_path).stdout == ""
    assert local("fault", "denied", "--service", "ecs", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert "denied" in local("fault", endpoint=endpoint, cwd=tmp_path).stdout
    assert local("fault", "--clear", endpoint=endpoint, cwd=tmp_path).returncode == 0
    assert local("fault", endpoint=endpoint, cwd=tmp_path).stdout == ""
    refused = local("fault", "nonsense", endpoint=endpoint, cwd=tmp_path)
    assert (refused.returncode, "there is no fault" in refused.stderr) == (1, True)
    request = urllib.request.Request(f"{endpoint}/_reconciler/health", headers=CLIENT_HEADERS)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.loads(answer.read())["status"] == "ok"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_without_a_laptop_aws_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Nothing listens: exit 1, and the command that starts one."""
    ended = local("urls", endpoint="http://127.0.0.1:9", cwd=tmp_path)
    assert ended.returncode == 1
    assert "reconciler local up" in ended.stderr


def test_another_port_is_named_by_the_variable(tmp_path: Path) -> None:
    """`--local` is for that emulator then, without credentials; without it, the missing ones are named so."""
    line = [*RECONCILER, "local", "up", "--port", "0", "--state", str(tmp_path / "state")]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        started, variable = process.stdout.readline(), process.stdout.readline()
        endpoint = started.split()[7].rstrip(".")
        (tmp_path / "specs").mkdir()
        (tmp_path / "specs" / "stack.yaml").write_text("{kind: Stack, name: shop, region: us-west-2}\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ACCESS")}
        environment |= {"AWS_ENDPOINT_URL": endpoint}
        ran = [
            subprocess.run(
                [*RECONCILER, "diff", *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            for more in ([], ["--local"])
        ]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()
    assert variable == f"  export AWS_ENDPOINT_URL={endpoint}\n"
    assert [one.returncode for one in ran] == [1, 0], ran
    assert f"--local for the emulator on {endpoint}" in ran[0].stderr
