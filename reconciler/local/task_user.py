"""Unprivileged user for tasks, where the emulator itself was started as root.

A container on Fargate has a machine of its own; a task here has this one. Started by root, it would be root on it.
Processes that are started as an ordinary user stay that user's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TRIAL = (sys.executable, "-I", "-S", "-c", "import os, sys; os.listdir(sys.argv[1])")
TRIAL_SECONDS = 20.0
LOWEST_PORT_FILE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
FIRST_UNPRIVILEGED_PORT = 1024


@dataclass(frozen=True, slots=True)
class TaskUser:
    uid: int
    gid: int
    name: str

    @property
    def lowest_port(self) -> int:
        """The lowest port that its processes may listen on."""
        try:
            return int(LOWEST_PORT_FILE.read_text())
        except (OSError, ValueError):
            return FIRST_UNPRIVILEGED_PORT


def choose(folder: Path) -> tuple[TaskUser | None, str]:
    """The user to run tasks as, and a note for a person where that is root.

    None stands for the user that runs this process. `folder` is where tasks will be put; it is opened for others to
    pass through. A user is taken when it can run this Python and read `folder`.
    """
    if os.geteuid() != 0:
        return None, ""
    folder.chmod(0o711)
    tried: list[str] = []
    for user in _candidates():
        if _can_run(user, folder):
            return user, ""
        tried.append(user.name)
    who = f"{' and '.join(tried)} cannot run {sys.executable} or reach {folder}"
    who = who if tried else "this machine has no user `nobody`"
    return None, f"tasks run as root: {who}; start the emulator as an ordinary user to change that"


def give(user: TaskUser, folder: Path) -> None:
    """Make `folder`, and all that is in it, the user's. Raises OSError.

    The folder itself comes last. Until then nobody else may enter it: else what is given already could be replaced by a
    link to something that is not, and what an image holds with the set-user-ID bit would be root's.
    """
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            os.chown(Path(place, name), user.uid, user.gid, follow_symlinks=False)
    os.chown(folder, user.uid, user.gid)


def _candidates() -> Iterator[TaskUser]:
    """`nobody`, who owns nothing; then the person who typed sudo."""
    for found in (_by_name("nobody"), _by_id(os.environ.get("SUDO_UID", ""))):
        if found is not None and found.pw_uid != 0:
            yield TaskUser(found.pw_uid, found.pw_gid, found.pw_name)


def _by_name(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _by_id(uid: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(uid))
    except (KeyError, ValueError, OverflowError):
        return None


def _can_run(user: TaskUser, folder: Path) -> bool:
    """Whether it can run this Python and read a folder of its own in `folder`."""
    trial = folder / f"trial-{user.uid}"
    try:
        trial.mkdir()
        give(user, trial)
        ended = subprocess.run(
            [*TRIAL, str(trial)],
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return ended.returncode == 0
