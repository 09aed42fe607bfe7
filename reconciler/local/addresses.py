"""Addresses of this machine for tasks and load balancers: 127.31.x.y, each with all its ports.

Every AWS emulator on the machine takes a block 127.31.x.0/24 and holds it by a bound socket, so that two of them never
share one, and the block is free again the moment its process is gone, however it went. Load balancers get the low
addresses, so that a URL is the same each time; tasks take turns among the others, so that nothing that still remembers
a task that is gone meets a new one in its place.

Where 127/8 is not this machine's (macOS), everything is on 127.0.0.1 with ports of its own; where a port may not be
opened (80 without privileges) or is taken, 10,000 is added. `notes` says so in words.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterable

SHARED = "127.0.0.1"
CLAIM_PORT = 31310  # UDP; nothing is ever sent there
BALANCERS = range(1, 50)
TASKS = range(50, 255)
HIGHER = 10_000
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class NoAddressLeft(Exception):
    """Every block of addresses on this machine is taken."""


class Addresses:
    """From any thread. `shared` puts everything on 127.0.0.1, as where 127/8 is lacking; None finds out."""

    def __init__(self, *, shared: bool | None = None) -> None:
        self._lock = threading.Lock()
        self._claims: list[socket.socket] = []
        self._blocks: list[int] = []
        self._taken: set[str] = set()
        self._reserved: dict[str, set[int]] = {}  # ports of 127.0.0.1, by whom they were given to
        self._owners = 0
        self._turn = 0
        self._notes: dict[str, None] = {}
        self.shared = not self._claim() if shared is None else shared
        if self.shared:
            self._note("this machine has no loopback address but 127.0.0.1: every task and listener has a port of it")

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it is on AWS, for a person."""
        return tuple(self._notes)

    def take(self, *, balancer: bool = False, lowest_port: int = 0) -> Place:
        """A place for one task or load balancer, which may listen from `lowest_port` on; raises NoAddressLeft."""
        with self._lock:
            self._owners += 1
            if self.shared:
                return Place(self, SHARED, f"#{self._owners}", lowest_port)
            address = self._next(BALANCERS if balancer else TASKS, cycle=not balancer)
            self._taken.add(address)
            return Place(self, address, address, lowest_port)

    def close(self) -> None:
        with self._lock:
            for claim in self._claims:
                claim.close()
            self._claims.clear()
            self._blocks.clear()

    # ---- for places -------------------------------------------------------------------------------------------------

    def give_back(self, owner: str) -> None:
        with self._lock:
            self._taken.discard(owner)
            self._reserved.pop(owner, None)

    def port(self, address: str, owner: str, wanted: int, lowest: int = 0) -> int:
        """The port itself, else a higher one that is free there."""
        with self._lock:
            if address == SHARED:
                given = _free(address, avoid=set().union(*self._reserved.values()))
                self._reserved.setdefault(owner, set()).add(given)
                return given
            why = "permission denied" if wanted < lowest else _refusal(address, wanted)
            if why is None:
                return wanted
            higher = wanted + HIGHER if wanted + HIGHER < 65536 and _refusal(address, wanted + HIGHER) is None else 0
            given = higher or _free(address, avoid=())
            self._note(f"port {wanted} cannot be opened here ({why}): {given if higher else 'another one'} instead")
            return given

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _next(self, numbers: range, *, cycle: bool) -> str:
        while True:
            every = [f"127.31.{block}.{number}" for block in self._blocks for number in numbers]
            start = self._turn % len(every) if cycle and every else 0
            for position in range(len(every)):
                address = every[(start + position) % len(every)]
                if address not in self._taken:
                    self._turn = start + position + 1 if cycle else self._turn
                    return address
            if not self._claim():
                raise NoAddressLeft("no address left in 127.31.0.0/16: other AWS emulators have taken the rest")

    def _claim(self) -> bool:
        """Take another block; False when there is none."""
        for block in range(256):
            if block in self._blocks:
                continue
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                claim.bind((f"127.31.{block}.255", CLAIM_PORT))
            except OSError as error:
                claim.close()
                if error.errno in _NOT_HERE:
                    return False
                continue
            self._claims.append(claim)
            self._blocks.append(block)
            return True
        return False

    def _note(self, text: str) -> None:
        self._notes[text] = None


class Place:
    """An address given to somebody until it is given back."""

    def __init__(self, addresses: Addresses, address: str, owner: str, lowest_port: int) -> None:
        self.address = address
        self._lowest_port = lowest_port
        self._addresses = addresses
        self._owner = owner

    def port(self, wanted: int) -> int:
        """Where `wanted` can really be opened."""
        return self._addresses.port(self.address, self._owner, wanted, self._lowest_port)

    def listen(self, wanted: int, *, backlog: int = 1024) -> socket.socket:
        """A listening socket there; raises OSError when not even a higher port is to be had."""
        try:
            return _listening(self.address, self.port(wanted), backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        return _listening(self.address, self.port(wanted), backlog)  # it was taken just after it had been free

    def give_back(self) -> None:
        self._addresses.give_back(self._owner)


def _listening(address: str, port: int, backlog: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        opened.listen(backlog)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _refusal(address: str, port: int) -> str | None:
    """Why nothing could listen there; None when it could."""
    try:
        _listening(address, port, 1).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _free(address: str, *, avoid: Iterable[int]) -> int:
    avoided = frozenset(avoid)
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port not in avoided:
            return port
