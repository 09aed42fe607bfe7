"""An ECS that takes any UpdateService and remembers, in order of arrival, which epoch each came from."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Arrivals:
    """`writes` are (epoch, writer); `reads` counts the rest."""

    url: str = ""
    writes: list[tuple[int, str]] = field(default_factory=list)
    reads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def listening() -> Iterator[Arrivals]:
    arrivals = Arrivals()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with arrivals.lock:
                if self.headers["X-Amz-Target"].endswith(".UpdateService"):
                    arrivals.writes.append((said["desiredCount"], said["service"]))
                    answer = {"service": {"serviceName": said["service"]}}
                else:
                    arrivals.reads += 1
                    answer = {"clusterArns": []}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed is not worth a word."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    arrivals.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield arrivals
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
