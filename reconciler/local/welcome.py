"""A web server's welcome page, for the public images that have nothing else to show: `python welcome.py`.

HOST, PORT and WELCOME (whose page it is) come from the environment. Imports nothing of this package.
"""

from __future__ import annotations

import html
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = os.environ.get("WELCOME", "nginx")
    sys_version = ""

    def do_GET(self) -> None:
        name = html.escape(self.server_version)
        found = self.path.partition("?")[0] in {"/", "/index.html"}
        text = f"Welcome to {name}!" if found else "404 Not Found"
        body = f"<!doctype html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, format: str, *arguments: object) -> None:
        sys.stdout.write(f"{self.address_string()} - {format % arguments}\n")
        sys.stdout.flush()


def main() -> None:
    address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "80")))
    server = ThreadingHTTPServer(address, Page)
    server.daemon_threads = True

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.5)
    server.server_close()


if __name__ == "__main__":
    main()
