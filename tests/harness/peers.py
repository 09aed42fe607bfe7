"""Peers of this machine that behave badly: they drip, say nothing, or never end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler import errors

DRIP_SECONDS = 0.05
SOON = 5.0
"""Seconds in which whatever has a deadline of its own must have ended."""


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that has `behave` talk to each connection, in a thread of its own, until it is done."""
    listener = socket.create_server(("127.0.0.1", 0))
    made: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(sock)
        sock.close()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            made.append(sock)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for sock in made:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def request(sock: socket.socket) -> bytes:
    """The head of a request."""
    text = b""
    while b"\r\n\r\n" not in text and (more := sock.recv(65536)):
        text += more
    return text


def silent(sock: socket.socket) -> None:
    """Accepts and says nothing."""
    while sock.recv(65536):
        pass


def dripping(text: bytes, head: bytes = b"") -> Callable[[socket.socket], None]:
    """Sends `head` at once and then `text`, one byte at a time, over and over."""

    def behave(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(head)
        while True:
            for number in text:
                sock.sendall(bytes([number]))
                time.sleep(DRIP_SECONDS)

    return behave


def flooding(text: bytes, head: bytes = b"") -> Callable[[socket.socket], None]:
    """Sends `head` and then `text` as fast as it is taken, without end."""

    def behave(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(head)
        while True:
            sock.sendall(text)

    return behave


def failed(work: Callable[[], object]) -> errors.ReconcilerError:
    """The error that `work` ends with, in time."""
    ended: list[errors.ReconcilerError] = []

    def run() -> None:
        try:
            work()
        except errors.ReconcilerError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    assert ended, "it has not ended, or it succeeded"
    return ended[0]
