"""How the local AWS emulator and its balancer's process talk: a question, an answer, over a pair of connected sockets.

Both ends are ours and nobody else can reach them, so values travel pickled. Listening sockets travel as file
descriptors: they stay open in the AWS emulator, so no client is refused while a balancer that died is started again.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.local.balancer.table import Table

LENGTH = struct.Struct("!I")
MOST_DESCRIPTORS = 250  # a message carries 253 at most


@dataclass(frozen=True, slots=True)
class Listen:
    """These listeners have a socket now: one descriptor each comes along, in this order."""

    listener_arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serve:
    """From now on exactly this; answered once it holds."""

    table: Table


@dataclass(frozen=True, slots=True)
class Tell:
    """Answered with the counts since the one before: {Count: number}."""


def send(end: socket.socket, message: Any, descriptors: Sequence[int] = ()) -> None:
    data = pickle.dumps(message)
    data = LENGTH.pack(len(data)) + data
    if descriptors:
        data = data[socket.send_fds(end, [data], descriptors) :]
    end.sendall(data)


def receive(end: socket.socket) -> tuple[Any, list[int]]:
    """The next message; raises EOFError when the other end is gone."""
    head, descriptors = _exactly(end, LENGTH.size)
    (length,) = LENGTH.unpack(head)
    data, more = _exactly(end, length)
    return pickle.loads(data), descriptors + more


def _exactly(end: socket.socket, size: int) -> tuple[bytes, list[int]]:
    data = b""
    descriptors: list[int] = []
    while len(data) < size:
        got, came, _, _ = socket.recv_fds(end, size - len(data), MOST_DESCRIPTORS)
        if not got:
            raise EOFError
        data += got
        descriptors += came
    return data, descriptors
