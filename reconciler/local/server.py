"""The local AWS emulator over HTTP, on a loopback port."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from reconciler import http_guard
from reconciler.local.aws import LaptopAws
from reconciler.local.endpoint import MALFORMED, Endpoint

DEFAULT_PORT = 4566


class _Quiet(WSGIRequestHandler):
    """Connections are kept alive, and nothing is printed per request."""

    protocol_version = "HTTP/1.1"

    def make_environ(self) -> dict[str, Any]:
        """With a mark where the head has lines that are no headers: `Origin : x` would else be read as none."""
        environ: dict[str, Any] = super().make_environ()
        names_ok = all(http_guard.is_header_name(name) for name in self.headers)
        environ[MALFORMED] = bool(self.headers.defects) or not names_ok
        return environ

    def log(self, type: str, message: str, *args: object) -> None:
        """Whoever wants to know the calls asks `LaptopAws.calls`."""


class Server:
    """`with serve(...) as server:` answers on `server.url` until the end of the block."""

    def __init__(self, laptop: LaptopAws, host: str, port: int) -> None:
        self.laptop = laptop
        self._server = ThreadedWSGIServer(host, port, Endpoint(laptop), handler=_Quiet)
        self._server.daemon_threads = True
        self.host, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Server:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, and stop the local AWS emulator's clockwork."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(timeout=10)
        self._server.server_close()
        self.laptop.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(host: str, port: int, laptop: LaptopAws) -> Server:
    """Answer at once; port 0 takes a free one. OSError when the port is taken."""
    return Server(laptop, host, port).start()
