"""What exactly runs for a container: the program with its arguments, its environment, its folder. Nothing runs here.

As in a container, nothing of this process's environment is seen; unlike in one, the file system is this machine's. So
the image's folder is where a program starts, whatever WORKDIR says, with the working directory of the task definition
below it, and `python` is the one that runs this.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from reconciler.local import volumes
from reconciler.local.container_options import Mount
from reconciler.local.ports import ContainerLaunch
from reconciler.local.public_images import Program

NOTHING_MOUNTED: Mapping[Mount, Path] = MappingProxyType({})
PYTHONS = frozenset({"python", "python3"})
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")  # the way to programs, and how text is written; no secrets
OWN_HOST = re.compile(r"(?<![\w.-])(?:localhost|127\.0\.0\.1)(?::(\d{1,5}))?(?![\w.-])")


class CannotStart(Exception):
    """A container cannot be started; the text is the task's stopped reason, as AWS words it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


def prepare(
    container: ContainerLaunch,
    program: Program,
    *,
    folder: Path,
    address: str,
    ports: Mapping[int, int],
    private_address: str,
    mounted: Mapping[Mount, Path] = NOTHING_MOUNTED,
) -> Prepared:
    """`folder` is the container's own and empty so far: the image's content is copied into it. Raises CannotStart."""
    home = folder / "app"
    if program.content is None:
        home.mkdir(parents=True)
    else:
        shutil.copytree(program.content, folder, symlinks=True)
    volumes.link(folder, mounted)
    start = home
    if container.working_directory:
        start = folder.joinpath(*(step for step in container.working_directory.split("/") if step not in ("", "..")))
        start.mkdir(parents=True, exist_ok=True)
    arguments = _arguments(container, program)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment = {
        **inherited,
        "HOME": str(home),
        "HOSTNAME": f"ip-{private_address.replace('.', '-')}",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **volumes.variables(mounted),
        **program.environment,
        **container.environment,
    }
    environment |= _listening(environment, container.ports, address=address, ports=ports)
    return Prepared(_found(arguments, environment, start), environment, start)


def at_home(command: Sequence[str], *, address: str, ports: Mapping[int, int]) -> tuple[str, ...]:
    """A container's health check as it has to be asked here: a task's own `localhost` is its address."""

    def where(match: re.Match[str]) -> str:
        port = int(match[1] or 80)
        return f"{address}:{ports.get(port, port)}"

    form, *words = command
    words = [OWN_HOST.sub(where, word) for word in words]
    return ("/bin/sh", "-c", *words) if form == "CMD-SHELL" else _python(words)


def _arguments(container: ContainerLaunch, program: Program) -> tuple[str, ...]:
    """As Docker combines them: an entry point of one's own does away with the image's command too."""
    if container.entry_point:
        arguments = (*container.entry_point, *container.command)
    else:
        arguments = (*program.entry_point, *(container.command or program.command))
    if not arguments:
        raise CannotStart(
            "CannotStartContainerError: failed to create container: no command specified: "
            f"{container.image} has neither an entry point nor a command"
        )
    return _python(arguments)


def _python(words: Sequence[str]) -> tuple[str, ...]:
    return (sys.executable, *words[1:]) if words and words[0] in PYTHONS else tuple(words)


def _listening(
    environment: Mapping[str, str], wanted: Sequence[int], *, address: str, ports: Mapping[int, int]
) -> dict[str, str]:
    """HOST is always the task's own address; PORT is where the port it has or would have really is."""
    asked = environment.get("PORT", "")
    port = int(asked) if asked.isascii() and asked.isdigit() else (wanted[0] if wanted else None)
    if port is None:
        return {"HOST": address}
    return {"HOST": address, "PORT": str(ports.get(port, port))}


def _found(arguments: tuple[str, ...], environment: Mapping[str, str], home: Path) -> tuple[str, ...]:
    name, *rest = arguments
    path = str(home / name) if "/" in name else name  # an absolute one stays what it is
    found = shutil.which(path, path=environment.get("PATH", os.defpath))
    if found is None:
        missing = "executable file not found in $PATH" if "/" not in name else "no such file or directory"
        raise CannotStart(
            "CannotStartContainerError: failed to create shim task: OCI runtime create failed: runc create failed: "
            f'unable to start container process: exec: "{name}": {missing}: unknown'
        )
    return (found, *rest)
