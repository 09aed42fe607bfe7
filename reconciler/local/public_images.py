"""Well-known public images that run here without being pulled: a web server's welcome page, and a shell.

Only their names are known, whatever the tag. A shell's image runs the command of the task definition on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WELCOME = ("python", str(Path(__file__).parent / "welcome.py"))
PREFIXES = ("public.ecr.aws/", "docker.io/", "registry-1.docker.io/", "docker/library/", "library/")
SERVERS = frozenset({"nginx", "nginx/nginx", "nginx/nginx-unprivileged", "nginxinc/nginx-unprivileged", "httpd"})
SHELLS = frozenset({"busybox", "alpine", "amazonlinux", "amazonlinux/amazonlinux", "debian", "ubuntu", "python"})


@dataclass(frozen=True, slots=True)
class Program:
    """What an image runs unless it is told otherwise. `content` is a folder with the pushed one in it as `app`."""

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    content: Path | None = None


def program(repository: str) -> Program | None:
    """None: not one of these."""
    name = repository
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    if name in SERVERS:
        return Program(command=WELCOME, environment={"WELCOME": name.rpartition("/")[2]})
    if name in SHELLS:
        return Program(command=("sh",))
    return None
