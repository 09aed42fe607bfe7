"""One connection to the app: the base class reads its requests, one after the other, and calls `do_METHOD` for each."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from app import log
from app.pages import Answer

if TYPE_CHECKING:
    from io import BufferedReader

    from app.server import Server

LONGEST_BODY = 1024 * 1024  # bytes; no page takes a body, so it is read and dropped
REQUEST_LINE = re.compile(r"[A-Z]+ [!-~]+ HTTP/1\.[01]")


class Handler(BaseHTTPRequestHandler):
    server: Server
    rfile: BufferedReader
    protocol_version = "HTTP/1.1"  # connections are kept open
    default_request_version = "HTTP/1.0"  # for a request line that names none: its refusal needs a status line
    wbufsize = -1  # an answer leaves in one piece

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = re.sub(r"^\w+://[^/?]*|\?.*", "", self.path) or "/"  # without host and query
        page = self.server.pages.answer(self.command, path, accept=self.headers.get("Accept", ""))
        if path != "/healthz":
            self.server.count()
        if self.server.settings.access_log:
            log.line("request", method=self.command, path=path, status=page.status)
        if self.server.draining:
            self.close_connection = True
        self.send(page)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server's names

    def send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-App-Version", re.sub("[^ -~]", "?", self.server.settings.version))
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class calls this for every request that it refuses."""
        phrase = HTTPStatus(code).phrase
        log.line("refused", status=code, because=message or phrase)
        self.close_connection = True
        self.send(Answer(code, f"{phrase}\n".encode()))

    def handle_one_request(self) -> None:
        self.close_connection = not self.rfile.peek(1)  # waits for the next request; empty when there is none
        if not self.close_connection:
            with self.server.in_progress():
                super().handle_one_request()

    def parse_request(self) -> bool:
        """Also refuses what the base class accepts although it is not HTTP/1.1, or its end is unclear."""
        if not super().parse_request():
            return False
        hosts, lengths = self.headers.get_all("Host", []), self.headers.get_all("Content-Length", [])
        chunked = "Transfer-Encoding" in self.headers
        if (
            not REQUEST_LINE.fullmatch(self.requestline)
            or self.headers.defects
            or len(hosts) > 1
            or (not hosts and self.request_version == "HTTP/1.1")
            or len(lengths) + chunked > 1
            or not all(re.fullmatch(r"\d{1,12}", length) for length in lengths)
        ):
            self.send_error(400)
        elif chunked:
            self.send_error(411)
        elif lengths and int(lengths[0]) > LONGEST_BODY:
            self.send_error(413)
        else:
            return True
        return False
