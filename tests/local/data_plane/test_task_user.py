"""Tasks run as an ordinary user where the emulator was started as root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.local import task_user
from reconciler.local.container_options import ContainerHealthCheck
from reconciler.local.data_plane import DataPlane
from reconciler.local.task_user import TaskUser
from tests.local.data_plane.control import Recorder
from tests.local.data_plane.test_tasks import shell, task

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
NOBODY = TaskUser(65534, 65534, "nobody")


def test_an_ordinary_users_tasks_stay_that_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed and nothing is said where the emulator has no privileges to give up."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = tmp_path.stat()
    assert task_user.choose(tmp_path) == (None, "")
    assert tmp_path.stat().st_mode == before.st_mode


@as_root
def test_a_user_that_can_run_python_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`nobody` first; the trial leaves nothing behind, and the folder can be passed through and not listed."""
    monkeypatch.setattr(task_user, "TRIAL", ("/bin/sh", "-c", "true"))
    user, note = task_user.choose(tmp_path)
    assert user is not None
    assert (user.name, note) == ("nobody", "")
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711


@as_root
def test_without_such_a_user_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks then run as root, as before; the note names who was tried."""
    monkeypatch.setattr(task_user, "TRIAL", ("/bin/sh", "-c", "exit 1"))
    user, note = task_user.choose(tmp_path)
    assert user is None
    assert note.startswith("tasks run as root: nobody cannot run ")
    assert "\n" not in note


@as_root
def test_a_task_is_nobody(tmp_path: Path, control: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers and their health checks: uid, gid, no further groups, a home of its own, and no low port."""
    monkeypatch.setattr(task_user, "choose", lambda _: (NOBODY, ""))
    monkeypatch.setattr(TaskUser, "lowest_port", 1024)
    line = 'id -u; id -g; id -G; echo x > "$HOME/own" && echo wrote; echo port $PORT; sleep 60'
    check = ContainerHealthCheck(("CMD-SHELL", "[ $(id -u) = 65534 ]"), interval=0.1, retries=1)
    with DataPlane(tmp_path / "state", SystemClock()) as plane:
        os.chmod(plane._scratch, 0o711)
        plane.bind(control)
        plane.runner.start(task(shell(line, ports=(80,), health_check=check)))
        control.until(lambda: len(control.lines) >= 5 and control.health)
        assert [text for _, _, text in control.lines] == ["65534", "65534", "65534", "wrote", "port 10080"]
        assert control.health == [("t1", "main", True)]


def test_nothing_of_a_task_counts_before_it_is_the_tasks(plane: DataPlane, control: Recorder) -> None:
    """The dynamic linker reads LD_PRELOAD: were it set for the process that changes its user, it would run as root."""
    plane.runner.start(task(shell("echo done", environment={"LD_PRELOAD": "/nowhere/evil.so"})))
    control.until(lambda: control.exits)
    complaints = [text for _, _, text in control.lines if "LD_PRELOAD" in text]
    assert len(complaints) <= 1, complaints  # by the shell; the launcher's own start would be another one
    assert control.lines[-1][2] == "done"


def test_a_variable_with_a_nul_is_an_error_of_the_task(plane: DataPlane, control: Recorder) -> None:
    """It could end one variable and begin another."""
    plane.runner.start(task(shell("env", environment={"A": "1\0PATH=/evil"})))
    control.until(lambda: control.failed)
    assert control.failed["t1"].startswith("CannotStartContainerError")


@as_root
def test_folders_are_given_from_the_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be entered by the user already is never changed by path any more."""
    for place in ("a/b/c", "a/d"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "file").touch()
    given: list[Path] = []
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: given.append(Path(path)))
    task_user.give(NOBODY, tmp_path)
    assert given[-1] == tmp_path
    assert all(
        given.index(path) > given.index(path / child.name)
        for path in given
        if path.is_dir()
        for child in path.iterdir()
    )
