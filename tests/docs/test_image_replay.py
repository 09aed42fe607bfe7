"""The image of the operator without a container engine: the steps of its Dockerfile, replayed in a folder.

What is built there runs as the image does: as an ordinary user, in the image's environment, on a tree that it may only
read. It deploys the seed specs to the local AWS emulator.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.cli.emulator import repositories
from reconciler.local import dockerfile
from tests.docs.test_image import ROOT, TEXT, instructions
from tests.harness.emulator import KEYS, REGION, SERVICE, Desk, Going, local_session

NOBODY = 65534
ORDINARY = "/usr/bin/python3.11"
"""An interpreter that other users can read, where this one lies in the home folder of root."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    found = Path(tempfile.mkdtemp(prefix="reconciler-image-", dir="/var/tmp"))
    found.chmod(0o755)
    yield found
    subprocess.run(["chmod", "-R", "u+w", found], check=True)
    shutil.rmtree(found)


def interpreter() -> str:
    own = os.path.realpath(sys.executable)
    if os.geteuid() != 0 or all(os.stat(one).st_mode & 0o001 for one in Path(own).parents):
        return own
    if not os.access(ORDINARY, os.X_OK):
        pytest.skip(f"no Python that an ordinary user could run: {own} is readable by root only, and no {ORDINARY}")
    return ORDINARY


def built(place: Path) -> Path:
    """The root of the image: every COPY and RUN of the first stage, with its paths below `place`."""
    root, tools = place / "root", place / "tools"
    tools.mkdir()
    (tools / "python").symlink_to(interpreter())
    pip = f'#!/bin/sh\nexec {sys.executable} -m pip --disable-pip-version-check "$@"\n'
    (tools / "pip").write_text(pip, encoding="utf-8")
    (tools / "pip").chmod(0o755)
    root.mkdir()
    stages = [number for number, (name, _) in enumerate(instructions()) if name == "FROM"]
    for name, rest in instructions()[stages[0] : stages[1]]:
        if name == "COPY":
            source, target = rest.split()
            _copied(ROOT / source, root / target.lstrip("/"))
        elif name == "RUN":
            command = re.sub(r"(?<![\w.])/(venv|tmp/source|requirements-image\.lock)", rf"{root}/\1", rest)
            environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin"}
            subprocess.run(["sh", "-ec", command], check=True, env=environment, timeout=600)
    return root


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]", "local"))
    else:
        shutil.copy(source, target / source.name)


def until(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def serving(here: Desk) -> bool:
    try:
        return here.version_live() == "v1"
    except (OSError, LookupError, errors.AwsError):
        return False


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    found = {str(one.relative_to(root)): one.lstat() for one in root.rglob("*")}
    return {name: (state.st_size, state.st_mtime_ns) for name, state in found.items()}


@pytest.mark.slow
def test_what_the_dockerfile_builds_runs_as_an_ordinary_user_on_a_tree_that_it_only_reads(place: Path) -> None:
    root, written, work = built(place), place / "tmp", place / "work"
    written.mkdir(mode=0o777)
    written.chmod(0o1777)
    with local_session(place, speed=40) as here:
        shutil.copytree(place / "specs", work / "specs")
        for tree in (root, work):
            subprocess.run(["chmod", "-R", "a+rX,a-w", tree], check=True)
        before = snapshot(root), snapshot(work)
        image = dockerfile.read(TEXT)
        environment = {
            name: text.replace("/venv/bin:$PATH", f"{root}/venv/bin").replace("/tmp", str(written))
            for name, text in image.environment.items()
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            health = f"127.0.0.1:{free.getsockname()[1]}"
        arguments = [health if one == "127.0.0.1:9090" else one for one in image.command]
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        operator = Going(
            subprocess.Popen(
                [root / "venv" / "bin" / image.entry_point[0], *arguments],
                cwd=work,
                env=environment | KEYS | {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": here.endpoint},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **who,
            )
        )
        here.going.append(operator)
        probe = [root / "venv/bin/python", "-m", "reconciler.server.probe", f"http://{health}/healthz"]
        until(lambda: subprocess.run(probe, env=environment, check=False).returncode == 0, 180)
        until(lambda: SERVICE in repositories(here.endpoint), 180)
        here.push("v1")
        until(lambda: serving(here), 180)
        assert here.version_live() == "v1", operator.text
        operator.signal(signal.SIGTERM)
        assert operator.ended(8).code == 128 + signal.SIGTERM, operator.text
        assert "Traceback" not in operator.text
        assert (snapshot(root), snapshot(work)) == before
