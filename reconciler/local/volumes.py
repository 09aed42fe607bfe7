"""Volumes of tasks as folders. A process has the file system of this machine, so nothing is mounted at a path of it.

Below the folder of a container's image, which its program starts in, a link leads to the volume, and a variable names
its folder. Whether a mount is read-only is not enforced.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from reconciler.local import task_user
from reconciler.local.container_options import Mount
from reconciler.local.task_user import TaskUser

VARIABLE: Final = "RECONCILER_VOLUME_"
"""Before the name of a volume, in capitals."""
SHARED: Final = "efs"


def folders(mounts: Iterable[Mount], *, task: Path, scratch: Path, user: TaskUser | None) -> dict[Mount, Path]:
    """The folder of each mount's volume, which is made if it is not there. Those of file systems are in `scratch`, as
    long as the emulator runs."""
    found = {}
    for mount in mounts:
        folder = scratch / SHARED / mount.shared if mount.shared else task / "volumes" / mount.volume
        if mount.shared and not folder.exists():
            folder.mkdir(parents=True)
            if user is not None:
                task_user.give(user, folder)
        folder.mkdir(parents=True, exist_ok=True)
        found[mount] = folder
    return found


def link(root: Path, found: Mapping[Mount, Path]) -> None:
    """Put each volume at its path below `root`, in the place of what the image has there."""
    for mount, folder in found.items():
        steps = [step for step in mount.path.split("/") if step not in ("", ".", "..")]
        place = root.joinpath(*steps)
        if not steps or not place.parent.resolve().is_relative_to(root.resolve()):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        place.symlink_to(folder)


def variables(found: Mapping[Mount, Path]) -> dict[str, str]:
    return {VARIABLE + re.sub(r"\W", "_", mount.volume).upper(): str(folder) for mount, folder in found.items()}
