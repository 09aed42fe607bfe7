"""The app as a running server: answer until SIGTERM, then drain and exit.

A load balancer still sends requests for a moment after it was told to stop. So the server goes on accepting and
answering, with `Connection: close`, until no request has come for a while.
"""

from __future__ import annotations

import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from app import log
from app.handler import Handler
from app.pages import Pages
from app.settings import Settings

STOP = {signal.SIGTERM, signal.SIGINT}
QUIET = 0.25  # seconds without a request that count as drained
LONGEST_DRAIN = 20.0  # seconds; ECS kills 30 s after SIGTERM
SUMMARY_EVERY = 10.0  # seconds between two lines about the requests


def serve(settings: Settings) -> None:
    """Returns once SIGTERM or SIGINT has come and every request is answered; raises OSError when it cannot listen."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # in every thread: they are left to sigwait
    server = Server(settings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=server.summarise, daemon=True).start()
    port = server.server_address[1]
    log.line("listening", host=settings.host, port=port, version=settings.version, hostname=settings.hostname)
    signal.sigwait(STOP)
    server.draining = True
    log.line("draining")
    server.wait_until_quiet()
    log.line("stopped", requests=server.requests)


class Server(ThreadingHTTPServer):
    """A thread for each connection, all of which end with the process."""

    request_queue_size = 1024

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pages = Pages(settings)
        self.draining = False
        self.requests = 0  # answered; health checks are not counted
        self._in_progress = 0
        self._last_request = 0.0
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        super().__init__((settings.host, settings.port), Handler)

    def server_bind(self) -> None:
        """Without looking up the host's name, as HTTPServer does: that may take seconds."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # which is a client that has gone
            super().handle_error(request, client_address)

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """From the first byte of a request to the last byte of its answer."""
        with self._lock:
            self._in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_progress -= 1
                self._last_request = time.monotonic()

    def count(self) -> None:
        with self._lock:
            self.requests += 1

    def wait_until_quiet(self) -> None:
        """Returns when no request is in progress, and none has come for a while."""
        self._last_request = began = time.monotonic()
        while time.monotonic() < began + LONGEST_DRAIN:
            if not self._in_progress and time.monotonic() >= self._last_request + QUIET:
                return
            time.sleep(QUIET / 5)

    def summarise(self) -> None:
        """A line now and then, if there were requests: one for each would drown the log of a busy app."""
        logged = 0
        while True:
            time.sleep(SUMMARY_EVERY)
            if (requests := self.requests) > logged:
                log.line("requests", count=requests - logged, seconds=SUMMARY_EVERY)
                logged = requests
