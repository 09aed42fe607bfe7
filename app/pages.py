"""What is answered to whom: a pure function from request to answer."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

from app.settings import Settings

Kind = Literal["text/html; charset=utf-8", "text/plain; charset=utf-8"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    kind: Kind = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class Pages:
    """The app's two pages, rendered once: they only depend on the settings."""

    def __init__(self, settings: Settings) -> None:
        line = f"{settings.greeting} (version {settings.version} on {settings.hostname})\n"
        self._text = Answer(200, line.encode(), headers=(("Vary", "Accept"),))
        self._html = Answer(200, _page(settings).encode(), "text/html; charset=utf-8", (("Vary", "Accept"),))
        self._healthy = Answer(200, b"ok\n")

    def answer(self, method: str, path: str, *, accept: str = "") -> Answer:
        if path not in {"/", "/healthz"}:
            return Answer(404, b"not found\n")
        if method not in {"GET", "HEAD"}:
            return Answer(405, b"only GET and HEAD\n", headers=(("Allow", "GET, HEAD"),))
        if path == "/healthz":
            return self._healthy
        return self._html if "text/html" in accept else self._text


def _page(settings: Settings) -> str:
    greeting, version, hostname = (
        html.escape(text) for text in (settings.greeting, settings.version, settings.hostname)
    )
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{greeting}</title>
<style>body {{ font: 1.2rem system-ui, sans-serif; margin: 20vh auto; text-align: center }}</style></head>
<body><h1>{greeting}</h1><p>version <b>{version}</b> on {hostname}</p></body>
</html>
"""
