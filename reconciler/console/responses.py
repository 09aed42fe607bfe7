"""Parts of answers: threads for what takes time, forms, and pages."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
KEPT: Final = 64
"""Drawn fragments that are kept for other viewers."""
COMPRESSED: Final = 2048
"""Size from which a page is compressed. Pages with a form's token are not: their size would tell of it."""


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


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page that shows something, as browsers take it."""

    plain: bytes
    compressed: bytes

    @classmethod
    def of(cls, plain: bytes) -> Drawn:
        return cls(plain, gzip.compress(plain, 5, mtime=0) if len(plain) >= COMPRESSED else b"")

    def response(self, accepted: str, headers: dict[str, str]) -> Response:
        if self.compressed and "gzip" in accepted:
            return html(self.compressed, {**headers, "Content-Encoding": "gzip"})
        return html(self.plain, headers)


class SharedDrawings:
    """Each fragment is drawn once, however many viewers ask for it at the same time or later."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Drawn] = OrderedDict()
        self._drawing: dict[str, asyncio.Task[Drawn]] = {}

    async def get(self, tag: str, draw: Callable[[], Awaitable[bytes]]) -> Drawn:
        known = self._known.get(tag)
        if known is not None:
            return known
        task = self._drawing.get(tag)
        if task is None:
            task = self._drawing[tag] = asyncio.ensure_future(self._draw(tag, draw))
        return await asyncio.shield(task)

    async def _draw(self, tag: str, draw: Callable[[], Awaitable[bytes]]) -> Drawn:
        try:
            drawn = self._known[tag] = await asyncio.to_thread(Drawn.of, await draw())
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return drawn
        finally:
            del self._drawing[tag]


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
