"""Transport to Git hosts: dulwich's clients with limits.

Git configuration and credential helpers are not read, and no shell is started. ssh is the only program that is run,
with an argument list, and it never prompts.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import urllib3
from dulwich.client import (
    GitClient,
    LocalGitClient,
    SSHGitClient,
    SubprocessSSHVendor,
    SubprocessWrapper,
    Urllib3HttpGitClient,
    default_urllib3_manager,
)
from dulwich.protocol import Protocol
from urllib3.connection import HTTPConnection, HTTPSConnection

from reconciler.exchange import Bounded, Exchange, current
from reconciler.source.credentials import Credentials
from reconciler.source.location import Location

CONNECT_SECONDS: Final = 10
SILENCE_SECONDS: Final = 30
"""Time without a byte after which a host counts as unreachable."""

REFS_SECONDS: Final = 30.0
"""Time for all that a host says about its branches."""
FETCH_SECONDS: Final = 120.0
"""Time for one pack, from connecting to its last byte."""
LARGEST_REFS: Final = 16 * 1024 * 1024
LARGEST_PACK: Final = 256 * 1024 * 1024
LONGEST_COMPLAINT: Final = 64 * 1024
"""Bytes of what ssh says about an error."""


class PackTooLarge(Exception):
    """The pack is larger than `LARGEST_PACK`."""


class BoundedPack:
    """Receives a pack, limited in size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0

    def __call__(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > LARGEST_PACK:
            raise PackTooLarge
        return self._file.write(data)


class _Connection(Bounded, HTTPConnection):
    pass


class _SecureConnection(Bounded, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _SecureConnection


class _Program(SubprocessSSHVendor):
    """Runs ssh, and counts what it sends."""

    def __init__(self) -> None:
        self._started: list[SubprocessWrapper] = []

    def run_command(self, *words: Any, **options: Any) -> SubprocessWrapper:
        found: Any = super().run_command(*words, **options)
        self._started.append(found)
        found.read = _counted(found.read)
        return found  # type: ignore[no-any-return]

    def kill(self) -> None:
        for one in self._started:
            one.proc.kill()


class _Complaints:
    """The beginning of what ssh says about an error."""

    def __init__(self, stderr: IO[bytes]) -> None:
        self._stderr = stderr

    def readlines(self) -> list[bytes]:
        text = b""
        while len(text) < LONGEST_COMPLAINT and (more := self._stderr.read(4096)):
            text += more
        return text.splitlines()


class _Ssh(SSHGitClient):
    """dulwich leaves ssh running when the host has disconnected; this ends it."""

    def __init__(self, program: _Program, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options | {"vendor": program})
        self._program = program
        self._protocols: list[Protocol] = []

    def _connect(self, *words: Any, **options: Any) -> tuple[Protocol, Callable[[], bool], Any]:
        protocol, can_read, stderr = super()._connect(*words, **options)
        self._protocols.append(protocol)
        return protocol, can_read, None if stderr is None else _Complaints(stderr)

    @contextmanager
    def ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._program.kill()
            for protocol in self._protocols:
                protocol.close()


def _counted(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def counted(count: int = -1) -> bytes:
        data, exchange = read(count), current()
        if exchange is not None:
            exchange.took(len(data))
            if not data:
                exchange.left()  # ssh may have been ended for the time that it took
        return data

    return counted


@contextmanager
def connected(
    location: Location, credentials: Credentials, seconds: float, most_bytes: int, stop: threading.Event
) -> Iterator[tuple[GitClient, str]]:
    """A client for one exchange, and its path of the repository. Raises `exchange.Exceeded`."""
    match location.scheme:
        case "ssh":
            program = _Program()
            client = _Ssh(
                program,
                location.host,
                port=location.port,
                username=location.user or None,
                ssh_command=shlex.join(_ssh(credentials)),
                quiet=True,
            )
            with Exchange(seconds, most_bytes, stop=stop) as exchange, client.ended(), exchange.cut(program.kill):
                yield client, location.repository
        case "https" | "http":
            user, password = credentials.login() if credentials.login is not None else (None, None)
            origin = location.url.removesuffix(location.repository)
            pools: Any = default_urllib3_manager(None, base_url=origin)
            pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
            with Exchange(seconds, most_bytes, stop=stop), pools, _limited(pools):
                yield (
                    Urllib3HttpGitClient(origin, pool_manager=pools, username=user, password=password, quiet=True),
                    location.repository,
                )
        case _:
            yield LocalGitClient(quiet=True), location.repository


@contextmanager
def _limited(pools: Any) -> Iterator[None]:
    """Apply the limits to urllib3, and leave no response open.

    It calls `urlopen` for each redirect, and none may leave https. No response is inflated: none was asked for that
    would have to be. dulwich leaves responses open that it cannot read.
    """
    answers: list[urllib3.BaseHTTPResponse] = []
    inner = pools.urlopen

    def urlopen(method: str, url: str, redirect: bool = True, **options: Any) -> urllib3.BaseHTTPResponse:
        if "retries" in options and not url.startswith("https://"):
            raise urllib3.exceptions.LocationValueError("redirects to anything but https are not followed")
        options.setdefault("retries", urllib3.Retry(3, connect=0, read=0, redirect=3, status=0, other=0))
        options["decode_content"] = False
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
