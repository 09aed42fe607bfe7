"""Location of specs as users write it: `https://github.com/ana/shop.git#main:specs`, or a folder.

    URL#BRANCH:PATH     no branch: the repository's default; no path: `specs`; `.` is the repository's root
    URL                 https://…, ssh://…, git@host:path, a file URL, or a path to a repository

Only these schemes are supported, so a URL cannot run a program or reach another protocol. Plain http is not
authenticated and is allowed for this machine only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from reconciler import errors

DEFAULT_PATH: Final = "specs"
_SCP: Final = re.compile(r"^(?:(?P<user>[\w.+-]+)@)?(?P<host>[\w.-]{2,}):(?!//)(?P<path>.+)$")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_REF: Final = re.compile(r"^[^\x00-\x20\x7f~^:?*\[\\]+$")


@dataclass(frozen=True, slots=True)
class Location:
    """A folder in a branch of a Git repository. `user` is for ssh; `port` None is the scheme's default."""

    scheme: str
    host: str
    port: int | None
    user: str
    repository: str
    branch: str
    path: str

    @property
    def url(self) -> str:
        if self.scheme == "file":
            return self.repository
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{host}{port}{self.repository}"

    @property
    def ref(self) -> bytes:
        """The full name of the branch; `HEAD` for the default one."""
        if not self.branch:
            return b"HEAD"
        return self.branch.encode() if self.branch.startswith("refs/") else b"refs/heads/" + self.branch.encode()

    def __str__(self) -> str:
        return f"{self.url}#{self.branch}:{self.path or '.'}"


def is_git(text: str) -> bool:
    """Whether `text` is a repository and not a folder."""
    return "#" in text or "://" in text or _SCP.match(text) is not None or text.endswith(".git")


def parse(text: str) -> Location:
    """Raises `errors.SpecInvalid`."""
    url, _, fragment = text.partition("#")
    branch, _, path = fragment.partition(":")
    if branch and (_REF.match(branch) is None or ".." in branch or branch.startswith(("-", "/"))):
        raise errors.SpecInvalid(f"{branch!r} is not a valid branch name")
    scheme, host, port, user, repository = _place(url)
    return Location(scheme, host, port, user, repository, branch, _folder(path or DEFAULT_PATH))


def _place(url: str) -> tuple[str, str, int | None, str, str]:
    scp = _SCP.match(url)
    if "://" not in url and scp is not None:
        path = scp["path"]
        return "ssh", scp["host"], None, scp["user"] or "", path if path.startswith("/") else f"/~/{path}"
    if "://" not in url:
        return "file", "", None, "", str(Path(url).absolute())
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise errors.SpecInvalid("the source is not a URL") from None
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise errors.SpecInvalid("the URL contains credentials; set RECONCILER_GIT_TOKEN instead")
    if parts.query:
        raise errors.SpecInvalid("a repository URL cannot have a query")
    if parts.scheme == "file" and not host:
        return "file", "", None, "", unquote(parts.path)
    allowed = parts.scheme in ("https", "ssh") or (parts.scheme == "http" and host in _LOOPBACK)
    if not allowed or not host or host.startswith("-") or len(parts.path) < 2:
        raise errors.SpecInvalid(
            f"{parts.scheme}://{host} is not a valid source; use https, ssh or file, with a host and a repository"
        )
    return parts.scheme, host, port, unquote(parts.username or ""), parts.path


def _folder(path: str) -> str:
    """The path segments from the repository's root; empty for the root itself."""
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if ".." in steps or path.startswith("/"):
        raise errors.SpecInvalid(f"{path!r} is not a valid folder of the repository")
    return "/".join(steps)
