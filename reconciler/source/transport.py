"""Transport to Git hosts: dulwich's clients with limits.

Git configuration and credential helpers are not read, and no shell is started. ssh is the only program that is run,
with an argument list, and it never prompts.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import urllib3
from dulwich.client import GitClient, LocalGitClient, SSHGitClient, Urllib3HttpGitClient, default_urllib3_manager
from dulwich.protocol import Protocol

from reconciler import errors
from reconciler.clock import Clock
from reconciler.source.credentials import Credentials
from reconciler.source.location import Location

CONNECT_SECONDS: Final = 10
SILENCE_SECONDS: Final = 30
"""Time without a byte after which a host counts as unreachable."""

LARGEST_PACK: Final = 256 * 1024 * 1024
LONGEST_FETCH_SECONDS: Final = 120.0


class BoundedPack:
    """Receives a pack, limited in size and time."""

    def __init__(self, file: IO[bytes], clock: Clock, name: str) -> None:
        self._file = file
        self._clock = clock
        self._began = clock.monotonic()
        self._size = 0
        self._name = name

    def __call__(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > LARGEST_PACK:
            raise errors.SourceUnreachable(f"{self._name}: the pack is larger than {LARGEST_PACK // 1024**2} MiB")
        if self._clock.monotonic() - self._began > LONGEST_FETCH_SECONDS:
            raise errors.SourceUnreachable(f"{self._name}: the fetch took longer than {LONGEST_FETCH_SECONDS:g} s")
        return self._file.write(data)


class _Ssh(SSHGitClient):
    """dulwich leaves ssh running when the host has disconnected; this ends it."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._protocols: list[Protocol] = []

    def _connect(self, *words: Any, **options: Any) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        found = super()._connect(*words, **options)
        self._protocols.append(found[0])
        return found

    @contextmanager
    def ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            for protocol in self._protocols:
                protocol.close()


@contextmanager
def connected(location: Location, credentials: Credentials) -> Iterator[tuple[GitClient, str]]:
    """A client for one connection, and its path of the repository."""
    match location.scheme:
        case "ssh":
            client = _Ssh(
                location.host,
                port=location.port,
                username=location.user or None,
                ssh_command=shlex.join(_ssh(credentials)),
                quiet=True,
            )
            with client.ended():
                yield client, location.repository
        case "https" | "http":
            user, password = credentials.login() if credentials.login is not None else (None, None)
            origin = location.url.removesuffix(location.repository)
            pools: Any = default_urllib3_manager(None, base_url=origin)
            with pools, _limited(pools):
                yield (
                    Urllib3HttpGitClient(origin, pool_manager=pools, username=user, password=password, quiet=True),
                    location.repository,
                )
        case _:
            yield LocalGitClient(quiet=True), location.repository


@contextmanager
def _limited(pools: Any) -> Iterator[None]:
    """Apply the limits to urllib3, and leave no response open.

    It calls `urlopen` for each redirect, and none may leave https. dulwich leaves responses open that it cannot read.
    """
    answers: list[urllib3.BaseHTTPResponse] = []
    inner = pools.urlopen

    def urlopen(method: str, url: str, redirect: bool = True, **options: Any) -> urllib3.BaseHTTPResponse:
        if "retries" in options and not url.startswith("https://"):
            raise urllib3.exceptions.LocationValueError("redirects to anything but https are not followed")
        options.setdefault("retries", urllib3.Retry(3, connect=0, read=0, redirect=3, status=0, other=0))
        options.setdefault("timeout", urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS))
        answer: urllib3.BaseHTTPResponse = inner(method, url, redirect, **options)
        answers.append(answer)
        return answer

    pools.urlopen = urlopen
    try:
        yield
    finally:
        for answer in answers:
            answer.close()


def _ssh(credentials: Credentials) -> list[str]:
    """ssh without prompts, without its own configuration, and without keys that were not configured."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": str(SILENCE_SECONDS // 2),
        "ServerAliveCountMax": "2",
        "ForwardAgent": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
    }
    if credentials.known_hosts is not None:
        options["UserKnownHostsFile"] = str(credentials.known_hosts)
    if credentials.ssh_key is not None:
        options["IdentitiesOnly"] = "yes"
    words = ["ssh", "-F", "none"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    if credentials.ssh_key is not None:
        words += ["-i", str(credentials.ssh_key)]
    return words
