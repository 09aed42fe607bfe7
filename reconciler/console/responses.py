"""Parts of answers: threads for what takes time, forms, and pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from reconciler.console import pages

T = TypeVar("T")

AT_ONCE: Final = 4
"""Pages that are drawn at a time, and as many questions and requests."""
LARGEST_FORM: Final = 4096


class Failed(Exception):
    """An answer in place of the page."""

    def __init__(self, status: HTTPStatus, text: str, *, back: str = "") -> None:
        super().__init__(text)
        self.status, self.text, self.back = status, text, back


class Threads:
    """A few threads for one sort of work, so that one that waits for AWS holds up none that draws."""

    def __init__(self) -> None:
        self._free: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        if self._free is None or self._loop is not loop:  # it belongs to a loop, which there is only now
            self._free, self._loop = asyncio.Semaphore(AT_ONCE), loop
        async with self._free:
            return await asyncio.to_thread(work, *arguments)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, each once. Raises `Failed`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Failed(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only forms are taken.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise Failed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too long.")
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        raise Failed(HTTPStatus.BAD_REQUEST, "The form cannot be read.") from None
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def html(body: bytes, headers: dict[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body, status, {"Content-Type": "text/html; charset=utf-8", **(headers or {})})


def bare(status: HTTPStatus, title: str, text: str, *, back: str = "") -> Response:
    waits = status is HTTPStatus.SERVICE_UNAVAILABLE
    body = pages.bare("bare.html", title="Starting" if waits else title, text=text, back=back, refresh=waits)
    return html(body.encode(), status=status)
